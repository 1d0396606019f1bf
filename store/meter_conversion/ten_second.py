"""A meter that keeps its half-hours in 180 parts of 10 s each, or quarter-hours in 90."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US
from store.meter_conversion.canonical import Adapter, Channel
from store.meter_conversion.counter import Counter
from store.meter_conversion.half_hourly import HalfHourly, channel
from store.rejections import Refused
from store.tariffs import ELECTRICITY, MISSING_WH

PART_US = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TenSecond:
    """n deliveries of k half-hours in parts, and the counter at the end of the last."""

    counter: Counter  # one display
    parts_wh: NDArray[np.int32]  # [n, k * parts of a slot] [Wh], MISSING_WH where lost


def channels(form: TenSecond) -> tuple[Channel, ...]:
    """A half-hour is the sum of its parts, and missing when one of them is; a negative part makes it negative."""
    n, part_count = form.parts_wh.shape
    of_slot = form.counter.slot_us // PART_US
    if part_count % of_slot:
        slot = "half-hour" if form.counter.slot_us == SLOT_US else "quarter-hour"
        raise Refused(f"{part_count} parts a delivery: a {slot} has {of_slot}")
    parts = form.parts_wh.reshape(n, -1, of_slot).astype(np.int64)
    is_missing = (parts == MISSING_WH).any(axis=2)
    is_negative = (parts < MISSING_WH).any(axis=2)
    sums = np.where(is_missing, MISSING_WH, parts.sum(axis=2))
    lowest = parts.min(axis=2, initial=0)
    return (
        channel(
            HalfHourly(counter=form.counter, intervals_wh=np.where(is_negative, lowest, sums)),
            ELECTRICITY,
        ),
    )


ADAPTER = Adapter(name="10-second", form=TenSecond, channels=channels)
