"""Bills of the warehouse: their lines as they were issued, and what these must add up to by the event log.

The log itself is read, and none of the views that bills are made of. What is due is worked out by the rules that bills are made
by (`store.customers.desk`), twice: by all that the log holds, and by what it had received when the last bill was issued. So a
correction that came after it, for the next bill, is told from a bill that was wrong when it was issued.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, cast

from scenarios.calendar import days_of_month
from scenarios.domain import Operation
from store.analytics.data_sets import BILL_DUES, BILL_LINES, BILL_SETS, BILLS, Rows, columns_of
from store.billing.bills import last_adjusted_us, months_to_adjust
from store.billing.energy import half_hours_of_log
from store.billing.records import Bill, Line
from store.columns import Piece, integers, row_count
from store.customers.desk import Desk
from store.customers.port import OnceRunner
from store.customers.store import BOOK, HomeCustomers
from store.operations import AnyOperation, StoreOperation
from store.ports import LogEvent, Runner, Values
from store.readings.store import HomeReadings, event_of
from store.roles import TableRole
from store.rows import month_of_us
from store.tables import Schema

HOMES_AT_ONCE = 256
NEEDED = (TableRole.EVENT_LOG, TableRole.BILLS, TableRole.PREFERENCES, TableRole.PRICE_LISTS, TableRole.PREPAYMENT)

FirstTariffOf = Callable[[int], int]
"""The code of the tariff that a home is on that has chosen nothing."""


def has_bills(schema: Schema) -> bool:
    """Does a design keep bills, and all that they are made by?"""
    return all(schema.find(role) is not None for role in NEEDED)


class _ReadAhead:
    """Implements `store.ports.Runner`, with answers to some requests read before they are asked for, many at a time."""

    def __init__(self, runner: Runner) -> None:
        self.schema = runner.schema
        self._runner = runner
        self._known: dict[tuple[AnyOperation, tuple[Any, ...]], list[Any]] = {}

    def ahead(self, operation: AnyOperation, requests: list[Values]) -> None:
        answers = self._runner.run_many(operation, requests)
        self._known.update(
            ((operation, tuple(one.values())), rows) for one, rows in zip(requests, answers, strict=True)
        )

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        known = self._known.get((operation, tuple(values.values())))
        return self._runner.run(operation, values) if known is None else known

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        return self._runner.run_many(operation, rows)


@dataclass(frozen=True, slots=True)
class BillReader:
    """Reads what a keyspace has of bills. first_tariff_of: nobody but who opened the account knows it."""

    store: HomeReadings
    first_tariff_of: FirstTariffOf

    @property
    def data_sets(self) -> tuple[str, ...]:
        return BILL_SETS

    def rows(self, piece: Piece) -> Iterator[Rows]:
        homes = self._homes(piece)
        while some := list(islice(homes, HOMES_AT_ONCE)):
            runner = _ReadAhead(self.store.runner)
            customers = HomeCustomers(cast(OnceRunner, runner))
            self._read_ahead(runner, customers, some)
            bills, lines, dues = list[list[int]](), list[list[int]](), list[list[int]]()
            for home in some:
                of_home = customers.bills(home)
                bills += [_bill_row(one) for one in of_home]
                lines += [row for bill in of_home for row in _line_rows(bill, of_home)]
                dues += self._due_rows(runner, customers, of_home)
            yield {
                BILLS: columns_of(_BILL_COLUMNS, bills),
                BILL_LINES: columns_of(_LINE_COLUMNS, lines),
                BILL_DUES: columns_of(_DUE_COLUMNS, dues),
            }

    def _homes(self, piece: Piece) -> Iterator[int]:
        before = None
        for page in self.store.bulk.scan(self.store.runner.schema.table(TableRole.BILLS), ("premises",), piece):
            for home in integers(page, "premises").tolist() if row_count(page) else ():
                if home != before:
                    yield home
                before = home

    def _read_ahead(self, runner: _ReadAhead, customers: HomeCustomers, homes: Sequence[int]) -> None:
        """All that the bills of some homes are worked out from, but what a tariff on demand looks back at."""
        of_homes: list[Values] = [{"premises": home} for home in homes]
        for operation in (Operation.READ_BILLS, Operation.READ_PREFERENCES, StoreOperation.READ_PREPAYMENT):
            runner.ahead(operation, of_homes)
        runner.ahead(Operation.READ_TARIFF, [{"book": BOOK}])
        months = {
            home: {
                month for bill in customers.bills(home) for line in bill.lines for month in self._utc_months(line.month)
            }
            for home in homes
        }
        runner.ahead(
            Operation.READ_EVENTS,
            [{"premises": home, "month": month} for home in homes for month in sorted(months[home])],
        )

    def _utc_months(self, month: int) -> set[int]:
        """The UTC months (yyyymm) that a month of the calendar has a part of."""
        days, calendar = days_of_month(month), self.store.calendar
        return {month_of_us(calendar.day_start_us(days[0])), month_of_us(calendar.day_start_us(days[-1] + 1) - 1)}

    def _due_rows(self, runner: _ReadAhead, customers: HomeCustomers, bills: Sequence[Bill]) -> Iterator[list[int]]:
        home = bills[0].premises
        desk = Desk(
            customers=customers,
            views=self.store,
            first_tariff=self.first_tariff_of(home),
            calendar=self.store.calendar,
        )

        @cache
        def events_of(month: int) -> list[LogEvent]:
            rows = runner.run(Operation.READ_EVENTS, {"premises": home, "month": month})
            return [event_of(row) for row in rows]

        for account in sorted({bill.account for bill in bills}):
            adjusted_us, is_open = last_adjusted_us(bills, account), _is_open(bills, account)
            for known_us in (None, *sorted(set(adjusted_us.values()))):
                half_hours = half_hours_of_log(events_of, self.store.calendar, known_us)
                months = [month for month, at_us in adjusted_us.items() if known_us in (None, at_us)]
                for line in desk.due_lines(bills, account, half_hours, months):
                    yield [home, account, int(known_us is None), *_amounts_of(line), is_open(line.month)]


def _is_open(bills: Sequence[Bill], account: int) -> Callable[[int], int]:
    """Is what is known otherwise of a month (yyyymm) still corrected on the account's next bill? 1 or 0."""
    last = max(bill.month for bill in bills if bill.account == account)
    months = set(months_to_adjust(bills, last, account))
    return lambda month: int(month in months)


