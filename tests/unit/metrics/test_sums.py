"""Sums of operations: the same however the seconds are dealt to sources and in whatever order they come, and never less."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.metrics.sums import EDGES_S, OperationSums, StormTotals, added_up, edges_with
from loadtests.recording.histograms import counts_of
from loadtests.recording.history import DcOutcomes, ErrorCount, SecondCounts
from loadtests.recording.seconds import Second, sparse_of

MS = 1_000


def second(
    number: int, *, response_us: Sequence[int] = (), late_us: Sequence[int] = (), failed: int = 0, retries: int = 0
) -> Second:
    """A second in which every operation that fell due was answered, after so long, but for those that failed."""
    ok = len(response_us) - failed
    times = sparse_of(counts_of(list(response_us)))
    return Second(
        second=number,
        counts={"read_state": SecondCounts(len(response_us), len(response_us), ok, failed, 0, retries)},
        response={"read_state": times},
        service={"read_state": times},
        lateness=sparse_of(counts_of(list(late_us))),
        by_dc={"read_state": {f"dc{number % 2}": DcOutcomes(ok, failed, 0)}},
    )


def test_a_second_is_counted_and_its_times_go_into_buckets() -> None:
    sums = OperationSums(["read_state"], edges_s=(0.001, 0.1))
    sums.add_second(
        second(0, response_us=[900, 1_000, 1_001, 100_000, 2_000_000], late_us=[5, 700], failed=1, retries=2)
    )
    seen = sums.seen()
    of_reads = seen.operations["read_state"]
    assert (of_reads.offered, of_reads.sent, of_reads.ok, of_reads.failed, of_reads.retries) == (5, 5, 4, 1, 2)
    # 100 ms lies in an HDR count that reaches up to 100.031 ms, and is so told as beyond: at most 0.1 % too long
    assert of_reads.response.counts == (2, 1, 2)
    assert of_reads.response.sum_s == pytest.approx(2.102901, rel=1e-3) and of_reads.response.sum_s >= 2.102901
    assert seen.lateness.counts == (2, 0, 0) and seen.lateness.sum_s == pytest.approx(705e-6)


def test_what_is_sent_is_there_from_the_start_with_zeros() -> None:
    seen = OperationSums(["read_state", "refresh_ihd"]).seen()
    assert set(seen.operations) == {"read_state", "refresh_ihd"}
    assert sum(asdict(seen.operations["refresh_ihd"])["response"]["counts"]) == 0 == seen.operations["refresh_ihd"].ok


def test_a_request_of_a_closed_loop_is_due_when_it_is_sent() -> None:
    sums = OperationSums(edges_s=(0.001, 0.1))
    sums.add_request("find_due", "ok", 1_000)
    sums.add_request("find_due", "failed", 1_001, "Unavailable")
    sums.add_request("find_due", "indeterminate", 3_000_000, "Timeout")
    seen = sums.seen()
    of_it = seen.operations["find_due"]
    assert (of_it.offered, of_it.sent, of_it.ok, of_it.failed, of_it.indeterminate) == (3, 3, 1, 1, 1)
    assert of_it.response.counts == (1, 1, 1) and of_it.response.sum_s == pytest.approx(3.002001)
    assert set(seen.errors) == {
        ErrorCount(operation="find_due", outcome="failed", kind="Unavailable", count=1),
        ErrorCount(operation="find_due", outcome="indeterminate", kind="Timeout", count=1),
    }


def test_reasons_of_several_shards_add_up() -> None:
    sums = OperationSums()
    for count in (2, 3):
        sums.add_errors([ErrorCount(operation="read_state", outcome="failed", kind="unavailable", count=count)])
    assert sums.seen().errors == (ErrorCount(operation="read_state", outcome="failed", kind="unavailable", count=5),)


seconds = st.lists(
    st.tuples(st.integers(0, 5), st.lists(st.integers(0, 20_000_000), max_size=6)).map(
        lambda drawn: second(drawn[0], response_us=drawn[1], late_us=drawn[1][:2])
    ),
    max_size=12,
)


@given(seconds, st.randoms(use_true_random=False))
def test_the_sums_are_the_same_whoever_brings_the_seconds_and_when(drawn: list[Second], order: object) -> None:
    """As of one shard, so of many, whose seconds come late and in any order."""
    in_order, shuffled = OperationSums(), OperationSums()
    for one in drawn:
        in_order.add_second(one)
    mixed = list(drawn)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    for one in mixed:
        shuffled.add_second(one)
    assert in_order.seen() == shuffled.seen()
    told = sum(int(one.response["read_state"][1].sum()) for one in drawn)
    held = in_order.seen().operations
    assert (
        sum(held["read_state"].response.counts if held else ()) == told == (held["read_state"].offered if held else 0)
    )


@given(seconds)
def test_no_number_ever_goes_down(drawn: list[Second]) -> None:
    sums = OperationSums(["read_state"])
    before = flat(sums.seen())
    for one in drawn:
        sums.add_second(one)
        after = flat(sums.seen())
        assert (after >= before).all()
        before = after


def flat(seen: StormTotals) -> np.ndarray:
    of_reads = seen.operations["read_state"]
    counts = [of_reads.offered, of_reads.sent, of_reads.ok, of_reads.failed, of_reads.indeterminate, of_reads.retries]
    return np.array([*counts, *of_reads.response.counts, of_reads.response.sum_s, *seen.lateness.counts])


def test_another_process_goes_on_with_the_sums() -> None:
    """Of Locust's master: what it has added up stands in place of what was held before, and is added to."""
    master, own = OperationSums(["read_state"]), OperationSums(["read_state", "refresh_ihd"])
    master.add_second(second(0, response_us=[3 * MS, 7 * MS], late_us=[1], failed=1))
    master.add_errors([ErrorCount(operation="read_state", outcome="failed", kind="unavailable", count=1)])
    for _ in range(2):
        own.become(master.seen())
    assert own.seen().operations["read_state"] == master.seen().operations["read_state"]
    assert own.seen().operations["refresh_ihd"].offered == 0
    assert (own.seen().errors, own.seen().lateness) == (master.seen().errors, master.seen().lateness)
    assert own.seen().by_dc == master.seen().by_dc == {"read_state": {"dc0": DcOutcomes(1, 1, 0)}}


def test_several_loops_of_one_operation_add_up() -> None:
    loops = [OperationSums(edges_s=(0.01,)) for _ in range(2)]
    loops[0].add_request("read_state", "ok", 5 * MS)
    loops[1].add_request("read_state", "failed", 50 * MS, "Unavailable")
    together = added_up([one.seen().operations["read_state"] for one in loops])
    assert (together.offered, together.ok, together.failed) == (2, 1, 1)
    assert together.response.counts == (1, 1) and together.response.sum_s == pytest.approx(0.055)


def test_limits_that_are_judged_by_are_edges() -> None:
    assert edges_with([0.075, 0.1, 20.0]) == tuple(sorted({*EDGES_S, 0.075, 20.0}))
