"""Cuts the span into windows of about the same number of messages. A cut decides what is held, never an outcome."""

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY
from sim.arrivals import HOUR_US
from sim.estate import WORD_ONE, EstateModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Simulated time from `from_us` to before `to_us`, in which about `expected_count` messages fall due."""

    from_us: int
    to_us: int
    expected_count: int


def windows(estate: EstateModel, *, size: int, shard_count: int = 1) -> Iterator[Window]:
    """Windows over the whole span of about `size` messages of one shard each; one instant is never cut."""
    from_us = 0
    while from_us < estate.span_us:
        before = expected_before(estate, from_us)
        low, high = from_us + 1, estate.span_us
        while low < high:  # the latest end that stays within the size
            middle = (low + high + 1) // 2
            if (expected_before(estate, middle) - before) / shard_count <= size:
                low = middle
            else:
                high = middle - 1
        expected = (expected_before(estate, low) - before) / shard_count
        yield Window(from_us=from_us, to_us=low, expected_count=int(expected))
        from_us = low


def expected_before(estate: EstateModel, at_us: int) -> float:
    """The mean number of the whole estate's messages that are due before an instant."""
    p = estate.parameters
    half_hourly = estate.meter_count * p.half_hourly_below / WORD_ONE
    pushes = half_hourly * _repeated(at_us, SLOT_US, p.push_jitter_us, p.day_count * SLOTS_PER_DAY)
    uploads = (estate.meter_count - half_hourly) * _repeated(at_us, DAY_US, p.upload_window_us, p.day_count)
    day = min(at_us // DAY_US, p.day_count)
    hour, rest_us = divmod(min(at_us - day * DAY_US, DAY_US - 1), HOUR_US)
    start, end = int(p.query_hour[day, hour]), int(p.query_hour[day, hour + 1])
    days = day + (start + (end - start) * rest_us / HOUR_US) / WORD_ONE
    return pushes + uploads + p.premises_count * p.query_per_premises_day * days


def _repeated(at_us: int, every_us: int, delay_us: int, count_max: int) -> float:
    """How many of one meter's messages are due before `at_us`, each being evenly spread over the delay after a period."""
    periods = at_us // every_us  # the delay is no longer than the period: only the last one started is not all due
    if periods > count_max:
        return count_max
    since_us = at_us - periods * every_us
    last = min(since_us / delay_us, 1.0) if delay_us else float(since_us > 0)
    return max(periods - 1 + last, 0.0)
