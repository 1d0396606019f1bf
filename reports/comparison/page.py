"""Several runs side by side on one self-contained page: the same figures, one colour and dash pattern a run.

It shows differences and judges none: two single runs differ by chance too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reports.drawing.axes import Size
from reports.drawing.page import page
from reports.drawing.svg import render
from reports.results.parts import Verdict
from reports.results.run import OperationResult, Results
from reports.run.figures import NamedCourse, NamedCurve, Span, draw_courses, draw_percentile_curves
from reports.run.gallery import Picture, limits_of, load_of, slug, wide_picture
from reports.run.latency import bins_of, percentile_curve, total_counts
from reports.run.page import RecordedRun, read_run
from reports.run.summary import storm_seconds, warm_up_seconds
from scenarios.spec import ScenarioError
from scenarios.texts import wording

RUN_COUNT_MAX = 8


class Row(NamedTuple):
    """One figure of every run; `is_bad` marks the runs whose figure is a fault."""

    name: str
    values: list[str]
    is_bad: list[bool]


class OperationCells(NamedTuple):
    """One operation of one run. `change` is of p99 against the first run's, None for the first and where one is missing."""

    result: OperationResult | None
    change: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRun:
    """A run under the name that tells it from the others."""

    name: str
    run: RecordedRun

    @property
    def verdict(self) -> Verdict:
        """The run's own verdict."""
        return self.run.results.verdict


class ComparedOperation(NamedTuple):
    """One operation of one run, as the page has it; None: not measured. Times in ms."""

    run: str
    rate_per_s: float | None
    failed: int
    indeterminate: int
    p50_ms: float | None
    p99_ms: float | None
    p99_change: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the page shows, for machines: the same rows, cells and sentences."""

    runs: list[str]
    verdicts: list[str]
    sameness: list[str]
    rows: dict[str, list[str]]
    operations: dict[str, list[ComparedOperation | None]]

    def as_json(self) -> dict[str, object]:
        """Of lists, texts and numbers alone."""
        operations = {
            name: [None if cell is None else cell._asdict() for cell in cells]
            for name, cells in self.operations.items()
        }
        return {
            "runs": self.runs,
            "verdicts": self.verdicts,
            "sameness": self.sameness,
            "rows": self.rows,
            "operations": operations,
        }


def write_comparison(run_folders: Sequence[Path], page_path: Path) -> Comparison:
    """Write the page; what it shows. Raises ScenarioError for too many runs, or naming a folder that lacks something."""
    if not 2 <= len(run_folders) <= RUN_COUNT_MAX:
        raise ScenarioError(
            f"{len(run_folders)} runs can't be shown side by side; name 2 to {RUN_COUNT_MAX} run folders"
        )
    names = distinct_names(run_folders)
    runs = [NamedRun(name=name, run=read_run(folder)) for name, folder in zip(names, run_folders, strict=True)]
    page_path.write_text(comparison_html(runs), encoding="utf-8")
    return compared(runs)


def comparison_html(runs: Sequence[NamedRun]) -> str:
    """The page's text."""
    operations = list(dict.fromkeys(name for each in runs for name in each.run.results.operations))
    return page(
        "compare.html.j2",
        runs=runs,
        sameness=sameness(runs),
        rows=_rows(runs),
        operations={name: _operation(runs, name) for name in operations},
        load=_load(runs),
        curves=[picture for name in operations if (picture := _curves(runs, name)) is not None],
    )


def compared(runs: Sequence[NamedRun]) -> Comparison:
    """The page's rows, cells and sentences."""
    names = list(dict.fromkeys(name for each in runs for name in each.run.results.operations))
    return Comparison(
        runs=[each.name for each in runs],
        verdicts=[each.verdict.value for each in runs],
        sameness=sameness(runs),
        rows={row.name: row.values for row in _rows(runs)},
        operations={
            name: [_compared(each.name, cells) for each, cells in zip(runs, _operation(runs, name), strict=True)]
            for name in names
        },
    )


