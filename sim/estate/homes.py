"""What a premises and each of its devices are of themselves: region, tariff, meter type, read schedule, when they joined.

Leaves, found from the key alone; what commands make of a device is in `sim.estate.devices`. A meter's index is premises
* fuel count + fuel index; a premises has one hub and one display.
"""

from typing import NamedTuple

import numpy as np

from scenarios.domain import DAY_US, PARTITION_COUNT, MeterMode, MeterType, ReadSchedule
from sim.draws.philox import Words
from sim.draws.streams import Purpose, below, below_long, word_of, words
from sim.estate.parameters import KernelParameters
from sim.kernels import leaf_kernel
from sim.units import IntArray

_PREMISES = int(Purpose.PREMISES)
_METER = int(Purpose.METER)
_HOME = int(Purpose.HOME)
_DEVICE = int(Purpose.DEVICE)
_DAILY, _HALF_HOURLY = int(ReadSchedule.DAILY), int(ReadSchedule.HALF_HOURLY)
_MONTHLY, _TEN_SECOND = int(ReadSchedule.MONTHLY), int(ReadSchedule.TEN_SECOND)
_GAS_VOLUME = int(MeterType.GAS_VOLUME)
_METERING = int(Purpose.METERING)
SMART, TRADITIONAL = int(MeterMode.SMART), int(MeterMode.TRADITIONAL)
NOT_SMART, ABSENT = int(MeterMode.NOT_SMART), int(MeterMode.ABSENT)
_JOIN_BITS = 32
_QUARTILE_SHIFT = 30

NEVER_US = 1 << 62
COHORTS_PER_REGION = 4
READING_DAYS = 28  # a monthly meter is read on a day of the month that all months have


class OwnSchedule(NamedTuple):
    """How a meter is read as far as its customer decides."""

    first: int  # the ReadSchedule that it starts with
    change_us: int  # when the customer chooses another [us]; NEVER_US: not at all
    to: int  # which


@leaf_kernel
def index_below(bounds: IntArray, word: int) -> int:
    """The first index whose upper bound is above `word`; len(bounds) when there is none."""
    index = 0
    while index < len(bounds) and word >= bounds[index]:
        index += 1
    return index


@leaf_kernel
def premises_words(seed: int, premises: int) -> Words:
    """The words of a premises: region, home DC, partition."""
    return words(seed, _PREMISES, premises, 0, 0)


@leaf_kernel
def region_index(p: KernelParameters, premises: int) -> int:
    """The region of a premises, an index into the scenario's regions."""
    return region_of_words(p, premises_words(p.seed, premises))


@leaf_kernel
def region_of_words(p: KernelParameters, four: Words) -> int:
    """The region by the words of a premises."""
    region = 0
    while word_of(four, 0) >= p.regions[region].below:
        region += 1
    return region


@leaf_kernel
def home_dc_index(seed: int, dc_count: int, premises: int) -> int:
    """The business data centre whose gateway a premises talks to."""
    return below(word_of(premises_words(seed, premises), 1), dc_count)


@leaf_kernel
def partition_index(seed: int, premises: int) -> int:
    """The logical partition of a premises, 0 .. 4095: its meters share a hub, so they are never on two shards."""
    return below(word_of(premises_words(seed, premises), 2), PARTITION_COUNT)


@leaf_kernel
def tariff_index(p: KernelParameters, premises: int) -> int:
    """The tariff of a premises: its place in the scenario's list, or a `TariffKind`."""
    word = word_of(words(p.seed, _HOME, premises, 0, 0), 1)
    tariff = 0
    while word >= p.tariff_below[tariff]:
        tariff += 1
    return tariff


@leaf_kernel
def is_prepayment(p: KernelParameters, premises: int) -> bool:
    """Does a premises pay before it uses? Its tariff says so where a tariff of the scenario does; else it is drawn."""
    if p.prepaid_tariffs != 0:
        return (p.prepaid_tariffs >> tariff_index(p, premises)) & 1 == 1
    return word_of(words(p.seed, _HOME, premises, 0, 0), 0) < p.prepayment_below


@leaf_kernel
def cohort_index(p: KernelParameters, premises: int) -> int:
    """Which homes are similar: region * 4 + the quartile of the home's annual electricity."""
    meter = premises * p.fuel_count + p.electricity
    quartile = word_of(words(p.seed, _METER, meter, 0, 0), 0) >> _QUARTILE_SHIFT
    return region_index(p, premises) * COHORTS_PER_REGION + quartile


