"""Which figures a run's report has: computes what each shows, has it drawn, and puts it into words."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from loadtests.recording.history import RunHistory
from loadtests.recording.run_folder import RunFolder
from reports.drawing.axes import Size
from reports.drawing.svg import Rendered, render
from reports.results.replication import ReplicationResult
from reports.results.run import AnalyticsResult, FaultResult
from reports.run.figures import (
    NARROW,
    WIDE,
    Load,
    NamedCourse,
    NamedCurve,
    ObjectiveLimit,
    Span,
    SpanBand,
    draw_courses,
    draw_latency_over_time,
    draw_load,
    draw_percentile_curves,
    draw_visibility,
)
from reports.run.latency import (
    BIN_COUNT_COARSE,
    Floats,
    LatencyOverTime,
    TimeBins,
    bins_of,
    latency_over_time,
    percentile_curve,
)
from reports.run.nodes import Gap, NodeCourse, gaps_of, node_courses, sampled_every_s
from reports.run.summary import storm_seconds, warm_up_seconds
from scenarios.spec import Scenario
from scenarios.texts.wording import clock, count, counted, listed, milliseconds, percent, rate, significant

GAPS_TOLD_MAX = 4
FIGURED_OPERATIONS_MAX = 8  # colours that can be told apart; the table has them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure with its words. A wide one has a narrow twin, for a phone."""

    title: str
    caption: str
    alt: str
    rendered: Rendered
    narrow: Rendered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """All figures of a run; what was not measured has none. undrawn_s: for so long gateways and back office went on after it."""

    load: Picture | None
    curves: Picture | None
    responses: tuple[Picture, ...]
    lateness: Picture | None
    nodes: tuple[Picture, ...]
    visibility: Picture | None = None
    undrawn_s: int = 0

    def all(self) -> list[Picture]:
        """Every picture, in the order of the report."""
        single = (self.load, self.curves, *self.responses, self.visibility, self.lateness, *self.nodes)
        return [each for each in single if each is not None]

    def write(self, folder: Path) -> None:
        """Write each figure as SVG and PNG; phone forms live in the page alone."""
        folder.mkdir(exist_ok=True)
        for each in self.all():
            each.rendered.write(folder)


def run_gallery(
    history: RunHistory,
    scenario: Scenario,
    closed_loop: Collection[str] = (),
    faults: Sequence[FaultResult] = (),
    analytics: Sequence[AnalyticsResult] = (),
    replication: ReplicationResult | None = None,
) -> Gallery:
    """Draw everything that a history holds. closed_loop: operations of gateways and back office, which are no load.

    replication: what data centres saw of each other, on the same time line.
    """
    if history.seconds.size == 0:
        return Gallery(load=None, curves=None, responses=(), lateness=None, nodes=())
    length_s = storm_seconds(history, scenario, closed_loop)
    bins = bins_of(length_s)
    span = Span(
        length_s=length_s,
        warm_up_s=scenario.run.warm_up_s,
        pace=scenario.pace,
        bands=(*analytics_bands(analytics, length_s), *fault_bands(faults, length_s)),
    )
    first = warm_up_seconds(scenario)
    # Each log is read once, for both its course and its curve: of a long run they are most of the work.
    names = figured_operations(history, scenario, closed_loop)
    responses = {name: latency_over_time(history.response_counts(name), bins, first) for name in names}
    return Gallery(
        load=_load(history, bins, span, closed_loop),
        curves=_curves(responses, scenario, left_out=len(history.operations) - len(names)),
        responses=tuple(_responses(responses, scenario, span)),
        lateness=_lateness(history, scenario, bins, span),
        nodes=tuple(_nodes(history, span)),
        visibility=None if replication is None else _visibility(replication, history, span, closed_loop),
        undrawn_s=len(history.seconds) - length_s,
    )


def analytics_bands(rounds: Sequence[AnalyticsResult], length_s: int) -> tuple[SpanBand, ...]:
    """The rounds of analytics, as figures over time draw them: from the beginning of the export to the job's answer."""
    return tuple(
        SpanBand(
            name=one.job,
            from_s=one.begun_s,
            until_s=min(length_s if one.ended_s is None else one.ended_s, length_s),
            is_fault=False,
        )
        for one in rounds
        if one.begun_s < length_s
    )


