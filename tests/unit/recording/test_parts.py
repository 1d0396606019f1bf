"""The parts of a history added up by a process that is killed at some line of it: the sum is whole all the same."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.recording import history, parts
from loadtests.recording.history import COUNTS_SIZE, HistoryWriter, SecondCounts, read_history
from loadtests.recording.parts import add_up, add_up_left, has_sum, parts_in

ENDED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
NAMES = ("customers-0", "gateway", "shard-0", "shard-1")
STEPPED = tuple(str(module.__file__) for module in (history, parts, shutil))
STEP_LINES, STEPS_MAX = 97, 200


def write_parts(folder: Path) -> list[Path]:
    for number, name in enumerate(NAMES):
        with HistoryWriter(folder / name, ("ingest_reading",), started_at_s=1_700_000_000.0) as writer:
            counts = np.zeros(COUNTS_SIZE, np.int64)
            counts[10 + number] = 5
            for second in range(2):
                told = {"ingest_reading": SecondCounts(5, 5, 5, 0, 0, 0)}
                writer.write_second(second, told, {"ingest_reading": counts}, {}, counts)
    return parts_in(folder)


def told_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    add_up(write_parts(folder), folder)
    return told_of(folder)


def killed_at(folder: Path, line: int) -> bool:
    """Add up in a fork that kills itself as it comes to its nth line; whether it had one."""
    child = os.fork()
    if child == 0:
        left = [line]

        def trace(frame: Any, event: str, _argument: Any) -> Any:
            if frame.f_code.co_filename not in STEPPED:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            add_up(parts_in(folder), folder)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    template = tmp_path / "template"
    write_parts(template)
    yield tmp_path


def test_whatever_line_it_is_killed_at_the_sum_is_whole(folders: Path, whole: dict[str, str]) -> None:
    for step in range(1, STEPS_MAX):
        folder = folders / "killed"
        shutil.copytree(folders / "template", folder)
        was_killed = killed_at(folder, step * STEP_LINES)
        add_up_left(parts_in(folder), folder, ENDED)
        assert told_of(folder) == whole, f"killed at line {step * STEP_LINES}"
        shutil.rmtree(folder)
        if not was_killed:
            break
    assert 10 < step < STEPS_MAX - 1


def test_a_sum_that_was_made_later_keeps_the_time_of_the_end(folders: Path) -> None:
    folder = folders / "template"
    add_up_left(parts_in(folder), folder, ENDED)
    assert {path.stat().st_mtime for path in folder.iterdir()} == {ENDED.timestamp()}
    assert int(read_history(folder).counts["ingest_reading"]["ok"].sum()) == 2 * 5 * len(NAMES)


def test_where_no_part_is_no_sum_is_made(tmp_path: Path) -> None:
    add_up_left([], tmp_path, ENDED)
    assert not has_sum(tmp_path) and list(tmp_path.iterdir()) == []
