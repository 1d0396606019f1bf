"""Markets of quarter-hours: the same messages as the naive list, the same registers, and energy that adds up."""

import numpy as np
import pytest

from scenarios.domain import DAY_US
from scenarios.spec import ScenarioError, parse_scenario
from sim.energy.raw_forms import raw_readings, ten_seconds_wh
from sim.energy.registers import intervals_wh, register_wh
from sim.estate.model import build_estate
from sim.trace.blocks import trace_blocks
from sim.trace.digest import merkle_root, tiles_of_blocks
from sim.trace.messages import MessageKind
from sim.virtual_time.tallies import trace_digest, walk
from tests.oracles.estate import twin_rows
from tests.oracles.naive_estate import NaiveEstate
from tests.support.drawn_estates import EVERYTHING, estate_of

DAYS = 3


def quarters(**fields):
    return estate_of(**{"slots_per_hour": 4, "days": DAYS, "push_jitter_s": 900.0, **fields})


def rows_of(estate):
    columns = ("due_us", "meter", "kind", "first_slot", "draw_index")
    return [
        row
        for block in trace_blocks(estate)
        for row in zip(*(getattr(block, name).tolist() for name in columns), strict=True)
    ]


@pytest.fixture(scope="module")
def everything():
    """All that may go on at once, over the day on which the clocks go back."""
    return quarters(**EVERYTHING)


def test_everything_at_once_equals_the_naive_list_and_the_twin(everything):
    found = rows_of(everything)
    assert found == NaiveEstate(everything.parameters).messages()
    assert found == twin_rows(everything)
    assert {row[2] for row in found} == set(MessageKind)
    slots = [row[3] for row in found if row[2] == MessageKind.PUSH_HALF_HOUR]
    assert max(slots) >= (DAYS - 1) * 96 and len({slot % 96 for slot in slots}) == 96


def test_uploads_are_of_96_slots_and_pushes_of_one(everything):
    counts = {
        (kind, n) for block in trace_blocks(everything) for kind, n in zip(block.kind, block.slot_count, strict=True)
    }
    assert {(MessageKind.UPLOAD_DAY, 96), (MessageKind.PUSH_HALF_HOUR, 1), (MessageKind.READ_REGISTER, 96)} <= counts


def test_the_digest_is_that_of_the_trace_for_any_shards(everything):
    digest = trace_digest(everything)
    assert trace_digest(everything, 3) == digest
    assert merkle_root(tiles_of_blocks(everything, trace_blocks(everything))) == digest


def test_registers_are_those_of_the_naive_loop_and_a_day_is_the_sum_of_its_quarters():
    estate, naive = quarters(premises=30), None
    naive = NaiveEstate(estate.parameters)
    meter = np.arange(estate.meter_count)
    for day in range(DAYS):
        first = np.full(len(meter), day * 96, np.int32)
        used = intervals_wh(estate, meter, first, 96)
        low, high = register_wh(estate, meter, first), register_wh(estate, meter, first + np.int32(96))
        assert (used.sum(axis=1) == high - low).all() and (used >= 0).all()
        for at in (0, 7, 41):
            expected = [naive.register(at, day * 96 + slot) for slot in range(97)]
            assert used[at].tolist() == np.diff(expected).tolist()
            part = intervals_wh(estate, meter[[at]], first[[at]] + np.int32(5), 20)[0]  # another way than a whole day's
            assert part.tolist() == np.diff(expected[5:26]).tolist()


def test_a_day_has_the_energy_that_it_has_in_half_hours():
    """The length of a slot moves no energy between days: register and seed are the same at each midnight."""
    midnights = np.arange(DAYS + 1)
    for meter in range(24):
        in_quarters = register_wh(quarters(), np.full(DAYS + 1, meter), (midnights * 96).astype(np.int32))
        in_halves = register_wh(estate_of(days=DAYS), np.full(DAYS + 1, meter), (midnights * 48).astype(np.int32))
        assert (np.abs(in_quarters - in_halves) <= 1).all()  # shares of a year are rounded slot by slot


