"""Where simulator and store meet: a message of the trace becomes the delivery that the store is given.

Pure, and used twice: the workload sends these rows, the audit expects these rows. Nothing of a delivery is stored;
all of it is recomputed from (meter, first slot, length) and the seed.
"""

from datetime import UTC, datetime, time

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US, SLOTS_PER_DAY, Fuel, Quality, Source, mpan_of, mprn_of
from sim.arrivals import push_due_us, upload_due_us
from sim.estate import EstateModel
from sim.homes import region_index
from sim.kernels import kernel
from sim.messages import MessageKind
from sim.parameters import KernelParameters
from sim.sending import arrival_us
from sim.values import intervals_wh, register_wh
from store.rows import Readings

_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
FUEL_CODES = {Fuel.ELECTRICITY: 0, Fuel.GAS: 1}


def start_us_of(estate: EstateModel) -> int:
    """00:00 UTC of the estate's first day [us since the Unix epoch]."""
    return int(datetime.combine(estate.start, time(), tzinfo=UTC).timestamp()) * 1_000_000


def mpxn_of(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The metering point numbers of meters: int64[n] meter index -> int64[n]."""
    premises, is_gas = split_meter(estate, meter)
    return np.where(is_gas, mprn_of(premises), mpan_of(premises))


def split_meter(estate: EstateModel, meter: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Meter index -> (premises index int64[n], whether it measures gas bool[n])."""
    fuels = np.array([fuel is Fuel.GAS for fuel in estate.fuels])
    return meter // len(fuels), fuels[meter % len(fuels)]


def meter_of(estate: EstateModel, premises: NDArray[np.int64], is_gas: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The inverse of `split_meter`: int64[n], -1 where the estate has no such meter."""
    fuels = estate.fuels
    index_of = np.full(2, -1, np.int64)
    for index, fuel in enumerate(fuels):
        index_of[FUEL_CODES[fuel]] = index
    fuel_index = index_of[is_gas.astype(np.int64)]
    exists = (premises >= 0) & (premises < estate.premises_count) & (fuel_index >= 0)
    return np.where(exists, premises * len(fuels) + fuel_index, -1)


def readings_of(
    estate: EstateModel,
    *,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: int,
) -> Readings:
    """n deliveries of `slot_count` half-hours each: 1 is a push, 48 an upload of a day.

    meter: int64[n]; first_slot: int32[n], counted from the scenario's start.
    """
    assert slot_count in (1, SLOTS_PER_DAY), "no meter sends so many half-hours at once"
    premises, is_gas = split_meter(estate, meter)
    start_us = np.int64(start_us_of(estate))
    day_slot = (first_slot // SLOTS_PER_DAY * SLOTS_PER_DAY).astype(np.int32)
    register_end_wh = register_wh(estate, meter, (first_slot + slot_count).astype(np.int32))
    n = len(meter)
    return Readings(
        mpxn=mpxn_of(estate, meter),
        premises=premises,
        fuel=is_gas.astype(np.int8),
        interval_start_us=start_us + first_slot.astype(np.int64) * SLOT_US,
        values_wh=intervals_wh(estate, meter, first_slot, slot_count),
        register_wh=register_end_wh,
        day_wh=register_end_wh - register_wh(estate, meter, day_slot),
        received_at_us=start_us + _due_us(estate.packed, meter, first_slot, slot_count),
        revision=np.zeros(n, np.int32),
        source=np.full(n, Source.SCHEDULED, np.int8),
        quality=np.full(n, Quality.ACTUAL, np.int8),
    )


@kernel
def _due_us(
    p: KernelParameters, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """When each delivery falls due: int64[n] [us since the scenario's start]."""
    out = np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        premises = meter[at] // p.fuel_count
        region = region_index(p, premises)
        if slot_count == 1:
            kind, sent_us = _PUSH, push_due_us(p.seed, p.push_jitter_us, meter[at], first_slot[at])
        else:
            day = first_slot[at] // SLOTS_PER_DAY
            kind, sent_us = _UPLOAD, upload_due_us(p.seed, p.upload_window_us, meter[at], day)
        out[at] = arrival_us(p, premises, region, meter[at], kind, first_slot[at], sent_us)
    return out
