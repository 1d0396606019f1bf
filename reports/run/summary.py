"""From a recorded history to the figures of results.json: operations, objectives, generator. Reads files, judges nothing.

Latencies and rates leave out the warm-up: seconds in which responses came before `run.warm_up_s` was over. Counts of
operations and errors are of the whole run: an acknowledged write of the warm-up must be kept like any other. What the bench
cut off is counted with its time until then, as the response would have taken longer, but is in no share of errors.
"""

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.recording.history import Counts, RunHistory, percentiles_us
from reports.results.run import CUT_OFF_KINDS, NOT_SENT, GeneratorResult, Lateness, ObjectiveResult, OperationResult
from reports.run.latency import generator_error, percentiles_ms, total_counts
from reports.verdict.generator_validity import Waiting, certify, timing_is_valid
from scenarios.operations import operations_of
from scenarios.spec import Scenario


def warm_up_seconds(scenario: Scenario) -> int:
    """Whole seconds to leave out: the first second that counts."""
    return math.ceil(scenario.run.warm_up_s)


def summarise_operations(
    history: RunHistory, scenario: Scenario, closed_loop: Container[str] = ()
) -> dict[str, OperationResult]:
    """What became of each kind of operation, and how long it took. closed_loop: those that nothing makes due but their sender."""
    first = warm_up_seconds(scenario)
    last = second_due_last(history, closed_loop)
    return {
        name: _operation(history, name, first, last, is_open_loop=name not in closed_loop)
        for name in history.operations
    }


def second_due_last(history: RunHistory, closed_loop: Container[str] = ()) -> int:
    """The last second in which anything fell due; -1 when nothing did. What follows it is the drain.

    closed_loop: operations that nothing makes due: a back office is at its last work for long after the storm.
    """
    load = [name for name in history.operations if name not in closed_loop]
    offered = sum((history.counts[name]["offered"] for name in load), np.zeros_like(history.seconds))
    due = np.flatnonzero(offered)
    return int(due[-1]) if due.size else -1


def storm_seconds(history: RunHistory, scenario: Scenario, closed_loop: Container[str] = ()) -> int:
    """How many seconds of a record figures over time show: those of the storm, and on while the load's last answers come.

    closed_loop: operations that go on for long after it, where a back office is at its last work.
    """
    load = [columns for name, columns in history.counts.items() if name not in closed_loop]
    busy = np.flatnonzero(
        sum((column for columns in load for column in columns.values()), np.zeros_like(history.seconds))
    )
    answered = int(busy[-1]) + 1 if busy.size else 0
    return min(max(answered, math.ceil(scenario.run.wall_s)), len(history.seconds))


def _operation(
    history: RunHistory, name: str, second_first: int, second_last: int, *, is_open_loop: bool
) -> OperationResult:
    counts = history.counts[name]
    totals = {column: int(values.sum()) for column, values in counts.items()}
    errors = _errors_of(history, name)
    length_s = second_last + 1 - second_first
    measured = counts["ok"][second_first : second_last + 1]
    response = total_counts(history.response_counts(name), second_first)
    return OperationResult(
        offered=totals["offered"],
        attempted=totals["attempted"],
        ok=totals["ok"],
        failed=totals["failed"],
        indeterminate=totals["indeterminate"],
        retries=totals["retries"],
        cut_off=_cut_off(history, name),
        is_open_loop=is_open_loop,
        rate_per_s=int(measured.sum()) / length_s if length_s > 0 else None,
        errors=dict(errors.most_common()),
        response_ms=percentiles_ms(response),
        service_ms=percentiles_ms(total_counts(history.service_counts(name), second_first)),
        generator_error=generator_error(response, total_counts(history.earliest_counts(name), second_first)),
    )


def _errors_of(history: RunHistory, name: str) -> Counter[str]:
    """How many operations of a kind ended in each kind of error."""
    errors: Counter[str] = Counter()
    for error in history.errors:
        if error.operation == name:
            errors[error.kind] += error.count
    return errors


def _cut_off(history: RunHistory, name: str) -> int:
    """How many operations the bench itself ended: those that say so, and pages that the storm's end took from a customer,
    which are in doubt without an error and without a response time."""
    errors = _errors_of(history, name)
    by_kind = sum(errors[kind] for kind in CUT_OFF_KINDS)
    counts = history.counts[name]
    unexplained = int(counts["failed"].sum() + counts["indeterminate"].sum()) - errors.total()
    if unexplained <= 0:
        return by_kind
    unanswered = int(counts["attempted"].sum()) - int(total_counts(history.response_counts(name)).sum())
    return by_kind + max(min(unexplained, unanswered), 0)


