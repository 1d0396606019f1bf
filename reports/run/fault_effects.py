"""What the operations of a run showed of its faults: errors by second, and response times before, during and after. Pure."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.history import COUNTS_SIZE, Counts, RunHistory
from reports.results.run import DcEffect, FaultEffect, FaultResult
from reports.run.latency import percentiles_ms


def with_effects(
    faults: Sequence[FaultResult], history: RunHistory, *, warm_up_s: float, closed_loop: Collection[str]
) -> tuple[FaultResult, ...]:
    """The faults, each with its effect on every operation that falls due by itself. One that never began has none."""
    begun = sorted(one.begun_s for one in faults if one.begun_s is not None)
    names = [name for name in history.operations if name not in closed_loop]
    found = []
    for fault in faults:
        if fault.begun_s is None:
            found.append(fault)
            continue
        until_s = next((one for one in begun if one > fault.begun_s), float(len(history.seconds)))
        # what an earlier fault has left is no "before" of this one
        ended = [one.back_s for one in faults if one.back_s is not None and one.back_s <= fault.begun_s]
        effects = {name: _effect(history, name, fault, max([warm_up_s, *ended]), until_s) for name in names}
        found.append(fault.model_copy(update={"effects": effects}))
    return tuple(found)


def _effect(history: RunHistory, name: str, fault: FaultResult, from_s: float, until_s: float) -> FaultEffect:
    assert fault.begun_s is not None
    seconds = np.arange(int(fault.begun_s), min(int(np.ceil(until_s)), len(history.seconds)))
    failed, indeterminate = (history.counts[name][column][seconds] for column in ("failed", "indeterminate"))
    bad = seconds[(failed + indeterminate) > 0]
    back_s = until_s if fault.back_s is None else min(fault.back_s, until_s)
    edges = (from_s, fault.begun_s, back_s, until_s)
    before, during, after = _p99_between(history, name, edges)
    return FaultEffect(
        failed=int(failed.sum()),
        indeterminate=int(indeterminate.sum()),
        first_error_s=int(bad[0]) if bad.size else None,
        last_error_s=int(bad[-1]) if bad.size else None,
        error_seconds=int(bad.size),
        p99_before_ms=before,
        p99_during_ms=during,
        p99_after_ms=after,
        dcs={dc: _dc_effect(columns, seconds) for dc, columns in sorted(history.by_dc.get(name, {}).items())},
    )


def _dc_effect(columns: Mapping[str, Counts], seconds: NDArray[np.int64]) -> DcEffect:
    """columns: of DcOutcomes, int64[t] each; seconds: those that count, int64[n] without a gap."""
    ok, failed, indeterminate = (columns[column][seconds] for column in ("ok", "failed", "indeterminate"))
    bad = (failed + indeterminate) > 0
    last = int(seconds[bad][-1]) if bad.any() else None
    return DcEffect(
        failed=int(failed.sum()),
        indeterminate=int(indeterminate.sum()),
        error_seconds=int(bad.sum()),
        unavailable_seconds=int((bad & (ok == 0)).sum()),
        served_again_s=None if last is None or last == seconds[-1] else last + 1,
    )


def _p99_between(history: RunHistory, name: str, edges: Sequence[float]) -> list[float | None]:
    """The p99 of the responses that came between each two edges, by whole seconds [ms]; of fewer than 100 there is none."""
    starts = [int(np.ceil(edge)) if index == 0 else int(edge) for index, edge in enumerate(edges)]
    counts = np.zeros((len(edges) - 1, COUNTS_SIZE), np.int64)
    for second, line in history.response_counts(name):
        at = int(np.searchsorted(starts, second, side="right")) - 1
        if 0 <= at < len(counts):
            counts[at] += line
    return [None if (found := percentiles_ms(one)) is None else found.p99 for one in counts]
