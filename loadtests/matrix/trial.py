"""One measurement of one cell: closed loop for its throughput and cost, open loop for its response times and staleness."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.matrix.cells import Cell
from loadtests.monitoring.node_counters import NodeCounters
from loadtests.monitoring.staleness import Probe, Prober, Probing
from loadtests.recording.histograms import Counts
from loadtests.sender.outcomes import ErrorKind
from loadtests.sender.recorder import EngineReport
from loadtests.trials.load import SampleLoad
from loadtests.trials.sending import Seconds, send
from loadtests.workload.poisson_source import SteadySource

PROBE_EVERY_S = 0.05
PROBES_A_TRIAL_MAX = 1_000_000  # ids that a trial has to itself
COUNT_FAR = 1 << 40  # of a closed loop that a clock ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was measured of a cell in one block. Response times are counts int64[COUNTS_SIZE] [us]."""

    cell: Cell
    repeat: int
    throughput_per_s: float
    cpu_us_per_operation: float
    wan_bytes_per_operation: float
    write_response: Counts
    read_response: Counts
    offered: int  # in the open loop
    ok: int
    errors: Mapping[str, int]  # of both loops, by kind
    late_p99_ms: float  # of the open loop, as the stalls are
    stalled_share: float
    cpu_share: float  # of the sender in the closed loop, of one core
    probes: tuple[Probe, ...]


def trial(
    cell: Cell,
    load: SampleLoad,
    counters: NodeCounters,
    prober: Prober | None,
    *,
    number: int,
    repeat: int,
    seconds: float,
    rate_per_s: float,
) -> Trial:
    """Measure a cell once: `seconds` of each loop. `prober`: None where there is no other DC. number: of the trial, among all.

    Throughput is of the closed loop's whole seconds; its cost counts until no node is at work on it any more.
    """
    first = (
        repeat * len(load.sample) // 7
    )  # each block begins elsewhere in the sample, all cells of a block in one place
    counters.settle()  # what the trial before has left, of another cell, is not this one's
    before = counters.read()
    closed_seconds = Seconds()
    source = SteadySource(load.sample, first=first, count=COUNT_FAR)
    closed = send(load, source, seconds=closed_seconds, closed_for_s=seconds)
    counters.settle()
    spent = counters.read().since(before)
    probing = None
    if prober is not None:
        probing = Probing(prober, number * PROBES_A_TRIAL_MAX, PROBE_EVERY_S)
        probing.start()  # before the sender's thread is raised above all others
    open_seconds = Seconds()
    source = SteadySource(
        load.sample,
        first=first,
        count=max(round(rate_per_s * seconds), 1),
        rate_per_s=rate_per_s,
        seed=load.scenario.run.seed,
    )
    try:
        opened = send(load, source, seconds=open_seconds)
    finally:
        probes = probing.stop() if probing is not None else ()
    is_write = [operation in load.writes for operation in load.lanes]
    rates = closed_seconds.ok_in_whole_seconds(seconds)
    return Trial(
        cell=cell,
        repeat=repeat,
        throughput_per_s=float(np.mean(rates)) if rates else closed.ok / seconds,
        cpu_us_per_operation=spent.cpu_s * 1e6 / max(closed.ok, 1),
        wan_bytes_per_operation=spent.wan_bytes / max(closed.ok, 1),
        write_response=open_seconds.response(is_write),
        read_response=open_seconds.response([not each for each in is_write]),
        offered=opened.offered,
        ok=opened.ok,
        errors=_errors(closed, opened),
        late_p99_ms=opened.late_p99_ms,
        stalled_share=opened.stalled_s / max(opened.wall_s, 1e-9),
        cpu_share=closed.cpu_s / max(closed.wall_s, 1e-9),
        probes=probes,
    )


def _errors(closed: EngineReport, opened: EngineReport) -> Mapping[str, int]:
    """By kind. What a closed loop still waits for when its clock ends it is cut off, and no error."""
    found: dict[str, int] = {}
    for report in (closed, opened):
        for error in report.errors:
            if error.outcome is None or (report is closed and error.kind == ErrorKind.NOT_DRAINED.label):
                continue
            found[error.kind] = found.get(error.kind, 0) + error.count
    return found
