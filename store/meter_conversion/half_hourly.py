"""A meter that keeps half-hours, each with its own consumption, beside its counter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.meter_conversion.canonical import Adapter, Channel
from store.meter_conversion.counter import Counted, Counter, anchor, counted, moved_on
from store.rejections import HALF_HOUR_WH_MAX, Reason, Refused
from store.tariffs import ELECTRICITY, MISSING_WH


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHourly:
    """n deliveries of k slots and the counter at the end of the last; the anchor may lie before the first.

    Slots are half-hours, or quarter-hours by the counter's `slot_us`.
    """

    counter: Counter  # one display
    intervals_wh: NDArray[np.int64]  # [n, k] [Wh], MISSING_WH where lost


def channels(form: HalfHourly) -> tuple[Channel, ...]:
    return (channel(form, ELECTRICITY),)


def channel(form: HalfHourly, fuel: int) -> Channel:
    """Half-hours as they are; the register is the counter's. They must not disagree."""
    if form.counter.display.shape[1] != 1:
        raise Refused(f"{form.counter.display.shape[1]} displays a delivery of half-hours: give the one after the last")
    result = counted(form.counter, HALF_HOUR_WH_MAX[fuel])
    reason = agree(result, form.intervals_wh, form.counter, HALF_HOUR_WH_MAX[fuel])
    register_wh = form.counter.before.register_wh + result.total
    return Channel(
        fuel=fuel,
        values_wh=np.where(reason == Reason.ACCEPTED, form.intervals_wh.T, MISSING_WH).T.astype(np.int32),
        register_wh=register_wh,
        has_rolled_over=result.has_rolled_over & (reason == Reason.ACCEPTED),
        reason=reason,
        before=form.counter.before,
        after=moved_on(form.counter.before, result, reason, anchor(form.counter.display[:, -1], register_wh)),
    )


def agree(result: Counted, intervals: NDArray[np.int64], counter: Counter, half_hour_max: int) -> NDArray[np.uint8]:
    """The Reason of each delivery: int64[n, k] slots in the counter's unit -> uint8[n]. half_hour_max: as in `counted`.

    What is known of the half-hours can't be more than the counter counted, and is all of it when no half-hour is missing
    and none lies between the anchor and the first. Of a late delivery the display before is not known: nothing can be said.
    """
    is_known = intervals != MISSING_WH
    known = np.where(is_known, intervals, 0)
    is_whole = is_known.all(axis=1) & (counter.slots_apart == intervals.shape[1])
    total = known.sum(axis=1)
    reason = result.reason.copy()
    is_good = reason == Reason.ACCEPTED
    disagrees = (total > result.total) | (is_whole & (total != result.total))
    reason[is_good & ~result.is_late & disagrees] = Reason.PARTS_DISAGREE
    reason[(known > counter.most(half_hour_max)).any(axis=1)] = Reason.IMPLAUSIBLE
    reason[(known < 0).any(axis=1)] = Reason.NEGATIVE
    return reason


ADAPTER = Adapter(name="half-hourly profile", form=HalfHourly, channels=channels)
