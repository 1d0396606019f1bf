"""By how much the percentiles that a storm reports are off: against a stub whose response times theory tells.

Run: uv run pytest loadtests/benchmarks/bench_self_error.py --benchmark-only --benchmark-json=self_error.json

The wire engine sends single-row inserts open loop, as Poisson arrivals at RATE_PER_S, to `loadtests.stubs.timed_node`; the
engine, the thread that encodes and the stub share this machine's processors. What the engine reports is off from theory by
two things, which the stub's own record tells apart: the stub's (how long requests stayed there, against theory) and the
generator's (what was reported, against how long they stayed). Signed, in per cent of the percentile; a figure is the median
of the turns, beside all of them.

What the run itself says that its percentiles can be off by (`earliest`, see docs/validity.md) is held against what they were
off by.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.benchmarks.bench_sender import CQL, INSERT, Inserts
from loadtests.cluster.machine import fingerprint
from loadtests.recording.history import COUNTS_SIZE, percentiles_us
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.sender.ring import ring_of_nodes
from loadtests.stubs.scripted_node import prepared_id_of
from loadtests.stubs.timed_node import ServiceTimes, TimedStub, TruthColumn
from scenarios.domain import ConsistencyLevel

RATE_PER_S = 20_000
LENGTH_S, WARM_S = 12, 2
TURNS = 7  # their least and greatest enclose the median of such turns in 98 of 100 cases
WIDTH = 0.001  # of the histogram's buckets
METERS = 7_919  # the inserts' factor between their number and their meter
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
SERVICES = {
    "": ServiceTimes(median_ms=4.0, p99_ms=20.0),
    "fast_": ServiceTimes(median_ms=1.0, p99_ms=5.0),
    "queue_": ServiceTimes(servers=128, mean_ms=4.8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStorm:
    """One storm. Percentiles by name [ms]: as theory, as the stub's record, and as the storm has them; and what they are without
    all that may have been the generator's doing. stayed: until the call that sent the answer; stayed_sent: until it had
    returned. late_us: from the due time to the kernel's stamp of the arrival, p50 and p99."""

    theory: dict[str, float]
    stayed: dict[str, float]
    stayed_sent: dict[str, float]
    reported: dict[str, float]
    earliest: dict[str, float]
    late_us: tuple[float, float]
    report: EngineReport

    def off(self, one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
        """By how much `one` is off from `other` [per cent]."""
        return {name: 100 * (one[name] / other[name] - 1) for name in PERCENTILES}


def storm(services: ServiceTimes, folder: Path, seed: int, settings: EngineSettings) -> MeasuredStorm:
    count = RATE_PER_S * LENGTH_S
    template = FrameTemplate(INSERT, prepared_id_of(CQL), ConsistencyLevel.LOCAL_QUORUM.wire_code)
    response, earliest = np.zeros((2, COUNTS_SIZE), np.int64)

    def add(snapshot: IntervalSnapshot) -> None:
        if snapshot.second >= WARM_S:
            response[:] += snapshot.response[0]
            earliest[:] += snapshot.earliest[0]

    with TimedStub(services, links=settings.links_per_node, capacity=count, seed=seed, folder=folder) as stub:
        engine = Engine(
            operations=[WireOperation(name=INSERT.operation)],
            statements=[CQL],
            ring=ring_of_nodes([(stub.address, "stub")]),
            settings=settings,
            on_interval=add,
        )
        with engine:
            start_ns = time.perf_counter_ns() + 500_000_000
            report = engine.run(Inserts(template, count, RATE_PER_S), start_ns=start_ns)
        assert report.ok == report.offered == count, f"not every operation was acknowledged: {report.errors}"
        truth = stub.truth()
    truth[TruthColumn.ARRIVED_FIRST :] -= start_ns
    measured = truth[:, truth[TruthColumn.ANSWERED] >= WARM_S * 1_000_000_000]
    stays_ms = (measured[[TruthColumn.ANSWERED, TruthColumn.SENT]] - measured[TruthColumn.ARRIVED]) / 1e6
    late_ns = measured[TruthColumn.ARRIVED] - due_ns(template, count)[measured[TruthColumn.NUMBER] // METERS]
    return MeasuredStorm(
        theory={name: services.quantile_ms(at, RATE_PER_S) for name, at in PERCENTILES.items()},
        stayed={name: float(np.percentile(stays_ms[0], at)) for name, at in PERCENTILES.items()},
        stayed_sent={name: float(np.percentile(stays_ms[1], at)) for name, at in PERCENTILES.items()},
        reported=percentiles_ms(response),
        earliest=percentiles_ms(earliest),
        late_us=(float(np.percentile(late_ns, 50)) / 1e3, float(np.percentile(late_ns, 99)) / 1e3),
        report=report,
    )


def percentiles_ms(counts: NDArray[np.int64]) -> dict[str, float]:
    return dict(zip(PERCENTILES, (percentiles_us(counts, list(PERCENTILES.values())) / 1e3).tolist(), strict=True))


def due_ns(template: FrameTemplate, count: int) -> NDArray[np.int64]:
    """When each insert fell due [ns since the start]: int64[count]."""
    source = Inserts(template, count, RATE_PER_S)
    blocks = []
    while (block := source.next_block()) is not None:
        blocks.append(block.rows["due_us"])
    return np.concatenate(blocks) * 1_000


@pytest.mark.parametrize("prefix", SERVICES)
def test_self_error(benchmark: Any, tmp_path: Path, prefix: str) -> None:
    """p50, p99 and p99.9 that a storm reports, against how long its requests stayed with the stub, and against theory."""
    turns: list[MeasuredStorm] = []
    storm(SERVICES[prefix], tmp_path, 99, EngineSettings())  # kernels are compiled, and pages touched

    def turn() -> None:
        turns.append(storm(SERVICES[prefix], tmp_path, len(turns), EngineSettings()))

    benchmark.pedantic(turn, rounds=TURNS)
    found: dict[str, Any] = {}
    for name in PERCENTILES:
        for what, values in (
            ("self_error", [each.off(each.reported, each.stayed)[name] for each in turns]),
            ("stub_error", [each.off(each.stayed, each.theory)[name] for each in turns]),
            ("off_theory", [each.off(each.reported, each.theory)[name] for each in turns]),
            ("said", [each.off(each.reported, each.earliest)[name] for each in turns]),
        ):
            found[f"{prefix}{what}_{name}"] = round(statistics.median(values), 2)
            found[f"{prefix}{what}_{name}_all"] = [round(value, 2) for value in values]
        found[f"{prefix}theory_{name}_ms"] = round(turns[0].theory[name], 3)
        found[f"{prefix}within_said_{name}"] = sum(
            each.stayed_sent[name] * (1 + WIDTH) >= each.earliest[name] for each in turns
        )
    benchmark.extra_info.update(
        found,
        offered_per_s=RATE_PER_S,
        late_us_p50=[round(each.late_us[0], 1) for each in turns],
        late_us_p99=[round(each.late_us[1], 1) for each in turns],
        cpu_share=[round(each.report.cpu_s / each.report.wall_s, 3) for each in turns],
        scheduling=turns[0].report.scheduling,
        **fingerprint(),
    )
