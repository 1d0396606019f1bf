"""A synthetic run folder, realistic and keyed by a seed: what the report's tests, and people who work on it, look at.

`python tests/support/synthetic_run.py FOLDER [--story lost] [--wall-s 180] [--seed 7]` writes one, and its report.
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.history import (
    Counts,
    ErrorCount,
    HistoryWriter,
    NodeSample,
    SecondCounts,
    counts_of,
    read_history,
)
from reports.results.parts import Machine, TopologyResult
from reports.results.run import AuditExample, AuditResult, DcAudit, ProfileFault, ProfileImport, Results, TableAudit
from reports.run.summary import Stalls, summarise_generator, summarise_objectives, summarise_operations
from reports.verdict.generator_validity import waiting_of
from reports.verdict.run import judge
from scenarios.domain import mpan_of
from scenarios.spec import Scenario, parse_scenario


class Story(StrEnum):
    """What happened in the run, and so the verdict that it must get."""

    CALM = "calm"  # pass
    LOST = "lost"  # fail: a node stalls, writes are slow, the audit finds faults
    LATE = "late"  # inconclusive: the generator starved


SCENARIO_TOML = """\
# Question: does the whole path work on this machine? Two data centres of one node each, a day of 20,000 homes.
title = "Smoke: a day of 20,000 homes on two small data centres"
question = "Does the whole path work on this machine, and does an idle-sized cluster keep every acknowledged reading?"

[estate]
premises = 20_000
fuels = ["electricity"]
upload_window_h = 9.0

[estate.read_schedules]
daily = 0.9
half_hourly = 0.1

[topology]
dcs = [
    {{ name = "north", role = "business", nodes = {nodes}, rf = {nodes} }},
    {{ name = "south", role = "business", nodes = {nodes}, rf = {nodes} }},
]

[run]
start = 2026-01-15
days = 1
wall_s = {wall_s}
warm_up_s = {warm_up_s}
seed = {seed}

[[slo]]
operation = "ingest_reading"
percentile = 99
response_ms_max = 250

[[slo]]
operation = "read_usage_month"
percentile = 99
response_ms_max = 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of operation: its share of the load and its undisturbed service time."""

    name: str
    share: float
    service_ms: float
    is_write: bool


KINDS = (
    Kind(name="ingest_reading", share=0.24, service_ms=1.6, is_write=True),
    Kind(name="ingest_revision", share=0.24, service_ms=1.9, is_write=True),
    Kind(name="refold_day", share=0.24, service_ms=1.3, is_write=True),
    Kind(name="ingest_register", share=0.24, service_ms=1.1, is_write=True),
    Kind(name="read_usage_month", share=0.02, service_ms=2.4, is_write=False),
    Kind(name="read_intervals_day", share=0.01, service_ms=3.0, is_write=False),
    Kind(name="read_state", share=0.01, service_ms=1.8, is_write=False),
)
SLOT_COUNT = 48 * 20_000


def write_synthetic_run(
    folder: Path, *, story: Story = Story.CALM, wall_s: int = 40, seed: int = 7, nodes_per_dc: int = 1
) -> Results:
    """Write results.json, scenario.resolved.toml and history/ of a made-up run; returns its results."""
    text = SCENARIO_TOML.format(nodes=nodes_per_dc, wall_s=wall_s, warm_up_s=max(wall_s // 9, 1), seed=seed)
    scenario = parse_scenario(text, "synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.resolved.toml").write_text(text, encoding="utf-8")
    random = np.random.default_rng(seed)
    _write_history(folder / "history", scenario, story, wall_s, random)
    history = read_history(folder / "history")
    operations = summarise_operations(history, scenario)
    objectives = summarise_objectives(history, scenario)
    attempted = sum(each.attempted for each in operations.values())
    generator = summarise_generator(
        history,
        scenario,
        scheduling="plain" if story is Story.LATE else "SCHED_RR",
        blocked=404 if story is Story.LOST else 0,
        cpu_s=attempted / 141_000,
        cpu_share=0.96 if story is Story.LATE else 0.31,
        stalls=Stalls(count=3, share=0.001, ms_max=14.0),
        network_errors=0,
        waiting=waiting_of(operations, objectives),
    )
    audit = _audit(story)
    judgement = judge(operations=operations, objectives=objectives, generator=generator, audit=audit, scenario=scenario)
    started = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
    results = Results(
        scenario=scenario.title,
        seed=seed,
        digest="5e1f0c9a7b3d2846" * 4,
        started=started,
        finished=started + timedelta(seconds=wall_s + 57),
        versions={"meterstorm": "0.1.0", "cassandra": "5.0.5", "python": "3.11.7", "java": "17.0.9"},
        machine=Machine(cpu="x86-64, 2.6 GHz", cpu_count=2, memory_bytes=25_200_000_000, system="Linux 6.1"),
        topology=TopologyResult(
            **scenario.topology.model_dump(), where="Local child processes, 512 MB heap a node.", wan_emulated=False
        ),
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        checks=judgement.checks,
        operations=operations,
        objectives=objectives,
        generator=generator,
        audit=audit,
        profile=ProfileImport(
            source="households.csv",
            rows_read=1_051_200,
            rows_used=1_050_977,
            faults={
                "Null value": ProfileFault(count=211, lines=(102, 7_340)),
                "duplicate": ProfileFault(count=12, lines=(88,)),
            },
        ),
        phases_s={"cluster": 13.2, "schema": 1.4, "storm": float(wall_s), "drain": 0.6, "audit": 11.5},
    )
    results.write(folder)
    return results


def _load_shape(wall_s: int) -> NDArray[np.float64]:
    """Operations a second: half-hourly pushes all day, then the night's uploads that rise fast and fade. float64[wall_s]."""
    at = np.arange(wall_s) / wall_s
    pushes = 500 + 350 * np.exp(-(((at - 0.55) / 0.08) ** 2))
    uploads = np.where(at > 0.73, 5_200 * np.exp(-(((at - 0.80) / 0.075) ** 2)), 0)
    return pushes + uploads


