"""How often the gate is wrong, and what it sees: simulated gates with the noise that real pairs had, and real ones.

    uv run pytest loadtests/benchmarks/bench_gate.py --benchmark-only --benchmark-json=gate.json

`gate_false_alarm`: the share of simulated gates without a change that claim one in any metric, with its interval; the naive
way on the same pairs beside it (`naive_false_alarm`: the p99 of two runs, one after the other, against what matters).
`gate_power_p99`: the share that finds p99 + 10 % among all metrics, within the pairs of five minutes. `gate_minutes`: a real
gate of a server that works a tenth more.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import available_memory_mib, fingerprint
from loadtests.gate.bench import GateMeasurements, look, measure_sides
from loadtests.gate.failures import Failures
from loadtests.gate.judgement import GateMetric, Series, judge
from loadtests.gate.metrics import groups_of, measures_of
from loadtests.gate.pairs import Pair, measure
from loadtests.gate.sides import GateSide, SideName
from loadtests.monitoring.node_counters import NodeCounters, ResourceCounters, processor_s
from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.sender.block import OperationBlock
from loadtests.stats.estimates import wilson
from loadtests.stubs import queueing_node
from loadtests.stubs.target import stub_target
from loadtests.trials.load import SampleLoad
from loadtests.trials.turn import Bench, LoadTrial, TrialSize, warm
from scenarios.domain import Operation
from scenarios.gate_file import Effort, GateAnswer, GateSettings, Limits
from scenarios.spec import parse_scenario

GATES = 1_000
PAIRS_MAX = 60
# Standard deviations of the log-ratio of a pair, assumed: `test_gate_minutes` has those of real pairs beside its answer.
NOISE = 0.10
NOISE_P99 = 0.12
COMMON_SHARE = 0.5  # of the noise's variance is common to all metrics of a pair
SETTINGS = GateSettings(limits=Limits(response=0.1, response_p99=0.1), effort=Effort(pairs_max=PAIRS_MAX))
SCENARIO = """
title = "A store of one node"
[estate]
premises = 2_000
fuels = ["electricity"]
[estate.read_schedules]
daily = 0.9
half_hourly = 0.1
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 30
"""


def real_family() -> tuple[GateMetric, ...]:
    """The metrics of a gate of SCENARIO whose trials have responses of writes and reads beyond every quantile."""
    trial = cast(
        LoadTrial, SimpleNamespace(response=np.full((2, COUNTS_SIZE), 1_000, np.int64))
    )  # all that is asked of it
    pair = Pair(index=0, first=SideName.BASELINE, at_s=0.0, sides=dict.fromkeys(SideName, trial))
    lanes = (Operation.INGEST_READING, Operation.READ_USAGE_MONTH)
    groups = groups_of(lanes, frozenset(lanes[:1]), [pair])
    return tuple(measures_of(SETTINGS, groups, [pair], len(parse_scenario(SCENARIO, "family").topology.dcs)))


FAMILY = real_family()
SLOWER = "writes p99"


def none_failed(pairs: int) -> Failures:
    """Of so many pairs: the member of the family beside the metrics."""
    allowed = SETTINGS.errors.failed_share_max
    return Failures(baseline=0.0, candidate=0.0, allowed=allowed, beyond=np.zeros(pairs), kinds=())


def gate_of(random: np.random.Generator, p99_change: float, *, heavy: bool) -> tuple[GateAnswer, bool, int, float]:
    """One simulated gate: its answer, whether it claimed anything at all, after how many pairs, and the naive ratio of p99.

    Looked at after every pair from the sixth on, as the gate is.
    """

    def noise(shape: tuple[int, ...]) -> NDArray[np.float64]:
        return random.standard_t(3, shape) / np.sqrt(3) if heavy else random.standard_normal(shape)

    common = noise((PAIRS_MAX, 1)) * np.sqrt(COMMON_SHARE)
    pairs = (common + noise((PAIRS_MAX, len(FAMILY))) * np.sqrt(1 - COMMON_SHARE)) * NOISE
    slower = [metric.name for metric in FAMILY].index(SLOWER)
    pairs[:, slower] *= NOISE_P99 / NOISE
    pairs[:, slower] += np.log1p(p99_change)
    claimed = False
    for count in range(6, PAIRS_MAX + 1):
        family = [
            Series(metric=metric, baseline=np.ones(count), candidate=np.exp(pairs[:count, index]))
            for index, metric in enumerate(FAMILY)
        ]
        judgement = judge(family, SETTINGS, is_last=count == PAIRS_MAX, failures=none_failed(count))
        claimed = claimed or any(each.is_claimed for each in judgement.metrics)
        if judgement.is_final:
            break
    return judgement.answer, claimed, count, float(np.exp(pairs[0, slower]))


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
def test_gate_false_alarm(benchmark: Any, heavy: bool) -> None:
    random = np.random.default_rng(15)
    gates = benchmark.pedantic(lambda: [gate_of(random, 0.0, heavy=heavy) for _ in range(GATES)], rounds=1)
    alarms = wilson(sum(claimed for _, claimed, _, _ in gates), GATES)
    naive = wilson(sum(ratio > 1.1 for *_, ratio in gates), GATES)
    answers = [str(answer) for answer, *_ in gates]
    benchmark.extra_info |= {
        "gate_false_alarm": alarms.mean,
        "gate_false_alarm_high": alarms.high,
        "naive_false_alarm": naive.mean,
        "gates": GATES,
        "family": len(FAMILY) + 1,
        "answers": {answer: answers.count(answer) for answer in sorted(set(answers))},
        "pairs_median": float(np.median([count for _, _, count, _ in gates])),
    }


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy tails"])
def test_gate_power_p99(benchmark: Any, heavy: bool) -> None:
    random = np.random.default_rng(16)
    gates = benchmark.pedantic(lambda: [gate_of(random, 0.1, heavy=heavy) for _ in range(GATES)], rounds=1)
    found = wilson(sum(answer is GateAnswer.REGRESSION for answer, *_ in gates), GATES)
    benchmark.extra_info |= {
        "gate_power_p99": found.mean,
        "gate_power_p99_low": found.low,
        "pairs_median": float(np.median([count for _, _, count, _ in gates])),
        "false_pass": float(np.mean([answer is GateAnswer.PASS for answer, *_ in gates])),
    }


def real_gate(folder: Path, candidate: str) -> tuple[str, float, dict[str, object]]:
    """A gate on real nodes of SCENARIO against `candidate`: its answer, its minutes, and its noise by metric."""
    sides = {
        name: GateSide(name=name, told=str(name), scenario=parse_scenario(text, str(name)))
        for name, text in ((SideName.BASELINE, SCENARIO), (SideName.CANDIDATE, candidate))
    }
    settings = GateSettings(effort=Effort(pairs_max=80, minutes_max=5.0, seconds=1.0))
    begun = time.monotonic()
    measured = GateMeasurements()
    measure_sides(
        sides,
        settings,
        folder,
        measured,
        print,
        lambda judgement, pairs: None,
        memory_mib=available_memory_mib(),
        clock=time.monotonic,
    )
    minutes = (time.monotonic() - begun) / 60
    assert measured.judgement is not None and not measured.altered, "the sides hold other facts"
    metrics = measured.judgement.metrics
    noise = {each.metric.name: round(float(np.std(each.observed, ddof=1)), 4) for each in metrics}
    changes = {each.metric.name: round(float(np.expm1(each.mean)), 4) for each in metrics}
    worse = [each.metric.name for each in metrics if each.is_worse]
    more = {"pairs": len(measured.pairs), "noise": noise, "changes": changes, "worse": worse}
    return str(measured.judgement.answer), minutes, more


@pytest.mark.parametrize(
    ("name", "replaced"),
    [
        ("alike", {}),
        (
            "an index more",
            {
                "[topology]": '[store]\nalterations = ["CREATE CUSTOM INDEX ON {keyspace}.events_by_home (received_at) '
                "USING 'StorageAttachedIndex'\"]\n[topology]"
            },
        ),
    ],
)
def test_gate_minutes(benchmark: Any, tmp_path: Path, name: str, replaced: dict[str, str]) -> None:
    candidate = SCENARIO
    for old, new in replaced.items():
        candidate = candidate.replace(old, new, 1)
    answer, minutes, more = benchmark.pedantic(lambda: real_gate(tmp_path / "gate", candidate), rounds=1)
    benchmark.extra_info |= {"what": name, "answer": answer, "gate_minutes": minutes, **more}


# --- gates of a stub --------------------------------------------------------------------------------------------------

STUB_GATES = 30
STUB_SERVERS, STUB_SERVICE_S = 16, 0.002
STUB_TAIL = 1.10
# The closed loop is short, as it measures a stub written in Python; the open one has some 9 responses beyond its p99.
STUB_SIZE = TrialSize(count=1_200, rate_per_s=1_500.0, seconds=0.6)
STUB_SETTINGS = GateSettings(
    limits=Limits(response=0.1, response_p99=0.1), effort=Effort(pairs_max=150, minutes_max=5.0, seconds=0.6)
)


class StubCounters:
    """What a stub's process has spent, read as that of nodes is."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def read(self) -> ResourceCounters:
        return ResourceCounters(cpu_s=processor_s(self._pid), wan_bytes=0)

    def settle(self) -> None:
        """Whatever it has answered it has done."""


