"""The estate's part of a scenario: premises, meters, how they are read, their WAN, and what is commanded of them."""

import math
from itertools import count
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from scenarios.calendar import Calendar
from scenarios.domain import CommandKind, Fuel
from scenarios.parts.base import Name, Part, Share, require_sum_of_one

Hours = Annotated[float, Field(strict=True, ge=0, le=9_700)]  # simulated hours after the start; 400 days and some
CAMPAIGNS_MAX = 16
REGIONS_MAX = 64
CHANGES_MAX = 4
OUTAGES_MAX = 8
SETTLEMENT_RUNS_MAX = 8
ALERT_STORMS_MAX = 8
LOSSES_MAX = 8  # attempts lost in a row at most, then a message arrives: of a half lost, 1 in 256 would need more


WanName = Literal["cellular", "long_range_radio", "four_g"]


def _require_zone(name: str) -> str:
    Calendar(name)  # raises CalendarError, a ValueError
    return name


TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_require_zone)]
"""A name of the IANA database."""


class Region(Part):
    """A communications region; `share` of all premises lie in it."""

    name: Name
    share: Share
    wan: WanName = "cellular"


def _default_regions() -> tuple[Region, ...]:
    return (
        Region(name="central", share=0.35),
        Region(name="south", share=0.35),
        Region(name="north", share=0.30, wan="long_range_radio"),
    )


ScheduleName = Literal["monthly", "daily", "half_hourly", "ten_second"]


class ReadSchedules(Part):
    """Shares of meters by read schedule; they add up to 1."""

    monthly: Share = 0.0
    daily: Share = 1.0
    half_hourly: Share = 0.0
    ten_second: Share = 0.0

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        require_sum_of_one("monthly + daily + half_hourly + ten_second", self.model_dump())
        return self


