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
from cassandra import OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.protocol import ResultMessage, _ProtocolHandler, read_int
from cassandra.query import BoundStatement, PreparedStatement
from numpy.typing import NDArray

from scenarios.spec import Topology
from store.cassandra.session import FAILURES, driver_value
from store.columns import Column, Lists, Page, Piece, concat, dicts_of, row_count, starts_of
from store.ports import StoreError
from store.readings.cells import Layout, encode
from store.tables import CqlType, Table, primary_key

PAGE_ROWS = 4_000
IN_FLIGHT_MAX = 64
ATTEMPTS_MAX = 4  # of a page that does not come in time
PIECES_PER_RANGE = 2
STATEMENT_ROWS = (192, 48, 8, 1)
"""Rows of one partition in one statement, as many as there are. Nodes limit the size of batches for several partitions
alone. 192 take a fifth less of the nodes' CPU than 48, and 384 no less."""

TOKEN_MIN, TOKEN_MAX = -(2**63), 2**63 - 1


RawRows = tuple[bytes, int, int]
"""The bytes of all cells, the number of rows and the number of columns."""

_Rows = tuple[RawRows, bytes | None]  # and the paging state
_Answer = Future[_Rows]
BegunPiece = tuple[BoundStatement, _Answer]
"""The question for a piece of a scan, and its first page when it comes."""


class _RawRowsMessage(ResultMessage):
    """A RESULT message whose rows stay bytes: `parsed_rows` is a RawRows."""

    def recv_results_rows(
        self, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> None:
        self.recv_results_metadata(f, user_type_map)
        described = self.column_metadata or result_metadata
        self.column_names = [column[2] for column in described]
        self.column_types = [column[3] for column in described]
        row_count = read_int(f)
        self.parsed_rows = (f.read(), row_count, len(described))


class RawRowsHandler(_ProtocolHandler):
    """Set as the `client_protocol_handler` of a session whose answers are RawRows."""

    message_types_by_opcode = {**_ProtocolHandler.message_types_by_opcode, ResultMessage.opcode: _RawRowsMessage}  # noqa: RUF012


class CassandraBulk:
    """Implements `store.ports.Bulk` and `store.ports.Slices`. The caller keeps and closes the session; scans have their own."""

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

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        """See `store.ports.Bulk`. The next page is asked for while this one is worked on."""
        layout = Layout(table, columns, with_times=with_times)
        try:
            bound, first = self._begin(table, layout, piece)
            asked: bytes | None = None
            answer: _Answer | None = first
            while answer is not None:
                (body, count, _), paging_state = self._page(bound, asked, answer)
                asked = paging_state
                answer = self._ask(bound, asked) if asked else None
                yield layout.decode(count, body)
        except FAILURES as error:
            raise StoreError(f"scan of {table.name} at {self._level}: {error}") from error

    def _begin(self, table: Table, layout: Layout, piece: Piece) -> BegunPiece:
        """Ask for the first page of a piece."""
        key = ", ".join(table.partition_key)
        cql = (
            f"SELECT {', '.join((f'token({key})', *layout.selected))} "
            f"FROM {self._keyspace}.{table.name} WHERE token({key}) > ? AND token({key}) <= ?"
        )
        bound = self._prepare(cql).bind((piece.after, piece.through))
        bound.fetch_size = PAGE_ROWS
        return bound, self._ask(bound, None)

    def slices(self, table: Table, columns: Sequence[str], asked: Page) -> Iterator[Page]:
        """See `store.ports.Slices`. Up to IN_FLIGHT_MAX are on their way."""
        layout = Layout(table, columns)
        fixed = [name for name in asked if name not in ("from", "before")]
        ranged = primary_key(table)[len(fixed)]
        where, key = " AND ".join(f"{name} = ?" for name in fixed), ", ".join(table.partition_key)
        cql = (
            f"SELECT {', '.join((f'token({key})', *layout.selected))} "
            f"FROM {self._keyspace}.{table.name} WHERE {where} AND {ranged} >= ? AND {ranged} < ?"
        )
        types = {column.name: column.type for column in table.columns}
        kinds = [(name, types[name]) for name in fixed] + [(name, types[ranged]) for name in ("from", "before")]
        try:
            prepared = self._prepare(cql)
            waiting: deque[tuple[BoundStatement, _Answer]] = deque()
            for one in dicts_of(asked):
                bound = prepared.bind([driver_value(kind, one[name]) for name, kind in kinds])
                bound.fetch_size = PAGE_ROWS
                waiting.append((bound, self._ask(bound, None)))
                if len(waiting) >= IN_FLIGHT_MAX:
                    yield self._whole(layout, *waiting.popleft())
            while waiting:
                yield self._whole(layout, *waiting.popleft())
        except FAILURES as error:
            raise StoreError(f"parts of {table.name} at {self._level}: {error}") from error

    def _whole(self, layout: Layout, bound: BoundStatement, answer: _Answer) -> Page:
        """All pages of an answer as one."""
        pages, asked = list[Page](), None
        while True:
            (body, count, _), asked = self._page(bound, asked, answer)
            pages.append(layout.decode(count, body))
            if not asked:
                return concat(pages)
            answer = self._ask(bound, asked)

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
            self._scanning.client_protocol_handler = RawRowsHandler
        profile = self._scanning.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=lambda _, rows: rows, consistency_level=self._wire_level
        )
        answer: _Answer = Future()
        asked = self._scanning.execute_async(bound, paging_state=paging_state, execution_profile=profile)
        asked.add_callbacks(
            lambda rows: answer.set_result((rows or (b"", 0, 0), asked._paging_state)), answer.set_exception
        )
        return answer

    def _page(self, bound: BoundStatement, asked: bytes | None, answer: _Answer) -> _Rows:
        """A page that was asked for; one that only came not in time is asked for again."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return answer.result()
            except OperationTimedOut:
                answer = self._ask(bound, asked)
        return answer.result()

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
        cells = list(zip(*(encode(types[name], rows[name]) for name in names), strict=True))
        heads = starts_of(*(_integers(rows[name]) for name in table.partition_key)).tolist()
        waiting: deque[tuple[BoundStatement, Any]] = deque()
        try:
            for start, end in itertools.pairwise([*heads, len(cells)]):
                at = start
                while at < end:
                    size = next(size for size in STATEMENT_ROWS if size <= end - at)
                    cql = one if size == 1 else f"BEGIN UNLOGGED BATCH {f'{one}; ' * size}APPLY BATCH"
                    bound = BoundStatement(self._prepare(cql))
                    bound.values = list(itertools.chain.from_iterable(cells[at : at + size]))
                    waiting.append((bound, self._session.execute_async(bound)))
                    at += size
                    if len(waiting) >= IN_FLIGHT_MAX:
                        self._written(*waiting.popleft())
            while waiting:
                self._written(*waiting.popleft())
        except FAILURES as error:
            for _, sent in waiting:  # nothing is left on its way when the error is told
                with contextlib.suppress(*FAILURES):
                    sent.result()
            raise StoreError(f"rows of {table.name} at {self._level}: {error}") from error

    def _written(self, bound: BoundStatement, sent: Any) -> None:
        """Wait for a write; one that only was not answered in time is sent again: it has its own timestamp."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                sent.result()
                return
            except OperationTimedOut:
                sent = self._session.execute_async(bound)
        sent.result()


def _integers(column: Column) -> NDArray[np.int64]:
    assert not isinstance(column, Lists), "a list in a partition key"
    return column
