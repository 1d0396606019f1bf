"""Bills, folded from days of the customer's calendar; and what a display shows. Pure, integers only.

Whatever is billed of a day, over all bills, is what is known of it at the last of them: a correction after a bill becomes the
difference on a later one. So bills add up to the half-hours exactly. A bill has the days of supply that it is asked for and no
earlier bill had; energy and standing charge are of the same days.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from scenarios.calendar import UTC_CALENDAR, Calendar, CalendarError, day_text, days_of_month, month_of_day
from store.billing.charges import Charges, DayEnergy, DayOfSupply
from store.billing.demand import demand_lines
from store.billing.prepaid import PrepaidBalance
from store.billing.records import ALL_RATES, NO_ACCOUNT, OF_ENERGY, Bill, FuelDisplay, Line, LineKind
from store.billing.statements import prepaid_lines
from store.rejections import Refused
from store.tariffs import FUEL_CODES, PriceList, list_in_force, price_at

ADJUST_MONTHS_MAX = 14  # the final settlement run of a day comes some 14 months after it

LineKey = tuple[int, int, int, int, int, int]  # month, fuel, tariff, version, rate, block


def make_bill(
    charges: Charges,
    earlier: Sequence[Bill],
    *,
    premises: int,
    month: int,
    issued_us: int,
    lines_max: int,
    account: int = NO_ACCOUNT,
) -> Bill:
    """The next bill of a home after `earlier`, all its bills so far.

    Energy and standing charge of the supplied days that no bill had, of whatever account; of the days that bills of its own
    account had those that are given back; and for every month that these had, what is known otherwise now. Adjusting lines
    beyond `lines_max` are left for the next bill, the latest months first.
    Energy has a line for each price, or one for all rates where there is no room for that.
    Raises Refused where the bill's own days have more lines even so, and for energy alone of a home with several accounts.
    """
    assert [bill.number for bill in earlier] == list(range(1, len(earlier) + 1)), "bills are numbered from 1"
    assert set(charges.energy) >= {month, *months_to_adjust(earlier, month, account)}, "a month's energy is missing"
    is_energy_alone = not charges.supplied
    own, others = _of_account(earlier, account)
    if is_energy_alone and (others or account != NO_ACCOUNT):
        raise Refused(f"bill {len(earlier) + 1} of home {premises}: of a home with accounts say which days each has")
    days = days_of_month(month)
    asked = {(fuel, days[day - 1]) for fuel, named in charges.supplied.items() for day in named}
    if is_energy_alone:
        asked = {(fuel, day) for fuel in FUEL_CODES for day in days}
    ended_alone = {one for one in asked if _has_ended(charges, one)} if is_energy_alone else set()
    asked = {one for one in asked if not _has_ended(charges, one)} - days_of_energy(others)
    had, had_energy = days_billed(own), days_of_energy(own)
    ended = {one for one in had | had_energy if _has_ended(charges, one)}
    new = _summed_energy(charges, month, asked - had_energy)
    besides = [
        *([] if is_energy_alone else _standing_lines(charges, asked - had)),
        *_given_back(own, ended & had),
        *_energy_given_back(charges, (ended - had) | (ended_alone if new else set())),
        *([] if is_energy_alone else demand_lines(charges, own, month, (had | asked) - ended)),
        *prepaid_lines(
            charges,
            own,
            month,
            energy_days=(had_energy | asked) - ended,
            standing_days=(had if is_energy_alone else had | asked) - ended,
        ),
    ]
    if len(new) + len(besides) > lines_max:
        new = _merged(new, {key[:4] for key in new})
    lines = [*_energy_lines(LineKind.ENERGY, new, days=len(days) if is_energy_alone else 0), *besides]
    if len(lines) > lines_max:
        raise Refused(
            f"bill {len(earlier) + 1} of home {premises} has {len(lines)} lines for its own days: at most {lines_max}"
        )
    billed_lines = [line for bill in own for line in bill.lines]
    for old in months_to_adjust(earlier, month, account):
        billed = _summed(line for line in billed_lines if line.month == old and line.kind in OF_ENERGY)
        due = _summed_energy(charges, old, had_energy - ended)
        # what was billed by all rates together is corrected so
        whole = {key[:4] for key in (*billed, *due) if key[4] == ALL_RATES}
        lines += _energy_lines(LineKind.ADJUSTMENT, _difference(_merged(due, whole), _merged(billed, whole)))
        if old != month or is_energy_alone:  # days that are new may have been looked at for a later month
            lines += demand_lines(charges, own, old, (had if is_energy_alone else had | asked) - ended)
        if old != month:
            lines += prepaid_lines(charges, own, old, energy_days=had_energy - ended, standing_days=had - ended)
    lines = lines[:lines_max]
    return Bill(
        premises=premises,
        number=len(earlier) + 1,
        month=month,
        issued_us=issued_us,
        total_upence=sum(line.cost_upence for line in lines),
        lines=tuple(lines),
        account=account,
    )


def due_lines(charges: Charges, bills: Sequence[Bill], account: int = NO_ACCOUNT) -> list[Line]:
    """What all lines of an account's bills so far must add up to: energy with its corrections, standing charge, demand, prepaid.

    bills: all of the home. charges: of the months of `charges.energy`; `supplied` and `ended_us` are not asked, as the lines say
    which days the bills have.
    """
    own, _ = _of_account(bills, account)
    had, had_energy = days_billed(own), days_of_energy(own)
    lines = [line for line in _standing_lines(charges, had) if line.month in charges.energy]
    for month in charges.energy:
        lines += _energy_lines(LineKind.ENERGY, _summed_energy(charges, month, had_energy))
        lines += demand_lines(charges, (), month, had)
        lines += prepaid_lines(charges, (), month, energy_days=had_energy, standing_days=had)
    return lines


def _of_account(bills: Sequence[Bill], account: int) -> tuple[list[Bill], list[Bill]]:
    """A home's bills of an account, and those of others."""
    return [one for one in bills if one.account == account], [one for one in bills if one.account != account]