_BILL_COLUMNS = ("premises", "number", "account", "month", "issued_ms", "total_upence")
_AMOUNT_COLUMNS = (
    "kind",
    "month",
    "fuel",
    "tariff",
    "tariff_version",
    "low_wh",
    "standard_wh",
    "peak_wh",
    "cost_upence",
)
_LINE_COLUMNS = (
    *("premises", "number", "account", "line"),
    *_AMOUNT_COLUMNS,
    *("first_day", "days", "rate", "block", "demand_w", "is_open"),
)
_DUE_COLUMNS = ("premises", "account", "is_now", *_AMOUNT_COLUMNS, "is_open")


def _bill_row(bill: Bill) -> list[int]:
    return [bill.premises, bill.number, bill.account, bill.month, bill.issued_us // 1_000, bill.total_upence]


def _line_rows(bill: Bill, bills: Sequence[Bill]) -> Iterator[list[int]]:
    is_open = _is_open(bills, bill.account)
    for number, line in enumerate(bill.lines, 1):
        yield [
            *(bill.premises, bill.number, bill.account, number),
            *_amounts_of(line),
            *(line.first_day, line.days, line.rate, line.block, line.demand_w, is_open(line.month)),
        ]


def _amounts_of(line: Line) -> list[int]:
    return [int(getattr(line, name)) for name in _AMOUNT_COLUMNS]
