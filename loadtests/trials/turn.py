"""One trial of a keyspace: a closed loop of a set number of operations, for throughput and what they cost, and an open loop at a
set rate, for response times. Whoever is compared is sent the same stretch of the sample, and the same arrivals.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.local import LocalCluster
from loadtests.monitoring.node_counters import NodeCounters
from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.trials.load import SampleLoad
from loadtests.trials.sending import IN_FLIGHT, Seconds, send
from loadtests.workload.poisson_source import SteadySource

WARM_LOOP_S = 2.0
RATE_SHARE = 0.3  # of the slowest one's throughput: response times of a store that is not at its limit
COUNT_FAR = 1 << 40  # of a closed loop that a clock ends
CLOSED_S_MAX = 120.0  # of a closed loop by count, where one is many times slower than when it was warmed


Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTrial:
    """What was measured of one keyspace in its turn. response: int64[lanes, COUNTS_SIZE], HDR counts [us] of the open loop."""

    throughput_per_s: float
    cpu_us_per_operation: float
    wan_bytes_per_operation: float
    readings_per_operation: float  # half-hours of deliveries, of the closed loop
    response: NDArray[np.int64]
    offered: int  # of both loops
    ok: int
    errors: Mapping[str, int]  # by kind
    late_p99_ms: float
    stalled_share: float
    cpu_share: float  # of the sender in the closed loop, of one core


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A loaded keyspace with all that measures it; several may be on one cluster."""

    cluster: LocalCluster
    counters: NodeCounters
    load: SampleLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSize:
    """How much is sent in a trial, the same to all. count: of the closed loop; rate_per_s, seconds: of the open one.

    is_once: no operation is sent twice, in the order of the sample; else each kind of loop goes round in it by itself.
    """

    count: int
    rate_per_s: float
    seconds: float
    is_once: bool = False

    @property
    def open_count(self) -> int:
        """Operations of the open loop."""
        return max(round(self.rate_per_s * self.seconds), 1)

    @property
    def of_trial(self) -> int:
        """Operations of both loops."""
        return self.count + self.open_count


