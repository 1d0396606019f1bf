"""Cuts the span into windows of about the same number of messages. A cut decides what is held, never an outcome."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scenarios.domain import DAY_US
from sim.estate.arrivals import HOUR_US
from sim.estate.build import WORD_ONE
from sim.estate.homes import READING_DAYS
from sim.estate.model import EstateModel
from sim.estate.slots import TEN_SECOND_US

HALF_ONE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Simulated time from `from_us` to before `to_us`, in which about `expected_count` messages fall due."""

    from_us: int
    to_us: int
    expected_count: int


def windows(estate: EstateModel, *, size: int, shard_count: int = 1, from_us: int = 0) -> Iterator[Window]:
    """Windows from `from_us` to the span's end of about `size` messages of one shard each; one instant is never cut."""
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
    """About how many of the whole estate's messages are due before an instant; outages and retries are left out."""
    p = estate.parameters
    shares = np.diff(p.schedule_below, prepend=0) / WORD_ONE
    half_hourly, monthly, ten_second, daily = (float(share) * estate.meter_count for share in shares)
    pushes = half_hourly * _repeated(at_us, estate.slot_us, p.push_jitter_us, estate.slot_count)
    uploads = (daily + monthly / READING_DAYS) * _repeated(at_us, DAY_US, p.upload_window_us, p.day_count)
    seconds = ten_second * min(at_us / TEN_SECOND_US, p.day_count * DAY_US / TEN_SECOND_US)
    day = min(at_us // DAY_US, p.query_day_count - 1)
    hour, rest_us = divmod(min(at_us - day * DAY_US, DAY_US - 1), HOUR_US)
    start, end = int(p.query_hour[day, hour]), int(p.query_hour[day, hour + 1])
    days = day + (start + (end - start) * rest_us / HOUR_US) / WORD_ONE
    queries = p.premises_count * p.query_per_premises_day * days
    return pushes + uploads + seconds + queries + _expected_of_events(estate, at_us)


def _expected_of_events(estate: EstateModel, at_us: int) -> float:
    """Estimates, corrections, alerts, bursts and commands due before an instant, each as if even over its time."""
    p = estate.parameters
    slots = estate.meter_count * estate.slots_per_day
    days = min(at_us / DAY_US, p.day_count)
    total = slots * p.gap_below / HALF_ONE * max(days - 1, 0)
    for run in p.settlement_runs:
        total += slots * run["below"] / HALF_ONE * min(max(at_us / DAY_US - run["after_days"], 0), p.day_count)
    total += p.premises_count * float((1 - p.alert_below / WORD_ONE).sum()) * days
    for news in (*p.alert_storms, *p.bursts):
        total += p.premises_count * news["below"] / WORD_ONE * _so_far(at_us, news["at_us"], news["over_us"])
    for each in p.campaigns:
        over_us = each["over_us"] + (each["waves"] - 1) * each["wave_every_us"]
        total += 2 * p.premises_count * each["share_below"] / WORD_ONE * _so_far(at_us, each["at_us"], over_us)
    return float(total)


def _so_far(at_us: int, start_us: int, over_us: int) -> float:
    return min(max((at_us - int(start_us)) / max(int(over_us), 1), 0.0), 1.0)


def _repeated(at_us: int, every_us: int, delay_us: int, count_max: int) -> float:
    """How many of one meter's messages are due before `at_us`, each being evenly spread over the delay after a period."""
    periods = at_us // every_us  # the delay is no longer than the period: only the last one started is not all due
    if periods > count_max:
        return count_max
    since_us = at_us - periods * every_us
    last = min(since_us / delay_us, 1.0) if delay_us else float(since_us > 0)
    return max(periods - 1 + last, 0.0)
