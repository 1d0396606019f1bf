"""Counters of eight digits: what they counted between two looks, and the register without end that they stand for.

A counter never runs backwards. A display below the one before is a rollover where the one before was near the top of the
range, this one is near its bottom, and what was then counted fits through the meter in the time; else a register that fell:
the meter was exchanged or misread. A display from before the anchor comes late: it is counted back from there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US
from store.rejections import Reason

DISPLAY_RANGE = 100_000_000
"""Eight digits: 99,999.999 kWh, or m3 of gas, and then 0 again."""

NEAR_END = DISPLAY_RANGE // 10
"""So near to its range's top is a counter that may roll over: 10 MWh, some four years of a home's electricity."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last that is known of n counters, kept by whoever reads them. A meter that was exchanged gets a new anchor."""

    display: IntArray  # [n] 0 .. DISPLAY_RANGE - 1, in the meter's own unit
    register_wh: IntArray  # [n] what the platform's register was then [Wh]
    rest: IntArray  # [n] what was left of a Wh, in the parts that the adapter counts in; 0 where its unit is the Wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """n counters, each shown m times, the displays equally far apart."""

    before: Anchor
    display: IntArray  # [n, m]
    # [n] slots between two displays, and between the anchor and the first; 0 or less of one display alone that comes
    # late or again: so far before the anchor
    slots_apart: IntArray
    slot_us: int = SLOT_US  # how long a slot is [us]: a half-hour, or a quarter-hour

    def most(self, half_hour_max: int) -> int:
        """The most in a slot, where so much is the most in a half-hour."""
        return half_hour_max * self.slot_us // SLOT_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What n counters counted, in the meter's unit."""

    steps: IntArray  # [n, m] between each display and the one before; negative where is_late
    has_rolled_over: NDArray[np.bool_]  # [n]
    is_late: NDArray[np.bool_]  # [n] not after the anchor, which stays where it is
    reason: NDArray[np.uint8]  # [n] Reason

    @property
    def total(self) -> IntArray:
        total: IntArray = self.steps.sum(axis=1)
        return total


def anchor(display: IntArray, register_wh: IntArray) -> Anchor:
    """An anchor in Wh, with nothing left over: int64[n] twice."""
    return Anchor(display=display, register_wh=register_wh, rest=np.zeros_like(register_wh))


def moved_on(before: Anchor, result: Counted, reason: NDArray[np.uint8], now: Anchor) -> Anchor:
    """The anchor after a delivery: one that was refused, or is of a time before the anchor, leaves it where it was."""
    is_newer = (reason == Reason.ACCEPTED) & ~result.is_late
    return Anchor(
        display=np.where(is_newer, now.display, before.display),
        register_wh=np.where(is_newer, now.register_wh, before.register_wh),
        rest=np.where(is_newer, now.rest, before.rest),
    )


def counted(counter: Counter, half_hour_max: int) -> Counted:
    """What counters counted between their displays; `half_hour_max` is the most in a half-hour [meter's unit]."""
    slot_max = counter.most(half_hour_max)
    shown = np.concatenate([counter.before.display[:, np.newaxis], counter.display], axis=1)
    outside = (shown < 0) | (shown >= DISPLAY_RANGE)
    within = np.where(outside, 0, shown)
    is_late = counter.slots_apart <= 0
    sign = np.where(is_late, -1, 1)[:, np.newaxis]
    earlier = np.where(is_late[:, np.newaxis], within[:, 1:], within[:, :-1])
    later = np.where(is_late[:, np.newaxis], within[:, :-1], within[:, 1:])
    counted_on = (later - earlier) % DISPLAY_RANGE
    is_lower = later < earlier
    is_rollover = is_lower & (earlier >= DISPLAY_RANGE - NEAR_END) & (later < NEAR_END)
    # more slots than a counter needs for its whole range need not be told apart
    apart = np.abs(np.clip(counter.slots_apart, -DISPLAY_RANGE, DISPLAY_RANGE))
    is_too_much = counted_on > slot_max * apart[:, np.newaxis]
    reason = np.zeros(len(shown), np.uint8)
    reason[(is_lower & (is_too_much | ~is_rollover)).any(axis=1)] = Reason.REGISTER_FELL
    reason[(is_too_much & ~is_lower).any(axis=1) | outside.any(axis=1)] = Reason.IMPLAUSIBLE
    reason[(shown < 0).any(axis=1)] = Reason.NEGATIVE
    if counter.display.shape[1] > 1:
        reason[is_late] = Reason.WRONG_SHAPE  # several displays begin after the anchor
    is_good = reason == Reason.ACCEPTED
    return Counted(
        steps=sign * counted_on,
        has_rolled_over=is_lower.any(axis=1) & is_good & ~is_late,
        is_late=is_late,
        reason=reason,
    )
