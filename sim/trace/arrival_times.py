"""When given deliveries arrive at the head-end, as the trace has it: looked up for the store's rows, without the trace."""

import numpy as np
from numpy.typing import NDArray

from sim.estate.arrivals import push_due_us, upload_due_us
from sim.estate.homes import region_index
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slots_per_day
from sim.kernels import kernel, leaf_kernel
from sim.trace.emission import arrival_us, repeated_us
from sim.trace.messages import MessageKind

_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
_REGISTER = int(MessageKind.READ_REGISTER)


def due_us_of(
    estate: EstateModel, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """When the first copy of each delivery arrives: int64[n], int32[n] -> int64[n] [us since the scenario's start].

    slot_count: 1 for a push, a day's for an upload, 0 for a register at the end of the day that begins at first_slot.
    """
    return _due_us(estate.packed, meter, first_slot, slot_count)


def received_us_of(
    estate: EstateModel, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """As `due_us_of`, int64[n] [us since the Unix epoch]."""
    return start_us_of(estate) + due_us_of(estate, meter, first_slot, slot_count)


def again_us_of(
    estate: EstateModel,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: NDArray[np.int32],
    is_register: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """When the second copy of each delivery arrives, if there is one: int64[n] [us since the Unix epoch], else 0."""
    again_us = _again_us(estate.packed, meter, first_slot, np.asarray(slot_count, np.int64), is_register)
    return np.where(again_us > 0, start_us_of(estate) + again_us, 0)


@kernel
def _due_us(
    p: KernelParameters, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """When the first copy of each delivery arrives: int64[n] [us since the scenario's start]; 0 slots: a register."""
    out = np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        premises = meter[at] // p.fuel_count
        region = region_index(p, premises)
        kind = _REGISTER if slot_count == 0 else (_PUSH if slot_count == 1 else _UPLOAD)
        sent_us = _sent_us(p, meter[at], first_slot[at], slot_count)
        out[at] = arrival_us(p, premises, region, meter[at], kind, first_slot[at], sent_us)
    return out


@leaf_kernel
def _sent_us(p: KernelParameters, meter: int, first_slot: int, slot_count: int) -> int:
    """When a delivery is sent [us since the scenario's start]; 0 slots: a register at the end of the day."""
    if slot_count == 1:
        return push_due_us(p, meter, first_slot)
    return upload_due_us(p.seed, p.upload_window_us, meter, first_slot // slots_per_day(p))


@kernel
def _again_us(
    p: KernelParameters,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: NDArray[np.int64],
    is_register: NDArray[np.bool_],
) -> NDArray[np.int64]:
    out = np.zeros(len(meter), np.int64)
    for at in range(len(meter)):
        premises = meter[at] // p.fuel_count
        slot = first_slot[at] - slots_per_day(p) + 1 if is_register[at] else first_slot[at]
        count = 0 if is_register[at] else slot_count[at]
        kind = _REGISTER if is_register[at] else (_PUSH if count == 1 else _UPLOAD)
        sent_us = _sent_us(p, meter[at], slot, count)
        due_us = arrival_us(p, premises, region_index(p, premises), meter[at], kind, slot, sent_us)
        out[at] = repeated_us(p, meter[at], kind, slot, due_us)
    return out
