"""The validity certificate: what the load generator's own trouble was, against its limits, and what to do beyond them. Pure.

Two kinds of limit:
- *timing* (lateness, CPU, stalls): beyond it the generator's own delay may stand in every response time. An objective that
  was missed may be its doing, so the run is inconclusive.
- *delivery* (queueing, network errors): beyond it the cluster was not offered what the scenario says. Response times are
  counted from the due time all the same, so a missed objective stays one; a pass would not be one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.results.parts import Check, Verdict
from reports.results.run import CertificateRow, GeneratorResult, ObjectiveResult, OperationResult
from scenarios.spec import Validity
from scenarios.texts.wording import milliseconds, percent

NETWORK = "network"
UNJUDGED_P50_MS = 1_000.0  # a median above a second is slow, where no objective says what is


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """`measured` reads the figure, `bound` its limit; the words make the sentences."""

    name: str
    unit: str  # "ms", or "share" of one
    is_timing: bool
    measured: Callable[[GeneratorResult], float | None]
    bound: Callable[[Validity], float]
    unknown: str
    good: str
    bad: str
    measure: str
    mend: str


LIMITS = (
    _Limit(
        name="lateness",
        unit="ms",
        is_timing=True,
        measured=lambda it: None if it.late_ms is None else it.late_ms.p99,
        bound=lambda it: it.late_p99_ms_max,
        unknown="No send was measured after the warm-up, so the generator's lateness is not known.",
        good="The load generator kept time",
        bad="The load generator was late",
        measure="p99 of its lateness {}",
        mend="Give it a freer machine or a lower rate.",
    ),
    _Limit(
        name="cpu",
        unit="share",
        is_timing=True,
        measured=lambda it: it.cpu_share,
        bound=lambda it: it.cpu_share_max,
        unknown="The senders' share of a core was not measured.",
        good="The load generator had room",
        bad="The load generator was saturated",
        measure="the busiest sender took {} of a core",
        mend="Use more shards or a lower rate.",
    ),
    _Limit(
        name="stalls",
        unit="share",
        is_timing=True,
        measured=lambda it: it.stalled_share,
        bound=lambda it: it.stalled_share_max,
        unknown="The senders' stalls were not measured.",
        good="The load generator's event loop was not held up",
        bad="The load generator's event loop was held up",
        measure="a sender stood still for {} of the time",
        mend="Give it a freer machine, the right to real-time scheduling (`meterstorm doctor`), or a lower rate.",
    ),
    _Limit(
        name="queueing",
        unit="share",
        is_timing=False,
        measured=lambda it: it.queued_share,
        bound=lambda it: it.queued_share_max,
        unknown="Queueing for the in-flight window was not measured.",
        good="The load generator's window had room",
        bad="The load generator's window was full",
        measure="{} of the operations waited for a place in it",
        mend="",  # what binds is told by how long operations took: see `_of_the_window`
    ),
    _Limit(
        name=NETWORK,
        unit="share",
        is_timing=False,
        measured=lambda it: it.network_error_share,
        bound=lambda it: it.network_error_share_max,
        unknown="Network errors were not measured.",
        good="The network held",
        bad="Connections were lost",
        measure="{} of the attempts met a lost connection or none",
        mend="See logs/ for the nodes that were lost, and the network between the generator and them.",
    ),
)


class Waiting(NamedTuple):
    """How long the operation waited that was slowest against its limit [ms]. service: None where it was not measured."""

    operation: str
    response_p50_ms: float
    service_p50_ms: float | None
    limit_ms: float
    is_within: bool  # as its objective has it, or by the median where it has none


def waiting_of(operations: Mapping[str, OperationResult], objectives: Sequence[ObjectiveResult] = ()) -> Waiting | None:
    """Of operations that fall due by themselves; None where no response was measured."""
    found: list[tuple[float, Waiting]] = []
    for name, each in operations.items():
        if not each.is_open_loop or each.response_ms is None:
            continue
        own = [one for one in objectives if one.operation == name and one.response_ms is not None]
        shares = [(one.response_ms or 0.0) / one.response_ms_max for one in own]
        shares = shares or [each.response_ms.p50 / UNJUDGED_P50_MS]
        limit_ms = min((one.response_ms_max for one in own), default=UNJUDGED_P50_MS)
        service = None if each.service_ms is None else each.service_ms.p50
        found.append((max(shares), Waiting(name, each.response_ms.p50, service, limit_ms, max(shares) <= 1)))
    return max(found, key=lambda one: one[0])[1] if found else None


def certify(
    generator: GeneratorResult, validity: Validity, waiting: Waiting | None = None, *, has_faults: bool = False
) -> tuple[CertificateRow, ...]:
    """Every limit with what was measured. What was not measured is in doubt. waiting: it says what a full window is due to.

    has_faults: the scenario breaks connections itself, so that no number of lost ones is too many.
    """
    rows = (_row(limit, generator, validity, waiting) for limit in LIMITS)
    return tuple(_of_faults(row) if has_faults and row.name == NETWORK else row for row in rows)


def timing_is_valid(certificate: tuple[CertificateRow, ...]) -> bool:
    """Can response times be taken for the cluster's?"""
    timing = {limit.name for limit in LIMITS if limit.is_timing}
    return all(row.outcome is Verdict.PASS for row in certificate if row.name in timing)


