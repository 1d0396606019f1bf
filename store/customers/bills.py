"""Bills, folded from the billing view; and what a display shows. Pure, integers only.

Whatever is billed of a month, over all bills, is what the billing view has of it at the last of them: a correction after
a bill becomes the difference on a later one. So bills add up to the half-hours exactly.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scenarios.domain import DAY_US, TariffKind
from store.customers.port import Bill, FuelDisplay, Line, LineKind
from store.ports import DayBill
from store.rejections import Refused
from store.rows import month_start_us
from store.tariffs import PriceList, price_at, standing_of

ADJUST_MONTHS_MAX = 14  # the final settlement run of a day comes some 14 months after it

TariffOn = Callable[[int], TariffKind]
"""The kind of tariff that a home is on, by the start of a UTC day [us since the Unix epoch]."""

LineKey = tuple[int, int, TariffKind, int]  # month, fuel, tariff, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """What a bill is made from. `months` has the billing view of the bill's month and of those that bills had before."""

    months: Mapping[int, Sequence[DayBill]]
    prices: Sequence[PriceList]
    tariff_on: TariffOn
    supplied: Mapping[int, range]  # fuel code -> days of the bill's month, from 1, that a standing charge is due for


def make_bill(charges: Charges, earlier: Sequence[Bill], *, premises: int, month: int, issued_us: int) -> Bill:
    """The next bill of a home after `earlier`, all its bills so far.

    Energy and standing charge of the month, unless a bill had them; and for every month that bills had, what the view says
    otherwise now.
    """
    assert [bill.number for bill in earlier] == list(range(1, len(earlier) + 1)), "bills are numbered from 1"
    assert set(charges.months) >= {month, *months_to_adjust(earlier, month)}, "a month's view is missing"
    billed_lines = [line for bill in earlier for line in bill.lines]
    lines: list[Line] = []
    has_month = any(bill.month == month for bill in earlier)
    if not has_month:
        lines += _energy_lines(LineKind.ENERGY, _folded(charges, month))
        lines += _standing_lines(charges, month)
    for old in months_to_adjust(earlier, month):
        billed = _summed(line for line in billed_lines if line.month == old and line.kind is not LineKind.STANDING)
        lines += _energy_lines(LineKind.ADJUSTMENT, _difference(_folded(charges, old), billed))
    return Bill(
        premises=premises,
        number=len(earlier) + 1,
        month=month,
        issued_us=issued_us,
        total_upence=sum(line.cost_upence for line in lines),
        lines=tuple(lines),
    )


def months_to_adjust(earlier: Iterable[Bill], month: int) -> list[int]:
    """The months that bills had and that are still corrected."""
    had = {bill.month for bill in earlier}
    return sorted(one for one in had if _months_between(one, month) <= ADJUST_MONTHS_MAX)


