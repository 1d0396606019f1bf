"""Which commit log is damaged, and how; what its node says of it afterwards."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import HarnessError
from loadtests.faults.acts import TellsMore
from loadtests.faults.damaged_logs import LogDamaged, damage_newest, flip_bit, truncate, used_bytes
from scenarios.parts.faults import FaultKind

WRITTEN = bytes([7]) * 8_000
FORGIVEN = "ERROR [main] Ignoring commit log replay error likely due to incomplete flush to disk\n"
CUT = "the last 2,000 of 8,000 bytes of its newest commit log were cut off"


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    folder: Path


class Nodes:
    """Killed and healed as told; what a node says when it starts is `says`."""

    def __init__(self, folder: Path, says: str) -> None:
        self.nodes = [Node(name, folder / name) for name in ("north-1", "south-1")]
        self.done: list[tuple[Any, ...]] = []
        self._down: set[str] = set()
        self.lost: set[str] = set()  # they die at their next start, and say what they say before it
        self._says = says
        for node in self.nodes:
            (node.folder / "commitlog").mkdir(parents=True)
            (node.folder / "commitlog" / "CommitLog-8-100.log").write_bytes(WRITTEN + bytes(2_000))
            (node.folder / "system.log").write_text(
                "ERROR before: Ignoring commit log replay error of a former start\n"
            )

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("break", kind, *names))
        self._down = set(names)

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("heal", kind, *names))
        for node in self.nodes:
            with (node.folder / "system.log").open("a") as log:
                log.write(self._says)
        self._down = set(self.lost)
        if self.lost:
            raise HarnessError(f"node {min(self.lost)} died")

    def silent(self, names: Collection[str]) -> set[str]:
        return self._down & set(names)


def log_of(folder: Path, number: int, content: bytes) -> Path:
    path = folder / f"CommitLog-8-{number}.log"
    path.write_bytes(content)
    return path


def test_the_newest_log_that_holds_anything_is_damaged_and_no_other(tmp_path: Path) -> None:
    old = log_of(tmp_path, 999, WRITTEN)
    newest = log_of(tmp_path, 1_000, WRITTEN + bytes(500))
    empty = log_of(tmp_path, 1_001, b"header" + bytes(9_000))  # made before it is needed
    said = damage_newest(tmp_path, truncate)
    assert said == "the last 2,000 of 8,000 bytes of its newest commit log were cut off"
    assert newest.read_bytes() == WRITTEN[:6_000]
    assert old.read_bytes() == WRITTEN and len(empty.read_bytes()) == 9_006


def test_one_bit_is_another_and_nothing_else(tmp_path: Path) -> None:
    log = log_of(tmp_path, 1, WRITTEN + bytes(500))
    assert damage_newest(tmp_path, flip_bit) == "a bit of byte 6,000 of 8,000 of its newest commit log was flipped"
    found = log.read_bytes()
    assert [(at, value) for at, value in enumerate(found[:8_000]) if value != 7] == [(6_000, 6)]
    assert used_bytes(log) == 8_000 and len(found) == 8_500


def test_where_nothing_was_written_it_goes_wrong_in_words(tmp_path: Path) -> None:
    log_of(tmp_path, 1, b"header" + bytes(9_000))
    with pytest.raises(HarnessError, match="holds no commit log with anything in it"):
        damage_newest(tmp_path, truncate)


@pytest.mark.parametrize(
    ("says", "noticed"),
    [
        (
            FORGIVEN,
            "told of 1 error in it",
        ),
        ("INFO  [main] Log replay complete, 7 replayed mutations\n", "told of no error in it"),
    ],
)
def test_what_was_done_and_what_the_node_said_of_it_is_told(says: str, noticed: str, tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, says)
    act = LogDamaged(nodes, FaultKind.TRUNCATED_COMMIT_LOG, ("south-1",))
    assert isinstance(act, TellsMore) and act.told is None
    act.begin()
    assert act.is_effective()
    act.heal()
    assert nodes.done == [
        ("break", FaultKind.TRUNCATED_COMMIT_LOG, "south-1"),
        ("heal", FaultKind.TRUNCATED_COMMIT_LOG, "south-1"),
    ]
    assert act.told == (
        f"south-1: the last 2,000 of 8,000 bytes of its newest commit log were cut off; it came back, and {noticed}."
    )
    assert (nodes.nodes[0].folder / "commitlog" / "CommitLog-8-100.log").stat().st_size == 10_000


def damaged(nodes: Nodes, names: str) -> LogDamaged:
    """An act that has begun. names: of nodes, with blanks between."""
    act = LogDamaged(nodes, FaultKind.TRUNCATED_COMMIT_LOG, tuple(names.split()))
    act.begin()
    return act


def test_each_node_is_told_by_itself_and_one_that_does_not_come_back_is_not_said_to_have_started(
    tmp_path: Path,
) -> None:
    nodes = Nodes(tmp_path, FORGIVEN * 2)
    nodes.lost = {"south-1"}
    act = damaged(nodes, "north-1 south-1")
    with pytest.raises(HarnessError, match="node south-1 died"):
        act.heal()
    assert act.told == (
        f"north-1: {CUT}; it came back, and told of 2 errors in it; "
        f"south-1: {CUT}; it did not come back, and told of 2 errors in it."
    )


@pytest.mark.parametrize("happens", ["rolled", "gone", "never there"])
def test_what_a_node_told_in_a_log_that_is_another_one_is_not_known(happens: str, tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, FORGIVEN)
    log = nodes.nodes[1].folder / "system.log"
    if happens == "never there":
        log.unlink()
    act = damaged(nodes, "south-1")
    if happens == "rolled":
        log.rename(log.with_suffix(".log.1"))
        log.write_text("INFO  filled again, longer than it was before by far, and without a word of any error\n" * 9)
    act.heal()
    if happens == "gone":
        log.unlink()
    assert act.told == (
        f"south-1: {CUT}; it came back, and what it told of that is not known, since its system.log was rolled over or can't "
        "be read."
    )
