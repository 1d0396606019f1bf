"""The legal time of Great Britain on UTC half-hours. Pure arithmetic: no time-zone database, which small images lack.

Source: Summer Time Order 2002: one hour ahead, from 01:00 UTC on March's last Sunday to 01:00 UTC on October's last.
"""

from datetime import UTC, date, datetime, timedelta

from scenarios.domain import SLOT_US, SLOTS_PER_DAY

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


def local_text(instant_us: int) -> str:
    """An instant [us since the Unix epoch] as a clock on the wall shows it: "2026-06-15 00:30 BST".

    Seconds where there are any. An instant that no calendar has is given as it is.
    """
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)
        ahead = offset_slots(instant.date(), int((instant.hour * 60 + instant.minute) // 30))
        local = instant + timedelta(microseconds=ahead * SLOT_US)
    except OverflowError:
        return f"{instant_us} us since 1970"
    clock = "%H:%M:%S.%f" if instant_us % 1_000_000 else "%H:%M:%S" if instant_us % 60_000_000 else "%H:%M"
    return f"{local:%Y-%m-%d {clock}} {'BST' if ahead else 'GMT'}"
