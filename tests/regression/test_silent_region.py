"""Completeness had no row for a region of which nothing came: the one that an operator must see."""

import numpy as np

from scenarios.domain import DAY_US
from store.memory import MemoryStore
from store.readings.summarise import completeness, project_completeness
from store.schemas import SCHEMAS
from store.tariffs import Book

JANUARY_US = 1_767_225_600_000_000


def test_every_region_has_a_row_for_each_day_that_has_begun() -> None:
    store = MemoryStore(SCHEMAS["home_months"], Book())
    now_us, since_us = JANUARY_US + 3 * DAY_US + 1, JANUARY_US + DAY_US
    written = project_completeness(store, 202601, np.zeros_like, {(0, 0): 5, (1, 1): 7}, now_us, since_us)
    assert written == 6  # 2, 3 and 4 January
    nothing = (0,) * 48
    silent = {(0, 0): (5, nothing), (1, 1): (7, nothing)}
    found = [completeness(store.runner, JANUARY_US + day * DAY_US) for day in range(5)]
    assert found == [{}, silent, silent, silent, {}]


def test_a_month_ends_with_its_last_day() -> None:
    store = MemoryStore(SCHEMAS["home_months"], Book())
    assert project_completeness(store, 202601, np.zeros_like, {(0, 0): 5}, JANUARY_US + 90 * DAY_US) == 31