def fault_bands(faults: Sequence[FaultResult], length_s: int) -> tuple[SpanBand, ...]:
    """The faults that came, as figures over time draw them. Nodes that never came back are gone to the end."""
    return tuple(
        SpanBand(
            name=f"{one.kind} {one.target}",
            from_s=one.begun_s,
            until_s=min(length_s if one.back_s is None else one.back_s, length_s),
        )
        for one in faults
        if one.begun_s is not None and one.begun_s < length_s
    )


def figured_operations(history: RunHistory, scenario: Scenario, closed_loop: Collection[str] = ()) -> list[str]:
    """The operations that get figures of their own, in the history's order: those with objectives, then the load's, the most
    frequent ones, and those of gateways and back office (closed_loop) where there is room."""
    judged = {str(objective.operation) for objective in scenario.slo}
    offered = {name: int(history.counts[name]["offered"].sum()) for name in history.operations}
    by_interest = sorted(history.operations, key=lambda name: (name not in judged, name in closed_loop, -offered[name]))
    chosen = set(by_interest[:FIGURED_OPERATIONS_MAX])
    return [name for name in history.operations if name in chosen]


def limits_of(scenario: Scenario, operation: str) -> tuple[ObjectiveLimit, ...]:
    """The objectives of an operation, as figures draw them."""
    return tuple(
        ObjectiveLimit(percentile=objective.percentile, response_ms_max=objective.response_ms_max)
        for objective in scenario.slo
        if objective.operation == operation
    )


def load_of(history: RunHistory, bins: TimeBins, operations: Iterable[str], length_s: int) -> Load:
    """These operations together, a second, by bin, of the first `length_s` seconds."""
    names = list(operations)

    def mean_per_s(*columns: str) -> Floats:
        values = np.zeros_like(history.seconds)
        for name in names:
            for column in columns:
                values = values + history.counts[name][column]
        return bins.per_second(values[:length_s])

    return Load(
        bins=bins, offered=mean_per_s("offered"), ok=mean_per_s("ok"), bad=mean_per_s("failed", "indeterminate")
    )


def _load(history: RunHistory, bins: TimeBins, span: Span, closed_loop: Collection[str]) -> Picture | None:
    """The load is what falls due by the clock; None when nothing did."""
    due = [name for name in history.operations if name not in closed_loop]
    offered, ok = (sum(int(history.counts[name][column].sum()) for name in due) for column in ("offered", "ok"))
    more = sum(int(history.counts[name]["offered"].sum()) for name in history.operations if name in closed_loop)
    if not offered:
        return None
    load = load_of(history, bins, due, span.length_s)
    peak = int(load.offered.argmax())
    resolution = "second" if bins.width_s == 1 else f"{bins.width_s} s"
    sentence = (
        f"Offered load peaked at {rate(float(load.offered[peak]))} at {clock(peak * bins.width_s)}; "
        f"{percent(ok / offered)} of {counted(offered, 'operation')} of meters and customers were acknowledged."
    )
    rest = (
        f" {counted(more, 'operation')} of gateways and back office, in closed loop, are not in this figure."
        if more
        else ""
    )
    return wide_picture(
        lambda size: draw_load(load, span, size),
        name="load",
        title="Offered and achieved load",
        caption=f"{sentence} One step is the mean of one {resolution}.{rest}",
        alt=f"Line chart of load over time. {sentence}",
    )


def _curves(responses: Mapping[str, LatencyOverTime], scenario: Scenario, *, left_out: int) -> Picture | None:
    curves = []
    for index, (name, course) in enumerate(responses.items()):
        curve = percentile_curve(course.counts)
        if curve is not None:
            curves.append(NamedCurve(name=name, index=index, curve=curve, limits=limits_of(scenario, name)))
    if not curves:
        return None
    slowest = max(curves, key=lambda each: float(each.curve.value_ms[-1]))
    finding = f"The slowest response: {slowest.name}, {milliseconds(float(slowest.curve.value_ms[-1]))}."
    triangles = ""
    if any(curve.limits for curve in curves):
        triangles = (
            " A triangle is an objective: the curve of its colour must pass below it; "
            "those on one point stand side by side."
        )
    rest = f" {counted(left_out, 'rarer operation')} stand in the table alone." if left_out else ""
    return wide_picture(
        lambda size: draw_percentile_curves(curves, label="response time", size=size),
        name="percentiles",
        title="Response time by percentile",
        caption=f"{finding} Each further nine is ten times rarer.{triangles} The warm-up is left out.{rest}",
        alt=f"Percentile curves of the response time of {counted(len(curves), 'operation')}. {finding}",
    )


