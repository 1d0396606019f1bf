"""Where simulator and store meet: a message of the trace becomes the delivery that the store is given.

Pure, and used twice: the workload sends these rows, the audit expects these rows. Nothing of a delivery is stored;
all of it is recomputed from (meter, first slot, length) and the seed.
"""

import numpy as np
from numpy.typing import NDArray

from loadtests.workload.prices import price_lists_of
from scenarios.domain import (
    DAY_US,
    MeterType,
    Quality,
    Source,
)
from sim.energy.raw_forms import gas_energy_wh, volume_dm3
from sim.energy.registers import estimated_wh, intervals_wh, register_wh, revised_wh, ten_second_register_wh
from sim.estate.arrivals import (
    alert_sent_us,
    correction_due_us,
    estimate_due_us,
    is_gap,
)
from sim.estate.homes import meter_type_index, region_index
from sim.estate.lookup import mpxn_of, schedule_changes_of, split_meter, start_us_of, tariff_kinds_of
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import TEN_SECOND_US, slots_per_day
from sim.kernels import kernel
from sim.trace.arrival_times import due_us_of
from sim.trace.emission import STORM_DRAW, alert_storm_us, alert_wan_kind, arrival_us
from store.customers.port import Preference
from store.rows import ESTIMATE_REVISION, Columns, Readings, epoch_day_of, month_of
from store.tariffs import EXPORT, MISSING_WH, DayTotals, day_totals

_GAS_VOLUME = int(MeterType.GAS_VOLUME)


