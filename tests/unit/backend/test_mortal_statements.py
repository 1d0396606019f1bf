"""A part that a fault holds dead asks nothing, in the midst of a scan either; another begins when it may."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from loadtests.backend.mortal_statements import MortalBulk, PartLife
from loadtests.faults.own_parts import BACK_OFFICE, OwnParts
from store.ports import StoreError


class Pages:
    """A bulk of three pages, which writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pieces(self) -> Sequence[str]:
        return ("all",)

    def scan(self, *_: Any, **__: Any) -> Iterator[int]:
        for page in range(3):
            self.asked.append(f"page {page}")
            yield page

    def insert(self, *_: Any) -> None:
        self.asked.append("insert")

    def delete(self, *_: Any) -> None:
        self.asked.append("delete")


def test_a_part_that_dies_in_a_scan_asks_for_no_page_more_and_the_same_life_for_nothing() -> None:
    parts, pages = OwnParts(), Pages()
    life = PartLife(lambda: parts.require(BACK_OFFICE))
    bulk: Any = MortalBulk(pages, life)  # type: ignore[arg-type]
    assert bulk.pieces() == ("all",) and list(bulk.scan(None, [], None)) == [0, 1, 2]
    pages.asked.clear()
    read = bulk.scan(None, [], None)
    assert next(read) == 0
    parts.kill(BACK_OFFICE)
    with pytest.raises(StoreError, match="the back office is killed"):
        next(read)
    assert pages.asked == ["page 0"] and life.is_over and parts.has_died(BACK_OFFICE)
    parts.revive(BACK_OFFICE)
    for ask in (bulk.insert, bulk.delete):
        with pytest.raises(StoreError, match="it has died in this call"):
            ask(None, None)
    life.begin()
    bulk.insert(None, None)
    bulk.delete(None, None)
    assert pages.asked == ["page 0", "insert", "delete"]
