"""The customers' tables over any runner of the schema's statements: the same code for Cassandra and for the model."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import Operation, TariffKind
from scenarios.tariffs import Register, TariffError
from scenarios.tariffs.text import tariffs_of, tariffs_text
from store.billing.prepaid import check_opening, packed_opening, unpacked_opening
from store.billing.prepayment import (
    PREPAID_FUELS,
    TOP_UP_UPENCE_MAX,
    Opening,
    PrepaymentKind,
    PrepaymentLog,
    TopUp,
)
from store.billing.records import NO_ACCOUNT, Bill
from store.customers.packing import packed, unpacked
from store.customers.port import OnceRunner, Preference, PreferenceChange, RegisterChange, RegisterChangeKind
from store.operations import StoreOperation
from store.ports import StoreError, Values
from store.rejections import Refused
from store.roles import TableRole
from store.rows import us_of
from store.tables import Table
from store.tariffs import FUEL_CODES, PriceList, check_next, check_slots

BOOK = 0
"""The book of domestic prices; there is no other yet."""


class HomeCustomers:
    """Implements `store.customers.port.CustomerStore`."""

    def __init__(self, runner: OnceRunner, calendar: Callable[[], Calendar] | None = None) -> None:
        """calendar: tells the keyspace's, when a price list is published: one with prices for other slots is refused."""
        self.runner = runner
        self._calendar = calendar

    def _table(self, role: TableRole) -> Table:
        return self.runner.schema.table(role)

    @property
    def bill_lines_max(self) -> int:
        most = self._table(TableRole.BILLS).items_max
        return sys.maxsize if most is None else most

    def change_preference(self, premises: int, change: PreferenceChange) -> None:
        held = self.preferences(premises)
        if change in held:
            return
        if not self._table(TableRole.PREFERENCES).has_room(len(held)):
            raise Refused(f"home {premises} has changed its preferences {len(held)} times: no more are taken")
        values = {
            "premises": premises,
            "preference": int(change.preference),
            "effective_at": change.effective_us // 1_000,
            "changed_at": change.changed_us // 1_000,
            "value": change.value,
            "write_us": change.changed_us,
        }
        self.runner.run(Operation.CHANGE_PREFERENCE, values)

    def preferences(self, premises: int) -> list[PreferenceChange]:
        return [preference_of(row) for row in self.runner.run(Operation.READ_PREFERENCES, {"premises": premises})]

    def publish(self, prices: PriceList, now_us: int) -> None:
        held = self.price_lists()
        if _publishes(held, prices):
            return
        check_next(held, prices, now_us)
        if self._calendar is not None:
            check_slots(prices, self._calendar())
        if not self._table(TableRole.PRICE_LISTS).has_room(len(held)):
            raise Refused(f"the book has {len(held)} price lists: no more are taken")
        try:
            tariffs = tariffs_text(prices.tariffs) if prices.tariffs else ""
        except TariffError as error:
            raise Refused(f"price list {prices.version}: {error}") from error
        values = {
            "book": BOOK,
            "version": prices.version,
            "effective_at": prices.effective_us // 1_000,
            "upence_per_wh": [upence for by_fuel in prices.upence_per_wh for by_rate in by_fuel for upence in by_rate],
            "standing_upence": list(prices.standing_upence),
            "tariffs": tariffs,
        }
        was_written, _ = self.runner.run_if(Operation.WRITE_TARIFF, values)
        if not was_written and not _publishes(self.price_lists(), prices):
            raise Refused(
                f"price list {prices.version} was published by another just now: {prices.version + 1} is next"
            )

    def price_lists(self) -> tuple[PriceList, ...]:
        return tuple(price_list_of(row) for row in self.runner.run(Operation.READ_TARIFF, {"book": BOOK}))

    def issue(self, bill: Bill) -> Bill:
        table = self._table(TableRole.BILLS)
        if len(bill.lines) > self.bill_lines_max:
            raise Refused(
                f"bill {bill.number} of home {bill.premises} has {len(bill.lines)} lines: at most {self.bill_lines_max}"
            )
        held = self.bills(bill.premises)
        if bill.number <= len(held):
            return held[bill.number - 1]
        if bill.number != len(held) + 1 or not table.has_room(len(held)):
            raise Refused(
                f"bill {bill.number} of home {bill.premises}: {len(held) + 1} is next, and {table.entries_max} the last"
            )
        values = {
            "premises": bill.premises,
            "number": bill.number,
            "month": bill.month,
            "issued_at": bill.issued_us // 1_000,
            "total_upence": bill.total_upence,
            "lines": packed(bill.lines),
            "account": bill.account,
        }
        was_written, _ = self.runner.run_if(Operation.ISSUE_BILL, values)
        return bill if was_written else self.bills(bill.premises)[bill.number - 1]

    def bills(self, premises: int) -> list[Bill]:
        return [
            Bill(
                premises=premises,
                number=row.number,
                month=row.month,
                issued_us=us_of(row.issued_at),
                total_upence=row.total_upence,
                lines=unpacked(row.lines or ()),
                account=row.account or NO_ACCOUNT,
            )
            for row in self.runner.run(Operation.READ_BILLS, {"premises": premises})
        ]

    def record_register_change(self, premises: int, change: RegisterChange) -> None:
        held = self.register_changes(premises)
        if change in held:
            return
        if not self._table(TableRole.REGISTER_CHANGES).has_room(len(held)):
            raise Refused(f"the counters of home {premises} began again {len(held)} times: no more are taken")
        values = {
            "premises": premises,
            "fuel": change.fuel,
            "changed_at": change.changed_us // 1_000,
            "kind": int(change.kind),
            "before_wh": change.before_wh,
            "after_wh": change.after_wh,
            "write_us": change.changed_us,
        }
        self.runner.run(StoreOperation.RECORD_REGISTER_CHANGE, values)

    def register_changes(self, premises: int) -> list[RegisterChange]:
        return [
            RegisterChange(
                fuel=row.fuel,
                changed_us=us_of(row.changed_at),
                kind=RegisterChangeKind(row.kind),
                before_wh=row.before_wh,
                after_wh=row.after_wh,
            )
            for row in self.runner.run(StoreOperation.READ_REGISTER_CHANGES, {"premises": premises})
        ]

    def open_prepaid(self, premises: int, fuel: int, opening: Opening) -> None:
        check_opening(opening, self._calendar() if self._calendar is not None else UTC_CALENDAR)
        amounts = packed_opening(opening)
        most = self._table(TableRole.PREPAYMENT).items_max
        if most is not None and len(amounts) > most:
            raise Refused(f"terms of {len(amounts)} numbers, holidays and friendly hours among them: at most {most}")
        held = self._prepayments(premises)
        if opening in _log_of(held, fuel).openings:
            return
        if any(one.at_us == opening.at_us for one in _log_of(held, fuel).openings):
            raise Refused(
                f"home {premises}, fuel {fuel}: an account was opened at {opening.at_us} us already, otherwise"
            )
        self._record_prepayment(premises, fuel, held, opening.at_us, PrepaymentKind.OPENED, 0, amounts)

    def open_all_prepaid(self, openings: Iterable[tuple[int, int, Opening]]) -> None:
        """Open many accounts, (premises, fuel code, opening) each, which nobody has opened otherwise: nothing is read before.

        Repeating it changes nothing. Raises StoreError; Refused as `open_prepaid`, before anything is written.
        """
        calendar = self._calendar() if self._calendar is not None else UTC_CALENDAR
        rows = []
        for premises, fuel, opening in openings:
            check_opening(opening, calendar)
            amounts = packed_opening(opening)
            rows.append(_prepayment_row(premises, fuel, opening.at_us, PrepaymentKind.OPENED, 0, amounts))
        self.runner.run_many(StoreOperation.RECORD_PREPAYMENT, rows)

    def close_prepaid(self, premises: int, fuel: int, at_us: int) -> None:
        calendar = self._calendar() if self._calendar is not None else UTC_CALENDAR
        if at_us < 0 or calendar.day_start_us(calendar.day_of(at_us)) != at_us:
            raise Refused(f"an account closed at {at_us} us: give the local midnight with which supply ends")
        held = self._prepayments(premises)
        log = _log_of(held, fuel)
        if at_us in log.closed_us:
            return
        if not any(one.at_us < at_us for one in log.openings):
            raise Refused(f"home {premises} has no prepaid account of fuel {fuel} before {at_us} us: none ends then")
        self._record_prepayment(premises, fuel, held, at_us, PrepaymentKind.CLOSED, 0, [])

    def top_up(self, premises: int, fuel: int, paid: TopUp) -> None:
        if paid.at_us < 0 or paid.at_us % 1_000 or not 0 < paid.upence <= TOP_UP_UPENCE_MAX:
            raise Refused(
                f"a top-up of {paid.upence} upence at {paid.at_us} us: give 1 .. {TOP_UP_UPENCE_MAX}, at a whole ms"
            )
        held = self._prepayments(premises)
        for one in _log_of(held, fuel).top_ups:
            if one.reference == paid.reference:
                if one != paid:
                    raise Refused(f"home {premises}, fuel {fuel}: payment {paid.reference} came before, as {one}")
                return
        self._record_prepayment(premises, fuel, held, paid.at_us, PrepaymentKind.PAID, paid.reference, [paid.upence])

    def prepayments(self, premises: int, fuel: int) -> PrepaymentLog:
        return _log_of(self._prepayments(premises), fuel)

    def _prepayments(self, premises: int) -> list[Any]:
        return self.runner.run(StoreOperation.READ_PREPAYMENT, {"premises": premises})

    def _record_prepayment(
        self,
        premises: int,
        fuel: int,
        held: Sequence[Any],
        at_us: int,
        kind: PrepaymentKind,
        reference: int,
        amounts: Sequence[int],
    ) -> None:
        if fuel not in PREPAID_FUELS:
            raise Refused(f"fuel {fuel} is not prepaid: there are {', '.join(map(str, PREPAID_FUELS))}")
        if not self._table(TableRole.PREPAYMENT).has_room(len(held)):
            raise Refused(f"home {premises} has {len(held)} payments and openings: no more are taken")
        values = _prepayment_row(premises, fuel, at_us, kind, reference, amounts)
        self.runner.run(StoreOperation.RECORD_PREPAYMENT, values)


