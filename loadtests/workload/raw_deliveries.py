"""What meters themselves hold of a run of half-hours, read by the store's adapters: as a gateway takes raw forms in. Pure.

The wire engine sends what comes out of here without going through here: it has no time for one Python object a delivery.
That both are the same is held by the audit, for a sample of homes, and by the back office, which sends these.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.workload.deliveries import measured_days, registers_wh, totals_of
from scenarios.domain import MeterType, Quality, Source, export_mpan_of
from sim.energy.raw_forms import GAS_DM3, GAS_WH, displays, raw_readings, ten_seconds_wh
from sim.energy.registers import register_wh
from sim.estate.lookup import meter_types_of, mpxn_of, split_meter, start_us_of
from sim.estate.model import EstateModel
from sim.trace.arrival_times import received_us_of
from store.meter_conversion import METER_TYPES
from store.meter_conversion.canonical import Channel, Envelope, readings_of
from store.meter_conversion.counter import Anchor, Counter
from store.meter_conversion.gas_volume import CORRECTION_PARTS, PARTS_PER_WH, GasVolume
from store.meter_conversion.half_hourly import HalfHourly
from store.meter_conversion.import_export import ImportExport
from store.meter_conversion.register_only import RegisterOnly
from store.meter_conversion.ten_second import TenSecond
from store.rows import Readings
from store.tariffs import EXPORT, MISSING_WH

CALORIFIC_VALUE = 3_930  # [hundredths of a MJ/m3], of the simulated gas

Meters = NDArray[np.int64]
Slots = NDArray[np.int32]


def channels_of(
    estate: EstateModel, meter_type: MeterType, meter: Meters, first_slot: Slots, slot_count: int
) -> tuple[Channel, ...]:
    """Runs of n meters of one type, from their raw forms: the home's use first, then what it gave to the network.

    meter: int64[n]; first_slot: int32[n]; slot_count: 1 for a push, 48 (or 96) for a day. Of a register-only meter the counter
    alone is read, at the run's end. What a meter has lost is missing in its raw form too.
    """
    return METER_TYPES.channels(_FORM_OF[meter_type](estate, _Runs(meter, first_slot, slot_count)))


def adapted_runs(
    estate: EstateModel, meter_type: MeterType, meter: Meters, first_slot: Slots, slot_count: int
) -> Readings:
    """The accepted deliveries of runs, from raw forms, as the store takes them; with what the day adds up to.

    Shapes as in `channels_of`; a register-only meter's is a register alone, at the end of a day.
    """
    channel = channels_of(estate, meter_type, meter, first_slot, slot_count)[0]
    premises, _ = split_meter(estate, meter)
    n: int = len(meter)
    length = channel.values_wh.shape[1]
    start_us = start_us_of(estate) + (first_slot.astype(np.int64) + (0 if length else slot_count)) * estate.slot_us
    envelope = Envelope(
        mpxn=mpxn_of(estate, meter),
        premises=premises,
        interval_start_us=start_us,
        received_at_us=received_us_of(estate, meter, first_slot, length),
        revision=np.zeros(n, np.int32),
        source=np.full(n, Source.SCHEDULED, np.int8),
        quality=np.full(n, Quality.ACTUAL, np.int8),
        slot_us=estate.slot_us,
    )
    assert not channel.reason.any(), "a simulated meter's own form was refused"
    slots = estate.slots_per_day
    day_slot = (first_slot // slots * slots).astype(np.int32)
    count = (first_slot - day_slot).astype(np.int64) + length
    day = totals_of(estate, meter, day_slot, measured_days(estate, meter, day_slot), count) if length else None
    return readings_of(channel, envelope, day)


def exported_days(estate: EstateModel, meter: Meters, first_slot: Slots) -> Readings:
    """What import/export meters gave to the network on UTC days, from raw forms: one delivery a day, as it is collected.

    meter: int64[n], of type IMPORT_EXPORT; first_slot: int32[n], each the first of a day. It arrives as the day's upload does.
    """
    slots = estate.slots_per_day
    channel = channels_of(estate, MeterType.IMPORT_EXPORT, meter, first_slot, slots)[1]
    assert channel.fuel == EXPORT and not channel.reason.any(), "a simulated meter's own form was refused"
    premises, _ = split_meter(estate, meter)
    n: int = len(meter)
    envelope = Envelope(
        mpxn=export_mpan_of(premises),
        premises=premises,
        interval_start_us=start_us_of(estate) + first_slot.astype(np.int64) * estate.slot_us,
        received_at_us=received_us_of(estate, meter, first_slot, slots),
        revision=np.zeros(n, np.int32),
        source=np.full(n, Source.SCHEDULED, np.int8),
        quality=np.full(n, Quality.ACTUAL, np.int8),
        slot_us=estate.slot_us,
    )
    whole = np.full(n, slots, np.int64)
    day = totals_of(estate, meter, first_slot, channel.values_wh, whole, is_export=True)
    return readings_of(channel, envelope, day)


def are_exact(
    estate: EstateModel, meter_type: MeterType, meter: Meters, first_slot: Slots, slot_count: int
) -> NDArray[np.bool_]:
    """Whose runs come to the same Wh in one upload as push by push: bool[n].

    All but those of gas meters that lost a half-hour: an upload does not say when its volume was burnt, so a known half-hour
    may come out one Wh higher or lower.
    """
    if meter_type is not MeterType.GAS_VOLUME:
        return np.ones(len(meter), np.bool_)
    has_gap: NDArray[np.bool_] = np.any(_is_lost(estate, _Runs(meter, first_slot, slot_count)), axis=1)
    return ~has_gap


def of_types(estate: EstateModel, meter: NDArray[np.int64]) -> Mapping[MeterType, NDArray[np.intp]]:
    """The rows of int64[n] meters by type, of the types that there are."""
    types = meter_types_of(estate, meter)
    return {one: np.flatnonzero(types == one) for one in MeterType if (types == one).any()}


# -- raw forms -------------------------------------------------------------------------------------------------------------


class _Runs(NamedTuple):
    """n runs of consecutive slots."""

    meter: Meters  # [n]
    first_slot: Slots  # [n]
    slot_count: int

    @property
    def end_slot(self) -> Slots:
        return (self.first_slot + self.slot_count).astype(np.int32)

    @property
    def slots(self) -> tuple[Meters, Slots]:
        """Each half-hour by itself: int64[n * slot_count], int32[n * slot_count]."""
        slots = (self.first_slot[:, np.newaxis] + np.arange(self.slot_count)).astype(np.int32)
        return np.repeat(self.meter, self.slot_count), slots.ravel()


def _counter(estate: EstateModel, runs: _Runs, rest: NDArray[np.int64] | None = None) -> Counter:
    """The display at the run's start, which the gateway has seen before, and at its end."""
    n = len(runs.meter)
    before = Anchor(
        display=displays(estate, runs.meter, runs.first_slot),
        register_wh=registers_wh(estate, runs.meter, runs.first_slot),
        rest=np.zeros(n, np.int64) if rest is None else rest,
    )
    after = displays(estate, runs.meter, runs.end_slot)[:, np.newaxis]
    return Counter(before=before, display=after, slots_apart=np.full(n, runs.slot_count), slot_us=estate.slot_us)


