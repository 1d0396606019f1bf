"""Uploads that are walked eight meters at once are those that are walked one by one: of any estate, window, shards and chunks."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from scenarios.domain import DAY_US
from scenarios.spec import Scenario
from sim.estate.arrivals import HOUR_US
from sim.estate.model import EstateModel, build_estate
from sim.estate.parameters import SETTLEMENT_RUN, pack
from sim.trace.blocks import trace_blocks
from sim.trace.digest import tiles_of_blocks
from sim.trace.messages import MessageKind
from sim.virtual_time import parallel
from sim.virtual_time.tallies import Tallies, walk
from sim.virtual_time.uploads import sends_nothing_else, sends_uploads_alone

QUIET = dict.fromkeys(("usage_month_per_premises_day", "intervals_day_per_premises_day", "state_per_premises_day"), 0.0)
BOTH = {"fuels": ["electricity", "gas"]}
ESTATES = {
    "uploads alone": ({"premises": 203} | BOTH, {"traffic": QUIET}, 1),
    "one fuel": ({"premises": 101}, {"traffic": QUIET}, 3),
    "quarter-hours": ({"premises": 60, "slots_per_hour": 4} | BOTH, {"traffic": QUIET}, 2),
    "over the blocks of draws": ({"premises": 25} | BOTH, {"traffic": QUIET}, 19),
    "homes that join": (
        {"premises": 120, "rollout": {"start_share": 0.3, "over_days": 12}} | BOTH,
        {"traffic": QUIET},
        9,
    ),
    "customers and alerts": ({"premises": 90} | BOTH, {"alerts": {"per_hub_day": 0.5}}, 3),
    "a campaign": (
        {"premises": 90} | BOTH,
        {"campaigns": [{"name": "price", "kind": "update_price", "share": 0.5, "at_h": 4.0, "over_h": 2.0}]},
        2,
    ),
}


def scenario_of(name: str) -> Scenario:
    estate, parts, days = ESTATES[name]
    topology = {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]}
    return Scenario.model_validate(
        {"title": name, "estate": estate, "topology": topology, "run": {"wall_s": 60, "days": days}} | parts
    )


def one_by_one(estate: EstateModel) -> Tallies:
    """The same walk of an estate that has a settlement run too, which comes after its span's end."""
    late = np.array([(4_000, 1)], SETTLEMENT_RUN)
    parameters = estate.parameters._replace(settlement_run_count=1, settlement_runs=late)
    return walk(replace(estate, packed=pack(parameters)))


def assert_equal(one: Tallies, other: Tallies) -> None:
    for name, a, b in zip(one._fields, one, other, strict=True):
        assert (a == b).all(), name


@pytest.mark.parametrize("name", ESTATES)
def test_uploads_are_those_that_are_walked_one_by_one(name):
    estate = build_estate(scenario_of(name))
    assert sends_uploads_alone(estate.packed)
    assert sends_nothing_else(estate.packed) == ("traffic" in ESTATES[name][1])
    tallies = walk(estate)
    assert_equal(tallies, one_by_one(estate))
    assert (tallies.tiles == tiles_of_blocks(estate, trace_blocks(estate))).all()
    meters = estate.premises_count * len(estate.fuels)
    assert tallies.modes.sum() == meters
    if "rollout" not in ESTATES[name][0]:
        assert tallies.offered[MessageKind.UPLOAD_DAY].sum() == meters * ESTATES[name][2]


@pytest.mark.parametrize("name", ["over the blocks of draws", "homes that join"])
def test_windows_shards_and_chunks_add_up_to_the_whole(name, monkeypatch):
    estate = build_estate(scenario_of(name))
    whole = walk(estate)
    cuts = (0, DAY_US + 1, DAY_US + HOUR_US, 4 * DAY_US, 8 * DAY_US + 3 * HOUR_US, estate.span_us)
    windows = [walk(estate, from_us=start, until_us=end) for start, end in itertools.pairwise(cuts)]
    assert (sum(part.tiles for part in windows) == whole.tiles).all()
    assert (sum(part.arrived_to_end_us for part in windows) == whole.arrived_to_end_us).all()
    assert sum(bool(part.offered.sum()) for part in windows) >= 4
    monkeypatch.setattr(parallel, "CHUNK_SIZE", 7)
    shards = [walk(estate, shard, 3) for shard in range(3)]
    assert_equal(Tallies(*(sum(parts) for parts in zip(*shards, strict=True))), whole)


@pytest.mark.parametrize(
    "part",
    [
        {"estate": {"read_schedules": {"daily": 0.9, "monthly": 0.1}}},
        {"estate": {"schedule_changes": [{"to": "half_hourly", "share": 0.1, "until_h": 20.0}]}},
        {"estate": {"meter_types": {"register_only": 0.1, "profile": 0.8, "ten_second": 0.05, "import_export": 0.05}}},
        {"estate": {"metering": {"gas": 0.8}}},
        {"reads": {"gap_share": 0.01}},
        {"reads": {"duplicate_share": 0.01}},
        {"reads": {"settlement_runs": [{"name": "first", "after_days": 1, "share": 0.1}]}},
        {"wan": {"cellular": {"delay_ms_min": 200.0, "delay_ms_max": 3000.0}}},
        {"wan": {"outages": [{"region": "north", "at_h": 5.0, "for_h": 2.0}]}},
    ],
    ids=lambda part: next(iter(next(iter(part.values())))),
)
def test_what_sends_more_than_uploads_is_not_taken_for_one(part):
    estate = {"premises": 10} | BOTH | part.get("estate", {})
    topology = {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]}
    table = {"title": "more", "topology": topology, "run": {"wall_s": 60}} | part | {"estate": estate}
    assert not sends_uploads_alone(build_estate(Scenario.model_validate(table)).packed)
