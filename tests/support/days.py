"""Instants of days, for tests that write months and days."""

from scenarios.calendar import UTC_CALENDAR, Calendar, days_of_month


def day_start_us(month: int, day: int, calendar: Calendar = UTC_CALENDAR) -> int:
    """When a day (from 1; one more than the month has is the next month's first) of a month (yyyymm) begins [us since 1970]."""
    return calendar.day_start_us(days_of_month(month)[0] + day - 1)
