"""The estate of a scenario: which meters there are, how they are read, and the tables that the kernels work from."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOTS_PER_DAY, Fuel, ReadSchedule
from scenarios.spec import Scenario
from sim.arrivals import home_dc_index, is_half_hourly, partition_index, region_index
from sim.demand import DemandProfile, tables_of
from sim.kernels import kernel
from sim.london import offset_slots
from sim.parameters import HOURS_PER_DAY, IntArray, KernelParameters
from sim.profiles.choose import profile_named
from sim.profiles.faults import ImportReport
from sim.profiles.gas import bdew_gas

WORD_ONE = 1 << 32

# Source: Ofgem typical domestic consumption values from October 2023: low, medium and high are the quartiles.
# The lowest and highest home are ours: they put the mean near Great Britain's (3.3 MWh electricity, 13 MWh gas).
ANNUAL_KNOTS_WH = {
    Fuel.ELECTRICITY: (600_000, 1_800_000, 2_700_000, 4_100_000, 8_500_000),
    Fuel.GAS: (2_500_000, 7_500_000, 11_500_000, 17_000_000, 32_000_000),
}
# Some ten years of use, so that no register is near the roll-over of its display.
REGISTER_START_WH_MAX = {Fuel.ELECTRICITY: 40_000_000, Fuel.GAS: 150_000_000}

# Relative number of customer queries by local hour: few at night, most in the evening. Ours, for want of a public source.
QUERIES_BY_LOCAL_HOUR = (8, 5, 4, 4, 5, 10, 26, 50, 55, 46, 42, 42, 45, 42, 40, 43, 52, 68, 85, 95, 92, 72, 46, 23)
QUERIES_PER_PREMISES_DAY_COUNT_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateModel:
    """An estate that answers for every meter from its seed. A meter's index is premises * fuel count + fuel index."""

    premises_count: int
    fuels: tuple[Fuel, ...]
    start: date
    day_count: int
    seed: int
    profile: DemandProfile  # of electricity
    profile_report: ImportReport | None  # of a user's profile file
    parameters: KernelParameters

    @property
    def meter_count(self) -> int:
        return self.premises_count * len(self.fuels)

    @property
    def slot_count(self) -> int:
        return self.day_count * SLOTS_PER_DAY

    @property
    def span_us(self) -> int:
        """From the start to the instant that every message is due before [us]."""
        return self.parameters.span_us

    def schedule_of(self, meter: IntArray) -> NDArray[np.uint8]:
        """The `ReadSchedule` of each meter: int64[n] -> uint8[n]."""
        return _schedules(self.parameters, np.asarray(meter, np.int64))

    def region_of(self, premises: IntArray) -> NDArray[np.uint8]:
        """The region of each premises, an index into the scenario's regions: int64[n] -> uint8[n]."""
        return _regions(self.parameters, np.asarray(premises, np.int64))

    def home_dc_of(self, premises: IntArray) -> NDArray[np.uint8]:
        """The business data centre of each premises, an index into `topology.business_dcs`: int64[n] -> uint8[n]."""
        return _home_dcs(self.parameters, np.asarray(premises, np.int64))

    def partition_of(self, meter: IntArray) -> NDArray[np.int32]:
        """The logical partition of each meter, 0 .. 4095: int64[n] -> int32[n]. A premises' meters share one."""
        return _partitions(self.parameters, np.asarray(meter, np.int64))


def build_estate(
    scenario: Scenario, profile: DemandProfile | None = None, *, folder: Path | None = None
) -> EstateModel:
    """The estate of a scenario; electricity follows `profile`, or else the one that the scenario names; gas its own.

    `folder` is the scenario file's, where a relative path of a profile is looked for first. Raises ScenarioError for a
    profile file that is missing or can't be used.
    """
    estate, run = scenario.estate, scenario.run
    report = None
    if profile is None:
        profile, report = profile_named(estate.profile, run.start, run.days, folder)
    assert (profile.start, profile.day_count) == (run.start, run.days), "a profile of another span"
    profiles = [profile if fuel is Fuel.ELECTRICITY else bdew_gas(run.start, run.days) for fuel in estate.fuels]
    return EstateModel(
        premises_count=estate.premises,
        fuels=estate.fuels,
        start=run.start,
        day_count=run.days,
        seed=run.seed,
        profile=profile,
        profile_report=report,
        parameters=_parameters(scenario, profiles),
    )


