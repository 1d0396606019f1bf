"""What a meter of each type itself holds of a slot, before any platform has made it kWh: the raw forms of readings.

A register-only meter shows a counter, a profile meter slots, a 10-second meter those in parts of 10 s, an exporting meter what
went out as well, a gas meter volume. All are found from (meter, slot) alone, in O(1), by integers. The counters that
people see have eight digits and roll over; a counter's difference modulo its range is what was used, whole.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import MeterType
from sim.draws.streams import HALVES_PER_BLOCK, Purpose, centred_of, word_of, words
from sim.energy.registers import register_wh_kernel, ten_second_register_wh
from sim.energy.sun import SunTables, sun_tables
from sim.estate.devices import firmware_at
from sim.estate.homes import cohort_index, is_prepayment, meter_type_index, tariff_index
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slot_us, slots_per_day, ten_seconds_per_slot
from sim.kernels import kernel, leaf_kernel
from sim.units import DAY_BITS, DRAW_BITS, YEAR_BITS, IntArray

ABSENT = -1  # the meter's form has no such number

DISPLAY_ONE = 100_000_000  # eight digits: 99,999.999 kWh, or m3 of gas, and then 0 again

# kWh = m3 x 1.02264 x 39.3 / 3.6, so 558,191 Wh to 50,000 dm3: volume correction, calorific value [MJ/m3] and MJ a kWh.
# Source: Gas (Calculation of Thermal Energy) Regulations 1996; the calorific value is a usual one, not one of a day.
GAS_WH, GAS_DM3 = 558_191, 50_000

# Source: MCS and Energy Saving Trust, some 900 kWh a year of each kW of panels in Great Britain; the Feed-in Tariff deems
# half of it exported. The sizes are ours, up to what a phase may feed in without being asked (G98) and somewhat more.
EXPORT_WH_PER_W = 450
PANEL_W_MIN, PANEL_W_MAX = 1_000, 6_000

_DEVICE = int(Purpose.DEVICE)
_EXPORT = int(Purpose.EXPORT)
_SIZE, _DAY_CLOUDS, _SLOT_CLOUDS = 0, 1, 2  # draws of the stream of export
_REGISTER_ONLY, _TEN_SECOND = int(MeterType.REGISTER_ONLY), int(MeterType.TEN_SECOND)
_IMPORT_EXPORT, _GAS_VOLUME = int(MeterType.IMPORT_EXPORT), int(MeterType.GAS_VOLUME)
_OFFSET_BITS = 24  # the low bits of a word whose high bits choose the day of a monthly reading


class RawReadings(NamedTuple):
    """Readings as meters hold them: columns of one length n, a row a (meter, slot). ABSENT: the form lacks it."""

    meter_type: NDArray[np.uint8]  # uint8[n], a MeterType
    display: IntArray  # int64[n]: the counter at the slot's end, 0 .. 99,999,999 [Wh; of gas dm3]
    interval: NDArray[np.int32]  # int32[n]: used in the slot [Wh; of gas dm3]
    export_display_wh: IntArray  # int64[n]: the counter of export at the slot's end [Wh]
    export_wh: NDArray[np.int32]  # int32[n]: given to the network in the slot [Wh]
    firmware: NDArray[np.uint8]  # uint8[n]: version at the slot's end, see `sim.estate.devices.firmware_at`
    is_prepayment: NDArray[np.bool_]  # bool[n]
    tariff: NDArray[np.uint8]  # uint8[n], a TariffKind
    cohort: NDArray[np.uint16]  # uint16[n]: similar homes, see `sim.estate.homes.cohort_index`


def raw_readings(estate: EstateModel, meter: IntArray, slot: NDArray[np.int32]) -> RawReadings:
    """The readings of meters in slots: int64[n] meters, int32[n] slots (0 .. slot_count - 1) -> n rows.

    Ignores on purpose: what was lost, and whether the home was commissioned by then.
    """
    _check(estate, meter, slot)
    n = len(meter)
    out = RawReadings(
        meter_type=np.empty(n, np.uint8),
        display=np.empty(n, np.int64),
        interval=np.full(n, ABSENT, np.int32),
        export_display_wh=np.full(n, ABSENT, np.int64),
        export_wh=np.full(n, ABSENT, np.int32),
        firmware=np.empty(n, np.uint8),
        is_prepayment=np.empty(n, np.bool_),
        tariff=np.empty(n, np.uint8),
        cohort=np.empty(n, np.uint16),
    )
    sun = sun_tables(estate.start, estate.day_count, estate.slots_per_day)
    _fill(estate.packed, sun, np.asarray(meter, np.int64), np.asarray(slot, np.int32), out)
    return out


def displays(estate: EstateModel, meter: IntArray, slot: NDArray[np.int32]) -> IntArray:
    """What the counters show at the starts of slots: int64[n] meters, int32[n] slots (0 .. slot_count) -> int64[n] [Wh; dm3]."""
    assert meter.shape == slot.shape and meter.ndim == 1, "a slot a meter"
    assert not len(slot) or (slot.min() >= 0 and slot.max() <= estate.slot_count), "an instant outside the span"
    return _displays(estate.packed, np.asarray(meter, np.int64), np.asarray(slot, np.int32))


def ten_seconds_wh(estate: EstateModel, meter: IntArray, slot: NDArray[np.int32]) -> NDArray[np.int32]:
    """Each slot's consumptions of 10 s: int64[n], int32[n] -> int32[n, parts] [Wh]; ABSENT unless a meter keeps them."""
    _check(estate, meter, slot)
    out = np.full((len(meter), estate.ten_seconds_per_slot), ABSENT, np.int32)
    _fill_ten_seconds(estate.packed, np.asarray(meter, np.int64), np.asarray(slot, np.int32), out)
    return out


