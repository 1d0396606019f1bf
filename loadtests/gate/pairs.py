"""Pairs of trials: both sides loaded, warmed, and measured in turns until somebody says that it is enough.

A trial is a closed loop of a set number of operations, for throughput and what they cost, and an open loop at a set rate, for
response times. Both sides of a pair are sent the same stretch of the sample, and the same arrivals.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.local import LocalCluster
from loadtests.gate.sides import SideName, pair_order
from loadtests.monitoring.node_counters import NodeCounters
from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.trials.load import SampleLoad
from loadtests.trials.sending import IN_FLIGHT, Seconds, send
from loadtests.workload.poisson_source import SteadySource

WARM_LOOP_S = 2.0
RATE_SHARE = 0.3  # of the slower side's throughput: response times of a store that is not at its limit
COUNT_FAR = 1 << 40  # of a closed loop that a clock ends
CLOSED_S_MAX = 120.0  # of a closed loop by count, where a side is many times slower than when it was warmed


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTrial:
    """What was measured of one side in one pair. response: int64[lanes, COUNTS_SIZE], HDR counts [us] of the open loop."""

    throughput_per_s: float
    cpu_us_per_operation: float
    wan_bytes_per_operation: float
    response: NDArray[np.int64]
    offered: int  # of both loops
    ok: int
    errors: Mapping[str, int]  # by kind
    late_p99_ms: float
    stalled_share: float
    cpu_share: float  # of the sender in the closed loop, of one core


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One trial of each side. at_s: since the first pair began."""

    index: int
    first: SideName
    at_s: float
    sides: Mapping[SideName, SideTrial]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A side with all that measures it; both may be keyspaces of one cluster."""

    cluster: LocalCluster
    counters: NodeCounters
    load: SampleLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSize:
    """How much is sent in a trial, the same to both sides. count: of the closed loop; rate_per_s, seconds: of the open one."""

    count: int
    rate_per_s: float
    seconds: float


def warm(benches: Mapping[SideName, Bench], seconds: float, told: Callable[[str], None]) -> dict[SideName, float]:
    """Send to both sides in turns, each for `seconds` in all; their throughput [operations/s], of the later half of the turns.

    A JVM compiles what it meets while it meets it: without this the first pairs would be of another program.
    """
    rates: dict[SideName, list[float]] = {name: [] for name in benches}
    first = 0
    for turn in range(max(round(seconds / WARM_LOOP_S), 1)):
        for name, bench in benches.items():
            source = SteadySource(bench.load.sample, first=first % len(bench.load.sample), count=COUNT_FAR)
            report = send(bench.load, source, closed_for_s=WARM_LOOP_S)
            rates[name].append(report.ok / max(report.wall_s, 1e-9))
            first += report.ok
        told(f"warming: turn {turn + 1}, " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items()))
    return {name: float(np.median(found[len(found) // 2 :])) for name, found in rates.items()}


def trial_size(rates: Mapping[SideName, float], seconds: float, rate_per_s: float | None) -> TrialSize:
    """Sizes from the throughputs of the warm sides [operations/s], so that a loop takes about `seconds`."""
    slower = max(min(rates.values()), 1.0)
    return TrialSize(
        count=max(round(slower * seconds), IN_FLIGHT), rate_per_s=rate_per_s or slower * RATE_SHARE, seconds=seconds
    )


def measure(
    benches: Mapping[SideName, Bench],
    size: TrialSize,
    seed: int,
    is_enough: Callable[[list[Pair]], bool],
    pairs: list[Pair],
) -> None:
    """Pairs into `pairs` as they come, until `is_enough` says so after one. Raises HarnessError when a node can't go on."""
    begun = time.monotonic()
    while True:
        index = len(pairs)
        order = pair_order(index, seed)
        at_s = time.monotonic() - begun
        sides = _pair(benches, order, size, index, seed)
        pairs.append(Pair(index=index, first=order[0], at_s=at_s, sides=sides))
        if is_enough(pairs):
            return


def _pair(
    benches: Mapping[SideName, Bench], order: tuple[SideName, SideName], size: TrialSize, index: int, seed: int
) -> Mapping[SideName, SideTrial]:
    closed = {name: _closed(benches[name], size, index) for name in order}
    opened = {name: _opened(benches[name], size, index, seed) for name in order}
    return {name: _trial(closed[name], opened[name]) for name in order}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closed:
    throughput_per_s: float
    cpu_us_per_operation: float
    wan_bytes_per_operation: float
    offered: int
    ok: int
    errors: Mapping[str, int]
    cpu_share: float


def _closed(bench: Bench, size: TrialSize, index: int) -> _Closed:
    """A set number of operations: both sides do the same work, and what it costs is counted until no node is at work on it."""
    first = index * size.count % len(bench.load.sample)
    bench.counters.settle()  # what the trial before has left is not this one's
    before = bench.counters.read()
    begun = time.monotonic()
    report = send(bench.load, SteadySource(bench.load.sample, first=first, count=size.count), closed_for_s=CLOSED_S_MAX)
    took_s = time.monotonic() - begun  # with the sender's own start, which its processor time holds too
    bench.counters.settle()
    spent = bench.counters.read().since(before)
    return _Closed(
        throughput_per_s=report.ok / max(report.wall_s, 1e-9),
        cpu_us_per_operation=spent.cpu_s * 1e6 / max(report.ok, 1),
        wan_bytes_per_operation=spent.wan_bytes / max(report.ok, 1),
        offered=report.offered,
        ok=report.ok,
        errors={error.kind: error.count for error in report.errors if error.outcome is not None},
        cpu_share=report.cpu_s / max(took_s, 1e-9),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    response: NDArray[np.int64]
    offered: int
    ok: int
    errors: Mapping[str, int]
    late_p99_ms: float
    stalled_share: float


def _opened(bench: Bench, size: TrialSize, index: int, seed: int) -> _Opened:
    count = max(round(size.rate_per_s * size.seconds), 1)
    source = SteadySource(
        bench.load.sample,
        first=index * count % len(bench.load.sample),
        count=count,
        rate_per_s=size.rate_per_s,
        seed=seed,
    )
    seconds = Seconds()
    report = send(bench.load, source, seconds=seconds)
    response = np.zeros((len(bench.load.lanes), COUNTS_SIZE), np.int64)
    for snapshot in seconds:
        response += snapshot.response
    return _Opened(
        response=response,
        offered=report.offered,
        ok=report.ok,
        errors={error.kind: error.count for error in report.errors if error.outcome is not None},
        late_p99_ms=report.late_p99_ms,
        stalled_share=report.stalled_s / max(report.wall_s, 1e-9),
    )


def _trial(closed: _Closed, opened: _Opened) -> SideTrial:
    errors = dict(closed.errors)
    for kind, count in opened.errors.items():
        errors[kind] = errors.get(kind, 0) + count
    return SideTrial(
        throughput_per_s=closed.throughput_per_s,
        cpu_us_per_operation=closed.cpu_us_per_operation,
        wan_bytes_per_operation=closed.wan_bytes_per_operation,
        response=opened.response,
        offered=closed.offered + opened.offered,
        ok=closed.ok + opened.ok,
        errors=errors,
        late_p99_ms=opened.late_p99_ms,
        stalled_share=opened.stalled_share,
        cpu_share=closed.cpu_share,
    )
