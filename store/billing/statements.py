"""What a bill says of days that were paid for before: what their account took, so that nothing is due; and its statement.

Pure, integers only. A day is taken from an account that was open as it began, on a tariff that is prepaid: its energy and its
standing charge. So bills and accounts come to the same, however bill runs cut a month and whatever is corrected later.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from scenarios.calendar import month_of_day
from store.billing.charges import Charges, DayOfSupply
from store.billing.prepaid import PrepaidBalance
from store.billing.prepayment import PREPAID_FUELS
from store.billing.records import Bill, Line, LineKind
from store.rejections import Refused
from store.tariffs import list_in_force

_Key = tuple[int, int, int]  # fuel, tariff, version


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatement:
    """A fuel's account in a local month, or in the part of it that is over [upence].

    credit_before + paid - used - standing - recovered = credit, and debt_before - recovered = debt.
    """

    fuel: int
    month: int  # yyyymm
    first_day: int  # local, since 1970: of the month, or of the account
    last_day: int
    credit_before_upence: int
    paid_upence: int
    used_upence: int
    standing_upence: int
    recovered_upence: int
    credit_upence: int
    debt_before_upence: int
    debt_upence: int
    off_slots: int  # in which the terms had stopped supply
    unknown_slots: int  # that are over, and not read yet: what they cost is on a later statement


def statement(held: PrepaidBalance, fuel: int, month: int) -> AccountStatement:
    """What a month (yyyymm) did to an account. Raises Refused for one in which it was not open."""
    days = [one for one in held.days if month_of_day(one.day) == month]
    if not days:
        raise Refused(f"the prepaid account of fuel {fuel} was not open in {month}")
    paid, used = sum(one.paid_upence for one in days), sum(one.used_upence for one in days)
    standing, recovered = sum(one.standing_upence for one in days), sum(one.recovered_upence for one in days)
    return AccountStatement(
        fuel=fuel,
        month=month,
        first_day=days[0].day,
        last_day=days[-1].day,
        credit_before_upence=days[-1].credit_upence - paid + used + standing + recovered,
        paid_upence=paid,
        used_upence=used,
        standing_upence=standing,
        recovered_upence=recovered,
        credit_upence=days[-1].credit_upence,
        debt_before_upence=days[-1].debt_upence + recovered,
        debt_upence=days[-1].debt_upence,
        off_slots=sum(one.off_slots for one in days),
        unknown_slots=sum(one.unknown_slots for one in days),
    )


def prepaid_lines(
    charges: Charges,
    own: Sequence[Bill],
    month: int,
    *,
    energy_days: Container[DayOfSupply],
    standing_days: Iterable[DayOfSupply],
) -> list[Line]:
    """What accounts took of a month, less what an account's own bills have of it: a line a fuel, tariff and price list.

    energy_days, standing_days: those that bills have, this one among them, of any month.
    """
    taken: Counter[_Key] = Counter()
    for one in charges.energy[month]:
        if (one.fuel, one.day) in energy_days and _is_taken(charges, one.fuel, one.day):
            taken[one.fuel, one.tariff, one.tariff_version] += one.cost_upence
    for fuel, day in standing_days:
        if month_of_day(day) == month and _is_taken(charges, fuel, day):
            start_us = charges.calendar.day_start_us(day)
            prices, tariff = list_in_force(charges.prices, start_us), charges.tariff_on(start_us)
            taken[fuel, tariff, prices.version] += prices.standing_of(tariff, fuel)
    billed: Counter[_Key] = Counter()
    for line in (one for bill in own for one in bill.lines):
        if line.kind is LineKind.PREPAID and line.month == month:
            billed[line.fuel, line.tariff, line.tariff_version] -= line.cost_upence
    return [
        _line(month, *key, billed[key] - taken[key])
        for key in sorted(taken.keys() | billed.keys())
        if taken[key] != billed[key]
    ]


def _is_taken(charges: Charges, fuel: int, day: int) -> bool:
    if fuel not in PREPAID_FUELS or not any(day in one for one in charges.prepaid_days.get(fuel, ())):
        return False
    start_us = charges.calendar.day_start_us(day)
    return list_in_force(charges.prices, start_us).plan(charges.tariff_on(start_us)).is_prepaid


def _line(month: int, fuel: int, tariff: int, version: int, upence: int) -> Line:
    return Line(
        kind=LineKind.PREPAID,
        month=month,
        fuel=fuel,
        tariff=tariff,
        tariff_version=version,
        first_day=0,
        days=0,
        low_wh=0,
        standard_wh=0,
        peak_wh=0,
        cost_upence=upence,
    )
