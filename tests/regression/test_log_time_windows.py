"""Time windows of the standard log readers are right for every operation, also in merged logs.

Without a start time in the log, the readers take that of its first interval: of an operation that was first answered
in second 5, "seconds 5 to 10" were read as seconds 10 to 15.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtests.recording.histograms import SIGNIFICANT_DIGITS
from loadtests.recording.history import (
    COUNTS_SIZE,
    VALUE_US_MAX,
    HistoryWriter,
    counts_of,
    merge_histories,
    read_history,
    wall_s_of,
)

STARTED_AT_S = 1_764_320_000.25
EARLY, LATE = "ingest_reading", "read_state"
NOTHING = np.zeros(COUNTS_SIZE, dtype=np.int64)


def write_part(folder: Path, *, began_at_s: float = STARTED_AT_S, late_from: int = 5) -> None:
    """Ten seconds: one operation answered in each, the other from second `late_from` on; second s has s values."""
    with HistoryWriter(folder, (EARLY, LATE)) as writer:
        writer.started_at_s = began_at_s
        for second in range(1, 10):
            times = {EARLY: counts_of([second] * second)}
            if second >= late_from:
                times[LATE] = counts_of([second] * second)
            writer.write_second(second, {}, times, {}, NOTHING)


def in_window(log: Path, first_s: float, last_s: float, *, absolute: bool = False) -> list[tuple[float, int]]:
    """(start [s since the epoch], count) of each interval that the library's reader finds in a window."""
    reader = HistogramLogReader(str(log), HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS))
    found = []
    while (interval := reader.get_next_interval_histogram(first_s, last_s, absolute)) is not None:
        found.append((interval.get_start_time_stamp() / 1_000, interval.get_total_count()))
    reader.close()
    return found


@pytest.mark.parametrize("operation", [EARLY, LATE])
def test_a_window_counts_from_the_storms_start_for_every_operation(tmp_path: Path, operation: str) -> None:
    write_part(tmp_path)
    log = tmp_path / f"{operation}.response.hlog"
    expected = [(STARTED_AT_S + second, second) for second in (6, 7)]
    assert in_window(log, 6, 7) == expected
    assert in_window(log, STARTED_AT_S + 6, STARTED_AT_S + 7, absolute=True) == expected


@pytest.mark.parametrize("operation", [EARLY, LATE])
def test_so_it_does_in_merged_logs(tmp_path: Path, operation: str) -> None:
    """Parts that were begun a moment apart by the clock, one of which alone has the late operation's first seconds."""
    write_part(tmp_path / "shard-0", late_from=8)
    write_part(tmp_path / "shard-1", began_at_s=STARTED_AT_S + 0.003)
    merge_histories([tmp_path / "shard-0", tmp_path / "shard-1"], tmp_path)
    log = tmp_path / f"{operation}.response.hlog"
    both_from = 1 if operation == EARLY else 8
    expected = [(STARTED_AT_S + second, second * (2 if second >= both_from else 1)) for second in (7, 8)]
    assert in_window(log, 7, 8) == expected


def test_a_log_of_a_single_part_is_given_the_start_of_the_whole_run(tmp_path: Path) -> None:
    write_part(tmp_path / "shard-0", late_from=100)
    write_part(tmp_path / "shard-1", began_at_s=STARTED_AT_S + 0.5)
    merge_histories([tmp_path / "shard-0", tmp_path / "shard-1"], tmp_path)
    assert in_window(tmp_path / f"{LATE}.response.hlog", 6, 6) == [(STARTED_AT_S + 6, 6)]
    assert [second for second, _ in read_history(tmp_path).response_counts(LATE)] == [5, 6, 7, 8, 9]


def test_a_run_that_was_killed_within_a_header_is_merged(tmp_path: Path) -> None:
    write_part(tmp_path / "shard-0")
    write_part(tmp_path / "shard-1")
    log = tmp_path / "shard-1" / f"{LATE}.response.hlog"
    log.write_text(log.read_text(encoding="utf-8")[:90], encoding="utf-8")
    merge_histories([tmp_path / "shard-0", tmp_path / "shard-1"], tmp_path)
    assert in_window(tmp_path / f"{LATE}.response.hlog", 6, 6) == [(STARTED_AT_S + 6, 6)]


def test_an_intervals_maximum_is_not_cut_down_to_whole_milliseconds(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, (EARLY,)) as writer:
        writer.write_second(3, {}, {EARLY: counts_of([650])}, {}, NOTHING)
    [line] = [
        line
        for line in (tmp_path / f"{EARLY}.response.hlog").read_text(encoding="utf-8").splitlines()
        if line[0].isdigit()
    ]
    assert line.split(",")[:3] == ["3.000", "1.000", "0.650"]


def test_the_wall_clock_of_an_instant() -> None:
    before = time.time()
    assert before <= wall_s_of(time.monotonic_ns()) <= time.time() + 1e-3
    assert abs(wall_s_of(time.monotonic_ns() + 5_000_000_000) - before - 5) < 60