def _responses(responses: Mapping[str, LatencyOverTime], scenario: Scenario, span: Span) -> Iterator[Picture]:
    courses = {name: course for name, course in responses.items() if np.isfinite(course.max).any()}
    if not courses:
        return
    limits = {name: limits_of(scenario, name) for name in courses}
    range_ms = _shared_range_ms(courses.values(), [limit for each in limits.values() for limit in each])
    for name, course in courses.items():
        worst = int(np.nanargmax(course.p99))
        finding = f"p99 was worst at {clock(worst * course.bins.width_s)}: {milliseconds(float(course.p99[worst]))}."
        figure = draw_latency_over_time(course, span, label="response time", limits=limits[name], range_ms=range_ms)
        alt = f"Response time of {name} over time: median, p95, p99 and maximum. {finding}"
        yield picture(figure, name=f"response-{slug(name)}", title=name, caption=finding, alt=alt)


def _shared_range_ms(courses: Iterable[LatencyOverTime], limits: Sequence[ObjectiveLimit]) -> tuple[float, float]:
    """One scale for all operations, so that they can be compared at a glance; it holds the limits too."""
    courses = list(courses)
    low = min((float(np.nanmin(course.p50)) for course in courses), default=1.0)
    high = max(*(float(np.nanmax(course.max)) for course in courses), *(limit.response_ms_max for limit in limits), 1.0)
    return max(low, 0.001) / 1.6, high * 1.8


def _visibility(
    replication: ReplicationResult, history: RunHistory, span: Span, closed_loop: Collection[str]
) -> Picture | None:
    """How far data centres were behind each other, above the seconds in which nobody served the homes of one."""
    behind = [
        NamedCourse(
            group=f"{course.from_dc} to {course.to_dc}",
            group_index=index,
            values=np.array([np.nan if value is None else value for value in course.behind_ms[: span.length_s]]) / 1e3,
        )
        for index, course in enumerate(replication.courses)
    ]
    if not any(np.isfinite(course.values).any() for course in behind):
        return None
    worst = max(behind, key=lambda course: float(np.nanmax(course.values, initial=-np.inf)))
    most_s = float(np.nanmax(worst.values))
    finding = (
        f"At most {significant(most_s)} s behind: what {worst.group.replace(' to ', ' had acknowledged and ')} had not seen, at "
        f"{clock(int(np.nanargmax(worst.values)))}."
    )
    unserved = unserved_seconds(history, closed_loop)
    told = [f"{counted(int(seconds.sum()), 'second')} of {dc}" for dc, seconds in unserved.items() if seconds.any()]
    rest = (
        f" Marks along the top are seconds in which nothing of a data centre's homes was acknowledged: {listed(told)}."
        if told
        else ""
    )
    return wide_picture(
        lambda size: draw_visibility(behind, unserved, span, size),
        name="visibility",
        title="What data centres had not seen of each other",
        caption=f"{finding} The age of the oldest acknowledged row that the other one had not shown yet.{rest}",
        alt=f"Line chart of how far data centres were behind each other over time. {finding}",
    )


def unserved_seconds(history: RunHistory, closed_loop: Collection[str]) -> dict[str, NDArray[np.bool_]]:
    """By data centre, bool[t]: seconds in which operations of its homes ended and none of them was acknowledged."""
    found: dict[str, NDArray[np.int64]] = {}
    for name, dcs in history.by_dc.items():
        for dc, columns in dcs.items() if name not in closed_loop else ():
            ok, bad = columns["ok"], columns["failed"] + columns["indeterminate"]
            both = found.setdefault(dc, np.zeros((2, len(ok)), np.int64))
            both += np.stack([ok, bad])
    return {dc: (bad > 0) & (ok == 0) for dc, (ok, bad) in sorted(found.items())}


def _lateness(history: RunHistory, scenario: Scenario, bins: TimeBins, span: Span) -> Picture | None:
    course = latency_over_time(history.lateness_counts(), bins)
    if not np.isfinite(course.max).any():
        return None
    limit = ObjectiveLimit(percentile=99, response_ms_max=scenario.run.validity.late_p99_ms_max)
    worst = int(np.nanargmax(course.p99))
    finding = f"p99 was worst at {clock(worst * bins.width_s)}: {milliseconds(float(course.p99[worst]))}, the warm-up included."
    low, high = _shared_range_ms([course], [limit])
    figure = draw_latency_over_time(course, span, label="lateness", limits=[limit], range_ms=(max(low, 0.001), high))
    alt = f"Lateness of the load generator over time. {finding}"
    return picture(figure, name="lateness", title="Lateness of the generator", caption=finding, alt=alt)


