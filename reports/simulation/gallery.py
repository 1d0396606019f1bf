"""Which figures a simulation's report has: computes what each shows, has it drawn, and puts it into words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from reports.drawing.axes import Size
from reports.results.simulation import BacklogResult, CampaignCourse, IhdResult, OfferedResult, SimulationResults
from reports.run.figures import PANEL
from reports.run.gallery import Picture, picture, slug, wide_picture
from reports.run.latency import Floats
from reports.simulation.figures import (
    Clock,
    CommandLines,
    Convergence,
    NamedBins,
    OutageSpan,
    draw_backlog,
    draw_commands,
    draw_convergence,
    draw_offered,
    draw_operation,
)
from reports.simulation.series import Binned, levels, mean_per_s
from scenarios.spec import Scenario
from scenarios.texts.wording import NO_FIGURE, count, counted, duration, percent, significant

REGIONS_DRAWN_MAX = 8  # more lines can't be told apart; the table has all
OPERATIONS_DRAWN_MAX = 6  # in front of each other; each has a panel of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationGallery:
    """All figures of a simulation; what did not happen has none."""

    load: Picture | None
    operations: tuple[Picture, ...]
    backlog: Picture | None
    commands: tuple[Picture, ...]
    displays: tuple[Picture, ...]


def simulation_gallery(results: SimulationResults, scenario: Scenario) -> SimulationGallery:
    """Draw everything that a simulation's courses hold."""
    clock = Clock(start=results.start, from_h=0.0, until_h=results.span_s / 3_600)
    return SimulationGallery(
        load=_load(results, clock),
        operations=tuple(_operations(results, clock)),
        backlog=_backlog(results, scenario, clock),
        commands=tuple(_commands(results)),
        displays=tuple(_displays(results)),
    )


def spoken(operation: str) -> str:
    """An operation's name for people: 'push_half_hour' -> 'push half hour'."""
    return operation.replace("_", " ")


def per_s(value: float) -> str:
    """A rate: a count of one second whole, a mean with three digits: 66.0 -> '66', 7.468 -> '7.47'."""
    return f"{value:,.0f}" if value.is_integer() else significant(value)


def instant(start: date, seconds: float) -> str:
    """Seconds since the scenario's start as '15 Jan 06:02:00 UTC': to the second, whole minutes too."""
    moment = Clock(start=start, from_h=0, until_h=0).moment(seconds / 3_600)
    return f"{moment.day} {moment:%b %H:%M:%S} UTC"


def minute(start: date, seconds: float) -> str:
    """The same of what is by the minute or the hour: '15 Jan 06:02 UTC'."""
    return f"{instant(start, seconds).removesuffix(' UTC')[:-3]} UTC"


def _load(results: SimulationResults, clock: Clock) -> Picture | None:
    means = _means_per_s(results)
    if not means:
        return None
    total = tuple(map(sum, zip(*results.courses.offered.values(), strict=True)))
    bins = mean_per_s(total, results.courses.bin_s, results.span_s)
    highest_first = sorted(means, key=lambda name: -float(means[name].values.max()))
    drawn = [name for name in means if name in highest_first[:OPERATIONS_DRAWN_MAX]]
    operations = [NamedBins(name=spoken(name), index=index, bins=means[name]) for index, name in enumerate(drawn)]
    rest = f" The {len(drawn)} highest of {len(means)} operations have a line." if len(drawn) < len(means) else ""
    finding = f"{_busiest(results.offered['all'], results)}; the mean is {per_s(results.offered['all'].mean_per_s)}/s."
    return wide_picture(
        lambda size: draw_offered(bins, operations, clock, size),
        name="offered",
        title="Offered load by operation",
        caption=f"{finding} One step is the mean of {_width(bins)}.{rest}",
        alt=f"Offered load over simulated time. {finding}",
    )


def _means_per_s(results: SimulationResults) -> dict[str, Binned]:
    courses = results.courses
    return {name: mean_per_s(counts, courses.bin_s, results.span_s) for name, counts in courses.offered.items()}


def _operations(results: SimulationResults, clock: Clock) -> Iterator[Picture]:
    means = _means_per_s(results)
    if len(means) < 2:  # the one operation is the figure above
        return
    for name, mean in means.items():
        finding = f"{_busiest(results.offered[name], results)}; {count(results.offered[name].count)} in all."
        alt = f"Offered load of {spoken(name)} over simulated time. {finding}"
        figure = draw_operation(mean, clock)
        yield picture(figure, name=f"offered-{slug(name)}", title=spoken(name), caption=finding, alt=alt)


def _busiest(offered: OfferedResult, results: SimulationResults) -> str:
    return f"Peak {per_s(offered.peak_per_s)}/s at {instant(results.start, offered.peak_at_s)}"


def _width(bins: Binned) -> str:
    return duration(round((bins.edges_h[1] - bins.edges_h[0]) * 3_600)).removesuffix(" 0 s").removesuffix(" 0 min")


