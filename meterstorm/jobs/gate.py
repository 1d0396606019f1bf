"""`meterstorm gate`: is the candidate slower than the baseline, or does it lose data?"""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.cluster.machine import available_memory_mib, fingerprint, processor_count
from loadtests.errors import HarnessError
from loadtests.gate.bench import GateMeasurements, measure_sides
from loadtests.gate.judgement import GateJudgement
from loadtests.gate.sides import GateSide, SideName, is_same, shares_nodes
from loadtests.matrix.cells import Room
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs.gate_recorded import gate_recorded
from meterstorm.jobs.gate_sides import RecordedSide, require_same_kind
from meterstorm.jobs.run_folder import new_folder, write_resolved
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.gate import answer_of, counter_of, curves_of, facts_of, failures_result, metric_of, side_of
from reports.gate.page import write_gate_report
from reports.results.gate import GateResults
from reports.results.parts import Machine
from scenarios.gate_file import GateAnswer, GateSettings
from scenarios.spec import NoBaseline, ScenarioError, require_no_faults, require_no_wan
from store.ports import StoreError
from store.schemas import schema_of

LOG_E_TOLD_MAX = 700.0  # of more there is no float
PAIRS_A_WRITE = 10  # results hold every pair of every metric: writing them takes longer than a look
SAME = "Both sides are the same scenario: there is no change to find, and this gate shows only how often it errs."
SKIPPED = "nothing changed: both sides are the same scenario, so nothing was measured"
NOT_LOOKED_AT = (
    "What is no part of the scenario: another release of meterstorm or of what it stands on, another machine. Without "
    "--skip-same both sides are measured all the same."
)


def gate(
    baseline: GateSide | RecordedSide,
    candidate: GateSide | RecordedSide,
    settings: GateSettings,
    out: Path,
    *,
    skip_same: bool = False,
    profile_folder: Path | None = None,
    progress: Progress | None = None,
) -> GateResults:
    """Measured or recorded sides: see `measured_gate` and `gate_recorded`. Raises ScenarioError for one of each.

    skip_same: measure nothing where both sides are the same scenario; of measured sides alone.
    """
    ours, theirs = require_same_kind(baseline, candidate)
    if isinstance(ours, GateSide) and isinstance(theirs, GateSide):
        if skip_same and is_same(ours.scenario, theirs.scenario):
            return unchanged(ours, theirs, settings, out)
        return measured_gate(ours, theirs, settings, out, profile_folder=profile_folder, progress=progress)
    assert isinstance(ours, RecordedSide) and isinstance(theirs, RecordedSide)
    if skip_same:
        raise ScenarioError("--skip-same: recorded runs are compared by what they measured; leave it out")
    return gate_recorded(ours, theirs, settings, out)


def measured_gate(
    baseline: GateSide,
    candidate: GateSide,
    settings: GateSettings,
    out: Path,
    *,
    profile_folder: Path | None = None,
    progress: Progress | None = None,
) -> GateResults:
    """Measure both sides in turns until the gate knows; results.json, report.html, junit.xml and gate.md in the new `out`.

    Ctrl-C ends it early: what was measured is written, and the answer is inconclusive unless facts differ. Raises
    ScenarioError for what the user can mend, HarnessError or StoreError when the machine or a node can't go on before a pair
    was measured.
    """
    for side in (baseline, candidate):
        schema_of(side.scenario)
        require_no_faults(side.scenario, "a gate")
        require_no_wan(side.scenario.topology, "a gate")
    progress = progress or Silent()
    _require_room(baseline, candidate)
    sides = {SideName.BASELINE: baseline, SideName.CANDIDATE: candidate}
    started, measured, trouble = datetime.now(UTC), GateMeasurements(), list[str]()
    if is_same(baseline.scenario, candidate.scenario):
        progress.detail(SAME)
    with new_folder(out) as out:
        write_resolved(candidate.scenario, out)

        def results() -> GateResults:
            return _results(sides, settings, measured, started, trouble)

        def looked(judgement: GateJudgement, pairs: int) -> None:
            progress.detail(look_told(judgement, pairs, settings))
            if pairs % PAIRS_A_WRITE == 0:  # a machine that dies leaves nearly all that was measured
                results().write(out)

        progress.phase("Measuring both sides in turns")
        try:
            measure_sides(
                sides,
                settings,
                out,
                measured,
                progress.detail,
                looked,
                memory_mib=available_memory_mib(),
                clock=time.monotonic,
                profile_folder=profile_folder,
            )
        except (
            HarnessError,
            StoreError,
            OSError,
        ) as error:  # OSError: a disk that is full, say; the nodes' data are gone by now
            if not measured.pairs and not measured.altered:
                raise
            trouble.append(f"it could not go on: {error}")
        except KeyboardInterrupt:
            if not measured.pairs and not measured.altered:
                raise
            trouble.append("it was interrupted")
        done = results()
        if not measured.pairs and not measured.altered:
            raise NoBaseline("nothing was measured")
        done.write(out)
    progress.phase("Writing the report")
    write_gate_report(out)
    return done


