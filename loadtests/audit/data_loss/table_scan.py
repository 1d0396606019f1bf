"""Whole tables as pages of undecoded cells: cassandra-driver pages and routes, Numba takes the bytes apart.

The driver would make one Python object a value; the audit wants a column of a page as one array.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from cassandra.cluster import EXEC_PROFILE_DEFAULT, ResponseFuture, Session
from cassandra.pool import Host
from cassandra.query import PreparedStatement
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from sim.kernels import kernel
from store.cassandra.bulk import RawRows

PAGE_ROWS = 4_000
RANGES_IN_FLIGHT_MAX = 8
PAGE_TIMEOUT_S = 60.0
ATTEMPTS_MAX = 4
SPLITS_PER_RANGE_MAX = 4

TOKEN_MIN, TOKEN_MAX = -(2**63), 2**63 - 1
NULL = np.iinfo(np.int64).min
NO_LIST = -1


def _keep_raw(_names: Sequence[str], rows: RawRows) -> RawRows:
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage:
    """Some rows of a table, undecoded."""

    cells: NDArray[np.uint8]  # the bytes of all cells, each without its length
    offset: NDArray[np.int64]  # [rows, columns] where the cell starts in `cells`
    size: NDArray[np.int32]  # [rows, columns] its bytes; -1 is null

    @property
    def row_count(self) -> int:
        return len(self.offset)

    def integers(self, column: int, size: int) -> NDArray[np.int64]:
        """A column of integers or timestamps of `size` bytes: int64[rows], NULL where the cell is null or of another size."""
        return _decode_integers(self.cells, self.offset[:, column], self.size[:, column], size)

    def list_lengths(self, column: int) -> NDArray[np.int64]:
        """Elements of each list<int> cell: int64[rows], NO_LIST where the cell is null or no list of ints to its last byte."""
        return _list_lengths(self.cells, self.offset[:, column], self.size[:, column])

    def lists(self, column: int, rows: NDArray[np.int64], length: int) -> NDArray[np.int32]:
        """The list<int> cells of some rows that all have `length` elements: int32[len(rows), length]."""
        assert (self.list_lengths(column)[rows] == length).all(), "lists of other lengths"
        return _decode_lists(self.cells, self.offset[rows, column], length)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRange:
    """Partitions whose token is above `after` and at most `through`, and a node that holds them."""

    after: int
    through: int
    host: Host


def token_ranges(session: Session, keyspace: str, dc: str, split: int) -> list[TokenRange]:
    """The whole ring in pieces, each inside one range of the ring and named with a replica in `dc`."""
    token_map = session.cluster.metadata.token_map
    ring = token_map.ring
    pieces: list[TokenRange] = []
    for i, token in enumerate(ring):
        replicas = [host for host in token_map.get_replicas(keyspace, token) if host.datacenter == dc and host.is_up]
        if not replicas:
            raise HarnessError(
                f"no live node of DC {dc} holds the range that ends at token {token.value}: start its nodes"
            )
        host = replicas[i % len(replicas)]
        spans = [(TOKEN_MIN if i == 0 else ring[i - 1].value, token.value)]
        if i == 0:  # the range that wraps round the ends of the ring
            spans.append((ring[-1].value, TOKEN_MAX))
        for after, through in spans:
            if after >= through:
                continue
            edges = [after + (through - after) * k // split for k in range(split)] + [through]
            pieces += [TokenRange(after=a, through=b, host=host) for a, b in itertools.pairwise(edges) if a < b]
    return pieces


def table_ranges(session: Session, keyspace: str, dc: str, rows_about: int) -> list[TokenRange]:
    """The whole ring for a scan of a table with some `rows_about` rows: a page or more a piece, as each has its cost."""
    ring_size = len(session.cluster.metadata.token_map.ring)
    split = rows_about // (ring_size * PAGE_ROWS)
    return token_ranges(session, keyspace, dc, min(max(split, 1), SPLITS_PER_RANGE_MAX))


def read_pages(
    session: Session,
    select: PreparedStatement,
    ranges: Sequence[TokenRange],
    in_flight_max: int = RANGES_IN_FLIGHT_MAX,
) -> Iterator[TablePage]:
    """Every page of every range, a few ranges in flight, each row once whatever is retried.

    `select` takes (after, through). The next page of a range is asked for when its last one is taken, so memory holds at
    most `in_flight_max` pages. Raises HarnessError when a page can't be read in ATTEMPTS_MAX attempts.
    """
    answers: SimpleQueue[tuple[_Scan, Any, BaseException | None]] = SimpleQueue()
    waiting = deque(ranges)
    in_flight = 0
    while waiting or in_flight:
        while waiting and in_flight < in_flight_max:
            _Scan(session, select, waiting.popleft(), answers).ask()
            in_flight += 1
        scan, rows, error = answers.get()
        if error is not None:
            scan.ask_again(error)
            continue
        page = _split(rows)
        if not scan.ask_next():
            in_flight -= 1
        if page.row_count:
            yield page


class _Scan:
    """One token range being paged; answers go to a queue together with the scan itself."""

    def __init__(
        self,
        session: Session,
        select: PreparedStatement,
        piece: TokenRange,
        answers: "SimpleQueue[tuple[_Scan, Any, BaseException | None]]",
    ) -> None:
        self._session = session
        self._profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=_keep_raw)
        self._statement = select.bind((piece.after, piece.through))
        self._statement.fetch_size = PAGE_ROWS
        self._piece = piece
        self._answers = answers
        self._attempts = 0
        self._paging_state: bytes | None = None
        self._future: ResponseFuture | None = None

    def ask(self) -> None:
        """Ask for the page at the paging state that the scan has reached."""
        self._attempts += 1
        host = self._piece.host if self._attempts == 1 else None  # a retry may go to any coordinator of the DC
        self._future = self._session.execute_async(
            self._statement,
            timeout=PAGE_TIMEOUT_S,
            paging_state=self._paging_state,
            host=host,
            execution_profile=self._profile,
        )
        self._future.add_callbacks(
            lambda rows: self._answers.put((self, rows, None)), lambda error: self._answers.put((self, None, error))
        )

    def ask_again(self, error: BaseException) -> None:
        if self._attempts >= ATTEMPTS_MAX:
            raise HarnessError(
                f"a page of ({self._piece.after}, {self._piece.through}] could not be read in {ATTEMPTS_MAX} attempts: "
                f"{error}"
            ) from error
        self.ask()

    def ask_next(self) -> bool:
        """Ask for the next page; False when there is none."""
        assert self._future is not None
        self._paging_state = self._future._paging_state
        if self._paging_state is None:
            return False
        self._attempts = 0
        self.ask()
        return True


def _split(rows: RawRows | list[Any]) -> TablePage:
    """A page's cells. Raises HarnessError when they are not just those that its rows and columns must have."""
    body, row_count, column_count = rows if isinstance(rows, tuple) else (b"", 0, 0)
    cells = np.frombuffer(body, np.uint8)
    offset, size, end = _split_cells(cells, row_count * column_count)
    if end != len(cells):
        raise HarnessError(
            f"a page of {row_count} rows of {column_count} columns has {len(cells)} bytes that are not its cells: "
            "no CQL server answers so; is something between it and the audit?"
        )
    shape = (row_count, column_count)
    return TablePage(cells=cells, offset=offset.reshape(shape), size=size.reshape(shape))


