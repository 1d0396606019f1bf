"""A gateway's delivery into the store: what is good goes to the log and the views, what is not is recorded as rejected.

This is the careful way in, for deliveries from outside: it reads the homes' months before it writes them. A storm's own
deliveries are known to be good and go over the wire engine.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US
from store.ingest.known import Known, MeterLog, context_of, corrections_in, meter_logs, note
from store.ingest.validation import judge, rejections
from store.parsing import Delivery, parse
from store.ports import LogEvent, Rejected
from store.rejections import DETAIL_CHARS_MAX, Reason, Refused, Rejection
from store.rows import UNKNOWN_WH, MeterDay, Readings, month_of
from store.tariffs import MISSING_WH, Book, DayTotals, day_totals

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
class Ingested:
    """What came of a delivery."""

    accepted: Readings
    # half-hours whose register was in doubt, and is told in `rejected`: they are kept without it (UNKNOWN_WH)
    without_register: Readings
    # rows whose register could not be checked: no earlier one of that meter is known in its month and the month before
    unchecked: tuple[int, ...]
    rejected: list[Rejection]
    refolded: tuple[MeterDay, ...]  # days that were corrected, or whose half-hours came late


def ingest(store: ReadingLog, delivery: Delivery, known: Known) -> Ingested:
    """Write what is good of a delivery and record the rest. Repeating it changes nothing.

    A crash between any two writes is healed by sending all of it again: what is in the log already is not refused, and its
    days are folded anew. Half-hours need prices: `known.book` says them, and how long its calendar's slots are, if those are
    quarter-hours. Without a price list each row of half-hours is
    rejected as `before_prices`, and each of a home whose tariff the book doesn't know as `no_tariff`: a keyspace knows that of
    homes that have chosen one, and of no other. Registers alone need no prices.
    Raises StoreError; Refused, before any write, for a delivery of more than DELIVERY_ROWS_MAX rows, or whose columns differ
    in length, or with a day to fold anew that the store can't price.
    """
    if len(delivery.received_at_us) > DELIVERY_ROWS_MAX:
        raise Refused(
            f"a delivery of {len(delivery.received_at_us)} rows: at most {DELIVERY_ROWS_MAX}, send it in parts"
        )
    parsed = parse(delivery, known.meters, known.book.calendar)
    readings = parsed.readings
    is_register_alone = readings.values_wh.shape[1] == 0
    months = month_of(readings.interval_start_us - is_register_alone)
    rows = np.flatnonzero((parsed.reason == Reason.ACCEPTED) | parsed.is_register_odd)
    of_home: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in rows.tolist():
        of_home[int(readings.premises[row]), int(months[row])].append(row)
    homes = {
        key: meter_logs(store.events(*key), readings.slot_us, corrections_in(readings, np.array(own)))
        for key, own in sorted(of_home.items())
    }
    context = context_of(store.events, readings, months, rows, homes, known)
    judged = judge(parsed, context)
    rejected = rejections(parsed, judged)
    is_good, is_in_doubt = np.flatnonzero(judged.reason == Reason.ACCEPTED), np.flatnonzero(judged.keeps_half_hours)
    accepted, in_doubt = select(readings, is_good), select(readings, is_in_doubt)
    without_register = replace(in_doubt, register_wh=np.full(len(in_doubt.mpxn), UNKNOWN_WH))
    days: tuple[MeterDay, ...] = ()
    if is_register_alone:
        store.record_rejected(_as_recorded(rejected))
        store.append_register(accepted)
    else:
        kept = _joined(accepted, without_register)
        is_first = np.flatnonzero(kept.revision == 0)
        first, first_rows = select(kept, is_first), np.append(is_good, is_in_doubt)[is_first]
        kinds = context.kind[first_rows], context.late_kind[first_rows]
        first = replace(first, day=_day_totals(first, kept, homes, known.book, kinds))
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
        slot_us=readings.slot_us,
    )


def _joined(one: Readings, other: Readings) -> Readings:
    """The deliveries of both, without what their days add up to."""
    names = [field.name for field in fields(Readings) if field.name not in ("day", "slot_us")]
    joined = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}
    return Readings(**joined, day=None, slot_us=one.slot_us)


def _day_totals(
    first: Readings,
    accepted: Readings,
    homes: Mapping[tuple[int, int], dict[int, MeterLog]],
    book: Book,
    kinds: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> DayTotals:
    """What each first delivery's day adds up to by then, with what the log holds and what came with it.

    kinds: its tariffs before and from the local midnight within.
    """
    k, slot_us, slots = first.values_wh.shape[1], first.slot_us, book.calendar.slots_per_day
    latest: dict[tuple[int, int], dict[int, tuple[int, int]]] = defaultdict(dict)
    for (premises, _), meters in homes.items():
        for fuel, meter in meters.items():
            latest[premises, fuel] |= meter.latest
    for row in range(len(accepted.mpxn)):
        of_meter = latest[int(accepted.premises[row]), int(accepted.fuel[row])]
        for slot, value in enumerate(accepted.values_wh[row].tolist()):
            start_us = int(accepted.interval_start_us[row]) + slot * slot_us
            note(of_meter, start_us, int(accepted.revision[row]), value)
    day_start_us = first.interval_start_us // DAY_US * DAY_US
    values_wh = np.full((len(first.mpxn), slots), MISSING_WH, np.int32)
    for row in range(len(first.mpxn)):
        of_meter = latest[int(first.premises[row]), int(first.fuel[row])]
        for slot in range(slots):
            _, values_wh[row, slot] = of_meter.get(int(day_start_us[row]) + slot * slot_us, (0, MISSING_WH))
    kind, late_kind = kinds
    return day_totals(
        book.prices,
        day_start_us=day_start_us,
        values_wh=values_wh,
        slot_count=(first.interval_start_us - day_start_us) // slot_us + k,
        kind=kind,
        fuel=first.fuel,
        calendar=book.calendar,
        late_kind=late_kind,
    )


def _to_refold(accepted: Readings, homes: Mapping[tuple[int, int], dict[int, MeterLog]]) -> tuple[MeterDay, ...]:
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
