"""A pass through several DCs: pages in turns, and one that another DC has sent to its last byte judged once."""

from collections.abc import Callable

import numpy as np
import pytest

from loadtests.audit.data_loss import table_pass
from loadtests.audit.data_loss.expected_rows import Compared, compare_page
from loadtests.audit.data_loss.table_pass import PAGES_KEPT_MAX, JudgedPages, in_turns
from loadtests.audit.data_loss.table_scan import TablePage
from sim.estate.model import EstateModel, build_estate
from tests.support.audited_tables import TABLES, Whole, page_of, scenario, tables_of

NAME = "events_by_home"
Judge = Callable[..., table_pass.JudgedPage]


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


@pytest.fixture(scope="module")
def whole(estate: EstateModel) -> Whole:
    return tables_of(estate)


@pytest.fixture(scope="module")
def judged_page(estate: EstateModel, whole: Whole) -> tuple[TablePage, table_pass.JudgedPage]:
    page = page_of(TABLES[NAME], whole[0][NAME][:40])
    compared: Compared = compare_page(estate, whole[1], TABLES[NAME], page)
    return page, table_pass.JudgedPage(compared=compared, claims=[])


def again(page: TablePage, at: int | None = None) -> TablePage:
    """The same page from elsewhere; `at`: with another byte there."""
    cells = page.cells.copy()
    if at is not None:
        cells[at] ^= 1
    return TablePage(cells=cells, offset=page.offset, size=page.size)


def test_a_page_is_found_by_its_bytes_once_for_each_other_dc(
    judged_page: tuple[TablePage, table_pass.JudgedPage],
) -> None:
    page, judged = judged_page
    pages = JudgedPages(others=2)
    assert pages.find(page) is None
    pages.keep(page, judged)
    assert [pages.find(again(page)) for _ in range(3)] == [judged, judged, None]


@pytest.mark.parametrize("at", [0, 300, -1])
def test_a_page_that_differs_in_one_bit_is_not_the_same(
    judged_page: tuple[TablePage, table_pass.JudgedPage], at: int
) -> None:
    page, judged = judged_page
    assert len(page.cells) > 600
    pages = JudgedPages(others=1)
    pages.keep(page, judged)
    assert pages.find(again(page, at)) is None
    assert pages.find(again(page)) is judged


def test_the_same_bytes_as_other_rows_are_not_the_same(judged_page: tuple[TablePage, table_pass.JudgedPage]) -> None:
    page, judged = judged_page
    pages = JudgedPages(others=1)
    pages.keep(page, judged)
    wide = TablePage(cells=page.cells, offset=page.offset.reshape(20, -1), size=page.size.reshape(20, -1))
    assert pages.find(wide) is None


def test_memory_holds_a_few_pages_and_of_a_single_dc_none(judged_page: tuple[TablePage, table_pass.JudgedPage]) -> None:
    page, judged = judged_page
    alone, pages = JudgedPages(others=0), JudgedPages(others=1)
    many = [
        TablePage(cells=np.full(9, number, np.uint8), offset=page.offset, size=page.size)
        for number in range(PAGES_KEPT_MAX + 3)
    ]
    for one in many:
        alone.keep(one, judged)
        pages.keep(one, judged)
    assert [pages.find(one) for one in many] == [None] * 3 + [judged] * PAGES_KEPT_MAX
    assert [alone.find(one) for one in many] == [None] * len(many)


def test_pages_come_in_turns_and_each_once(judged_page: tuple[TablePage, table_pass.JudgedPage]) -> None:
    page, _ = judged_page
    north, south, west = ([again(page) for _ in range(count)] for count in (3, 1, 2))
    found = list(in_turns({"north": iter(north), "south": iter(south), "west": iter(west)}))
    assert [dc for dc, _ in found] == ["north", "south", "west", "north", "west", "north"]
    for dc, own in (("north", north), ("south", south), ("west", west)):
        assert [id(one) for at, one in found if at == dc] == [id(one) for one in own]
