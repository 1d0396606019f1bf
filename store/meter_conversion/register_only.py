"""A meter without a memory of half-hours: its counter alone, at each half-hour's end or at any time."""

from dataclasses import dataclass

import numpy as np

from store.meter_conversion.canonical import Adapter, Channel
from store.meter_conversion.counter import Counter, anchor, counted, moved_on
from store.rejections import HALF_HOUR_WH_MAX, Reason
from store.tariffs import ELECTRICITY


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOnly:
    """n deliveries of m displays [Wh]. With `is_half_hourly` they stand at the ends of m consecutive half-hours."""

    counter: Counter
    is_half_hourly: bool


def channels(form: RegisterOnly) -> tuple[Channel, ...]:
    """The differences of two displays are the half-hours; displays at other times give the register alone."""
    result = counted(form.counter, HALF_HOUR_WH_MAX[ELECTRICITY])
    reason = result.reason.copy()
    if form.is_half_hourly:
        reason[form.counter.slots_apart != 1] = Reason.WRONG_SHAPE
    register_wh = form.counter.before.register_wh + result.total
    return (
        Channel(
            fuel=ELECTRICITY,
            values_wh=(result.steps if form.is_half_hourly else result.steps[:, :0]).astype(np.int32),
            register_wh=register_wh,
            has_rolled_over=result.has_rolled_over & (reason == Reason.ACCEPTED),
            reason=reason,
            before=form.counter.before,
            after=moved_on(form.counter.before, result, reason, anchor(form.counter.display[:, -1], register_wh)),
        ),
    )


ADAPTER = Adapter(name="register only", form=RegisterOnly, channels=channels)