def used_between(before: IntArray, after: IntArray) -> IntArray:
    """What a counter has counted between two displays of it, less than its range: int64[n] twice -> int64[n]."""
    return (after - before) % DISPLAY_ONE


def has_rolled_over(before: IntArray, after: IntArray) -> NDArray[np.bool_]:
    """Has the counter begun again between two displays? int64[n] twice -> bool[n]. It never runs backwards."""
    return after < before


def _check(estate: EstateModel, meter: IntArray, slot: NDArray[np.int32]) -> None:
    assert meter.shape == slot.shape and meter.ndim == 1, "a slot a meter"
    if len(meter):
        assert meter.min() >= 0 and meter.max() < estate.meter_count, "a meter outside the estate"
        assert slot.min() >= 0 and slot.max() < estate.slot_count, "a slot outside the span"


@leaf_kernel
def volume_dm3(energy_wh: int) -> int:
    """The gas that holds an energy, in whole dm3; so a volume register never falls, and its differences add up."""
    return energy_wh * GAS_DM3 // GAS_WH


@leaf_kernel
def gas_energy_wh(gas_dm3: int) -> int:
    """The energy of a volume of gas, in whole Wh: what a bill says of a difference of two registers."""
    return gas_dm3 * GAS_WH // GAS_DM3


@leaf_kernel
def display_offset(seed: int, meter: int) -> int:
    """What a counter without electronics showed before the register's time: 0 .. 99,999,999 [Wh or dm3]."""
    word = word_of(words(seed, _DEVICE, meter, 0, 0), 3)
    return ((word & ((1 << _OFFSET_BITS) - 1)) * DISPLAY_ONE) >> _OFFSET_BITS


@leaf_kernel
def display_kernel(seed: int, meter: int, meter_type: int, register: int) -> int:
    """The eight digits that a meter shows of its register: an old counter of use or volume stood anywhere at the start."""
    if meter_type in (_REGISTER_ONLY, _GAS_VOLUME):
        return (register + display_offset(seed, meter)) % DISPLAY_ONE
    return register % DISPLAY_ONE


@leaf_kernel
def panel_w(seed: int, meter: int) -> int:
    """The size of an exporting home's panels [W]."""
    word = word_of(words(seed, _EXPORT, meter, 0, _SIZE), 0)
    return PANEL_W_MIN + ((word * (PANEL_W_MAX - PANEL_W_MIN)) >> 32)


