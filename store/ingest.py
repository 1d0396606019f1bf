"""A gateway's delivery into the store: what is good goes to the log and the views, what is not is recorded as rejected.

This is the careful way in, for deliveries from outside: it reads the homes' months before it writes them. A storm's own
deliveries are known to be good and go over the wire engine.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, Quality
from store.parsing import Delivery, Meters, parse
from store.ports import LogEvent, Rejected
from store.readings.fold import Book
from store.rejections import DETAIL_CHARS_MAX, INSTANT_MAX_US, Reason, RefusedRequest, Rejection
from store.rows import UNKNOWN_WH, MeterDay, Readings, month_of, month_of_us
from store.tariffs import MISSING_WH, DayTotals, day_totals
from store.validation import Context, judge, no_context, rejections

DELIVERY_ROWS_MAX = 10_000


class ReadingLog(Protocol):
    """The part of `store.ports.ReadingStore` that readings go in by."""

    def append(self, readings: Readings) -> None: ...
    def append_revision(self, readings: Readings) -> None: ...
    def append_register(self, readings: Readings) -> None: ...
    def refold(self, premises: int, fuel: int, day_start_us: int) -> None: ...
    def check_can_price(self, days: Sequence[MeterDay]) -> None: ...
    def record_rejected(self, rejected: Sequence[Rejected]) -> None: ...
    def events(self, premises: int, month: int) -> list[LogEvent]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an ingest needs to know besides the log."""

    meters: Meters
    book: Book  # as the store folds by
    # (premises, fuel) -> when that meter was exchanged, in order [us]; see `store.customers.registers.exchanges_us`
    exchanges_us: Mapping[tuple[int, int], Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What came of a delivery."""

    accepted: Readings
    # half-hours whose register was in doubt, and is told in `rejected`: they are kept without it (UNKNOWN_WH)
    without_register: Readings
    # rows whose register could not be checked: no earlier one of that meter is known in its month and the month before
    unchecked: tuple[int, ...]
    rejected: list[Rejection]
    refolded: tuple[MeterDay, ...]  # days that were corrected, or whose half-hours came late


class _Register(NamedTuple):
    end_us: int
    register_wh: int


class _Meter(NamedTuple):
    """What the log holds of one meter in a month."""

    registers: list[_Register]  # measured ones as they were corrected last, by their end
    register_of: dict[tuple[int, int], int]  # (end, revision) -> [Wh]
    run_of: dict[tuple[int, int, int], tuple[int, ...]]  # (start, slot count, revision) -> [Wh]
    value_of: dict[tuple[int, int], int]  # (half-hour, revision) -> [Wh]
    latest: dict[int, tuple[int, int]]  # half-hour -> (revision, [Wh]) of the highest revision that knows it
    through_us: dict[int, int]  # start of day -> end of the latest delivery about it


def ingest(store: ReadingLog, delivery: Delivery, known: Known) -> Ingested:
    """Write what is good of a delivery and record the rest. Repeating it changes nothing.

    A crash between any two writes is healed by sending all of it again: what is in the log already is not refused, and its
    days are folded anew. Raises StoreError; Refused, before any write, for a delivery of more than DELIVERY_ROWS_MAX rows, or
    whose columns differ in length, or with a day to fold anew that the store can't price.
    """
    if len(delivery.received_at_us) > DELIVERY_ROWS_MAX:
        raise RefusedRequest(
            f"a delivery of {len(delivery.received_at_us)} rows: at most {DELIVERY_ROWS_MAX}, send it in parts"
        )
    parsed = parse(delivery, known.meters)
    readings = parsed.readings
    is_register_alone = readings.values_wh.shape[1] == 0
    months = month_of(readings.interval_start_us - is_register_alone)
    rows = np.flatnonzero((parsed.reason == Reason.ACCEPTED) | parsed.is_register_odd)
    homes = {
        key: _meters(store.events(*key))
        for key in sorted({(int(readings.premises[row]), int(months[row])) for row in rows})
    }
    judged = judge(parsed, _context(store, readings, months, rows, homes, known))
    rejected = rejections(parsed, judged)
    accepted = select(readings, np.flatnonzero(judged.reason == Reason.ACCEPTED))
    in_doubt = select(readings, np.flatnonzero(judged.keeps_half_hours))
    without_register = replace(in_doubt, register_wh=np.full(len(in_doubt.mpxn), UNKNOWN_WH))
    days: tuple[MeterDay, ...] = ()
    if is_register_alone:
        store.record_rejected(_as_recorded(rejected))
        store.append_register(accepted)
    else:
        kept = _joined(accepted, without_register)
        first = select(kept, np.flatnonzero(kept.revision == 0))
        first = replace(first, day=_day_totals(first, kept, homes, known))
        days = _to_refold(kept, homes)
        store.check_can_price(days)
        store.record_rejected(_as_recorded(rejected))
        store.append(first)
        store.append_revision(select(kept, np.flatnonzero(kept.revision != 0)))
        for day in days:
            store.refold(*day)
    return Ingested(
        accepted=accepted,
        without_register=without_register,
        unchecked=tuple(np.flatnonzero(judged.is_unchecked).tolist()),
        rejected=rejected,
        refolded=days,
    )


def select(readings: Readings, rows: NDArray[np.int64]) -> Readings:
    """Some of the deliveries, without what their days add up to."""
    return Readings(
        mpxn=readings.mpxn[rows],
        premises=readings.premises[rows],
        fuel=readings.fuel[rows],
        interval_start_us=readings.interval_start_us[rows],
        values_wh=readings.values_wh[rows],
        register_wh=readings.register_wh[rows],
        day=None,
        received_at_us=readings.received_at_us[rows],
        revision=readings.revision[rows],
        source=readings.source[rows],
        quality=readings.quality[rows],
    )


def _joined(one: Readings, other: Readings) -> Readings:
    """The deliveries of both, without what their days add up to."""
    names = [field.name for field in fields(Readings) if field.name != "day"]
    return Readings(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}, day=None)


# -- what is known ---------------------------------------------------------------------------------------------------------


def _meters(events: Sequence[LogEvent]) -> dict[int, _Meter]:
    """A month of a home's log, by fuel."""
    meters: dict[int, _Meter] = defaultdict(lambda: _Meter([], {}, {}, {}, {}, {}))
    told_last: dict[int, dict[int, tuple[int, bool, int]]] = defaultdict(
        dict
    )  # fuel -> end -> revision, measured, [Wh]
    measured: set[tuple[int, int]] = set()  # (fuel, end) of first deliveries
    for event in events:
        meter = meters[event.fuel]
        end_us = event.interval_start_us + len(event.values_wh) * SLOT_US
        if event.revision >= 0:
            told = event.revision, event.quality == Quality.ACTUAL, event.register_wh
            told_last[event.fuel][end_us] = max(told, told_last[event.fuel].get(end_us, told))
            if event.revision == 0 and event.quality == Quality.ACTUAL:
                measured.add((event.fuel, end_us))
        meter.register_of[end_us, event.revision] = event.register_wh
        meter.run_of[event.interval_start_us, len(event.values_wh), event.revision] = event.values_wh
        for slot, value in enumerate(event.values_wh):
            start_us = event.interval_start_us + slot * SLOT_US
            if value != MISSING_WH:
                meter.value_of[start_us, event.revision] = value
            _note(meter.latest, start_us, event.revision, value)
        if event.values_wh:
            day_us = event.interval_start_us // DAY_US * DAY_US
            meter.through_us[day_us] = max(end_us, meter.through_us.get(day_us, 0))
    for fuel, end_us in measured:
        # a correction takes a register out of the way; it takes its place only where it was measured too
        _, is_actual, register_wh = told_last[fuel][end_us]
        if is_actual and register_wh != UNKNOWN_WH:
            meters[fuel].registers.append(_Register(end_us, register_wh))
    for meter in meters.values():
        meter.registers.sort()
    return meters


def _note(latest: dict[int, tuple[int, int]], start_us: int, revision: int, value: int) -> None:
    """The highest revision counts that knows the half-hour: what a meter has lost stays as it was estimated."""
    if value != MISSING_WH:
        latest[start_us] = max((revision, value), latest.get(start_us, (revision, value)))


def _context(
    store: ReadingLog,
    readings: Readings,
    months: NDArray[np.int32],
    rows: NDArray[np.int64],
    homes: Mapping[tuple[int, int], dict[int, _Meter]],
    known: Known,
) -> Context:
    """What the log says of each of `rows`; of the others nothing."""
    n, k = readings.values_wh.shape
    empty = no_context(n, k)
    held_wh, held_register_wh = empty.held_wh.copy(), empty.held_register_wh.copy()
    has_run, run_wh = empty.has_run.copy(), empty.run_wh.copy()
    before_wh, before_us, after_wh = empty.before_wh.copy(), empty.before_us.copy(), empty.after_wh.copy()
    meter_number = empty.meter_number.copy()
    start_wh, start_at_us = empty.start_wh.copy(), empty.start_us.copy()
    latest_us = int(readings.received_at_us[rows].max(initial=0))
    others: dict[tuple[int, int], dict[int, _Meter]] = {}

    def registers_in(premises: int, fuel: int, month: int) -> Sequence[_Register]:
        """Of a month that no row is of."""
        key = premises, month
        if key not in others:
            others[key] = homes[key] if key in homes else _meters(store.events(*key))
        return others[key][fuel].registers if fuel in others[key] else ()

    for row in rows.tolist():
        premises, fuel, revision = int(readings.premises[row]), int(readings.fuel[row]), int(readings.revision[row])
        start_us, end_us = int(readings.interval_start_us[row]), int(readings.interval_end_us[row])
        month = int(months[row])
        meter = homes[premises, month][fuel]
        for slot in range(k):
            held_wh[row, slot] = meter.value_of.get((start_us + slot * SLOT_US, revision), MISSING_WH)
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
        later: Sequence[_Register] = meter.registers[at:]
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
        priced_from_us=known.book.prices[0].effective_us if known.book.prices else INSTANT_MAX_US + 1,
    )


