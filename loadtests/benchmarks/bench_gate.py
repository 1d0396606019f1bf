"""How often the gate is wrong, and what it sees: simulated gates with the noise that real pairs had, and real ones.

    uv run pytest loadtests/benchmarks/bench_gate.py --benchmark-only --benchmark-json=gate.json

`gate_false_alarm`: the share of simulated gates without a change that claim one in any metric, with its interval; the naive
way on the same pairs beside it (`naive_false_alarm`: the p99 of two runs, one after the other, against what matters).
`gate_power_p99`: the share that finds p99 + 10 % among all metrics, within the pairs of five minutes. `gate_minutes`: a real
gate of a server that works a tenth more.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.cluster.machine import available_memory_mib
from loadtests.gate.bench import GateMeasurements, measure_sides
from loadtests.gate.judgement import GateMetric, Series, judge
from loadtests.gate.sides import GateSide, SideName
from loadtests.stats.estimates import wilson
from scenarios.gate_file import Effort, GateAnswer, GateSettings, Limits
from scenarios.spec import parse_scenario

GATES = 1_000
PAIRS_MAX = 60
METRICS = 14
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


def gate_of(random: np.random.Generator, p99_change: float, *, heavy: bool) -> tuple[GateAnswer, bool, int, float]:
    """One simulated gate: its answer, whether it claimed anything at all, after how many pairs, and the naive ratio of p99.

    Looked at after every pair from the sixth on, as the gate is.
    """

    def noise(shape: tuple[int, ...]) -> NDArray[np.float64]:
        return random.standard_t(3, shape) / np.sqrt(3) if heavy else random.standard_normal(shape)

    common = noise((PAIRS_MAX, 1)) * np.sqrt(COMMON_SHARE)
    pairs = (common + noise((PAIRS_MAX, METRICS)) * np.sqrt(1 - COMMON_SHARE)) * NOISE
    pairs[:, -1] *= NOISE_P99 / NOISE
    pairs[:, -1] += np.log1p(p99_change)
    metrics = [GateMetric(name=str(index), unit="ms", limit=0.1) for index in range(METRICS)]
    claimed = False
    for count in range(6, PAIRS_MAX + 1):
        family = [
            Series(metric=metric, baseline=np.ones(count), candidate=np.exp(pairs[:count, index]))
            for index, metric in enumerate(metrics)
        ]
        judgement = judge(family, SETTINGS, is_last=count == PAIRS_MAX)
        claimed = claimed or any(each.is_claimed for each in judgement.metrics)
        if judgement.is_final:
            break
    return judgement.answer, claimed, count, float(np.exp(pairs[0, -1]))


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