@leaf_kernel
def export_register_wh(p: KernelParameters, sun: SunTables, meter: int, slot: int) -> int:
    """What a home has given to the network by the start of absolute slot 0 .. slot_count, from the span's start on [Wh].

    The sun's share of a year's export, with noise for the clouds at each boundary of days and of slots: as consumption is
    made, so the register never falls and stands still in the dark. Export is what is left after the home's own use.
    """
    day, slot_of_day = slot // slots_per_day(p), slot % slots_per_day(p)
    low_wh = _export_by_day_wh(p, sun, meter, day)
    if slot_of_day == 0:
        return low_wh
    energy_wh = _export_by_day_wh(p, sun, meter, day + 1) - low_wh
    clouds = centred_of(words(p.seed, _EXPORT, meter, slot // HALVES_PER_BLOCK, _SLOT_CLOUDS), slot % HALVES_PER_BLOCK)
    spread = int(sun.slot_spread[day, slot_of_day])
    share = int(sun.slot_share[day, slot_of_day]) + ((spread * clouds) >> DRAW_BITS)
    return low_wh + ((energy_wh * share) >> DAY_BITS)


@leaf_kernel
def _export_by_day_wh(p: KernelParameters, sun: SunTables, meter: int, day: int) -> int:
    clouds = centred_of(words(p.seed, _EXPORT, meter, day // HALVES_PER_BLOCK, _DAY_CLOUDS), day % HALVES_PER_BLOCK)
    share = int(sun.day_share[day]) + ((int(sun.day_spread[day]) * clouds) >> DRAW_BITS)
    return (panel_w(p.seed, meter) * EXPORT_WH_PER_W * share) >> YEAR_BITS


@kernel
def _fill(p: KernelParameters, sun: SunTables, meter: IntArray, slot: NDArray[np.int32], out: RawReadings) -> None:
    after = exported_wh = 0  # what the row before ends with, where this one begins there
    for at in range(len(meter)):
        one, premises = int(meter[at]), int(meter[at]) // p.fuel_count
        is_same = at > 0 and meter[at - 1] == one
        is_next = is_same and slot[at - 1] == slot[at] - 1
        meter_type = int(out.meter_type[at - 1]) if is_same else meter_type_index(p, one)
        out.meter_type[at] = meter_type
        before = after if is_next else _counted(p, one, meter_type, int(slot[at]))
        after = _counted(p, one, meter_type, int(slot[at]) + 1)
        out.display[at] = display_kernel(p.seed, one, meter_type, after)
        if meter_type != _REGISTER_ONLY:
            out.interval[at] = after - before
        if meter_type == _IMPORT_EXPORT:
            before_wh = exported_wh if is_next else export_register_wh(p, sun, one, int(slot[at]))
            exported_wh = export_register_wh(p, sun, one, int(slot[at]) + 1)
            out.export_display_wh[at] = exported_wh % DISPLAY_ONE
            out.export_wh[at] = exported_wh - before_wh
        out.firmware[at] = firmware_at(p, one, (int(slot[at]) + 1) * slot_us(p))
        out.is_prepayment[at] = out.is_prepayment[at - 1] if is_same else is_prepayment(p, premises)
        out.tariff[at] = out.tariff[at - 1] if is_same else tariff_index(p, premises)
        out.cohort[at] = out.cohort[at - 1] if is_same else cohort_index(p, premises)


@leaf_kernel
def _counted(p: KernelParameters, meter: int, meter_type: int, slot: int) -> int:
    """What a counter without end stands at, at the start of a slot [Wh; of gas dm3]."""
    register = register_wh_kernel(p, meter, slot)
    return volume_dm3(register) if meter_type == _GAS_VOLUME else register


@kernel
def _displays(p: KernelParameters, meter: IntArray, slot: NDArray[np.int32]) -> IntArray:
    out = np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        meter_type = meter_type_index(p, meter[at])
        register = register_wh_kernel(p, meter[at], slot[at])
        if meter_type == _GAS_VOLUME:
            register = volume_dm3(register)
        out[at] = display_kernel(p.seed, meter[at], meter_type, register)
    return out


@kernel
def _fill_ten_seconds(p: KernelParameters, meter: IntArray, slot: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    for at in range(len(meter)):
        one = int(meter[at])
        if meter_type_index(p, one) == _TEN_SECOND:
            first = int(slot[at]) * ten_seconds_per_slot(p)
            before = ten_second_register_wh(p, one, first)
            for part in range(ten_seconds_per_slot(p)):
                after = ten_second_register_wh(p, one, first + part + 1)
                out[at, part] = after - before
                before = after
