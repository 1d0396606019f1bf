"""What is known of the meters that a delivery is from: what their homes' logs hold, against which each row is held."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, Quality
from store.ingest.validation import Context, no_context
from store.parsing import Meters
from store.ports import LogEvent
from store.rejections import INSTANT_MAX_US
from store.rows import UNKNOWN_WH, Readings, month_of_us
from store.tariffs import MISSING_WH, Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an ingest needs to know besides the log."""

    meters: Meters
    book: Book  # as the store folds by
    # (premises, fuel) -> when that meter was exchanged, in order [us]; see `store.customers.registers.exchanges_us`
    exchanges_us: Mapping[tuple[int, int], Sequence[int]]


class MeasuredRegister(NamedTuple):
    """A register as it was corrected last, and the instant that it is of."""

    end_us: int
    register_wh: int


class MeterLog(NamedTuple):
    """What the log holds of one meter in a month."""

    registers: list[MeasuredRegister]  # measured ones as they were corrected last, by their end
    register_of: dict[tuple[int, int], int]  # (end, revision) -> [Wh]
    run_of: dict[tuple[int, int, int], tuple[int, ...]]  # (start, slot count, revision) -> [Wh]
    value_of: dict[tuple[int, int], int]  # (half-hour, revision) -> [Wh]
    latest: dict[int, tuple[int, int]]  # half-hour -> (revision, [Wh]) of the highest revision that knows it
    through_us: dict[int, int]  # start of day -> end of the latest delivery about it


Correction = tuple[int, int, int, int]
"""Fuel, start [us], half-hours and revision (from 1) of a row."""


def meter_logs(events: Sequence[LogEvent], slot_us: int, own: Container[Correction] = ()) -> dict[int, MeterLog]:
    """A month of a home's log, by fuel. slot_us: how long a slot is [us].

    own: corrections that are in the delivery itself. They take no register out of the way, whether they are written by now or
    not: what is sent again after a crash is judged as it was the first time.
    """
    meters: dict[int, MeterLog] = defaultdict(lambda: MeterLog([], {}, {}, {}, {}, {}))
    told_last: dict[int, dict[int, tuple[int, bool, int]]] = defaultdict(
        dict
    )  # fuel -> end -> revision, measured, [Wh]
    measured: set[tuple[int, int]] = set()  # (fuel, end) of first deliveries
    for event in events:
        meter = meters[event.fuel]
        end_us = event.interval_start_us + len(event.values_wh) * slot_us
        if event.revision >= 0 and (
            (event.fuel, event.interval_start_us, len(event.values_wh), event.revision) not in own
        ):
            told = event.revision, event.quality == Quality.ACTUAL, event.register_wh
            told_last[event.fuel][end_us] = max(told, told_last[event.fuel].get(end_us, told))
            if event.revision == 0 and event.quality == Quality.ACTUAL:
                measured.add((event.fuel, end_us))
        meter.register_of[end_us, event.revision] = event.register_wh
        meter.run_of[event.interval_start_us, len(event.values_wh), event.revision] = event.values_wh
        for slot, value in enumerate(event.values_wh):
            start_us = event.interval_start_us + slot * slot_us
            if value != MISSING_WH:
                meter.value_of[start_us, event.revision] = value
            note(meter.latest, start_us, event.revision, value)
        if event.values_wh:
            day_us = event.interval_start_us // DAY_US * DAY_US
            meter.through_us[day_us] = max(end_us, meter.through_us.get(day_us, 0))
    for fuel, end_us in measured:
        # a correction takes a register out of the way; it takes its place only where it was measured too
        _, is_actual, register_wh = told_last[fuel][end_us]
        if is_actual and register_wh != UNKNOWN_WH:
            meters[fuel].registers.append(MeasuredRegister(end_us, register_wh))
    for meter in meters.values():
        meter.registers.sort()
    return meters


def corrections_in(readings: Readings, rows: NDArray[np.int64]) -> set[Correction]:
    """The corrections among `rows` of a delivery."""
    corrected = rows[readings.revision[rows] > 0]
    k = readings.values_wh.shape[1]
    columns = (readings.fuel, readings.interval_start_us, readings.revision)
    return {
        (fuel, start_us, k, revision)
        for fuel, start_us, revision in zip(*(column[corrected].tolist() for column in columns), strict=True)
    }


def note(latest: dict[int, tuple[int, int]], start_us: int, revision: int, value: int) -> None:
    """The highest revision counts that knows the half-hour: what a meter has lost stays as it was estimated."""
    if value != MISSING_WH:
        latest[start_us] = max((revision, value), latest.get(start_us, (revision, value)))


