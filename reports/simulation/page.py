"""One self-contained report.html of a simulation, in the look of a run's: everything inside, nothing fetched, no script."""

from pathlib import Path
from typing import NamedTuple

import tomli_w

from loadtests.recording.run_folder import RunFolder
from reports.drawing.page import Tile, page
from reports.results.resolved import load_resolved
from reports.results.simulation import CampaignResult, IhdResult, OfferedResult, SimulationResults, load_simulation
from reports.run.setting import PairGroup, fault_pairs, made_on, simulated_pairs
from reports.simulation.fidelity import fidelity_lines, fidelity_told
from reports.simulation.gallery import drain_cell, drained_told, instant, per_s, simulation_gallery, spoken
from reports.simulation.headlines import EstimateRow, confidence_told, estimate_rows, seeds_told
from scenarios.spec import Scenario
from scenarios.texts import wording

SIMULATION_TERMS = (
    ("Message", "What the head-end gets or sends: a delivery of readings, a customer's query, an alert, a command."),
    (
        "Reading",
        "One value of one meter: a half-hour or quarter-hour, a 10-second value or a register. A daily upload brings 48 "
        "half-hours, or 96 quarter-hours.",
    ),
    (
        "Offered load",
        "The messages that fall due in a second of simulated time, whether or not anything could take them.",
    ),
    (
        "Backlog",
        "Messages that a hub has sent or holds and that have not arrived, because of delay, loss or an outage.",
    ),
    ("Drain time", "From the backlog's peak until it is within a hundredth of it again."),
    ("Campaign", "One command to each of many devices, in waves; each is sent again until an answer comes or a limit."),
    (
        "Applied, rejected, exhausted",
        "The device did it; the device said no; or the last attempt timed out too. In flight: none of these by the end.",
    ),
    (
        "Late answer",
        "The first answer came after its attempt had timed out, so the command was sent once more, or nearly.",
    ),
    ("Repeated answer", "An answer beyond the first: a device may answer twice, and it answers each attempt."),
    ("Correct display", "An in-home display that has the new tariff; what counts is when the tariff comes into force."),
    (
        "Replication",
        "The scenario once more with another seed: other homes, other luck. The interval is Student's; of such intervals, 95 "
        "in 100 hold the true mean, each taken by itself.",
    ),
    (
        "Fidelity",
        "What is published of the nation beside what the simulation counts of it, and why it may be further off than 5 %.",
    ),
    (
        "Digest",
        "One hash of every message and value. Equal digests are the same trace, for any number of threads and shards.",
    ),
)


class OfferedRow(NamedTuple):
    """One line of the table of offered load."""

    name: str
    offered: OfferedResult
    peak_at: str


class ReplicationsTable(NamedTuple):
    """The tables of the section on replications; `against` is None without another scenario."""

    told: str
    confidence: str
    figures: list[EstimateRow]
    against: str | None
    differences: list[EstimateRow]


class DisplayRow(NamedTuple):
    """One line of the table of displays."""

    name: str
    ihd: IhdResult
    effective_at: str


def write_simulation_report(folder: Path, results: SimulationResults, scenario: Scenario) -> None:
    """Write FOLDER/report.html."""
    RunFolder(folder).report.write_text(simulation_html(results, scenario), encoding="utf-8")


def rewrite_simulation_report(folder: Path) -> None:
    """Write FOLDER/report.html again, from its results.json and resolved scenario. Raises ScenarioError naming what it lacks."""
    results = load_simulation(folder)
    write_simulation_report(folder, results, load_resolved(folder, "simulation"))


def simulation_html(results: SimulationResults, scenario: Scenario) -> str:
    """The page's text."""
    return page(
        "simulation.html.j2",
        results=results,
        scenario=scenario,
        scenario_text=tomli_w.dumps(scenario.model_dump(mode="json", exclude_none=True)),
        gallery=simulation_gallery(results, scenario),
        headline=headline(results),
        tiles=_tiles(results),
        drain_cell=drain_cell,
        offered=[
            OfferedRow(spoken(name), each, instant(results.start, each.peak_at_s))
            for name, each in results.offered.items()
            if each.count and name != "all"
        ],
        replications=_replications(results),
        fidelity=fidelity_lines(results.fidelity),
        fidelity_told=fidelity_told(results.fidelity),
        all_offered=OfferedRow("All", results.offered["all"], instant(results.start, results.offered["all"].peak_at_s)),
        campaigns={spoken(name): each for name, each in results.campaigns.items()},
        displays=[
            DisplayRow(spoken(name), each, instant(results.start, each.effective_s))
            for name, each in results.ihd.items()
        ],
        backlog_at={name: instant(results.start, each.peak_at_s) for name, each in results.backlog.items()},
        setting=_setting(results, scenario),
        campaigns_total=_commands_total(results.campaigns),
        per_s=per_s,
        mwh=lambda energy_wh: f"{energy_wh / 1e6:,.1f}",
        terms=SIMULATION_TERMS,
    )


