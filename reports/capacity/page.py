"""One self-contained report.html of a search, in the look of a run's: everything inside, nothing fetched, no script."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from loadtests.capacity.step import StepVerdict
from loadtests.recording.run_folder import RunFolder
from loadtests.stats.curves import QueueCurve
from reports.capacity.figures import (
    FittedLine,
    StepPoint,
    Threshold,
    draw_residuals,
    draw_response_by_rate,
    draw_search,
)
from reports.drawing.page import Tile, page
from reports.results.capacity import CapacityResults, ObjectiveStep, StepResult, load_capacity
from reports.run.figures import PANEL
from reports.run.gallery import Picture, picture, wide_picture
from reports.run.setting import PairGroup, made_on
from reports.verdict.capacity import BINDING_NAMES, binding_told
from scenarios.spec import ScenarioError
from scenarios.texts import wording
from scenarios.texts.outside import UnreadableText, read_text, why_refused

CURVE_POINTS = 200

CAPACITY_TERMS = (
    ("Held, broke", "The test is sure that the objectives are kept at this rate; or sure that one is not."),
    (
        "Undecided",
        "A step did not tell: the rate is near the threshold, there was no steady state, or there were too few operations; "
        "it bounds nothing.",
    ),
    ("Generator's limit", "The load generator itself was late or saturated: the step says nothing about the cluster."),
    (
        "Threshold",
        "The rate at which an objective begins to break; it lies between the highest rate that held and the lowest that broke.",
    ),
    (
        "Warm-up",
        "The first seconds of a step, cut off where the rest is most even (MSER-5); what holds is said of the rest alone.",
    ),
    (
        "Interval of a percentile",
        "Response times in a row depend on each other; the interval comes from how much they vary from batch to batch.",
    ),
    (
        "Knee",
        "The rate at which throughput over mean response time is highest; beyond it more is lost in time than is won in rate.",
    ),
    ("Residual", "How far the measured value lies from the fitted curve: what the model does not explain."),
    (
        "Meters",
        "As many as bring this rate when all are read at one frequency; questions and the rest of the mix grow along.",
    ),
    ("Recovery", "How long after an overload until the objectives held again at the rate that was found."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityGallery:
    """All figures of a search; what was not measured has none."""

    response: Picture | None
    search: Picture | None
    residuals: tuple[Picture, ...]


def write_capacity_report(folder: Path) -> None:
    """Write FOLDER/report.html from its results.json. Raises ScenarioError naming what it lacks."""
    results = load_capacity(folder)
    path = RunFolder(folder).scenario
    try:
        text = read_text(path) if path.is_file() else ""
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read as a scenario: {why_refused(error)}") from error
    RunFolder(folder).report.write_text(capacity_html(results, text), encoding="utf-8")


def capacity_html(results: CapacityResults, scenario_text: str) -> str:
    """The page's text."""
    return page(
        "capacity.html.j2",
        results=results,
        scenario_text=scenario_text,
        gallery=capacity_gallery(results),
        tiles=_tiles(results),
        binding_names=BINDING_NAMES,
        binding_told=binding_told,
        setting=_setting(results),
        terms=CAPACITY_TERMS,
    )


def capacity_gallery(results: CapacityResults) -> CapacityGallery:
    """Draw everything that a search measured."""
    if not results.steps:
        return CapacityGallery(response=None, search=None, residuals=())
    rate = results.rate
    threshold = Threshold(
        low_per_s=None if rate is None else rate.rate_per_s, high_per_s=None if rate is None else rate.high_per_s
    )
    return CapacityGallery(
        response=_response(results, threshold),
        search=wide_picture(
            partial(draw_search, _points(results, tightest(results)), threshold),
            name="search",
            title="The search",
            caption="which rate was tried when; shaded: between which rates the threshold lies",
            alt=f"{len(results.steps)} steps of the search, by rate and verdict",
        ),
        residuals=tuple(_residuals(results)),
    )


def tightest(results: CapacityResults) -> int:
    """The index of the objective that came nearest to its limit in the steps that held, or of the first one."""

    def nearness(index: int) -> float:
        return max(
            (_use_of_limit(step.objectives[index]) for step in results.steps if step.verdict == "held"), default=0.0
        )

    return max(range(len(results.steps[0].objectives)), key=nearness)


def _use_of_limit(each: ObjectiveStep) -> float:
    return 0.0 if each.response_ms is None else each.response_ms.value / each.response_ms_max


def _points(results: CapacityResults, index: int) -> list[StepPoint]:
    return [_point(number, step, index) for number, step in enumerate(results.steps, start=1)]


