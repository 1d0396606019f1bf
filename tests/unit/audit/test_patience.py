"""How long the audit waits for a DC that lags behind: for hints as long as there are any, else for the time that is given."""

from pathlib import Path

from loadtests.audit.data_loss.row_counts import RowCounts, Sent
from loadtests.audit.tables import HINTS_LOOK_S, RESCAN_WAIT_S, SettleTime, count_settled
from loadtests.cluster.hints import delivery_s_max, hints_left_bytes

MIB = 2**20


class Time:
    """A clock that only sleeping moves, and hints that are delivered at a rate."""

    def __init__(self, hints_bytes: int = 0, delivered_per_s: int = MIB) -> None:
        self.now_s = 100.0
        self._hints_bytes, self._per_s = hints_bytes, delivered_per_s

    def sleep(self, span_s: float) -> None:
        self.now_s += span_s

    def hints_left(self) -> int:
        return max(self._hints_bytes - round((self.now_s - 100.0) * self._per_s), 0)


def patience(settle_s: float, time: Time, node_count: int = 2) -> SettleTime:
    return SettleTime(settle_s, time.hints_left, node_count, clock=lambda: time.now_s, sleep=time.sleep)


def test_hints_are_waited_for_beyond_the_time_that_is_given() -> None:
    """42 MB took 42 s: after the fixed 30 s they were called lost."""
    time = Time(42 * MIB)
    one = patience(3.0, time)
    assert one.wait() == 42.0
    assert time.hints_left() == 0
    assert one.wait() == 3.0  # and what is given is given besides
    assert one.wait() == 0.0


def test_hints_that_do_not_move_are_given_up() -> None:
    time = Time(10 * MIB, delivered_per_s=0)
    one = patience(5.0, time)
    assert one.wait() == delivery_s_max(10 * MIB, 2) == 80.0
    assert [one.wait(), one.wait(), one.wait()] == [RESCAN_WAIT_S, 2.0, 0.0]


def test_without_hints_the_time_that_is_given_is_all() -> None:
    one = patience(4.0, Time())
    assert [one.wait(), one.wait(), one.wait()] == [3.0, 1.0, 0.0]
    assert HINTS_LOOK_S < RESCAN_WAIT_S


def test_more_nodes_share_the_rate() -> None:
    assert delivery_s_max(MIB, 6) - delivery_s_max(0, 6) == 10.0
    assert delivery_s_max(MIB, 1) - delivery_s_max(0, 1) == 2.0


def test_hints_are_counted_in_every_node_of_a_clusters_folder(tmp_path: Path) -> None:
    assert hints_left_bytes(tmp_path / "none") == 0
    for node, size in (("north-1", 5), ("south-1", 7)):
        folder = tmp_path / node / "hints"
        folder.mkdir(parents=True)
        (folder / "a-1-2.hints").write_bytes(bytes(size))
        (folder / "a-1-2.crc32").write_bytes(bytes(8))
    assert hints_left_bytes(tmp_path) == 12


def test_a_table_that_is_held_in_sum_is_waited_for_too() -> None:
    """A DC that lags behind had its ten-second readings and alerts called lost at the first look."""
    sent = Sent(attempted=10, acknowledged=10, indeterminate=0)
    looks = iter([4, 9, 10, 10])

    def count() -> RowCounts:
        return RowCounts(right=next(looks), wrong=0, phantom=0)

    rows, settled_s = count_settled(count, sent, patience(30.0, Time()))
    assert (rows.right, settled_s) == (10, 2 * RESCAN_WAIT_S)


def test_what_never_arrives_is_told_when_the_time_is_over() -> None:
    sent = Sent(attempted=10, acknowledged=10, indeterminate=0)
    rows, settled_s = count_settled(lambda: RowCounts(right=4, wrong=0, phantom=0), sent, patience(5.0, Time()))
    assert (rows.right, settled_s) == (4, 5.0)
