"""From what was measured of a matrix to `results.json`. Pure."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from loadtests.matrix.cells import Cell, MatrixPlan
from loadtests.matrix.group import MatrixMeasurements
from loadtests.matrix.outage import Down, OutageEffect
from loadtests.matrix.trial import Trial
from loadtests.monitoring.staleness import Probe
from loadtests.recording.histograms import Counts, counts_of, percentiles_us
from reports.results.matrix import (
    CellResult,
    Figure,
    OutageResult,
    OutcomeCounts,
    RefusedCell,
    StalenessResult,
    figure_of,
)
from reports.run.latency import percentiles_ms
from scenarios.spec import Validity
from scenarios.texts.wording import milliseconds, percent, rate

FAILED_SHARE_MAX = 0.01  # of a cell's open loop: more, and its percentiles are those of another load


def cell_results(
    plan: MatrixPlan, measured: MatrixMeasurements, *, rate_per_s: float, validity: Validity
) -> tuple[CellResult, ...]:
    """Every cell of which anything was measured, in the order in which cells were asked for."""
    planned = [(group.nodes_per_dc, cell) for group in plan.groups for cell in group.cells]
    return tuple(
        _cell(cell, nodes_per_dc, measured, rate_per_s, validity)
        for nodes_per_dc, cell in planned
        if any(loaded.cell == cell.stored for loaded in measured.loaded)
    )


def refused_cells(plan: MatrixPlan) -> tuple[RefusedCell, ...]:
    """The cells that can't be hosted."""
    return tuple(
        RefusedCell(dcs=one.cell.dcs, rf=one.cell.rf, level=one.cell.level, reason=one.reason) for one in plan.refused
    )


def _cell(
    cell: Cell, nodes_per_dc: int, measured: MatrixMeasurements, rate_per_s: float, validity: Validity
) -> CellResult:
    trials = [each for each in measured.trials if each.cell == cell]
    loaded = next(each for each in measured.loaded if each.cell == cell.stored)
    errors: dict[str, int] = {}
    for each in trials:
        for kind, count in each.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    writes, reads = [each.write_response for each in trials], [each.read_response for each in trials]
    throughput = figure_of([each.throughput_per_s for each in trials])
    return CellResult(
        dcs=cell.dcs,
        rf=cell.rf,
        wan_ms=cell.wan_ms,
        write_level=cell.level,
        read_level=cell.read_level,
        nodes_per_dc=nodes_per_dc,
        trials=len(trials),
        throughput_per_s=throughput,
        write_p50_ms=_percentile(writes, 50),
        write_p99_ms=_percentile(writes, 99),
        write_p999_ms=_percentile(writes, 99.9),
        read_p50_ms=_percentile(reads, 50),
        read_p99_ms=_percentile(reads, 99),
        read_p999_ms=_percentile(reads, 99.9),
        cpu_us_per_operation=figure_of([each.cpu_us_per_operation for each in trials]),
        wan_bytes_per_operation=figure_of([each.wan_bytes_per_operation for each in trials if cell.dcs > 1]),
        disk_bytes_per_write=loaded.disk_bytes / loaded.writes if loaded.writes else None,
        staleness=staleness_of([probe for each in trials for probe in each.probes]) if cell.dcs > 1 else None,
        late_p99_ms=max((each.late_p99_ms for each in trials), default=None),
        errors=errors,
        outages=_outages([each for each in measured.outages if each.cell == cell]),
        doubts=_doubts(trials, throughput, rate_per_s, validity),
    )


def _percentile(counts: Sequence[Counts], percentile: float) -> Figure | None:
    return figure_of([float(percentiles_us(one, percentile)) / 1_000 for one in counts if one.any()])


def staleness_of(probes: Sequence[Probe]) -> StalenessResult | None:
    """The distribution over probes; None without any.

    Stale is a row only for as long as is proven: a question that was sent after the acknowledgement did not find it.
    """
    if not probes:
        return None
    seen = [probe for probe in probes if probe.readable_us is not None and probe.acknowledged_us is not None]
    readable_us = np.array([probe.readable_us for probe in seen], np.int64)
    missed_us = np.array([0 if probe.missed_us is None else probe.missed_us for probe in seen], np.int64)
    stale_us = np.maximum(missed_us - np.array([probe.acknowledged_us for probe in seen], np.int64), 0)
    asked = sum(probe.asked for probe in probes)
    return StalenessResult(
        probes=len(probes),
        unseen=len(probes) - len(seen),
        resolution_ms=sum(probe.asking_us for probe in probes) / max(asked, 1) / 1_000,
        readable_ms=percentiles_ms(counts_of(readable_us)),
        stale_ms=percentiles_ms(counts_of(stale_us)),
        stale_share=float((stale_us > 0).mean()) if seen else None,
    )


def _outages(outages: Sequence[OutageEffect]) -> tuple[OutageResult, ...]:
    """Each outage with its aftermath; one that was not seen to its end is left out."""
    found = []
    for outage in outages:
        after = next((each for each in outages if each.after is outage.down), None)
        if outage.down is Down.NOTHING or after is None:
            continue
        found.append(
            OutageResult(
                down="node" if outage.down is Down.NODE else "dc",
                writes=OutcomeCounts(**asdict(outage.writes)),
                reads=OutcomeCounts(**asdict(outage.reads)),
                writes_after=OutcomeCounts(**asdict(after.writes)),
                reads_after=OutcomeCounts(**asdict(after.reads)),
            )
        )
    return tuple(found)


def _doubts(
    trials: Sequence[Trial], throughput: Figure | None, rate_per_s: float, validity: Validity
) -> tuple[str, ...]:
    """Sentences; none when the figures can be taken for the cluster's. Limits are those of a run's certificate, where it has any
    for one sender."""
    doubts = []
    offered, ok = sum(each.offered for each in trials), sum(each.ok for each in trials)
    if offered - ok > FAILED_SHARE_MAX * offered:
        doubts.append(
            f"{percent((offered - ok) / offered)} of the open loop's operations were not acknowledged: response times are of the "
            "rest, and refusals come fast; see the errors."
        )
    late_ms = max((each.late_p99_ms for each in trials), default=0.0)
    if late_ms > validity.late_p99_ms_max:
        doubts.append(
            f"The load generator was late: p99 {milliseconds(late_ms)}, {milliseconds(validity.late_p99_ms_max)} allowed; "
            "give it a freer machine or a lower --rate."
        )
    stalled = max((each.stalled_share for each in trials), default=0.0)
    if stalled > validity.stalled_share_max:
        doubts.append(
            f"The load generator stood still for {percent(stalled)} of the time, {percent(validity.stalled_share_max)} "
            "allowed, and response times hold it; give it a freer machine."
        )
    cpu_share = max((each.cpu_share for each in trials), default=0.0)
    if cpu_share > validity.cpu_share_max:
        doubts.append(
            f"The sender took {percent(cpu_share)} of a core in the closed loop, {percent(validity.cpu_share_max)} allowed: "
            "the throughput may be its own."
        )
    if throughput is not None and rate_per_s > throughput.mean:
        doubts.append(
            f"The open loop's {rate(rate_per_s)} are more than the cell carries ({rate(throughput.mean)}): its response "
            "times are those of an overload; ask for a lower --rate."
        )
    return tuple(doubts)
