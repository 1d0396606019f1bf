"""The views of a home as folds of its log: what each view must hold, computed from the deliveries alone. Pure.

A half-hour counts once, as the delivery with the highest revision has it; of equal revisions the shorter run wins. What a
meter has lost is no value and wins over none. Of quarter-hours, where the book's calendar says that meters hold those, the
same holds.
Folds take whole partitions as columns, in the table's own order, and give a view's rows with the timestamp that they would
have been written with. What a day costs is NULL where a book has no prices, or does not know the home's tariff: energy needs
neither.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, Quality, TariffKind
from store.columns import NULL, Column, Integers, Page, integers, lists, ranges_of, row_count, starts_of, take
from store.rejections import Refused
from store.roles import TableRole
from store.rows import ESTIMATE_REVISION, REVISION_STEP_US, UNKNOWN_WH, day_of_month, write_us_of
from store.tariffs import MISSING_WH, UNKNOWN_TARIFF, Book, day_totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The slots of n days of meters, as far as the log knows them."""

    premises: Integers  # [n]
    month: Integers
    fuel: Integers
    mpxn: Integers
    start_us: Integers  # 00:00 UTC
    through_us: Integers  # the end of the latest delivery
    knowledge: Integers  # grows with every delivery and revision that is seen
    values_wh: NDArray[np.int32]  # [n, slots of a day], MISSING_WH where nothing is known
    quality: NDArray[np.int8]  # [n, slots of a day], MISSING where nothing is known

    @property
    def write_us(self) -> Integers:
        """A fold that knows more wins over one that knows less, and over the deliveries that it has seen."""
        return self.through_us + self.knowledge * REVISION_STEP_US


DAY_COLUMNS = ("premises", "month", "fuel", "interval_start", "slot_count", "revision", "mpxn", "quality", "values_wh")


def fold_days(log: Page, calendar: Calendar) -> Days:
    """The days of whole partitions of the log (with DAY_COLUMNS), in the order of the log. calendar: how long slots are."""
    slots, slot_us = calendar.slots_per_day, calendar.slot_us
    runs = take(log, integers(log, "slot_count") > 0)
    start_us = integers(runs, "interval_start") * 1_000
    day_us = start_us // DAY_US * DAY_US
    values = lists(runs, "values_wh")
    revision = integers(runs, "revision")
    heads = starts_of(*(integers(runs, name) for name in ("premises", "month", "fuel")), day_us)
    n = len(heads)
    day_of_run = np.repeat(np.arange(n), np.diff(np.append(heads, len(start_us))))
    cell = np.full(n * slots, MISSING_WH, np.int32)
    quality = np.full(n * slots, Quality.MISSING, np.int8)
    order = np.lexsort((-values.length, revision)) if len(heads) < len(start_us) else np.arange(len(start_us))
    ranked = values[order]
    first = day_of_run[order] * slots + (start_us - day_us)[order] // slot_us
    at = ranges_of(first, ranked.length)
    is_known = ranked.flat != MISSING_WH
    cell[at[is_known]] = ranked.flat[is_known]  # of repeated indices the last one holds: the highest in rank
    quality[at[is_known]] = np.repeat(integers(runs, "quality")[order], ranked.length)[is_known]
    whole = take(runs, heads)
    if n == 0:
        through, knowledge = np.zeros(0, np.int64), np.zeros(0, np.int64)
    else:
        through = np.maximum.reduceat(start_us + values.length * slot_us, heads)
        knowledge = np.add.reduceat(1 + revision - ESTIMATE_REVISION, heads)
    return Days(
        premises=integers(whole, "premises"),
        month=integers(whole, "month"),
        fuel=integers(whole, "fuel"),
        mpxn=integers(whole, "mpxn"),
        start_us=day_us[heads],
        through_us=through,
        knowledge=knowledge,
        values_wh=cell.reshape(n, slots),
        quality=quality.reshape(n, slots),
    )


_PART_PRICED = ("tariff_version", "low_wh", "standard_wh", "peak_wh", "cost_upence")
PRICED = (*_PART_PRICED, *(f"late_{name}" for name in _PART_PRICED))
"""The columns of the billing view that need a book: prices, or which rate a half-hour has."""


def fold_usage(log: Page, book: Book) -> Page:
    """Usage of the days of the log: the columns of the view, and `write_us`. Of the book only the calendar is asked."""
    days = fold_days(log, book.calendar)
    known_wh = np.where(days.values_wh == MISSING_WH, 0, days.values_wh).astype(np.int64)
    is_late = np.arange(book.calendar.slots_per_day) >= book.calendar.midnight_slots(days.start_us)[:, np.newaxis]
    late_wh = np.where(is_late, known_wh, 0).sum(axis=1)
    return _keys_of(days) | {
        "usage_wh": known_wh.sum(axis=1) - late_wh,
        "late_usage_wh": late_wh,
        "through": days.through_us // 1_000,
        "write_us": days.write_us,
    }


