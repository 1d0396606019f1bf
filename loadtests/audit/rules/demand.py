"""What bills charge for the highest demand, counted by itself: from half-hours, the zone's own rules and decimal. Pure.

Shares no line with `store.billing.demand` and what `scenarios.tariffs.demand` computes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

from scenarios.tariffs.demand import DemandCharge
from store.billing.records import Bill, LineKind
from store.tariffs import ELECTRICITY, PriceList

DayOfHome = tuple[int, int, int]  # premises, month (yyyymm), day from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDemands:
    """n slots of electricity that are known."""

    premises: NDArray[np.int64]  # [n]
    start_us: NDArray[np.int64]  # [n] [us since the Unix epoch]
    watts: NDArray[np.int64]  # [n] the slot's mean


def demand_faults(bills: Sequence[Bill], demands: SlotDemands, prices: Sequence[PriceList], zone: tzinfo) -> list[str]:
    """Does each account pay, of each month, for its highest demand at the prices of the days that it has, exactly?

    The days of an account are those whose standing charge its bills have, by tariff and price list.
    """
    days: dict[tuple[int, int, int], dict[DayOfHome, tuple[int, int]]] = {}  # (premises, account, month) -> its days
    billed: dict[tuple[int, int, int, int, int], int] = {}
    for bill in sorted(bills, key=lambda one: (one.premises, one.number)):
        for line in bill.lines:
            of_month = bill.premises, bill.account, line.month
            if line.kind is LineKind.DEMAND:
                key = *of_month, line.tariff, line.tariff_version
                billed[key] = billed.get(key, 0) + line.cost_upence
            elif line.kind is LineKind.STANDING and line.fuel == ELECTRICITY:
                held = days.setdefault(of_month, {})
                for day in range(line.first_day, line.first_day + abs(line.days)):
                    where = bill.premises, line.month, day
                    if line.days > 0:
                        held[where] = line.tariff, line.tariff_version
                    else:
                        held.pop(where, None)
    charging = {
        (one.version, code): plan.demand
        for one in prices
        for code, plan in enumerate(one.plans)
        if plan.demand is not None
    }
    if not charging and not billed:
        return []
    highest = _highest_of_days(demands, zone)
    due: dict[tuple[int, int, int, int, int], int] = {}
    for of_month, held in days.items():
        for code, version in set(held.values()):
            if (version, code) in charging:
                charge = charging[version, code]
                kilowatts = _charged_kw(charge, of_month, days, highest)
                count = sum(one == (code, version) for one in held.values())
                exact = kilowatts * charge.upence_per_kw_day * count
                due[(*of_month, code, version)] = int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))
    return [
        "home {}, account {}, month {}, tariff {}, version {}: ".format(*key)
        + f"{billed.get(key, 0)} upence billed for the highest demand, {due.get(key, 0)} due"
        for key in sorted(billed.keys() | due.keys())
        if billed.get(key, 0) != due.get(key, 0)
    ]


def _charged_kw(
    charge: DemandCharge,
    of_month: tuple[int, int, int],
    days: Mapping[tuple[int, int, int], Mapping[DayOfHome, object]],
    highest: Mapping[DayOfHome, int],
) -> Decimal:
    """Of the month and of those before it in which the account has days, as many as the charge looks at."""
    home, account, month = of_month
    number = month // 100 * 12 + month % 100 - 1  # of the month, since the year 0
    watts = []
    for one in range(number - charge.months + 1, number + 1):
        held = days.get((home, account, one // 12 * 100 + one % 12 + 1), {})
        if held:
            watts.append(Decimal(max(charge.least_w, *(highest.get(day, 0) for day in held))))
    whole = sum(watts, Decimal(0)) / len(watts) if charge.is_mean else max(watts)
    return whole.quantize(Decimal(1), ROUND_HALF_EVEN) / 1_000


def _highest_of_days(demands: SlotDemands, zone: tzinfo) -> dict[DayOfHome, int]:
    """By the clock on the wall [W]."""
    highest: dict[DayOfHome, int] = {}
    for where, watts in _by_day(demands, zone):
        highest[where] = max(watts, highest.get(where, 0))
    return highest


def _by_day(demands: SlotDemands, zone: tzinfo) -> Iterable[tuple[DayOfHome, int]]:
    instants, which = np.unique(demands.start_us, return_inverse=True)
    local = [datetime.fromtimestamp(one // 1_000_000, zone) for one in instants.tolist()]
    for home, at, watts in zip(demands.premises.tolist(), which.tolist(), demands.watts.tolist(), strict=True):
        yield (home, local[at].year * 100 + local[at].month, local[at].day), watts