def check_request(*, month: int, supplied: Mapping[int, range], issued_us: int, calendar: Calendar) -> None:
    """Raises Refused for a month, a fuel or days that there are not, or that have not begun when the bill is issued."""
    try:
        days = days_of_month(month)
        begins_us = calendar.day_start_us(days[0])
        if begins_us > issued_us:
            raise Refused(f"a bill of {month} issued at {issued_us} us: the month begins at {begins_us} us")
        for fuel, asked in supplied.items():
            if fuel not in FUEL_CODES:
                raise Refused(f"fuel {fuel}: there are {', '.join(map(str, FUEL_CODES))}")
            if not asked:
                continue
            if asked.step != 1 or asked[0] < 1 or asked[-1] > len(days):
                raise Refused(f"days {asked} of {month}: give a range of days without a gap, of 1 .. {len(days)}")
            last_us = calendar.day_start_us(days[asked[-1] - 1])
            if last_us > issued_us:
                raise Refused(
                    f"a bill issued at {issued_us} us for {day_text(days[asked[-1] - 1])}, which begins at {last_us} us"
                )
    except CalendarError as error:
        raise Refused(str(error)) from error


def months_to_adjust(earlier: Iterable[Bill], month: int, account: int = NO_ACCOUNT) -> list[int]:
    """The months that bills of an account had and that are still corrected."""
    had = {line.month for bill in earlier if bill.account == account for line in bill.lines}
    return sorted(one for one in had if _months_between(one, month) <= ADJUST_MONTHS_MAX)


def last_adjusted_us(bills: Iterable[Bill], account: int = NO_ACCOUNT) -> dict[int, int]:
    """Month (yyyymm) that bills of an account had -> when the last of them was issued that could still correct it."""
    own = [bill for bill in bills if bill.account == account]
    return {
        month: max(bill.issued_us for bill in own if _months_between(month, bill.month) <= ADJUST_MONTHS_MAX)
        for month in {line.month for bill in own for line in bill.lines}
    }


