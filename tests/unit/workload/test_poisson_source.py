"""A steady load: the rate that was asked for, at random instants, of the pool's own mix, the same for the same key."""

import numpy as np
import pytest

from loadtests.sender.block import OPERATION, OperationBlock
from loadtests.stubs.target import stub_target
from loadtests.workload.poisson_source import LoadPhase, OperationPool, RateSource, pool_of


def pool(count: int = 1_000, frame: int = 8) -> OperationPool:
    """Operation i of kind i % 4, its frame filled with i."""
    rows = np.zeros(count, dtype=OPERATION)
    rows["operation"] = np.arange(count) % 4
    rows["meter"] = np.arange(count)
    rows["frame_size"], rows["frame_offset"] = frame, frame * np.arange(count)
    return OperationPool(rows=rows, frames=np.repeat(np.arange(count), frame).astype(np.uint8))


def rows_of(*phases: LoadPhase, seed: int = 1, step: int = 1, of: OperationPool | None = None) -> np.ndarray:
    source = RateSource(of or pool(), phases, seed=seed, step=step)
    blocks = []
    while (block := source.next_block()) is not None:
        blocks.append(block.rows)
    return np.concatenate(blocks)


def test_arrivals_are_poisson_at_the_rate() -> None:
    due_us = rows_of(LoadPhase(rate_per_s=2_000, length_s=100))["due_us"]
    assert len(due_us) == pytest.approx(200_000, abs=5 * np.sqrt(200_000))
    assert (np.diff(due_us) >= 0).all() and due_us[0] >= 0 and due_us[-1] < 100e6
    per_second = np.bincount(due_us // 1_000_000)
    assert per_second.var() == pytest.approx(per_second.mean(), rel=0.4)


def test_phases_follow_one_another() -> None:
    due_us = rows_of(LoadPhase(rate_per_s=5_000, length_s=10), LoadPhase(rate_per_s=500, length_s=20))["due_us"]
    assert (due_us < 10e6).sum() == pytest.approx(50_000, rel=0.03)
    assert (due_us >= 10e6).sum() == pytest.approx(10_000, rel=0.05)
    assert due_us.max() < 30e6


def test_the_same_key_is_the_same_load_and_another_is_another() -> None:
    phase = LoadPhase(rate_per_s=300, length_s=5)
    once, again = rows_of(phase), rows_of(phase)
    assert (once == again).all()
    assert not np.array_equal(once["due_us"][:100], rows_of(phase, step=2)["due_us"][:100])
    assert not np.array_equal(once["due_us"][:100], rows_of(phase, seed=2)["due_us"][:100])


def test_each_pass_through_the_pool_has_every_operation_once_in_another_order() -> None:
    meters = rows_of(LoadPhase(rate_per_s=1_000, length_s=10))["meter"]
    first, second = meters[:1_000], meters[1_000:2_000]
    assert sorted(first) == sorted(second) == list(range(1_000))
    assert not np.array_equal(first, second) and not np.array_equal(first, np.sort(first))


def test_a_load_that_may_end_ends_at_once() -> None:
    source = RateSource(pool(), [LoadPhase(rate_per_s=10, length_s=1e6)], seed=1, step=1, is_over=lambda: True)
    assert source.next_block() is None


def test_a_pool_keeps_every_frame_with_its_operation() -> None:
    class Once:
        def __init__(self, start: int) -> None:
            self.start = start

        def next_block(self) -> OperationBlock | None:
            if self.start < 0:
                return None
            made = pool(10)
            made.rows["meter"] += self.start
            start, self.start = self.start, -1
            return OperationBlock(rows=made.rows, frames=made.frames + np.uint8(start))

    joined = pool_of(iter([Once(0), Once(100), Once(200)]), count_max=15)  # the third is one too many
    assert len(joined) == 20
    for row in joined.rows:
        at = int(row["frame_offset"])
        assert (joined.frames[at : at + int(row["frame_size"])] == row["meter"]).all()
    assert joined.share_of(0) == 0.3 and (joined.sent_to(1).rows["dc"] == 1).all() and (joined.rows["dc"] == 0).all()
    with pytest.raises(ValueError, match="sends nothing"):
        pool_of(iter([]))


def test_the_stub_target_draws_from_many_partitions() -> None:
    assert len(set(stub_target(("127.0.0.1", 1)).pool.rows["token"])) > 900
