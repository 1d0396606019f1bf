"""The trace: equal to the naive list for any scenario, shard and block size; and the same whatever the windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_naive import NaiveEstate

from scenarios.domain import DAY_US
from scenarios.spec import Scenario
from sim import scan, trace
from sim.estate import build_estate
from sim.messages import MessageKind
from sim.trace import trace_blocks
from sim.windows import windows


def estate_of(*, days=2, seed=1, start="2026-01-15", traffic=None, **fields):
    parts = {name: fields.pop(name) for name in ("wan", "reads", "alerts", "campaigns") if name in fields}
    estate = {"premises": 12, "fuels": ("gas", "electricity"), "read_schedules": {"daily": 0.5, "half_hourly": 0.5}}
    return build_estate(
        Scenario.model_validate(
            {
                "title": "trace",
                "estate": estate | fields,
                "traffic": {"usage_month_per_premises_day": 3.0} if traffic is None else traffic,
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": days, "wall_s": 60, "seed": seed, "start": start},
                **parts,
            }
        )
    )


def rows_of(blocks):
    return [
        row
        for block in blocks
        for row in zip(
            *(
                column.tolist()
                for column in (block.due_us, block.meter, block.kind, block.first_slot, block.draw_index)
            ),
            strict=True,
        )
    ]


SCHEDULES = (
    {"daily": 1.0},
    {"daily": 0.5, "half_hourly": 0.5},
    {"daily": 0.3, "half_hourly": 0.3, "monthly": 0.3, "ten_second": 0.1},
)
CHANGES = (
    (),
    (
        {"to": "half_hourly", "share": 0.5, "from_h": 3.0, "until_h": 40.0},
        {"to": "daily", "share": 0.3, "until_h": 9.0},
    ),
    (
        {"to": "monthly", "share": 0.6, "from_h": 20.0, "until_h": 60.0},
        {"to": "ten_second", "share": 0.05, "until_h": 1.0},
    ),
)
ROLLOUTS = (None, None, {"start_share": 0.3, "over_days": 2}, {"over_days": 5})
LINKS = (
    {},
    {"delay_ms_min": 5.0, "delay_ms_max": 5.0},
    {"delay_ms_min": 200.0, "delay_ms_max": 600_000.0, "loss": 0.3, "retry_s": 900.0},
    {"loss": 0.5, "retry_s": 0.001},
)
OUTAGES = (
    (),
    ({"at_h": 20.0, "for_h": 5.0},),
    (
        {"region": "north", "at_h": 2.0, "for_h": 3.0, "return_over_h": 0.5},
        {"region": "south", "at_h": 4.0, "for_h": 30.0},
    ),
    ({"at_h": 0.0, "for_h": 2.0, "return_over_h": 0.0}, {"region": "north", "at_h": 23.5, "for_h": 2.0}),
    ({"region": "south", "at_h": 12.0, "for_h": 9_000.0},),
)
RUNS = (
    (),
    ({"name": "ii", "after_days": 1, "share": 0.1}, {"name": "sf", "after_days": 2, "share": 0.02}),
    ({"name": "ii", "after_days": 2, "share": 0.0},),
)
STORMS = ((), ({"region": "north", "at_h": 17.0}, {"at_h": 23.9, "share": 0.5, "over_s": 3_600.0}))
BURSTS = ((), ({"at_h": 18.0, "share": 0.5, "over_h": 1.0}, {"at_h": 23.0, "share": 1.0, "over_h": 50.0}))
CAMPAIGNS = (
    {"kind": "update_price", "fuel": "gas", "at_h": 2.0, "over_h": 20.0, "effective_h": 24.0},
    {
        "kind": "top_up",
        "at_h": 16.0,
        "over_h": 6.0,
        "prepayment_only": True,
        "share": 0.8,
        "timeout_s": 20.0,
        "backoff_s": 0.0,
    },
    {
        "kind": "read_on_demand",
        "at_h": 4.5,
        "region": "south",
        "attempts_max": 31,
        "timeout_s": 30.0,
        "backoff_s": 0.001,
    },
    {
        "kind": "update_firmware",
        "at_h": 0.0,
        "waves": 3,
        "wave_every_h": 8.0,
        "success": 0.4,
        "refusal": 0.2,
        "duplicate": 0.5,
    },
    {"kind": "arm_supply", "at_h": 4.0, "success": 0.0, "timeout_s": 86_400.0, "attempts_max": 3, "ack_mean_s": 0.5},
)
RATES = ("usage_month", "intervals_day", "state", "comparison", "bill", "ihd_refresh")


@st.composite
def scenarios(draw):
    """Arguments of `estate_of`: a small estate in which anything may go wrong."""
    campaigns = draw(st.lists(st.sampled_from(CAMPAIGNS), max_size=3))
    fuels = draw(st.sampled_from((("electricity",), ("electricity", "gas"), ("gas", "electricity"))))
    campaigns = [each for each in campaigns if each.get("fuel", "electricity") in fuels]
    rates = draw(st.lists(st.sampled_from((0.0, 0.5, 6.0)), min_size=len(RATES), max_size=len(RATES)))
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "days": draw(st.integers(1, 3)),
        "start": draw(st.sampled_from(("2026-01-15", "2026-03-28", "2026-10-24", "2026-02-27"))),
        "premises": draw(st.integers(1, 9)),
        "fuels": fuels,
        "read_schedules": draw(st.sampled_from(SCHEDULES)),
        "schedule_changes": draw(st.sampled_from(CHANGES)),
        "meter_types": draw(st.sampled_from(({}, {"register_only": 0.4, "profile": 0.5}))),
        "rollout": draw(st.sampled_from(ROLLOUTS)),
        "prepayment": draw(st.sampled_from((0.0, 0.5))),
        "push_jitter_s": draw(st.sampled_from((0.0, 0.000_004, 37.5, 1_800.0))),
        "upload_window_h": draw(st.sampled_from((0.1, 3.0, 24.0))),
        "wan": {
            "cellular": draw(st.sampled_from(LINKS)),
            "long_range_radio": draw(st.sampled_from(LINKS)),
            "hub_outages_per_day": draw(st.sampled_from((0.0, 0.5, 1.0))),
            "hub_outage_h_max": draw(st.sampled_from((0.5, 23.0))),
            "catch_up_speed": draw(st.sampled_from((2, 3, 20, 1_000))),
            "outages": draw(st.sampled_from(OUTAGES)),
        },
        "reads": {
            "gap_share": draw(st.sampled_from((0.0, 0.03))),
            "estimate_after_h": draw(st.sampled_from((0.0, 12.0, 30.0))),
            "duplicate_share": draw(st.sampled_from((0.0, 0.3))),
            "duplicate_after_s": draw(st.sampled_from((0.001, 300.0, 86_400.0))),
            "settlement_runs": draw(st.sampled_from(RUNS)),
        },
        "alerts": {"per_hub_day": draw(st.sampled_from((0.0, 3.0))), "storms": draw(st.sampled_from(STORMS))},
        "campaigns": [each | {"name": f"campaign_{number}"} for number, each in enumerate(campaigns)],
        "traffic": {f"{name}_per_premises_day": rate for name, rate in zip(RATES, rates, strict=True)}
        | {"bursts": draw(st.sampled_from(BURSTS))},
    }


EVERYTHING = {
    "premises": 40,
    "days": 3,
    "start": "2026-10-24",
    "read_schedules": SCHEDULES[2],
    "schedule_changes": CHANGES[1],
    "meter_types": {"register_only": 0.2, "profile": 0.7},
    "rollout": ROLLOUTS[2],
    "wan": {
        "cellular": LINKS[2],
        "long_range_radio": LINKS[1],
        "hub_outages_per_day": 0.3,
        "catch_up_speed": 3,
        "outages": OUTAGES[2],
    },
    "reads": {"gap_share": 0.03, "duplicate_share": 0.2, "settlement_runs": RUNS[1]},
    "alerts": {"per_hub_day": 3.0, "storms": STORMS[1]},
    "campaigns": [each | {"name": f"campaign_{number}"} for number, each in enumerate(CAMPAIGNS)],
    "traffic": {f"{name}_per_premises_day": 1.0 for name in RATES} | {"bursts": BURSTS[1]},
}
SLOT_COUNTS = [1, 48, 48, 48, 48, 48, 0, 1, 1, 0, 48, 48, 48, 0, 0, 0]


def test_everything_at_once_equals_the_naive_list():
    """Every kind of message, and of trouble: late, twice, lost, held back by outages, beyond the span."""
    estate = estate_of(**EVERYTHING)
    naive = NaiveEstate(estate.parameters)
    blocks = list(trace_blocks(estate))
    found = rows_of(blocks)
    assert found == naive.messages()
    assert {row[2] for row in found} == set(MessageKind)
    sent = [message for premises in range(40) for message in naive.of_premises(premises)]
    assert any(message[1] >= estate.span_us for message in sent)
    assert any(message[1] - message[0] > DAY_US for message in sent)
    assert {row[4] for row in found if row[2] == MessageKind.PUSH_HALF_HOUR} == {0, 1}
    assert {row[3] for row in found if row[2] == MessageKind.ANSWER_COMMAND} == {0, 1}
    assert max(row[4] % 64 for row in found if row[2] == MessageKind.SEND_COMMAND) == 31
    for block in blocks:
        assert block.slot_count.tolist() == [SLOT_COUNTS[kind] for kind in block.kind]


@settings(max_examples=100, deadline=None)
@given(drawn=scenarios(), block_size=st.sampled_from((1, 7, 65_536)), shard_count=st.sampled_from((1, 2, 3, 7, 16)))
def test_trace_equals_the_naive_list(drawn, block_size, shard_count):
    estate = estate_of(**drawn)
    naive = NaiveEstate(estate.parameters)
    expected = naive.messages()
    fuels = len(estate.fuels)
    for shard in range(shard_count):
        blocks = list(trace_blocks(estate, shard=shard, shard_count=shard_count, block_size_max=block_size))
        owned = [row for row in expected if naive.partition(row[1] // fuels) % shard_count == shard]
        assert rows_of(blocks) == owned
        assert all(1 <= len(block) <= block_size for block in blocks)


@settings(max_examples=50, deadline=None)
@given(drawn=scenarios(), share=st.floats(0, 1), shard_count=st.integers(1, 3))
def test_a_trace_from_an_instant_on_is_the_tail_of_the_whole(drawn, share, shard_count):
    estate = estate_of(**drawn)
    whole = rows_of(trace_blocks(estate, shard_count=shard_count))
    instants = {int(share * estate.span_us), *(row[0] for row in whole[:: len(whole) // 2 + 1])}
    for from_us in instants | {instant + 1 for instant in instants}:
        tail = rows_of(trace_blocks(estate, shard_count=shard_count, from_us=from_us))
        assert tail == [row for row in whole if row[0] >= from_us]


@pytest.mark.parametrize("size", [1, 10, 100, 10_000])
def test_the_cut_into_windows_does_not_show(monkeypatch, size):
    estate = estate_of(push_jitter_s=0.0)
    whole = rows_of(trace_blocks(estate))
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MIN", size)
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MAX", size)
    assert rows_of(trace_blocks(estate)) == whole


@pytest.mark.parametrize("outages", OUTAGES, ids=("none", "all", "two_regions", "one_after_the_other", "for_ever"))
@pytest.mark.parametrize("speed", [2, 20])
def test_the_cut_into_windows_does_not_show_through_outages(monkeypatch, outages, speed):
    wan = EVERYTHING["wan"] | {"outages": outages, "catch_up_speed": speed}
    estate = estate_of(**EVERYTHING | {"wan": wan, "premises": 8, "read_schedules": SCHEDULES[1]})
    whole = rows_of(trace_blocks(estate))
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MIN", 50)
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MAX", 50)
    assert rows_of(trace_blocks(estate)) == whole
    assert len(list(windows(estate, size=50))) > 20


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 5_000), shard_count=st.integers(1, 5), jitter=st.sampled_from([0.0, 1.0, 1800.0]))
def test_windows_tile_the_span(size, shard_count, jitter):
    estate = estate_of(push_jitter_s=jitter)
    cut = list(windows(estate, size=size, shard_count=shard_count))
    assert cut[0].from_us == 0
    assert cut[-1].to_us == estate.span_us
    assert all(left.to_us == right.from_us for left, right in itertools.pairwise(cut))
    assert all(window.expected_count <= size or window.to_us == window.from_us + 1 for window in cut)


@settings(deadline=None)
@given(
    instants=st.lists(st.integers(1_000, 1_000 + 2**37), max_size=60),
    repeats=st.integers(1, 3),
)
def test_order_is_by_instant_and_then_by_message(instants, repeats):
    due = np.array(instants * repeats, np.int64)
    message = np.arange(len(due))[::-1].copy()
    order = scan.order_by_due(due, message, 1_000, 1_001 + 2**37)
    assert order.tolist() == np.lexsort((message, due)).tolist()


def test_a_scan_that_meets_more_than_it_expected_still_has_all():
    p = estate_of(traffic={"state_per_premises_day": 100.0}).packed
    scope = scan.Scope(0, p.premises_count)
    few, many = (scan.messages_due(p, scope, 0, p.span_us, expected) for expected in (0, 1_000_000))
    assert len(few[0]) > 1_024
    assert all((left == right).all() for left, right in zip(few, many, strict=True))
