"""What a home's use comes to by the customer's days: the billing view's parts of days, or half-hours where a bill needs those.

The view has UTC days, each divided at the local midnight within it. A part is taken as it is where nothing changes within it,
and where its three registers tell what each price comes to. Where a local month of another calendar, a period of supply, a tariff
or a price list begins within it, and for tariffs with blocks or with prices that are no whole upence, half-hours are read.
Both say the same: what a meter has lost stays as it was estimated.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US
from scenarios.tariffs import NPENCE_A_UPENCE, Register
from store.billing.by_rate import HalfHoursOf, Priced, SlotSpan, energy_by_rate, spans_between, used_before_wh
from store.billing.charges import DayEnergy
from store.ports import BilledPart, IntervalRun, LogEvent
from store.rows import month_of_us
from store.tariffs import ELECTRICITY, FUEL_CODES, MISSING_WH, PriceList, list_in_force

Run = IntervalRun | LogEvent
RunsOfDays = Mapping[int, Sequence[Run]]
"""Start of a UTC day [us since the Unix epoch] -> its runs of half-hours."""


class BillingViews(Protocol):
    """The part of `store.ports.ReadingStore` that is billed from."""

    def billed_parts(self, premises: int, month: int) -> list[BilledPart]: ...
    def billed_parts_of_day(self, premises: int, day_start_us: int) -> list[BilledPart]: ...
    def intervals(self, premises: int, fuel: int, day_start_us: int) -> list[IntervalRun]: ...
    def intervals_of_month(self, premises: int, fuel: int, month: int) -> list[IntervalRun]: ...
    def events(self, premises: int, month: int) -> list[LogEvent]: ...


def energy_of_span(
    views: BillingViews, premises: int, *, from_us: int, before_us: int, cuts_us: Iterable[int], priced: Priced
) -> list[DayEnergy]:
    """The use of all fuels in a span of local days; no part of it lies on both sides of a cut. Instants in us since 1970.

    The view is read by month; so are half-hours, where they are needed, by one query more a fuel. Raises StoreError.
    """
    starts_us = [one.effective_us for one in priced.prices]
    cuts = _in_slots([from_us, before_us, *cuts_us, *starts_us], priced.calendar)
    by_version = {one.version: one for one in priced.prices}
    whole, divided = list[DayEnergy](), list[SlotSpan]()
    for month in sorted({month_of_us(from_us), month_of_us(before_us - 1)}):
        for part in views.billed_parts(premises, month):
            if part.end_us > from_us and part.start_us < before_us:
                of_lines = _by_lines(part, cuts, priced, by_version)
                if of_lines is None:
                    divided += _spans(part, [one for one in cuts if from_us <= one <= before_us], priced)
                else:
                    whole += of_lines
    spans = [one for one in divided if from_us <= one.start_us < before_us]
    return whole + energy_by_rate(spans, half_hours_by_month(views, premises, priced.calendar), priced)


def energy_of_half_hours(half_hours: HalfHoursOf, *, from_us: int, before_us: int, priced: Priced) -> list[DayEnergy]:
    """The use of all fuels in a span of local days by half-hours alone; no view of days is asked. Instants in us since 1970."""
    spans = [one for fuel in FUEL_CODES for one in spans_between(fuel, from_us, before_us, priced)]
    return energy_by_rate(spans, half_hours, priced)


def energy_of_today(views: BillingViews, premises: int, now_us: int, priced: Priced) -> list[DayEnergy]:
    """The use of all fuels since local midnight, as far as it is read. Raises StoreError."""
    day = priced.calendar.day_of(now_us)
    from_us, before_us = priced.calendar.day_start_us(day), priced.calendar.day_start_us(day + 1)
    cuts = _in_slots([from_us, before_us], priced.calendar)
    all_cuts = _in_slots([from_us, before_us, *(one.effective_us for one in priced.prices)], priced.calendar)
    in_blocks = {code for one in priced.prices for code, plan in enumerate(one.plans) if plan.blocks}
    whole, divided = list[DayEnergy](), list[SlotSpan]()
    for day_us in range(from_us // DAY_US * DAY_US, before_us, DAY_US):
        for part in views.billed_parts_of_day(premises, day_us):
            is_cut = any(part.start_us < one < part.end_us for one in cuts)
            if is_cut or priced.tariff_on(part.start_us) in in_blocks:
                divided += _spans(part, all_cuts, priced)
            elif from_us <= part.start_us < before_us:
                whole.append(_whole(part, priced))
    spans = [one for one in divided if from_us <= one.start_us < before_us]
    return whole + energy_by_rate(spans, half_hours_of_days(views, premises, priced.calendar), priced)


def demand_of_days(half_hours: HalfHoursOf, days: Iterable[int], calendar: Calendar) -> dict[int, int]:
    """The highest mean of a slot of electricity in each of some local days since 1970 [W]: 0 where nothing is known."""
    found = {}
    for day in days:
        from_us, before_us = calendar.day_start_us(day), calendar.day_start_us(day + 1)
        highest_wh = 0
        for day_us in range(from_us // DAY_US * DAY_US, before_us, DAY_US):
            first = max(from_us - day_us, 0) // calendar.slot_us
            end = min(before_us - day_us, DAY_US) // calendar.slot_us
            highest_wh = max(highest_wh, int(half_hours(ELECTRICITY, day_us)[first:end].max(initial=0)))
        found[day] = highest_wh * calendar.slots_per_hour
    return found


def used_today_wh(
    views: BillingViews, premises: int, fuels: Iterable[int], now_us: int, priced: Priced
) -> Mapping[int, int]:
    """What is known of the local day up to the half-hour of an instant, by fuel code: of those whose tariff has blocks [Wh].

    Raises StoreError; Refused before the first price list.
    """
    slot_us = priced.calendar.slot_us
    plan = list_in_force(priced.prices, now_us // slot_us * slot_us).plan(priced.tariff_on(now_us))
    half_hours = half_hours_of_days(views, premises, priced.calendar)
    return {fuel: used_before_wh(fuel, now_us, half_hours, priced.calendar) for fuel in fuels if plan.blocks_of(fuel)}


def _in_slots(instants_us: Iterable[int], calendar: Calendar) -> list[int]:
    """What begins within a slot begins with the next one."""
    slot_us = calendar.slot_us
    return sorted({-(-one // slot_us) * slot_us for one in instants_us})


def half_hours_of_days(views: BillingViews, premises: int, calendar: Calendar) -> HalfHoursOf:
    """A home's half-hours, each day of which is read once."""
    read: dict[tuple[int, int], NDArray[np.int32]] = {}
    logged = _logged_runs(views, premises)

    def half_hours(fuel: int, day_us: int) -> NDArray[np.int32]:
        if (fuel, day_us) not in read:
            runs = views.intervals(premises, fuel, day_us)
            known = logged(fuel, month_of_us(day_us)) if _have_lost(runs) else {day_us: runs}
            read[fuel, day_us] = half_hours_of(known.get(day_us, ()), day_us, calendar)
        return read[fuel, day_us]

    return half_hours


