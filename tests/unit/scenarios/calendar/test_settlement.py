"""Settlement dates and periods: both clock-change days by hand, and the tiling of any stretch of time."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.calendar.settlement import half_hour_of, period_count, settlement_of, settlements_of, slots_of

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
DAY = timedelta(days=1)


def both_of(day, slot):
    """By the scalar and by the array; they agree."""
    scalar = settlement_of(day, slot)
    dates, periods = settlements_of(day, np.array([slot]))
    assert (dates[0].item(), periods[0]) == scalar
    return scalar


def test_an_ordinary_day_of_winter_and_of_summer():
    assert both_of(date(2026, 1, 15), 0) == (date(2026, 1, 15), 1)
    assert both_of(date(2026, 1, 15), 47) == (date(2026, 1, 15), 48)
    assert both_of(date(2026, 7, 1), 0) == (date(2026, 7, 1), 3)  # 01:00 BST
    assert both_of(date(2026, 7, 1), 45) == (date(2026, 7, 1), 48)  # 23:30 BST
    assert both_of(date(2026, 7, 1), 46) == (date(2026, 7, 2), 1)  # midnight BST


def test_the_day_of_46_periods_by_hand():
    assert both_of(SPRING - DAY, 47) == (SPRING - DAY, 48)
    assert both_of(SPRING, 0) == (SPRING, 1)  # 00:00 GMT
    assert both_of(SPRING, 1) == (SPRING, 2)  # 00:30 GMT
    assert both_of(SPRING, 2) == (SPRING, 3)  # 02:00 BST: the hour from 01:00 is left out
    assert both_of(SPRING, 45) == (SPRING, 46)  # 23:30 BST
    assert both_of(SPRING, 46) == (SPRING + DAY, 1)
    assert [period_count(SPRING + row * DAY) for row in (-1, 0, 1)] == [48, 46, 48]


def test_the_day_of_50_periods_by_hand():
    assert both_of(AUTUMN - DAY, 45) == (AUTUMN - DAY, 48)  # 23:30 BST
    assert both_of(AUTUMN - DAY, 46) == (AUTUMN, 1)  # 00:00 BST
    assert both_of(AUTUMN, 0) == (AUTUMN, 3)  # 01:00 BST
    assert both_of(AUTUMN, 1) == (AUTUMN, 4)  # 01:30 BST
    assert both_of(AUTUMN, 2) == (AUTUMN, 5)  # 01:00 GMT: the hour comes again, with periods of its own
    assert both_of(AUTUMN, 3) == (AUTUMN, 6)
    assert both_of(AUTUMN, 47) == (AUTUMN, 50)  # 23:30 GMT
    assert both_of(AUTUMN + DAY, 0) == (AUTUMN + DAY, 1)
    assert [period_count(AUTUMN + row * DAY) for row in (-1, 0, 1)] == [48, 50, 48]


def test_the_inverse_by_hand():
    assert half_hour_of(SPRING, 46) == (SPRING, 45)
    assert half_hour_of(AUTUMN, 1) == (AUTUMN - DAY, 46)
    assert half_hour_of(AUTUMN, 50) == (AUTUMN, 47)
    assert slots_of(AUTUMN - DAY, np.array([AUTUMN, AUTUMN]), np.array([1, 50])).tolist() == [46, 95]


def test_a_period_that_its_day_lacks_is_refused():
    for day, period in ((SPRING, 47), (AUTUMN, 51), (AUTUMN, 0), (date(2026, 1, 1), 49)):
        with pytest.raises(AssertionError, match="period"):
            half_hour_of(day, period)
        with pytest.raises(AssertionError, match="period"):
            slots_of(day, np.array([day]), np.array([period]))


def test_no_half_hours_have_no_periods():
    dates, periods = settlements_of(SPRING, np.array([], np.int64))
    assert dates.shape == periods.shape == slots_of(SPRING, dates, periods).shape == (0,)


def test_any_shape_is_kept():
    dates, periods = settlements_of(SPRING, np.arange(96).reshape(2, 48))
    assert dates.shape == periods.shape == (2, 48)


@given(
    start=st.dates(date(1996, 1, 1), date(2090, 12, 31)),
    first=st.integers(-20_000, 20_000),
    count=st.integers(1, 2_000),
)
def test_periods_tile_time_and_lead_back(start, first, count):
    slot = np.arange(first, first + count)
    dates, periods = settlements_of(start, slot)
    assert (slots_of(start, dates, periods) == slot).all()
    step = np.diff(dates.astype(np.int64))
    assert ((step == 0) | (step == 1)).all()
    assert (np.diff(periods)[step == 0] == 1).all()
    assert (periods[1:][step == 1] == 1).all()
    last = [period_count(day) for day in dates[:-1][step == 1].tolist()]
    assert periods[:-1][step == 1].tolist() == last
    assert periods.min() >= 1


@given(day=st.dates(date(1996, 1, 1), date(2090, 12, 31)), slot=st.integers(0, 47))
def test_scalars_lead_back_and_agree_with_arrays(day, slot):
    assert half_hour_of(*both_of(day, slot)) == (day, slot)


@pytest.mark.parametrize("year", range(2000, 2040))
def test_a_year_has_one_day_of_46_one_of_50_and_the_rest_48(year):
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    dates, _ = settlements_of(date(year, 1, 1), np.arange(days * 48))
    assert sorted(np.unique(dates, return_counts=True)[1].tolist()) == [46, *[48] * (days - 2), 50]