def _replications(results: SimulationResults) -> ReplicationsTable | None:
    replications = results.replications
    if replications is None:
        return None
    against = replications.against
    return ReplicationsTable(
        told=seeds_told(replications),
        confidence=confidence_told(replications),
        figures=estimate_rows(replications.figures),
        against=None if against is None else against.scenario,
        differences=[] if against is None else estimate_rows(against.differences),
    )


def headline(results: SimulationResults) -> str:
    """What the simulation answers, in a few sentences for whoever reads no further."""
    load = results.offered["all"]
    told = [
        f"{wording.counted(results.meters, 'meter')} offer at most {per_s(load.peak_per_s)} messages/s, "
        f"at {instant(results.start, load.peak_at_s)}."
    ]
    held = {name: each for name, each in results.backlog.items() if each.has_outage and each.peak}
    if held:
        name, worst = max(held.items(), key=lambda each: each[1].peak)
        told.append(
            f"Without WAN {wording.counted(worst.peak, 'message')} pile up in the hubs of {name}, {drained_told(worst)}."
        )
    targets = sum(each.targets for each in results.campaigns.values())
    if targets:
        applied = sum(each.applied for each in results.campaigns.values())
        told.append(f"Of {wording.counted(targets, 'command')} {wording.percent(applied / targets)} are applied.")
    judged = [each for each in results.ihd.values() if each.share_at_effective is not None]
    if judged:
        displays, correct = (
            sum(getattr(each, name) for each in judged) for name in ("displays", "correct_at_effective")
        )
        told.append(
            f"{wording.percent(correct / displays)} of {wording.counted(displays, 'display')} have a new tariff when it "
            "comes into force."
        )
    return " ".join(told)


def _tiles(results: SimulationResults) -> list[Tile]:
    load = results.offered["all"]
    tiles = [
        Tile(
            name="Meters",
            value=wording.count(results.meters),
            unit="",
            note=f"in {wording.count(results.premises)} premises; {wording.counted(results.readings, 'reading')}",
        ),
        Tile(
            name="Peak load",
            value=per_s(load.peak_per_s),
            unit="messages/s",
            note=f"{instant(results.start, load.peak_at_s)}; mean {per_s(load.mean_per_s)}/s",
        ),
    ]
    return [*tiles, _commands_tile(results), _displays_tile(results)]


def _commands_tile(results: SimulationResults) -> Tile:
    """The backlog takes the commands' place when there are none."""
    targets = sum(each.targets for each in results.campaigns.values())
    if targets:
        applied = sum(each.applied for each in results.campaigns.values())
        exhausted = sum(each.exhausted for each in results.campaigns.values())
        value, unit = wording.percent(applied / targets).rsplit(" ", 1)
        note = f"of {wording.count(targets)}; {wording.count(exhausted)} exhausted"
        return Tile(name="Commands applied", value=value, unit=unit, note=note)
    name, worst = max(results.backlog.items(), key=lambda each: each[1].peak)
    note = f"{name}, {drained_told(worst)}" if worst.peak else "nothing waits in the hubs"
    return Tile(
        name="Highest backlog", value=wording.count(worst.peak), unit="messages" if worst.peak else "", note=note
    )


def _displays_tile(results: SimulationResults) -> Tile:
    """The campaign that left most displays wrong; without one, the messages."""
    judged = {name: each for name, each in results.ihd.items() if each.share_at_effective is not None}
    if not judged:
        total = sum(results.messages.values())
        return Tile(name="Messages", value=wording.count(total), unit="", note="in the whole span")
    name = min(judged, key=lambda name: judged[name].share_at_effective or 0.0)
    value, unit = wording.percent(judged[name].share_at_effective).rsplit(" ", 1)
    return Tile(
        name="Displays correct in time",
        value=value,
        unit=unit,
        note=f"of {wording.count(judged[name].displays)}, {spoken(name)}",
    )


def _commands_total(campaigns: dict[str, CampaignResult]) -> CampaignResult | None:
    """All campaigns together; None when there are fewer than two."""
    if len(campaigns) < 2:
        return None
    every = list(campaigns.values())
    names = ("targets", "applied", "rejected", "exhausted", "in_flight", "attempts", "late_answers", "repeated_answers")
    return every[0].model_copy(update={name: sum(getattr(each, name) for each in every) for name in names})


def _setting(results: SimulationResults, scenario: Scenario) -> list[PairGroup]:
    shares = scenario.estate.read_schedules.model_dump()
    read = wording.listed([f"{wording.percent(share)} {spoken(name)}" for name, share in shares.items() if share])
    estate = [
        ("Premises", wording.count(results.premises)),
        ("Meters", f"{wording.count(results.meters)} ({', '.join(scenario.estate.fuels)})"),
        ("Read", read),
        *simulated_pairs(scenario, results.span_s),
        ("Demand profile", results.profile),
        ("Seed", str(results.seed)),
        ("Digest of the trace", results.digest),
    ]
    groups = [
        PairGroup("Scenario", estate),
        *made_on(results.machine, results.versions),
        PairGroup(
            "Demand profile's file",
            [*fault_pairs(results.profile_faults), *(("Taken", note) for note in results.profile_notes)],
        ),
    ]
    return [group for group in groups if group.pairs]
