"""From a search that was made to its results.json: rates, meters, what binds, curves, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from loadtests.capacity.search import END_ALPHA, Ending, Found
from loadtests.capacity.search_loop import MadeStep, Search
from loadtests.capacity.step import ALPHA, ObjectiveOutcome, StepRules, StepVerdict
from loadtests.capacity.target import StepTarget
from loadtests.stats.curves import fit_queue_curve, fit_scalability
from loadtests.stats.estimates import Floats
from reports.capacity.constraint import Use, binding, evidence_of
from reports.results.capacity import (
    SECONDS_PER_DELIVERY,
    CapacityResults,
    ConstraintResult,
    EvidenceResult,
    Interval,
    MetersResult,
    ObjectiveStep,
    QueueFit,
    RateResult,
    RecoveryResult,
    ScalabilityFit,
    StepResult,
)
from reports.results.parts import Machine, TopologyResult
from reports.verdict.capacity import judge_search
from scenarios.domain import Operation
from scenarios.spec import Scenario

DELIVERIES = (Operation.INGEST_READING, Operation.INGEST_REGISTER, Operation.INGEST_TEN_SECOND)
"""What a meter delivers by its schedule; revisions and alerts come on top of it, as customers' questions do."""

METHODS = {
    "arrivals": "Poisson, of the scenario's whole mix, keyed by its seed; response times run from the due time",
    "warm_up": "MSER-5 (White, Cobb and Spratt 2000) over the seconds' mean response times",
    "test": "group-sequential test of the share of slow responses (Lan and DeMets 1983, spending alpha * t): Student's t by "
    "batches, freed of skewness (Hall 1992), and the binomial of the effective count",
    "percentile_interval": "Woodruff 1952 by batch means (Heidelberger and Lewis 1984)",
    "effective_count": "variance of batch means over that of responses; initial monotone sequence (Geyer 1992)",
    "rate_interval": "highest rate that held and was confirmed, to lowest that broke and was; an end is wrong where both of its "
    "steps are",
    "aim": "rates nearest to the threshold that a step would tell, by the binomial of the effective count; shares over the "
    "rate by M/M/c, with what it does not explain interpolated; it judges nothing",
    "queue_curve": "M/G/1's form (Pollaczek and Khinchine), least squares of relative deviations; knee by Kleinrock's power",
    "scalability": "Universal Scalability Law (Gunther 2007), with rate times response time as concurrency (Little)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSetting:
    """What was searched, where and when. machine: as `loadtests.cluster.machine.fingerprint` gives it."""

    scenario: Scenario
    target: StepTarget
    rules: StepRules
    started: datetime
    versions: dict[str, str]
    where: str
    machine: dict[str, str | int]
    dc_down: str | None
    notes: tuple[str, ...] = ()  # sentences for the reader, which change no verdict


def assemble_capacity(search: Search, setting: SearchSetting) -> CapacityResults:
    """Everything that a search answers; of one that was interrupted, what it had found until then."""
    assert search.found is not None, "the search goes on"
    found = search.found
    mix = _mix(setting.target)
    rate = _rate(found, mix)
    constraint = constraint_of(
        search.steps,
        found,
        int(setting.machine["cpu_count"]),
        is_wan_emulated=setting.scenario.topology.wan is not None,
    )
    recovery = None if search.recovery is None else _recovery(search)
    judged = judge_search(
        found,
        rate,
        constraint,
        recovery,
        is_interrupted=search.is_interrupted,
        steps=[made.outcome for made in search.steps],
        trouble=search.trouble,
        notes=setting.notes,
    )
    return CapacityResults(
        ending=found.ending,
        scenario=setting.scenario.title,
        seed=setting.scenario.run.seed,
        started=setting.started,
        finished=datetime.now(UTC),
        versions=setting.versions,
        machine=Machine.model_validate(setting.machine),
        topology=TopologyResult(
            **setting.scenario.topology.model_dump(),
            where=setting.where,
            wan_emulated=setting.scenario.topology.wan is not None,
        ),
        dc_down=setting.dc_down,
        verdict=judged.verdict,
        reasons=judged.reasons,
        rate=rate,
        meters={} if rate is None else meters_of(rate, setting.scenario.estate.slots_per_hour),
        mix=mix,
        pool_count=len(setting.target.pool),
        steps=tuple(_step(made) for made in search.steps),
        constraint=constraint,
        queue_curve=_queue_fit(search.steps),
        scalability=_scalability_fit(search.steps),
        recovery=recovery,
        methods=METHODS,
    )


def meters_of(rate: RateResult, slots_per_hour: int = 2) -> dict[str, MetersResult]:
    """As many meters of each read frequency bring the deliveries of the rate; what else the mix holds grows along.

    slots_per_hour: of a market of quarter-hours those who push each slot do so twice as often.
    """
    seconds_of = {**SECONDS_PER_DELIVERY, "half_hourly": 3_600 / slots_per_hour}

    def meters(per_s: float, seconds: float) -> int:
        return int(per_s * rate.delivery_share * seconds)

    return {
        schedule: MetersResult(
            seconds_per_delivery=seconds,
            meters=meters(rate.rate_per_s, seconds),
            meters_high=None if rate.high_per_s is None else meters(rate.high_per_s, seconds),
        )
        for schedule, seconds in seconds_of.items()
        if rate.delivery_share > 0
    }


def _mix(target: StepTarget) -> dict[str, float]:
    mix: dict[str, float] = {}
    for index, name in enumerate(target.operations):
        mix[name] = mix.get(name, 0.0) + target.pool.share_of(index)
    return mix


def _rate(found: Found, mix: dict[str, float]) -> RateResult | None:
    if found.low_per_s is None:
        return None
    return RateResult(
        rate_per_s=found.low_per_s,
        high_per_s=found.high_per_s,
        # Both ends of a search that was not finished may rest on one step each.
        confidence=1 - 2 * (END_ALPHA if found.ending is Ending.FOUND else ALPHA),
        delivery_share=sum(mix.get(operation, 0.0) for operation in DELIVERIES),
    )


def constraint_of(
    steps: Sequence[MadeStep], found: Found, cores: int, *, is_wan_emulated: bool = False
) -> ConstraintResult | None:
    """At the lowest rate that the cluster or the sender could not do; else at the highest, where nothing is known to bind."""
    if not steps:
        return None
    above = [each for each in steps if each.outcome.rate_per_s > (found.low_per_s or 0.0)]  # a lower one was outvoted
    broke = [each for each in above if each.outcome.verdict is StepVerdict.BROKE]
    unsent = [each for each in above if each.outcome.verdict is StepVerdict.CLIENT_LIMITED]
    limit = unsent if found.ending is Ending.CLIENT_LIMITED else broke or unsent
    made = (
        min(limit, key=lambda each: each.outcome.rate_per_s)
        if limit
        else max(steps, key=lambda each: each.outcome.rate_per_s)
    )
    evidence = evidence_of(_use(made, cores, is_limit=bool(limit), is_wan_emulated=is_wan_emulated))
    return ConstraintResult(
        is_limit=bool(limit),
        binding=binding(evidence) if limit else None,
        at_per_s=made.outcome.rate_per_s,
        evidence=tuple(
            EvidenceResult(resource=each.resource, of_limit=each.of_limit, sentence=each.sentence) for each in evidence
        ),
    )


def _use(made: MadeStep, cores: int, *, is_limit: bool, is_wan_emulated: bool) -> Use:
    busy = [each.disk_busy_share for each in made.resources if each.disk_busy_share is not None]
    return Use(
        client_cpu_share=made.outcome.cpu_share,
        is_limit=is_limit,
        is_wan_emulated=is_wan_emulated,
        is_client_limited=made.outcome.verdict is StepVerdict.CLIENT_LIMITED,
        machine_cores=float(np.mean([each.busy_cores for each in made.resources])) if made.resources else None,
        disk_busy_share=float(np.mean(busy)) if busy else None,
        cores=cores,
        nodes=tuple(node for each in made.resources for node in each.nodes),
    )


def _step(made: MadeStep) -> StepResult:
    outcome = made.outcome
    return StepResult(
        rate_per_s=outcome.rate_per_s,
        purpose=made.purpose,
        verdict=outcome.verdict,
        reason=outcome.reason,
        length_s=outcome.length_s,
        warm_up_s=outcome.warm_up_s,
        kept_s=outcome.kept_s,
        offered_per_s=outcome.offered_per_s,
        completed_per_s=outcome.completed_per_s,
        mean_response_ms=outcome.mean_response_ms,
        growth=outcome.growth,
        late_p99_ms=outcome.late_p99_ms,
        cpu_share=outcome.cpu_share,
        objectives=tuple(_objective(each) for each in outcome.objectives),
    )


def _objective(outcome: ObjectiveOutcome) -> ObjectiveStep:
    measured = outcome.response_ms
    return ObjectiveStep(
        operation=str(outcome.objective.operation),
        percentile=outcome.objective.percentile,
        response_ms_max=outcome.objective.response_ms_max,
        answer=outcome.answer,
        slower_share=outcome.slower_share,
        response_ms=None
        if measured is None
        else Interval(value=measured.mean, low=measured.low, high=measured.high, confidence=measured.confidence),
        response_count=outcome.response_count,
        effective_count=outcome.effective_count,
        error_share=outcome.error_share,
        error_share_max=outcome.objective.error_share_max,
    )


def _recovery(search: Search) -> RecoveryResult:
    recovery = search.recovery
    assert recovery is not None
    return RecoveryResult(
        rate_per_s=recovery.rate_per_s,
        overload_per_s=recovery.overload_per_s,
        overload_s=recovery.overload_s,
        watched_s=recovery.watched_s,
        after_s=recovery.after_s,
        client_trouble=recovery.client_trouble,
    )


def _points(steps: Sequence[MadeStep]) -> tuple[Floats, Floats]:
    """Completed a second and mean response time [ms] of the steps that were the cluster's own and in a steady state."""
    chosen = [
        (made.outcome.completed_per_s, made.outcome.mean_response_ms)
        for made in steps
        if made.outcome.verdict in (StepVerdict.HELD, StepVerdict.UNDECIDED)
        and made.outcome.is_steady
        and made.outcome.mean_response_ms
    ]
    return np.array([rate for rate, _ in chosen], dtype=np.float64), np.array([ms for _, ms in chosen], np.float64)


def _queue_fit(steps: Sequence[MadeStep]) -> QueueFit | None:
    rate_per_s, response_ms = _points(steps)
    fit = fit_queue_curve(rate_per_s, response_ms)
    if fit is None:
        return None
    return QueueFit(
        service_ms=fit.service_ms,
        wait_ms=fit.wait_ms,
        capacity_per_s=fit.capacity_per_s,
        knee_per_s=fit.knee_per_s,
        rate_per_s=tuple(rate_per_s.tolist()),
        response_ms=tuple(response_ms.tolist()),
        residuals=tuple(fit.residuals.tolist()),
    )


def _scalability_fit(steps: Sequence[MadeStep]) -> ScalabilityFit | None:
    rate_per_s, response_ms = _points(steps)
    in_system = rate_per_s * response_ms / 1e3
    fit = fit_scalability(in_system, rate_per_s)
    if fit is None:
        return None
    return ScalabilityFit(
        scale_per_s=fit.scale_per_s,
        contention=fit.contention,
        coherency=fit.coherency,
        peak_in_system=fit.peak_in_system,
        in_system=tuple(in_system.tolist()),
        throughput_per_s=tuple(rate_per_s.tolist()),
        residuals=tuple(fit.residuals.tolist()),
    )
