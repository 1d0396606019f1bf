"""From a simulation in virtual time to what is told of it, `results.json`'s model; the report is drawn from that alone."""

import platform
from importlib.metadata import version

import numpy as np

from loadtests.cluster.machine import fingerprint
from meterstorm.outcomes.fidelity import fidelity_of
from meterstorm.outcomes.run import profile_faults
from reports.results.parts import Machine
from reports.results.simulation import (
    BacklogResult,
    CampaignResult,
    CoursesResult,
    IhdResult,
    OfferedResult,
    SimulationResults,
)
from reports.run.setting import fault_pairs
from reports.simulation.series import bin_width_s, campaign_course, highest, summed
from scenarios.domain import CommandState, MeterMode
from scenarios.spec import Scenario
from sim.trace.messages import MessageKind
from sim.units import IntArray
from sim.virtual_time.summary import CampaignOutcome, Simulation, WanAccount
from sim.virtual_time.tallies import MINUTE_US

SECOND_US = 1_000_000
HOUR_S = 3_600
ALL = "all"
_LIBRARIES = ("meterstorm", "numpy", "numba", "demandlib", "pyarrow")  # what can change a value, or the files


def operation_name(kind: MessageKind) -> str:
    """The name by which results, files and tables call a kind of message."""
    return kind.name.lower()