def drained_told(region: BacklogResult) -> str:
    """'drained within 40 min', to follow a peak. Without an outage there is nothing to drain: all of it is on the way."""
    if region.has_outage is False:
        return "on the way or in single hubs, since no outage of the region held any"
    return "not drained by the end" if region.drain_s is None else f"drained within {duration(region.drain_s)}"


def drain_cell(region: BacklogResult) -> str:
    """The same in a table's column 'drained within'."""
    if not region.peak:
        return NO_FIGURE
    if region.has_outage is False:
        return "no outage"
    return "not by the end" if region.drain_s is None else duration(region.drain_s)


def _backlog(results: SimulationResults, scenario: Scenario, clock: Clock) -> Picture | None:
    peaks = {name: region.peak for name, region in results.backlog.items() if region.peak > 0}
    if not peaks:
        return None
    drawn = sorted(peaks, key=lambda name: -peaks[name])[:REGIONS_DRAWN_MAX]
    indices = {name: index for index, name in enumerate(results.backlog)}
    courses = results.courses
    regions = [
        NamedBins(name=name, index=indices[name], bins=levels(courses.backlog[name], courses.bin_s, results.span_s))
        for name in results.backlog
        if name in drawn
    ]
    outages = [
        OutageSpan(
            name=each.region or "all regions", from_h=each.at_h, until_h=min(each.at_h + each.for_h, clock.until_h)
        )
        for each in scenario.wan.outages
        if each.at_h < clock.until_h
    ]
    worst = drawn[0]
    region = results.backlog[worst]
    finding = (
        f"Highest in {worst}: {counted(region.peak, 'message')} at {instant(results.start, region.peak_at_s)}, "
        f"{drained_told(region)}."
    )
    rest = f" The {len(drawn)} highest of {len(peaks)} regions are drawn." if len(peaks) > len(drawn) else ""
    return wide_picture(
        lambda size: draw_backlog(regions, outages, clock, size),
        name="backlog",
        title="Backlog by region",
        caption=f"{finding}{rest}",
        alt=f"Messages that hubs have sent and that have not arrived, by region over simulated time. {finding}",
    )


def _commands(results: SimulationResults) -> Iterator[Picture]:
    named = {name: each for name, each in results.campaigns.items() if each.targets > 0}
    for name, result in named.items():
        course = results.courses.campaigns[name]
        lines = _lines(result.targets, course)
        clock = _clock_of(course, results.start)
        finding = (
            f"{percent(result.applied / result.targets)} of {counted(result.targets, 'command')} applied, "
            f"with {counted(result.attempts, 'attempt')}."
        )
        yield _one_or_panel(
            partial(draw_commands, lines, clock),
            name=f"commands-{slug(name)}",
            title=f"{spoken(name)}: {spoken(result.kind)}",
            caption=finding,
            alt=f"Commands of campaign {name} by state over simulated time. {finding}",
            is_only=len(named) == 1,
        )


def _lines(targets: int, course: CampaignCourse) -> CommandLines:
    counts = {"applied": course.applied, "rejected": course.rejected, "exhausted": course.exhausted}
    states = {state: np.array(values, np.float64) for state, values in counts.items()}
    states["not ended"] = targets - np.sum(list(states.values()), axis=0)
    shown = {state: values for state, values in states.items() if values.any()}
    return CommandLines(hours=_hours(course), states=shown)


def _hours(course: CampaignCourse) -> Floats:
    return np.array(course.minute) / 60


def _clock_of(course: CampaignCourse, start: date) -> Clock:
    return Clock(start=start, from_h=course.minute[0] / 60, until_h=course.minute[-1] / 60)


def _displays(results: SimulationResults) -> Iterator[Picture]:
    named = {name: each for name, each in results.ihd.items() if each.displays > 0}
    for name, result in named.items():
        course = results.courses.campaigns[name]
        convergence = Convergence(
            hours=_hours(course),
            share=np.array(course.displayed) / result.displays,
            effective_h=result.effective_s / 3_600,
            share_at_effective=result.share_at_effective or 0.0,
        )
        clock = _clock_of(course, results.start)
        yield _one_or_panel(
            partial(draw_convergence, convergence, clock),
            name=f"displays-{slug(name)}",
            title=spoken(name),
            caption=_shown(result, results.start),
            alt=f"Share of the displays that have the tariff of {name}. {_shown(result, results.start)}",
            is_only=len(named) == 1,
        )


def _shown(result: IhdResult, start: date) -> str:
    return (
        f"{count(result.correct_at_effective)} of {counted(result.displays, 'display')} are correct when it comes into "
        f"force, {instant(start, result.effective_s)}; {count(result.correct_at_end)} at the end."
    )


def _one_or_panel(
    draw: Callable[[Size], Figure], *, name: str, title: str, caption: str, alt: str, is_only: bool
) -> Picture:
    """As wide as the page when it is the only one of its kind, else one panel beside others."""
    if is_only:
        return wide_picture(draw, name=name, title=title, caption=caption, alt=alt)
    return picture(draw(PANEL), name=name, title=title, caption=caption, alt=alt)
