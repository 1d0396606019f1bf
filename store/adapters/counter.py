"""Counters of eight digits: what they counted between two looks, and the register without end that they stand for.

A counter never runs backwards. A display below the one before is a rollover where what was then counted fits through the
meter in the time, and a register that fell where it does not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.rejections import Reason

DISPLAY_RANGE = 100_000_000
"""Eight digits: 99,999.999 kWh, or m3 of gas, and then 0 again."""

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
    slots_apart: IntArray  # [n] half-hours between two displays, and between the anchor and the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What n counters counted, in the meter's unit."""

    steps: IntArray  # [n, m] between each display and the one before
    has_rolled_over: NDArray[np.bool_]  # [n]
    reason: NDArray[np.uint8]  # [n] Reason

    @property
    def total(self) -> IntArray:
        total: IntArray = self.steps.sum(axis=1)
        return total


def anchor(display: IntArray, register_wh: IntArray) -> Anchor:
    """An anchor in Wh, with nothing left over: int64[n] twice."""
    return Anchor(display=display, register_wh=register_wh, rest=np.zeros_like(register_wh))


def moved_on(before: Anchor, reason: NDArray[np.uint8], now: Anchor) -> Anchor:
    """The anchor after a delivery: a refused one leaves it where it was."""
    is_good = reason == Reason.ACCEPTED
    return Anchor(
        display=np.where(is_good, now.display, before.display),
        register_wh=np.where(is_good, now.register_wh, before.register_wh),
        rest=np.where(is_good, now.rest, before.rest),
    )


def counted(counter: Counter, slot_max: int) -> Counted:
    """The differences of a counter's displays modulo its range; `slot_max` is the most in a half-hour [meter's unit]."""
    shown = np.concatenate([counter.before.display[:, np.newaxis], counter.display], axis=1)
    steps = np.diff(shown, axis=1) % DISPLAY_RANGE
    is_lower = np.diff(shown, axis=1) < 0
    is_too_much = steps > slot_max * counter.slots_apart[:, np.newaxis]
    outside = ((shown < 0) | (shown >= DISPLAY_RANGE)).any(axis=1)
    reason = np.zeros(len(steps), np.uint8)
    reason[(is_too_much & is_lower).any(axis=1)] = Reason.REGISTER_FELL
    reason[(is_too_much & ~is_lower).any(axis=1) | outside] = Reason.IMPLAUSIBLE
    reason[(shown < 0).any(axis=1)] = Reason.NEGATIVE
    return Counted(steps=steps, has_rolled_over=is_lower.any(axis=1) & (reason == Reason.ACCEPTED), reason=reason)
