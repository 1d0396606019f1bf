"""Where simulator and store meet: a message of the trace becomes the delivery that the store is given.

Pure, and used twice: the workload sends these rows, the audit expects these rows. Nothing of a delivery is stored;
all of it is recomputed from (meter, first slot, length) and the seed.
"""

from datetime import UTC, datetime, time

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import (
    DAY_US,
    SLOT_US,
    SLOTS_PER_DAY,
    Fuel,
    MeterType,
    Quality,
    ReadSchedule,
    Source,
    mpan_of,
    mprn_of,
)
from sim.arrivals import (
    TEN_SECOND_US,
    TEN_SECONDS_PER_SLOT,
    alert_sent_us,
    correction_due_us,
    estimate_due_us,
    is_gap,
    push_due_us,
    upload_due_us,
)
from sim.devices import schedule_on
from sim.estate import EstateModel
from sim.homes import meter_type_index, region_index, schedule_change, tariff_index
from sim.kernels import kernel, leaf_kernel
from sim.messages import MessageKind
from sim.parameters import KernelParameters
from sim.raw_forms import cohort_index, gas_energy_wh, volume_dm3
from sim.sending import STORM_DRAW, alert_storm_us, alert_wan_kind, arrival_us, repeated_us
from sim.values import estimated_wh, intervals_wh, register_wh, revised_wh, ten_second_register_wh
from store.customers.port import Preference
from store.rows import ESTIMATE_REVISION, Columns, Readings, epoch_day_of, month_of
from store.tariffs import EXPORT, FIRST_PRICES, MISSING_WH, DayTotals, PriceList, day_totals

