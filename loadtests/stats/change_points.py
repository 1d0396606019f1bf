"""Where a series of runs changed its level: a robust detector whose error over a whole series is stated and kept. Pure.

It looks at the order of values alone, so that a wild one weighs no more than the next largest, and a level has to last
`LASTING_MIN` runs: a single spike is none, however high. The statistic is the most extreme rank-sum test over all places at
which a segment can be split, made smaller where neighbouring runs are alike (runs that depend on each other are worth fewer).
How large it gets without any change is simulated: ranks in random order have one distribution for each number of runs, whatever
the values are distributed like, so the error is exact for independent runs and not a matter of tails.

A segment that changed is split there, and each part is looked at again with half the segment's error: over the whole tree, at
most `error` of series have a change point that is none. Of long series the newest `RECENT` runs are also looked at by
themselves, and the error is shared: what went up and came down long ago must not hide what is new. What it can't see it says:
`earliest_seen`, `smallest_step`.

Sources: the scan: Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979), with exact
tails of the rank sum in place of its raw value, so that changes near the ends count as those in the middle do; splitting again:
Vostrikova, "Detecting disorder in multidimensional random processes", Soviet Math. Dokl. 24 (1981); error handed on down a tree:
Bretz et al., "A graphical approach to sequentially rejective multiple test procedures", Statistics in Medicine 28 (2009); fewer
effective runs: Yue and Wang, "The Mann-Kendall test modified by effective sample size", Water Resources Management 18 (2004).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from loadtests.stats.bootstrap import keyed_generator
from loadtests.stats.estimates import Estimate, Floats

LASTING_MIN = 3  # runs on each side of a change: one or two slow ones in a row are a spike
RECENT = 30
RUNS_MAX = 200  # the exact tails of so many runs take 10 MB; a history keeps its newest
DRAWS_BEYOND = 50  # of the simulated series without a change, so many lie beyond the critical value: known to a seventh
DRAWS_MAX = 200_000
CORRELATION_MAX = 0.95
_AT_A_TIME = 1_000_000  # ranks that are drawn at once: 8 MB
_NULL_SEED, _POWER_SEED = (
    0x6E756C6C,
    0x706F7765,
)  # of the simulated series: the same for everybody, as the answer must be
_POWER_SERIES = 1_000
_STEP_MAX = 25.6  # standard deviations: beyond, a step has no more of the order to change

Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class ChangePoint:
    """The first run of a new level, and the chance of a split as clear anywhere in its segment if nothing had changed."""

    index: int
    p_value: float


@dataclass(frozen=True, slots=True)
class _Splits:
    """The exact tails of a segment's rank sums as normal scores; those of a split before run k begin at offset[k]."""

    offset: NDArray[np.int64]
    scores: Floats


def change_points(values: Floats, *, error: float, seed: int) -> list[ChangePoint]:
    """Where the level changed, in order.

    values: float64[runs] in the order of time, at most `RUNS_MAX`, finite. error: the share of series, with or without changes,
    in which a change point is found that is none [0 to 1]; true of independent runs. seed: of the order of equal values.
    Raises AssertionError for longer series and values that aren't finite.
    """
    assert len(values) <= RUNS_MAX and np.isfinite(values).all(), "values must be finite, and not too many"
    assert 0 < error < 1
    random = keyed_generator(seed, len(values))
    found: list[ChangePoint] = []
    for start, allowed in _windows(len(values), error):
        segments = [(start, len(values), allowed)]
        while segments:
            first, stop, allowed = segments.pop()
            change = _change(values[first:stop], allowed, random)
            if change is None:
                continue
            found.append(ChangePoint(first + change.index, change.p_value))
            middle = first + change.index
            segments += [(first, middle, allowed / 2), (middle, stop, allowed / 2)]
    return _apart(found)


def _windows(runs: int, error: float) -> list[tuple[int, float]]:
    """From which run on the series is looked at, and with which share of the error."""
    return [(0, error)] if runs < 2 * RECENT else [(0, error / 2), (runs - RECENT, error / 2)]


def _change(values: Floats, allowed: float, random: np.random.Generator) -> ChangePoint | None:
    if len(values) < 2 * LASTING_MIN or allowed < 1 / DRAWS_MAX or values.min() == values.max():
        return None
    statistic, at = _clearest_split(_ranks(values, random)[np.newaxis])
    p_value = _p_value(float(statistic[0]), len(values), allowed)
    return ChangePoint(int(at[0]), p_value) if p_value <= allowed else None