def test_export_and_ten_seconds_add_up_to_their_quarters():
    types = {"register_only": 0.0, "profile": 0.0, "ten_second": 0.5, "import_export": 0.5}
    estate = quarters(start="2026-06-20", premises=20, fuels=("electricity",), meter_types=types)
    meter, slot = (one.ravel() for one in np.meshgrid(np.arange(20), np.arange(96)))
    held = raw_readings(estate, meter, slot.astype(np.int32))
    parts = ten_seconds_wh(estate, meter, slot.astype(np.int32))
    keeps = held.meter_type == 2
    assert parts.shape == (len(meter), 90)
    assert keeps.any() and (parts[keeps].sum(axis=1) == held.interval[keeps]).all()
    exported = held.export_wh.reshape(96, 20)[:, ~keeps[:20]]
    assert (exported[48] > 0).any() and not exported[0].any()  # at noon, and not at midnight


def test_ten_second_messages_are_counted_where_they_arrive():
    estate = quarters(premises=2, fuels=("electricity",), read_schedules={"daily": 0.0, "ten_second": 1.0}, days=1)
    due = np.concatenate([block.due_us[block.kind == MessageKind.PUSH_TEN_SECOND] for block in trace_blocks(estate)])
    offered = walk(estate).offered[MessageKind.PUSH_TEN_SECOND]
    assert (offered == np.bincount(due // 1_000_000, minlength=len(offered))).all()
    assert offered.sum() == 2 * DAY_US // 10_000_000


BASE = """
title = "quarters"
[estate]
premises = 5
{estate}
[topology]
dcs = [{{ name = "one", nodes = 1, rf = 1 }}]
[run]
wall_s = 60
days = {days}
"""


@pytest.mark.parametrize(
    ("estate", "days", "told"),
    [
        ("slots_per_hour = 3", 1, "slots_per_hour = 3: Input should be 2 or 4"),
        ("slots_per_hour = 4\npush_jitter_s = 1200.0", 1, "push_jitter_s 1200 must be at most 900"),
        (
            "slots_per_hour = 4",
            342,
            "run.days 342 is too long: with estate.slots_per_hour = 4 a span has at most 341 days",
        ),
    ],
)
def test_what_does_not_fit_is_refused_as_the_scenario_is_read(estate, days, told):
    with pytest.raises(ScenarioError, match=told):
        parse_scenario(BASE.format(estate=estate, days=days), "mine.toml")


def test_the_longest_span_of_either_slot_is_read():
    assert parse_scenario(BASE.format(estate="slots_per_hour = 4", days=341), "mine.toml").estate.slots_per_day == 96
    assert (
        parse_scenario(BASE.format(estate="push_jitter_s = 1800.0", days=400), "mine.toml").estate.slots_per_day == 48
    )


SERIES = """
[[tariffs]]
name = "spot"
share = 1.0
rates.other = {{ electricity = "20" }}
otherwise = "other"
series.electricity = [{days}]
"""


@pytest.mark.parametrize(("slots_per_hour", "count", "told"), [(4, 48, "half"), (2, 96, "quarter")])
def test_a_tariff_of_another_slot_length_is_told_with_its_day(slots_per_hour, count, told):
    days = f"{['20'] * 48}, {['20'] * count}" if slots_per_hour == 2 else f"[], {['20'] * count}"
    text = BASE.format(estate=f"slots_per_hour = {slots_per_hour}", days=2) + SERIES.format(days=days)
    sentence = (
        f"tariff 'spot', 2026-01-16: {count} prices of electricity are of {told}-hours, and estate.slots_per_hour = "
    )
    with pytest.raises(ScenarioError, match=sentence):
        parse_scenario(text, "mine.toml")


def test_a_series_has_a_price_for_each_quarter_hour():
    text = BASE.format(estate='slots_per_hour = 4\ntime_zone = "Europe/Vienna"', days=2)
    scenario = parse_scenario(text + SERIES.format(days=f"{[str(at) for at in range(96)]}, []"), "mine.toml")
    estate = build_estate(scenario)
    (held,) = estate.series[0].values()
    assert [rate.npence_per_wh[0] // 1_000_000 for rate in held.rates] == list(range(96))
    assert (held.rates[1].name, held.rates[95].name) == ("00:15", "23:45")
    with pytest.raises(ScenarioError, match="95 prices of electricity for 2026-01-15, which has 96 quarter-hours"):
        parse_scenario(text + SERIES.format(days=f"{['20'] * 95}, []"), "mine.toml")
