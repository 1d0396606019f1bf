"""Local days and months, against datetime and zoneinfo one instant at a time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import (
    GREAT_BRITAIN,
    UTC_CALENDAR,
    Calendar,
    CalendarError,
    day_text,
    days_of_month,
    month_of_day,
    require_one_rule,
)
from scenarios.domain import DAY_US, SLOT_US

ZONES = (
    "Europe/London",
    "Europe/Madrid",
    "Europe/Helsinki",
    "Atlantic/Reykjavik",
    "America/Bogota",
    "Australia/Lord_Howe",
)


@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_of_two_years_is_in_the_day_that_the_clock_on_the_wall_shows(zone: str) -> None:
    first_us = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    instants = first_us + np.arange(2 * 365 * 48) * SLOT_US
    days = Calendar(zone).days_of(instants)
    for instant_us, day in zip(instants.tolist(), days.tolist(), strict=True):
        local = datetime.fromtimestamp(instant_us // 1_000_000, ZoneInfo(zone)).date()
        assert date(1970, 1, 1) + timedelta(days=day) == local
    starts = Calendar(zone).day_starts_us(np.unique(days))
    assert (Calendar(zone).days_of(starts) == np.unique(days)).all()
    assert (Calendar(zone).days_of(starts - 1) == np.unique(days) - 1).all()


def slots_on(zone: str, year: int, month: int, day: int) -> int:
    number = (date(year, month, day) - date(1970, 1, 1)).days
    return (Calendar(zone).day_start_us(number + 1) - Calendar(zone).day_start_us(number)) // SLOT_US


@pytest.mark.parametrize("zone", ("UTC", *ZONES))
def test_the_half_hour_of_a_utc_day_at_which_the_next_local_day_begins(zone: str) -> None:
    first_us = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    starts = first_us + np.repeat(np.arange(2 * 365), 2) * DAY_US  # each twice, as two meters have it
    for start_us, slot in zip(starts.tolist(), Calendar(zone).midnight_slots(starts).tolist(), strict=True):
        dates = [
            datetime.fromtimestamp((start_us + at * SLOT_US) // 1_000_000, ZoneInfo(zone)).date() for at in range(48)
        ]
        assert slot == next((at for at in range(48) if dates[at] != dates[0]), 48)
        assert len(set(dates)) <= 2


def test_a_span_is_of_one_rule() -> None:
    for zone in ("UTC", *ZONES):
        require_one_rule(zone, date(2026, 1, 15), 400)
    for zone, first, told in (
        ("America/Sao_Paulo", date(2018, 12, 1), "changed its rules between 2018 and 2019"),  # its last summer time
        ("Europe/Istanbul", date(2016, 6, 1), "changed its rules"),  # stays on summer time from then on
        ("Pacific/Apia", date(2011, 12, 1), "changed its rules"),  # leaves a day out
        ("Europe/London", date(2099, 6, 1), "no rules are known after 2099"),
    ):
        with pytest.raises(CalendarError, match=told):
            require_one_rule(zone, first, 300)


def test_days_of_46_and_of_50_half_hours() -> None:
    assert [slots_on("Europe/London", 2026, *day) for day in ((3, 28), (3, 29), (10, 25), (10, 26))] == [48, 46, 50, 48]
    assert [slots_on("Australia/Lord_Howe", 2026, *day) for day in ((4, 5), (10, 4))] == [49, 47]


def test_a_midnight_that_the_clocks_leave_out() -> None:
    """Beirut's summer time begins at 00:00, which is 01:00 then."""
    assert slots_on("Asia/Beirut", 2026, 3, 29) == 46
    start_us = Calendar("Asia/Beirut").day_start_us((date(2026, 3, 29) - date(1970, 1, 1)).days)
    assert start_us == int(datetime(2026, 3, 28, 22, tzinfo=UTC).timestamp()) * 1_000_000


def test_months() -> None:
    assert [day_text(days_of_month(202602)[at]) for at in (0, -1)] == ["2026-02-01", "2026-02-28"]
    assert len(days_of_month(202402)) == 29
    assert month_of_day(days_of_month(202612)[-1]) == 202612
    new_year_us = int(datetime(2026, 6, 30, 23, tzinfo=UTC).timestamp()) * 1_000_000
    assert (GREAT_BRITAIN.month_of(new_year_us), UTC_CALENDAR.month_of(new_year_us)) == (202607, 202606)
    assert GREAT_BRITAIN.next_midnight_us(new_year_us) == new_year_us + DAY_US
    assert UTC_CALENDAR.next_midnight_us(new_year_us) == new_year_us + DAY_US // 24


@pytest.mark.parametrize("month", [202600, 202613, 2026, 196912, 210001, -1])
def test_months_that_there_are_not(month: int) -> None:
    with pytest.raises(CalendarError, match=f"no month {month}"):
        days_of_month(month)


@pytest.mark.parametrize("zone", ["Europe/Londn", "", "../etc/passwd", "Europe", "\0"])
def test_unknown_zones_are_refused(zone: str) -> None:
    with pytest.raises(CalendarError, match="unknown time zone"):
        Calendar(zone)


@pytest.mark.parametrize(
    ("zone", "day", "told"),
    [
        ("Asia/Kathmandu", (2026, 1, 1), "does not begin on a half-hour"),
        ("Pacific/Apia", (2011, 6, 1), "2011-12-30 .* has 0 of them"),  # it was left out
        ("Europe/London", (2150, 1, 1), "no rules are known of 2150"),
    ],
)
def test_zones_and_years_that_half_hours_have_no_days_in(zone: str, day: tuple[int, int, int], told: str) -> None:
    with pytest.raises(CalendarError, match=told):
        Calendar(zone).day_start_us((date(*day) - date(1970, 1, 1)).days)


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Atlantic/Reykjavik", "America/Bogota", "Asia/Kolkata"])
def test_one_day_is_told_as_many_are(zone: str) -> None:
    calendar = Calendar(zone)
    days = np.arange(20_450, 20_830)
    starts_us = calendar.day_starts_us(days)
    assert [calendar.day_start_us(day) for day in days.tolist()] == starts_us.tolist()
    instants = np.concatenate([starts_us - 1, starts_us, starts_us + 1])
    assert [calendar.day_of(one) for one in instants.tolist()] == calendar.days_of(instants).tolist()


@pytest.mark.parametrize("zone", ZONES)
def test_quarter_hours_begin_days_and_are_shown_as_the_clock_on_the_wall_does(zone: str) -> None:
    calendar, first_us = Calendar(zone, 4), int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000
    starts = first_us + np.arange(250) * DAY_US  # both changes of the clocks
    assert (calendar.midnight_slots(starts) == 2 * Calendar(zone).midnight_slots(starts)).all()
    instants = first_us + np.arange(250 * 96) * calendar.slot_us
    days, slots = calendar.wall_slots(instants)
    for instant_us, day, slot in zip(instants.tolist(), days.tolist(), slots.tolist(), strict=True):
        local = datetime.fromtimestamp(instant_us // 1_000_000, ZoneInfo(zone))
        assert (date(1970, 1, 1) + timedelta(days=day), slot) == (local.date(), local.hour * 4 + local.minute // 15)


def test_a_calendar_of_other_slots_is_refused_and_is_another() -> None:
    with pytest.raises(CalendarError, match="3 slots an hour: meters hold 2 or 4"):
        Calendar("UTC", 3)
    assert Calendar("UTC", 4) != UTC_CALENDAR == Calendar("Europe/London").in_utc()
    assert (Calendar("UTC", 4).slots_per_day, Calendar("UTC", 4).slot_us) == (96, 900_000_000)