def check_of(row: CertificateRow) -> Check:
    """A row as one of the checks that the verdict is made of."""
    return Check(name=row.name, group="validity", outcome=row.outcome, sentence=row.sentence)


def figure_text(row: CertificateRow, value: float | None) -> str:
    """A measured value or a limit of the row, with its unit."""
    return _text(row.unit, value)


def _of_the_window(waiting: Waiting | None) -> str:
    """What to do about a full window. By Little's law it holds rate times service time: of a cluster that can't keep up, a
    larger one holds more, and each operation waits the longer for it."""
    if waiting is None:
        return "No response was measured, so what filled it is not known; a lower rate shows."
    name, response, service, limit, is_within = waiting
    if is_within:
        return "Raise run.in_flight_max, or lower the rate: responses were fast, so it is the window that binds."
    took = f"{name} took {milliseconds(response)} at the median"
    if service is not None and service <= limit and service < response / 2:
        return (
            f"{took}, {milliseconds(service)} of it from its sending on: where the nodes have CPU to spare raise "
            "run.in_flight_max, else lower the rate."
        )
    return (
        f"The cluster, or this machine if nodes and senders share it, was slow: {took}. Lower the rate, or give it a freer "
        "machine: a larger window would only lengthen the queue."
    )


def _of_faults(row: CertificateRow) -> CertificateRow:
    """What connections were lost by a run's own faults, and what beside them, is not known apart."""
    if row.measured is None or row.outcome is Verdict.PASS:
        return row
    sentence = (
        f"Connections were lost: {_text(row.unit, row.measured)} of the attempts met a lost connection or none. The scenario's "
        "faults cut connections, so no limit is held; losses of another cause are not told from theirs."
    )
    return row.model_copy(update={"outcome": Verdict.PASS, "sentence": sentence})


def _row(limit: _Limit, generator: GeneratorResult, validity: Validity, waiting: Waiting | None) -> CertificateRow:
    measured, bound = limit.measured(generator), limit.bound(validity)
    if measured is None:
        outcome, sentence = Verdict.INCONCLUSIVE, limit.unknown
    else:
        outcome = Verdict.PASS if measured <= bound else Verdict.INCONCLUSIVE
        said = f"{limit.measure.format(_text(limit.unit, measured))}, {_text(limit.unit, bound)} allowed."
        sentence = (
            f"{limit.good}: {said}"
            if outcome is Verdict.PASS
            else f"{limit.bad}: {said} {limit.mend or _of_the_window(waiting)}"
        )
    return CertificateRow(
        name=limit.name, unit=limit.unit, measured=measured, limit=bound, outcome=outcome, sentence=sentence
    )


def _text(unit: str, value: float | None) -> str:
    return milliseconds(value) if unit == "ms" else percent(value)
