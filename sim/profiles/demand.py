"""What a household's demand looks like over the span: the share of a year's energy in each UTC half-hour or quarter-hour.

Pure. `sim.profiles` makes these from a published table or from a user's file; kernels read the tables made from them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.domain import DAY_US, SLOTS_PER_DAY
from scenarios.spec import ScenarioError
from sim.units import DAY_BITS, YEAR_BITS, IntArray

YEAR_ONE = 1 << YEAR_BITS
SLOTS_A_DAY = (SLOTS_PER_DAY, 2 * SLOTS_PER_DAY)
_EPOCH = date(1970, 1, 1)
NO_USE = "every slot of the profile is zero: without any use there is nothing to share out over the year"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandProfile:
    """Relative demand of the days from `start`.

    `share` is int64[day_count + 1, 48 or 96]: a slot's share of a year's energy [2^-36]; a day may be without any. The day
    after the span is there so that the values of the last day do not change when the span is made longer.
    """

    name: str
    start: date
    share: IntArray

    def __post_init__(self) -> None:
        assert self.share.ndim == 2 and self.share.shape[1] in SLOTS_A_DAY, "a profile has 48 or 96 slots a day"
        assert self.share.shape[0] >= 2, "a profile has a day and the day after"
        assert bool((self.share >= 0).all()), "demand is never negative"
        self.share.setflags(write=False)  # the built-in profiles are kept and shared
        assert int(self.share.sum()) < 2 * YEAR_ONE, "a span of at most 500 days has less than two years' energy"

    @property
    def day_count(self) -> int:
        return len(self.share) - 1

    @property
    def slots_per_day(self) -> int:
        return int(self.share.shape[1])

    def with_slots(self, slots_per_day: int) -> "DemandProfile":
        """The same demand in slots of this length or a shorter one: each is cut into even parts, the last with the rest."""
        if slots_per_day == self.slots_per_day:
            return self
        parts, rest = divmod(slots_per_day, self.slots_per_day)
        assert parts >= 1 and rest == 0, "longer slots would lose what the profile knows"
        share = np.repeat(self.share // parts, parts, axis=1)
        share[:, parts - 1 :: parts] += self.share % parts
        return replace(self, share=share)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandTables:
    """One fuel's profile as the kernels read it; see `sim.estate.parameters` for shapes and units."""

    day_share: IntArray
    day_spread: IntArray
    slot_share: IntArray
    slot_spread: IntArray


def tables_of(profile: DemandProfile) -> DemandTables:
    """Cumulative shares and noise widths, by day and within each day.

    The noise at a boundary reaches at most half the smaller of its two neighbours, either way. So a register never falls,
    and the noise, being centred, leaves its mean on the profile.
    """
    days = profile.share.sum(axis=1)
    day_share = np.concatenate([[0], np.cumsum(days[:-1])]).astype(np.int64)
    # The span starts at a known register: no noise at the first boundary.
    day_spread = np.concatenate([[0], np.minimum(days[:-1], days[1:])]).astype(np.int64)

    before = np.zeros((profile.day_count, profile.slots_per_day + 1), np.int64)
    np.cumsum(profile.share[:-1], axis=1, out=before[:, 1:])
    slot_share = _rescaled(before, days[:-1])
    widths = np.diff(slot_share, axis=1)
    slot_spread = np.zeros_like(slot_share)  # no noise at midnight: the day's energy is all of the day's
    slot_spread[:, 1:-1] = np.minimum(widths[:, :-1], widths[:, 1:])
    return DemandTables(day_share=day_share, day_spread=day_spread, slot_share=slot_share, slot_spread=slot_spread)


def _rescaled(before: IntArray, days: IntArray) -> IntArray:
    """int64[day, slots + 1] cumulative shares of a year to shares of their day [2^-32]; exact in Python integers."""
    idle = days == 0  # its energy is zero however it is shared out: evenly, so that shares still run from none to all
    slots = before.shape[1] - 1
    even = np.arange(slots + 1, dtype=np.int64)
    before = np.where(idle[:, None], even, before)
    exact = (before.astype(object) << DAY_BITS) // np.where(idle, slots, days).astype(object)[:, None]
    return np.asarray(exact, np.int64)


def profile_by_local_time(
    name: str,
    start: date,
    day_count: int,
    weight: Callable[[date, int], int],
    year_weight: int | None = None,
    calendar: Calendar = GREAT_BRITAIN,
    slots_per_day: int = SLOTS_PER_DAY,
) -> DemandProfile:
    """The profile of `day_count` UTC days from `start`, for demand that follows local time.

    `weight(day, slot)` is the demand of a slot (0 .. slots_per_day - 1) of a local day of `calendar`, in any unit; `year_weight`
    is that of a year, or else the sum over the year in which the span starts. Raises ScenarioError for one in which nothing is
    used, and for a span that holds two years' use or more (all of it in one season that the span has twice).
    """
    if year_weight is None:
        year = [date(start.year, 1, 1) + timedelta(days=row) for row in range(365)]
        year_weight = sum(weight(day, slot) for day in year for slot in range(slots_per_day))
    if year_weight == 0:
        raise ScenarioError(f"estate.profile {name}: {NO_USE}")
    share = np.zeros((day_count + 1, slots_per_day), np.int64)
    slot_us = DAY_US // slots_per_day
    instants = (start - _EPOCH).days * DAY_US + np.arange(share.size, dtype=np.int64) * slot_us
    days, slots = Calendar(calendar.zone, slots_per_day // 24).wall_slots(
        instants
    )  # a profile's slots may be longer than the meters'
    for at, (day, slot) in enumerate(zip(days.tolist(), slots.tolist(), strict=True)):
        share.flat[at] = weight(_EPOCH + timedelta(days=day), slot) * YEAR_ONE // year_weight
    return checked_profile(name, start, share)


def checked_profile(name: str, start: date, share: IntArray) -> DemandProfile:
    """A profile of a user's making: int64[day_count + 1, slots], shares of a year [2^-36].

    Raises ScenarioError for a span that holds two years' use or more.
    """
    if int(share.sum()) >= 2 * YEAR_ONE:
        raise ScenarioError(
            f"estate.profile {name}: the days from {start} on hold two years' use or more; make run.days smaller"
        )
    return DemandProfile(name=name, start=start, share=share)