def unchanged(baseline: GateSide, candidate: GateSide, settings: GateSettings, out: Path) -> GateResults:
    """A pass of two sides that are the same scenario, without measuring anything: all files of a gate in the new `out`."""
    sides = {SideName.BASELINE: baseline, SideName.CANDIDATE: candidate}
    measured = GateMeasurements(cassandra="not started")
    with new_folder(out) as out:
        write_resolved(candidate.scenario, out)
        nothing = _results(sides, settings, measured, datetime.now(UTC), [])
        said = {"answer": GateAnswer.PASS, "reasons": (SKIPPED,), "not_seen": (NOT_LOOKED_AT,), "is_skipped": True}
        done = nothing.model_copy(update=said)
        done.write(out)
    write_gate_report(out)
    return done


def told_of(answer: GateAnswer, judgement: GateJudgement) -> GateAnswer:
    """What single metrics may say: nothing of a change where the whole gate can't tell."""
    return GateAnswer.INCONCLUSIVE if answer is GateAnswer.INCONCLUSIVE else judgement.answer


def look_told(judgement: GateJudgement, pairs: int, settings: GateSettings) -> str:
    """One line a look: how many metrics are settled, and which is worst."""
    settled = sum(each.is_below_limit for each in judgement.metrics)
    worst = max(judgement.metrics, key=lambda each: each.log_e if each.mean > 0 else -1.0)
    words = (
        f"pair {pairs} of at most {settings.effort.pairs_max}: {settled} of {len(judgement.metrics)} metrics settled"
    )
    if judgement.answer is not GateAnswer.INCONCLUSIVE:
        return f"{words}: {judgement.answer}"
    if worst.mean <= 0:
        return f"{words}; no metric is worse so far"
    e_value, asked_for = math.exp(min(worst.log_e, LOG_E_TOLD_MAX)), 1 / settings.errors.false_alarm
    evidence = f"{e_value:.3g} of the {asked_for:.3g} that a claim asks for"
    return f"{words}; most evidence that one is worse: {worst.metric.name}, {evidence}"


def _require_room(baseline: GateSide, candidate: GateSide) -> None:
    """Raises HarnessError where this machine can't host the nodes."""
    topologies = [side.scenario.topology for side in (baseline, candidate)]
    nodes = sum(topology.node_count for topology in topologies)
    if shares_nodes(*topologies):
        nodes //= 2
    refusal = Room(processors=processor_count(), memory_mib=available_memory_mib()).refusal(nodes)
    if refusal is not None:
        raise HarnessError(f"this machine can't host the gate's nodes: {refusal}")


def _results(
    sides: Mapping[SideName, GateSide],
    settings: GateSettings,
    measured: GateMeasurements,
    started: datetime,
    trouble: Sequence[str],
) -> GateResults:
    baseline, candidate = sides[SideName.BASELINE], sides[SideName.CANDIDATE]
    answered = answer_of(measured, settings, candidate.scenario.run.validity, trouble)
    judgement = measured.judgement
    return GateResults(
        scenario=baseline.scenario.title,
        seed=baseline.scenario.run.seed,
        started=started,
        finished=datetime.now(UTC),
        versions=versions(cassandra=measured.cassandra),
        machine=Machine.model_validate(fingerprint()),
        answer=answered.answer,
        reasons=answered.reasons,
        not_seen=(*([SAME] if is_same(baseline.scenario, candidate.scenario) else []), *answered.not_seen),
        baseline=side_of(baseline.told, baseline.scenario, candidate.scenario),
        candidate=side_of(candidate.told, candidate.scenario, baseline.scenario),
        settings=settings,
        is_live=True,
        shares_nodes=measured.shares_nodes,
        pairs=len(measured.pairs),
        sample=measured.sample,
        closed_loop=measured.size.count if measured.size else 0,
        rate_per_s=measured.size.rate_per_s if measured.size else 0.0,
        metrics=tuple(metric_of(each, told_of(answered.answer, judgement)) for each in judgement.metrics)
        if judgement
        else (),
        failures=failures_result(judgement.failures) if judgement and judgement.failures else None,
        counters=tuple(counter_of(each, settings) for each in measured.counters),
        facts=tuple(facts_of(each) for each in measured.facts),
        facts_compared=measured.facts_at,
        curves=curves_of(measured.groups, measured.pairs),
        trouble=tuple(trouble),
    )