def readings_of(
    estate: EstateModel,
    *,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: int,
) -> Readings:
    """n deliveries of `slot_count` slots each: 1 is a push, 48 (or 96) an upload of a day, with what the meter lost marked.

    meter: int64[n]; first_slot: int32[n], counted from the scenario's start.
    """
    slots = estate.slots_per_day
    day_slot = (first_slot // slots * slots).astype(np.int32)
    day_wh = measured_days(estate, meter, day_slot)
    slot_of_day = first_slot - day_slot
    values_wh = day_wh if slot_count == slots else np.take_along_axis(day_wh, slot_of_day[:, np.newaxis], 1)
    day = totals_of(estate, meter, day_slot, day_wh, slot_of_day.astype(np.int64) + slot_count)
    return _delivered(estate, meter, first_slot, slot_count, values_wh, day)


def logged_readings_of(
    estate: EstateModel,
    *,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: int,
) -> Readings:
    """As `readings_of`, without what the days add up to: the log does not have that. A day of several pushes is measured once."""
    slots = estate.slots_per_day
    day = first_slot // slots
    if slot_count == slots:
        values_wh = measured_days(estate, meter, (day * slots).astype(np.int32))
    else:
        meter_days, of_row = np.unique(meter * estate.day_count + day, return_inverse=True)
        first_slots = (meter_days % estate.day_count * slots).astype(np.int32)
        day_wh = measured_days(estate, meter_days // estate.day_count, first_slots)
        values_wh = day_wh[of_row, first_slot % slots][:, np.newaxis]
    return _delivered(estate, meter, first_slot, slot_count, values_wh, None)


def _delivered(
    estate: EstateModel,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    slot_count: int,
    values_wh: NDArray[np.int32],
    day: DayTotals | None,
) -> Readings:
    assert slot_count in (1, estate.slots_per_day), "no meter sends so many slots at once"
    return _readings(
        estate,
        meter=meter,
        first_slot=first_slot,
        values_wh=values_wh,
        register_wh=registers_wh(estate, meter, (first_slot + slot_count).astype(np.int32)),
        received_us=due_us_of(estate, meter, first_slot, slot_count),
        day=day,
        revision=0,
        quality=Quality.ACTUAL,
    )


def registers_of(estate: EstateModel, *, meter: NDArray[np.int64], first_slot: NDArray[np.int32]) -> Readings:
    """n readings of a register alone, at the end of the UTC day that begins at first_slot: int64[n], int32[n]."""
    end_slot = (first_slot + estate.slots_per_day).astype(np.int32)
    return _readings(
        estate,
        meter=meter,
        first_slot=end_slot,
        values_wh=np.empty((len(meter), 0), np.int32),
        register_wh=registers_wh(estate, meter, end_slot),
        received_us=due_us_of(estate, meter, first_slot, 0),
        day=None,
        revision=0,
        quality=Quality.ACTUAL,
    )


def revisions_of(
    estate: EstateModel, *, meter: NDArray[np.int64], first_slot: NDArray[np.int32], revision: int
) -> Readings:
    """n half-hours that the head-end estimates (ESTIMATE_REVISION) or a settlement run revises (from 1): int64[n], int32[n]."""
    return _readings(
        estate,
        meter=meter,
        first_slot=first_slot,
        values_wh=_revised(estate.packed, meter, first_slot, revision)[:, np.newaxis],
        register_wh=registers_wh(estate, meter, (first_slot + 1).astype(np.int32)),
        received_us=_revised_us(estate.packed, meter, first_slot, revision),
        day=None,
        revision=revision,
        quality=Quality.ESTIMATED if revision == ESTIMATE_REVISION else Quality.SUBSTITUTED,
    )


def ten_second_columns(
    estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32], part: NDArray[np.int32]
) -> Columns:
    """The bind columns of n readings of 10 s: part 0 .. of a slot; int64[n], int32[n], int32[n]."""
    premises, is_gas = split_meter(estate, meter)
    tick = slot.astype(np.int64) * estate.ten_seconds_per_slot + part
    start_us = start_us_of(estate) + tick * TEN_SECOND_US
    return {
        "premises": premises,
        "epoch_day": epoch_day_of(start_us),
        "fuel": is_gas.astype(np.int8),
        "tick": (tick % (DAY_US // TEN_SECOND_US)).astype(np.int16),
        "wh": _ten_seconds(estate.packed, meter, tick),
        "write_us": start_us + TEN_SECOND_US,
    }


def alert_columns(
    estate: EstateModel, meter: NDArray[np.int64], number: NDArray[np.int32], slot: NDArray[np.int32]
) -> Columns:
    """The bind columns of n alerts: of meters int64[n], with the draw int32[n] and the slot int32[n] of the message."""
    premises, _ = split_meter(estate, meter)
    raised_us, received_us = _alerts_us(estate.packed, meter, number, slot)
    start_us = start_us_of(estate)
    return {
        "premises": premises,
        "month": month_of(start_us + raised_us),
        "raised_at": (start_us + raised_us) // 1_000,
        "number": number,
        "received_at": (start_us + received_us) // 1_000,
        "write_us": start_us + raised_us,
    }


def preference_columns(estate: EstateModel, meter: NDArray[np.int64]) -> Columns:
    """The bind columns of n customers' choices of a read schedule: int64[n] meters."""
    premises, _ = split_meter(estate, meter)
    changed_us, schedule = schedule_changes_of(estate, meter)
    at_us = start_us_of(estate) + changed_us
    effective_us = at_us.copy()  # of who never changes, an instant that no calendar has
    changes = np.flatnonzero(changed_us < estate.span_us)
    effective_us[changes] = estate.calendar.day_starts_us(estate.calendar.days_of(at_us[changes]) + 1)
    return {
        "premises": premises,
        "preference": np.full(len(meter), Preference.READ_SCHEDULE, np.int8),
        "effective_at": effective_us // 1_000,
        "changed_at": at_us // 1_000,
        "value": schedule.astype(np.int32),
        "write_us": at_us,
    }


def measured_days(estate: EstateModel, meter: NDArray[np.int64], day_slot: NDArray[np.int32]) -> NDArray[np.int32]:
    """The slots of days as the meters hold them: int64[n], int32[n] -> int32[n, 48 or 96], MISSING_WH where lost [Wh]."""
    day_wh = intervals_wh(estate, meter, day_slot, estate.slots_per_day)
    _measure_volumes(estate.packed, meter, register_wh(estate, meter, day_slot), day_wh)
    if estate.parameters.gap_below:
        _mark_gaps(estate.packed, meter, day_slot, day_wh)
    return day_wh


def registers_wh(estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.int64]:
    """The registers of meters at the starts of slots, as a gateway makes them of the raw forms: int64[n], int32[n] [Wh]."""
    registers = register_wh(estate, meter, slot)
    _measure_volume_registers(estate.packed, meter, registers)
    return registers


def totals_of(
    estate: EstateModel,
    meter: NDArray[np.int64],
    day_slot: NDArray[np.int32],
    day_wh: NDArray[np.int32],
    slot_count: NDArray[np.int64],
    *,
    is_export: bool = False,
) -> DayTotals:
    """What the first `slot_count` slots of days add up to and cost: arrays of n, day_wh int32[n, 48 or 96]."""
    premises, is_gas = split_meter(estate, meter)
    return day_totals(
        price_lists_of(estate),
        day_start_us=start_us_of(estate) + day_slot.astype(np.int64) * estate.slot_us,
        values_wh=day_wh,
        slot_count=slot_count,
        kind=tariff_kinds_of(estate, premises),
        fuel=np.full(len(meter), EXPORT, np.int8) if is_export else is_gas.astype(np.int8),
        calendar=estate.calendar,
    )


def _readings(
    estate: EstateModel,
    *,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    values_wh: NDArray[np.int32],
    register_wh: NDArray[np.int64],
    received_us: NDArray[np.int64],
    day: DayTotals | None,
    revision: int,
    quality: Quality,
) -> Readings:
    premises, is_gas = split_meter(estate, meter)
    start_us = np.int64(start_us_of(estate))
    n = len(meter)
    return Readings(
        mpxn=mpxn_of(estate, meter),
        premises=premises,
        fuel=is_gas.astype(np.int8),
        interval_start_us=start_us + first_slot.astype(np.int64) * estate.slot_us,
        values_wh=values_wh,
        register_wh=register_wh,
        day=day,
        received_at_us=start_us + received_us,
        revision=np.full(n, revision, np.int32),
        source=np.full(n, Source.SCHEDULED, np.int8),
        quality=np.full(n, quality, np.int8),
        slot_us=estate.slot_us,
    )


@kernel
def _mark_gaps(
    p: KernelParameters, meter: NDArray[np.int64], day_slot: NDArray[np.int32], day_wh: NDArray[np.int32]
) -> None:
    for at in range(len(meter)):
        for slot in range(day_wh.shape[1]):
            if is_gap(p, meter[at], day_slot[at] + slot):
                day_wh[at, slot] = MISSING_WH


@kernel
def _measure_volumes(
    p: KernelParameters, meter: NDArray[np.int64], register_at: NDArray[np.int64], day_wh: NDArray[np.int32]
) -> None:
    """Of gas the energy of whole dm3, which is what the meters count: differences of registers, in `day_wh` int32[n, slots]."""
    for at in range(len(meter)):
        if meter_type_index(p, meter[at]) == _GAS_VOLUME:
            burnt_wh = register_at[at]
            before_wh = gas_energy_wh(volume_dm3(burnt_wh))
            for slot in range(day_wh.shape[1]):
                burnt_wh += day_wh[at, slot]
                after_wh = gas_energy_wh(volume_dm3(burnt_wh))
                day_wh[at, slot] = after_wh - before_wh
                before_wh = after_wh


@kernel
def _measure_volume_registers(p: KernelParameters, meter: NDArray[np.int64], registers: NDArray[np.int64]) -> None:
    for at in range(len(meter)):
        if meter_type_index(p, meter[at]) == _GAS_VOLUME:
            registers[at] = gas_energy_wh(volume_dm3(registers[at]))


@kernel
def _revised(
    p: KernelParameters, meter: NDArray[np.int64], slot: NDArray[np.int32], revision: int
) -> NDArray[np.int32]:
    out = np.empty(len(meter), np.int32)
    for at in range(len(meter)):
        out[at] = revised_wh(p, meter[at], slot[at], revision) if revision > 0 else estimated_wh(p, meter[at], slot[at])
    return out


@kernel
def _revised_us(
    p: KernelParameters, meter: NDArray[np.int64], slot: NDArray[np.int32], revision: int
) -> NDArray[np.int64]:
    out = np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        day = slot[at] // slots_per_day(p)
        if revision > 0:
            out[at] = correction_due_us(p, meter[at], day, revision - 1)
        else:
            out[at] = estimate_due_us(p, meter[at], day)
    return out


@kernel
def _ten_seconds(p: KernelParameters, meter: NDArray[np.int64], tick: NDArray[np.int64]) -> NDArray[np.int32]:
    out = np.empty(len(meter), np.int32)
    for at in range(len(meter)):
        out[at] = ten_second_register_wh(p, meter[at], tick[at] + 1) - ten_second_register_wh(p, meter[at], tick[at])
    return out


@kernel
def _alerts_us(
    p: KernelParameters, meter: NDArray[np.int64], number: NDArray[np.int32], slot: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When alerts were raised and when they arrived: int64[n] twice [us since the scenario's start]."""
    raised, received = np.empty(len(meter), np.int64), np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        premises = meter[at] // p.fuel_count
        draw = int(np.int64(number[at]))
        if draw >= STORM_DRAW:
            raised[at] = alert_storm_us(p, premises, draw - STORM_DRAW)
        else:
            raised[at] = alert_sent_us(p.seed, premises, slot[at] // slots_per_day(p), draw)
        region = region_index(p, premises)
        received[at] = arrival_us(p, premises, region, meter[at], alert_wan_kind(draw), slot[at], raised[at])
    return raised, received
