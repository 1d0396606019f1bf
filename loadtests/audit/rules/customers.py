"""The customers' side under audit: registers, displays, bills and views, each held against what it must be. Pure.

A check counts what it looked at and what is wrong with it; it has no verdict where there was nothing to look at. What is
right is computed here anew from half-hours and price lists, not with the code that made the bills.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.rules.demand import SlotDemands, demand_faults
from loadtests.audit.rules.tariff_clock import block_reached, by_price, price_of, rates_and_prices
from scenarios.calendar import local_text
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs import NPENCE_A_UPENCE, Register, pence_text
from store.billing.records import ALL_RATES, OF_ENERGY, Bill, Line, LineKind
from store.customers.port import RegisterChange
from store.readings.verify import Difference
from store.tariffs import ELECTRICITY, MISSING_WH, PriceList, in_force

EXAMPLES_MAX = 10

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of a check."""

    check: str
    counted: int
    faults: int
    examples: tuple[str, ...]  # at most EXAMPLES_MAX of the faults, for people
    sample: str | None = None  # what was looked at of how much, for people; None: all there is
    certain: int = 0  # of the faults, told first: they stand whatever a read has missed, see `rules.weak_levels`

    @property
    def is_right(self) -> bool | None:
        """None: nothing was there to be checked."""
        return None if self.counted == 0 and self.faults == 0 else self.faults == 0


def checked(check: str, counted: int, faults: Iterable[str]) -> Checked:
    """A check that found these faults in what it counted."""
    told = list(faults)
    return Checked(check=check, counted=counted, faults=len(told), examples=tuple(told[:EXAMPLES_MAX]))


# -- registers -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """n registers as they were measured; estimates and corrections say nothing of them."""

    premises: Ints
    fuel: Ints
    end_us: Ints  # [us since the Unix epoch]
    register_wh: Ints


def check_registers(registers: Registers, changes: Iterable[tuple[int, RegisterChange]], zone: tzinfo) -> Checked:
    """Does no meter's register fall but where a rollover or an exchange was logged?

    changes: (premises, change). A fall from one reading to the next is explained by a change at or after the first and
    before the second, whose new counter has not been above the second. zone: the customers', for what is told of a fault.
    """
    logged: dict[tuple[int, int], list[RegisterChange]] = {}
    for home, change in changes:
        logged.setdefault((home, change.fuel), []).append(change)
    order = np.lexsort((registers.register_wh, registers.end_us, registers.fuel, registers.premises))
    premises, fuel = registers.premises[order], registers.fuel[order]
    end_us, register_wh = registers.end_us[order], registers.register_wh[order]
    is_same = (np.diff(premises) == 0) & (np.diff(fuel) == 0)
    faults = []
    for at in np.flatnonzero(is_same & (np.diff(register_wh) < 0)).tolist():
        key = int(premises[at]), int(fuel[at])
        before_us, after_us, after_wh = int(end_us[at]), int(end_us[at + 1]), int(register_wh[at + 1])
        if not any(before_us <= one.changed_us < after_us and one.after_wh <= after_wh for one in logged.get(key, ())):
            faults.append(
                f"home {key[0]}, fuel {key[1]}: {register_wh[at]} Wh at {local_text(before_us, zone)}, "
                f"then {after_wh} Wh at {local_text(after_us, zone)}, "
                "and nothing was logged"
            )
    return checked("registers never fall", len(register_wh), faults)


# -- displays ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDays:
    """n UTC days of meters, as they were known at the last bill of their home."""

    premises: Ints
    fuel: Ints
    day_start_us: Ints  # [us since the Unix epoch]
    slot_count: Ints  # slots up to the latest that came
    values_wh: NDArray[np.int32]  # [n, 48], or 96 quarter-hours, MISSING_WH where nothing is known
    tariff: NDArray[np.uint8]  # the code of the tariff that the home was on

    @property
    def slots(self) -> NDArray[np.int64]:
        """Those of a day: 0, 1, ..."""
        return np.arange(self.values_wh.shape[1])

    @property
    def slot_us(self) -> int:
        """How long a slot is [us]."""
        slots: int = self.values_wh.shape[1]
        return DAY_US // slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Displays:
    """n answers that displays were given."""

    premises: Ints
    fuel: Ints
    at_us: Ints  # [us since the Unix epoch]
    tariff: NDArray[np.uint8]  # the code of the tariff that the home was on
    version: Ints  # as shown
    npence_per_wh: Ints  # as shown


