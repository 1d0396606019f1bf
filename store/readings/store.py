"""The reading store over any runner of the schema's statements: the same code for Cassandra and for the model."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import UTC_CALENDAR, Calendar, day_of_its_month, days_of_month
from scenarios.domain import DAY_US, Operation
from store.columns import Column, Page, dicts_of, lists_of
from store.customers.held_book import held_book
from store.operations import AnyOperation, StoreOperation
from store.ports import (
    Alert,
    BilledPart,
    Bulk,
    DayBill,
    DayUsage,
    IntervalRun,
    LogEvent,
    MeterState,
    Rejected,
    Runner,
    TenSeconds,
    Values,
)
from store.readings.fold import check_can_price, check_priced, fold_totals
from store.readings.verify import Difference, Rebuilt, rebuild, verify
from store.roles import TableRole
from store.rows import (
    MeterDay,
    Readings,
    home_columns,
    is_latest_state,
    month_of_us,
    month_start_us,
    reading_columns,
    us_of,
    values_of,
)
from store.tariffs import Book

TICK_US = 10_000_000


class HomeReadings:
    """Implements `store.ports.ReadingStore` on a schema like `home_months`.

    book: by which days are priced; without one each fold asks the keyspace, and refuses what it can't price. Energy needs none.
    calendar: of a store without a book, by which the keyspace's days are divided.
    """

    def __init__(
        self, runner: Runner, bulk: Bulk, book: Book | None = None, *, calendar: Calendar = UTC_CALENDAR
    ) -> None:
        self.runner = runner
        self.bulk = bulk
        self._book = book
        self._calendar = calendar

    @property
    def book(self) -> Book:
        """The book that was given, or what the keyspace holds by now. Raises StoreError."""
        return replace(held_book(self.runner), calendar=self._calendar) if self._book is None else self._book

    @book.setter
    def book(self, book: Book) -> None:
        self._book = book

    @property
    def calendar(self) -> Calendar:
        """The calendar of the book that was given, or the keyspace's."""
        return self._calendar if self._book is None else self._book.calendar

    def append(self, readings: Readings) -> None:
        assert (readings.revision == 0).all(), "a correction goes to append_revision"
        is_latest = is_latest_state(readings)
        others = np.flatnonzero(~is_latest)
        day_us = readings.interval_start_us // DAY_US * DAY_US
        self.check_can_price(
            [MeterDay(int(readings.premises[i]), int(readings.fuel[i]), int(day_us[i])) for i in others]
        )
        self._write(Operation.INGEST_READING, readings, np.flatnonzero(is_latest))
        self._write(Operation.INGEST_REVISION, readings, others)
        for day in {(int(readings.premises[i]), int(readings.fuel[i]), int(day_us[i])) for i in others}:
            self.refold(*day)

    def append_revision(self, readings: Readings) -> None:
        assert (readings.revision != 0).all(), "a first delivery goes to append"
        self._write(Operation.INGEST_REVISION, readings, np.arange(len(readings.mpxn)))

    def append_register(self, readings: Readings) -> None:
        assert readings.values_wh.shape[1] == 0, "half-hours go to append"
        is_latest = is_latest_state(readings)
        self._write(Operation.INGEST_REGISTER, readings, np.flatnonzero(is_latest))
        self._write_log_alone(readings, np.flatnonzero(~is_latest))

    def events(self, premises: int, month: int) -> list[LogEvent]:
        rows = self.runner.run(Operation.READ_EVENTS, {"premises": premises, "month": month})
        return [event_of(row) for row in rows]

    def intervals(self, premises: int, fuel: int, day_start_us: int) -> list[IntervalRun]:
        return self._intervals(self._of_day(premises, fuel, day_start_us))

    def intervals_of_month(self, premises: int, fuel: int, month: int) -> list[IntervalRun]:
        from_us = month_start_us(month)
        before_us = (days_of_month(month)[-1] + 1) * DAY_US
        of_day = self._of_day(premises, fuel, from_us)
        return self._intervals(of_day | {"from": from_us // 1_000, "before": before_us // 1_000})

    def _intervals(self, values: Values) -> list[IntervalRun]:
        rows = self.runner.run(Operation.READ_INTERVALS_DAY, values)
        return [
            IntervalRun(
                interval_start_us=us_of(row.interval_start),
                slot_count=row.slot_count,
                revision=row.revision,
                quality=row.quality,
                values_wh=tuple(row.values_wh),
            )
            for row in rows
        ]

    def usage(self, premises: int, fuel: int, month: int) -> list[DayUsage]:
        requests: list[Values] = [
            {"premises": premises, "month": one, "fuel": fuel} for one in self._utc_months_of(month)
        ]
        found: dict[int, DayUsage] = {}
        for asked, rows in zip(requests, self.runner.run_many(Operation.READ_USAGE_MONTH, requests), strict=True):
            for row in rows:
                through_us = us_of(row.through)
                for start_us, wh in zip(
                    self._part_starts_us(asked["month"], row.day), (row.usage_wh, row.late_usage_wh), strict=False
                ):
                    if start_us < through_us:
                        day = self.calendar.day_of(start_us)
                        before_wh = found[day].usage_wh if day in found else 0
                        found[day] = DayUsage(day=day, fuel=fuel, usage_wh=before_wh + wh, through_us=through_us)
        return [replace(found[day], day=number) for number, day in enumerate(days_of_month(month), 1) if day in found]

    def billing(self, premises: int, month: int) -> list[DayBill]:
        parts = [part for one in self._utc_months_of(month) for part in self.billed_parts(premises, one)]
        return self._by_day(parts, days_of_month(month))

    def today(self, premises: int, now_us: int) -> list[DayBill]:
        day = self.calendar.day_of(now_us)
        from_us, before_us = self.calendar.day_start_us(day), self.calendar.day_start_us(day + 1)
        starts_us = range(from_us // DAY_US * DAY_US, before_us, DAY_US)
        parts = [part for one in starts_us for part in self.billed_parts_of_day(premises, one)]
        return self._by_day(parts, [day])

    def billed_parts(self, premises: int, month: int) -> list[BilledPart]:
        rows = self.runner.run(Operation.READ_BILLING_MONTH, {"premises": premises, "month": month})
        return [part for row in rows for part in _billed_parts(row, self._part_starts_us(month, row.day))]

    def billed_parts_of_day(self, premises: int, day_start_us: int) -> list[BilledPart]:
        values = self._of_day(premises, 0, day_start_us)
        starts_us = self._part_starts_us(int(values["month"]), int(values["day"]))
        return [
            part for row in self.runner.run(Operation.REFRESH_IHD, values) for part in _billed_parts(row, starts_us)
        ]

    def _utc_months_of(self, month: int) -> list[int]:
        """The UTC months that a month of the calendar has a part of: one or two."""
        days = days_of_month(month)
        from_us, before_us = self.calendar.day_start_us(days[0]), self.calendar.day_start_us(days[-1] + 1)
        return sorted({month_of_us(from_us), month_of_us(before_us - 1)})

    def _part_starts_us(self, month: int, day: int) -> list[int]:
        """When the parts of a UTC day begin: 00:00 UTC, and the local midnight within it, if there is one."""
        day_us = month_start_us(month) + (day - 1) * DAY_US
        midnight_us = self.calendar.next_midnight_us(day_us)
        return [day_us] if midnight_us >= day_us + DAY_US else [day_us, midnight_us]

    def _by_day(self, parts: Sequence[BilledPart], days: Sequence[int]) -> list[DayBill]:
        """The parts of local days, added up by day and fuel."""
        found: dict[tuple[int, int], DayBill] = {}
        for part in sorted(parts, key=lambda one: one.start_us):
            day = self.calendar.day_of(part.start_us)
            if day not in days:
                continue
            before = found.get((day, part.fuel))
            found[day, part.fuel] = DayBill(
                day=day_of_its_month(day),
                fuel=part.fuel,
                tariff_version=part.tariff_version,
                low_wh=part.low_wh + (before.low_wh if before else 0),
                standard_wh=part.standard_wh + (before.standard_wh if before else 0),
                peak_wh=part.peak_wh + (before.peak_wh if before else 0),
                cost_upence=part.cost_upence + (before.cost_upence if before else 0),
                through_us=part.through_us,
            )
        return [found[key] for key in sorted(found)]

    def state(self, premises: int, month: int) -> list[MeterState]:
        rows = self.runner.run(Operation.READ_STATE, {"premises": premises, "month": month})
        return [
            MeterState(
                fuel=row.fuel,
                register_wh=row.register_wh,
                read_through_us=us_of(row.read_through),
                received_at_us=us_of(row.received_at),
            )
            for row in rows
        ]

    def append_ten_seconds(self, premises: int, fuel: int, day_start_us: int, ticks: Sequence[TenSeconds]) -> None:
        rows: list[Values] = [
            {
                "premises": premises,
                "epoch_day": day_start_us // DAY_US,
                "fuel": fuel,
                "tick": one.tick,
                "wh": one.wh,
                "write_us": day_start_us + one.tick * TICK_US,
            }
            for one in ticks
        ]
        self.runner.run_many(Operation.INGEST_TEN_SECOND, rows)

    def ten_seconds(self, premises: int, fuel: int, day_start_us: int, first: int, before: int) -> list[TenSeconds]:
        values = {"premises": premises, "epoch_day": day_start_us // DAY_US, "fuel": fuel}
        rows = self.runner.run(Operation.READ_TEN_SECOND, values | {"from": first, "before": before})
        return [TenSeconds(tick=row.tick, wh=row.wh) for row in rows]

    def record_alert(self, premises: int, alert: Alert) -> None:
        values = {
            "premises": premises,
            "month": month_of_us(alert.raised_at_us),
            "raised_at": alert.raised_at_us // 1_000,
            "number": alert.number,
            "received_at": alert.received_at_us // 1_000,
            "write_us": alert.raised_at_us,
        }
        self.runner.run(Operation.RECORD_ALERT, values)

    def alerts(self, premises: int, month: int) -> list[Alert]:
        rows = self.runner.run(Operation.READ_ALERTS, {"premises": premises, "month": month})
        return [
            Alert(raised_at_us=us_of(row.raised_at), number=row.number, received_at_us=us_of(row.received_at))
            for row in rows
        ]

    def record_rejected(self, rejected: Sequence[Rejected]) -> None:
        table = self.runner.schema.table(TableRole.REJECTIONS)
        rows: list[Values] = [
            {
                "epoch_day": one.received_at_us // DAY_US,
                "shard": table.shard_of(one.mpxn),
                "received_at": one.received_at_us // 1_000,
                "mpxn": one.mpxn,
                "interval_start": one.interval_start_us // 1_000,
                "reason": one.reason,
                "detail": one.detail,
                "write_us": one.received_at_us,
            }
            for one in rejected
        ]
        self.runner.run_many(Operation.RECORD_REJECTED, rows)

    def rejected(self, day_start_us: int) -> list[Rejected]:
        table = self.runner.schema.table(TableRole.REJECTIONS)
        shards: list[Values] = [
            {"epoch_day": day_start_us // DAY_US, "shard": shard} for shard in range(table.shard_count)
        ]
        return [
            Rejected(
                received_at_us=us_of(row.received_at),
                mpxn=row.mpxn,
                interval_start_us=us_of(row.interval_start),
                reason=row.reason,
                detail=row.detail,
            )
            for rows in self.runner.run_many(Operation.READ_REJECTED, shards)
            for row in rows
        ]

    def check_can_price(self, days: Sequence[MeterDay]) -> None:
        """Raises Refused where one of days that are to be folded anew can't be priced: before its log is written."""
        if days:
            premises, _, day_start_us = (np.array(column) for column in zip(*days, strict=True))
            check_can_price(self.book, premises, day_start_us)

    def refold(self, premises: int, fuel: int, day_start_us: int) -> None:
        """Fold usage and billing of a UTC day anew from the log, as after a revision. Repeating it changes nothing.

        Raises Refused for a day that can't be priced.
        """
        month = month_of_us(day_start_us)
        rows = self.runner.run(Operation.READ_EVENTS, {"premises": premises, "month": month})
        of_day = [row for row in rows if row.fuel == fuel and 0 <= us_of(row.interval_start) - day_start_us < DAY_US]
        totals = check_priced(fold_totals(log_of(premises, month, of_day), self.book))
        for values in dicts_of(totals):
            self.runner.run(StoreOperation.REFOLD_DAY, values)

    def verify(self, view: str) -> Iterator[Difference]:
        """Where a view differs from the fold of the log, as it is found; memory holds a few pages. Raises StoreError.

        A day of billing that can't be priced is compared by its energy and by how far it goes.
        """
        return verify(self.bulk, self.runner.schema, view, self._book_of(view))

    def rebuild(self, view: str) -> Rebuilt:
        """Fold a view anew from the log and mend every row that differs. Repeating it changes nothing.

        Raises StoreError; Refused when a row is to be written that can't be priced.
        """
        now_us = time.time_ns() // 1_000
        return rebuild(self.bulk, self.runner.schema, (view,), self._book_of(view), now_us)[view]

    def _book_of(self, view: str) -> Book:
        """No other view than billing asks what anything costs, or needs the customers' tables."""
        priced = self.runner.schema.tables_with((TableRole.DAILY_BILLING,))
        return self.book if view in {table.name for table in priced} else Book(prices=(), calendar=self.calendar)

    def _write(self, operation: AnyOperation, readings: Readings, rows: NDArray[np.intp]) -> None:
        assert readings.slot_us == self.calendar.slot_us, (
            f"slots of another length: the keyspace holds {self.calendar.slots_are}"
        )
        if len(rows):
            columns = reading_columns(operation, readings)
            self.runner.run_many(operation, [values_of(columns, i) for i in rows.tolist()])

    def _write_log_alone(self, readings: Readings, rows: NDArray[np.intp]) -> None:
        """Registers that say nothing of a meter's latest state: no view has them."""
        columns = reading_columns(Operation.INGEST_REVISION, readings)
        ordered = rows[np.lexsort((columns["month"][rows], columns["premises"][rows]))]  # partition by partition
        page: dict[str, Column] = {
            name: column[ordered].astype(np.int64) for name, column in columns.items() if name != "values_wh"
        }
        page["values_wh"] = lists_of([()] * len(ordered))
        if len(ordered):
            self.bulk.insert(self.runner.schema.table(TableRole.EVENT_LOG), page)

    def _of_day(self, premises: int, fuel: int, day_start_us: int) -> dict[str, Any]:
        columns = home_columns(np.array([premises]), np.array([fuel], np.int8), np.array([day_start_us]))
        return values_of(columns, 0)


def log_of(premises: int, month: int, rows: Sequence[Any]) -> Page:
    """Rows of one partition of the log, as READ_EVENTS gives them, as the columns that a fold takes."""
    n = len(rows)
    page: dict[str, Column] = {
        name: np.array([getattr(row, name) for row in rows], np.int64).reshape(n)
        for name in ("fuel", "slot_count", "revision", "mpxn", "source", "quality", "register_wh")
    }
    for name in ("interval_start", "received_at"):
        page[name] = np.array([us_of(getattr(row, name)) // 1_000 for row in rows], np.int64).reshape(n)
    page |= {"premises": np.full(n, premises), "month": np.full(n, month)}
    return page | {"values_wh": lists_of([row.values_wh for row in rows])}


def event_of(row: Any) -> LogEvent:
    """A row of the log."""
    return LogEvent(
        fuel=row.fuel,
        interval_start_us=us_of(row.interval_start),
        slot_count=row.slot_count,
        revision=row.revision,
        mpxn=row.mpxn,
        received_at_us=us_of(row.received_at),
        source=row.source,
        quality=row.quality,
        register_wh=row.register_wh,
        values_wh=tuple(row.values_wh),
    )


def _billed_parts(row: Any, starts_us: Sequence[int]) -> Iterator[BilledPart]:
    """The parts of a row of billing of which something is known, as `starts_us` divide its UTC day."""
    through_us, day_end_us = us_of(row.through), starts_us[0] + DAY_US
    ends_us = [*starts_us[1:], day_end_us]
    for name, start_us, end_us in zip(("", "late_"), starts_us, ends_us, strict=False):
        if start_us < through_us:
            yield BilledPart(
                start_us=start_us,
                end_us=end_us,
                fuel=row.fuel,
                tariff_version=getattr(row, f"{name}tariff_version"),
                low_wh=getattr(row, f"{name}low_wh"),
                standard_wh=getattr(row, f"{name}standard_wh"),
                peak_wh=getattr(row, f"{name}peak_wh"),
                cost_upence=getattr(row, f"{name}cost_upence"),
                through_us=min(through_us, end_us),
            )
