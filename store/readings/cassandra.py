"""Whole tables of Cassandra as columns: pages stay bytes until NumPy takes them apart, and rows are written as bytes.

cassandra-driver would make a Python object of each value, ten times slower than the goal of a rebuild allows. It still
pages, routes and retries. Rules: a page or two of a table in memory, at most IN_FLIGHT_MAX statements on their way, each
for one partition; a piece of a scan never spans two ranges of the ring.
"""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from cassandra import ConsistencyLevel as DriverLevel
from cassandra import DriverException, OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, NoHostAvailable, Session
from cassandra.protocol import ResultMessage, _ProtocolHandler, read_int
from cassandra.query import BoundStatement, PreparedStatement
from numpy.typing import NDArray

from scenarios.spec import Topology
from store.ports import StoreError
from store.readings.columns import NULL, Column, Lists, Page, Piece, row_count, starts_of
from store.tables import CqlType, Table, primary_key

PAGE_ROWS = 4_000
IN_FLIGHT_MAX = 64
PIECES_PER_RANGE = 2
STATEMENT_ROWS = (48, 8, 1)  # rows of one partition in one statement, as many as there are
TOKEN_MIN, TOKEN_MAX = -(2**63), 2**63 - 1

WIDTH = {
    CqlType.BIGINT: 8,
    CqlType.INT: 4,
    CqlType.SMALLINT: 2,
    CqlType.TINYINT: 1,
    CqlType.TIMESTAMP: 8,
}

_Answer = Future[tuple[tuple[int, bytes], bytes | None]]  # (rows, their bytes), paging state
_FAILURES = (DriverException, NoHostAvailable, OperationTimedOut)


