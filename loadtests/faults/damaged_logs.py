"""A node's newest commit log is damaged while the node is down: its end is gone, or one bit is another.

The newest is the one that a crash damages, and the one whose errors Cassandra forgives at its start: it takes them for a write
that was under way. What it says of them is kept, since a log that is shorter says nothing by itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from loadtests.errors import HarnessError
from scenarios.parts.faults import FaultKind
from scenarios.texts.wording import counted

CUT_SHARE = 0.25  # of what the newest log holds: its end
FLIPPED_AT_SHARE = 0.75  # of what it holds: where the bit is
HEADER_BYTES = 1_024  # more than what a log has before its first write
FORGIVEN = "commit log replay error"  # in each line in which a node tells of an error that it starts in spite of


class DamagedNode(Protocol):
    """What is asked of a node here."""

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> Path: ...


class DamagedNodes(Protocol):
    """Nodes that are killed and come back: `loadtests.cluster.local.LocalCluster`."""

    @property
    def nodes(self) -> Sequence[DamagedNode]: ...
    def break_nodes(self, kind: FaultKind, names: Sequence[str]) -> None: ...
    def heal_nodes(self, kind: FaultKind, names: Sequence[str]) -> None: ...
    def silent(self, names: Sequence[str]) -> set[str]: ...


class LogDamaged:
    """Nodes are killed, their newest commit log is damaged, and they come back with it."""

    no_effect = "its nodes went on answering"
    is_lasting = True

    def __init__(self, nodes: DamagedNodes, kind: FaultKind, names: tuple[str, ...]) -> None:
        self._nodes, self._kind, self._names = nodes, kind, names
        self._done: list[str] = []
        self._logged: dict[Path, int] = {}  # where each node's log ended when it was damaged [bytes]

    @property
    def told(self) -> str | None:
        """What was damaged, and what the nodes said of it at their start; a sentence. None before it."""
        if not self._done:
            return None
        said = [line for log, end in self._logged.items() for line in _lines_after(log, end) if FORGIVEN in line]
        noticed = (
            f"started and told of {counted(len(said), 'error')} in it" if said else "started and told of no error in it"
        )
        return f"{'; '.join(self._done)}; {noticed}."

    def begin(self) -> None:
        self._nodes.break_nodes(self._kind, self._names)
        for node in self._nodes.nodes:
            if node.name in self._names:
                log = node.folder / "system.log"
                self._logged[log] = log.stat().st_size if log.exists() else 0
                damage = truncate if self._kind is FaultKind.TRUNCATED_COMMIT_LOG else flip_bit
                self._done.append(f"{node.name}: {damage_newest(node.folder / 'commitlog', damage)}")

    def is_effective(self) -> bool:
        return self._nodes.silent(self._names) == set(self._names)

    def heal(self) -> None:
        self._nodes.heal_nodes(self._kind, self._names)


def damage_newest(folder: Path, damage: Callable[[Path, int], str]) -> str:
    """Damage the newest commit log that holds anything; what was done. Raises HarnessError where none does."""
    logs = sorted(folder.glob("CommitLog-*.log"), key=lambda path: int(path.stem.rpartition("-")[2]), reverse=True)
    for log in logs:
        if (used := used_bytes(log)) > HEADER_BYTES:
            return damage(log, used)
    raise HarnessError(f"{folder} holds no commit log with anything in it")


def used_bytes(log: Path) -> int:
    """How much of a log is written: it is as long as a segment from the beginning, and zero after that."""
    return len(log.read_bytes().rstrip(b"\0"))


def truncate(log: Path, used: int) -> str:
    """Cut off the end of what is written in a log, and what is empty after it."""
    left = used - int(used * CUT_SHARE)
    with log.open("r+b") as file:
        file.truncate(left)
    return f"the last {used - left:,} of {used:,} bytes of its newest commit log were cut off"


def flip_bit(log: Path, used: int) -> str:
    """Make one bit of what is written in a log another."""
    at = int(used * FLIPPED_AT_SHARE)
    with log.open("r+b") as file:
        file.seek(at)
        (value,) = file.read(1)
        file.seek(at)
        file.write(bytes([value ^ 1]))
    return f"a bit of byte {at:,} of {used:,} of its newest commit log was flipped"


def _lines_after(log: Path, start: int) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(start if start <= size else 0)  # it was rolled over meanwhile
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
