"""Whole tables in pages: the ring without a gap, each piece at a node that holds it, and each row once whatever is retried."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.audit.data_loss.table_scan import (
    ATTEMPTS_MAX,
    PAGE_ROWS,
    PAGE_TIMEOUT_S,
    RANGES_IN_FLIGHT_MAX,
    SPLITS_PER_RANGE_MAX,
    TOKEN_MAX,
    TOKEN_MIN,
    TokenRange,
    read_pages,
    table_ranges,
    token_ranges,
)
from loadtests.errors import HarnessError


@dataclass(frozen=True)
class Host:
    name: str
    datacenter: str
    is_up: bool = True


def session_of(ring: dict[int, list[Host]]) -> Any:
    """A session that knows a ring: of each token the replicas of the range that ends there."""

    def replicas(keyspace: str, token: Any) -> list[Host]:
        assert keyspace == "ks"
        return ring[token.value]

    tokens = [SimpleNamespace(value=token) for token in sorted(ring)]
    token_map = SimpleNamespace(ring=tokens, get_replicas=replicas)
    return SimpleNamespace(cluster=SimpleNamespace(metadata=SimpleNamespace(token_map=token_map)))


A, B, C = Host("a", "north"), Host("b", "north"), Host("c", "south")


@pytest.mark.parametrize("split", [1, 2, 7])
@pytest.mark.parametrize(
    "tokens", [[0], [-5, 0, 7], [TOKEN_MIN + 1, 3], [-9, TOKEN_MAX], [TOKEN_MIN, TOKEN_MAX], [-(2**62), 2**62 + 1]]
)
def test_the_pieces_are_the_whole_ring_without_overlap_also_where_it_wraps(tokens: list[int], split: int) -> None:
    pieces = sorted(
        token_ranges(session_of({token: [A, C] for token in tokens}), "ks", "north", split), key=lambda one: one.after
    )
    assert (pieces[0].after, pieces[-1].through) == (
        -(2**63),
        2**63 - 1,
    )  # of Murmur3Partitioner, and what a bigint holds
    assert [one.after for one in pieces[1:]] == [one.through for one in pieces[:-1]]
    assert all(one.after < one.through for one in pieces)


@pytest.mark.parametrize(
    ("rows", "pieces"), [(0, 4), (3 * PAGE_ROWS, 4), (2 * 3 * PAGE_ROWS, 8), (99 * PAGE_ROWS, 4 * SPLITS_PER_RANGE_MAX)]
)
def test_a_small_table_is_read_in_few_pieces(rows: int, pieces: int) -> None:
    """Three ranges of the ring, of which the one that wraps is two."""
    session = session_of({token: [A, C] for token in (-5_000, 0, 7_000)})
    assert len(table_ranges(session, "ks", "north", rows)) == pieces


def test_each_piece_is_read_from_a_node_that_holds_it() -> None:
    pieces = token_ranges(session_of({-5: [C, A], 0: [C, B], 7: [A, C]}), "ks", "north", 1)
    holders = {(one.after, one.through): one.host for one in pieces}
    # what lies above the last token and up to the first is one range, of the first token's replicas
    assert holders == {(TOKEN_MIN, -5): A, (7, TOKEN_MAX): A, (-5, 0): B, (0, 7): A}


def test_a_range_that_no_live_node_of_the_dc_holds_is_named() -> None:
    down = Host("a", "north", is_up=False)
    with pytest.raises(HarnessError, match="no live node of DC north holds the range that ends at token 7"):
        token_ranges(session_of({-5: [A, C], 7: [down, C]}), "ks", "north", 2)


@dataclass
class Paged:
    """A session whose ranges have pages of one cell a row; `fails` says at which asks it answers with an error."""

    pages: dict[int, list[list[int]]]  # by the range's start
    fails: Callable[[int, int, int], bool]  # (range's start, page, attempt)
    asked: list[tuple[int, int, str | None]] = field(default_factory=list)
    open: int = 0
    open_max: int = 0

    def execution_profile_clone_update(self, *_: Any, **__: Any) -> object:
        return object()

    def execute_async(
        self, statement: Any, *, timeout: float, paging_state: bytes | None, host: Any, execution_profile: object
    ) -> Any:
        assert timeout == PAGE_TIMEOUT_S and statement.fetch_size == PAGE_ROWS
        number = int(paging_state or b"0")
        self.asked.append((statement.after, number, host))
        attempt = sum(one[:2] == (statement.after, number) for one in self.asked)
        pages = self.pages[statement.after]
        future = SimpleNamespace(_paging_state=b"%d" % (number + 1) if number + 1 < len(pages) else None)

        def add_callbacks(callback: Any, errback: Any) -> None:
            if self.fails(statement.after, number, attempt):
                errback(TimeoutError("by plan"))
            else:
                rows = pages[number]
                callback((b"".join(b"\0\0\0\1" + bytes([row]) for row in rows), len(rows), 1))

        future.add_callbacks = add_callbacks
        return future


class Select:
    """A prepared statement."""

    def bind(self, values: tuple[int, int]) -> Any:
        return SimpleNamespace(after=values[0], fetch_size=None)


PAGES = {0: [[1, 2], [3], [4, 5]], 10: [[6]], 20: [[], [7]], 30: [[]]}
RANGES = [TokenRange(after=after, through=after + 10, host=f"host {after}") for after in PAGES]  # type: ignore[arg-type]


def rows_of(session: Paged) -> list[int]:
    pages = read_pages(session, Select(), RANGES)  # type: ignore[arg-type]
    return sorted(row for page in pages for row in page.integers(0, 1).tolist())


@pytest.mark.parametrize("failures", range(ATTEMPTS_MAX))
def test_each_row_comes_once_however_often_its_page_is_retried(failures: int) -> None:
    session = Paged(PAGES, lambda _, __, attempt: attempt <= failures)
    assert rows_of(session) == [1, 2, 3, 4, 5, 6, 7]
    for after, pages in PAGES.items():
        for number in range(len(pages)):
            hosts = [host for at, page, host in session.asked if (at, page) == (after, number)]
            assert hosts == [f"host {after}", *[None] * failures]  # a retry may go to any coordinator


def test_a_page_that_never_comes_ends_the_scan_and_is_named() -> None:
    session = Paged(PAGES, lambda after, number, _: (after, number) == (0, 1))
    with pytest.raises(
        HarnessError, match=rf"a page of \(0, 10\] could not be read in {ATTEMPTS_MAX} attempts: by plan"
    ):
        rows_of(session)
    assert session.asked.count((0, 1, None)) == ATTEMPTS_MAX - 1


def test_no_more_ranges_are_read_at_once_than_memory_is_meant_for() -> None:
    pages = {at: [[1], [2]] for at in range(3 * RANGES_IN_FLIGHT_MAX)}
    session = Paged(pages, lambda *_: False)
    ranges = [TokenRange(after=after, through=after + 1, host=None) for after in pages]  # type: ignore[arg-type]
    scan = read_pages(session, Select(), ranges)  # type: ignore[arg-type]
    next(scan)
    assert len({after for after, _, _ in session.asked}) == RANGES_IN_FLIGHT_MAX
    assert sum(1 for _ in scan) == 2 * len(pages) - 1


def test_of_several_dcs_each_reads_a_part_of_the_ranges_at_once() -> None:
    session = Paged({at: [[1], [2]] for at in range(9)}, lambda *_: False)
    ranges = [TokenRange(after=after, through=after + 1, host=None) for after in range(9)]  # type: ignore[arg-type]
    scan = read_pages(session, Select(), ranges, 3)  # type: ignore[arg-type]
    next(scan)
    assert len({after for after, _, _ in session.asked}) == 3