def results_of(scenario: Scenario, simulation: Simulation) -> SimulationResults:
    """What a simulation answers, as `results.json` has it."""
    imported = simulation.profile_report
    results = SimulationResults(
        scenario=scenario.title,
        seed=scenario.run.seed,
        digest=simulation.digest,
        versions={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        machine=Machine.model_validate(fingerprint()),
        start=scenario.run.start,
        span_s=simulation.span_us / SECOND_US,
        premises=simulation.premises_count,
        meters=simulation.meter_count,
        meters_by_mode={
            str(fuel): {mode.name.lower(): simulation.points(mode, fuel=fuel) for mode in MeterMode}
            for fuel in scenario.estate.fuels
        },
        hubs=simulation.hubs(),
        readings=simulation.reading_count,
        messages={operation_name(kind): count for kind, count in simulation.messages.items()},
        offered_bin_s=simulation.bin_us // SECOND_US,
        offered={
            **{operation_name(kind): _offered(simulation, simulation.offered[kind]) for kind in MessageKind},
            ALL: _offered(simulation, simulation.offered.sum(axis=0)),
        },
        offered_by_hour={
            operation_name(kind): _by_hour(simulation, simulation.offered[kind])
            for kind in MessageKind
            if simulation.messages[kind]
        },
        campaigns={each.name: _campaign(each) for each in simulation.campaigns},
        ihd={each.name: _ihd(each) for each in simulation.campaigns if each.effective_us is not None},
        backlog={
            account.region: _backlog(account, has_outage(scenario, account.region, simulation.span_us / SECOND_US))
            for account in simulation.wan
        },
        fidelity=fidelity_of(scenario, simulation),
        energy_wh={str(fuel): energy for fuel, energy in simulation.energy_wh.items()},
        energy_by_region_wh={
            region: {str(fuel): energy for fuel, energy in fuels.items()}
            for region, fuels in simulation.energy_by_region_wh.items()
        },
        profile=simulation.profile_name,
        profile_faults={} if imported is None else profile_faults(imported),
        profile_notes=() if imported is None else imported.notes,
        courses=_courses(scenario, simulation),
    )
    return results.model_copy(update={"warnings": tuple(_warnings(results))})


def _courses(scenario: Scenario, simulation: Simulation) -> CoursesResult:
    span_s, counted_s = simulation.span_us / SECOND_US, simulation.bin_us // SECOND_US
    bin_s = bin_width_s(span_s)
    return CoursesResult(
        bin_s=bin_s,
        offered={
            operation_name(kind): summed(simulation.offered[kind], counted_s, bin_s)
            for kind in MessageKind
            if simulation.messages[kind]
        },
        backlog={account.region: highest(account.backlog, bin_s) for account in simulation.wan},
        campaigns={
            outcome.name: campaign_course(
                {state.name.lower(): outcome.ended[state] for state in CommandState},
                outcome.displayed,
                at_h=campaign.at_h,
                effective_h=campaign.effective_h,
            )
            for outcome, campaign in zip(simulation.campaigns, scenario.campaigns, strict=True)
        },
    )


def _offered(simulation: Simulation, offered: IntArray) -> OfferedResult:
    busiest = int(offered.argmax())
    count = int(offered.sum())
    return OfferedResult(
        count=count,
        peak_per_s=int(offered[busiest]) * SECOND_US / simulation.bin_us,
        peak_at_s=busiest * simulation.bin_us // SECOND_US,
        mean_per_s=count * SECOND_US / simulation.span_us,
    )


def _by_hour(simulation: Simulation, offered: IntArray) -> tuple[int, ...]:
    per_hour = HOUR_S * SECOND_US // simulation.bin_us
    return tuple(np.add.reduceat(offered, np.arange(0, len(offered), per_hour)).tolist())


def _campaign(outcome: CampaignOutcome) -> CampaignResult:
    return CampaignResult(
        kind=outcome.kind,
        targets=outcome.targets,
        applied=outcome.states[CommandState.APPLIED],
        rejected=outcome.states[CommandState.REJECTED],
        exhausted=outcome.states[CommandState.EXHAUSTED],
        in_flight=outcome.states[CommandState.IN_FLIGHT],
        attempts=outcome.attempts,
        late_answers=outcome.late_answers,
        repeated_answers=outcome.repeated_answers,
    )


def _ihd(outcome: CampaignOutcome) -> IhdResult:
    assert outcome.effective_us is not None, "only a campaign that tells a tariff has displays"
    correct = outcome.displays_correct_at_effective
    return IhdResult(
        effective_s=outcome.effective_us // SECOND_US,
        displays=outcome.displays,
        correct_at_effective=correct,
        share_at_effective=correct / outcome.displays if outcome.displays else None,
        correct_at_end=int(outcome.displayed.sum()),
    )


def has_outage(scenario: Scenario, region: str, span_s: float) -> bool:
    """Does an outage of the region begin within the span? Hubs that fail now and then, alone, drain all the while: a region's
    backlog of these has no peak that it comes back from."""
    begun = [each for each in scenario.wan.outages if each.at_h * HOUR_S < span_s]
    return any(each.region in (None, region) for each in begun)


def _backlog(account: WanAccount, region_has_outage: bool) -> BacklogResult:
    backlog = account.backlog
    peak, drain_us = int(backlog.argmax()), account.drain_us()
    return BacklogResult(
        sent=int(account.sent.sum()),
        arrived=int(account.arrived.sum()),
        peak=int(backlog[peak]),
        peak_at_s=(peak + 1) * MINUTE_US // SECOND_US,
        drain_s=None if drain_us is None else drain_us // SECOND_US,
        in_flight=account.in_flight,
        has_outage=region_has_outage,
    )


def _warnings(results: SimulationResults) -> list[str]:
    """What the span's end cut off, and what the figures do not show."""
    sentences = []
    for name, region in results.backlog.items():
        if region.in_flight:
            sentences.append(f"Region {name} ends with {region.in_flight:,} messages in flight: they arrive after it.")
    for name, campaign in results.campaigns.items():
        if campaign.targets == 0:
            sentences.append(f"Campaign {name} has no target: nobody answers to its fuel, region and share.")
        if campaign.in_flight:
            sentences.append(
                f"Campaign {name} ends with {campaign.in_flight:,} of {campaign.targets:,} commands in flight."
            )
    for name, ihd in results.ihd.items():
        if ihd.effective_s >= results.span_s:
            sentences.append(f"The tariff of campaign {name} comes into force after the span ends.")
    if results.offered_bin_s > 1:
        sentences.append(
            f"A span of more than four days is counted by {results.offered_bin_s} s: a peak a second is that bin's mean."
        )
    sentences.extend(
        f"Published figure {row.figure.replace('_', ' ')} is not within 5 %, and the scenario gives no reason (why_not)."
        for row in results.fidelity
        if not row.is_within and row.why_not is None
    )
    sentences.extend(
        f"The demand profile's file: {kind.lower()}: {told}." for kind, told in fault_pairs(results.profile_faults)
    )
    return sentences