def check_displays(
    displays: Displays,
    prices: Sequence[PriceList],
    zone: tzinfo,
    days: MeterDays | None = None,
    *,
    slot_us: int = SLOT_US,
) -> Checked:
    """Does each display show the price that was in force at the start of its slot, and its version?

    zone: the customers', by whose own rules the slot's rate is told; slot_us: how long it is [us], a half-hour as a rule.
    days: what is known of the homes, which says the block that a day's use has reached.
    """
    start_us = displays.at_us // slot_us * slot_us
    index = in_force(prices, start_us)
    _, expected, rate = rates_and_prices(prices, index, displays.tariff, displays.fuel, start_us, zone, slot_us)
    for at in np.flatnonzero(_has_blocks(prices, index, displays.tariff)).tolist():
        plan, fuel = prices[int(index[at])].plans[int(displays.tariff[at])], int(displays.fuel[at])
        used_wh = 0 if days is None else _used_before(days, int(displays.premises[at]), fuel, int(start_us[at]), zone)
        expected[at] = price_of(plan, int(rate[at]), fuel, block_reached(plan, fuel, used_wh))
    version = np.array([one.version for one in prices], np.int64)[index]
    is_wrong = (index < 0) | (displays.npence_per_wh != expected) | (displays.version != version)
    faults = (
        f"home {displays.premises[at]}, fuel {displays.fuel[at]} at {local_text(int(displays.at_us[at]), zone)}: "
        f"{pence_text(int(displays.npence_per_wh[at]))} p a kWh of version {displays.version[at]}, "
        f"not {pence_text(int(expected[at]))} p of {version[at]}"
        for at in np.flatnonzero(is_wrong).tolist()
    )
    return checked("displays show the price in force", len(index), faults)


