"""One bit of a table at rest is another: a node's tables are written out, a bit of one's largest data file is flipped while the
node is down, and it comes back with it.

Each chunk of a compressed data file has a checksum, which Cassandra compares when it reads the chunk. The bit is one of a
chunk's own and not of its checksum. Nothing is read of it until somebody asks for those rows, so the table is read through that
node: bit rot that nobody comes upon shows nothing. Only compressed data files are flipped: others are read without a checksum.
"""

import logging
import re
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadtests.cluster.connect import Endpoint, connect_to_every_node
from loadtests.errors import HarnessError
from loadtests.faults.damaged_logs import SystemLog, flip_bit_at
from scenarios.parts.faults import FaultKind
from scenarios.texts.wording import counted
from store.cassandra.session import FAILURES

CHECKSUM_BYTES = 4  # behind each chunk of a compressed data file
SCAN_S_MAX = 60.0
TAKEN_OUT = Path("tmp", "taken_out")  # in the node's folder: deleted with its data, kept with them
_DATA, _CHUNKS = "Data.db", "CompressionInfo.db"
_INT = struct.Struct(">i")
_OF_CHUNKS = 2 * 4 + 8  # bytes: how long a chunk is, how long with compression at most, and all without it
_BROKEN_CHUNK = re.compile(r"corruption detected, chunk at \d+ of length \d+")

log = logging.getLogger(__name__)


class RottenNode(Protocol):
    """What is asked of a node here."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def folder(self) -> Path: ...


class RottenNodes(Protocol):
    """Nodes that are stopped, come back broken, and are mended: `loadtests.cluster.local.LocalCluster`."""

    @property
    def nodes(self) -> Sequence[RottenNode]: ...
    def break_nodes(self, kind: FaultKind, names: Sequence[str]) -> None: ...
    def start_broken(self, names: Sequence[str]) -> None: ...
    def end_broken(self, names: Sequence[str]) -> None: ...
    def heal_nodes(self, kind: FaultKind, names: Sequence[str]) -> None: ...
    def silent(self, names: Sequence[str]) -> set[str]: ...
    def endpoint(self) -> Endpoint: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedBit:
    """Which bit of which data file is another."""

    data: Path
    at: int  # the byte; its lowest bit
    size: int  # of the file [bytes]

    @property
    def table(self) -> str:
        return table_of(self.data)

    def __str__(self) -> str:
        return f"the lowest bit of byte {self.at:,} of {self.size:,} of {self.table}'s {self.data.name} was flipped"


@dataclass(slots=True, kw_only=True)
class _Rotten:
    """A node, and what became of it."""

    node: RottenNode
    bit: FlippedBit
    log: SystemLog  # from before it came back with the bit
    said: Sequence[str] | None = ()  # of the damage, in its log, until its healing; None: that is not known
    served: bool | None = None  # until its healing; None: it did not come to that
    taken_out: int | None = None  # files
    came_back: bool = False


class TableDamaged:
    """A node's tables are written out and the node is ended, a bit is flipped, it comes back, and the table is read through it.

    When it is healed the node is ended, the files of that SSTable are taken out of its folder, and it is started without them.
    """

    no_effect = "its nodes told of no corruption"
    is_lasting = True

    def __init__(self, nodes: RottenNodes, names: tuple[str, ...], keyspace: str, table: str | None) -> None:
        """table: the one that is damaged; None: on each node the one that has the largest data file."""
        self._nodes, self._names, self._keyspace, self._table = nodes, names, keyspace, table
        self._rotten: list[_Rotten] = []

    @property
    def told(self) -> str | None:
        """Which bits were flipped, what each node said of it, and what was taken out; a sentence. None before it."""
        return f"{'; '.join(map(_told, self._rotten))}." if self._rotten else None

    def begin(self) -> None:
        self._nodes.break_nodes(FaultKind.SSTABLE_BIT_FLIP, self._names)
        for node in self._nodes.nodes:
            if node.name in self._names:
                bit = flip_payload_bit(largest_data_file(node.folder / "data" / self._keyspace, self._table))
                self._rotten.append(_Rotten(node=node, bit=bit, log=SystemLog(node.folder / "system.log")))
        try:
            self._nodes.start_broken(self._names)
        except HarnessError:
            if not all(_said(one) for one in self._rotten):
                raise
            # It came upon the bit by itself, in a compaction say, and has ended itself for it.

    def is_effective(self) -> bool:
        for one in self._rotten:
            if not _said(one):
                self._read_through(one)
        return all(_said(one) for one in self._rotten)

    def heal(self) -> None:
        silent = self._nodes.silent(self._names)
        for one in self._rotten:
            one.said, one.served = _said(one), one.node.name not in silent
        self._nodes.end_broken(self._names)
        for one in self._rotten:
            one.taken_out = take_out(one.bit.data, one.node.folder / TAKEN_OUT)
        try:
            self._nodes.heal_nodes(FaultKind.SSTABLE_BIT_FLIP, self._names)
        finally:
            silent = self._nodes.silent(self._names)
            for one in self._rotten:
                one.came_back = one.node.name not in silent

    def _read_through(self, one: _Rotten) -> None:
        """Count the table's rows by that node's own replica, as far as it lets itself be asked: what it says of it tells."""
        try:
            driver, session = connect_to_every_node(self._nodes.endpoint())
        except HarnessError as error:  # it may have ended itself in this instant
            log.info("scan node=%s is_connected=False error=%s", one.node.name, error)
            return
        try:
            hosts = [host for host in driver.metadata.all_hosts() if host.address == one.node.address]
            for host in hosts:
                session.execute(f"SELECT count(*) FROM {self._keyspace}.{one.bit.table}", host=host, timeout=SCAN_S_MAX)
        except FAILURES as error:
            log.info("scan node=%s table=%s error=%s", one.node.name, one.bit.table, error)
        finally:
            driver.shutdown()


def _said(one: _Rotten) -> list[str] | None:
    """The lines of a node's log that tell of its broken file; None where they are not known."""
    lines = one.log.lines_since()
    if lines is None:
        return None
    path = f"{one.bit.data.parent.name}/{one.bit.data.name}"
    return [line for line in lines if path in line and "corrupt" in line.lower()]


