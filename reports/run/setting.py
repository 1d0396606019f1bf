"""Where and how a run was made, as pairs of words: scenario, topology, machine, versions, phases, demand profile. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from reports.results.parts import Machine
from reports.results.run import ProfileFault, ProfileImport, Results, WanResult
from scenarios.parts.pace import Shape
from scenarios.spec import Scenario
from scenarios.texts import wording


class PairGroup(NamedTuple):
    """Names and values under one heading."""

    name: str
    pairs: list[tuple[str, str]]


def setting_of(results: Results, scenario: Scenario) -> list[PairGroup]:
    """Everything that says what ran where; empty groups are left out."""
    groups = [
        PairGroup("Scenario", _scenario(results, scenario)),
        PairGroup("Topology", _topology(results)),
        *made_on(results.machine, results.versions),
        PairGroup("Phases", _durations(results.phases_s)),
        PairGroup("Parts of the audit", _durations(results.audit.parts_s if results.audit else {})),
        PairGroup("Demand profile", _profile(results.profile)),
    ]
    return [group for group in groups if group.pairs]


def _durations(took_s: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name.replace("_", " ").capitalize(), wording.duration(took)) for name, took in took_s.items()]


def _scenario(results: Results, scenario: Scenario) -> list[tuple[str, str]]:
    schedules = scenario.estate.read_schedules
    finest = wording.read_frequency("half_hourly", scenario.estate.slots_per_hour)
    return [
        ("Premises", wording.count(scenario.estate.premises)),
        ("Meters", f"{wording.count(scenario.estate.meter_count)} ({', '.join(scenario.estate.fuels)})"),
        ("Read", f"{wording.percent(schedules.daily)} daily, {wording.percent(schedules.half_hourly)} {finest}"),
        *simulated_pairs(scenario, scenario.span_us / 1e6),
        ("Speed-up", f"{wording.significant(scenario.speed_up)} simulated seconds a second{_shape(scenario)}"),
        ("Seed", str(results.seed)),
        ("Digest of the trace", results.digest),
    ]


def simulated_pairs(scenario: Scenario, span_s: float) -> list[tuple[str, str]]:
    """The days that meters read, and the longer span in which all of that arrives. span_s: of the trace [s]."""
    pairs = [
        ("Simulated", f"{wording.counted(scenario.run.days, 'day')} of readings from {scenario.run.start:%Y-%m-%d}"),
        ("Span", f"{wording.duration(span_s)}, until the last of them has arrived"),
    ]
    if scenario.replay_from_us:
        pairs.append(("Replayed", f"what falls due from {scenario.run.replay_from_h:g} h on"))
    return pairs


def _shape(scenario: Scenario) -> str:
    if scenario.run.stretches:
        return f", in the mean of {wording.counted(len(scenario.run.stretches), 'stretch', 'stretches')}"
    return "" if scenario.run.shape is Shape.TRACE else f", in the mean of the shape '{scenario.run.shape}'"


AT_SITES = "local nodes, each data centre in a network of its own"


def _topology(results: Results) -> list[tuple[str, str]]:
    topology = results.topology
    pairs = [
        (f"DC {dc.name}", f"{dc.role}, {wording.counted(dc.nodes, 'node')}, replication factor {dc.rf}")
        for dc in topology.dcs
    ]
    pairs.append(("Consistency", f"{topology.consistency.default}; audit {topology.consistency.audit}"))
    pairs += [(f"… {operation}", str(level)) for operation, level in topology.consistency.operations.items()]
    if topology.where:
        pairs.append(("Where", topology.where if results.wan is None else AT_SITES))
    between = (
        "emulated" if topology.wan_emulated else "not emulated: data centres are as near as the machine's loopback"
    )
    pairs.append(("WAN", between))
    return pairs if results.wan is None else [*pairs, *wan_pairs(results.wan)]


def wan_pairs(wan: WanResult) -> list[tuple[str, str]]:
    """The links of the emulated WAN and what went over them, and what the emulation itself cost."""
    pairs = []
    for link in wan.links:
        gone = ((link.lost, "lost"), (link.cut, "cut off"), (link.queue_full, "dropped at its rate"))
        told = [f"{wording.count(count)} {what}" for count, what in gone if count]
        sizes = [f"{wording.count(link.packets)} packets", wording.size(link.bytes_carried), *told]
        pairs.append((f"… {' to '.join(link.between)}", f"{link.quality}; {', '.join(sizes)}"))
    pairs.append(
        (
            "… its own cost",
            f"{wan.added_ms_p50:.2g} ms one way (p99 {wan.added_ms_p99:.2g} ms) and {wan.carried_mb_per_s:.0f} MB/s before the "
            f"run; in it 99 % of the packets at most {wan.late_ms_p99:.2g} ms late, {wan.cpu_s:.1f} s of the processor",
        )
    )
    return pairs


def made_on(machine: Machine, versions: Mapping[str, str], heading: str = "Machine") -> list[PairGroup]:
    """The machine that a figure was measured on, and the versions of what measured it."""
    pairs = [
        ("CPU", f"{machine.cpu}, {wording.counted(machine.cpu_count, 'core')}"),
        ("Memory", wording.size(machine.memory_bytes)),
        ("System", machine.system),
    ]
    return [
        PairGroup(heading, pairs),
        PairGroup("Versions", [(name.capitalize(), version) for name, version in versions.items()]),
    ]


def _profile(profile: ProfileImport | None) -> list[tuple[str, str]]:
    if profile is None:
        return []
    pairs = [
        ("Source", profile.source),
        ("Rows used", f"{wording.count(profile.rows_used)} of {wording.count(profile.rows_read)}"),
    ]
    return pairs + fault_pairs(profile.faults) + [("Taken", note) for note in profile.notes]


def fault_pairs(faults: Mapping[str, ProfileFault]) -> list[tuple[str, str]]:
    """The faults of a demand profile's file, by kind: what was put right, counted or left out."""
    pairs = []
    for kind, fault in faults.items():
        lines = f" (first in line {wording.listed([str(line) for line in fault.lines])})" if fault.lines else ""
        what = fault.handling or "found"
        told = (
            f"{wording.count(fault.count)} counted"
            if what == "counted"
            else f"{wording.counted(fault.count, 'row')} {what}"
        )
        pairs.append((kind[0].upper() + kind[1:], f"{told}{lines}"))
    return pairs