def _apart(found: list[ChangePoint]) -> list[ChangePoint]:
    """In order; of those nearer to each other than a level lasts, which both windows found, the surer one."""
    kept: list[ChangePoint] = []
    for each in sorted(found, key=lambda change: change.p_value):
        if all(abs(each.index - other.index) >= LASTING_MIN for other in kept):
            kept.append(each)
    return sorted(kept)


def level_shift(before: Floats, after: Floats, confidence: float = 0.95) -> Estimate:
    """By how much the values of one level lie above those of another: the median of all differences, with its exact interval.

    `confidence` of the estimate is what the interval really has: less than was asked for where so few values can't give as much.
    `count` is that of the smaller level.
    Source: Hodges and Lehmann, "Estimates of location based on rank tests", Ann. Math. Stat. 34 (1963); the interval by the
    rank-sum distribution: Lehmann, "Nonparametrics" (1975), section 2.5.
    """
    differences = np.sort((after[:, np.newaxis] - before[np.newaxis, :]).ravel())
    cumulative = np.cumsum(_rank_sums(len(before) + len(after))[len(before)])
    inside = max(int(np.searchsorted(cumulative, (1 - confidence) / 2, side="right")), 1)
    return Estimate(
        mean=float(np.median(differences)),
        low=float(differences[inside - 1]),
        high=float(differences[len(differences) - inside]),
        confidence=float(1 - 2 * cumulative[inside - 1]),
        count=min(len(before), len(after)),
    )