@leaf_kernel
def firmware_index(p: KernelParameters, premises: int) -> int:
    """The firmware version with which a premises was installed, 0 .. firmware_count - 1."""
    return below(word_of(words(p.seed, _HOME, premises, 0, 0), 2), p.firmware_count)


@leaf_kernel
def joined_us(p: KernelParameters, premises: int) -> int:
    """When the premises' devices are commissioned [us]: 0, or one of the rollout's midnights, from the first after the start."""
    if p.join_days == 0:
        return 0
    word = word_of(words(p.seed, _HOME, premises, 0, 0), 3)
    if word < p.join_below:
        return 0
    return (1 + (word - p.join_below) * p.join_days // ((1 << _JOIN_BITS) - p.join_below)) * DAY_US


@leaf_kernel
def meter_mode(p: KernelParameters, meter: int) -> int:
    """The `MeterMode` of a meter. A home is smart or not as a whole; each of its meters may be in traditional mode."""
    if p.is_all_smart:
        return SMART
    premises = meter // p.fuel_count
    return mode_of_words(p, metering_words(p, premises), meter, meter - premises * p.fuel_count == p.electricity)


@leaf_kernel
def metering_words(p: KernelParameters, premises: int) -> Words:
    """The words of a premises that decide on its metering, for `mode_of_words`; where nothing is to decide, none is drawn."""
    if p.is_all_smart:
        return np.uint32(0), np.uint32(0), np.uint32(0), np.uint32(0)
    return words(p.seed, _METERING, premises, 0, 0)


@leaf_kernel
def mode_of_words(p: KernelParameters, four: Words, meter: int, is_electricity: bool) -> int:
    """As `meter_mode`, for a caller that has the words of the meter's home."""
    if p.is_all_smart:
        return SMART
    if not is_electricity and word_of(four, 0) >= p.gas_below:
        return ABSENT
    if word_of(four, 1) >= p.smart_below:
        return NOT_SMART
    if word_of(words(p.seed, _METERING, meter, 1, 0), 0) < p.traditional_below:
        return TRADITIONAL
    return SMART


@leaf_kernel
def meter_type_index(p: KernelParameters, meter: int) -> int:
    """The `MeterType` of a meter."""
    if meter % p.fuel_count != p.electricity:
        return _GAS_VOLUME
    return index_below(p.type_below, word_of(words(p.seed, _DEVICE, meter, 0, 0), 0))


@leaf_kernel
def first_schedule(p: KernelParameters, meter: int) -> int:
    """The `ReadSchedule` that a meter starts with."""
    schedule_below = p.schedule_below
    if schedule_below[2] == 0:  # all are daily: no draw decides
        return _DAILY
    word = word_of(words(p.seed, _METER, meter, 0, 0), 2)
    if word < schedule_below[0]:
        return _HALF_HOURLY
    if word < schedule_below[1]:
        return _MONTHLY
    if word < schedule_below[2]:
        return _TEN_SECOND
    return _DAILY


@leaf_kernel
def schedule_change(p: KernelParameters, meter: int) -> tuple[int, int]:
    """When the customer chooses another schedule [us] (NEVER_US: not at all), and which `ReadSchedule`.

    There is nothing to choose for a meter that is not in smart mode.
    """
    if p.change_count == 0 or meter_mode(p, meter) != SMART:  # nothing is drawn where nobody changes
        return NEVER_US, _DAILY
    return _drawn_change(p, meter)


@leaf_kernel
def _drawn_change(p: KernelParameters, meter: int) -> tuple[int, int]:
    if p.change_count == 0:
        return NEVER_US, _DAILY
    four = words(p.seed, _DEVICE, meter, 0, 0)
    for change in range(p.change_count):
        one = p.changes[change]
        if word_of(four, 1) < one.below:
            if one.fuel not in (-1, meter % p.fuel_count):
                break
            return one.from_us + below_long(word_of(four, 2), one.over_us), one.to
    return NEVER_US, _DAILY


@leaf_kernel
def own_schedule(p: KernelParameters, meter: int) -> OwnSchedule:
    change_us, to = schedule_change(p, meter)
    return OwnSchedule(first_schedule(p, meter), change_us, to)


@leaf_kernel
def smart_schedule(p: KernelParameters, meter: int) -> OwnSchedule:
    """As `own_schedule`, of a meter that is known to be in smart mode."""
    change_us, to = _drawn_change(p, meter)
    return OwnSchedule(first_schedule(p, meter), change_us, to)


@leaf_kernel
def reading_day(p: KernelParameters, meter: int) -> int:
    """The day of the month, 0 .. 27, after which a monthly meter sends its register."""
    return below(word_of(words(p.seed, _DEVICE, meter, 0, 0), 3), READING_DAYS)
