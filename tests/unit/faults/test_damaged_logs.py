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


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    folder: Path


class Nodes:
    """Killed and healed as told; what a node says when it starts is `says`."""

    def __init__(self, folder: Path, says: str) -> None:
        self.nodes = [Node(name, folder / name) for name in ("north-1", "south-1")]
        self.done: list[tuple[Any, ...]] = []
        self._says = says
        for node in self.nodes:
            (node.folder / "commitlog").mkdir(parents=True)
            (node.folder / "commitlog" / "CommitLog-8-100.log").write_bytes(WRITTEN + bytes(2_000))
            (node.folder / "system.log").write_text(
                "ERROR before: Ignoring commit log replay error of a former start\n"
            )

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("break", kind, *names))

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("heal", kind, *names))
        for node in self.nodes:
            with (node.folder / "system.log").open("a") as log:
                log.write(self._says)

    def silent(self, names: Collection[str]) -> set[str]:
        return set(names)


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
            "ERROR [main] Ignoring commit log replay error likely due to incomplete flush to disk\n",
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
        f"south-1: the last 2,000 of 8,000 bytes of its newest commit log were cut off; started and {noticed}."
    )
    assert (nodes.nodes[0].folder / "commitlog" / "CommitLog-8-100.log").stat().st_size == 10_000