@kernel
def _split_cells(cells: NDArray[np.uint8], cell_count: int) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    """Where each cell is: uint8[bytes] of [int length, bytes]* -> (int64[cells], int32[cells], where the last one ends).

    A length below 0 is null. The end is -1 where a cell would reach beyond the bytes.
    """
    offset = np.zeros(cell_count, np.int64)
    sizes = np.full(cell_count, -1, np.int32)
    position = 0
    for cell in range(cell_count):
        if position + 4 > cells.size:
            return offset, sizes, -1
        size = _int_at(cells, position, 4)
        offset[cell] = position + 4
        sizes[cell] = size
        position += 4 + max(size, 0)
        if position > cells.size:
            return offset, sizes, -1
    return offset, sizes, position


@kernel
def _int_at(cells: NDArray[np.uint8], position: int, size: int) -> int:
    """A big-endian two's complement integer of 1 to 8 bytes."""
    value = int(np.int8(cells[position]))
    for i in range(1, size):
        value = (value << 8) | int(cells[position + i])
    return value


@kernel
def _decode_integers(
    cells: NDArray[np.uint8], offset: NDArray[np.int64], sizes: NDArray[np.int32], size: int
) -> NDArray[np.int64]:
    out = np.empty(offset.size, np.int64)
    for row in range(offset.size):
        out[row] = _int_at(cells, offset[row], size) if sizes[row] == size else NULL
    return out


@kernel
def _list_lengths(cells: NDArray[np.uint8], offset: NDArray[np.int64], size: NDArray[np.int32]) -> NDArray[np.int64]:
    """A list is [int count][int 4, value]*, to the cell's last byte; a null element can't occur in one."""
    out = np.full(offset.size, NO_LIST, np.int64)
    for row in range(offset.size):
        if size[row] < 4:
            continue
        length = _int_at(cells, offset[row], 4)
        is_list = length >= 0 and 4 + 8 * length == size[row]
        element = 0
        while is_list and element < length:
            is_list = _int_at(cells, offset[row] + 4 + 8 * element, 4) == 4
            element += 1
        if is_list:
            out[row] = length
    return out


@kernel
def _decode_lists(cells: NDArray[np.uint8], offset: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Lists of `length` ints: element k is [int 4][value] at 4 + 8 k."""
    out = np.empty((offset.size, length), np.int32)
    for row in range(offset.size):
        for k in range(length):
            out[row, k] = _int_at(cells, offset[row] + 4 + 8 * k + 4, 4)
    return out