def warm(benches: Mapping[Name, Bench], seconds: float, told: Callable[[str], None]) -> dict[Name, float]:
    """Send to all in turns, to each for `seconds` in all; their throughput [operations/s], of the later half of the turns.

    A JVM compiles what it meets while it meets it: without this the first trials would be of another program.
    """
    rates: dict[Name, list[float]] = {name: [] for name in benches}
    first = 0
    for turn in range(max(round(seconds / WARM_LOOP_S), 1)):
        for name, bench in benches.items():
            source = SteadySource(bench.load.sample, first=first % len(bench.load.sample), count=COUNT_FAR)
            report = send(bench.load, source, closed_for_s=WARM_LOOP_S)
            rates[name].append(report.ok / max(report.wall_s, 1e-9))
            first += report.ok
        told(f"warming: turn {turn + 1}, " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items()))
    return {name: float(np.median(found[len(found) // 2 :])) for name, found in rates.items()}


def trial_size(rates: Mapping[Name, float], seconds: float, rate_per_s: float | None) -> TrialSize:
    """Sizes from the throughputs of warm keyspaces [operations/s], so that a loop takes about `seconds`."""
    slowest = max(min(rates.values()), 1.0)
    return TrialSize(
        count=max(round(slowest * seconds), IN_FLIGHT), rate_per_s=rate_per_s or slowest * RATE_SHARE, seconds=seconds
    )


def fitted(size: TrialSize, operations: int, trials: int) -> TrialSize:
    """At most that size, so that so many trials send each of the operations at most once."""
    share = min(operations / (size.of_trial * max(trials, 1)), 1.0)
    return TrialSize(
        count=max(int(size.count * share), IN_FLIGHT),
        rate_per_s=size.rate_per_s * share,
        seconds=size.seconds,
        is_once=True,
    )


def take_turns(
    benches: Mapping[Name, Bench],
    order: Sequence[Name],
    size: TrialSize,
    index: int,
    seed: int,
    *,
    quiet_s: float | None = None,
) -> dict[Name, LoadTrial]:
    """One trial of each in an order: all closed loops, then all open ones. index: of the trial, which says where in the sample.

    quiet_s: the work of a closed loop is counted until the keyspace's files have not changed for so long, flushes and
    compactions with it; None: until its messages are answered. Raises HarnessError when a node can't go on.
    """
    closed = {name: _closed_loop(benches[name], size, index, quiet_s) for name in order}
    opened = {name: _open_loop(benches[name], size, index, seed) for name in order}
    return {name: _trial_of(closed[name], opened[name]) for name in order}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClosedLoop:
    throughput_per_s: float
    cpu_us_per_operation: float
    wan_bytes_per_operation: float
    readings_per_operation: float
    offered: int
    ok: int
    errors: Mapping[str, int]
    cpu_share: float


def _closed_loop(bench: Bench, size: TrialSize, index: int, quiet_s: float | None) -> _ClosedLoop:
    """A set number of operations: all do the same work, and what it costs is counted until no node is at work on it."""
    first = index * (size.of_trial if size.is_once else size.count) % len(bench.load.sample)
    bench.counters.settle()  # what the trial before has left is not this one's
    before = bench.counters.read()
    begun = time.monotonic()
    report = send(bench.load, SteadySource(bench.load.sample, first=first, count=size.count), closed_for_s=CLOSED_S_MAX)
    took_s = time.monotonic() - begun  # with the sender's own start, which its processor time holds too
    bench.counters.settle()
    if quiet_s is not None:
        bench.counters.wait_quiet_disks([bench.load.keyspace], quiet_s)
    spent = bench.counters.read().since(before)
    return _ClosedLoop(
        throughput_per_s=report.ok / max(report.wall_s, 1e-9),
        cpu_us_per_operation=spent.cpu_s * 1e6 / max(report.ok, 1),
        wan_bytes_per_operation=spent.wan_bytes / max(report.ok, 1),
        readings_per_operation=bench.load.readings_in(first, size.count) / size.count,
        offered=report.offered,
        ok=report.ok,
        errors={error.kind: error.count for error in report.errors if error.outcome is not None},
        cpu_share=report.cpu_s / max(took_s, 1e-9),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenLoop:
    response: NDArray[np.int64]
    offered: int
    ok: int
    errors: Mapping[str, int]
    late_p99_ms: float
    stalled_share: float


def _open_loop(bench: Bench, size: TrialSize, index: int, seed: int) -> _OpenLoop:
    count = size.open_count
    first = index * size.of_trial + size.count if size.is_once else index * count
    source = SteadySource(
        bench.load.sample,
        first=first % len(bench.load.sample),
        count=count,
        rate_per_s=size.rate_per_s,
        seed=seed,
    )
    seconds = Seconds()
    report = send(bench.load, source, seconds=seconds)
    response = np.zeros((len(bench.load.lanes), COUNTS_SIZE), np.int64)
    for snapshot in seconds:
        response += snapshot.response
    return _OpenLoop(
        response=response,
        offered=report.offered,
        ok=report.ok,
        errors={error.kind: error.count for error in report.errors if error.outcome is not None},
        late_p99_ms=report.late_p99_ms,
        stalled_share=report.stalled_s / max(report.wall_s, 1e-9),
    )


def _trial_of(closed: _ClosedLoop, opened: _OpenLoop) -> LoadTrial:
    errors = dict(closed.errors)
    for kind, count in opened.errors.items():
        errors[kind] = errors.get(kind, 0) + count
    return LoadTrial(
        throughput_per_s=closed.throughput_per_s,
        cpu_us_per_operation=closed.cpu_us_per_operation,
        wan_bytes_per_operation=closed.wan_bytes_per_operation,
        readings_per_operation=closed.readings_per_operation,
        response=opened.response,
        offered=closed.offered + opened.offered,
        ok=closed.ok + opened.ok,
        errors=errors,
        late_p99_ms=opened.late_p99_ms,
        stalled_share=opened.stalled_share,
        cpu_share=closed.cpu_share,
    )