def _write_history(folder: Path, scenario: Scenario, story: Story, wall_s: int, random: np.random.Generator) -> None:
    shape = _load_shape(wall_s)
    stall = (int(wall_s * 0.80), int(wall_s * 0.80) + max(wall_s // 20, 2)) if story is Story.LOST else (0, 0)
    failed_total = dict.fromkeys((kind.name for kind in KINDS), 0)
    with HistoryWriter(folder, [kind.name for kind in KINDS]) as writer:
        for second in range(wall_s):
            stress = 1 + (shape[second] / 4_500) ** 3 + 4 * np.exp(-second / (0.03 * wall_s))
            stalled = stall[0] <= second < stall[1]
            counts: dict[str, SecondCounts] = {}
            response: dict[str, Counts] = {}
            service: dict[str, Counts] = {}
            earliest: dict[str, Counts] = {}
            for kind in KINDS:
                n = int(random.poisson(shape[second] * kind.share))
                service_us = 1_000 * kind.service_ms * stress * random.lognormal(0, 0.45, n)
                slow = random.random(n) < 0.004
                service_us[slow] += random.uniform(10_000, 60_000, int(slow.sum()))  # a collection pause of the JVM
                if stalled and kind.is_write:
                    service_us += random.uniform(0, 2_200_000, n)
                bad = int(random.binomial(n, 0.02)) if stalled and kind.is_write else 0
                failed_total[kind.name] += bad
                counts[kind.name] = SecondCounts(n, n, n - bad, bad // 3, bad - bad // 3, bad)
                service[kind.name] = counts_of(service_us)
                late_us = random.exponential(180, n)
                response[kind.name] = counts_of(service_us + late_us)
                earliest[kind.name] = counts_of(service_us - np.minimum(late_us, service_us) / 8)
            late_ms = 60 if story is Story.LATE and shape[second] > 2_000 else 0.35
            lateness = counts_of(random.exponential(1_000 * late_ms, int(shape[second])))
            writer.write_second(second, counts, response, service, lateness, earliest_counts=earliest)
        writer.write_nodes(_node_samples(scenario, shape, random))
        writer.write_errors(_errors(failed_total))


def _errors(failed_total: dict[str, int]) -> list[ErrorCount]:
    rows = []
    for name, bad in failed_total.items():
        if bad:
            rows.append(ErrorCount(operation=name, outcome="failed", kind="Unavailable", count=bad // 3))
            rows.append(
                ErrorCount(operation=name, outcome="indeterminate", kind="client_timeout", count=bad - bad // 3)
            )
    return rows


def _node_samples(scenario: Scenario, shape: NDArray[np.float64], random: np.random.Generator) -> list[NodeSample]:
    samples = []
    disk = {dc.name: 40_000_000.0 for dc in scenario.topology.dcs}
    for second, load in enumerate(shape):
        for dc in scenario.topology.dcs:
            disk[dc.name] += load * 190
            for node in range(1, dc.nodes + 1):
                collections = int(random.poisson(0.08 + load / 12_000))
                samples.append(
                    NodeSample(
                        second=second,
                        node=f"{dc.name}-{node}",
                        dc=dc.name,
                        cpu_share=float(np.clip(0.12 + load / 9_000 + random.normal(0, 0.05), 0.02, None)),
                        rss_bytes=int(890e6 + 40e6 * node + 2e5 * second),
                        disk_bytes=int(disk[dc.name] * (0.97 + 0.02 * node)),
                        gc_pause_ms=float(collections * random.uniform(4, 22)),
                        gc_count=collections,
                        sstable_count=40 + int(random.poisson(load / 3_000)),
                    )
                )
    return samples


def _audit(story: Story) -> AuditResult:
    whole = {"acknowledged": SLOT_COUNT, "verified": SLOT_COUNT, "lost": 0, "wrong": 0, "phantom": 0, "duplicate": 0}
    faulty = {**whole, "verified": SLOT_COUNT - 3, "lost": 2, "wrong": 1} if story is Story.LOST else whole
    half = SLOT_COUNT // 2
    meters = mpan_of(np.array([417, 8_802, 15_663]))
    noon = datetime(2026, 1, 15, tzinfo=UTC)
    examples = [
        ("lost", "intervals_by_meter_day", 417, 0, 17, 214, None),
        ("lost", "events_by_meter", 8_802, 1, 33, 96, None),
        ("wrong", "intervals_by_meter_day", 15_663, 2, 5, 120, 121),
    ]
    return AuditResult.model_validate(
        {
            **faulty,
            "attempted": SLOT_COUNT + (640 if story is Story.LOST else 0),
            "indeterminate": 422 if story is Story.LOST else 0,
            "per_dc": {
                "north": DcAudit.model_validate({**whole, "coordinated": half, "settled_s": 0.4}),
                "south": DcAudit.model_validate({**faulty, "coordinated": SLOT_COUNT - half, "settled_s": 2.1}),
            },
            "tables": {
                "events_by_meter": TableAudit.model_validate(whole),
                "intervals_by_meter_day": TableAudit.model_validate(faulty),
            },
            "examples": [
                AuditExample.model_validate(
                    {
                        "kind": kind,
                        "table": table,
                        "dc": "south",
                        "mpxn": int(meters[which]),
                        "slot": slot,
                        "slot_start": noon + timedelta(minutes=30 * slot),
                        "expected": expected,
                        "found": found,
                    }
                )
                for kind, table, _, which, slot, expected, found in examples
                if story is Story.LOST
            ],
            "consistency": "LOCAL_QUORUM",
            "slots_per_s": 612_000.0,
        }
    )


if __name__ == "__main__":
    from reports.run.page import write_report

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--story", type=Story, choices=list(Story), default=Story.CALM)
    parser.add_argument("--wall-s", type=int, default=180)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nodes-per-dc", type=int, default=1)
    given = parser.parse_args()
    write_synthetic_run(
        given.folder, story=given.story, wall_s=given.wall_s, seed=given.seed, nodes_per_dc=given.nodes_per_dc
    )
    write_report(given.folder)
