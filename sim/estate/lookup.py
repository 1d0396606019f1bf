"""What a given meter is and does: its type, schedule, cohort and tariff, looked up for the store's rows."""

from datetime import UTC, datetime, time

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import Fuel, MeterType, ReadSchedule, mpan_of, mprn_of
from sim.estate.arrivals import is_gap
from sim.estate.devices import schedule_on
from sim.estate.homes import SMART, cohort_index, meter_mode, meter_type_index, schedule_change, tariff_index
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slots_per_day
from sim.kernels import kernel

_HALF_HOURLY, _DAILY = int(ReadSchedule.HALF_HOURLY), int(ReadSchedule.DAILY)
_REGISTER_ONLY = int(MeterType.REGISTER_ONLY)
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


def sends_runs(
    estate: EstateModel, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Would a meter send this run of slots: a push of one, an upload of a day's? Arrays of n -> bool[n].

    One that is not in smart mode sends nothing.
    """
    counts = np.asarray(slot_count, np.int64)
    return _sends_runs(estate.packed, meter, np.asarray(first_slot, np.int32), counts)


def sends_half_hours(estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Does a meter send half-hours of a slot's day, whether pushed or uploaded? int64[n], int32[n] -> bool[n]."""
    slot = np.asarray(slot, np.int32)
    day_slot = slot // estate.slots_per_day * estate.slots_per_day
    counts = np.full(len(meter), estate.slots_per_day)
    is_pushed = schedules_on(estate, meter, slot) == ReadSchedule.HALF_HOURLY
    found: NDArray[np.bool_] = sends_runs(estate, meter, day_slot, counts)
    found |= is_pushed & (meter_types_of(estate, meter) != MeterType.REGISTER_ONLY)
    return found & are_in_smart_mode(estate, meter)


def are_in_smart_mode(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Is it a smart meter in smart mode, of a fuel that its home has? int64[n] -> bool[n]."""
    return _are_in_smart_mode(estate.packed, np.asarray(meter, np.int64))


def schedules_on(estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The ReadSchedule of each meter on the UTC day of a slot: int64[n], int32[n] -> uint8[n]."""
    return _schedules_on(estate.packed, meter, np.asarray(slot, np.int32))


def meter_types_of(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The MeterType of meters: int64[n] -> uint8[n]."""
    return _meter_types(estate.packed, meter)


def schedule_changes_of(estate: EstateModel, meter: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """When customers choose another schedule, int64[n] [us since the scenario's start], and which ReadSchedule, int8[n]."""
    return _schedule_changes(estate.packed, meter)


def tariff_kinds_of(estate: EstateModel, premises: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The codes of homes' tariffs: int64[n] -> uint8[n]. Of the shipped ones a TariffKind; with caps those of their regions."""
    kinds: NDArray[np.uint8] = _tariff_kinds(estate.packed, np.asarray(premises, np.int64))
    if not estate.caps:
        return kinds
    in_region: NDArray[np.uint8] = kinds * np.uint8(len(estate.regions)) + estate.region_of(premises)
    return in_region


def tariff_places_of(estate: EstateModel, premises: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The places of homes' tariffs in the scenario, whose region no cap tells apart: int64[n] -> uint8[n]."""
    return _tariff_kinds(estate.packed, np.asarray(premises, np.int64))


def prepaid_homes(estate: EstateModel) -> NDArray[np.int64]:
    """The premises whose tariff is prepaid: int64[n], ascending."""
    prepaid = np.flatnonzero([one is not None for one in estate.prepayment])
    kinds = _tariff_kinds(estate.packed, np.arange(estate.premises_count if len(prepaid) else 0, dtype=np.int64))
    return np.flatnonzero(np.isin(kinds, prepaid)).astype(np.int64)


def cohorts_of(estate: EstateModel, premises: NDArray[np.int64]) -> NDArray[np.int32]:
    """The cohort of similar homes of each home: int64[n] -> int32[n]."""
    return _cohorts(estate.packed, premises)


@kernel
def _sends_runs(
    p: KernelParameters, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    out = np.zeros(len(meter), np.bool_)
    for at in range(len(meter)):
        slot = min(max(first_slot[at], 0), p.day_count * slots_per_day(p) - 1)
        schedule = schedule_on(p, meter[at], slot // slots_per_day(p))
        if meter_mode(p, meter[at]) != SMART or meter_type_index(p, meter[at]) == _REGISTER_ONLY:
            continue
        if slot_count[at] == 1:
            out[at] = schedule == _HALF_HOURLY and not is_gap(p, meter[at], slot)
        else:
            out[at] = slot_count[at] == slots_per_day(p) and schedule == _DAILY
    return out


@kernel
def _schedules_on(p: KernelParameters, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        day = min(max(slot[at], 0), p.day_count * slots_per_day(p) - 1) // slots_per_day(p)
        out[at] = schedule_on(p, meter[at], day)
    return out


@kernel
def _are_in_smart_mode(p: KernelParameters, meter: NDArray[np.int64]) -> NDArray[np.bool_]:
    out = np.empty(len(meter), np.bool_)
    for at in range(len(meter)):
        out[at] = meter_mode(p, meter[at]) == SMART
    return out


@kernel
def _meter_types(p: KernelParameters, meter: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        out[at] = meter_type_index(p, meter[at])
    return out


@kernel
def _tariff_kinds(p: KernelParameters, premises: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(len(premises), np.uint8)
    for at in range(len(premises)):
        out[at] = tariff_index(p, premises[at])
    return out


@kernel
def _schedule_changes(p: KernelParameters, meter: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    at_us, schedule = np.empty(len(meter), np.int64), np.empty(len(meter), np.int8)
    for at in range(len(meter)):
        at_us[at], schedule[at] = schedule_change(p, meter[at])
    return at_us, schedule


@kernel
def _cohorts(p: KernelParameters, premises: NDArray[np.int64]) -> NDArray[np.int32]:
    out = np.empty(len(premises), np.int32)
    for at in range(len(premises)):
        out[at] = cohort_index(p, premises[at])
    return out