@contextmanager
def stub_bench(factor: float, seed: int) -> Iterator[Bench]:
    """A stub with a tail of this factor, ready to be measured."""
    with queueing_node.running_tailed(STUB_SERVERS, STUB_SERVICE_S, factor=factor, seed=seed) as (address, pid):
        target = stub_target(address)
        load = SampleLoad(
            name="the stub",
            scenario=parse_scenario(SCENARIO, "stub"),
            sample=OperationBlock(rows=target.pool.rows, frames=target.pool.frames),
            lanes=(Operation.INGEST_READING,),
            writes=frozenset({Operation.INGEST_READING}),
            written=(),
            statements=target.statements,
            ring=target.ring,
        )
        # A trial asks its cluster for nothing, and its counters for what they have spent.
        yield Bench(cluster=cast(LocalCluster, None), counters=cast(NodeCounters, StubCounters(pid)), load=load)


@dataclass(frozen=True, slots=True, kw_only=True)
class StubGate:
    """How a gate came out. naive: the ratio of the p99s of its first pair. noise_p99, noise: of a pair; p99's, and the worst."""

    answer: GateAnswer
    has_claimed: bool
    worse: tuple[str, ...]
    pairs: int
    minutes: float
    naive: float
    noise_p99: float
    noise: float


def stub_gate(benches: Mapping[SideName, Bench], seed: int, looked: Callable[[], None] = lambda: None) -> StubGate:
    """One gate of two stubs, as `measure_sides` looks at pairs; ended by what it knows, or after five minutes."""
    measured, has_claimed = GateMeasurements(), False
    begun = time.monotonic()

    def is_enough(pairs: list[Pair]) -> bool:
        nonlocal has_claimed
        looked()
        is_last = len(pairs) >= STUB_SETTINGS.effort.pairs_max or time.monotonic() > begun + 300
        judgement = look(measured, STUB_SETTINGS, benches[SideName.BASELINE].load, is_last=is_last)
        if judgement is None:
            return False
        has_claimed = has_claimed or any(each.is_claimed for each in judgement.metrics)
        return judgement.is_final

    measure(benches, STUB_SIZE, seed, is_enough, measured.pairs)
    assert measured.judgement is not None
    metrics = {each.metric.name: each for each in measured.judgement.metrics}
    spreads = {name: float(np.std(each.observed, ddof=1)) for name, each in metrics.items()}
    return StubGate(
        answer=measured.judgement.answer,
        has_claimed=has_claimed,
        worse=tuple(name for name, each in metrics.items() if each.is_worse),
        pairs=len(measured.pairs),
        minutes=(time.monotonic() - begun) / 60,
        naive=float(np.exp(metrics[SLOWER].observed[0])),
        noise_p99=spreads[SLOWER],
        noise=max(spreads.values()),
    )


