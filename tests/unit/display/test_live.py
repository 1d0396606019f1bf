"""The live view: seconds of several shards added up, and what a person is shown."""

import numpy as np
import pytest
from rich.console import Console

from loadtests.monitoring.live import COURSE_SIZE, ClosedSecond, Recent, RecentSeconds
from loadtests.recording.histograms import counts_of
from loadtests.recording.history import NodeSample, SecondCounts
from loadtests.recording.seconds import Second, Sparse
from loadtests.storm.coordinator import Live
from meterstorm.display.live import live_lines, plain_line, sparkline
from meterstorm.display.run import Display


def sparse(values_ms: list[float]) -> Sparse:
    counts = counts_of([round(value * 1_000) for value in values_ms])
    index = np.flatnonzero(counts).astype(np.int32)
    return index, counts[index]


def second_of(second: int, *responses_ms: float, late_ms: float = 1.0, offered: int = 10, failed: int = 0) -> Second:
    counts = SecondCounts(
        offered=offered, attempted=offered, ok=len(responses_ms), failed=failed, indeterminate=0, retries=0
    )
    return Second(
        second=second,
        counts={"ingest_reading": counts},
        response={"ingest_reading": sparse(list(responses_ms))},
        service={},
        lateness=sparse([late_ms]),
    )


def sample(node: str, cores: float) -> NodeSample:
    return NodeSample(
        second=1,
        node=node,
        dc="north",
        cpu_share=cores,
        rss_bytes=0,
        disk_bytes=0,
        gc_pause_ms=0,
        gc_count=0,
        sstable_count=0,
    )


def test_a_second_is_told_once_every_shard_has_told_it() -> None:
    seconds = RecentSeconds(2)
    seconds.add(second_of(0, 1.0, 1.0, failed=1))
    assert seconds.recent().seconds == ()
    seconds.add(second_of(0, 50.0, late_ms=9.0))
    (closed,) = seconds.recent().seconds
    assert (closed.second, closed.offered, closed.ok, closed.errors) == (0, 20, 3, 1)
    assert closed.p99_ms == pytest.approx(50, rel=1e-3) and closed.late_p99_ms == pytest.approx(9, rel=1e-3)


def test_a_shard_that_has_ended_holds_nothing_up_and_its_late_word_changes_nothing() -> None:
    seconds = RecentSeconds(2)
    for second in (0, 1, 2):
        seconds.add(second_of(second, 1.0))
    assert [each.second for each in seconds.recent().seconds] == [0]
    seconds.add(second_of(0, 99.0))
    assert seconds.recent().seconds[0].ok == 1
    assert len(seconds.recent().seconds) == 1


def test_only_the_last_minute_is_kept() -> None:
    seconds = RecentSeconds(1)
    for second in range(COURSE_SIZE + 15):
        seconds.add(second_of(second, 1.0))
    kept = seconds.recent().seconds
    assert (len(kept), kept[0].second, kept[-1].second) == (COURSE_SIZE, 15, COURSE_SIZE + 14)


def test_a_second_without_an_answer_has_no_percentile() -> None:
    seconds = RecentSeconds(1)
    seconds.add(second_of(0))
    assert seconds.recent().seconds[0].p99_ms is None


def test_a_sparkline_goes_from_zero_to_the_greatest_with_gaps() -> None:
    assert sparkline([0.0, 50.0, 100.0, None, 25.0], 60) == "▁▅█ ▃"
    assert sparkline([1.0, 2.0, 4.0], 2) == "▅█"
    assert sparkline([0.0, 0.0], 60) == "▁▁"
    assert sparkline([], 60) == ""


def live_of(**given: object) -> Live:
    closed = ClosedSecond(second=11, offered=1_003, ok=1_001, errors=2, p99_ms=12.34, late_p99_ms=0.5)
    slow = ClosedSecond(second=10, offered=1, ok=1, errors=0, p99_ms=40.0, late_p99_ms=None)
    fields = {
        "elapsed_s": 12.0,
        "offered": 9_000,
        "ok": 8_900,
        "failed": 3,
        "indeterminate": 4,
        "in_flight": 80,
        "unsent": 13,
        "recent": Recent(seconds=(slow, closed), node_cores=(("north-1", 0.84), ("south-1", 0.4))),
    }
    return Live(**(fields | given))  # type: ignore[arg-type]


def test_the_view_tells_all_that_was_asked_for() -> None:
    first, latest, nodes, course = live_lines(live_of(), 24.0)
    assert first.startswith("━" * 12 + "─" * 12 + " 0:12 of 0:24") and "8,900 ok, 3 failed, 4 indeterminate" in first
    assert latest == (
        "offered 1,003/s, achieved 1,001/s, p99 12.3 ms, late p99 0.500 ms, errors 2/s, in flight 80, unsent 13"
    )
    assert nodes == "node CPU  north-1 0.8, south-1 0.4 cores"
    assert course == "p99, last minute  █▃  at most 40.0 ms"


def test_what_workers_have_not_sent_yet_is_not_told_apart() -> None:
    """Their senders may be on other machines."""
    assert live_lines(live_of(unsent=None), 24.0)[1].endswith("errors 2/s, unanswered 80")


def test_what_is_not_known_yet_is_left_out() -> None:
    assert len(live_lines(live_of(recent=None), 24.0)) == 1
    assert len(live_lines(live_of(recent=Recent(seconds=(), node_cores=()), elapsed_s=-0.4), 24.0)) == 1


def test_of_many_nodes_the_busiest_are_shown() -> None:
    cores = tuple((f"n{i}", i / 10) for i in range(9))
    text = live_lines(live_of(recent=Recent(seconds=(), node_cores=cores)), 24.0)[1]
    assert "n8 0.8" in text and "n2 " not in text and text.endswith("and 3 less busy")


def test_a_log_gets_a_line_every_ten_seconds_and_a_terminal_none() -> None:
    console = Console(record=True, width=100, force_terminal=False)
    display = Display(console)
    for elapsed_s in (0.1, 5.0, 9.0, 10.2, 11.0):
        display.live(live_of(elapsed_s=elapsed_s), 60.0)
    display.close()  # else it goes on to tell that it waits, into what other tests read
    lines = console.export_text().splitlines()
    assert len(lines) == 2 and "achieved 1,001/s" in lines[1] and "node CPU north-1 0.8" in lines[1]
    assert plain_line(live_of(recent=None), 60.0) == "   12 of 60 s: 8,900 ok, 3 failed, 4 indeterminate"


def test_a_terminal_gets_the_view_and_is_left_clean() -> None:
    console = Console(force_terminal=True, width=120, record=True)
    display = Display(console)
    display.live(live_of(), 60.0)
    display.live(live_of(), 60.0)
    display.close()
    display.close()
    assert "last minute" in console.export_text()


def test_samples_of_the_nodes_replace_each_other() -> None:
    seconds = RecentSeconds(1)
    seconds.sample([sample("north-1", 0.5)])
    seconds.sample([sample("north-1", 0.7)])
    assert seconds.recent().node_cores == (("north-1", 0.7),)