def _last_register(registers: Sequence[_Register], since_us: int, until_us: int) -> _Register | None:
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


def _day_totals(
    first: Readings, accepted: Readings, homes: Mapping[tuple[int, int], dict[int, _Meter]], known: Known
) -> DayTotals:
    """What each first delivery's day adds up to by then, with what the log holds and what came with it."""
    k = first.values_wh.shape[1]
    latest: dict[tuple[int, int], dict[int, tuple[int, int]]] = defaultdict(dict)
    for (premises, _), meters in homes.items():
        for fuel, meter in meters.items():
            latest[premises, fuel] |= meter.latest
    for row in range(len(accepted.mpxn)):
        of_meter = latest[int(accepted.premises[row]), int(accepted.fuel[row])]
        for slot, value in enumerate(accepted.values_wh[row].tolist()):
            start_us = int(accepted.interval_start_us[row]) + slot * SLOT_US
            _note(of_meter, start_us, int(accepted.revision[row]), value)
    day_start_us = first.interval_start_us // DAY_US * DAY_US
    values_wh = np.full((len(first.mpxn), SLOTS_PER_DAY), MISSING_WH, np.int32)
    for row in range(len(first.mpxn)):
        of_meter = latest[int(first.premises[row]), int(first.fuel[row])]
        for slot in range(SLOTS_PER_DAY):
            _, values_wh[row, slot] = of_meter.get(int(day_start_us[row]) + slot * SLOT_US, (0, MISSING_WH))
    return day_totals(
        known.book.prices,
        day_start_us=day_start_us,
        values_wh=values_wh,
        slot_count=(first.interval_start_us - day_start_us) // SLOT_US + k,
        kind=known.book.kind_of(first.premises, day_start_us),
        fuel=first.fuel,
    )