def _parameters(scenario: Scenario, profiles: list[DemandProfile]) -> KernelParameters:
    estate, run, traffic = scenario.estate, scenario.run, scenario.traffic
    tables = [tables_of(profile) for profile in profiles]
    upload_window_us = round(estate.upload_window_h * 3_600_000_000)
    push_jitter_us = round(estate.push_jitter_s * 1_000_000)
    rates = (
        traffic.usage_month_per_premises_day,
        traffic.intervals_day_per_premises_day,
        traffic.state_per_premises_day,
    )
    regions = np.rint(np.cumsum([region.share for region in estate.regions]) * WORD_ONE).astype(np.int64)
    regions[-1] = WORD_ONE  # the shares add up to 1 only nearly
    return KernelParameters(
        seed=run.seed,
        premises_count=estate.premises,
        fuel_count=len(estate.fuels),
        electricity=estate.fuels.index(Fuel.ELECTRICITY),
        day_count=run.days,
        span_us=run.days * DAY_US + max(upload_window_us, push_jitter_us + 1),
        annual_knots_wh=np.array([ANNUAL_KNOTS_WH[fuel] for fuel in estate.fuels], np.int64),
        register_start_wh_max=np.array([REGISTER_START_WH_MAX[fuel] for fuel in estate.fuels], np.int64),
        day_share=np.stack([table.day_share for table in tables]),
        day_spread=np.stack([table.day_spread for table in tables]),
        slot_share=np.stack([table.slot_share for table in tables]),
        slot_spread=np.stack([table.slot_spread for table in tables]),
        half_hourly_below=round(estate.read_schedules.half_hourly * WORD_ONE),
        region_below=regions,
        dc_count=len(scenario.topology.business_dcs),
        push_jitter_us=push_jitter_us,
        upload_window_us=upload_window_us,
        query_below=_poisson_tables(rates),
        query_per_premises_day=sum(rates),
        query_hour=_query_hours(run.start, run.days),
    )


def _poisson_tables(means: tuple[float, ...]) -> IntArray:
    """Cumulative Poisson probabilities [of 2^32]: int64[mean, count], as long as the largest mean needs.

    In decimals, which are the same on every machine; exp() of the C library is not.
    """
    tables = [_poisson_table(Decimal(mean)) for mean in means]
    out = np.full((len(means), max(len(table) for table in tables)), WORD_ONE, np.int64)
    for row, table in enumerate(tables):
        out[row, : len(table)] = table
    return out


def _poisson_table(mean: Decimal) -> list[int]:
    context = Context(prec=60, rounding=ROUND_HALF_EVEN)
    term = context.exp(-mean)
    total, below = Decimal(0), []
    for count in range(QUERIES_PER_PREMISES_DAY_COUNT_MAX):
        total = context.add(total, term)
        below.append(int(context.multiply(total, Decimal(WORD_ONE)).to_integral_value()))
        if below[-1] >= WORD_ONE:
            break
        term = context.divide(context.multiply(term, mean), Decimal(count + 1))
    return [min(bound, WORD_ONE) for bound in below]


def _query_hours(start: date, day_count: int) -> IntArray:
    """The share of a day's queries before each UTC hour, from the local hours: int64[day_count + 1, 25] [of 2^32]."""
    out = np.zeros((day_count + 1, HOURS_PER_DAY + 1), np.int64)
    for row in range(day_count + 1):
        day = start + timedelta(days=row)
        hours = [
            QUERIES_BY_LOCAL_HOUR[(hour + offset_slots(day, 2 * hour) // 2) % HOURS_PER_DAY]
            for hour in range(HOURS_PER_DAY)
        ]
        out[row, 1:] = np.cumsum(hours) * WORD_ONE // sum(hours)
    return out


@kernel
def _schedules(p: KernelParameters, meter: IntArray) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        out[at] = (
            ReadSchedule.HALF_HOURLY if is_half_hourly(p.seed, p.half_hourly_below, meter[at]) else ReadSchedule.DAILY
        )
    return out


@kernel
def _regions(p: KernelParameters, premises: IntArray) -> NDArray[np.uint8]:
    out = np.empty(len(premises), np.uint8)
    for at in range(len(premises)):
        out[at] = region_index(p.seed, p.region_below, premises[at])
    return out


@kernel
def _home_dcs(p: KernelParameters, premises: IntArray) -> NDArray[np.uint8]:
    out = np.empty(len(premises), np.uint8)
    for at in range(len(premises)):
        out[at] = home_dc_index(p.seed, p.dc_count, premises[at])
    return out


@kernel
def _partitions(p: KernelParameters, meter: IntArray) -> NDArray[np.int32]:
    out = np.empty(len(meter), np.int32)
    for at in range(len(meter)):
        out[at] = partition_index(p.seed, meter[at] // p.fuel_count)
    return out
