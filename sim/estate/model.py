"""The estate of a scenario: which meters there are, how they are read, and the tables that the kernels work from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, Fuel
from scenarios.spec import Scenario
from scenarios.tariffs import Tariff
from scenarios.tariffs.caps import Cap
from scenarios.tariffs.prepayment import PrepaymentPlan
from sim.estate.build import build_parameters
from sim.estate.devices import schedule_on
from sim.estate.homes import home_dc_index, partition_index, region_index
from sim.estate.parameters import KernelParameters, pack
from sim.estate.slots import TEN_SECOND_US
from sim.kernels import kernel
from sim.profiles.choose import profile_named
from sim.profiles.demand import DemandProfile
from sim.profiles.faults import ImportReport
from sim.profiles.gas import bdew_gas
from sim.units import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateModel:
    """An estate that answers for every meter from its seed. A meter's index is premises * fuel count + fuel index."""

    premises_count: int
    fuels: tuple[Fuel, ...]
    start: date
    day_count: int
    calendar: Calendar  # the customers'
    tariffs: tuple[Tariff, ...]  # on sale, in the order of their codes; none: those that ship
    series: tuple[Mapping[int, Tariff], ...]  # of each of them: local day since 1970 -> what was published for it
    regions: tuple[str, ...]
    caps: tuple[Cap, ...]  # with any, each tariff is on sale once for each region
    vat: tuple[Mapping[int, int], ...]  # of each tariff: local day since 1970 -> rate of VAT from then on [thousandths]
    prepayment: tuple[PrepaymentPlan | None, ...]  # of each tariff: None where its homes are billed
    seed: int
    profile: DemandProfile  # of electricity
    profile_report: ImportReport | None  # of a user's profile file
    parameters: KernelParameters
    packed: KernelParameters  # the same, for kernels

    @property
    def meter_count(self) -> int:
        return self.premises_count * len(self.fuels)

    @property
    def slots_per_day(self) -> int:
        """48 half-hours, or 96 quarter-hours: the width that `sim.estate.slots` reads, without a kernel to be compiled first."""
        return int(self.parameters.slot_share.shape[2]) - 1

    @property
    def slot_us(self) -> int:
        """How long a slot is [us]."""
        return DAY_US // self.slots_per_day

    @property
    def ten_seconds_per_slot(self) -> int:
        """How many parts of 10 s a slot has: 180, or 90."""
        return self.slot_us // TEN_SECOND_US

    @property
    def slot_count(self) -> int:
        return self.day_count * self.slots_per_day

    @property
    def span_us(self) -> int:
        """From the start to the instant that every message is due before [us]."""
        return self.parameters.span_us

    def schedule_of(self, meter: IntArray, day: int = 0) -> NDArray[np.uint8]:
        """The `ReadSchedule` by which a UTC day of each meter is read: int64[n] -> uint8[n]."""
        return _schedules(self.packed, np.asarray(meter, np.int64), day)

    def region_of(self, premises: IntArray) -> NDArray[np.uint8]:
        """The region of each premises, an index into the scenario's regions: int64[n] -> uint8[n]."""
        return _regions(self.packed, np.asarray(premises, np.int64))

    def home_dc_of(self, premises: IntArray) -> NDArray[np.uint8]:
        """The business data centre of each premises, an index into `topology.business_dcs`: int64[n] -> uint8[n]."""
        return _home_dcs(self.packed, np.asarray(premises, np.int64))

    def partition_of(self, meter: IntArray) -> NDArray[np.int32]:
        """The logical partition of each meter, 0 .. 4095: int64[n] -> int32[n]. A premises' meters share one."""
        return _partitions(self.packed, np.asarray(meter, np.int64))


def build_estate(
    scenario: Scenario, profile: DemandProfile | None = None, *, folder: Path | None = None
) -> EstateModel:
    """The estate of a scenario; electricity follows `profile`, or else the one that the scenario names; gas its own.

    `folder` is the scenario file's, where a relative path of a profile is looked for first. Raises ScenarioError for a
    profile file that is missing or can't be used.
    """
    estate, run = scenario.estate, scenario.run
    calendar, first_day = estate.calendar, (run.start - date(1970, 1, 1)).days
    report = None
    if profile is None:
        profile, report = profile_named(estate.profile, run.start, run.days, folder, calendar, estate.slots_per_day)
    profile = profile.with_slots(estate.slots_per_day)
    assert (profile.start, profile.day_count) == (run.start, run.days), "a profile of another span"
    profiles = [
        profile
        if fuel is Fuel.ELECTRICITY
        else bdew_gas(run.start, run.days, calendar).with_slots(estate.slots_per_day)
        for fuel in estate.fuels
    ]
    parameters = build_parameters(scenario, profiles)
    return EstateModel(
        premises_count=estate.premises,
        fuels=estate.fuels,
        start=run.start,
        day_count=run.days,
        calendar=calendar,
        tariffs=tuple(spec.tariff() for spec in scenario.tariffs),
        series=tuple(spec.series_of_days(first_day, calendar) for spec in scenario.tariffs),
        regions=tuple(region.name for region in estate.regions),
        caps=tuple(spec.cap() for spec in scenario.caps),
        vat=tuple(spec.vat_by_day() for spec in scenario.tariffs),
        prepayment=tuple(spec.prepayment_plan() for spec in scenario.tariffs),
        seed=run.seed,
        profile=profile,
        profile_report=report,
        parameters=parameters,
        packed=pack(parameters),
    )


@kernel
def _schedules(p: KernelParameters, meter: IntArray, day: int) -> NDArray[np.uint8]:
    out = np.empty(len(meter), np.uint8)
    for at in range(len(meter)):
        out[at] = schedule_on(p, meter[at], day)
    return out


@kernel
def _regions(p: KernelParameters, premises: IntArray) -> NDArray[np.uint8]:
    out = np.empty(len(premises), np.uint8)
    for at in range(len(premises)):
        out[at] = region_index(p, premises[at])
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