_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
_REGISTER = int(MessageKind.READ_REGISTER)
_HALF_HOURLY, _DAILY = int(ReadSchedule.HALF_HOURLY), int(ReadSchedule.DAILY)
_REGISTER_ONLY, _GAS_VOLUME = int(MeterType.REGISTER_ONLY), int(MeterType.GAS_VOLUME)
_PRICE_STEP_PERCENT = 4  # by which each price announcement of a scenario raises all prices
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
    """n deliveries of `slot_count` half-hours each: 1 is a push, 48 an upload of a day, with what the meter lost marked.

    meter: int64[n]; first_slot: int32[n], counted from the scenario's start.
    """
    assert slot_count in (1, SLOTS_PER_DAY), "no meter sends so many half-hours at once"
    day_slot = (first_slot // SLOTS_PER_DAY * SLOTS_PER_DAY).astype(np.int32)
    day_wh = measured_days(estate, meter, day_slot)
    slot_of_day = first_slot - day_slot
    values_wh = day_wh if slot_count == SLOTS_PER_DAY else np.take_along_axis(day_wh, slot_of_day[:, np.newaxis], 1)
    end_slot = (first_slot + slot_count).astype(np.int32)
    return _readings(
        estate,
        meter=meter,
        first_slot=first_slot,
        values_wh=values_wh,
        register_wh=registers_wh(estate, meter, end_slot),
        received_us=_due_us(estate.packed, meter, first_slot, slot_count),
        day=totals_of(estate, meter, day_slot, day_wh, slot_of_day.astype(np.int64) + slot_count),
        revision=0,
        quality=Quality.ACTUAL,
    )


def registers_of(estate: EstateModel, *, meter: NDArray[np.int64], first_slot: NDArray[np.int32]) -> Readings:
    """n readings of a register alone, at the end of the UTC day that begins at first_slot: int64[n], int32[n]."""
    end_slot = (first_slot + SLOTS_PER_DAY).astype(np.int32)
    return _readings(
        estate,
        meter=meter,
        first_slot=end_slot,
        values_wh=np.empty((len(meter), 0), np.int32),
        register_wh=registers_wh(estate, meter, end_slot),
        received_us=_due_us(estate.packed, meter, first_slot, 0),
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
    """The bind columns of n readings of 10 s: part 0 .. 179 of a slot; int64[n], int32[n], int32[n]."""
    premises, is_gas = split_meter(estate, meter)
    tick = slot.astype(np.int64) * TEN_SECONDS_PER_SLOT + part
    start_us = start_us_of(estate) + tick * TEN_SECOND_US
    return {
        "premises": premises,
        "epoch_day": epoch_day_of(start_us),
        "fuel": is_gas.astype(np.int8),
        "tick": (tick % (TEN_SECONDS_PER_SLOT * SLOTS_PER_DAY)).astype(np.int16),
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
    changed_us, schedule = _changes(estate.packed, meter)
    at_us = start_us_of(estate) + changed_us
    return {
        "premises": premises,
        "preference": np.full(len(meter), Preference.READ_SCHEDULE, np.int8),
        "effective_at": (at_us // DAY_US + 1) * (DAY_US // 1_000),
        "changed_at": at_us // 1_000,
        "value": schedule.astype(np.int32),
        "write_us": at_us,
    }


def sends_runs(
    estate: EstateModel, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Would a meter send this run of half-hours: a push of one, an upload of 48? Arrays of n -> bool[n]."""
    counts = np.asarray(slot_count, np.int64)
    return _sends_runs(estate.packed, meter, np.asarray(first_slot, np.int32), counts)


def sends_half_hours(estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Does a meter send half-hours of a slot's day, whether pushed or uploaded? int64[n], int32[n] -> bool[n]."""
    slot = np.asarray(slot, np.int32)
    day_slot = slot // SLOTS_PER_DAY * SLOTS_PER_DAY
    counts = np.full(len(meter), SLOTS_PER_DAY)
    is_pushed = schedules_on(estate, meter, slot) == ReadSchedule.HALF_HOURLY
    found: NDArray[np.bool_] = sends_runs(estate, meter, day_slot, counts)
    found |= is_pushed & (meter_types_of(estate, meter) != MeterType.REGISTER_ONLY)
    return found


def schedules_on(estate: EstateModel, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The ReadSchedule of each meter on the UTC day of a slot: int64[n], int32[n] -> uint8[n]."""
    return _schedules_on(estate.packed, meter, np.asarray(slot, np.int32))


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


def measured_days(estate: EstateModel, meter: NDArray[np.int64], day_slot: NDArray[np.int32]) -> NDArray[np.int32]:
    """The half-hours of days as the meters hold them: int64[n], int32[n] -> int32[n, 48], MISSING_WH where lost [Wh]."""
    day_wh = intervals_wh(estate, meter, day_slot, SLOTS_PER_DAY)
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
    """What the first `slot_count` half-hours of days add up to and cost: arrays of n, day_wh int32[n, 48]."""
    premises, is_gas = split_meter(estate, meter)
    return day_totals(
        price_lists_of(estate),
        day_start_us=start_us_of(estate) + day_slot.astype(np.int64) * SLOT_US,
        values_wh=day_wh,
        slot_count=slot_count,
        kind=tariff_kinds_of(estate, premises),
        fuel=np.full(len(meter), EXPORT, np.int8) if is_export else is_gas.astype(np.int8),
    )


def meter_types_of(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The MeterType of meters: int64[n] -> uint8[n]."""
    return _meter_types(estate.packed, meter)


def received_us_of(
    estate: EstateModel, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """When the first copy of each delivery arrives: int64[n], int32[n] -> int64[n] [us since the Unix epoch].

    slot_count: 1 for a push, 48 for an upload, 0 for a register at the end of the day that begins at first_slot.
    """
    return start_us_of(estate) + _due_us(estate.packed, meter, first_slot, slot_count)


def tariff_kinds_of(estate: EstateModel, premises: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The TariffKind of homes: int64[n] -> uint8[n]."""
    return _tariff_kinds(estate.packed, np.asarray(premises, np.int64))


def cohorts_of(estate: EstateModel, premises: NDArray[np.int64]) -> NDArray[np.int32]:
    """The cohort of similar homes of each home: int64[n] -> int32[n]."""
    return _cohorts(estate.packed, premises)


def price_lists_of(estate: EstateModel) -> tuple[PriceList, ...]:
    """The first prices, and a version more for each instant at which the scenario's campaigns bring a price into force."""
    p = estate.parameters
    instants = sorted({int(one["effective_us"]) for one in p.campaigns[: p.campaign_count]} - {-1})
    lists = [FIRST_PRICES]
    for number, at_us in enumerate(instants, 1):
        percent = 100 + _PRICE_STEP_PERCENT * number
        raised = tuple(
            tuple(
                (low * percent // 100, standard * percent // 100, peak * percent // 100) for low, standard, peak in one
            )
            for one in FIRST_PRICES.upence_per_wh
        )
        lists.append(
            PriceList(
                version=number + 1,
                effective_us=start_us_of(estate) + at_us,
                upence_per_wh=raised,
                standing_upence=FIRST_PRICES.standing_upence,
            )
        )
    return tuple(lists)


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
        interval_start_us=start_us + first_slot.astype(np.int64) * SLOT_US,
        values_wh=values_wh,
        register_wh=register_wh,
        day=day,
        received_at_us=start_us + received_us,
        revision=np.full(n, revision, np.int32),
        source=np.full(n, Source.SCHEDULED, np.int8),
        quality=np.full(n, quality, np.int8),
    )


@kernel
def _due_us(
    p: KernelParameters, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: int
) -> NDArray[np.int64]:
    """When the first copy of each delivery arrives: int64[n] [us since the scenario's start]; 0 half-hours: a register."""
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
    """When a delivery is sent [us since the scenario's start]; 0 half-hours: a register at the end of the day."""
    if slot_count == 1:
        return push_due_us(p.seed, p.push_jitter_us, meter, first_slot)
    return upload_due_us(p.seed, p.upload_window_us, meter, first_slot // SLOTS_PER_DAY)


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
        slot = first_slot[at] - SLOTS_PER_DAY + 1 if is_register[at] else first_slot[at]
        count = 0 if is_register[at] else slot_count[at]
        kind = _REGISTER if is_register[at] else (_PUSH if count == 1 else _UPLOAD)
        sent_us = _sent_us(p, meter[at], slot, count)
        due_us = arrival_us(p, premises, region_index(p, premises), meter[at], kind, slot, sent_us)
        out[at] = repeated_us(p, meter[at], kind, slot, due_us)
    return out


@kernel
def _sends_runs(
    p: KernelParameters, meter: NDArray[np.int64], first_slot: NDArray[np.int32], slot_count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    out = np.zeros(len(meter), np.bool_)
    for at in range(len(meter)):
        slot = min(max(first_slot[at], 0), p.day_count * SLOTS_PER_DAY - 1)
        schedule = schedule_on(p, meter[at], slot // SLOTS_PER_DAY)
        if meter_type_index(p, meter[at]) == _REGISTER_ONLY:
            continue
        if slot_count[at] == 1:
            out[at] = schedule == _HALF_HOURLY and not is_gap(p, meter[at], slot)
        else:
            out[at] = slot_count[at] == SLOTS_PER_DAY and schedule == _DAILY
    return out


@kernel
def _schedules_on(p: KernelParameters, meter: NDArray[np.int64], slot: NDArray[np.int32]) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        day = min(max(slot[at], 0), p.day_count * SLOTS_PER_DAY - 1) // SLOTS_PER_DAY
        out[at] = schedule_on(p, meter[at], day)
    return out


@kernel
def _meter_types(p: KernelParameters, meter: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        out[at] = meter_type_index(p, meter[at])
    return out


@kernel
def _mark_gaps(
    p: KernelParameters, meter: NDArray[np.int64], day_slot: NDArray[np.int32], day_wh: NDArray[np.int32]
) -> None:
    for at in range(len(meter)):
        for slot in range(SLOTS_PER_DAY):
            if is_gap(p, meter[at], day_slot[at] + slot):
                day_wh[at, slot] = MISSING_WH


@kernel
def _measure_volumes(
    p: KernelParameters, meter: NDArray[np.int64], register_at: NDArray[np.int64], day_wh: NDArray[np.int32]
) -> None:
    """Of gas the energy of whole dm3, which is what the meters count: differences of registers, in `day_wh` int32[n, 48]."""
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
        day = slot[at] // SLOTS_PER_DAY
        if revision > 0:
            out[at] = correction_due_us(p, meter[at], day, revision - 1)
        else:
            out[at] = estimate_due_us(p, meter[at], day)
    return out


@kernel
def _tariff_kinds(p: KernelParameters, premises: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(len(premises), np.uint8)
    for at in range(len(premises)):
        out[at] = tariff_index(p, premises[at])
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
            raised[at] = alert_sent_us(p.seed, premises, slot[at] // SLOTS_PER_DAY, draw)
        region = region_index(p, premises)
        received[at] = arrival_us(p, premises, region, meter[at], alert_wan_kind(draw), slot[at], raised[at])
    return raised, received


@kernel
def _changes(p: KernelParameters, meter: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
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