def _nodes(history: RunHistory, span: Span) -> Iterator[Picture]:
    samples = [sample for sample in history.nodes if sample.second < span.length_s]
    bins = bins_of(span.length_s, BIN_COUNT_COARSE, sampled_every_s(history.nodes))
    courses = node_courses(samples, bins)
    if not courses:
        return
    dcs = list(dict.fromkeys(course.dc for course in courses))
    disk_unit, disk_factor = _disk_unit(courses)
    panels: tuple[tuple[str, str, str, Callable[[NodeCourse], Floats]], ...] = (
        ("cpu", "CPU", "cores", lambda course: course.cpu_cores),
        ("gc", "Garbage collection", "ms stopped a second", lambda course: course.gc_pause_ms_per_s),
        ("sstables", "SSTables on disk, which compaction merges", "SSTables", lambda course: course.sstable_count),
        ("disk", "Data on disk", disk_unit, lambda course: course.disk_bytes / disk_factor),
    )
    for name, title, unit, values in panels:
        rows = [
            NamedCourse(group=course.dc, group_index=dcs.index(course.dc), values=values(course)) for course in courses
        ]
        if not any(np.nansum(row.values) > 0 for row in rows):  # not measured, or zero all along: the table says it
            continue
        most = max(rows, key=lambda row: float(np.nanmax(row.values, initial=-np.inf)))
        highest = float(np.nanmax(most.values))
        finding = (
            f"At most {count(int(highest)) if name == 'sstables' else significant(highest)} {unit}, in {most.group}."
        )
        gaps = [gap for course in courses for gap in gaps_of(course.node, values(course), bins)]
        alt = f"{title} of {counted(len(rows), 'node')} over time. {finding}"
        finding += gaps_told(gaps)
        figure = draw_courses(rows, bins, span, label=unit, whole=name == "sstables")
        yield picture(figure, name=f"nodes-{name}", title=title, caption=finding, alt=alt)


def gaps_told(gaps: Sequence[Gap]) -> str:
    """' No line where a node was not sampled: south-1 from 0:12 to 0:16.', to follow a sentence; '' without any."""
    if not gaps:
        return ""
    told = [
        f"{gap.node} from {clock(gap.from_s)} to {'the end' if gap.until_s is None else clock(gap.until_s)}"
        for gap in gaps[:GAPS_TOLD_MAX]
    ]
    if len(gaps) > GAPS_TOLD_MAX:
        told.append(counted(len(gaps) - GAPS_TOLD_MAX, "more gap"))
    return f" No line where a node was not sampled: {listed(told)}."


def _disk_unit(courses: Sequence[NodeCourse]) -> tuple[str, float]:
    most = max(float(np.nanmax(course.disk_bytes)) for course in courses)
    return ("GB", 1e9) if most >= 2e9 else ("MB", 1e6)


def picture(figure: Figure, *, name: str, title: str, caption: str, alt: str) -> Picture:
    """A picture in one width."""
    return Picture(title=title, caption=caption, alt=alt, rendered=render(figure, name=name, alt=alt))


def wide_picture(draw: Callable[[Size], Figure], *, name: str, title: str, caption: str, alt: str) -> Picture:
    """A picture as wide as the page, and its narrow twin."""
    wide = picture(draw(WIDE), name=name, title=title, caption=caption, alt=alt)
    return replace(wide, narrow=render(draw(NARROW), name=f"{name}-narrow", alt=alt))


def write_page(folder: Path, text: str, pictures: Sequence[Picture]) -> None:
    """Write FOLDER/report.html, and FOLDER/figures/ with the pictures as SVG and PNG, where there are any."""
    figures = RunFolder(folder).figures
    if pictures:
        figures.mkdir(exist_ok=True)
    for each in pictures:
        each.rendered.write(figures)
    RunFolder(folder).report.write_text(text, encoding="utf-8")


def slug(name: str) -> str:
    """A name that is safe as a file's and an identifier's: 'Run 2: south' -> 'run-2-south'."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")
