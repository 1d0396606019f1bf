"""What a scenario's load sends through the emulated WAN, and which run is refused because that is too much."""

import pytest

from loadtests.errors import HarnessError
from loadtests.sites.cost import NetworkCost
from loadtests.workload import site_traffic as reckoned
from loadtests.workload.operations import lanes_of
from loadtests.workload.sample import sample_of
from loadtests.workload.site_traffic import PREPARED_ID, SiteTraffic, require_bandwidth, site_traffic
from scenarios.domain import Operation
from scenarios.operations import operations_of
from scenarios.parts.pace import Shape
from scenarios.spec import Scenario, parse_scenario
from sim.estate.model import build_estate
from store.schemas import SCHEMAS


def scenario(dcs: int = 2, wall_s: int = 10, premises: int = 1_000) -> Scenario:
    names = ", ".join(f'{{ name = "{name}", nodes = 3, rf = 3 }}' for name in ("north", "south", "west")[:dcs])
    return parse_scenario(
        f"""
title = "t"
[estate]
premises = {premises}
fuels = ["electricity"]
upload_window_h = 24.0
[estate.read_schedules]
daily = 1.0
[topology]
dcs = [{names}]
[run]
wall_s = {wall_s}
""",
        "test",
    )


def traffic(given: Scenario) -> SiteTraffic:
    return site_traffic(given, build_estate(given))


def carrying(mb_per_s: float) -> NetworkCost:
    return NetworkCost(added_ms_p50=0.1, added_ms_p99=0.2, carried_mb_per_s=mb_per_s)


def test_a_writes_bytes_go_to_each_data_centre_and_a_questions_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given = scenario()
    schema = SCHEMAS["home_months"]
    ids = {one.cql: PREPARED_ID for each in operations_of(given) for one in schema.statements_of(each)}
    block = sample_of(given, build_estate(given), schema, ids)  # all that it sends
    is_write = [schema.statement(lane.operation).is_write for lane in lanes_of(given)]
    sizes = dict.fromkeys((True, False), 0)
    for row in block.rows:
        sizes[is_write[row["operation"]]] += int(row["frame_size"])
    assert min(sizes.values()) > 0 and Operation.INGEST_READING in operations_of(given)
    monkeypatch.setattr(reckoned, "STRETCH_OPERATIONS_MIN", len(block.rows))  # the whole replay is one stretch
    for dcs in (1, 2, 3):
        found = traffic(scenario(dcs))
        assert found.stretch_s == 10 and found.operations_per_s == len(block.rows) / 10
        assert found.bytes_per_s == (dcs * sizes[True] + sizes[False]) / 10


def test_the_busiest_stretch_counts_and_half_of_the_time_is_twice_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoned, "STRETCH_OPERATIONS_MIN", 100)
    slow, fast = traffic(scenario(wall_s=20)), traffic(scenario(wall_s=10))
    assert fast.bytes_per_s == pytest.approx(2 * slow.bytes_per_s, rel=0.05)
    assert traffic(scenario(wall_s=20).with_shape(Shape.SPIKE)).bytes_per_s > 1.5 * slow.bytes_per_s


def test_some_homes_speak_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoned, "STRETCH_OPERATIONS_MIN", 1_000_000)  # of both the mean
    whole = traffic(scenario(premises=3_000))
    monkeypatch.setattr(reckoned, "SAMPLE_MAX", 1_500)
    assert traffic(scenario(premises=3_000)).bytes_per_s == pytest.approx(whole.bytes_per_s, rel=0.3)


def test_a_run_that_would_saturate_the_wan_is_refused_with_both_figures() -> None:
    needed = SiteTraffic(bytes_per_s=450e6, operations_per_s=400_000, stretch_s=2.5)
    require_bandwidth(needed, carrying(450.0))
    with pytest.raises(HarnessError) as refused:
        require_bandwidth(needed, carrying(449.0))
    assert str(refused.value) == (
        "the emulated WAN carries 449 MB/s on this machine, and the run would send at least 450 MB/s through it in its busiest "
        "2.5 s (400,000 operations/s, each write to every data centre); give it a longer run.wall_s, fewer premises, or leave "
        "out [topology.wan]"
    )
