"""How often does a history without a change get one, how often is a change found, and what do others make of the same histories?

`uv run pytest loadtests/benchmarks/bench_gate_history.py --benchmark-only --benchmark-json=FILE`; some minutes of processor time.
Simulated histories of 40 runs and 12 series, a p50 and a p99 of each of six operations, which share half of their noise; both
detectors, and the naive way, look at the same ones. A false alarm is of a history: any of its series.
"""

from typing import Any

import numpy as np
import pytest

from loadtests.cluster.machine import fingerprint
from loadtests.gate_history.otava import VERSION, ask_otava
from loadtests.stats.bootstrap import keyed_generator
from loadtests.stats.change_points import change_points, smallest_step
from loadtests.stats.estimates import Floats, wilson

RUNS, SERIES = 40, 12
HISTORIES, HISTORIES_OF_OTAVA = 1_000, 80  # Otava takes 80 ms of a processor for a series of 40 runs
ERROR, NOISE = 0.01, 0.05
STEP, LASTING = 0.10, 10
NEAR = 3
NAIVE_LIMIT = 1.10

NOISES = ("normal", "heavy tails", "spikes", "runs alike, 0.3", "runs alike, 0.6", "drift of 20 %")


def history(random: np.random.Generator, noise: str) -> Floats:
    """float64[SERIES, RUNS] of latencies about 10 ms."""
    draws = np.sqrt(0.5) * (random.standard_normal((1, RUNS)) + random.standard_normal((SERIES, RUNS)))
    match noise:
        case "heavy tails":
            draws = random.standard_t(2, (SERIES, RUNS))
        case "spikes":
            draws += np.where(random.random((SERIES, RUNS)) < 0.05, 20, 0)
        case "runs alike, 0.3" | "runs alike, 0.6":
            alike = float(noise[-3:])
            for run in range(1, RUNS):
                draws[:, run] = alike * draws[:, run - 1] + np.sqrt(1 - alike**2) * draws[:, run]
        case "drift of 20 %":
            draws += np.linspace(0, np.log(1.2) / NOISE, RUNS)
    return np.asarray(10 * np.exp(NOISE * draws), np.float64)


def ranks_see(values: Floats, seed: int) -> list[int]:
    return [each.index for each in change_points(values, error=ERROR / SERIES, seed=seed)]


def share(hits: int, of: int) -> dict[str, float]:
    found = wilson(hits, of)
    return {"share": found.mean, "low": round(found.low, 4), "high": round(found.high, 4), "of": of}


@pytest.mark.timeout(3_600)
def test_false_alarms(benchmark: Any) -> None:
    """The ranks over all series together, and the newest run against the one before it with a limit of 10 %."""
    alarms: dict[str, int] = {}
    naive: dict[str, int] = {}

    def measure() -> None:
        for purpose, noise in enumerate(NOISES):
            random = keyed_generator(1, purpose)
            made = [history(random, noise) for _ in range(HISTORIES)]
            alarms[noise] = sum(any(ranks_see(row, at) for row in one) for at, one in enumerate(made))
            naive[noise] = sum(bool((one[:, -1] > NAIVE_LIMIT * one[:, -2]).any()) for one in made)

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(
        history_false_alarm=share(alarms["normal"], HISTORIES),
        history_false_alarm_all={noise: share(hits, HISTORIES) for noise, hits in alarms.items()},
        history_naive_false_alarm={noise: share(hits, HISTORIES) for noise, hits in naive.items()},
        stated=ERROR,
        **fingerprint(),
    )


@pytest.mark.timeout(3_600)
def test_power(benchmark: Any) -> None:
    """A step of 10 % in the newest ten runs, and the smallest one that is said to be seen there; in one of the series."""
    smallest = smallest_step(NOISE, RUNS, LASTING, ERROR / SERIES)
    assert smallest is not None
    found: dict[str, int] = {}
    placed: dict[str, int] = {}

    def measure() -> None:
        for purpose, (name, step) in enumerate({"step": np.log1p(STEP), "smallest": smallest}.items()):
            random = keyed_generator(2, purpose)
            made = [history(random, "normal")[0] for _ in range(HISTORIES)]
            for values in made:
                values[-LASTING:] *= np.exp(step)
            seen = [ranks_see(values, at) for at, values in enumerate(made)]
            found[name] = sum(map(bool, seen))
            placed[name] = sum(bool(agreed(one, [RUNS - LASTING])) for one in seen)

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(
        history_power_10_percent=share(found["step"], HISTORIES),
        history_power_smallest=share(found["smallest"], HISTORIES),
        history_placed_smallest=share(placed["smallest"], HISTORIES),
        smallest=round(float(np.expm1(smallest)), 4),
        **fingerprint(),
    )


@pytest.mark.timeout(3_600)
def test_votes(benchmark: Any) -> None:
    """Otava on the same histories, and both together: without a change, and with one of 10 % in one series."""
    figures: dict[str, Any] = {}

    def measure() -> None:
        random = keyed_generator(3, 0)
        quiet = [history(random, "normal") for _ in range(HISTORIES_OF_OTAVA)]
        stepped = [history(random, "normal")[0] for _ in range(HISTORIES_OF_OTAVA)]
        for values in stepped:
            values[-LASTING:] *= 1 + STEP
        ours, theirs = [ranks_see(row, at) for at, one in enumerate(quiet) for row in one], list[list[int]]()
        rows = [row for one in quiet for row in one]
        theirs = ask_otava(rows)
        per_history = range(0, len(rows), SERIES)
        figures["history_false_alarm_ranks"] = share(
            sum(any(ours[at : at + SERIES]) for at in per_history), HISTORIES_OF_OTAVA
        )
        figures["history_false_alarm_otava"] = share(
            sum(any(theirs[at : at + SERIES]) for at in per_history), HISTORIES_OF_OTAVA
        )
        both = [agreed(a, b) for a, b in zip(ours, theirs, strict=True)]
        figures["history_false_alarm_both"] = share(
            sum(any(both[at : at + SERIES]) for at in per_history), HISTORIES_OF_OTAVA
        )
        true = RUNS - LASTING
        seen = [ranks_see(values, at) for at, values in enumerate(stepped)]
        asked = ask_otava(stepped)
        figures["history_found_ranks"] = share(sum(bool(agreed(each, [true])) for each in seen), HISTORIES_OF_OTAVA)
        figures["history_found_otava"] = share(sum(bool(agreed(each, [true])) for each in asked), HISTORIES_OF_OTAVA)
        figures["history_found_both"] = share(
            sum(bool(agreed(a, [true]) and agreed(a, b)) for a, b in zip(seen, asked, strict=True)), HISTORIES_OF_OTAVA
        )

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(**figures, otava=VERSION, **fingerprint())


def agreed(ours: list[int], theirs: list[int]) -> list[int]:
    """Those of ours that lie near one of theirs."""
    return [each for each in ours if any(abs(each - other) <= NEAR for other in theirs)]