def _compared(run: str, cells: OperationCells) -> ComparedOperation | None:
    result = cells.result
    if result is None:
        return None
    response = result.response_ms
    return ComparedOperation(
        run=run,
        rate_per_s=result.rate_per_s,
        failed=result.failed,
        indeterminate=result.indeterminate,
        p50_ms=response.p50 if response else None,
        p99_ms=response.p99 if response else None,
        p99_change=cells.change,
    )


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, with as many of their parents as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    longest = max(len(each) for each in parts)
    for length in range(1, longest + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{index}: {folder.name}" for index, folder in enumerate(folders, start=1)]  # the same folder twice


def sameness(runs: Sequence[NamedRun]) -> list[str]:
    """What the runs share and what they don't, a sentence each: whoever compares must know."""
    results = [each.run.results for each in runs]
    sentences = []
    if len({each.digest for each in results}) == 1:
        sentences.append(
            f"All replayed the same trace ({results[0].digest[:12]}): what its meters and customers send was the same, "
            "to the reading."
        )
    else:
        sentences.append("Their traces differ: they compare different loads.")
    sentences += [*_pace_told(runs), *_beside_the_trace(results)]
    if len({each.machine for each in results}) > 1:
        sentences.append("They ran on different machines.")
    if len({(each.topology.dcs, each.topology.consistency.model_dump_json()) for each in results}) > 1:
        sentences.append("Their topologies or consistency levels differ.")
    names = sorted({name for each in results for name in each.versions})
    differing = [name for name in names if len({each.versions.get(name) for each in results}) > 1]
    sentences += [f"Their versions of {name} differ." for name in differing]
    sentences.append(
        "A difference between two single runs may be chance: repeat each several times before you believe it."
    )
    return sentences


def _pace_told(runs: Sequence[NamedRun]) -> list[str]:
    """That one trace fell due faster in one run than in another."""
    paces = [each.run.scenario.run for each in runs]
    if len({(pace.wall_s, pace.shape, pace.stretches) for pace in paces}) == 1:
        return []
    lengths = [wording.duration(pace.wall_s) for pace in paces]
    shapes = ["stretches of its own" if pace.stretches else pace.shape.value for pace in paces]
    told = [f"{length} ({shape})" for length, shape in zip(lengths, shapes, strict=True)]
    return [f"It fell due at different paces, over {_side_by_side(told)}: their rates differ by that too."]


def _beside_the_trace(results: Sequence[Results]) -> list[str]:
    """What closed loops and Locust's customers added: it depends on how fast each run went, and the trace says nothing of it."""
    sentences = []
    offices = [each.back_office for each in results]
    if len({None if each is None else (each.rounds, each.delivered, each.exported) for each in offices}) > 1:
        rounds = [wording.count(None if each is None else each.rounds) for each in offices]
        delivered = [wording.count(None if each is None else each.delivered) for each in offices]
        exported = [wording.count(None if each is None else each.exported) for each in offices]
        sentences.append(
            f"Their back offices (closed loop: what they get done depends on the run) did different work: "
            f"{_side_by_side(rounds)} rounds, {_side_by_side(delivered)} runs of readings in raw forms, of them "
            f"{_side_by_side(exported)} days of export. Facts and rates of operations marked * differ by that."
        )
    attempts = [None if each.commands is None else each.commands.attempts for each in results]
    if len(set(attempts)) > 1:
        sentences.append(
            f"Their command gateways (closed loop) made {_side_by_side([wording.count(each) for each in attempts])} attempts."
        )
    customers = [0 if each.fleet is None else each.fleet.customers for each in results]
    if len(set(customers)) > 1:
        sentences.append(
            f"Locust's customers, who are beside the trace, were {_side_by_side([wording.count(each) for each in customers])}."
        )
    return sentences


def _side_by_side(values: Sequence[str]) -> str:
    """['2', '12'] -> '2 | 12', in the order of the runs."""
    return " | ".join(values)


def _rows(runs: Sequence[NamedRun]) -> list[Row]:
    every = [each.run.results for each in runs]
    audits = [each.audit for each in every]
    sound = [False] * len(every)
    late = [each.generator.late_ms for each in every]
    rates = [
        [o.rate_per_s for o in each.operations.values() if o.is_open_loop and o.rate_per_s is not None]
        for each in every
    ]
    lost = [None if audit is None else audit.lost for audit in audits]
    others = [None if audit is None else audit.wrong + audit.phantom + audit.duplicate for audit in audits]
    return [
        Row("Started", [wording.moment(each.started) for each in every], sound),
        Row("Scenario", [each.scenario for each in every], sound),
        Row("Seed", [str(each.seed) for each in every], sound),
        Row("Facts acknowledged", [wording.count(a.acknowledged if a else None) for a in audits], sound),
        *_office_rows(every),
        Row("Facts lost", [wording.count(each) for each in lost], [bool(each) for each in lost]),
        Row("Wrong, phantom or duplicate", [wording.count(each) for each in others], [bool(each) for each in others]),
        Row(
            "Acknowledged rate, meters and customers [operations/s]",
            [wording.rate(sum(each) if each else None, "") for each in rates],
            sound,
        ),
        Row("Generator lateness p99", [wording.milliseconds(each.p99 if each else None) for each in late], sound),
        Row("Cassandra", [each.versions.get("cassandra", wording.NO_FIGURE) for each in every], sound),
        Row("Nodes", [" + ".join(f"{dc.nodes} {dc.name}" for dc in each.topology.dcs) for each in every], sound),
    ]


def _office_rows(every: Sequence[Results]) -> list[Row]:
    """The back offices' work beside the facts that it adds to; nothing where no run had one."""
    offices = [each.back_office for each in every]
    if not any(offices):
        return []
    sound = [False] * len(every)
    return [
        Row("Back office: rounds", [wording.count(each.rounds if each else None) for each in offices], sound),
        Row("Back office: days of export", [wording.count(each.exported if each else None) for each in offices], sound),
    ]


def _operation(runs: Sequence[NamedRun], name: str) -> list[OperationCells]:
    results = [each.run.results.operations.get(name) for each in runs]
    p99 = [None if each is None or each.response_ms is None else each.response_ms.p99 for each in results]
    first = p99[0]
    changes = [None if i == 0 or not first or value is None else value / first - 1 for i, value in enumerate(p99)]
    return [OperationCells(result, change) for result, change in zip(results, changes, strict=True)]


def _load(runs: Sequence[NamedRun]) -> Picture | None:
    lengths_s = [storm_seconds(each.run.history, each.run.scenario, each.run.results.closed_loop) for each in runs]
    length_s = max(lengths_s)
    if length_s == 0:
        return None
    bins = bins_of(length_s)
    courses = []
    for index, (each, own_s) in enumerate(zip(runs, lengths_s, strict=True)):
        history = each.run.history
        due = [name for name in history.operations if name not in each.run.results.closed_loop]
        if history.seconds.size:
            load = load_of(history, bins, due, own_s)
            courses.append(NamedCourse(group=each.name, group_index=index, values=load.ok))
    if not any(np.nansum(course.values) > 0 for course in courses):
        return None
    first = runs[0].run.scenario
    span = Span(length_s=length_s, warm_up_s=0, pace=first.pace)
    return wide_picture(
        lambda size: draw_courses(courses, bins, span, label="acknowledged operations/s", size=size),
        name="load",
        title="Achieved load",
        caption="Acknowledged operations of meters and customers a second, from each run's own start.",
        alt=f"Line chart of the acknowledged load over time of {wording.counted(len(runs), 'run')}.",
    )


def _curves(runs: Sequence[NamedRun], operation: str) -> Picture | None:
    curves = []
    for index, each in enumerate(runs):
        run = each.run
        if operation not in run.history.operations:
            continue
        counts = total_counts(run.history.response_counts(operation), warm_up_seconds(run.scenario))
        curve = percentile_curve(counts)
        if curve is not None:
            limits = limits_of(run.scenario, operation)
            curves.append(NamedCurve(name=each.name, index=index, curve=curve, limits=limits))
    if not curves:
        return None
    alt = f"Percentile curves of the response time of {operation} in {wording.counted(len(curves), 'run')}."
    figure = draw_percentile_curves(curves, label="response time", size=Size(width_px=425, height_px=280))
    return Picture(
        title=operation,
        caption="Response time; a triangle is an objective.",
        alt=alt,
        rendered=render(figure, name=f"curves-{slug(operation)}", alt=alt),
    )