def half_hours_by_month(views: BillingViews, premises: int, calendar: Calendar) -> HalfHoursOf:
    """A home's half-hours, each UTC month of which is read once."""
    read: dict[tuple[int, int], RunsOfDays] = {}
    days: dict[tuple[int, int], NDArray[np.int32]] = {}
    logged = _logged_runs(views, premises)

    def half_hours(fuel: int, day_us: int) -> NDArray[np.int32]:
        month = month_of_us(day_us)
        if (fuel, month) not in read:
            runs = views.intervals_of_month(premises, fuel, month)
            read[fuel, month] = logged(fuel, month) if _have_lost(runs) else _by_day(runs)
        if (fuel, day_us) not in days:
            days[fuel, day_us] = half_hours_of(read[fuel, month].get(day_us, ()), day_us, calendar)
        return days[fuel, day_us]

    return half_hours


def half_hours_of_log(
    events_of: Callable[[int], Iterable[LogEvent]], calendar: Calendar, known_us: int | None = None
) -> HalfHoursOf:
    """A home's half-hours by its log alone, as what was received up to `known_us` has them [us since the Unix epoch].

    events_of: the log of a UTC month (yyyymm), read once each.
    """
    read: dict[int, dict[tuple[int, int], list[LogEvent]]] = {}

    def half_hours(fuel: int, day_us: int) -> NDArray[np.int32]:
        month = month_of_us(day_us)
        if month not in read:
            by_day: dict[tuple[int, int], list[LogEvent]] = {}
            for one in events_of(month):
                if known_us is None or one.received_at_us <= known_us:
                    by_day.setdefault((one.fuel, one.interval_start_us // DAY_US * DAY_US), []).append(one)
            read[month] = by_day
        runs = [one for one in read[month].get((fuel, day_us), ()) if one.slot_count]
        return half_hours_of(runs, day_us, calendar)

    return half_hours


def _have_lost(runs: Iterable[IntervalRun]) -> bool:
    return any(MISSING_WH in run.values_wh for run in runs)


def _by_day(runs: Iterable[Run]) -> RunsOfDays:
    by_day: dict[int, list[Run]] = {}
    for run in runs:
        by_day.setdefault(run.interval_start_us // DAY_US * DAY_US, []).append(run)
    return by_day


def _logged_runs(views: BillingViews, premises: int) -> Callable[[int, int], RunsOfDays]:
    """The runs of a fuel code and UTC month by the log, whose months are read once each.

    The interval view has one revision of a run. Where that has lost a half-hour, the log may know it by an estimate before.
    """
    read: dict[int, list[LogEvent]] = {}

    def runs_of(fuel: int, month: int) -> RunsOfDays:
        if month not in read:
            read[month] = views.events(premises, month)
        return _by_day(one for one in read[month] if one.fuel == fuel)

    return runs_of


def _spans(held: BilledPart, cuts: Sequence[int], priced: Priced) -> list[SlotSpan]:
    """A part of the view between cuts and local midnights."""
    midnight_us = priced.calendar.day_start_us(priced.calendar.day_of(held.end_us - 1))
    inside = {one for one in (*cuts, midnight_us) if held.start_us < one < held.end_us}
    edges = [held.start_us, *sorted(inside), held.end_us]
    return [SlotSpan(held.fuel, start_us, end_us) for start_us, end_us in pairwise(edges)]


def _by_lines(
    held: BilledPart, cuts: Sequence[int], priced: Priced, by_version: Mapping[int, PriceList]
) -> list[DayEnergy] | None:
    """A part of the view by the lines of a bill, or None where only half-hours tell them."""
    at = bisect_right(cuts, held.start_us)
    if at < len(cuts) and cuts[at] < held.end_us:
        return None
    whole = _whole(held, priced)
    if held.tariff_version not in by_version:
        return [whole]
    lines = by_version[held.tariff_version].lines_of(whole.tariff, held.fuel)
    if lines.of_rate is None:
        return [whole]
    if len(set(lines.of_rate)) == 1 and lines.of_register is not None:
        return [replace(whole, rate=lines.of_rate[0])]
    if lines.of_register is None:
        return None
    wh = {Register.LOW: held.low_wh, Register.STANDARD: held.standard_wh, Register.PEAK: held.peak_wh}
    told = [(register, lines.of_register.get(register, (0, 0)), used) for register, used in wh.items() if used]
    by_register = [
        replace(
            whole,
            rate=line,
            low_wh=used if register is Register.LOW else 0,
            standard_wh=used if register is Register.STANDARD else 0,
            peak_wh=used if register is Register.PEAK else 0,
            cost_upence=used * npence // NPENCE_A_UPENCE,
        )
        for register, (line, npence), used in told
    ]
    is_told = sum(one.cost_upence for one in by_register) == held.cost_upence
    return by_register if is_told else None


def _whole(held: BilledPart, priced: Priced) -> DayEnergy:
    return DayEnergy(
        day=priced.calendar.day_of(held.start_us),
        fuel=held.fuel,
        tariff=priced.tariff_on(held.start_us),
        tariff_version=held.tariff_version,
        low_wh=held.low_wh,
        standard_wh=held.standard_wh,
        peak_wh=held.peak_wh,
        cost_upence=held.cost_upence,
    )


def half_hours_of(runs: Iterable[Run], day_us: int, calendar: Calendar = UTC_CALENDAR) -> NDArray[np.int32]:
    """The half-hours of a UTC day from the interval view, or from the log: int32[48], MISSING_WH where nothing is known.

    Of a calendar of quarter-hours those: int32[96].

    Of two runs the higher revision counts, of equal ones the shorter: as in `store.readings.fold`.
    """
    values = np.full(calendar.slots_per_day, MISSING_WH, np.int32)
    for run in sorted(runs, key=lambda one: (one.revision, -one.slot_count)):
        first = (run.interval_start_us - day_us) // calendar.slot_us
        told = np.array(run.values_wh, np.int32)
        held = values[first : first + len(told)]
        held[told != MISSING_WH] = told[told != MISSING_WH]
    return values