def _intervals(estate: EstateModel, runs: _Runs) -> NDArray[np.int64]:
    """The raw half-hours, int64[n, slot_count], MISSING_WH where the meter has lost them."""
    return _known(raw_readings(estate, *runs.slots).interval, _is_lost(estate, runs))


def _known(values: NDArray[np.int32], is_lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A column of raw half-hours, int32[n * slot_count], without those that are lost, bool[n, slot_count]."""
    known: NDArray[np.int64] = values.astype(np.int64).reshape(is_lost.shape)
    known[is_lost] = MISSING_WH
    return known


def _is_lost(estate: EstateModel, runs: _Runs) -> NDArray[np.bool_]:
    slots = estate.slots_per_day
    day_slot = (runs.first_slot // slots * slots).astype(np.int32)
    steps = (runs.first_slot - day_slot)[:, np.newaxis] + np.arange(runs.slot_count)
    lost: NDArray[np.bool_] = (
        np.take_along_axis(measured_days(estate, runs.meter, day_slot), steps, axis=1) == MISSING_WH
    )
    return lost


def _half_hourly(estate: EstateModel, runs: _Runs) -> HalfHourly:
    return HalfHourly(counter=_counter(estate, runs), intervals_wh=_intervals(estate, runs))


def _ten_second(estate: EstateModel, runs: _Runs) -> TenSecond:
    of_slot = estate.ten_seconds_per_slot
    parts = ten_seconds_wh(estate, *runs.slots).reshape(len(runs.meter), runs.slot_count, of_slot)
    parts[_is_lost(estate, runs)] = MISSING_WH
    return TenSecond(counter=_counter(estate, runs), parts_wh=parts.reshape(len(runs.meter), -1))


def _import_export(estate: EstateModel, runs: _Runs) -> ImportExport:
    raw = raw_readings(estate, *runs.slots)
    shown = raw.export_display_wh.reshape(-1, runs.slot_count)
    first = shown[:, 0] - raw.export_wh.reshape(-1, runs.slot_count)[:, 0]
    counter = Counter(
        before=Anchor(display=first, register_wh=first, rest=np.zeros_like(first)),
        display=shown[:, -1:],
        slots_apart=np.full(len(runs.meter), runs.slot_count),
        slot_us=estate.slot_us,
    )
    is_lost = _is_lost(estate, runs)
    return ImportExport(
        imported=HalfHourly(counter=_counter(estate, runs), intervals_wh=_known(raw.interval, is_lost)),
        exported=HalfHourly(counter=counter, intervals_wh=_known(raw.export_wh, is_lost)),
    )


def _gas_volume(estate: EstateModel, runs: _Runs) -> GasVolume:
    burnt_dm3 = register_wh(estate, runs.meter, runs.first_slot) * GAS_DM3 // GAS_WH
    rest = burnt_dm3 * (CALORIFIC_VALUE * CORRECTION_PARTS) % PARTS_PER_WH
    return GasVolume(
        counter=_counter(estate, runs, rest),
        intervals_dm3=_intervals(estate, runs),
        calorific_value=np.full(len(runs.meter), CALORIFIC_VALUE),
    )


def _register_only(estate: EstateModel, runs: _Runs) -> RegisterOnly:
    return RegisterOnly(counter=_counter(estate, runs), is_half_hourly=False)


_FORM_OF: Mapping[MeterType, Callable[[EstateModel, _Runs], object]] = {
    MeterType.REGISTER_ONLY: _register_only,
    MeterType.PROFILE: _half_hourly,
    MeterType.TEN_SECOND: _ten_second,
    MeterType.IMPORT_EXPORT: _import_export,
    MeterType.GAS_VOLUME: _gas_volume,
}
