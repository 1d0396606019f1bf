"""A simulation's courses over time in bins that a figure can show, as `results.json` keeps them, and what figures need of them.

Pure. Counts are added up and backlogs keep their highest: what the tables say of sums and peaks is true of the bins too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.results.simulation import CampaignCourse
from reports.run.latency import BIN_COUNT_MAX, Floats, bins_of

Counts = NDArray[np.int64]

MINUTE_S = 60
_MARGIN_SHARE = 0.04  # of a campaign's time, shown before and after it
_MINUTES_SHOWN_MIN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Values of consecutive bins: bin i reaches from edges_h[i] to edges_h[i + 1], hours since the start.

    The last bin may be shorter.
    """

    edges_h: Floats  # float64[bins + 1]
    values: Floats  # float64[bins]


def bin_width_s(span_s: float) -> int:
    """The width of a figure's bins: whole minutes, for a span of hours and more."""
    width_s = bins_of(int(span_s)).width_s
    assert width_s % MINUTE_S == 0, "a simulated span is a day or more"
    return width_s


def summed(counts: Counts, from_s: int, width_s: int) -> tuple[int, ...]:
    """Counts by bins of `from_s` seconds, by bins of `width_s`, which is a multiple."""
    return tuple(np.add.reduceat(counts, np.arange(0, len(counts), width_s // from_s)).tolist())


def highest(backlog: Counts, width_s: int) -> tuple[int, ...]:
    """The largest of the minutes within each bin: a peak stays as high as it was."""
    return tuple(np.maximum.reduceat(backlog, np.arange(0, len(backlog), width_s // MINUTE_S)).tolist())


def campaign_course(
    ended: Mapping[str, Counts], displayed: Counts, *, at_h: float, effective_h: float | None
) -> CampaignCourse:
    """A campaign from its start to its last change or the tariff's coming into force, with a margin; long ones thinned out.

    `ended` int64[minute] by the states of `CampaignCourse`; `displayed` int64[minute], empty for a campaign without a tariff.
    """
    minute = _minutes(*_window(ended, displayed, at_h, effective_h))
    return CampaignCourse(
        minute=tuple(minute.tolist()),
        applied=counted_up(ended["applied"], minute),
        rejected=counted_up(ended["rejected"], minute),
        exhausted=counted_up(ended["exhausted"], minute),
        displayed=counted_up(displayed, minute) if len(displayed) else (),
    )


def counted_up(counts: Counts, minute: Counts) -> tuple[int, ...]:
    """How many so far at each of the minutes, those of minute m itself left out: at minute 0 nothing has been counted."""
    return tuple(np.concatenate([[0], np.cumsum(counts)])[minute].tolist())


def mean_per_s(counts: tuple[int, ...], width_s: int, span_s: float) -> Binned:
    """Messages a second, on average over each bin."""
    edges_s = _edges_s(len(counts), width_s, span_s)
    return Binned(edges_h=edges_s / 3_600, values=np.array(counts) / np.diff(edges_s))


def levels(values: tuple[int, ...], width_s: int, span_s: float) -> Binned:
    """Values as they are, in their bins."""
    return Binned(edges_h=_edges_s(len(values), width_s, span_s) / 3_600, values=np.array(values, np.float64))


def _edges_s(count: int, width_s: int, span_s: float) -> Floats:
    return np.append(np.arange(count) * width_s, span_s).astype(np.float64)


def _window(ended: Mapping[str, Counts], displayed: Counts, at_h: float, effective_h: float | None) -> tuple[int, int]:
    minutes = len(next(iter(ended.values())))
    first = min(int(at_h * 60), minutes - 1)
    effective = int((effective_h or 0) * 60) + 1
    last_change = max(_after_last(sum(ended.values(), start=np.zeros(1, np.int64))), _after_last(displayed))
    last = min(max(last_change, effective, first + _MINUTES_SHOWN_MIN), minutes)
    margin = max(5, int((last - first) * _MARGIN_SHARE))
    return max(first - margin, 0), min(last + margin, minutes)


def _after_last(counts: Counts) -> int:
    """The minute after the last that counts anything; 0 when none does."""
    counting = np.flatnonzero(counts)
    return int(counting[-1]) + 1 if len(counting) else 0


def _minutes(first: int, last: int) -> Counts:
    """The minutes from first to last, not too many for a figure; the last one stays."""
    minute = np.arange(first, last + 1, max(1, (last - first) // BIN_COUNT_MAX))
    return minute if minute[-1] == last else np.append(minute, last)
