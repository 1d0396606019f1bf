"""The store as dictionaries: the model that the real one is held against. A cell is won by the highest write timestamp."""

from typing import TypeVar

from scenarios.domain import DAY_US
from store.ports import DayUsage, Event, IntervalRun, MeterState
from store.rows import Readings, day_of_month, month_of

K = TypeVar("K")
V = TypeVar("V")


class MemoryStore:
    """Implements `store.ports.ReadingStore`."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, int], dict[tuple[int, int], Event]] = {}
        self._runs: dict[int, dict[int, tuple[int, IntervalRun]]] = {}
        self._usage: dict[tuple[int, int], dict[tuple[int, int], tuple[int, DayUsage]]] = {}
        self._state: dict[int, tuple[int, MeterState]] = {}

    def append(self, readings: Readings) -> None:
        months, days = month_of(readings.interval_start_us), day_of_month(readings.interval_start_us)
        for i, mpxn in enumerate(readings.mpxn.tolist()):
            start_us, end_us = int(readings.interval_start_us[i]), int(readings.interval_end_us[i])
            revision, month, day = int(readings.revision[i]), int(months[i]), int(days[i])
            values = tuple(readings.values_wh[i].tolist())
            event = Event(
                interval_start_us=start_us,
                revision=revision,
                received_at_us=int(readings.received_at_us[i]) // 1_000 * 1_000,
                source=int(readings.source[i]),
                quality=int(readings.quality[i]),
                register_wh=int(readings.register_wh[i]),
                values_wh=values,
            )
            self._events.setdefault((mpxn, month), {})[start_us, revision] = event
            run = IntervalRun(interval_start_us=start_us, revision=revision, quality=event.quality, values_wh=values)
            _win(self._runs.setdefault(mpxn, {}), start_us, start_us + revision, run)
            fuel = int(readings.fuel[i])
            usage = DayUsage(day=day, fuel=fuel, usage_wh=int(readings.day_wh[i]), through_us=end_us)
            by_day = self._usage.setdefault((int(readings.premises[i]), month), {})
            _win(by_day, (day, fuel), end_us + revision, usage)
            state = MeterState(
                register_wh=event.register_wh, read_through_us=end_us, received_at_us=event.received_at_us
            )
            _win(self._state, mpxn, end_us + revision, state)

    def events(self, mpxn: int, month: int) -> list[Event]:
        return [event for _, event in sorted(self._events.get((mpxn, month), {}).items())]

    def intervals(self, mpxn: int, day_start_us: int) -> list[IntervalRun]:
        runs = sorted(self._runs.get(mpxn, {}).items())
        return [run for start_us, (_, run) in runs if day_start_us <= start_us < day_start_us + DAY_US]

    def usage(self, premises: int, month: int) -> list[DayUsage]:
        return [usage for _, (_, usage) in sorted(self._usage.get((premises, month), {}).items())]

    def state(self, mpxn: int) -> MeterState | None:
        won = self._state.get(mpxn)
        return won[1] if won else None


def _win(cells: dict[K, tuple[int, V]], key: K, write_us: int, value: V) -> None:
    """Keep the value with the highest write timestamp; the later of two equal ones, which are equal by design."""
    held = cells.get(key)
    if held is None or write_us >= held[0]:
        cells[key] = (write_us, value)
