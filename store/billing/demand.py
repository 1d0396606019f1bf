"""What the highest demand comes to on bills. Pure, integers only.

The highest mean of a slot in each local month, of the days that an account has been billed for, is charged for at the price of
each day of a month: its own, or with those of the months before that a tariff looks at. So it is one for all runs of a month,
its price lists and its corrections; and another for another tenant.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from scenarios.calendar import month_before, month_of_day
from scenarios.tariffs.demand import DemandCharge
from store.billing.charges import Charges, DayOfSupply
from store.billing.records import Bill, Line, LineKind
from store.tariffs import ELECTRICITY, list_in_force, list_of_version

_ListKey = tuple[int, int]  # tariff, version


def demand_lines(charges: Charges, own: Sequence[Bill], month: int, supplied: Iterable[DayOfSupply]) -> list[Line]:
    """What a month costs by the highest demand, less what an account's own bills have of it: a line a tariff and price list.

    supplied: the days that it has to pay for, of any fuel and month. A month before in which it has none is not looked at.
    """
    by_month: dict[int, list[int]] = {}
    for fuel, day in sorted(supplied):
        if fuel == ELECTRICITY:
            by_month.setdefault(month_of_day(day), []).append(day)
    days = by_month.get(month, [])
    counted: Counter[_ListKey] = Counter()
    for start_us in map(charges.calendar.day_start_us, days):
        held, tariff = list_in_force(charges.prices, start_us), charges.tariff_on(start_us)
        if held.plan(tariff).demand is not None:
            counted[tariff, held.version] += 1
    highest_w = {one: max(charges.demand_w.get(day, 0) for day in of_it) for one, of_it in by_month.items()}
    billed: Counter[_ListKey] = Counter()
    for line in (one for bill in own for one in bill.lines):
        if line.kind is LineKind.DEMAND and line.month == month:
            billed[line.tariff, line.tariff_version] += line.cost_upence
    lines = []
    for tariff, version in sorted(counted.keys() | billed.keys()):
        charge = list_of_version(charges.prices, version).plan(tariff).demand
        assert charge is not None, "billed by a tariff that charges for no demand"
        of_list = counted[tariff, version]
        looked_at = [highest_w[one] for one in months_looked_at(month, charge) if one in highest_w]
        charged_w = charge.charged_w(looked_at) if of_list else 0
        difference = charge.cost_upence(charged_w, of_list) - billed[tariff, version]
        if difference:
            lines.append(_line(month, tariff, version, of_list, charged_w, difference))
    return lines


def months_looked_at(month: int, charge: DemandCharge) -> list[int]:
    """The month (yyyymm) that is charged for, and those before it by whose demand it is charged."""
    months = [month]
    while len(months) < charge.months:
        months.append(month_before(months[-1]))
    return months


def _line(month: int, tariff: int, version: int, days: int, charged_w: int, upence: int) -> Line:
    return Line(
        kind=LineKind.DEMAND,
        month=month,
        fuel=ELECTRICITY,
        tariff=tariff,
        tariff_version=version,
        first_day=0,
        days=days,
        low_wh=0,
        standard_wh=0,
        peak_wh=0,
        cost_upence=upence,
        demand_w=charged_w,
    )
