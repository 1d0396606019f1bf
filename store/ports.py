"""What the store does, whatever holds it. `store.memory` is the model; `store.cassandra` is the real thing."""

from dataclasses import dataclass
from typing import Protocol

from store.rows import Readings


class StoreError(Exception):
    """The other side refused or could not do it; the message names the table and the consistency level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One delivery in the event log; instants in us since the Unix epoch."""

    interval_start_us: int
    revision: int
    received_at_us: int
    source: int
    quality: int
    register_wh: int
    values_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRun:
    """Consecutive half-hours from `interval_start_us` [us since the Unix epoch]."""

    interval_start_us: int
    revision: int
    quality: int
    values_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """Use of one fuel on one UTC day of the month, up to `through_us`."""

    day: int
    fuel: int
    usage_wh: int
    through_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """The latest that is known of a meter."""

    register_wh: int
    read_through_us: int
    received_at_us: int


class ReadingStore(Protocol):
    """Readings go in once, under every key that a query needs; each query touches one partition."""

    def append(self, readings: Readings) -> None:
        """Write each delivery to the log and to every view. Repeating it changes nothing. Raises StoreError."""

    def events(self, mpxn: int, month: int) -> list[Event]:
        """The log of one meter and month (yyyymm), by interval start, then revision."""

    def intervals(self, mpxn: int, day_start_us: int) -> list[IntervalRun]:
        """The runs that start on the UTC day that begins at `day_start_us`, in time order, latest revision each."""

    def usage(self, premises: int, month: int) -> list[DayUsage]:
        """What the premises used, by day and fuel."""

    def state(self, mpxn: int) -> MeterState | None:
        """None for a meter of which nothing was ever received."""
