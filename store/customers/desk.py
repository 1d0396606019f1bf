"""What needs the customers' tables and the readings' views together: a display's answer, and a bill issued.

Each takes the steps in an order that a crash between any two of them leaves right: nothing is written but the bill itself.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.calendar import UTC_CALENDAR, Calendar, days_of_month
from scenarios.domain import ReadSchedule, TariffKind
from store.billing.bills import check_request, days_billed, display, due_lines, make_bill, months_to_adjust
from store.billing.by_rate import HalfHoursOf, Priced, SlotCharge, charges_of_slots, spans_between
from store.billing.charges import Charges
from store.billing.demand import months_looked_at
from store.billing.energy import (
    BillingViews,
    demand_of_days,
    energy_of_half_hours,
    energy_of_span,
    energy_of_today,
    half_hours_by_month,
    half_hours_of_days,
    used_today_wh,
)
from store.billing.prepaid import PrepaidBalance, balance
from store.billing.prepayment import PREPAID_FUELS
from store.billing.records import NO_ACCOUNT, Bill, FuelDisplay, Line
from store.billing.statements import AccountStatement, statement
from store.customers.port import CustomerStore, Preference, PreferenceChange
from store.customers.preferences import schedule_in_force, tariff_in_force
from store.rejections import Refused
from store.tariffs import PriceList, list_in_force

DAYS_MAX = 100_000  # since 1970: after any day of a calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Customers' questions about one home. `first_tariff` and `first_schedule` are of homes that have chosen nothing.

    calendar: by which its days and months begin.
    """

    customers: CustomerStore
    views: BillingViews
    first_tariff: int = TariffKind.FLAT  # a code, as all tariffs
    deemed_tariff: int | None = None  # of a tenant who has chosen nothing yet; None: `first_tariff`
    first_schedule: ReadSchedule = ReadSchedule.HALF_HOURLY  # the default in Great Britain since November 2022
    calendar: Calendar = UTC_CALENDAR

    def schedule(self, premises: int, instant_us: int) -> ReadSchedule:
        """By which schedule a home is read at an instant [us since the Unix epoch]. Raises StoreError."""
        return schedule_in_force(self.customers.preferences(premises), instant_us, self.first_schedule)

    def tariff(self, premises: int, instant_us: int) -> int:
        """The code of the tariff that a home is on at an instant [us since the Unix epoch]. Raises StoreError."""
        return self._tariff_on(self.customers.preferences(premises), instant_us)

    def display(self, premises: int, fuels: Sequence[int], now_us: int) -> tuple[FuelDisplay, ...]:
        """What the home's display shows now. Raises StoreError; Refused before the first price list is in force."""
        history, prices = self.customers.preferences(premises), self.customers.price_lists()
        tariff = self._tariff_on(history, now_us)
        priced = Priced(prices=prices, tariff_on=lambda _: tariff, calendar=self.calendar)
        before_wh = used_today_wh(self.views, premises, fuels, now_us, priced)
        today = energy_of_today(self.views, premises, now_us, priced)
        slot_start_us = now_us // self.calendar.slot_us * self.calendar.slot_us
        is_prepaid = list_in_force(prices, slot_start_us).plan(tariff).is_prepaid
        accounts = self._accounts(premises, fuels, now_us, history) if is_prepaid else {}
        return display(prices, tariff, today, fuels, now_us, self.calendar, before_wh, accounts)

    def _accounts(
        self, premises: int, fuels: Iterable[int], now_us: int, history: Sequence[PreferenceChange]
    ) -> dict[int, PrepaidBalance]:
        """The prepaid accounts that are open, by fuel code."""
        logs = {fuel: self.customers.prepayments(premises, fuel) for fuel in fuels if fuel in PREPAID_FUELS}
        priced, half_hours = self._priced(history), half_hours_by_month(self.views, premises, self.calendar)
        held = {
            fuel: balance(log, fuel, half_hours, priced, now_us)
            for fuel, log in logs.items()
            if any(one.at_us <= now_us for one in log.openings)
        }
        return {fuel: one for fuel, one in held.items() if one.closed_us is None}

    def prepaid_balance(self, premises: int, fuel: int, now_us: int) -> PrepaidBalance:
        """A prepaid account at an instant [us since the Unix epoch], with each local day from its opening on.

        It is folded anew: half-hours from the opening on are read, a UTC month by one query. Raises StoreError; Refused where
        no account is open.
        """
        priced = self._priced(self.customers.preferences(premises))
        half_hours = half_hours_by_month(self.views, premises, self.calendar)
        return balance(self.customers.prepayments(premises, fuel), fuel, half_hours, priced, now_us)

    def statement(self, premises: int, fuel: int, month: int, now_us: int) -> AccountStatement:
        """What a local month (yyyymm) did to a prepaid account, as far as it is over at an instant [us since the Unix epoch].

        It is folded as `prepaid_balance` is. Raises StoreError; Refused where no account was open in the month.
        """
        ends_us = self.calendar.day_start_us(days_of_month(month)[-1] + 1)
        held = self.prepaid_balance(premises, fuel, min(now_us, ends_us - 1))
        return statement(held, fuel, month)

    def itemised_day(self, premises: int, fuel: int, day: int) -> list[SlotCharge]:
        """What each slot of a local day since 1970 comes to, as it is known now: energy, price and cost.

        They add up to what all bills together have of the day. Raises StoreError.
        """
        from_us, before_us = self.calendar.day_start_us(day), self.calendar.day_start_us(day + 1)
        priced = self._priced(self.customers.preferences(premises))
        half_hours = half_hours_of_days(self.views, premises, self.calendar)
        return charges_of_slots(spans_between(fuel, from_us, before_us, priced), half_hours, priced)

    def _priced(self, history: Sequence[PreferenceChange]) -> Priced:
        """By what a home's use is priced that has made these choices."""
        return Priced(
            prices=self.customers.price_lists(),
            tariff_on=lambda instant_us: self._tariff_on(history, instant_us),
            calendar=self.calendar,
        )

    def _tariff_on(self, history: Iterable[PreferenceChange], instant_us: int) -> int:
        return tariff_in_force(history, instant_us, self.first_tariff, self.deemed_tariff)

    def issue_bill(
        self,
        *,
        premises: int,
        month: int,
        number: int,
        supplied: Mapping[int, range],
        issued_us: int,
        ended_us: Mapping[int, int] | None = None,
        account: int = NO_ACCOUNT,
    ) -> Bill:
        """Issue bill `number` of a home, for a month (yyyymm) of its calendar; the bill that stands, when it was issued already.

        supplied: fuel code -> days of the month that are to be billed, from 1; those that an earlier bill had are left out, so
        bill runs may overlap. A fuel that is not named is not billed; without any the bill is of the month's energy alone, of all
        fuels and without a standing charge. ended_us: fuel code -> the instant from which its supply
        has ended, as it turned out: earlier bills' days from then on are given back, energy and standing charge.
        account: who pays. What is given back, and what is known otherwise now, is of days that bills of this account had: who
        moved out and who moved in pay for their own. A day is billed to one of them.
        Raises StoreError: whether the bill was issued is then in doubt, and asking again tells; Refused for a number of another
        month's or account's bill or one left out, and for months, days and fuels that there are not or that have not begun.
        """
        check_request(month=month, supplied=supplied, issued_us=issued_us, calendar=self.calendar)
        earlier = self.customers.bills(premises)
        if number > len(earlier) + 1:
            raise Refused(f"bill {number} of home {premises}: {len(earlier) + 1} is next")
        if number <= len(earlier):
            return _as_asked(earlier[number - 1], month, account)
        history = self.customers.preferences(premises)
        priced = self._priced(history)
        ends_us = dict(ended_us or {})
        asked = {(fuel, days_of_month(month)[day - 1]) for fuel, days in supplied.items() for day in days}
        cuts_us = [
            *ends_us.values(),
            *(one.effective_us for one in history if one.preference in (Preference.TARIFF, Preference.TENANCY)),
            *self._edges_us(days_billed(earlier)),
            *self._edges_us(asked),
        ]
        months = sorted({month, *months_to_adjust(earlier, month, account)})
        half_hours = half_hours_by_month(self.views, premises, self.calendar)
        charges = Charges(
            energy={
                one: energy_of_span(
                    self.views,
                    premises,
                    from_us=self.calendar.day_start_us(days_of_month(one)[0]),
                    before_us=self.calendar.day_start_us(days_of_month(one)[-1] + 1),
                    cuts_us=cuts_us,
                    priced=priced,
                )
                for one in months
            },
            prices=priced.prices,
            tariff_on=priced.tariff_on,
            supplied=supplied,
            ended_us=ends_us,
            demand_w=self._demand_w(months, history, priced, half_hours),
            prepaid_days=self._prepaid_days(premises, history, priced),
            calendar=self.calendar,
        )
        bill = make_bill(
            charges,
            earlier,
            premises=premises,
            month=month,
            account=account,
            issued_us=issued_us,
            lines_max=self.customers.bill_lines_max,
        )
        return _as_asked(self.customers.issue(bill), month, account)

    def due_lines(
        self, bills: Sequence[Bill], account: int, half_hours: HalfHoursOf, months: Iterable[int]
    ) -> list[Line]:
        """What all bills of an account must add up to, by half-hours alone; no view of days is asked. Raises StoreError.

        bills: all of one home so far. months: of those that the account was billed (yyyymm), the ones that are asked for.
        """
        premises = bills[0].premises
        history = self.customers.preferences(premises)
        priced = self._priced(history)
        asked = sorted(months)
        charges = Charges(
            energy={
                one: energy_of_half_hours(
                    half_hours,
                    from_us=self.calendar.day_start_us(days_of_month(one)[0]),
                    before_us=self.calendar.day_start_us(days_of_month(one)[-1] + 1),
                    priced=priced,
                )
                for one in asked
            },
            prices=priced.prices,
            tariff_on=priced.tariff_on,
            supplied={},
            ended_us={},
            demand_w=self._demand_w(asked, history, priced, half_hours),
            prepaid_days=self._prepaid_days(premises, history, priced),
            calendar=self.calendar,
        )
        return due_lines(charges, bills, account)

    def _demand_w(
        self, months: Iterable[int], history: Iterable[PreferenceChange], priced: Priced, half_hours: HalfHoursOf
    ) -> dict[int, int]:
        """The highest demand of each local day by which some months are charged [W]."""
        codes = self._codes(history)
        looked_at = {one for of in months for one in _months_of_demand(priced.prices, codes, of)}
        days = [day for one in sorted(looked_at) for day in days_of_month(one)]
        return demand_of_days(half_hours, days, self.calendar)

    def _codes(self, history: Iterable[PreferenceChange]) -> set[int]:
        """The tariffs that a home may have been on."""
        codes = {self.first_tariff, *(one.value for one in history if one.preference is Preference.TARIFF)}
        return codes if self.deemed_tariff is None else codes | {self.deemed_tariff}

    def _prepaid_days(
        self, premises: int, history: Iterable[PreferenceChange], priced: Priced
    ) -> dict[int, list[range]]:
        """Fuel code -> the local days since 1970 as which began its account was open; none where no tariff is prepaid."""
        if not _are_prepaid(priced.prices, self._codes(history)):
            return {}
        told = {}
        for fuel in PREPAID_FUELS:
            log = self.customers.prepayments(premises, fuel)
            told[fuel] = [
                range(self._first_day(one.at_us), DAYS_MAX if end_us is None else self._first_day(end_us))
                for one, end_us in ((one, log.closing_of(one)) for one in log.openings)
            ]
        return told

    def _first_day(self, at_us: int) -> int:
        """The first local day that begins at an instant or after it."""
        return self.calendar.day_of(at_us - 1) + 1

    def _edges_us(self, days: Iterable[tuple[int, int]]) -> list[int]:
        """When runs of days of a fuel, (fuel, day since 1970), begin and end [us since the Unix epoch]."""
        held = set(days)
        firsts = {day for fuel, day in held if (fuel, day - 1) not in held}
        ends = {day + 1 for fuel, day in held if (fuel, day + 1) not in held}
        return [self.calendar.day_start_us(day) for day in sorted(firsts | ends)]


def _months_of_demand(prices: Iterable[PriceList], codes: Container[int], month: int) -> set[int]:
    """The months (yyyymm) by whose demand one of some tariffs charges for a month, in any price list."""
    charges = {plan.demand for one in prices for code, plan in enumerate(one.plans) if code in codes and plan.demand}
    return {looked_at for charge in charges for looked_at in months_looked_at(month, charge)}


def _are_prepaid(prices: Iterable[PriceList], codes: Container[int]) -> bool:
    """Is one of some tariffs prepaid in any price list?"""
    return any(plan.is_prepaid for one in prices for code, plan in enumerate(one.plans) if code in codes)


def _as_asked(bill: Bill, month: int, account: int) -> Bill:
    if bill.month != month:
        raise Refused(
            f"bill {bill.number} of home {bill.premises} is for {bill.month}, not {month}: take the next number"
        )
    if bill.account != account:
        raise Refused(
            f"bill {bill.number} of home {bill.premises} is of account {bill.account}, not {account}: take the next number"
        )
    return bill
