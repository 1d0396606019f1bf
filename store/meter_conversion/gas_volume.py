"""A gas meter: volume, which becomes energy by the calorific value of the gas that came.

kWh = m3 x 1.02264 x calorific value [MJ/m3] / 3.6, in integers: energy is counted in parts of a Wh, and what does not make
a whole Wh is carried into the next half-hour and delivery. So half-hours always add up to the register, however the
calorific value changes, and no more than one Wh is ever outstanding.

Source: Gas (Calculation of Thermal Energy) Regulations 1996, regulation 2 and schedule (volume conversion 1.02264).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.meter_conversion.canonical import Adapter, Channel
from store.meter_conversion.counter import Anchor, Counter, counted, moved_on
from store.meter_conversion.half_hourly import agree
from store.rejections import Reason
from store.tariffs import GAS, MISSING_WH

# 1 dm3 at c hundredths of a MJ/m3 is c x 102,264 parts, of which a Wh has 36,000,000.
CORRECTION_PARTS = 102_264
PARTS_PER_WH = 36_000_000

CALORIFIC_MIN, CALORIFIC_MAX = 3_000, 4_500  # beyond what the network may carry (36.9 .. 42.3 MJ/m3), with room
HALF_HOUR_DM3_MAX = 8_000  # a U16 meter: 16 m3 an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class GasVolume:
    """n deliveries of k half-hours of volume, the counter at the end of the last, and the calorific value that applied."""

    counter: Counter  # one display [dm3]
    intervals_dm3: NDArray[np.int64]  # [n, k] [dm3], MISSING_WH where lost
    calorific_value: NDArray[np.int64]  # [n] [hundredths of a MJ/m3]: 39.3 is 3,930


def channels(form: GasVolume) -> tuple[Channel, ...]:
    """Volumes as energy. A missing half-hour stays missing; its energy is in the register, by the counter."""
    result = counted(form.counter, HALF_HOUR_DM3_MAX)
    reason = agree(result, form.intervals_dm3, form.counter, HALF_HOUR_DM3_MAX)
    is_odd = (form.calorific_value < CALORIFIC_MIN) | (form.calorific_value > CALORIFIC_MAX)
    reason[is_odd & (reason == Reason.ACCEPTED)] = Reason.IMPLAUSIBLE

    parts_per_dm3 = np.where(is_odd, 0, form.calorific_value * CORRECTION_PARTS)
    is_known = (form.intervals_dm3 != MISSING_WH) & (reason == Reason.ACCEPTED)[:, np.newaxis]
    volume = np.where(is_known, form.intervals_dm3, 0)
    # what the counter counted outside the known half-hours comes before them, and so do the parts left from last time
    outside = np.where(reason == Reason.ACCEPTED, result.total, 0) - volume.sum(axis=1)
    start = form.counter.before.rest + outside * parts_per_dm3
    passed = np.concatenate([start[:, np.newaxis], volume * parts_per_dm3[:, np.newaxis]], axis=1).cumsum(axis=1)
    whole_wh = passed // PARTS_PER_WH
    register_wh = form.counter.before.register_wh + whole_wh[:, -1]
    return (
        Channel(
            fuel=GAS,
            values_wh=np.where(is_known, np.diff(whole_wh, axis=1), MISSING_WH).astype(np.int32),
            register_wh=register_wh,
            has_rolled_over=result.has_rolled_over & (reason == Reason.ACCEPTED),
            reason=reason,
            before=form.counter.before,
            after=moved_on(
                form.counter.before,
                result,
                reason,
                Anchor(display=form.counter.display[:, -1], register_wh=register_wh, rest=passed[:, -1] % PARTS_PER_WH),
            ),
        ),
    )


ADAPTER = Adapter(name="gas volume", form=GasVolume, channels=channels)
