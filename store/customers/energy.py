"""What a home's use comes to by the customer's days: the billing view's parts of days, divided where a bill needs them divided.

The view has UTC days, each divided at the local midnight within it. A part is taken as it is where nothing changes within it;
where a local month of another calendar, a period of supply, a tariff or a price list begins within it, its half-hours are read
and each piece is priced by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY
from store.customers.bills import DayEnergy, TariffOn
from store.ports import BilledPart, IntervalRun
from store.rows import month_of_us
from store.tariffs import MISSING_WH, PriceList, day_totals


class BillingViews(Protocol):
    """The part of `store.ports.ReadingStore` that is billed from."""

    def billed_parts(self, premises: int, month: int) -> list[BilledPart]: ...
    def billed_parts_of_day(self, premises: int, day_start_us: int) -> list[BilledPart]: ...
    def intervals(self, premises: int, fuel: int, day_start_us: int) -> list[IntervalRun]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """By what a home's use is priced and put into days."""

    prices: Sequence[PriceList]
    tariff_on: TariffOn
    calendar: Calendar


def energy_of_span(
    views: BillingViews, premises: int, *, from_us: int, before_us: int, cuts_us: Iterable[int], priced: Priced
) -> list[DayEnergy]:
    """The use of all fuels in a span of local days; no part of it lies on both sides of a cut. Instants in us since 1970.

    The view is read by month, each divided day's half-hours by one query more a fuel. Raises StoreError.
    """
    starts_us = [one.effective_us for one in priced.prices]
    cuts = _in_slots([from_us, before_us, *cuts_us, *starts_us])
    parts = []
    for month in sorted({month_of_us(from_us), month_of_us(before_us - 1)}):
        for part in views.billed_parts(premises, month):
            if part.end_us > from_us and part.start_us < before_us:
                parts += _parts(views, premises, part, cuts, priced)
    return [one for start_us, one in parts if from_us <= start_us < before_us]


def energy_of_today(views: BillingViews, premises: int, now_us: int, priced: Priced) -> list[DayEnergy]:
    """The use of all fuels since local midnight, as far as it is read. Raises StoreError."""
    day = priced.calendar.day_of(now_us)
    from_us, before_us = priced.calendar.day_start_us(day), priced.calendar.day_start_us(day + 1)
    cuts = _in_slots([from_us, before_us])
    parts = []
    for day_us in range(from_us // DAY_US * DAY_US, before_us, DAY_US):
        for part in views.billed_parts_of_day(premises, day_us):
            parts += _parts(views, premises, part, cuts, priced)
    return [one for start_us, one in parts if from_us <= start_us < before_us]


def _in_slots(instants_us: Iterable[int]) -> list[int]:
    """What begins within a half-hour begins with the next one."""
    return sorted({-(-one // SLOT_US) * SLOT_US for one in instants_us})


def _parts(
    views: BillingViews, premises: int, held: BilledPart, cuts: Sequence[int], priced: Priced
) -> list[tuple[int, DayEnergy]]:
    """A part of the view between cuts: when each piece begins [us since the Unix epoch], and what it comes to."""
    inside = [one for one in cuts if held.start_us < one < held.end_us]
    if not inside:
        whole = DayEnergy(
            day=priced.calendar.day_of(held.start_us),
            fuel=held.fuel,
            tariff=priced.tariff_on(held.start_us),
            tariff_version=held.tariff_version,
            low_wh=held.low_wh,
            standard_wh=held.standard_wh,
            peak_wh=held.peak_wh,
            cost_upence=held.cost_upence,
        )
        return [(held.start_us, whole)]
    day_us = held.start_us // DAY_US * DAY_US
    starts = [held.start_us, *inside]
    day_wh = half_hours_of(views.intervals(premises, held.fuel, day_us), day_us)
    slot_us = day_us + np.arange(SLOTS_PER_DAY) * SLOT_US
    piece_of_slot = np.searchsorted(starts, slot_us, side="right") - 1
    piece_of_slot[slot_us >= held.end_us] = len(starts)
    piece = np.arange(len(starts))
    tariffs = [priced.tariff_on(start_us) for start_us in starts]
    totals = day_totals(
        priced.prices,
        day_start_us=np.full(len(starts), day_us, np.int64),
        values_wh=np.where(piece_of_slot == piece[:, np.newaxis], day_wh, MISSING_WH).astype(np.int32),
        slot_count=np.searchsorted(piece_of_slot, piece, side="right"),
        kind=np.array(tariffs, np.uint8),
        fuel=np.full(len(starts), held.fuel, np.int8),
        calendar=priced.calendar,
    )
    # no piece lies on both sides of a local midnight: one of its parts is all of it
    return [
        (
            start_us,
            DayEnergy(
                day=priced.calendar.day_of(start_us),
                fuel=held.fuel,
                tariff=tariffs[at],
                tariff_version=int(max(totals.tariff_version[at], totals.late_tariff_version[at])),
                low_wh=int(totals.low_wh[at] + totals.late_low_wh[at]),
                standard_wh=int(totals.standard_wh[at] + totals.late_standard_wh[at]),
                peak_wh=int(totals.peak_wh[at] + totals.late_peak_wh[at]),
                cost_upence=int(totals.cost_upence[at] + totals.late_cost_upence[at]),
            ),
        )
        for at, start_us in enumerate(starts)
    ]


def half_hours_of(runs: Iterable[IntervalRun], day_us: int) -> NDArray[np.int32]:
    """The half-hours of a UTC day from the interval view: int32[48], MISSING_WH where nothing is known.

    Of two runs the higher revision counts, of equal ones the shorter: as in `store.readings.fold`.
    """
    values = np.full(SLOTS_PER_DAY, MISSING_WH, np.int32)
    for run in sorted(runs, key=lambda one: (one.revision, -one.slot_count)):
        first = (run.interval_start_us - day_us) // SLOT_US
        told = np.array(run.values_wh, np.int32)
        held = values[first : first + len(told)]
        held[told != MISSING_WH] = told[told != MISSING_WH]
    return values
