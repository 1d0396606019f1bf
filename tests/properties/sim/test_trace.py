"""The trace: equal to the naive list for any scenario, shard and block size; and the same whatever the windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US
from sim.trace import blocks as trace
from sim.trace import scan
from sim.trace.blocks import trace_blocks
from sim.trace.messages import MessageKind
from sim.trace.windows import windows
from tests.oracles.naive_estate import NaiveEstate
from tests.support.drawn_estates import EVERYTHING, OUTAGES, SCHEDULES, estate_of, scenarios


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
