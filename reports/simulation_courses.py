"""A simulation's courses over time as plain arrays, and what its figures need of them: fewer bins, sums, shares. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.latency import BIN_COUNT_MAX, Floats, bins_of

Counts = NDArray[np.int64]

MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignCourse:
    """How one campaign's commands ended, by the minute of the simulated span.

    `ended` int64[minute] by terminal state; `displayed` int64[minute]: displays that came to show the tariff, empty
    for a campaign without one.
    """

    ended: Mapping[str, Counts]
    displayed: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """What happened when, from the simulated start.

    `offered` int64[bin] by operation, in bins of `bin_s` seconds; `backlog` int64[minute] by region, at each minute's end;
    `campaigns` by name.
    """

    span_s: float
    bin_s: int
    offered: Mapping[str, Counts]
    backlog: Mapping[str, Counts]
    campaigns: Mapping[str, CampaignCourse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Values of consecutive bins: bin i reaches from edges_h[i] to edges_h[i + 1], hours since the start.

    The last bin may be shorter.
    """

    edges_h: Floats  # float64[bins + 1]
    values: Floats  # float64[bins]


def mean_per_s(offered: Counts, bin_s: int, span_s: float) -> Binned:
    """Messages a second, on average over bins that are not too many for a figure."""
    first = _firsts(len(offered), bin_s, span_s)
    edges_s = _edges_s(first, bin_s, len(offered), span_s)
    return Binned(edges_h=edges_s / 3_600, values=np.add.reduceat(offered, first) / np.diff(edges_s))


def highest(backlog: Counts, span_s: float) -> Binned:
    """The largest of the minutes within each of the figure's bins: a peak stays as high as it was."""
    first = _firsts(len(backlog), MINUTE_S, span_s)
    edges_s = _edges_s(first, MINUTE_S, len(backlog), span_s)
    return Binned(edges_h=edges_s / 3_600, values=np.maximum.reduceat(backlog, first).astype(np.float64))


def cumulative(counts: Counts, from_minute: int, until_minute: int) -> tuple[Floats, Floats]:
    """How many so far, at each minute's end from `from_minute` to `until_minute`: hours float64[n], counts float64[n].

    Before the first minute nothing has been counted. A long window is thinned out; its last minute stays.
    """
    total = np.concatenate([[0], np.cumsum(counts)])  # total[m]: before minute m
    step = max(1, (until_minute - from_minute) // BIN_COUNT_MAX)
    at = np.arange(from_minute, until_minute + 1, step)
    if at[-1] != until_minute:
        at = np.append(at, until_minute)
    return at / 60, total[at].astype(np.float64)


def last_minute(course: CampaignCourse) -> int:
    """The minute after the last command's end and the last display's change; 0 when nothing happened."""
    changes = sum(course.ended.values(), start=np.zeros(1, np.int64))
    ended = np.flatnonzero(changes)
    displayed = np.flatnonzero(course.displayed)
    return max(int(ended[-1]) + 1 if len(ended) else 0, int(displayed[-1]) + 1 if len(displayed) else 0)


def _firsts(count: int, bin_s: int, span_s: float) -> NDArray[np.int64]:
    """The index of the first of `count` values in each of the figure's bins."""
    factor = max(1, bins_of(int(span_s)).width_s // bin_s)
    return np.arange(0, count, factor)


def _edges_s(first: NDArray[np.int64], bin_s: int, count: int, span_s: float) -> Floats:
    return np.append(first * bin_s, min(count * bin_s, span_s)).astype(np.float64)