def _months_between(first: int, last: int) -> int:
    return (last // 100 - first // 100) * 12 + last % 100 - first % 100


def days_billed(bills: Iterable[Bill]) -> set[DayOfSupply]:
    """The days whose standing charge bills have and have not given back: their lines name them, also where they are free."""
    had: set[DayOfSupply] = set()
    for bill in bills:
        for line in bill.lines:
            if line.kind is LineKind.STANDING and line.days:
                first = days_of_month(line.month)[line.first_day - 1]
                days = {(line.fuel, day) for day in range(first, first + abs(line.days))}
                had = had | days if line.days > 0 else had - days
    return had


def days_of_energy(bills: Sequence[Bill]) -> set[DayOfSupply]:
    """The days whose energy bills have and have not given back: those of supply, and months billed by their energy alone."""
    alone: set[DayOfSupply] = set()
    for bill in bills:
        months = {line.month for line in bill.lines if line.kind is LineKind.ENERGY and line.days}
        alone |= {(fuel, day) for month in months for fuel in FUEL_CODES for day in days_of_month(month)}
        for line in bill.lines:
            if line.kind is LineKind.ADJUSTMENT and line.days:
                first = days_of_month(line.month)[line.first_day - 1]
                alone -= {(line.fuel, day) for day in range(first, first - line.days)}
    return days_billed(bills) | alone


def _has_ended(charges: Charges, one: DayOfSupply) -> bool:
    fuel, day = one
    return fuel in charges.ended_us and charges.calendar.day_start_us(day) >= charges.ended_us[fuel]


Quantities = tuple[int, int, int, int]  # low, standard, peak [Wh], cost [upence]
_NOTHING: Quantities = (0, 0, 0, 0)


def _summed_energy(charges: Charges, month: int, days: set[DayOfSupply]) -> dict[LineKey, Quantities]:
    """What is known of the days of a month, by fuel, tariff and version."""
    sums: dict[LineKey, Quantities] = {}
    for one in charges.energy[month]:
        if (one.fuel, one.day) in days:
            key = month, one.fuel, one.tariff, one.tariff_version, one.rate, one.block
            sums[key] = _plus(sums.get(key, _NOTHING), (one.low_wh, one.standard_wh, one.peak_wh, one.cost_upence))
    return sums


def _summed(lines: Iterable[Line]) -> dict[LineKey, Quantities]:
    sums: dict[LineKey, Quantities] = {}
    for line in lines:
        key = line.month, line.fuel, line.tariff, line.tariff_version, line.rate, line.block
        sums[key] = _plus(sums.get(key, _NOTHING), (line.low_wh, line.standard_wh, line.peak_wh, line.cost_upence))
    return sums


def _merged(sums: Mapping[LineKey, Quantities], whole: Container[tuple[int, ...]]) -> dict[LineKey, Quantities]:
    """The same with all rates of some (month, fuel, tariff, version) together."""
    merged: dict[LineKey, Quantities] = {}
    for key, one in sums.items():
        month, fuel, tariff, version = key[:4]
        at = (month, fuel, tariff, version, ALL_RATES, 0) if key[:4] in whole else key
        merged[at] = _plus(merged.get(at, _NOTHING), one)
    return merged


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


def _energy_lines(kind: LineKind, sums: Mapping[LineKey, Quantities], *, days: int = 0) -> list[Line]:
    return [
        Line(
            kind=kind,
            month=month,
            fuel=fuel,
            tariff=tariff,
            tariff_version=version,
            first_day=1 if days else 0,
            days=days,
            low_wh=low_wh,
            standard_wh=standard_wh,
            peak_wh=peak_wh,
            cost_upence=cost_upence,
            rate=rate,
            block=block,
        )
        for (month, fuel, tariff, version, rate, block), (low_wh, standard_wh, peak_wh, cost_upence) in sorted(
            sums.items()
        )
    ]


def _standing_lines(charges: Charges, days: Iterable[DayOfSupply]) -> list[Line]:
    """A line for each fuel, and run of days, with one tariff and one price list in force as they began."""
    priced: list[tuple[tuple[int, int, int, int], int, int]] = []
    for fuel, day in sorted(days):
        start_us = charges.calendar.day_start_us(day)
        held = list_in_force(charges.prices, start_us)
        # one after the other in a run: they differ from their place in it by the same number
        tariff = charges.tariff_on(start_us)
        run = fuel, tariff, held.version, day - len(priced)
        priced.append((run, day, held.standing_of(tariff, fuel)))
    lines = []
    for (fuel, tariff, version, _), of_run in groupby(priced, key=lambda one: one[0]):
        run_days = [(day, upence) for _, day, upence in of_run]
        lines.append(_standing_line(fuel, tariff, version, run_days[0][0], len(run_days), sum(u for _, u in run_days)))
    return lines


def _given_back(earlier: Sequence[Bill], days: set[DayOfSupply]) -> list[Line]:
    """The standing charge of days that bills have, with its sign turned: at the price that each was billed at."""
    lines = []
    left = set(days)
    for line in (
        one for bill in reversed(earlier) for one in bill.lines if one.kind is LineKind.STANDING and one.days > 0
    ):
        first = days_of_month(line.month)[line.first_day - 1]
        back = [day for day in range(first, first + line.days) if (line.fuel, day) in left]
        left -= {(line.fuel, day) for day in back}
        if back:  # an end of supply cuts a run once: what is given back is its tail
            upence = line.cost_upence // line.days * len(back)
            lines.append(_standing_line(line.fuel, line.tariff, line.tariff_version, back[0], -len(back), -upence))
    return sorted(lines, key=lambda line: (line.month, line.fuel, line.first_day))


def _energy_given_back(charges: Charges, days: Iterable[DayOfSupply]) -> list[Line]:
    """A line for each run of days, of a fuel and month, that bills of energy alone have no more: a later bill leaves them out.

    What their energy came to is told by the adjustments of their month.
    """
    keyed = [((fuel, month_of_day(day), day - at), day) for at, (fuel, day) in enumerate(sorted(days))]
    lines = []
    for (fuel, _, _), of_run in groupby(keyed, key=lambda one: one[0]):
        run = [day for _, day in of_run]
        start_us = charges.calendar.day_start_us(run[0])
        held = list_in_force(charges.prices, start_us)
        line = _standing_line(fuel, charges.tariff_on(start_us), held.version, run[0], -len(run), 0)
        lines.append(replace(line, kind=LineKind.ADJUSTMENT))
    return lines


def _standing_line(fuel: int, tariff: int, version: int, first: int, days: int, upence: int) -> Line:
    month = month_of_day(first)
    return Line(
        kind=LineKind.STANDING,
        month=month,
        fuel=fuel,
        tariff=tariff,
        tariff_version=version,
        first_day=first - days_of_month(month)[0] + 1,
        days=days,
        low_wh=0,
        standard_wh=0,
        peak_wh=0,
        cost_upence=upence,
    )


# -- displays --------------------------------------------------------------------------------------------------------------------


def display(
    prices: Sequence[PriceList],
    tariff: int,
    today: Sequence[DayEnergy],
    fuels: Sequence[int],
    now_us: int,
    calendar: Calendar = UTC_CALENDAR,
    before_wh: Mapping[int, int] | None = None,
    accounts: Mapping[int, PrepaidBalance] | None = None,
) -> tuple[FuelDisplay, ...]:
    """What a home's display shows at an instant [us since the Unix epoch], of each fuel code in `fuels`.

    today: what is known of the local day; a fuel without any was not read today yet. Price and standing charge are of one
    price list, the one in force at the start of the slot. before_wh: fuel code -> what is known of the local day up to
    that start, of tariffs with blocks. accounts: fuel code -> its prepaid account, where it has one.
    """
    shown, start_us = [], now_us // calendar.slot_us * calendar.slot_us
    for fuel in fuels:
        of_fuel, account = [one for one in today if one.fuel == fuel], (accounts or {}).get(fuel)
        shown.append(
            FuelDisplay(
                fuel=fuel,
                price=price_at(prices, tariff, fuel, now_us, calendar, before_wh=(before_wh or {}).get(fuel, 0)),
                today_wh=sum(one.low_wh + one.standard_wh + one.peak_wh for one in of_fuel),
                today_upence=sum(one.cost_upence for one in of_fuel),
                standing_upence=list_in_force(prices, start_us).standing_of(tariff, fuel),
                credit_upence=None if account is None else account.credit_upence,
                debt_upence=None if account is None else account.debt_upence,
                is_supplied=None if account is None else account.is_supplied,
            )
        )
    return tuple(shown)
