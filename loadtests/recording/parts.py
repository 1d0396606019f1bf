"""The parts of a storm's history, one of each source, added up into one; and what a kill has left of that made whole.

Parts are taken away once their sum is whole, which a mark says. So whatever instant a process dies at, either the parts are
there and can be added up again, or their sum is, and what is left of them goes.
"""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from loadtests.recording.history import INTERVALS_NAME, merge_histories

MERGED_NAME = ".merged"


def add_up(parts: Sequence[Path], history: Path) -> None:
    """Add parts up into `history`, without loss, and take them away. Raises what `merge_histories` does."""
    merge_histories(parts, history)
    _take_away(parts, history)


def add_up_left(parts: Sequence[Path], history: Path, ended: datetime) -> None:
    """Do what a process that died has left to do of `add_up`. ended: when it did, which the sum's files go on telling."""
    if not (history / MERGED_NAME).exists():
        begun = [part for part in parts if has_sum(part)]
        if not begun:
            return
        history.mkdir(exist_ok=True)
        for path in _files_in(history):  # of a sum that was cut off
            path.unlink()
        merge_histories(begun, history)
        for path in _files_in(history):
            os.utime(path, (ended.timestamp(), ended.timestamp()))
    _take_away(parts, history)


def parts_in(history: Path) -> list[Path]:
    """The folders in `history`; one that was just begun, or is half taken away, may hold nothing that can be read."""
    return sorted(path for path in history.glob("*") if path.is_dir())


def has_sum(history: Path) -> bool:
    """Is there a history, and not only parts of one?"""
    return (history / INTERVALS_NAME).exists()


def _files_in(history: Path) -> list[Path]:
    return [path for path in history.iterdir() if path.is_file()]


def _take_away(parts: Sequence[Path], history: Path) -> None:
    (history / MERGED_NAME).touch()
    for part in parts:
        shutil.rmtree(part, ignore_errors=True)
    (history / MERGED_NAME).unlink()