def _to_refold(accepted: Readings, homes: Mapping[tuple[int, int], dict[int, _Meter]]) -> tuple[MeterDay, ...]:
    """The days with a correction, or with a delivery that is not the first up to its end: a view keeps what was folded there."""
    through_us = {
        MeterDay(premises, fuel, day_us): end_us
        for (premises, _), meters in homes.items()
        for fuel, meter in meters.items()
        for day_us, end_us in meter.through_us.items()
    }
    days = set()
    for row in range(len(accepted.mpxn)):
        start_us = int(accepted.interval_start_us[row])
        day = MeterDay(int(accepted.premises[row]), int(accepted.fuel[row]), start_us // DAY_US * DAY_US)
        if accepted.revision[row] or accepted.interval_end_us[row] <= through_us.get(day, 0):
            days.add(day)
    return tuple(sorted(days))


def _as_recorded(rejected: Sequence[Rejection]) -> list[Rejected]:
    """One record for each key of the table: rows that it can't tell apart are named in one detail."""
    by_key: dict[tuple[int, int, int, str], list[Rejection]] = defaultdict(list)
    for one in rejected:
        at_us, start_us = one.received_at_us // 1_000 * 1_000, one.interval_start_us // 1_000 * 1_000
        by_key[at_us, one.mpxn, start_us, one.reason.text].append(one)
    return [
        Rejected(
            received_at_us=received_at_us,
            mpxn=mpxn,
            interval_start_us=interval_start_us,
            reason=reason,
            detail=_details(told),
        )
        for (received_at_us, mpxn, interval_start_us, reason), told in by_key.items()
    ]


def _details(told: Sequence[Rejection]) -> str:
    count = f"{len(told)} rows: " if len(told) > 1 else ""
    return (count + "; ".join(f"row {one.row}: {one.detail}" for one in told))[:DETAIL_CHARS_MAX]