def _error_share(history: RunHistory, name: str) -> float | None:
    """Failed and in doubt of all whose outcome is the cluster's own; None when there is none of these."""
    failed, indeterminate, attempted = (
        int(history.counts[name][column].sum()) for column in ("failed", "indeterminate", "attempted")
    )
    cut_off = _cut_off(history, name)
    return (failed + indeterminate - cut_off) / (attempted - cut_off) if attempted > cut_off else None


def summarise_objectives(history: RunHistory, scenario: Scenario) -> tuple[ObjectiveResult, ...]:
    """Each objective of the scenario with what was measured against it, in the scenario's order."""
    results = []
    for objective in scenario.slo:
        name = str(objective.operation)
        known = name in history.operations
        counts = total_counts(history.response_counts(name) if known else (), warm_up_seconds(scenario))
        results.append(
            ObjectiveResult(
                operation=name,
                percentile=objective.percentile,
                response_ms_max=objective.response_ms_max,
                response_ms=_percentile_ms(counts, objective.percentile),
                response_count=int(counts.sum()),
                error_share_max=objective.error_share_max,
                error_share=_error_share(history, name) if known else None,
            )
        )
    return tuple(results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Ticks that senders were kept from: how many, the share of the time by the one that lost most, and the longest [ms]."""

    count: int
    share: float
    ms_max: float


def summarise_generator(
    history: RunHistory,
    scenario: Scenario,
    *,
    scheduling: str,
    blocked: int | None,
    cpu_s: float,
    cpu_share: float | None,
    sender_count: int = 1,
    stalls: Stalls | None = None,
    network_errors: int | None = None,
    down_at_start: tuple[str, ...] = (),
    closed_loop: Container[str] = (),
    waiting: Waiting | None = None,
) -> GeneratorResult:
    """How the generator did.

    scheduling: what the senders ran under; blocked: operations that waited for the in-flight window; cpu_s: CPU time of all
    senders [s]; cpu_share: of one core, by the busiest sender; network_errors: attempts. None: it was not measured.
    down_at_start: nodes (host:port). closed_loop: operations that other processes than the senders' sent.
    waiting: how long operations took, which says what a full window is due to.
    """
    counts = total_counts(history.lateness_counts(), warm_up_seconds(scenario))
    late_ms = None
    if counts.any():
        p50, p99, most = (percentiles_us(counts, [50, 99, 100]) / 1_000).tolist()
        late_ms = Lateness(p50=p50, p99=p99, max=most)
    # What gateways, the back office and customers send goes neither through the senders' window nor over their connections.
    sent = [str(operation) for operation in operations_of(scenario) if operation in history.operations]
    offered = sum(int(history.counts[name]["offered"].sum()) for name in sent)
    attempts = _attempts(history, sent)
    of_processes = [name for name in history.operations if name not in closed_loop]
    attempted = sum(int(history.counts[name]["attempted"].sum()) for name in of_processes)
    measured = GeneratorResult(
        valid=True,
        scheduling=scheduling,
        late_ms=late_ms,
        blocked=blocked or 0,
        cpu_s=cpu_s,
        cpu_share=cpu_share,
        ops_per_cpu_s=attempted / cpu_s if cpu_s > 0 else None,
        sender_count=sender_count,
        stalls=None if stalls is None else stalls.count,
        stalled_share=None if stalls is None else stalls.share,
        stall_ms_max=None if stalls is None else stalls.ms_max,
        queued_share=blocked / offered if blocked is not None and offered else None,
        network_errors=network_errors,
        down_at_start=down_at_start,
        network_error_share=network_errors / attempts if network_errors is not None and attempts else None,
    )
    certificate = certify(measured, scenario.run.validity, waiting, has_faults=bool(scenario.faults))
    return measured.model_copy(update={"valid": timing_is_valid(certificate), "certificate": certificate})


def _attempts(history: RunHistory, names: Sequence[str]) -> int:
    """How often senders tried to send: an operation once, and again with each retry; not at all one that was never sent."""
    unsent = sum(_errors_of(history, name)[NOT_SENT] for name in names)
    return (
        sum(int(history.counts[name][column].sum()) for name in names for column in ("attempted", "retries")) - unsent
    )


def _percentile_ms(counts: Counts, percentile: float) -> float | None:
    return float(percentiles_us(counts, [percentile])[0]) / 1_000 if counts.any() else None