def _has_blocks(prices: Sequence[PriceList], index: Ints, tariff: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of n half-hours: is their tariff one with blocks? index: of the list in force, -1 before the first."""
    plans = [[bool(plan.blocks) for plan in one.plans] for one in prices]
    width = max(map(len, plans), default=0)
    # the last row is what -1 names: nothing is priced before the first list
    held = np.array([[*one, *[False] * (width - len(one))] for one in plans] + [[False] * width], np.bool_)
    found: NDArray[np.bool_] = held[index, tariff]
    return found


def _used_before(days: MeterDays, home: int, fuel: int, start_us: int, zone: tzinfo) -> int:
    """What is known of a home's day, by the clock on the wall, up to an instant [us since the Unix epoch] [Wh]."""
    today = datetime.fromtimestamp(start_us // 1_000_000, zone).date()
    from_us = round(datetime.combine(today, time(), zone).timestamp()) * 1_000_000
    used = 0
    for at in np.flatnonzero((days.premises == home) & (days.fuel == fuel)).tolist():
        values = days.values_wh[at, : int(days.slot_count[at])]
        begins_us = int(days.day_start_us[at]) + np.arange(len(values), dtype=np.int64) * days.slot_us
        used += int(
            values[(from_us <= begins_us) & (begins_us < start_us) & (values != MISSING_WH)].sum(dtype=np.int64)
        )
    return used


# -- bills ---------------------------------------------------------------------------------------------------------------------


Key = tuple[int, int, int, int, int, int | None]
"""Premises, month, fuel, tariff, version, price [npence a Wh]; None: all prices together, as a bill may have them."""
UPENCE = "upence (millionths of a penny)"  # the tables' unit, explained where a fault is told
_QUANTITIES = ("low_wh", "standard_wh", "peak_wh", "cost_upence")


def check_bills(bills: Sequence[Bill], days: MeterDays, prices: Sequence[PriceList], zone: tzinfo) -> Checked:
    """Do the bills of each home add up to its half-hours, exactly, in every month of its time zone that was billed?

    By each price that a bill has lines for. Also: a bill's total is the sum of its lines, numbers have no gap, a day's
    standing charge is due once, and a month's highest demand costs what the prices of its days say.
    Of a month that was billed all days must have been asked for.
    """
    faults: list[str] = []
    billed: dict[Key, Ints] = {}
    whole: set[tuple[int | None, ...]] = set()  # what a bill has a line of for all prices
    months: set[tuple[int, int]] = set()
    numbers: dict[int, list[int]] = {}
    for bill in bills:
        numbers.setdefault(bill.premises, []).append(bill.number)
        months.add((bill.premises, bill.month))
        if bill.total_upence != sum(line.cost_upence for line in bill.lines):
            faults.append(
                f"home {bill.premises}, bill {bill.number}: total of {bill.total_upence} {UPENCE} is not that of its lines"
            )
        for line in bill.lines:
            if line.kind in OF_ENERGY:
                price = _price_of_line(line, prices)
                key = bill.premises, line.month, line.fuel, int(line.tariff), line.tariff_version, price
                if price is None:
                    whole.add(key[:5])
                numbers_of_line = np.array([getattr(line, name) for name in _QUANTITIES], np.int64)
                billed[key] = billed.get(key, np.zeros(4, np.int64)) + numbers_of_line
    for premises, held in numbers.items():
        if sorted(held) != list(range(1, len(held) + 1)):
            faults.append(f"home {premises}: bills are numbered {sorted(held)}")
    faults += _standing_faults(bills, prices)
    faults += demand_faults(bills, _demands(days), prices, zone)
    used = {key: sums for key, sums in _used(days, prices, zone).items() if key[:2] in months}
    used, billed = _together(used, whole), _together(billed, whole)
    for key in sorted(billed.keys() | used.keys(), key=lambda one: (one[:5], one[5] or 0)):
        is_billed, is_used = billed.get(key, np.zeros(4, np.int64)), used.get(key, np.zeros(4, np.int64))
        if (is_billed != is_used).any():
            what = "home {}, month {}, fuel {}, tariff {}, version {}".format(*key)
            what += "" if key[5] is None else f", {pence_text(key[5])} p a kWh"
            faults.append(
                f"{what}: {is_billed.tolist()} billed, {is_used.tolist()} used [low, standard, peak Wh, {UPENCE}]"
            )
    return checked("bills add up to the half-hours", len(bills), faults)


def _demands(days: MeterDays) -> SlotDemands:
    """What is known of electricity, slot by slot."""
    rows = np.flatnonzero(days.fuel == ELECTRICITY)
    values = days.values_wh[rows]
    at, slot = np.nonzero((values != MISSING_WH) & (days.slots < days.slot_count[rows, np.newaxis]))
    return SlotDemands(
        premises=days.premises[rows][at],
        start_us=days.day_start_us[rows][at] + slot * days.slot_us,
        watts=values[at, slot].astype(np.int64) * (len(days.slots) // 24),
    )


def _price_of_line(line: Line, prices: Sequence[PriceList]) -> int | None:
    """The one price of an energy line [npence a Wh]; None where it has several, or names what there is not."""
    held = {one.version: one for one in prices}.get(line.tariff_version)
    if line.rate == ALL_RATES or held is None:
        return None
    return price_of(held.plans[line.tariff], line.rate, line.fuel, line.block)


def _together(sums: Mapping[Key, Ints], whole: Container[tuple[int | None, ...]]) -> dict[Key, Ints]:
    """The same with all prices of some (premises, month, fuel, tariff, version) together."""
    added: dict[Key, Ints] = {}
    for key, one in sums.items():
        at: Key = (*key[:5], None) if key[:5] in whole else key
        added[at] = added.get(at, np.zeros(4, np.int64)) + one
    return added


def _used(days: MeterDays, prices: Sequence[PriceList], zone: tzinfo) -> dict[Key, Ints]:
    """What the half-hours come to, by home, local month, fuel, tariff, version and price.

    The month of each half-hour is asked of the zone's own rules, not of `scenarios.calendar`, which bills are divided by.
    """
    slots = days.slots
    start_us = (days.day_start_us[:, np.newaxis] + slots * days.slot_us).ravel()
    index = in_force(prices, start_us)
    assert (index >= 0).all(), "a day before the first price list"
    is_known = ((days.values_wh != MISSING_WH) & (slots < days.slot_count[:, np.newaxis])).ravel()
    known_wh = np.where(is_known, days.values_wh.ravel(), 0).astype(np.int64)
    tariff, fuel = np.repeat(days.tariff, len(slots)), np.repeat(days.fuel, len(slots))
    register, npence, rate = rates_and_prices(prices, index, tariff, fuel, start_us, zone, days.slot_us)
    instants, of_slot = np.unique(start_us, return_inverse=True)
    local = [datetime.fromtimestamp(one // 1_000_000, zone) for one in instants.tolist()]
    month = np.array([one.year * 100 + one.month for one in local], np.int64)[of_slot]
    version = np.array([one.version for one in prices], np.int64)[index]
    columns = [np.repeat(days.premises, len(slots)), month, fuel, tariff.astype(np.int64), version]
    with_blocks = sorted({code for one in prices for code, plan in enumerate(one.plans) if plan.blocks})
    counts = np.isin(tariff, with_blocks)
    plain = np.flatnonzero(is_known & ~counts)
    pieces: list[tuple[int, int, int]] = []
    used_today: dict[tuple[int, int, date], int] = {}
    counted = np.flatnonzero(is_known & counts)
    for at in counted[np.argsort(start_us[counted], kind="stable")].tolist():
        today = int(columns[0][at]), int(fuel[at]), local[of_slot[at]].date()
        before_wh, used_wh = used_today.get(today, 0), int(known_wh[at])
        plan = prices[int(index[at])].plans[int(tariff[at])]
        pieces += [(at, *one) for one in by_price(plan, int(rate[at]), int(fuel[at]), before_wh, used_wh)]
        used_today[today] = before_wh + used_wh
    told = np.stack([plain, npence[plain], known_wh[plain]], axis=1)
    told = np.concatenate([told, np.array(pieces, np.int64).reshape(-1, 3)])
    of_rows, wh = told[:, 0], told[:, 2]
    keys, registers = np.stack([*(one[of_rows] for one in columns), told[:, 1]], axis=1), register[of_rows]
    cost = _whole(wh * keys[:, 5], NPENCE_A_UPENCE)
    quantities = np.stack([*(np.where(registers == one, wh, 0) for one in Register), cost], axis=-1)
    unique, which = np.unique(keys, axis=0, return_inverse=True)
    added = np.zeros((len(unique), 4), np.int64)
    np.add.at(added, which.ravel(), quantities)
    return {
        (key[0], key[1], key[2], key[3], key[4], key[5]): row for key, row in zip(unique.tolist(), added, strict=True)
    }


def check_local_days(told_wh: Mapping[tuple[int, int, int], int], days: MeterDays, zone: tzinfo) -> Checked:
    """Is the use that a customer is told of each day that of the half-hours that begin on it by the clock on the wall?

    told_wh: (premises, fuel, local day as yyyymmdd) -> Wh. The day of each half-hour is asked of the zone's own rules. Of a day
    of which no half-hour has come nothing may be told.
    """
    start_us = days.day_start_us[:, np.newaxis] + days.slots * days.slot_us
    instants, of_slot = np.unique(start_us, return_inverse=True)
    local = [datetime.fromtimestamp(one // 1_000_000, zone) for one in instants.tolist()]
    day = np.array([(one.year * 100 + one.month) * 100 + one.day for one in local], np.int64)[
        of_slot.reshape(start_us.shape)
    ]
    has_come = days.slots < days.slot_count[:, np.newaxis]
    used_wh: dict[tuple[int, int, int], int] = {}
    for at, (home, fuel) in enumerate(zip(days.premises.tolist(), days.fuel.tolist(), strict=True)):
        for of_day in np.unique(day[at][has_come[at]]).tolist():
            is_of = has_come[at] & (day[at] == of_day) & (days.values_wh[at] != MISSING_WH)
            key = home, fuel, of_day
            used_wh[key] = used_wh.get(key, 0) + int(days.values_wh[at][is_of].sum())
    faults = (
        f"home {home}, fuel {fuel}, {of_day // 10_000}-{of_day // 100 % 100:02d}-{of_day % 100:02d}: "
        f"{_wh(told_wh.get((home, fuel, of_day)))} told, {_wh(used_wh.get((home, fuel, of_day)))} used"
        for home, fuel, of_day in sorted(told_wh.keys() | used_wh.keys())
        if told_wh.get((home, fuel, of_day)) != used_wh.get((home, fuel, of_day))
    )
    return checked("a customer's days are those of the clock on the wall", len(used_wh), faults)


def _wh(value: int | None) -> str:
    return "nothing" if value is None else f"{value:,} Wh"


def _standing_faults(bills: Sequence[Bill], prices: Sequence[PriceList]) -> list[str]:
    """Each day's standing charge is on one bill unless it was given back, and costs what its version says."""
    by_version = {one.version: one for one in prices}
    holder: dict[tuple[int, int, int, int], int] = {}  # (premises, month, fuel, day) -> bill
    faults = []
    for bill in sorted(bills, key=lambda one: (one.premises, one.number)):
        for line in bill.lines:
            if line.kind is not LineKind.STANDING:
                continue
            where = f"home {bill.premises}, bill {bill.number}, standing charge of {line.month}, fuel {line.fuel}"
            if not 1 <= line.first_day <= line.first_day + abs(line.days) - 1 <= _days_in(line.month):
                faults.append(f"{where}: {line.days} days from day {line.first_day}")
            for day in range(line.first_day, line.first_day + abs(line.days)):
                key = bill.premises, line.month, line.fuel, day
                if line.days < 0 and holder.pop(key, None) is None:
                    faults.append(f"{where}: day {day} is given back, and no bill had it")
                elif line.days > 0 and key in holder:
                    faults.append(f"{where}: bill {holder[key]} had day {day} already")
                elif line.days > 0:
                    holder[key] = bill.number
            held = by_version.get(line.tariff_version)
            if held is None or line.cost_upence != line.days * held.standing_of(line.tariff, line.fuel):
                faults.append(
                    f"{where}: {line.cost_upence} {UPENCE} for {line.days} days of version {line.tariff_version}"
                )
    return faults


def _days_in(month: int) -> int:
    first = np.datetime64(f"{month // 100:04d}-{month % 100:02d}", "M")
    return int(((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64))


def _whole(parts: Ints, of: int) -> Ints:
    """parts / of, rounded half to even."""
    nearest: Ints = (parts + of // 2) // of
    is_half = (parts + of // 2) % of == 0
    return np.where(is_half & (nearest % 2 == 1), nearest - 1, nearest)


# -- views ---------------------------------------------------------------------------------------------------------------------


def check_views(view: str, row_count: int, differences: Iterable[Difference], zone: tzinfo) -> Checked:
    """Is a view what its log folds to?

    row_count: rows of the fold; differences: as `store.readings.verify` tells them; zone: the customers'.
    """

    def where(one: Difference) -> str:
        if one.found is None:
            return "not in the view"
        return "not in the log" if one.expected is None else "differs"

    faults = (
        f"{_told(one.key, zone)}: {where(one)}, expected {_told(one.expected, zone)}, found {_told(one.found, zone)}"
        for one in differences
    )
    return checked(f"{view} is what its event log comes to", row_count, faults)


INSTANTS = (
    "interval_start",
    "through",
    "read_through",
    "received_at",
)  # columns of instants, as the tables have them [ms]


def _told(columns: Mapping[str, Any] | None, zone: tzinfo) -> str:
    """Columns of a row as a person would write them."""
    if columns is None:
        return "no row"
    texts = (
        f"{name}={local_text(value * 1_000, zone) if name in INSTANTS and isinstance(value, int) else value}"
        for name, value in columns.items()
    )
    return ", ".join(texts)
