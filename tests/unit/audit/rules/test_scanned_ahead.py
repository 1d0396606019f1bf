"""Scans that begin the next pieces of the ring early: the same pages in the same order, and nothing asked twice."""

from collections import Counter
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.audit.rules.scanned_ahead import PIECES_AHEAD, AheadBulk
from scenarios.spec import Topology
from store.cassandra.bulk import CassandraBulk
from store.columns import Piece
from store.readings.cells import Layout
from store.roles import TableRole
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
LOG, USAGE = SCHEMA.table(TableRole.EVENT_LOG), SCHEMA.table(TableRole.DAILY_USAGE)
TOPOLOGY = Topology.model_validate({"dcs": [{"name": "north", "nodes": 1, "rf": 1}]})
PIECES = [Piece(after=10 * number, through=10 * number + 10) for number in range(9)]
Asked = list[tuple[str, int, int]]  # table, where the piece begins, its page


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the node is asked; a piece has one page, every third piece two."""
    found: Asked = []

    def prepare(_: CassandraBulk, cql: str) -> Any:
        table = cql.split(" FROM meterstorm.")[1].split()[0]
        return SimpleNamespace(bind=lambda values: SimpleNamespace(table=table, after=values[0], fetch_size=None))

    def ask(_: CassandraBulk, bound: Any, paging_state: bytes | None) -> Any:
        number = int(paging_state or b"0")
        found.append((bound.table, bound.after, number))
        answer: Future[Any] = Future()
        is_more = number == 0 and bound.after // 10 % 3 == 0
        answer.set_result(((f"{bound.table} {bound.after} {number}", 1, 1), b"1" if is_more else None))
        return answer

    monkeypatch.setattr(CassandraBulk, "_prepare", prepare)
    monkeypatch.setattr(CassandraBulk, "_ask", ask)
    monkeypatch.setattr(CassandraBulk, "pieces", lambda _: PIECES)
    monkeypatch.setattr(Layout, "decode", lambda _, count, body: body)
    return found


def scanned(bulk: CassandraBulk, pieces: list[Piece] = PIECES) -> list[Any]:
    """Two tables side by side, piece by piece, as views are held against their log; then one of them again."""
    pages: list[Any] = []
    for piece in pieces:
        log, usage = bulk.scan(LOG, ["premises"], piece), bulk.scan(USAGE, ["premises"], piece)
        pages += [next(log), next(usage), *log, *usage]
    return pages + [page for piece in pieces for page in bulk.scan(LOG, ["premises"], piece)]


def test_the_pages_are_those_of_a_plain_scan_and_each_is_asked_for_once(asked: Asked) -> None:
    session: Any = None
    pages = scanned(CassandraBulk(session, TOPOLOGY))
    plain = Counter(asked)
    asked.clear()
    assert scanned(AheadBulk(session, TOPOLOGY)) == pages
    assert Counter(asked) == plain and max(plain.values()) == 2  # of the table that is scanned twice


def test_some_pieces_are_begun_before_they_are_scanned_and_no_more(asked: Asked) -> None:
    session: Any = None
    bulk = AheadBulk(session, TOPOLOGY)
    next(bulk.scan(LOG, ["premises"], PIECES[1]))
    assert [after for _, after, page in asked if page == 0] == [10 * (1 + ahead) for ahead in range(PIECES_AHEAD + 1)]
    next(bulk.scan(LOG, ["premises", "month"], PIECES[8]))  # at the ring's end
    assert asked[PIECES_AHEAD + 1 :] == [(LOG.name, 80, 0)]
    for table, columns in (
        (LOG, ["premises", "month"]),
        (USAGE, ["premises"]),
    ):  # another scan, of which nothing is begun
        asked.clear()
        next(bulk.scan(table, columns, PIECES[2]))
        assert (table.name, 20, 0) in asked


def test_a_page_that_was_asked_ahead_and_could_not_be_read_ends_the_scan_of_its_piece(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = None
    bulk = AheadBulk(session, TOPOLOGY)
    ask = CassandraBulk._ask

    def broken(self: CassandraBulk, bound: Any, paging_state: bytes | None) -> Any:
        answer = ask(self, bound, paging_state)
        if bound.after == 20:
            answer = Future()
            answer.set_exception(RuntimeError("no replica"))
        return answer

    monkeypatch.setattr(CassandraBulk, "_ask", broken)
    assert len(list(bulk.scan(LOG, ["premises"], PIECES[1]))) == 1
    with pytest.raises(RuntimeError, match="no replica"):
        list(bulk.scan(LOG, ["premises"], PIECES[2]))
