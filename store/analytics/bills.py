"""Bills of the warehouse: their lines as they were issued, and what these must add up to by the event log.

The log itself is read, and none of the views that bills are made of. What is due is worked out by the rules that bills are made
by (`store.customers.desk`), twice: by all that the log holds, and by what it had received when the last bill was issued. So a
correction that came after it, for the next bill, is told from a bill that was wrong when it was issued.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import cast

from store.analytics.data_sets import BILL_DUES, BILL_LINES, BILL_SETS, BILLS, Rows, columns_of
from store.billing.bills import months_to_adjust
from store.billing.energy import half_hours_of_log
from store.billing.records import Bill, Line
from store.columns import Piece, integers, row_count
from store.customers.desk import Desk
from store.customers.port import OnceRunner
from store.customers.store import HomeCustomers
from store.ports import LogEvent
from store.readings.store import HomeReadings
from store.roles import TableRole
from store.tables import Schema
from store.tariffs import PriceList

HOMES_AT_ONCE = 256
NEEDED = (TableRole.EVENT_LOG, TableRole.BILLS, TableRole.PREFERENCES, TableRole.PRICE_LISTS, TableRole.PREPAYMENT)

FirstTariffOf = Callable[[int], int]
"""The code of the tariff that a home is on that has chosen nothing."""


def has_bills(schema: Schema) -> bool:
    """Does a design keep bills, and all that they are made by?"""
    return all(schema.find(role) is not None for role in NEEDED)


class _Published(HomeCustomers):
    """Customers' tables whose price lists are read once."""

    def __init__(self, runner: OnceRunner) -> None:
        super().__init__(runner)
        self._price_lists = cache(super().price_lists)

    def price_lists(self) -> tuple[PriceList, ...]:
        return self._price_lists()


@dataclass(frozen=True, slots=True)
class BillReader:
    """Reads what a keyspace has of bills. first_tariff_of: nobody but who opened the account knows it."""

    store: HomeReadings
    first_tariff_of: FirstTariffOf

    @property
    def data_sets(self) -> tuple[str, ...]:
        return BILL_SETS

    def rows(self, piece: Piece) -> Iterator[Rows]:
        customers = _Published(cast(OnceRunner, self.store.runner))
        homes = self._homes(piece)
        while some := list(islice(homes, HOMES_AT_ONCE)):
            bills, lines, dues = list[list[int]](), list[list[int]](), list[list[int]]()
            for home in some:
                of_home = customers.bills(home)
                bills += [_bill_row(one) for one in of_home]
                lines += [row for bill in of_home for row in _line_rows(bill, of_home)]
                dues += self._due_rows(customers, of_home)
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

    def _due_rows(self, customers: HomeCustomers, bills: Sequence[Bill]) -> Iterator[list[int]]:
        home = bills[0].premises
        desk = Desk(
            customers=customers,
            views=self.store,
            first_tariff=self.first_tariff_of(home),
            calendar=self.store.calendar,
        )

        @cache
        def events_of(month: int) -> list[LogEvent]:
            return self.store.events(home, month)

        for account in sorted({bill.account for bill in bills}):
            issued_us = max(bill.issued_us for bill in bills if bill.account == account)
            for is_now, known_us in ((1, None), (0, issued_us)):
                half_hours = half_hours_of_log(events_of, self.store.calendar, known_us)
                is_open = _is_open(bills, account)
                for line in desk.due_lines(bills, account, half_hours):
                    yield [home, account, is_now, *_amounts_of(line), is_open(line.month)]


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