class ScheduleChange(Part):
    """Meters that are read by another schedule: `share` of them, each from a drawn instant between two hours on."""

    to: ScheduleName
    fuel: Fuel | None = Field(default=None, description="of the meters of this fuel alone; absent: of all")
    share: Share
    from_h: Hours = 0.0
    until_h: Hours
    per_day_max: int | None = Field(
        strict=True, default=None, ge=1, description="no more change on a day; a span too short for that is refused"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until_h <= self.from_h:
            raise ValueError(f"until_h {self.until_h:g} must be after from_h {self.from_h:g}")
        return self


def _most_a_day(mean: float) -> float:
    """Drawn instants make the days differ: a day of a year's five hundred is never above this."""
    return mean + 5 * math.sqrt(mean)


class Tariffs(Part):
    """Shares of premises by kind of tariff."""

    flat: Share = 0.8
    time_of_use: Share = 0.15
    half_hourly: Share = 0.05

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        require_sum_of_one("flat + time_of_use + half_hourly", self.model_dump())
        return self


class MeterTypes(Part):
    """Shares of electricity meters by what they hold: a register alone, half-hours, 10-second data, or export as well.

    Gas meters all hold volume.
    """

    register_only: Share = 0.0
    profile: Share = 0.9
    ten_second: Share = 0.05
    import_export: Share = 0.05

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        require_sum_of_one("register_only + profile + ten_second + import_export", self.model_dump())
        return self


class Metering(Part):
    """Which homes have which meters, and which of them are in smart mode. The others measure all the same, and send nothing."""

    gas: Share = Field(default=1.0, description="of the homes that have gas, where fuels holds it")
    smart: Share = Field(default=1.0, description="of the homes whose meters are smart: they alone have a hub")
    traditional_mode: Share = Field(default=0.0, description="of smart meters: the head-end never reaches them")


class Rollout(Part):
    """Meters join over time: `start_share` of the premises from the start, the rest evenly over `over_days`."""

    start_share: Share = 0.0
    over_days: int = Field(strict=True, ge=1, le=400)


class Link(Part):
    """One type of WAN: the delay of a message [ms], even between two bounds; a lost one is sent again after `retry_s`."""

    delay_ms_min: float = Field(strict=True, default=0.0, ge=0, le=3_600_000)
    delay_ms_max: float = Field(strict=True, default=0.0, ge=0, le=3_600_000)
    loss: float = Field(strict=True, default=0.0, ge=0, le=0.5, description="of each attempt")
    retry_s: float = Field(strict=True, default=30.0, ge=0.001, le=3_600)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.delay_ms_max < self.delay_ms_min:
            raise ValueError(f"delay_ms_max {self.delay_ms_max:g} is below delay_ms_min {self.delay_ms_min:g}")
        return self


class Outage(Part):
    """A region, or all of them, without WAN. Then its hubs come back evenly over `return_over_h`, and catch up."""

    region: Name | None = None
    at_h: Hours
    for_h: Annotated[float, Field(strict=True, gt=0, le=9_700)]
    return_over_h: float = Field(
        strict=True, default=1.0, ge=0, le=150, description="the rate limit: so long until the last hub has its turn"
    )


class HubSwaps(Part):
    """`share` of the hubs on cellular WAN are taken out, each at a drawn instant between two hours, and one on 4G is put in."""

    share: Share
    from_h: Hours = 0.0
    until_h: Hours
    without_wan_h: float = Field(strict=True, default=1.0, gt=0, le=23, description="while it is swapped")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until_h <= self.from_h:
            raise ValueError(f"until_h {self.until_h:g} must be after from_h {self.from_h:g}")
        return self


class Wan(Part):
    """Delay, loss and outages between the hubs and the head-end. What is due without WAN waits in the hub, in order."""

    cellular: Link = Link()
    long_range_radio: Link = Link()
    four_g: Link = Link()
    hub_swaps: HubSwaps | None = None
    hub_outages_per_day: Share = Field(default=0.0, description="chance that a hub loses its WAN on a day")
    hub_outage_h_max: float = Field(strict=True, default=6.0, gt=0, le=23, description="even from 0 to this")
    catch_up_speed: int = Field(
        strict=True, default=20, ge=2, le=1_000, description="seconds of backlog that a hub sends in a second"
    )
    outages: tuple[Outage, ...] = Field(default=(), max_length=OUTAGES_MAX)

    @model_validator(mode="after")
    def _follow_each_other(self) -> Self:
        last: dict[str | None, float] = {}
        for outage in self.outages:
            before = max(
                (end for region, end in last.items() if outage.region in (None, region) or region is None), default=0
            )
            if outage.at_h < before:
                raise ValueError(
                    f"the outage at_h {outage.at_h:g} begins before an earlier one of its region has been caught up "
                    f"({before:g} h): outages of a region are listed in order and apart"
                )
            return_h = outage.at_h + outage.for_h + outage.return_over_h
            # the fluid of the backlog is gone when the last hub has sent it at the catch-up speed
            last[outage.region] = outage.at_h + (return_h - outage.at_h) * self.catch_up_speed / (
                self.catch_up_speed - 1
            )
        return self


class SettlementRun(Part):
    """A settlement run revises `share` of the half-hours of each day, `after_days` after it."""

    name: Name
    after_days: int = Field(strict=True, ge=1, le=399)
    share: Share


class Reads(Part):
    """What goes wrong with readings, and how it is made good."""

    gap_share: Share = Field(default=0.0, description="half-hours that a meter has lost; the head-end estimates them")
    estimate_after_h: float = Field(strict=True, default=12.0, ge=0, le=168, description="after the end of their day")
    duplicate_share: Share = Field(default=0.0, description="deliveries that come twice")
    duplicate_after_s: float = Field(strict=True, default=300.0, ge=0.001, le=86_400, description="within this")
    settlement_runs: tuple[SettlementRun, ...] = Field(default=(), max_length=SETTLEMENT_RUNS_MAX)


class AlertStorm(Part):
    """`share` of a region's hubs, or of all, raise an alert within `over_s`."""

    region: Name | None = None
    at_h: Hours
    share: Share = 1.0
    over_s: float = Field(strict=True, default=600.0, gt=0, le=86_400)


class Alerts(Part):
    per_hub_day: float = Field(strict=True, default=0.0, ge=0, le=20)
    storms: tuple[AlertStorm, ...] = Field(default=(), max_length=ALERT_STORMS_MAX)


class Campaign(Part):
    """One command to each of many devices: in waves, each attempt answered, refused or lost, and sent again up to a limit."""

    name: Name
    kind: CommandKind
    to: ScheduleName | None = Field(default=None, description="the read schedule that change_schedule sets")
    fuel: Fuel = Fuel.ELECTRICITY
    region: Name | None = None
    prepayment_only: bool = False
    share: Share = 1.0
    at_h: Hours
    over_h: float = Field(strict=True, default=1.0, gt=0, le=150, description="each wave is sent evenly over this")
    waves: int = Field(strict=True, default=1, ge=1, le=100)
    wave_every_h: float = Field(strict=True, default=24.0, gt=0, le=720)
    effective_h: Hours | None = Field(default=None, description="when a tariff or price comes into force")
    pays_pence: str | None = Field(default=None, description="what each top_up pays into its home's account")
    attempts_max: int = Field(strict=True, default=4, ge=1, le=31)
    timeout_s: float = Field(strict=True, default=300.0, gt=0, le=86_400)
    backoff_s: float = Field(strict=True, default=600.0, ge=0, le=86_400, description="doubled after each attempt")
    # Source of success and mean: Energy Informatics 2022, calibration of a field AMI.
    success: Share = Field(default=0.982, description="of an attempt on a hub that has WAN")
    ack_mean_s: float = Field(strict=True, default=51.0, gt=0, le=3_600)
    silent: Share = Field(default=0.0, description="of devices: no attempt reaches them, e.g. out of order")
    silent_for_h: float | None = Field(
        strict=True, default=None, gt=0, le=9_700, description="from a device's first attempt on; absent: for ever"
    )
    refusal: Share = Field(default=0.002, description="of delivered commands: the device says no, and stays with it")
    duplicate: Share = Field(default=0.005, description="of acknowledgements that come twice")

    @model_validator(mode="after")
    def _is_legal(self) -> Self:
        if self.fuel is Fuel.GAS and self.kind in (CommandKind.ENABLE_SUPPLY, CommandKind.DISABLE_SUPPLY):
            raise ValueError(f"{self.kind} is illegal for gas: a gas supply can only be armed from afar")
        if self.effective_h is not None and self.kind not in (CommandKind.UPDATE_TARIFF, CommandKind.UPDATE_PRICE):
            raise ValueError(f"effective_h goes with update_tariff and update_price, not {self.kind}")
        if self.kind is CommandKind.CHANGE_SCHEDULE and self.to is None:
            raise ValueError(f"{self.kind} needs `to`, the schedule that it sets: {', '.join(get_args(ScheduleName))}")
        if self.kind is not CommandKind.CHANGE_SCHEDULE and self.to is not None:
            raise ValueError(f"to goes with change_schedule, not {self.kind}")
        if self.silent_for_h is not None and self.silent == 0:
            raise ValueError(
                "silent_for_h goes with silent, the share of the devices that are out of reach for so long"
            )
        if self.waves > 1 and self.wave_every_h < self.over_h:
            raise ValueError(f"wave_every_h {self.wave_every_h:g} must be at least over_h {self.over_h:g}")
        return self


class Estate(Part):
    """Premises, their meters, and how the meters are read."""

    premises: int = Field(strict=True, ge=1, le=60_000_000)
    time_zone: TimeZone = Field(
        default="Europe/London", description="by whose midnights customers' days, months and tariffs begin"
    )
    slots_per_hour: Literal[2, 4] = Field(
        default=2, description="readings an hour that meters hold: half-hours, or quarter-hours"
    )
    fuels: tuple[Fuel, ...] = Field(default=(Fuel.ELECTRICITY,), min_length=1, max_length=2)
    regions: tuple[Region, ...] = Field(default_factory=_default_regions, min_length=1, max_length=REGIONS_MAX)
    read_schedules: ReadSchedules = ReadSchedules()
    schedule_changes: tuple[ScheduleChange, ...] = Field(default=(), max_length=CHANGES_MAX)
    meter_types: MeterTypes = MeterTypes()
    metering: Metering = Metering()
    tariffs: Tariffs = Tariffs()
    prepayment: Share = Field(default=0.15, description="share of premises that pay before they use")
    firmware_versions: int = Field(strict=True, default=4, ge=1, le=16, description="evenly spread over the hubs")
    rollout: Rollout | None = None
    upload_window_h: float = Field(
        strict=True, default=3.0, gt=0, le=24, description="a daily meter uploads within this after midnight"
    )
    push_jitter_s: float = Field(
        strict=True, default=600.0, ge=0, le=1800, description="a half-hourly meter pushes within this"
    )
    profile: str = Field(default="bdew_household", description="'bdew_household', or the path of a CSV file")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.fuels)) != len(self.fuels):
            raise ValueError("fuels names a fuel twice")
        if Fuel.ELECTRICITY not in self.fuels:
            raise ValueError("fuels must hold 'electricity': the communications hub is powered by its meter")
        if len({region.name for region in self.regions}) != len(self.regions):
            raise ValueError("two regions have the same name")
        require_sum_of_one("the shares of the regions", {region.name: region.share for region in self.regions})
        if sum(change.share for change in self.schedule_changes) > 1:
            raise ValueError("the shares of schedule_changes add up to more than 1: a meter changes once at most")
        for change in self.schedule_changes:
            self._require_changing(change)
        slot_s = 3_600 // self.slots_per_hour
        if self.push_jitter_s > slot_s:
            raise ValueError(
                f"push_jitter_s {self.push_jitter_s:g} must be at most {slot_s}: a meter pushes a slot before the next one ends"
            )
        return self

    def _require_changing(self, change: ScheduleChange) -> None:
        """Raises ValueError for a change of a fuel that nobody has, or of more meters a day than it may be."""
        if change.fuel is not None and change.fuel not in self.fuels:
            raise ValueError(f"schedule_changes name {change.fuel}, which fuels lacks")
        if change.per_day_max is None:
            return
        changing = change.share * self.reached_count(change.fuel)
        days = max((change.until_h - change.from_h) / 24, 1.0)
        if _most_a_day(changing / days) > change.per_day_max:
            enough = next(n for n in count(math.ceil(days)) if _most_a_day(changing / n) <= change.per_day_max)
            raise ValueError(
                f"schedule_changes to {change.to}: {changing:,.0f} meters within {days:g} days are {changing / days:,.0f} a "
                f"day, too near to per_day_max {change.per_day_max:,} or above it; until_h = "
                f"{change.from_h + 24 * enough:g} is enough, or take a smaller share"
            )

    def reached_count(self, fuel: Fuel | None = None) -> float:
        """How many meters are in smart mode, of one fuel or all: in the mean, each home's are drawn."""
        homes = sum(self.metering.gas if each is Fuel.GAS else 1.0 for each in self.fuels if fuel in (None, each))
        return self.premises * homes * self.metering.smart * (1 - self.metering.traditional_mode)

    @property
    def meter_count(self) -> int:
        return self.premises * len(self.fuels)

    @property
    def calendar(self) -> Calendar:
        """The customers', in slots as long as meters hold them."""
        return Calendar(self.time_zone, self.slots_per_hour)

    @property
    def slots_per_day(self) -> int:
        """48 half-hours, or 96 quarter-hours."""
        return self.calendar.slots_per_day
