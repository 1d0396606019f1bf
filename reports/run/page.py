"""One self-contained report.html of a run: everything inside, nothing fetched, no script. Also its figures and junit.xml."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadtests.recording.history import RunHistory, read_history
from loadtests.recording.run_folder import RunFolder
from reports.drawing.page import Tile, page
from reports.results.parts import Verdict
from reports.results.resolved import load_resolved
from reports.results.run import ObjectiveResult, Results, load_results
from reports.run.audit_columns import audit_columns
from reports.run.gallery import Gallery, run_gallery
from reports.run.junit import junit_xml
from reports.run.nodes import node_totals
from reports.run.setting import setting_of
from reports.run.terms import TERMS, fact_told, replay_told
from reports.verdict.faults import dcs_text, start_text
from reports.verdict.generator_validity import certify, figure_text, waiting_of
from reports.verdict.objectives import doubt_of_run, objective_check
from reports.verdict.run import headline, marked_reasons
from scenarios.spec import Scenario, ScenarioError
from scenarios.texts import wording
from scenarios.texts.outside import read_text

EXAMPLES_SHOWN_MAX = 20


class JudgedObjective(NamedTuple):
    """An objective, how it came out, and how much of its limit was used."""

    result: ObjectiveResult
    outcome: Verdict
    share_of_limit: float | None


class OperationTotals(NamedTuple):
    """All operations together: offered, ok, failed, indeterminate, retries."""

    counts: tuple[int, ...]
    rate_per_s: float | None


class ErrorRow(NamedTuple):
    """How many operations of one kind ended in one kind of error."""

    operation: str
    kind: str
    operation_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run folder, read."""

    folder: Path
    results: Results
    scenario: Scenario
    scenario_text: str
    history: RunHistory


def read_run(folder: Path) -> RecordedRun:
    """Read what a run recorded. Raises ScenarioError naming what the folder lacks."""
    results = load_results(folder)
    scenario = load_resolved(folder, "run")
    try:
        history = read_history(RunFolder(folder).history)
    except FileNotFoundError:
        raise ScenarioError(f"{folder}: holds no history/intervals.csv; name the folder of a finished run") from None
    text = read_text(RunFolder(folder).scenario)
    return RecordedRun(folder=folder, results=results, scenario=scenario, scenario_text=text, history=history)


def write_report(run_folder: Path) -> None:
    """Write report.html, figures/ and junit.xml into a run folder that holds results.json and history/; overwrites them.

    Raises ScenarioError naming what the folder lacks.
    """
    run = read_run(run_folder)
    results = run.results
    gallery = run_gallery(
        run.history, run.scenario, results.closed_loop, results.faults, results.analytics, results.replication
    )
    gallery.write(RunFolder(run_folder).figures)
    RunFolder(run_folder).junit.write_text(junit_xml(run.results), encoding="utf-8")
    RunFolder(run_folder).report.write_text(report_html(run, gallery), encoding="utf-8")


def audit_told(results: Results) -> str | None:
    """That the page is of a later audit than the run's own, which one and when; None of the run's own."""
    audit = results.audit
    if audit is None or audit.finished is None:
        return None
    if audit.finished <= results.finished and (audit.number or 1) == 1:
        return None
    which = "a later audit of this run" if audit.number is None else f"audit {audit.number} of this run"
    return (
        f"What is told of the data is of {which}, made {wording.moment(audit.finished)}, after the run had ended; each audit "
        "lies in audits/."
    )


def report_html(run: RecordedRun, gallery: Gallery) -> str:
    """The page's text."""
    results = run.results
    examples = results.audit.examples if results.audit else ()
    return page(
        "report.html.j2",
        results=results,
        scenario=run.scenario,
        scenario_text=run.scenario_text,
        gallery=gallery,
        headline=headline(results.verdict, results.checks),
        audit_told=audit_told(results),
        took_s=(results.finished - results.started).total_seconds(),
        reasons=marked_reasons(results),
        tiles=_tiles(run),
        objectives=_objectives(run),
        totals=_totals(results),
        errors=_errors(results),
        audit_columns=() if results.audit is None else audit_columns(results.audit),
        examples=examples[:EXAMPLES_SHOWN_MAX],
        start_text=start_text,
        dcs_text=dcs_text,
        examples_note=_examples_note(len(examples)),
        certificate=certify(
            results.generator,
            run.scenario.run.validity,
            waiting_of(results.operations, results.objectives),
            has_faults=bool(run.scenario.faults),
        ),
        figure_text=figure_text,
        node_totals=node_totals(run.history.nodes),
        setting=setting_of(results, run.scenario),
        terms=TERMS,
        fact_told=fact_told(run.results.reasons),
        replay_told=replay_told(run.scenario.speed_up),
        are_homes_told=any(
            of_dc.error_seconds
            for fault in results.faults
            for effect in fault.effects.values()
            for of_dc in effect.dcs.values()
        ),
    )