def _point(number: int, step: StepResult, index: int) -> StepPoint:
    measured = step.objectives[index].response_ms
    return StepPoint(
        number=number,
        rate_per_s=step.rate_per_s,
        verdict=step.verdict,
        response_ms=None if measured is None else measured.value,
        low_ms=None if measured is None else measured.low,
        high_ms=None if measured is None else measured.high,
    )


def _response(results: CapacityResults, threshold: Threshold) -> Picture:
    index = tightest(results)
    objective = results.steps[0].objectives[index]
    name = wording.percentile_name(objective.percentile)
    return wide_picture(
        partial(
            draw_response_by_rate,
            _points(results, index),
            _fitted(results),
            objective.response_ms_max,
            threshold,
        ),
        name="response",
        title=f"{name} response time of {objective.operation} by rate",
        caption="bars are 95 % intervals; dashed: the limit; shaded: between which rates the threshold lies",
        alt=f"{name} response time of {objective.operation} against the rate, with the limit of "
        f"{wording.milliseconds(objective.response_ms_max)}",
    )


def _fitted(results: CapacityResults) -> FittedLine | None:
    fit = results.queue_curve
    if fit is None:
        return None
    curve = QueueCurve(
        service_ms=fit.service_ms,
        wait_ms=fit.wait_ms,
        capacity_per_s=fit.capacity_per_s,
        residuals=np.array(fit.residuals),
    )
    rates = np.linspace(0, max(fit.rate_per_s), CURVE_POINTS)
    return FittedLine(rate_per_s=rates, response_ms=curve.response_ms(rates), knee_per_s=curve.knee_per_s)


def _residuals(results: CapacityResults) -> list[Picture]:
    pictures = []
    if (queue := results.queue_curve) is not None:
        pictures.append(
            picture(
                draw_residuals(np.array(queue.rate_per_s), np.array(queue.residuals), PANEL),
                name="residuals-queue",
                title="Queueing curve",
                caption="residuals of the mean response time",
                alt="residuals of the queueing curve by rate",
            )
        )
    if (law := results.scalability) is not None:
        pictures.append(
            picture(
                draw_residuals(np.array(law.throughput_per_s), np.array(law.residuals), PANEL),
                name="residuals-scalability",
                title="Universal Scalability Law",
                caption="residuals of the throughput",
                alt="residuals of the Universal Scalability Law by rate",
            )
        )
    return pictures


def _tiles(results: CapacityResults) -> list[Tile]:
    rate, meters = results.rate, results.meters
    broke = [step.rate_per_s for step in results.steps if step.verdict is StepVerdict.BROKE]
    high = "no rate broke"
    if rate is not None and rate.high_per_s is not None:
        high = f"breaks at {wording.count(int(rate.high_per_s))}/s"
    elif broke:
        high = f"the lowest that broke: {wording.count(int(min(broke)))}/s"
    tiles = [
        Tile(
            name="Highest rate that holds",
            value=wording.NO_FIGURE if rate is None else wording.count(int(rate.rate_per_s)),
            unit="operations/s",
            note=high,
            is_bad=rate is None,
        )
    ]
    tiles += [
        Tile(
            name=f"Meters, {meters[schedule].frequency(schedule)}",
            value=wording.count(meters[schedule].meters),
            unit="",
            note=f"{wording.percent(rate.delivery_share)} of the mix are deliveries",
        )
        for schedule in ("half_hourly", "daily")
        if rate is not None and schedule in meters
    ]
    constraint = results.constraint
    if constraint is not None:
        unnamed = "not known" if constraint.is_limit else "nothing: no rate broke"
        name = unnamed if constraint.binding is None else BINDING_NAMES[constraint.binding]
        note = f"at {wording.count(int(constraint.at_per_s))}/s"
        tiles.append(Tile(name="What binds", value="", unit=name, note=note))
    return tiles


def _setting(results: CapacityResults) -> list[PairGroup]:
    topology = results.topology
    pairs = [
        (f"DC {dc.name}", f"{dc.role}, {wording.counted(dc.nodes, 'node')}, replication factor {dc.rf}")
        for dc in topology.dcs
    ]
    pairs += [("Consistency", str(topology.consistency.default)), ("Where", topology.where)]
    pairs.append(("Stopped", f"all nodes of {results.dc_down}" if results.dc_down else "nothing"))
    mix = [(name, wording.percent(share)) for name, share in results.mix.items()]
    mix.append(("Drawn from", wording.counted(results.pool_count, "operation")))
    return [
        PairGroup("Topology", pairs),
        PairGroup("Mix", mix),
        *made_on(results.machine, results.versions),
        PairGroup("Methods", [(name.replace("_", " ").capitalize(), told) for name, told in results.methods.items()]),
    ]