class _RawRowsMessage(ResultMessage):
    """A RESULT message whose rows stay bytes: `parsed_rows` is the pair (bytes of all cells, number of rows)."""

    def recv_results_rows(
        self, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> None:
        self.recv_results_metadata(f, user_type_map)
        described = self.column_metadata or result_metadata
        self.column_names = [column[2] for column in described]
        self.column_types = [column[3] for column in described]
        self.parsed_rows = (read_int(f), f.read())


class _RawRowsHandler(_ProtocolHandler):
    message_types_by_opcode = {**_ProtocolHandler.message_types_by_opcode, ResultMessage.opcode: _RawRowsMessage}  # noqa: RUF012


class CassandraBulk:
    """Implements `store.ports.Bulk`. The caller keeps and closes the session; scans go through one of their own."""

    def __init__(self, session: Session, topology: Topology) -> None:
        self._session = session
        self._keyspace = topology.keyspace
        self._level = topology.consistency.default
        self._scanning: Session | None = None
        self._prepared: dict[str, PreparedStatement] = {}

    def pieces(self) -> Sequence[Piece]:
        ends = sorted(token.value for token in self._session.cluster.metadata.token_map.ring)
        edges = [TOKEN_MIN, *ends, TOKEN_MAX]
        pieces = []
        for after, through in itertools.pairwise(edges):
            cuts = [after + (through - after) * k // PIECES_PER_RANGE for k in range(PIECES_PER_RANGE)] + [through]
            pieces += [Piece(after=a, through=b) for a, b in itertools.pairwise(cuts) if a < b]
        return pieces

    def scan(self, table: Table, columns: Sequence[str], piece: Piece) -> Iterator[Page]:
        """See `store.ports.Bulk`. The next page is asked for while this one is worked on."""
        layout = _Layout(table, columns)
        key = ", ".join(table.partition_key)
        cql = (
            f"SELECT token({key}), writetime({layout.written}), {', '.join(layout.names[2:])} "
            f"FROM {self._keyspace}.{table.name} WHERE token({key}) > ? AND token({key}) <= ?"
        )
        try:
            bound = self._prepare(cql).bind((piece.after, piece.through))
            bound.fetch_size = PAGE_ROWS
            answer: _Answer | None = self._ask(bound, None)
            while answer is not None:
                (count, body), paging_state = answer.result()
                answer = self._ask(bound, paging_state) if paging_state else None
                yield layout.decode(count, body)
        except _FAILURES as error:
            raise StoreError(f"scan of {table.name} at {self._level}: {error}") from error

    def insert(self, table: Table, rows: Page) -> None:
        names = ", ".join(column.name for column in table.columns)
        marks = ", ".join("?" * len(table.columns))
        one = f"INSERT INTO {self._keyspace}.{table.name} ({names}) VALUES ({marks}) USING TIMESTAMP ?"
        self._send(table, one, [column.name for column in table.columns] + ["write_us"], rows)

    def delete(self, table: Table, rows: Page) -> None:
        key = primary_key(table)
        where = " AND ".join(f"{name} = ?" for name in key)
        one = f"DELETE FROM {self._keyspace}.{table.name} USING TIMESTAMP ? WHERE {where}"
        self._send(table, one, ["write_us", *key], rows)

    def _ask(self, bound: BoundStatement, paging_state: bytes | None) -> _Answer:
        if self._scanning is None:
            self._scanning = self._session.cluster.connect()
            self._scanning.client_protocol_handler = _RawRowsHandler
        profile = self._scanning.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=lambda _, rows: rows, consistency_level=self._wire_level
        )
        answer: _Answer = Future()
        asked = self._scanning.execute_async(bound, paging_state=paging_state, execution_profile=profile)
        asked.add_callbacks(
            lambda rows: answer.set_result((rows or (0, b""), asked._paging_state)), answer.set_exception
        )
        return answer

    def close(self) -> None:
        """End the session of the scans."""
        if self._scanning is not None:
            self._scanning.shutdown()
            self._scanning = None

    @property
    def _wire_level(self) -> int:
        level: int = DriverLevel.name_to_value[self._level]
        return level

    def _prepare(self, cql: str) -> PreparedStatement:
        if cql not in self._prepared:
            prepared = self._session.prepare(cql)
            prepared.consistency_level = self._wire_level
            prepared.is_idempotent = True
            self._prepared[cql] = prepared
        return self._prepared[cql]

    def _send(self, table: Table, one: str, names: Sequence[str], rows: Page) -> None:
        """Send `one` for each row, the rows of a partition together; they must follow each other in `rows`."""
        if row_count(rows) == 0:
            return
        types = {column.name: column.type for column in table.columns} | {"write_us": CqlType.BIGINT}
        cells = list(zip(*(_encode(types[name], rows[name]) for name in names), strict=True))
        heads = starts_of(*(_integers(rows[name]) for name in table.partition_key)).tolist()
        waiting: deque[Any] = deque()
        try:
            for start, end in itertools.pairwise([*heads, len(cells)]):
                at = start
                while at < end:
                    size = next(size for size in STATEMENT_ROWS if size <= end - at)
                    cql = one if size == 1 else f"BEGIN UNLOGGED BATCH {f'{one}; ' * size}APPLY BATCH"
                    bound = BoundStatement(self._prepare(cql))
                    bound.values = list(itertools.chain.from_iterable(cells[at : at + size]))
                    waiting.append(self._session.execute_async(bound))
                    at += size
                    if len(waiting) >= IN_FLIGHT_MAX:
                        waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        except _FAILURES as error:
            with contextlib.suppress(*_FAILURES):
                for sent in waiting:  # nothing is left on its way when the error is told
                    sent.result()
            raise StoreError(f"rows of {table.name} at {self._level}: {error}") from error


class _Layout:
    """How the cells of a scanned row lie: all of one width, but for the list, which is the last."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        types = {column.name: column.type for column in table.columns}
        key = primary_key(table)
        self.written = next(column.name for column in table.columns if column.name not in key)
        fixed = [name for name in columns if types[name] is not CqlType.INT_LIST]
        listed = [name for name in columns if types[name] is CqlType.INT_LIST]
        assert len(listed) <= 1, "two lists in a scan"
        self.list_name = listed[0] if listed else None
        self.names = ["token", "held_us", *fixed, *listed]
        widths = [8, 8, *(WIDTH[types[name]] for name in fixed)]
        self.fixed_names = self.names[: len(widths)]
        fields = [
            field
            for name, width in zip(self.fixed_names, widths, strict=True)
            for field in ((f"{name}_size", ">i4"), (name, f">i{width}"))
        ]
        self.widths = widths
        self.row = np.dtype(fields)

    def decode(self, count: int, body: bytes) -> Page:
        """The columns of a page; a page with a cell that is null is taken apart cell by cell."""
        try:
            starts, sizes = self._starts(count, body)
        except IndexError:
            return self._decode_slowly(count, body)
        held = np.frombuffer(body, np.uint8)
        fixed = np.ascontiguousarray(held[starts[:, np.newaxis] + np.arange(self.row.itemsize)]).view(self.row).ravel()
        columns: dict[str, Column] = {}
        for name, width in zip(self.fixed_names, self.widths, strict=True):
            if not (fixed[f"{name}_size"] == width).all():
                return self._decode_slowly(count, body)
            columns[name] = fixed[name].astype(np.int64)
        if self.list_name is not None:
            if (sizes < 4).any():
                return self._decode_slowly(count, body)
            columns[self.list_name] = _lists(held, starts + self.row.itemsize + 4, sizes)
        return columns

    def _starts(self, count: int, body: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each row starts, and the size of its list cell, if no cell is null."""
        width = self.row.itemsize
        if self.list_name is None:
            if len(body) != count * width:
                raise IndexError
            return np.arange(count, dtype=np.int64) * width, np.zeros(count, np.int64)
        starts, sizes, at = [0] * count, [0] * count, 0
        for i in range(count):
            starts[i] = at
            end = at + width + 4
            size = int.from_bytes(body[end - 4 : end], "big")
            sizes[i] = size
            at = end + size
        if at != len(body):
            raise IndexError
        return np.array(starts, np.int64), np.array(sizes, np.int64)

    def _decode_slowly(self, count: int, body: bytes) -> Page:
        cells: list[list[int | list[int]]] = [[] for _ in self.names]
        at = 0
        for _ in range(count):
            for index, name in enumerate(self.names):
                size = int.from_bytes(body[at : at + 4], "big", signed=True)
                cell = body[at + 4 : at + 4 + max(size, 0)]
                at += 4 + max(size, 0)
                if name == self.list_name:
                    cells[index].append(np.frombuffer(cell[4:], ">i4")[1::2].tolist())
                else:
                    cells[index].append(NULL if size < 0 else int.from_bytes(cell, "big", signed=True))
        columns: dict[str, Column] = {}
        for name, values in zip(self.names, cells, strict=True):
            if name == self.list_name:
                rows = [value for value in values if isinstance(value, list)]
                flat = np.array(list(itertools.chain.from_iterable(rows)), np.int32)
                columns[name] = Lists(flat=flat, length=np.array([len(row) for row in rows], np.int64))
            else:
                columns[name] = np.array(values, np.int64)
        return columns


def _lists(held: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Lists:
    """list<int> cells: a count, then each element with its size before it."""
    length = (sizes - 4) // 8
    values = np.empty(int(length.sum()), np.int32)
    at = np.cumsum(length) - length
    for one in np.unique(length):
        if one == 0:
            continue
        rows = np.flatnonzero(length == one)
        bytes_of = held[(starts[rows] + 4)[:, np.newaxis] + np.arange(8 * one)]
        elements = np.ascontiguousarray(bytes_of).view(">i4").reshape(len(rows), -1)[:, 1::2]
        values[(at[rows][:, np.newaxis] + np.arange(one))] = elements
    return Lists(flat=values, length=length)


def _encode(kind: CqlType, column: Column) -> list[bytes | None]:
    """The cells of a column as bytes, without their lengths."""
    if isinstance(column, Lists):
        pairs = np.empty((len(column.flat), 2), ">i4")
        pairs[:, 0], pairs[:, 1] = 4, column.flat
        body = pairs.tobytes()
        ends = np.cumsum(column.length).tolist()
        return [
            length.to_bytes(4, "big") + body[(end - length) * 8 : end * 8]
            for end, length in zip(ends, column.length.tolist(), strict=True)
        ]
    width = WIDTH[kind]
    cells: list[bytes | None] = column.astype(f">i{width}").view(f"V{width}").tolist()
    for row in np.flatnonzero(column == NULL):
        cells[row] = None
    return cells


def _integers(column: Column) -> NDArray[np.int64]:
    assert not isinstance(column, Lists), "a list in a partition key"
    return column