def _tiles(run: RecordedRun) -> list[Tile]:
    results, audit = run.results, run.results.audit
    lost = None if audit is None else audit.lost
    faults = 0 if audit is None else audit.wrong + audit.phantom + audit.duplicate
    totals = _totals(results)
    tiles = [
        Tile(
            name="Facts acknowledged",
            value=wording.count(audit.acknowledged if audit else None),
            unit="",
            note=f"of {wording.count(audit.attempted)} facts sent" if audit else "not read back",
        ),
        Tile(
            name="Facts lost",
            value=wording.count(lost),
            unit="",
            note="not read back" if audit is None else f"{wording.count(faults)} wrong, phantom or duplicate",
            is_bad=bool(lost or faults),
        ),
        Tile(
            name="Acknowledged rate",
            value=wording.rate(totals.rate_per_s, ""),
            unit="operations/s",
            note=f"{wording.counted(totals.counts[1], 'operation')} of meters and customers",
        ),
    ]
    return [*tiles, _response_tile(run)]


def _response_tile(run: RecordedRun) -> Tile:
    """The objective that came nearest to its limit; without objectives the slowest p99."""
    judged = [each for each in _objectives(run) if each.share_of_limit is not None]
    if judged:
        tightest = max(judged, key=lambda each: each.share_of_limit or 0)
        value, unit = wording.milliseconds(tightest.result.response_ms).rsplit(" ", 1)
        return Tile(
            name=f"{wording.percentile_name(tightest.result.percentile)} response time",
            value=value,
            unit=unit,
            note=f"{tightest.result.operation}, limit {wording.milliseconds(tightest.result.response_ms_max)}",
            is_bad=tightest.outcome is Verdict.FAIL,
        )
    measured = {
        name: each.response_ms.p99
        for name, each in run.results.operations.items()
        if each.response_ms is not None and each.response_ms.p99 is not None
    }
    if not measured:
        return Tile(name="p99 response time", value=wording.NO_FIGURE, unit="", note="not measured")
    name = max(measured, key=lambda name: measured[name])
    value, unit = wording.milliseconds(measured[name]).rsplit(" ", 1)
    return Tile(name="p99 response time", value=value, unit=unit, note=f"{name}, the slowest; no objective set")


def _objectives(run: RecordedRun) -> list[JudgedObjective]:
    results, evidence = run.results, run.scenario.run.evidence
    doubt = doubt_of_run(results.generator, results.undone)
    return [
        JudgedObjective(
            result=each,
            outcome=objective_check(each, evidence, doubt).outcome,
            share_of_limit=None if each.response_ms is None else each.response_ms / each.response_ms_max,
        )
        for each in results.objectives
    ]


def _totals(results: Results) -> OperationTotals:
    every = [each for each in results.operations.values() if each.is_open_loop]
    rates = [each.rate_per_s for each in every if each.rate_per_s is not None]
    names = ("offered", "ok", "failed", "indeterminate", "retries")
    return OperationTotals(
        counts=tuple(sum(getattr(each, name) for each in every) for name in names),
        rate_per_s=sum(rates) if rates else None,
    )


def _errors(results: Results) -> list[ErrorRow]:
    return [
        ErrorRow(operation, kind, count)
        for operation, each in results.operations.items()
        for kind, count in each.errors.items()
    ]


def _examples_note(example_count: int) -> str:
    if example_count <= EXAMPLES_SHOWN_MAX:
        return "also in results.json"
    return f"the first {EXAMPLES_SHOWN_MAX}; all {example_count} are in results.json"
