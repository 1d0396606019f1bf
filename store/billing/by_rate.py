"""What half-hours come to by rate and block: for bills with a line for each price, and for tariffs with blocks. Pure, on columns.

A block counts what a home has used of the fuel since the local midnight, half-hour by half-hour in their order; a half-hour that
nobody knows counts nothing. One in which a block ends is two pieces, each rounded by itself to a whole millionth of a penny.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from scenarios.tariffs import BLOCK_WH_MAX, Register
from store.billing.charges import DayEnergy, TariffOn
from store.billing.records import ALL_RATES
from store.tariffs import MISSING_WH, NO_PRICES, PriceList, in_force, rates_of_day, whole_upence

HalfHoursOf = Callable[[int, int], NDArray[np.int32]]
"""The half-hours of a fuel code and UTC day [us since the Unix epoch]: int32[48], MISSING_WH where nothing is known.

Of a calendar of quarter-hours those, int32[96]: what is called a half-hour here is the calendar's slot.
"""

_NEVER_WH = 1_000 * BLOCK_WH_MAX  # no home uses as much in a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """By what a home's use is priced and put into days."""

    prices: Sequence[PriceList]
    tariff_on: TariffOn
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class SlotSpan:
    """Half-hours of one UTC day, local day, tariff and price list. Instants in us since the Unix epoch."""

    fuel: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class _Slots:
    """What the slots of n spans come to, each span's in its row; 0 outside of it."""

    held: list[PriceList | None]  # [n]
    tariffs: list[int]  # [n]
    is_known: NDArray[np.bool_]  # [n, slots] is it of the span, and read?
    rate: NDArray[np.int64]  # [n, slots]
    line: NDArray[np.int64]  # [n, slots] the rate that a bill's line names
    register: NDArray[np.int64]  # [n, slots]
    npence: NDArray[np.int64]  # [n, slots, blocks] a Wh
    block_wh: NDArray[np.int64]  # [n, slots, blocks]
    cost_upence: NDArray[np.int64]  # [n, slots, blocks]


def cost_of_slots(spans: Sequence[SlotSpan], half_hours: HalfHoursOf, priced: Priced) -> NDArray[np.int64]:
    """What each slot costs, of the UTC day of each span: int64[n, 48], or 96 [upence]; 0 outside of the span."""
    if not spans:
        return np.zeros((0, priced.calendar.slots_per_day), np.int64)
    cost: NDArray[np.int64] = _priced_slots(spans, half_hours, priced).cost_upence.sum(axis=2)
    return cost


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCharge:
    """What a slot comes to, or the part of it that is in one block: energy, price and cost."""

    start_us: int  # of the slot [us since the Unix epoch]
    tariff: int  # its code
    tariff_version: int
    rate: int  # its place among the tariff's
    block: int
    wh: int
    npence_per_wh: int
    cost_upence: int


def charges_of_slots(spans: Sequence[SlotSpan], half_hours: HalfHoursOf, priced: Priced) -> list[SlotCharge]:
    """What the slots of spans come to one by one, in the order of the spans: those that are read, and have a price."""
    if not spans:
        return []
    slots = _priced_slots(spans, half_hours, priced)
    found = []
    for at, slot in np.argwhere(slots.is_known).tolist():
        of_list = slots.held[at]
        if of_list is None:
            continue
        blocks = np.flatnonzero(slots.block_wh[at, slot]).tolist() or [0]
        found += [
            SlotCharge(
                start_us=spans[at].start_us // DAY_US * DAY_US + slot * priced.calendar.slot_us,
                tariff=slots.tariffs[at],
                tariff_version=of_list.version,
                rate=int(slots.rate[at, slot]),
                block=block,
                wh=int(slots.block_wh[at, slot, block]),
                npence_per_wh=int(slots.npence[at, slot, block]),
                cost_upence=int(slots.cost_upence[at, slot, block]),
            )
            for block in blocks
        ]
    return found