def context_of(
    events: Callable[[int, int], Sequence[LogEvent]],
    readings: Readings,
    months: NDArray[np.int32],
    rows: NDArray[np.int64],
    homes: Mapping[tuple[int, int], dict[int, MeterLog]],
    known: Known,
) -> Context:
    """What the log says of each of `rows`; of the others nothing. events: of a home in a month (yyyymm), from the log."""
    (n, k), slot_us = readings.values_wh.shape, readings.slot_us
    empty = no_context(n, k)
    held_wh, held_register_wh = empty.held_wh.copy(), empty.held_register_wh.copy()
    has_run, run_wh = empty.has_run.copy(), empty.run_wh.copy()
    before_wh, before_us, after_wh = empty.before_wh.copy(), empty.before_us.copy(), empty.after_wh.copy()
    meter_number = empty.meter_number.copy()
    start_wh, start_at_us = empty.start_wh.copy(), empty.start_us.copy()
    kind, late_kind = empty.kind.copy(), empty.late_kind.copy()
    if known.book.prices and k:  # asked once for all of a delivery: a keyspace reads each home's choices for it
        day_start_us = readings.interval_start_us[rows] // DAY_US * DAY_US
        kind[rows], late_kind[rows] = known.book.kinds_of_days(readings.premises[rows], day_start_us)
    latest_us = int(readings.received_at_us[rows].max(initial=0))
    others: dict[tuple[int, int], dict[int, MeterLog]] = {}

    def registers_in(premises: int, fuel: int, month: int) -> Sequence[MeasuredRegister]:
        """Of a month that no row is of."""
        key = premises, month
        if key not in others:
            others[key] = homes[key] if key in homes else meter_logs(events(*key), slot_us)
        return others[key][fuel].registers if fuel in others[key] else ()

    for row in rows.tolist():
        premises, fuel, revision = int(readings.premises[row]), int(readings.fuel[row]), int(readings.revision[row])
        start_us, end_us = int(readings.interval_start_us[row]), int(readings.interval_end_us[row])
        month = int(months[row])
        meter = homes[premises, month][fuel]
        for slot in range(k):
            held_wh[row, slot] = meter.value_of.get((start_us + slot * slot_us, revision), MISSING_WH)
        run = meter.run_of.get((start_us, k, revision))
        if run is not None:
            has_run[row], run_wh[row] = True, run
        held_register_wh[row] = meter.register_of.get((end_us, revision), UNKNOWN_WH)
        exchanges = known.exchanges_us.get((premises, fuel), ())
        meter_number[row] = number = bisect_left(
            exchanges, end_us
        )  # a reading that ends at the exchange is the old meter's
        since_us = exchanges[number - 1] if number else -1
        until_us = exchanges[number] if number < len(exchanges) else None
        at = bisect_right(meter.registers, end_us, key=lambda one: one.end_us)
        registers = meter.registers
        if not bisect_right(meter.registers, start_us, key=lambda one: one.end_us):
            registers = [*registers_in(premises, fuel, _month_before(month)), *registers]
        before = _last_register(registers, since_us, end_us)
        start = _last_register(registers, since_us, start_us)
        if before is not None:
            before_us[row], before_wh[row] = before
        if start is not None:
            start_at_us[row], start_wh[row] = start
        later: Sequence[MeasuredRegister] = meter.registers[at:]
        if not later and _has_begun(_month_after(month), latest_us):
            later = registers_in(premises, fuel, _month_after(month))
        if later and (until_us is None or later[0].end_us <= until_us):
            after_wh[row] = later[0].register_wh
    return Context(
        held_wh=held_wh,
        has_run=has_run,
        run_wh=run_wh,
        held_register_wh=held_register_wh,
        before_wh=before_wh,
        before_us=before_us,
        after_wh=after_wh,
        start_wh=start_wh,
        start_us=start_at_us,
        meter_number=meter_number,
        kind=kind,
        late_kind=late_kind,
        priced_from_us=known.book.prices[0].effective_us if known.book.prices else INSTANT_MAX_US + 1,
    )


def _last_register(registers: Sequence[MeasuredRegister], since_us: int, until_us: int) -> MeasuredRegister | None:
    """The last of registers, by their end, that was read after one instant and up to another."""
    at = bisect_right(registers, until_us, key=lambda one: one.end_us)
    return registers[at - 1] if at and registers[at - 1].end_us > since_us else None


def _month_before(month: int) -> int:
    return month - 1 if month % 100 > 1 else month - 89  # 202601 -> 202512


def _month_after(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def _has_begun(month: int, latest_us: int) -> bool:
    """May the log hold anything of a month? The newest reading of all waits for no second look at its home's log.

    latest_us: the latest instant at which a gateway received something; deliveries overtake each other by a day at most.
    """
    return month_of_us(latest_us + DAY_US) >= month
