"""The views of a home as folds of its log: 200 meters' days of 48 deliveries each."""

from typing import Any

import numpy as np

from scenarios.calendar import UTC_CALENDAR
from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY
from store.columns import Lists, Page
from store.readings.fold import fold_days
from store.rows import month_of

DAYS = 200
START_US = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC


def log() -> Page:
    """Each half-hour by itself, as meters that push send it, in the order of the table."""
    count = DAYS * SLOTS_PER_DAY
    number = np.arange(count)
    home, slot = number // SLOTS_PER_DAY, number % SLOTS_PER_DAY
    start_us = START_US + home % 7 * DAY_US + slot * SLOT_US
    ones = np.ones(count, np.int64)
    return {
        "premises": home,
        "month": month_of(start_us).astype(np.int64),
        "fuel": 0 * ones,
        "interval_start": start_us // 1_000,
        "slot_count": ones,
        "revision": 0 * ones,
        "mpxn": 1_000_000_000_000 + home * 10,
        "quality": 0 * ones,
        "values_wh": Lists(flat=np.random.default_rng(1).integers(0, 2_000, count).astype(np.int32), length=ones),
    }


def test_days_are_folded(benchmark: Any) -> None:
    pages = log()
    days = benchmark(lambda: fold_days(pages, UTC_CALENDAR))
    assert len(days.premises) == DAYS