def _months_between(first: int, last: int) -> int:
    return (last // 100 - first // 100) * 12 + last % 100 - first % 100


Quantities = tuple[int, int, int, int]  # low, standard, peak [Wh], cost [upence]
_NOTHING: Quantities = (0, 0, 0, 0)


def _folded(charges: Charges, month: int) -> dict[LineKey, Quantities]:
    """A month of the billing view by fuel, tariff and version."""
    sums: dict[LineKey, Quantities] = {}
    for day in charges.months[month]:
        key = month, day.fuel, charges.tariff_on(day_start_us(month, day.day)), day.tariff_version
        sums[key] = _plus(sums.get(key, _NOTHING), (day.low_wh, day.standard_wh, day.peak_wh, day.cost_upence))
    return sums


def _summed(lines: Iterable[Line]) -> dict[LineKey, Quantities]:
    sums: dict[LineKey, Quantities] = {}
    for line in lines:
        key = line.month, line.fuel, line.tariff, line.tariff_version
        sums[key] = _plus(sums.get(key, _NOTHING), (line.low_wh, line.standard_wh, line.peak_wh, line.cost_upence))
    return sums


def _difference(now: Mapping[LineKey, Quantities], then: Mapping[LineKey, Quantities]) -> dict[LineKey, Quantities]:
    """What has to be added to `then`; keys that are the same in both are left out."""
    differences = {}
    for key in now.keys() | then.keys():
        low, standard, peak, cost = then.get(key, _NOTHING)
        difference = _plus(now.get(key, _NOTHING), (-low, -standard, -peak, -cost))
        if difference != _NOTHING:
            differences[key] = difference
    return differences


def _plus(one: Quantities, other: Quantities) -> Quantities:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _energy_lines(kind: LineKind, sums: Mapping[LineKey, Quantities]) -> list[Line]:
    return [
        Line(
            kind=kind,
            month=month,
            fuel=fuel,
            tariff=tariff,
            tariff_version=version,
            days=0,
            low_wh=low_wh,
            standard_wh=standard_wh,
            peak_wh=peak_wh,
            cost_upence=cost_upence,
        )
        for (month, fuel, tariff, version), (low_wh, standard_wh, peak_wh, cost_upence) in sorted(sums.items())
    ]


def _standing_lines(charges: Charges, month: int) -> list[Line]:
    """A line for each fuel and charge that was in force as a day began."""
    days: dict[LineKey, tuple[int, int]] = {}  # count, upence
    for fuel, supplied in charges.supplied.items():
        for day in supplied:
            start_us = day_start_us(month, day)
            version = price_at(charges.prices, TariffKind.FLAT, fuel, start_us).version
            key = month, fuel, charges.tariff_on(start_us), version
            count, upence = days.get(key, (0, 0))
            days[key] = count + 1, upence + standing_of(charges.prices, fuel, start_us)
    return [
        Line(
            kind=LineKind.STANDING,
            month=month,
            fuel=fuel,
            tariff=tariff,
            tariff_version=version,
            days=count,
            low_wh=0,
            standard_wh=0,
            peak_wh=0,
            cost_upence=upence,
        )
        for (month, fuel, tariff, version), (count, upence) in sorted(days.items())
    ]


def day_start_us(month: int, day: int) -> int:
    """00:00 UTC of a day (from 1) of a month (yyyymm) [us since the Unix epoch]."""
    return month_start_us(month) + (day - 1) * DAY_US


# -- as the table has them -----------------------------------------------------------------------------------------------------

_LINE_FIELDS = 10


def packed(lines: Sequence[Line]) -> list[int]:
    """The lines as one list of integers, a line's fields in their order."""
    return [
        number
        for line in lines
        for number in (
            int(line.kind),
            line.month,
            line.fuel,
            int(line.tariff),
            line.tariff_version,
            line.days,
            line.low_wh,
            line.standard_wh,
            line.peak_wh,
            line.cost_upence,
        )
    ]


def unpacked(numbers: Sequence[int]) -> tuple[Line, ...]:
    """The inverse of `packed`."""
    assert len(numbers) % _LINE_FIELDS == 0, "a bill's lines are cut"
    starts = range(0, len(numbers) + 1, _LINE_FIELDS)
    return tuple(_line(numbers[start:end]) for start, end in pairwise(starts))


def _line(numbers: Sequence[int]) -> Line:
    kind, month, fuel, tariff, version, days, low_wh, standard_wh, peak_wh, cost_upence = numbers
    return Line(
        kind=LineKind(kind),
        month=month,
        fuel=fuel,
        tariff=TariffKind(tariff),
        tariff_version=version,
        days=days,
        low_wh=low_wh,
        standard_wh=standard_wh,
        peak_wh=peak_wh,
        cost_upence=cost_upence,
    )


# -- displays --------------------------------------------------------------------------------------------------------------------


def display(
    prices: Sequence[PriceList], tariff: TariffKind, today: Sequence[DayBill], fuels: Sequence[int], now_us: int
) -> tuple[FuelDisplay, ...]:
    """What a home's display shows at an instant [us since the Unix epoch], of each fuel code in `fuels`.

    today: the rows of the billing view of the instant's UTC day; a fuel without one was not read today yet.
    """
    by_fuel = {one.fuel: one for one in today}
    shown = []
    for fuel in fuels:
        day = by_fuel.get(fuel)
        shown.append(
            FuelDisplay(
                fuel=fuel,
                price=price_at(prices, tariff, fuel, now_us),
                today_wh=day.low_wh + day.standard_wh + day.peak_wh if day else 0,
                today_upence=day.cost_upence if day else 0,
                standing_upence=standing_of(prices, fuel, now_us // DAY_US * DAY_US),
            )
        )
    return tuple(shown)


def check_lines(bill: Bill, lines_max: int) -> None:
    """Raises Refused for a bill that its row can't hold."""
    if len(bill.lines) > lines_max:
        raise Refused(f"bill {bill.number} of home {bill.premises} has {len(bill.lines)} lines: at most {lines_max}")