def stub_figures(alike: Sequence[StubGate], slower: Sequence[StubGate]) -> dict[str, Any]:
    """Both error rates with their intervals, of gates of stubs alike and of gates whose candidate has the longer tail."""
    alarms = wilson(sum(each.has_claimed for each in alike), len(alike))
    found = wilson(sum(each.answer is GateAnswer.REGRESSION and SLOWER in each.worse for each in slower), len(slower))
    naive = wilson(sum(each.naive > 1.1 for each in alike), len(alike))
    return {
        "gate_false_alarm_measured": alarms.mean,
        "gate_false_alarm_measured_high": alarms.high,
        "naive_false_alarm_measured": naive.mean,
        "gate_power_p99_measured": found.mean,
        "gate_power_p99_measured_low": found.low,
        **{
            f"{name}_{what}": value
            for name, gates in (("alike", alike), ("slower", slower))
            for what, value in {
                "gates": len(gates),
                "answers": {answer: [each.answer for each in gates].count(answer) for answer in GateAnswer},
                "pairs_median": float(np.median([each.pairs for each in gates])),
                "minutes_median": round(float(np.median([each.minutes for each in gates])), 2),
                "minutes_max": round(max(each.minutes for each in gates), 2),
                "noise_p99_median": round(float(np.median([each.noise_p99 for each in gates])), 4),
                "noise_max_median": round(float(np.median([each.noise for each in gates])), 4),
            }.items()
        },
    }


@pytest.mark.timeout(4 * 3_600)
def test_gates_of_a_stub(benchmark: Any) -> None:
    alike, slower = list[StubGate](), list[StubGate]()

    def measure_all() -> None:
        with stub_bench(1.0, 1) as baseline, stub_bench(1.0, 2) as same, stub_bench(STUB_TAIL, 3) as longer:
            warm({1: baseline, 2: same, 3: longer}, 2.0, lambda told: None)
            for gate in range(STUB_GATES):
                for candidate, gates in ((same, alike), (longer, slower)):
                    benches = {SideName.BASELINE: baseline, SideName.CANDIDATE: candidate}
                    gates.append(stub_gate(benches, gate))

    benchmark.pedantic(measure_all, rounds=1)
    benchmark.extra_info |= {**stub_figures(alike, slower), **fingerprint()}