def _prepayment_row(
    premises: int, fuel: int, at_us: int, kind: PrepaymentKind, reference: int, amounts: Sequence[int]
) -> Values:
    return {
        "premises": premises,
        "fuel": fuel,
        "at": at_us // 1_000,
        "kind": int(kind),
        "reference": reference,
        "amounts": amounts,
        "write_us": at_us,
    }


def _log_of(rows: Sequence[Any], fuel: int) -> PrepaymentLog:
    """Rows of `prepayment_by_home`, of a fuel code."""
    of_fuel = [(us_of(row.at), row) for row in rows if row.fuel == fuel]
    return PrepaymentLog(
        openings=tuple(
            unpacked_opening(at_us, row.amounts) for at_us, row in of_fuel if row.kind == PrepaymentKind.OPENED
        ),
        top_ups=tuple(
            TopUp(at_us=at_us, upence=row.amounts[0], reference=row.reference)
            for at_us, row in of_fuel
            if row.kind == PrepaymentKind.PAID
        ),
        closed_us=tuple(at_us for at_us, row in of_fuel if row.kind == PrepaymentKind.CLOSED),
    )


def preference_of(row: Any) -> PreferenceChange:
    """A row of `preferences_by_home`."""
    return PreferenceChange(
        preference=Preference(row.preference),
        value=row.value,
        effective_us=us_of(row.effective_at),
        changed_us=us_of(row.changed_at),
    )


def price_list_of(row: Any) -> PriceList:
    """A row of `price_lists`. Raises StoreError for one that this program can't have written."""
    try:
        tariffs = tariffs_of(row.tariffs) if row.tariffs else ()
    except TariffError as error:
        raise StoreError(f"price list {row.version}: {error}") from error
    return PriceList(
        version=row.version,
        effective_us=us_of(row.effective_at),
        upence_per_wh=_prices_of(row.upence_per_wh or ()),
        standing_upence=tuple(row.standing_upence or ()),
        tariffs=tariffs,
    )


def _publishes(held: Sequence[PriceList], prices: PriceList) -> bool:
    return any(one == prices for one in held)


def _prices_of(flat: Sequence[int]) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    if not flat:
        return ()
    fuels, rates = len(FUEL_CODES), len(Register)
    assert len(flat) == len(TariffKind) * fuels * rates, "a price list of another shape"
    by_rate = [(flat[at], flat[at + 1], flat[at + 2]) for at in range(0, len(flat), rates)]
    return tuple(tuple(by_rate[at : at + fuels]) for at in range(0, len(by_rate), fuels))
