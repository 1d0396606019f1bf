"""Answers that are fetched before they are asked for: the same ones, each given once, and none for nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from loadtests.audit.rules.asked_ahead import AskedAhead, OnceAskedAhead, utc_days_of
from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US, Operation
from store.operations import AnyOperation
from store.ports import Values
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
Asked = tuple[AnyOperation, int]


class Store:
    """Answers with what it was asked and how often it was asked anything before."""

    schema = SCHEMA

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.written: list[Values] = []

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        self.asked.append((operation, values["premises"]))
        return [(values["premises"], len(self.asked))]

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        return [self.run(operation, values) for values in rows]

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        self.written.append(values)
        return True, None


def of_home(home: int, **more: int) -> Mapping[str, int]:
    return {"premises": home, "month": 202601, **more}


def test_an_answer_that_was_fetched_is_given_once() -> None:
    store = Store()
    asking = AskedAhead(store)
    asking.ahead(Operation.READ_EVENTS, [of_home(1), of_home(2)])
    assert len(store.asked) == 2
    assert asking.run(Operation.READ_EVENTS, of_home(2)) == [(2, 2)] and len(store.asked) == 2
    assert asking.run(Operation.READ_EVENTS, of_home(2)) == [(2, 3)]  # by now it may be another
    assert asking.run(Operation.READ_BILLING_MONTH, of_home(1)) == [(1, 4)]  # another question about the home
    assert asking.run(Operation.READ_EVENTS, of_home(1) | {"month": 202602}) == [(1, 5)]
    assert asking.run(Operation.READ_EVENTS, of_home(1)) == [(1, 1)]


def test_many_answers_keep_their_order_whichever_were_fetched() -> None:
    store = Store()
    asking = AskedAhead(store)
    asking.ahead(Operation.READ_EVENTS, [of_home(home) for home in (3, 1)])
    answers = asking.run_many(Operation.READ_EVENTS, [of_home(home) for home in (1, 2, 3, 4)])
    assert answers == [[(1, 2)], [(2, 3)], [(3, 1)], [(4, 4)]]


def test_a_question_is_known_by_what_its_statement_binds() -> None:
    store = Store()
    asking = AskedAhead(store)
    asking.ahead(Operation.READ_EVENTS, [of_home(1, fuel=0), of_home(1, fuel=1)])
    assert len(store.asked) == 1
    assert asking.run(Operation.READ_EVENTS, of_home(1, fuel=2, day=5)) == [(1, 1)]


def test_a_row_is_written_by_the_store_and_an_empty_answer_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    asking = OnceAskedAhead(store)
    assert asking.run_if(Operation.ISSUE_BILL, of_home(7)) == (True, None) and store.written == [of_home(7)]
    monkeypatch.setattr(store, "run_many", lambda operation, rows: [[] for _ in rows])
    asking.ahead(Operation.READ_BILLS, [{"premises": 7}])
    assert asking.run(Operation.READ_BILLS, {"premises": 7}) == [] and Counter(store.asked) == {}


@pytest.mark.parametrize(
    ("calendar", "days"),
    [
        (UTC_CALENDAR, [20_000]),
        (Calendar("Europe/Berlin"), [19_999, 20_000]),
        (Calendar("Asia/Tokyo"), [19_999, 20_000]),
    ],
)
def test_a_local_day_has_parts_of_one_utc_day_or_two(calendar: Calendar, days: list[int]) -> None:
    at_us = 20_000 * DAY_US + DAY_US // 4
    assert [one // DAY_US for one in utc_days_of(calendar, at_us)] == days
