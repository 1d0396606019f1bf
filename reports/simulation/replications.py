"""Replications of a simulation: each headline figure's mean and interval, and its differences from another scenario's. Pure.

A scenario of a simulation ends by itself: it is estimated by replications only, one number of each (see
`loadtests.stats.estimates`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loadtests.stats.estimates import Estimate, Floats, of_replications, paired_difference
from reports.results.simulation import AgainstResult, FigureEstimate, ReplicationsResult
from reports.simulation.headlines import Replication, headline_of

CONFIDENCE = 0.95


def replications_of(runs: Sequence[Replication], against: Sequence[Replication] | None = None) -> ReplicationsResult:
    """What replications say together; `against` are those of another scenario with the same seeds, in the same order."""
    figures = _values_by_path(runs)
    return ReplicationsResult(
        seeds=tuple(run.seed for run in runs),
        digests=tuple(run.digest for run in runs),
        confidence=CONFIDENCE,
        figures={path: _bounded(path, values) for path, values in figures.items()},
        against=None if against is None else _against(runs, against),
    )


def _against(runs: Sequence[Replication], others: Sequence[Replication]) -> AgainstResult:
    assert [run.seed for run in runs] == [other.seed for other in others], "pairs have the same seed"
    ours, theirs = _values_by_path(runs), _values_by_path(others)
    return AgainstResult(
        scenario=others[0].scenario,
        digests=tuple(other.digest for other in others),
        figures={path: _bounded(path, values) for path, values in theirs.items()},
        differences={path: _difference(ours[path], theirs[path]) for path in ours if path in theirs},
    )


def _values_by_path(runs: Sequence[Replication]) -> dict[str, Floats]:
    """Each headline figure of all runs, float64[replications]; NaN where one has no such figure."""
    return {path: np.array([run.figures[path] for run in runs], np.float64) for path in runs[0].figures}


def _bounded(path: str, values: Floats) -> FigureEstimate:
    """The interval without what no figure can be, below zero or above its most: it holds the true mean as surely."""
    if np.isnan(values).any():
        return _without_interval(values)
    found = of_replications(values, CONFIDENCE)
    return _told(values, replace(found, low=max(found.low, 0.0), high=min(found.high, headline_of(path).most)))


def _difference(ours: Floats, theirs: Floats) -> FigureEstimate:
    values = ours - theirs
    if np.isnan(values).any():
        return _without_interval(values)
    return _told(values, paired_difference(ours, theirs, CONFIDENCE))


def _without_interval(values: Floats) -> FigureEstimate:
    """A mean of those that have the figure would leave out just the worst."""
    each = (None if np.isnan(value) else float(value) for value in values)
    return FigureEstimate(values=tuple(each), mean=None, low=None, high=None)


def _told(values: Floats, found: Estimate) -> FigureEstimate:
    return FigureEstimate(values=tuple(values.tolist()), mean=found.mean, low=found.low, high=found.high)