def earliest_seen(runs: int, error: float) -> int | None:
    """How many of the newest runs a change must have lasted at the least before the detector can see it, however large it is.

    None: not in so few runs. Whatever test is made, the newest m of n runs are the slowest ones by chance once in n choose m.
    """
    seen = []
    for first, allowed in _windows(runs, error):
        length = runs - first
        if length >= 2 * LASTING_MIN:
            splits, critical = _splits(length), critical_value(length, allowed)
            lasting = range(LASTING_MIN, length // 2 + 1)
            seen += [newest for newest in lasting if splits.scores[splits.offset[newest]] > critical]
    return min(seen, default=None)


def runs_needed(error: float) -> int:
    """The least number of runs in which some change can be seen at all."""
    return next(runs for runs in range(2 * LASTING_MIN, RUNS_MAX) if earliest_seen(runs, error) is not None)


def smallest_step(spread: float, runs: int, newest: int, error: float, power: float = 0.8) -> float | None:
    """The step that is found with this power once so many of the newest runs have it, in the unit of the spread.

    spread: the standard deviation of a level's runs. Simulated, of independent runs of normal noise; heavy tails take a larger
    one. None: no step is found so often.
    """
    steps = _smallest_of_normal(runs, newest, error, power)
    return None if steps is None else spread * steps


@lru_cache(maxsize=32)
def _smallest_of_normal(runs: int, newest: int, error: float, power: float) -> float | None:
    noise = keyed_generator(_POWER_SEED, runs).standard_normal((_POWER_SERIES, runs))

    def is_found(step: float) -> bool:
        values, seen = noise.copy(), np.zeros(_POWER_SERIES, np.bool_)
        values[:, runs - newest :] += step
        for first, allowed in _windows(runs, error):
            part = values[:, first:]
            ranks = part.argsort(axis=1).argsort(axis=1) + 1
            seen |= _clearest_split(ranks)[0] > critical_value(part.shape[1], allowed)
        return bool(seen.mean() >= power)

    low, high = 0.0, _STEP_MAX
    if not is_found(high):
        return None
    while high - low > 0.05:
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def spread_of(values: Floats, indices: list[int]) -> float:
    """The standard deviation of runs about their levels, which begin at `indices`: by their median, so that no spike counts."""
    levels = np.split(values, indices)
    deviations = np.concatenate([np.abs(level - np.median(level)) for level in levels])
    return float(np.median(deviations) / stats.norm.ppf(0.75))


def critical_value(runs: int, error: float) -> float:
    """What the statistic of so many runs exceeds with probability `error` when nothing changed: a normal score."""
    null = _null(runs, _draws(error))
    return float(null[len(null) - max(int(error * (len(null) + 1)), 1)])


def _p_value(statistic: float, runs: int, error: float) -> float:
    null = _null(runs, _draws(error))
    return float((1 + len(null) - np.searchsorted(null, statistic, side="left")) / (1 + len(null)))


def _draws(error: float) -> int:
    """How many series without a change are simulated; a power of two, so that segments share them."""
    return min(1 << int(np.ceil(np.log2(DRAWS_BEYOND / error))), DRAWS_MAX)


@lru_cache(maxsize=32)
def _null(runs: int, draws: int) -> Floats:
    """The statistic of so many runs in random order, ascending."""
    random, size = keyed_generator(_NULL_SEED, runs), max(_AT_A_TIME // runs, 1)
    ordered = np.tile(np.arange(1, runs + 1), (size, 1))
    statistics = [
        _clearest_split(random.permuted(ordered[: draws - done], axis=1))[0] for done in range(0, draws, size)
    ]
    return np.sort(np.concatenate(statistics))


def _ranks(values: Floats, random: np.random.Generator) -> Ranks:
    """int64[n] from 1; equal values in random order, which keeps the distribution of their order what is simulated."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.lexsort((random.random(len(values)), values))] = np.arange(1, len(values) + 1)
    return ranks


def _clearest_split(ranks: Ranks) -> tuple[Floats, NDArray[np.int64]]:
    """The statistic of each series of int64[series, n], and how many runs lie before its clearest split."""
    runs = ranks.shape[1]
    splits, before = _splits(runs), np.arange(LASTING_MIN, runs - LASTING_MIN + 1)
    sums = np.cumsum(ranks, axis=1)
    scores = splits.scores[splits.offset[before] + sums[:, before - 1] - before * (before + 1) // 2]
    clearest = scores.argmax(axis=1)
    row, at = np.arange(len(ranks)), before[clearest]
    alike = _correlation(ranks, sums[row, at - 1], at)
    return scores[row, clearest] * np.sqrt((1 - alike) / (1 + alike)), at


def _correlation(ranks: Ranks, sums: Ranks, at: NDArray[np.int64]) -> Floats:
    """How much each run of int64[series, n] is like the one before it, beyond a step at `at`: float64[series] of 0 and more.

    sums: of the ranks before the step. From differences: where runs depend on each other, those two apart differ by 1 + this
    times as much in square as neighbours. A few more steps hardly move that, as they do a correlation about a mean.
    """
    runs = ranks.shape[1]
    rise = (runs * (runs + 1) // 2 - sums) / (runs - at) - sums / at
    level = ranks - np.where(np.arange(runs) < at[:, np.newaxis], 0, rise[:, np.newaxis])
    near = np.square(level[:, 1:] - level[:, :-1]).mean(axis=1)
    far = np.square(level[:, 2:] - level[:, :-2]).mean(axis=1)
    alike: Floats = np.clip(far / near - 1, 0, CORRELATION_MAX)
    return alike


@lru_cache(maxsize=32)
def _splits(runs: int) -> _Splits:
    """Of each number of runs before a split: the smaller tail of each rank sum, as a normal score of 0 or more."""
    offset, scores = np.zeros(runs + 1, np.int64), list[Floats]()
    for before, chances in enumerate(_rank_sums(runs)):
        offset[before] = sum(len(each) for each in scores)
        tail = np.minimum(np.cumsum(chances), np.cumsum(chances[::-1])[::-1])
        scores.append(stats.norm.isf(np.minimum(tail, 0.5)))
    return _Splits(offset, np.concatenate(scores))


@lru_cache(maxsize=32)
def _rank_sums(total: int) -> list[Floats]:
    """By m: the chances of the rank sum, less its least, of m among `total` values in random order.

    The largest value is among the m with chance m / total, and then exceeds all others: from the distributions of one value less.
    Only positive terms are added, so the far tails are as exact as the middle.
    """
    chances = [np.ones(1)]
    for count in range(1, total + 1):
        longer = []
        for m in range(count + 1):
            others = count - m
            one = np.zeros(m * others + 1)
            if m:
                one[others:] += m / count * chances[m - 1]
            if others:
                one[: m * (others - 1) + 1] += others / count * chances[m]
            longer.append(one)
        chances = longer
    return chances
