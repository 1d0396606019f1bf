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
        self._damaged: dict[str, tuple[str, SystemLog]] = {}  # what was done to each node, and where it says more
        self._lost: set[str] = set()  # names of those that did not come back

    @property
    def told(self) -> str | None:
        """What was damaged, and what each node said of it at its start; a sentence. None before it."""
        if not self._damaged:
            return None
        of_each = (
            f"{name}: {done}; it {'did not come back' if name in self._lost else 'came back'}, and {_said(log)}"
            for name, (done, log) in self._damaged.items()
        )
        return f"{'; '.join(of_each)}."

    def begin(self) -> None:
        self._nodes.break_nodes(self._kind, self._names)
        damage = truncate if self._kind is FaultKind.TRUNCATED_COMMIT_LOG else flip_bit
        for node in self._nodes.nodes:
            if node.name in self._names:
                log = SystemLog(node.folder / "system.log")
                self._damaged[node.name] = damage_newest(node.folder / "commitlog", damage), log

    def is_effective(self) -> bool:
        return self._nodes.silent(self._names) == set(self._names)

    def heal(self) -> None:
        try:
            self._nodes.heal_nodes(self._kind, self._names)
        finally:
            self._lost = self._nodes.silent(self._names)


class SystemLog:
    """A node's log, from now on: what it says later is told from what it has said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_number, self._end = _file_of(path)

    def lines_since(self) -> list[str] | None:
        """What was written to it since; None where that is not known: it can't be read, or was rolled over."""
        file_number, _ = _file_of(self._path)
        if file_number is None or file_number != self._file_number:
            return None
        try:
            with self._path.open("rb") as file:
                file.seek(self._end)
                return file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return None


def _file_of(path: Path) -> tuple[int | None, int]:
    """A file's number, which another one in its place does not have, and how long it is [bytes]; None where there is none."""
    try:
        held = path.stat()
    except OSError:
        return None, 0
    return held.st_ino, held.st_size


def _said(log: SystemLog) -> str:
    lines = log.lines_since()
    if lines is None:
        return "what it told of that is not known, since its system.log was rolled over or can't be read"
    count = sum(FORGIVEN in line for line in lines)
    return f"told of {counted(count, 'error') if count else 'no error'} in it"


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
    flip_bit_at(log, at)
    return f"a bit of byte {at:,} of {used:,} of its newest commit log was flipped"


def flip_bit_at(path: Path, at: int) -> None:
    """Make the lowest bit of a file's byte `at` another."""
    with path.open("r+b") as file:
        file.seek(at)
        (value,) = file.read(1)
        file.seek(at)
        file.write(bytes([value ^ 1]))