def spans_between(fuel: int, from_us: int, before_us: int, priced: Priced) -> list[SlotSpan]:
    """A fuel's spans, each of one UTC day, local day, tariff and price list, that make up the time from one slot to another."""
    calendar = priced.calendar
    days = range(from_us // DAY_US * DAY_US, before_us, DAY_US)
    # tariffs begin at local midnights, as choices do; price lists at any instant, and so with the next slot
    cuts = {calendar.day_start_us(calendar.day_of(day_us) + after) for day_us in days for after in (0, 1)}
    cuts |= {-(-one.effective_us // calendar.slot_us) * calendar.slot_us for one in priced.prices}
    edges = sorted({from_us, before_us, *days[1:], *(one for one in cuts if from_us < one < before_us)})
    return [SlotSpan(fuel, start_us, end_us) for start_us, end_us in pairwise(edges)]


def energy_by_rate(spans: Sequence[SlotSpan], half_hours: HalfHoursOf, priced: Priced) -> list[DayEnergy]:
    """What each span comes to, by rate and block: those in which something was used."""
    if not spans:
        return []
    slots = _priced_slots(spans, half_hours, priced)
    n, _, blocks_max = slots.block_wh.shape
    rates_max = 1 + int(slots.line.max())
    used_wh = np.zeros((n, rates_max, blocks_max, len(Register)), np.int64)
    cost = np.zeros((n, rates_max, blocks_max), np.int64)
    row, block_at = np.arange(n)[:, np.newaxis, np.newaxis], np.arange(blocks_max)
    line = slots.line[:, :, np.newaxis]
    np.add.at(used_wh, (row, line, block_at, slots.register[:, :, np.newaxis]), slots.block_wh)
    np.add.at(cost, (row, line, block_at), slots.cost_upence)
    found = []
    for at, of_rate, block in np.argwhere(used_wh.any(axis=3)).tolist():
        of_list, tariff = slots.held[at], slots.tariffs[at]
        is_told = of_list is not None and of_list.lines_of(tariff, spans[at].fuel).of_rate is not None
        low_wh, standard_wh, peak_wh = used_wh[at, of_rate, block].tolist()
        found.append(
            DayEnergy(
                day=priced.calendar.day_of(spans[at].start_us),
                fuel=spans[at].fuel,
                tariff=tariff,
                tariff_version=NO_PRICES if of_list is None else of_list.version,
                low_wh=low_wh,
                standard_wh=standard_wh,
                peak_wh=peak_wh,
                cost_upence=int(cost[at, of_rate, block]),
                rate=of_rate if is_told else ALL_RATES,
                block=block,
            )
        )
    return found


def _priced_slots(spans: Sequence[SlotSpan], half_hours: HalfHoursOf, priced: Priced) -> _Slots:
    index = in_force(priced.prices, np.array([one.start_us for one in spans], np.int64)).tolist()
    tariffs = [priced.tariff_on(one.start_us) for one in spans]
    held = [priced.prices[at] if at >= 0 else None for at in index]
    plans = [None if one is None else one.plan(code) for one, code in zip(held, tariffs, strict=True)]
    blocks_max = 1 + max((len(plan.blocks) for plan in plans if plan), default=0)
    n, slots, slot_us = len(spans), priced.calendar.slots_per_day, priced.calendar.slot_us
    known_wh, is_known = np.zeros((n, slots), np.int64), np.zeros((n, slots), np.bool_)
    rate, line = np.zeros((n, slots), np.int64), np.zeros((n, slots), np.int64)
    register = np.full((n, slots), Register.STANDARD, np.int64)
    npence = np.zeros((n, slots, blocks_max), np.int64)
    from_wh = np.full((n, blocks_max + 1), _NEVER_WH, np.int64)  # where each block begins
    from_wh[:, 0] = 0
    before_wh = np.zeros(n, np.int64)
    for at, (span, of_list, plan, code) in enumerate(zip(spans, held, plans, tariffs, strict=True)):
        day_us = span.start_us // DAY_US * DAY_US
        first, end = (span.start_us - day_us) // slot_us, (span.end_us - day_us) // slot_us
        told_wh = half_hours(span.fuel, day_us)[first:end]
        is_known[at, first:end] = told_wh != MISSING_WH
        known_wh[at, first:end] = np.maximum(told_wh, 0)
        if of_list is None or plan is None:
            continue
        rate[at] = rates_of_day(plan, priced.calendar, day_us)
        register[at] = of_list.registers[code][rate[at]]
        lines = of_list.lines_of(code, span.fuel).of_rate
        line[at] = 0 if lines is None else np.array(lines, np.int64)[rate[at]]
        blocks = plan.blocks_of(span.fuel)
        npence[at, :, 0] = of_list.npence_per_wh[code][span.fuel, rate[at]]
        for number, block in enumerate(blocks, 1):
            npence[at, :, number] = np.array(block.npence_per_wh, np.int64)[rate[at]]
            from_wh[at, number] = block.above_wh
        if blocks:
            before_wh[at] = used_before_wh(span.fuel, span.start_us, half_hours, priced.calendar)
    after_wh = before_wh[:, np.newaxis] + np.cumsum(known_wh, axis=1)
    reached = np.clip(after_wh[:, :, np.newaxis] - from_wh[:, np.newaxis], 0, None)  # [n, slots, blocks + 1]
    began = np.clip((after_wh - known_wh)[:, :, np.newaxis] - from_wh[:, np.newaxis], 0, None)
    beyond_wh = reached - began  # of each half-hour, of where each block begins
    block_wh = beyond_wh[:, :, :-1] - beyond_wh[:, :, 1:]
    return _Slots(
        held=held,
        tariffs=tariffs,
        is_known=is_known,
        rate=rate,
        line=line,
        register=register,
        npence=npence,
        block_wh=block_wh,
        cost_upence=whole_upence(block_wh * npence),
    )


def used_before_wh(fuel: int, instant_us: int, half_hours: HalfHoursOf, calendar: Calendar) -> int:
    """What is known of a local day up to the half-hour that an instant [us since the Unix epoch] lies in [Wh]."""
    slot_us = calendar.slot_us
    until_us = instant_us // slot_us * slot_us
    from_us = calendar.day_start_us(calendar.day_of(until_us))
    used = 0
    for day_us in range(from_us // DAY_US * DAY_US, until_us, DAY_US):
        first, end = max(from_us - day_us, 0) // slot_us, min(until_us - day_us, DAY_US) // slot_us
        used += int(np.maximum(half_hours(fuel, day_us)[first:end], 0).sum())
    return used
