"""What the store says and is asked, whatever holds it: the records of readings and views, and two seams.

`Runner` runs a schema's statements, `Bulk` reads and mends whole tables: on Cassandra `store.cassandra.session` and
`store.cassandra.bulk`, on dictionaries `store.memory`. `ReadingStore` is what the platform calls.
Instants are us since the Unix epoch, of whole milliseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scenarios.calendar import Calendar
from store.columns import Page, Piece
from store.operations import AnyOperation
from store.rows import Readings
from store.tables import Schema, Table


class StoreError(Exception):
    """The other side refused or could not do it; the message names the table and the consistency level."""


Values = Mapping[str, Any]
"""Bind name -> Python value; an instant is an int [ms since the Unix epoch], as on the wire."""


class Runner(Protocol):
    """Runs the statements of one schema, one partition each."""

    @property
    def schema(self) -> Schema: ...

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        """All rows of the answer, with an attribute a column. Raises StoreError."""

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        """The answers to many requests, in their order, with a bounded number in flight. Raises StoreError at a failure."""


class Bulk(Protocol):
    """Whole tables, for maintenance: read piece by piece, mended by many rows at a time. All raise StoreError."""

    def pieces(self) -> Sequence[Piece]:
        """The ring in pieces that don't overlap."""

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        """The rows of a piece, in the order of the partitions' tokens, which is the same for every table of one key.

        with_times: each row has `held_us` too, the greatest write time over all its cells [us], columns that are not asked
        for included; NULL for a row that has a key and nothing else.
        """

    def insert(self, table: Table, rows: Page) -> None:
        """Write rows that have every column of the table, and the timestamp of each as `write_us`."""

    def delete(self, table: Table, rows: Page) -> None:
        """Remove the rows that have the primary keys of `rows`, as written up to `write_us`."""


class Slices(Protocol):
    """Parts of many partitions, for who knows which rows are wanted. Raises StoreError."""

    def slices(self, table: Table, columns: Sequence[str], asked: Page) -> Iterator[Page]:
        """The rows of parts of partitions, a page each, in their order; each row has its token.

        asked: a row each, with the values of the first columns of the primary key, and `from` and `before` of the next one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One delivery in the event log."""

    fuel: int
    interval_start_us: int
    slot_count: int  # 0: a register alone
    revision: int
    mpxn: int
    received_at_us: int
    source: int
    quality: int
    register_wh: int
    values_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRun:
    """Consecutive half-hours from `interval_start_us`, as their latest revision has them."""

    interval_start_us: int
    slot_count: int
    revision: int
    quality: int
    values_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """Use of one fuel on one day of a month of the customer's calendar, up to `through_us`."""

    day: int
    fuel: int
    usage_wh: int
    through_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBill:
    """What one fuel's use of one day of the customer's calendar is billed as; without the standing charge."""

    day: int  # of the month
    fuel: int
    tariff_version: int  # in force at the start of the last half-hour
    low_wh: int
    standard_wh: int
    peak_wh: int
    cost_upence: int
    through_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPart:
    """The part of a UTC day that lies before the local midnight within it, or from it on: what one fuel's use is billed as."""

    start_us: int
    end_us: int  # the local midnight, or the end of the UTC day
    fuel: int
    tariff_version: int  # in force at the start of the last half-hour
    low_wh: int
    standard_wh: int
    peak_wh: int
    cost_upence: int
    through_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """The latest that is known of a meter in a month."""

    fuel: int
    register_wh: int
    read_through_us: int
    received_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TenSeconds:
    """Consumption within 10 s; `tick` counts them from 00:00 UTC."""

    tick: int
    wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert of a device of the home; `number` tells apart what one instant raised."""

    raised_at_us: int
    number: int
    received_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A reading that was refused, and why."""

    received_at_us: int
    mpxn: int
    interval_start_us: int
    reason: str
    detail: str


class ReadingStore(Protocol):
    """Readings go in once, under every key that a query needs; each query touches one partition. All raise StoreError."""

    def append(self, readings: Readings) -> None:
        """First deliveries (revision 0): the log and every view of the home, together. Repeating it changes nothing."""

    def append_revision(self, readings: Readings) -> None:
        """Estimates and corrections: the log and the intervals; `refold` then mends the day."""

    def append_register(self, readings: Readings) -> None:
        """Registers alone (k = 0): the log and the latest state."""

    def events(self, premises: int, month: int) -> list[LogEvent]:
        """The log of a home and UTC month (yyyymm), by fuel, interval start, slot count, revision."""

    def intervals(self, premises: int, fuel: int, day_start_us: int) -> list[IntervalRun]:
        """The runs that start on the UTC day, in time order; a run of one slot corrects the longer one that covers it."""

    def intervals_of_month(self, premises: int, fuel: int, month: int) -> list[IntervalRun]:
        """The same of a whole UTC month (yyyymm)."""

    @property
    def calendar(self) -> Calendar:
        """By which the customers' days are told."""

    def usage(self, premises: int, fuel: int, month: int) -> list[DayUsage]:
        """What the home used of a fuel, by local day of a local month (yyyymm)."""

    def billing(self, premises: int, month: int) -> list[DayBill]:
        """What is billable, by local day of a local month (yyyymm) and fuel."""

    def today(self, premises: int, now_us: int) -> list[DayBill]:
        """What the local day of an instant adds up to so far, by fuel."""

    def billed_parts(self, premises: int, month: int) -> list[BilledPart]:
        """What is billable in a UTC month, divided at the local midnights within its days, by time and fuel."""

    def billed_parts_of_day(self, premises: int, day_start_us: int) -> list[BilledPart]:
        """The same of one UTC day: what a display refreshes."""

    def state(self, premises: int, month: int) -> list[MeterState]:
        """The latest of each meter in a month, by fuel: none for a meter of which nothing came in it."""

    def append_ten_seconds(self, premises: int, fuel: int, day_start_us: int, ticks: Sequence[TenSeconds]) -> None:
        """Repeating it changes nothing."""

    def ten_seconds(self, premises: int, fuel: int, day_start_us: int, first: int, before: int) -> list[TenSeconds]:
        """The ticks from `first` up to but not with `before`."""

    def record_alert(self, premises: int, alert: Alert) -> None: ...

    def alerts(self, premises: int, month: int) -> list[Alert]: ...

    def record_rejected(self, rejected: Sequence[Rejected]) -> None: ...

    def refold(self, premises: int, fuel: int, day_start_us: int) -> None:
        """Fold usage and billing of a UTC day anew from the log, as after a revision. Repeating it changes nothing."""

    def rejected(self, day_start_us: int) -> list[Rejected]:
        """What was refused that was received on a UTC day, by shard and then time."""
