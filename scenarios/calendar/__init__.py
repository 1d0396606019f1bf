"""The customer's calendar, legal time in Great Britain, and its settlement dates and periods."""

from scenarios.calendar.local_days import (
    FIRST_YEAR,
    GREAT_BRITAIN,
    LAST_YEAR,
    SLOTS_A_DAY,
    UTC_CALENDAR,
    Calendar,
    CalendarError,
    day_of_its_month,
    day_text,
    days_of_month,
    local_text,
    month_before,
    month_of_day,
    require_one_rule,
)

__all__ = [
    "FIRST_YEAR",
    "GREAT_BRITAIN",
    "LAST_YEAR",
    "SLOTS_A_DAY",
    "UTC_CALENDAR",
    "Calendar",
    "CalendarError",
    "day_of_its_month",
    "day_text",
    "days_of_month",
    "local_text",
    "month_before",
    "month_of_day",
    "require_one_rule",
]
