"""A simulation in virtual time alone: what the estate sends and is sent, when, and how it ends. No store, no waiting."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenarios.domain import DAY_US, PARTITION_COUNT, CommandKind, CommandState, Fuel, MeterMode
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from sim.profiles.demand import YEAR_ONE
from sim.profiles.faults import ImportReport
from sim.trace.digest import merkle_root
from sim.trace.messages import MessageKind
from sim.units import IntArray
from sim.virtual_time.checkpoint import Checkpoint
from sim.virtual_time.parallel import Progress
from sim.virtual_time.tallies import (
    COMMAND_COLUMNS,
    KIND_COUNT,
    MINUTE_US,
    STATE_COUNT,
    Tallies,
    bin_us_of,
    bin_us_of_span,
    walk,
)

_BYTES = 8
_FIXED_BYTES = 400 * 2**20  # Python, NumPy and the compiler, measured


@dataclass(frozen=True, slots=True, kw_only=True)
class WanAccount:
    """The hubs of one region as a store of messages, by the minute; integers, exact at each minute's end.

    `sent` and `arrived` int64[minute] count messages of hubs; waiting and on the way are one: the backlog.
    """

    region: str
    sent: IntArray
    arrived: IntArray
    sent_to_end_us: IntArray  # int64[minute]: sum over those sent of the time left in their minute [us]
    arrived_to_end_us: IntArray  # int64[minute]: likewise over those arrived [us]
    waited_us: int  # sum over messages of the time from sending to arrival, or to the last minute's end [us]

    @property
    def backlog(self) -> IntArray:
        """Messages sent and not arrived, at each minute's end: int64[minute]."""
        return np.cumsum(self.sent - self.arrived)

    @property
    def in_flight(self) -> int:
        """Sent and not arrived at the end."""
        return int(self.sent.sum() - self.arrived.sum())

    @property
    def backlog_integral_us(self) -> int:
        """The backlog summed over time [message microseconds]; by Little's law it is `waited_us`, to the microsecond."""
        before = int(self.backlog[:-1].sum()) * MINUTE_US
        return before + int(self.sent_to_end_us.sum() - self.arrived_to_end_us.sum())

    def drain_us(self) -> int | None:
        """How long the backlog takes, from its peak, to be back within a hundredth of it [us]; None: not by the end."""
        backlog = self.backlog
        peak = int(backlog.argmax())
        low = np.flatnonzero(backlog[peak:] <= backlog[peak] // 100)
        return int(low[0]) * MINUTE_US if len(low) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOutcome:
    """What became of one campaign. `ended` int64[CommandState, minute]; `displayed` int64[minute], empty without tariff."""

    name: str
    kind: CommandKind
    targets: int
    states: dict[CommandState, int]  # they add up to `targets`
    attempts: int
    late_answers: int
    repeated_answers: int
    effective_us: int | None
    displays: int  # that wait for a tariff or price
    displays_correct_at_effective: int
    ended: IntArray
    displayed: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a scenario's estate does in its span.

    `offered` int64[MessageKind, bin]: messages that arrive in each bin of `bin_us`.
    """

    premises_count: int
    meter_count: int
    slot_count: int
    slots_per_day: int
    span_us: int
    messages: dict[MessageKind, int]
    bin_us: int
    offered: IntArray
    wan: tuple[WanAccount, ...]
    campaigns: tuple[CampaignOutcome, ...]
    metering_points: dict[str, dict[Fuel, dict[MeterMode, int]]]  # by region
    swapped_hubs: int
    year_share: dict[Fuel, float]  # of a year's use, that falls on the span's days
    energy_wh: dict[Fuel, int]
    energy_by_region_wh: dict[str, dict[Fuel, int]]
    digest: str
    profile_name: str
    profile_report: ImportReport | None

    def points(self, *modes: MeterMode, fuel: Fuel | None = None) -> int:
        """How many metering points there are in these modes, of one fuel or all."""
        return sum(
            counts[mode]
            for fuels in self.metering_points.values()
            for each, counts in fuels.items()
            for mode in modes
            if fuel in (None, each)
        )

    def hubs(self, region: str | None = None) -> int:
        """How many communications hubs there are, in one region or all: one beside each smart meter of electricity."""
        return sum(
            fuels[Fuel.ELECTRICITY][MeterMode.SMART] + fuels[Fuel.ELECTRICITY][MeterMode.TRADITIONAL]
            for name, fuels in self.metering_points.items()
            if region in (None, name)
        )

    @property
    def message_count(self) -> int:
        return sum(self.messages.values())

    @property
    def reading_count(self) -> int:
        """Readings that the messages bring: half-hours (or quarter-hours), 10-second values and registers."""
        singles = (MessageKind.PUSH_HALF_HOUR, MessageKind.PUSH_TEN_SECOND, MessageKind.READ_REGISTER)
        return sum(self.messages[kind] for kind in singles) + self.slots_per_day * self.messages[MessageKind.UPLOAD_DAY]


def simulate(
    scenario: Scenario,
    *,
    estate: EstateModel | None = None,
    folder: Path | None = None,
    thread_count: int | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Simulation:
    """Run a scenario's estate in virtual time. `estate` saves building it again, else `folder` is as in `build_estate`.

    `progress` is told the share done. `checkpoint` is a file that keeps what is done, and is gone on from where it is there.

    Raises ScenarioError for a profile file that is missing or can't be used, and for a checkpoint that is of something else.
    """
    estate = estate or build_estate(scenario, folder=folder)
    kept = None if checkpoint is None else Checkpoint.of(checkpoint, estate, scenario.title)
    return summarise(scenario, estate, walk(estate, thread_count=thread_count, progress=progress, checkpoint=kept))


def summarise(scenario: Scenario, estate: EstateModel, tallies: Tallies) -> Simulation:
    """The simulation of a whole estate from its tallies, which may be the sum of several shards'."""
    messages = {kind: int(tallies.offered[kind].sum()) for kind in MessageKind}
    regions = [region.name for region in scenario.estate.regions]
    wan = tuple(
        WanAccount(
            region=name,
            sent=tallies.sent[index],
            arrived=tallies.arrived[index],
            sent_to_end_us=tallies.sent_to_end_us[index],
            arrived_to_end_us=tallies.arrived_to_end_us[index],
            waited_us=int(tallies.waited_us[index]),
        )
        for index, name in enumerate(regions)
    )
    assert all(account.backlog_integral_us == account.waited_us for account in wan), "Little's law is an identity here"
    by_region = {
        name: {fuel: int(wh) for fuel, wh in zip(estate.fuels, tallies.energy_wh[index], strict=True)}
        for index, name in enumerate(regions)
    }
    return Simulation(
        premises_count=estate.premises_count,
        meter_count=int(tallies.modes.sum() - tallies.modes[:, :, MeterMode.ABSENT].sum()),
        slot_count=estate.slot_count,
        slots_per_day=estate.slots_per_day,
        span_us=estate.span_us,
        messages=messages,
        bin_us=bin_us_of(estate),
        offered=tallies.offered,
        wan=wan,
        campaigns=tuple(_outcome(scenario, tallies, index) for index in range(len(scenario.campaigns))),
        metering_points={
            name: {
                fuel: {mode: int(tallies.modes[index, at, mode]) for mode in MeterMode}
                for at, fuel in enumerate(estate.fuels)
            }
            for index, name in enumerate(regions)
        },
        swapped_hubs=int(tallies.swapped_hubs.sum()),
        year_share={
            fuel: int(estate.parameters.day_share[at, -1] - estate.parameters.day_share[at, 0]) / YEAR_ONE
            for at, fuel in enumerate(estate.fuels)
        },
        energy_wh={fuel: sum(energy[fuel] for energy in by_region.values()) for fuel in estate.fuels},
        energy_by_region_wh=by_region,
        digest=merkle_root(tallies.tiles),
        profile_name=estate.profile.name,
        profile_report=estate.profile_report,
    )


def _outcome(scenario: Scenario, tallies: Tallies, index: int) -> CampaignOutcome:
    campaign = scenario.campaigns[index]
    row = dict(zip(COMMAND_COLUMNS, tallies.commands[index].tolist(), strict=True))
    states = {state: int(tallies.states[index, state]) for state in CommandState}
    assert sum(states.values()) == row["targets"], "each command stands in one state"
    has_tariff = campaign.effective_h is not None
    return CampaignOutcome(
        name=campaign.name,
        kind=campaign.kind,
        targets=row["targets"],
        states=states,
        attempts=row["attempts"],
        late_answers=row["late"],
        repeated_answers=row["repeats"],
        effective_us=round(campaign.effective_h * 3.6e9) if campaign.effective_h is not None else None,
        displays=row["displays_due"],
        displays_correct_at_effective=row["displays_correct"],
        ended=tallies.ended[index],
        displayed=tallies.displayed[index] if has_tariff else tallies.displayed[index, :0],
    )


def memory_needed_bytes(scenario: Scenario, thread_count: int) -> int:
    """About what `simulate` holds at once: the tallies of each thread and their sum, and the profile's tables."""
    bin_us = bin_us_of_span(scenario.span_us)
    minutes = -(-scenario.span_us // MINUTE_US)
    regions, campaigns = len(scenario.estate.regions), len(scenario.campaigns)
    cells = KIND_COUNT * -(-scenario.span_us // bin_us)
    cells += 4 * regions * minutes + campaigns * (STATE_COUNT + 1) * minutes
    cells += 2 * PARTITION_COUNT * -(-scenario.span_us // DAY_US)
    tables = 4 * len(scenario.estate.fuels) * (scenario.run.days + 1) * scenario.estate.slots_per_day
    return _FIXED_BYTES + _BYTES * (cells * (thread_count + 1) + tables)
