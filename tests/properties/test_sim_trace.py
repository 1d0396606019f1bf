"""The trace: equal to the naive list for any seed, shard and block size; and the same whatever the windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_naive import NaiveEstate

from scenarios.spec import Scenario
from sim import scan, trace
from sim.estate import build_estate
from sim.trace import trace_blocks
from sim.windows import windows


def estate_of(**fields):
    estate = {"premises": 12, "fuels": ("gas", "electricity"), "read_schedules": {"daily": 0.5, "half_hourly": 0.5}}
    run = {"days": fields.pop("days", 2), "wall_s": 60, "seed": fields.pop("seed", 1)}
    traffic = fields.pop("traffic", {"usage_month_per_premises_day": 3.0})
    return build_estate(
        Scenario.model_validate(
            {
                "title": "trace",
                "estate": estate | fields,
                "traffic": traffic,
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": run,
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


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    days=st.integers(1, 3),
    jitter=st.sampled_from([0.0, 0.000_004, 37.5, 1800.0]),
    window=st.sampled_from([0.1, 3.0, 24.0]),
    block_size=st.integers(1, 100),
    shard_count=st.integers(1, 7),
)
def test_trace_equals_the_naive_list(seed, days, jitter, window, block_size, shard_count):
    estate = estate_of(seed=seed, days=days, push_jitter_s=jitter, upload_window_h=window)
    naive = NaiveEstate(estate.parameters)
    expected = naive.messages()
    for shard in range(shard_count):
        blocks = list(trace_blocks(estate, shard=shard, shard_count=shard_count, block_size_max=block_size))
        owned = [row for row in expected if naive.partition(row[1] // 2) % shard_count == shard]
        assert rows_of(blocks) == owned
        assert all(1 <= len(block) <= block_size for block in blocks)
        assert all((block.slot_count == np.where(block.kind == 0, 1, 48)).all() for block in blocks)


@pytest.mark.parametrize("size", [1, 10, 100, 10_000])
def test_the_cut_into_windows_does_not_show(monkeypatch, size):
    estate = estate_of(push_jitter_s=0.0)
    whole = rows_of(trace_blocks(estate))
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MIN", size)
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MAX", size)
    assert rows_of(trace_blocks(estate)) == whole


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
    p = estate_of(traffic={"state_per_premises_day": 100.0}).parameters
    scope = scan.Scope(0, p.premises_count)
    few, many = (scan.messages_due(p, scope, 0, p.span_us, expected) for expected in (0, 1_000_000))
    assert len(few[0]) > 1_024
    assert all((left == right).all() for left, right in zip(few, many, strict=True))
