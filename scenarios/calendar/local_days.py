"""The customer's calendar: which local day an instant is in, and when local days and months begin. Pure but for the zone data.

A local day runs from its first instant to that of the next: 48 half-hours, 46 or 50 where the clocks change (47 or 49 where
they change by half an hour). Half-hours themselves are UTC's everywhere, so a zone whose days don't begin on one is refused.
A calendar also says how long the *slots* are that meters hold, half-hours or quarter-hours (96 a day): whoever puts readings into
days has both from one place.
Days are counted since 1970-01-01 of the local calendar. Zone data: the machine's, or the package tzdata where it has none.
"""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US

FIRST_YEAR, LAST_YEAR = 1970, 2099
"""No zone's rules are known for years after these; what the data says of them is a guess."""

SLOTS_A_DAY = range(46, 51)

_EPOCH = date(1970, 1, 1)
_EPOCH_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class CalendarError(ValueError):
    """A zone that there is not, or one that readings of half-hours can't be put into days by; the message says which."""


SLOTS_PER_HOUR = (2, 4)
"""What meters may hold: half-hours, or quarter-hours."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of a time zone, in slots of one length.

    Raises CalendarError for an unknown zone or length; every method for a day that it can't tell.
    """

    zone: str
    slots_per_hour: int = 2

    def __post_init__(self) -> None:
        _zone(self.zone)
        if self.slots_per_hour not in SLOTS_PER_HOUR:
            raise CalendarError(
                f"{self.slots_per_hour} slots an hour: meters hold {' or '.join(map(str, SLOTS_PER_HOUR))}"
            )

    @property
    def slots_per_day(self) -> int:
        """Of a UTC day: 48 half-hours, or 96 quarter-hours."""
        return 24 * self.slots_per_hour

    @property
    def slot_us(self) -> int:
        """How long a slot is [us]."""
        return DAY_US // self.slots_per_day

    @property
    def slots_are(self) -> str:
        """What its slots are called."""
        return "half-hours" if self.slots_per_hour == 2 else "quarter-hours"

    @property
    def slots_per_half_hour(self) -> int:
        """1, or 2 quarter-hours."""
        return self.slots_per_hour // 2

    def in_utc(self) -> "Calendar":
        """The same slots by UTC's days."""
        return replace(self, zone="UTC")

    def day_starts_us(self, day: NDArray[np.integer]) -> NDArray[np.int64]:
        """When local days begin: integers[n], days since 1970 -> int64[n] [us since the Unix epoch]."""
        days = np.asarray(day, np.int64)
        if self.zone == "UTC":
            return days * DAY_US
        years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
        starts = np.empty(len(days), np.int64)
        for year in np.unique(years).tolist():
            first_day, starts_us = _year(self.zone, year)
            of_year = years == year
            starts[of_year] = starts_us[days[of_year] - first_day]
        return starts

    def days_of(self, instant_us: NDArray[np.integer]) -> NDArray[np.int64]:
        """The local day of instants: integers[n] [us since the Unix epoch] -> int64[n], days since 1970."""
        instants = np.asarray(instant_us, np.int64)
        day = instants // DAY_US  # the local one is this, or a neighbour: zones are up to 14 hours from UTC
        if self.zone == "UTC":
            return day
        return day + (instants >= self.day_starts_us(day + 1)) - (instants < self.day_starts_us(day))

    def midnight_slots(self, day_start_us: NDArray[np.integer]) -> NDArray[np.int64]:
        """The slot of UTC days at which the next local day begins: int64[n], 1 .. 47, or 48 where none begins within (95, 96).

        day_start_us: integers[n], 00:00 UTC [us since the Unix epoch].
        """
        day_starts = np.asarray(day_start_us, np.int64)
        if self.zone == "UTC":
            return np.full(len(day_starts), self.slots_per_day, np.int64)
        starts, which = np.unique(day_starts, return_inverse=True)
        first = self.days_of(starts)
        if (self.day_starts_us(first + 2) < starts + DAY_US).any():
            raise CalendarError(f"{self.zone}: two of its days begin within one UTC day")
        slots = (self.day_starts_us(first + 1) - starts) // self.slot_us
        of_starts: NDArray[np.int64] = np.minimum(slots, self.slots_per_day)
        return of_starts[which]

    def wall_slots(self, instant_us: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The local day of instants, since 1970, and the slot that the clock on the wall shows: int64[n] twice, 0 .. 47 (95).

        instant_us: integers[n] [us since the Unix epoch]. Where the clocks change, a day lacks some slots or has some twice.
        """
        instants = np.asarray(instant_us, np.int64)
        days = self.days_of(instants)
        starts_us = self.day_starts_us(days)
        slots = (instants - starts_us) // self.slot_us
        is_odd = self.day_starts_us(days + 1) - starts_us != DAY_US
        for day in np.unique(days[is_odd]).tolist():
            of_day = days == day
            slots[of_day] = _wall_slots(self, day)[slots[of_day]]
        return days, slots

    def day_start_us(self, day: int) -> int:
        """When a local day begins [us since the Unix epoch]."""
        return day * DAY_US if self.zone == "UTC" else _day_start_us(self.zone, day)

    def day_of(self, instant_us: int) -> int:
        """The local day of an instant [us since the Unix epoch], in days since 1970."""
        day = instant_us // DAY_US
        return day + (instant_us >= self.day_start_us(day + 1)) - (instant_us < self.day_start_us(day))

    def next_midnight_us(self, instant_us: int) -> int:
        """When the local day after that of an instant begins, both [us since the Unix epoch]."""
        return self.day_start_us(self.day_of(instant_us) + 1)

    def month_of(self, instant_us: int) -> int:
        """The local month (yyyymm) of an instant [us since the Unix epoch]."""
        return month_of_day(self.day_of(instant_us))


def require_one_rule(zone: str, first: date, day_count: int) -> None:
    """Raises CalendarError for a span in which a zone changed its rules, or in which nobody knows them yet.

    The rules are one where standard time is the same throughout, and each calendar year has its clocks changed as often as the
    others: twice, as a rule, or never.
    """
    try:
        last = first + timedelta(days=day_count)
        if last.year > LAST_YEAR:
            raise CalendarError(f"{zone}: no rules are known after {LAST_YEAR}, and the span ends on {last}")
        years = range(first.year, last.year + 1)
        offsets = [_offsets(zone, date(year, 1, 1), date(year + 1, 1, 1)) for year in years]
    except OverflowError as error:
        raise CalendarError(f"{zone}: there is no day {day_count} days after {first}") from error
    changes = [sum(one != other for one, other in itertools.pairwise(of_year)) for of_year in offsets]
    standards = {standard for _, standard in _offsets(zone, first, last)}
    if len(standards) > 1 or len(set(changes)) > 1 or changes[0] % 2:
        raise CalendarError(
            f"{zone} changed its rules between {years[0]} and {years[-1]}: its clocks were changed "
            f"{', '.join(map(str, changes))} times a year, and standard time was "
            f"{' and '.join(str(one) for one in sorted(standards))} ahead of UTC; choose another span"
        )


def _offsets(zone: str, first: date, end: date) -> list[tuple[timedelta, timedelta]]:
    """(local time, standard time) ahead of UTC at the noons of days from `first` up to `end`."""
    noons = [
        datetime(day.year, day.month, day.day, 12, tzinfo=_zone(zone))
        for day in (first + timedelta(days=number) for number in range((end - first).days))
    ]
    ahead = [(one.utcoffset() or timedelta(0), one.dst() or timedelta(0)) for one in noons]
    return [(offset, offset - summer) for offset, summer in ahead]


def days_of_month(month: int) -> range:
    """The days, since 1970, of a month (yyyymm). Raises CalendarError for one that no year has."""
    year, number = divmod(month, 100)
    if not (1 <= number <= 12 and FIRST_YEAR <= year <= LAST_YEAR):
        raise CalendarError(f"there is no month {month}: give yyyymm, {FIRST_YEAR}01 .. {LAST_YEAR}12")
    first = date(year, number, 1)
    after = date(year + number // 12, number % 12 + 1, 1)
    return range((first - _EPOCH).days, (after - _EPOCH).days)


def month_before(month: int) -> int:
    """The month before a month, both yyyymm."""
    return month_of_day(days_of_month(month)[0] - 1)


def month_of_day(day: int) -> int:
    """The month (yyyymm) that a day, since 1970, is in."""
    of_day = _EPOCH + timedelta(days=day)
    return of_day.year * 100 + of_day.month


def day_of_its_month(day: int) -> int:
    """Which day of its month a day, since 1970, is: from 1."""
    return (_EPOCH + timedelta(days=day)).day


def day_text(day: int) -> str:
    """A day, since 1970, as people write it: 2026-07-01."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def local_text(instant_us: int, zone: tzinfo) -> str:
    """An instant [us since the Unix epoch] as a clock on a zone's walls shows it: "2026-06-15 00:30 BST".

    Seconds where there are any. An instant that no calendar has is given as it is.
    """
    try:
        local = (_EPOCH_INSTANT + instant_us * _US).astimezone(zone)
    except OverflowError:
        return f"{instant_us} us since 1970"
    clock = "%H:%M:%S.%f" if instant_us % 1_000_000 else "%H:%M:%S" if instant_us % 60_000_000 else "%H:%M"
    return f"{local:%Y-%m-%d {clock} %Z}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarError(
            f"unknown time zone {name!r}: give a name of the IANA database, as Europe/London"
        ) from error