def fold_totals(log: Page, book: Book) -> Page:
    """Usage and billing of the days of the log: the columns of both views, and `write_us`. PRICED may be NULL."""
    days = fold_days(log, book.calendar)
    kind, late_kind = book.kinds_of_days(days.premises, days.start_us)
    is_priced = (kind != UNKNOWN_TARIFF) & (late_kind != UNKNOWN_TARIFF)
    totals = day_totals(
        book.prices,
        day_start_us=days.start_us,
        values_wh=days.values_wh,
        slot_count=(days.through_us - days.start_us) // book.calendar.slot_us,
        kind=np.where(is_priced, kind, TariffKind.FLAT).astype(np.uint8),
        fuel=days.fuel.astype(np.int8),
        calendar=book.calendar,
        late_kind=np.where(is_priced, late_kind, TariffKind.FLAT).astype(np.uint8),
    )
    columns: dict[str, Column] = {
        name: np.where(is_priced, getattr(totals, name).astype(np.int64), NULL) for name in PRICED
    }
    return (
        _keys_of(days)
        | columns
        | {
            "usage_wh": totals.usage_wh,
            "late_usage_wh": totals.late_usage_wh,
            "through": days.through_us // 1_000,
            "write_us": days.write_us,
        }
    )


def check_priced(totals: Page) -> Page:
    """The same rows of billing. Raises Refused where the book could not price one of them."""
    is_unpriced = integers(totals, "cost_upence") == NULL
    if is_unpriced.any():
        home = int(integers(totals, "premises")[is_unpriced][0])
        raise Refused(
            f"{int(is_unpriced.sum())} days can't be priced, one of home {home}: the keyspace has no price list or no tariff "
            "that the home has chosen by then, and no Book was given that says both"
        )
    return totals


def check_can_price(book: Book, premises: Integers, day_start_us: Integers) -> None:
    """Raises Refused where a book can't price one of n days."""
    kind, late_kind = book.kinds_of_days(premises, day_start_us)
    is_unknown = (kind == UNKNOWN_TARIFF) | (late_kind == UNKNOWN_TARIFF)
    check_priced({"premises": premises, "cost_upence": np.where(is_unknown, NULL, 0)})


def _keys_of(days: Days) -> dict[str, Column]:
    return {
        "premises": days.premises,
        "month": days.month,
        "day": day_of_month(days.start_us).astype(np.int64),
        "fuel": days.fuel,
    }


def fold_intervals(log: Page, book: Book) -> Page:
    """Of each run its latest revision: the columns of the interval view, and `write_us`."""
    runs = take(log, integers(log, "slot_count") > 0)
    heads = starts_of(*(integers(runs, name) for name in ("premises", "month", "fuel", "interval_start", "slot_count")))
    last = np.append(heads[1:], row_count(runs)) - 1 if len(heads) else heads
    names = ("premises", "month", "fuel", "interval_start", "slot_count", "revision", "quality", "values_wh")
    columns: dict[str, Column] = {name: runs[name][last] for name in names}
    end_us = integers(columns, "interval_start") * 1_000 + integers(columns, "slot_count") * book.calendar.slot_us
    columns["write_us"] = write_us_of(end_us, integers(columns, "revision"), integers(columns, "quality"))
    return columns


def fold_latest(log: Page, book: Book) -> Page:
    """Of each meter and month the latest register that it sent: the columns of the latest state, and `write_us`.

    Estimates and corrections, by revision or by quality, say nothing of it, nor does a register in doubt. Of two deliveries
    that end at one instant each column has the larger value, as two writes with one timestamp leave it.
    """
    is_measured = (integers(log, "revision") == 0) & (integers(log, "quality") == Quality.ACTUAL)
    sent = take(log, is_measured & (integers(log, "register_wh") != UNKNOWN_WH))
    end_us = integers(sent, "interval_start") * 1_000 + integers(sent, "slot_count") * book.calendar.slot_us
    heads = starts_of(*(integers(sent, name) for name in ("premises", "month", "fuel")))
    if not len(heads):
        latest_us = np.zeros(0, np.int64)
        is_latest = np.zeros(0, np.bool_)
    else:
        latest_us = np.maximum.reduceat(end_us, heads)
        is_latest = end_us == np.repeat(latest_us, np.diff(np.append(heads, len(end_us))))

    def largest(name: str) -> Integers:
        offered = np.where(is_latest, integers(sent, name), np.iinfo(np.int64).min)
        return np.maximum.reduceat(offered, heads) if len(heads) else np.zeros(0, np.int64)

    return {
        "premises": integers(sent, "premises")[heads],
        "month": integers(sent, "month")[heads],
        "fuel": integers(sent, "fuel")[heads],
        "register_wh": largest("register_wh"),
        "read_through": latest_us // 1_000,
        "received_at": largest("received_at"),
        "write_us": latest_us,
    }


FOLDS: Mapping[TableRole, tuple[tuple[str, ...], Callable[[Page, Book], Page]]] = {
    TableRole.INTERVALS: (
        ("premises", "month", "fuel", "interval_start", "slot_count", "revision", "quality", "values_wh"),
        fold_intervals,
    ),
    TableRole.DAILY_USAGE: (DAY_COLUMNS, fold_usage),
    TableRole.DAILY_BILLING: (DAY_COLUMNS, fold_totals),
    TableRole.LATEST_REGISTER: (
        (
            "premises",
            "month",
            "fuel",
            "interval_start",
            "slot_count",
            "revision",
            "quality",
            "received_at",
            "register_wh",
        ),
        fold_latest,
    ),
}
"""Role of a view -> the columns of the log that its fold needs, and the fold."""