def _told(one: _Rotten) -> str:
    parts = [f"{one.node.name}: {one.bit}"]
    if one.served is not None:
        went_on = "went on serving" if one.served else "served no more"
        parts.append(f"it came back with it, {_words(one.said)}, and {went_on}")
    if one.taken_out is not None:
        parts.append(f"{counted(one.taken_out, 'file')} of that SSTable were taken out into {TAKEN_OUT}")
        parts.append("it came back without them" if one.came_back else "it did not come back without them")
    return ", ".join(parts[:2]) + "".join(f"; {part}" for part in parts[2:])


def _words(said: Sequence[str] | None) -> str:
    if said is None:
        return "what it told of it is not known, since its system.log was rolled over or can't be read"
    if not said:
        return "told of no corruption"
    chunks = [found[0] for line in said if (found := _BROKEN_CHUNK.search(line))]
    return f"told of it in {counted(len(said), 'line')} of its log{f' ({chunks[0]})' if chunks else ''}"


def table_of(data: Path) -> str:
    """The table of a data file; its folder is called for it, and for its id."""
    return data.parent.name.rpartition("-")[0]


def largest_data_file(folder: Path, table: str | None) -> Path:
    """Of a keyspace's folder: the largest compressed data file, of one table or of any. Raises HarnessError where is none."""
    found = [
        data
        for data in folder.glob(f"*/*-{_DATA}")
        if table in (None, table_of(data)) and _component(data, _CHUNKS).exists()
    ]
    if not found:
        raise HarnessError(f"{folder} holds no compressed data file{'' if table is None else f' of {table}'}")
    return max(found, key=lambda data: (data.stat().st_size, str(data)))


def flip_payload_bit(data: Path) -> FlippedBit:
    """Make one bit another in the middle of the middle chunk of a compressed data file."""
    size = data.stat().st_size
    bounds = [*chunk_starts(_component(data, _CHUNKS)), size]
    middle = (len(bounds) - 1) // 2
    at = (bounds[middle] + bounds[middle + 1] - CHECKSUM_BYTES) // 2
    flip_bit_at(data, at)
    return FlippedBit(data=data, at=at, size=size)


def chunk_starts(path: Path) -> tuple[int, ...]:
    """Where each chunk of a data file begins [bytes], by its CompressionInfo.db. Raises HarnessError for one of another form."""
    content = path.read_bytes()
    try:
        at = _after_text(content, 0)  # the compressor's name
        (option_count,) = _INT.unpack_from(content, at)
        at += _INT.size
        for _ in range(2 * option_count):  # names and values
            at = _after_text(content, at)
        at += _OF_CHUNKS
        (count,) = _INT.unpack_from(content, at)
        starts = struct.unpack_from(f">{count}q", content, at + _INT.size)
        is_whole = count > 0 and len(content) == at + _INT.size + struct.calcsize(f">{count}q")
    except struct.error:
        is_whole = False
    if not is_whole:
        raise HarnessError(f"{path} is not of the form that Cassandra 5.0 writes")
    return starts


def _after_text(content: bytes, at: int) -> int:
    """Where a text ends that begins `at` with its length."""
    (length,) = struct.unpack_from(">H", content, at)
    return int(at + 2 + length)


def _component(data: Path, name: str) -> Path:
    """Another file of the SSTable of a data file."""
    return data.with_name(data.name.removesuffix(_DATA) + name)


def take_out(data: Path, into: Path) -> int:
    """Move all files of a data file's SSTable to another folder; returns how many there were."""
    files = sorted(data.parent.glob(f"{data.name.removesuffix(_DATA)}*"))
    into.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.move(file, into / file.name)
    return len(files)