@lru_cache(maxsize=512)
def _year(name: str, year: int) -> tuple[int, NDArray[np.int64]]:
    """The first day of a year, since 1970, and when each of its days begins, and the day after it [us since the epoch]."""
    if not FIRST_YEAR - 1 <= year <= LAST_YEAR + 1:
        raise CalendarError(f"{name}: no rules are known of {year}, only of {FIRST_YEAR} .. {LAST_YEAR}")
    zone, first = _zone(name), date(year, 1, 1)
    count = (date(year + 1, 1, 1) - first).days
    days = [first + timedelta(days=number) for number in range(count + 1)]
    # a midnight that the clocks leave out is the instant of the change, one that comes twice is the first of the two
    local = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    starts_us = np.array([(one.astimezone(UTC) - _EPOCH_INSTANT) // _US for one in local], np.int64)
    slots = np.diff(starts_us) // SLOT_US
    for number in np.flatnonzero((starts_us[:-1] % SLOT_US != 0) | ~np.isin(slots, SLOTS_A_DAY)).tolist():
        raise CalendarError(
            f"{name}: {days[number]} does not begin on a half-hour of UTC, or has {slots[number]} of them: "
            f"{SLOTS_A_DAY.start} .. {SLOTS_A_DAY.stop - 1} are possible"
        )
    starts_us.flags.writeable = False
    return (first - _EPOCH).days, starts_us


@lru_cache(maxsize=65_536)  # a bill asks for each of a home's days, and more than once
def _day_start_us(name: str, day: int) -> int:
    first_day, starts_us = _year(name, (_EPOCH + timedelta(days=day)).year)
    return int(starts_us[day - first_day])


@lru_cache(maxsize=512)
def _wall_slots(calendar: Calendar, day: int) -> NDArray[np.int64]:
    """What the clock on the wall shows at each slot of a day, since 1970: int64[its slots], 0 .. 47, or 95."""
    zone, an_hour = _zone(calendar.zone), calendar.slots_per_hour
    starts_us = range(calendar.day_start_us(day), calendar.day_start_us(day + 1), calendar.slot_us)
    shown = [datetime.fromtimestamp(one // 1_000_000, zone) for one in starts_us]
    return np.array([one.hour * an_hour + one.minute * an_hour // 60 for one in shown], np.int64)


UTC_CALENDAR = Calendar("UTC")
GREAT_BRITAIN = Calendar("Europe/London")
