"""British legal time on UTC half-hours, by the days on which it changes and against the time-zone database."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from scenarios.calendar.london import local_of, offset_slots


def test_summer_time_starts_at_one_in_the_morning_utc():
    day = date(2026, 3, 29)
    assert [offset_slots(day, slot) for slot in (0, 1, 2, 47)] == [0, 0, 2, 2]
    assert local_of(day, 1) == (day, 1)
    assert local_of(day, 2) == (day, 4)  # 01:00 UTC is 02:00: the local hour from 01:00 does not exist


def test_summer_time_ends_at_one_in_the_morning_utc():
    day = date(2026, 10, 25)
    assert [offset_slots(day, slot) for slot in (0, 1, 2, 47)] == [2, 2, 0, 0]
    assert [local_of(day, slot)[1] for slot in range(5)] == [2, 3, 2, 3, 4]  # the hour from 01:00 comes twice


def test_the_last_hour_of_a_summer_day_is_the_next_local_day():
    assert local_of(date(2026, 7, 1), 46) == (date(2026, 7, 2), 0)


def test_local_days_of_a_year_have_48_half_hours_but_for_46_and_50():
    counts: dict[date, int] = {}
    for row in range(-1, 367):
        for slot in range(48):
            local_day, _ = local_of(date(2026, 1, 1) + timedelta(days=row), slot)
            counts[local_day] = counts.get(local_day, 0) + 1
    odd = {day: count for day, count in counts.items() if day.year == 2026 and count != 48}
    assert odd == {date(2026, 3, 29): 46, date(2026, 10, 25): 50}


def test_agrees_with_the_time_zone_database():
    try:
        zone = ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time-zone database")
    for year in range(2018, 2036):
        for row in range(365):
            day = date(year, 1, 1) + timedelta(days=row)
            for slot in (0, 1, 2, 3, 47):
                instant = datetime(day.year, day.month, day.day, slot // 2, slot % 2 * 30, tzinfo=UTC)
                offset = instant.astimezone(zone).utcoffset()
                assert offset_slots(day, slot) == (offset or timedelta()) // timedelta(minutes=30)
