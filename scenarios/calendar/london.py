"""The legal time of Great Britain on UTC half-hours. Pure arithmetic: no time-zone database, which small images lack.

Source: Summer Time Order 2002: one hour ahead, from 01:00 UTC on March's last Sunday to 01:00 UTC on October's last.
"""

from datetime import date, timedelta

from scenarios.domain import SLOTS_PER_DAY

SUMMER_SLOTS = 2  # half-hours that summer time is ahead of UTC
_CHANGE_SLOT = 2  # 01:00 UTC


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def summer_time(year: int) -> tuple[date, date]:
    """The days on which summer time starts and ends."""
    return _last_sunday(year, 3), _last_sunday(year, 10)


def offset_slots(day: date, slot: int) -> int:
    """Half-hours by which local time is ahead of UTC at the start of half-hour `slot` (0..47) of UTC day `day`."""
    start, end = summer_time(day.year)
    after_start = day > start or (day == start and slot >= _CHANGE_SLOT)
    before_end = day < end or (day == end and slot < _CHANGE_SLOT)
    return SUMMER_SLOTS if after_start and before_end else 0


def local_of(day: date, slot: int) -> tuple[date, int]:
    """The local day and local half-hour of day (0..47) of UTC half-hour `slot` of `day`."""
    local = slot + offset_slots(day, slot)
    return day + timedelta(days=local // SLOTS_PER_DAY), local % SLOTS_PER_DAY
