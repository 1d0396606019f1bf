"""From a history's series, and where each detector sees a change, to what is told and the verdict. Pure.

Rules that hold here:
- Both detectors see it: a change. One of them: suspected.
- Only the ranks state their error, so only they can move the verdict: with Otava's vote to a fail, without it to inconclusive.
  What Otava alone suspects is told, and moves nothing.
- Only changes among the newest runs count, and of those that were mended since none: what has been the level for long is history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.stats.change_points import (
    LASTING_MIN,
    ChangePoint,
    earliest_seen,
    level_shift,
    runs_needed,
    smallest_step,
    spread_of,
)
from loadtests.stats.estimates import Floats
from reports.gate_history.past import History, SeriesOfRuns
from reports.gate_history.words import change_sentence
from reports.results.gate_history import Better, FoundChange, HistorySeries, Meaning, PastRun, Shift, Vote, Voter
from reports.results.parts import Verdict
from scenarios.texts import wording

NEAR = LASTING_MIN  # runs that the detectors' first runs of one change may lie apart
BESIDE = 3  # runs that are named on each side of a change


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRules:
    """What is asked of every series. error: of one series; effect_min: share of a level; newest: runs."""

    error: float
    effect_min: float
    newest: int


def judge_series(
    history: History,
    series: SeriesOfRuns,
    ranks: Sequence[ChangePoint],
    otava: Sequence[int] | None,
    judged: HistoryRules,
) -> HistorySeries:
    """One series with its changes. otava: the first runs of its new levels as Otava sees them; None: it was not asked."""
    values = series.values
    matched = _matched(ranks, otava or ())
    of_ranks = [each.index for each in ranks]
    changes = []
    for index in sorted(matched):
        point, seen = matched[index]
        start, stop = _level_about(index, of_ranks if point is not None else sorted(matched), len(values))
        changes.append(_found(history, series, (start, index, stop), point, seen, judged))
    decisive = _decisive(history, series, changes, of_ranks, judged)
    changes = [each.model_copy(update={"is_newest": each.index in decisive}) for each in changes]
    spread, level = spread_of(values, of_ranks), float(np.median(values[of_ranks[-1] if of_ranks else 0 :]))
    half = max(min(judged.newest, len(values)) // 2, LASTING_MIN)
    can_see = earliest_seen(len(values), judged.error)
    smallest = None if can_see is None else smallest_step(spread, len(values), half, judged.error)
    return HistorySeries(
        operation=series.metric.operation,
        metric=series.metric.name,
        unit=series.metric.unit,
        better=series.metric.better,
        runs=series.runs,
        values=tuple(values.tolist()),
        spread_share=spread / abs(level) if level else None,
        earliest_seen=can_see,
        smallest_share=None if smallest is None or not level else smallest / abs(level),
        changes=tuple(changes),
    )


def judge_history(
    history: History, series: Sequence[HistorySeries], judged: HistoryRules, otava_missing: str | None
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict about the newest runs, and its reasons in sentences, the worst first."""
    newest = history.runs[-1]
    fails, doubts, told = [], [], []
    if newest.faulty_facts:
        fails.append(
            f"The newest run, {newest.name}, lost or altered {wording.counted(newest.faulty_facts, 'acknowledged fact')}."
        )
    if history.newest_left_out is not None:
        doubts.append(
            f"The newest run, {history.newest_left_out}, is inconclusive itself: it says nothing of what is new."
        )
    if not any(each.earliest_seen for each in series):
        doubts.append(
            f"{wording.counted(len(history.runs), 'run')} are too few for any change to be told from chance, as surely as "
            f"is asked: it takes {runs_needed(judged.error)}."
        )
    for each in series:
        for change in each.changes:
            if not (change.is_newest and change.is_relevant):
                continue
            sentence = change_sentence(each, change)
            if change.meaning is not Meaning.WORSE or Voter.RANKS not in change.voters:
                told.append(sentence)
            elif change.vote is Vote.CHANGE:
                fails.append(sentence)
            else:
                doubts.append(sentence)
    if otava_missing is not None:
        told.append(f"Only one detector voted. Otava did not: {otava_missing}.")
    verdict = Verdict.FAIL if fails else Verdict.INCONCLUSIVE if doubts else Verdict.PASS
    if verdict is Verdict.PASS:
        told.insert(0, f"No metric is worse since any of the newest {min(judged.newest, len(history.runs))} runs.")
    return verdict, (*fails, *doubts, *told)


def past_runs(history: History) -> tuple[PastRun, ...]:
    """The runs as results name them."""
    return tuple(
        PastRun(name=run.name, started=run.started, versions=run.versions, verdict=run.verdict) for run in history.runs
    )


def _matched(ranks: Sequence[ChangePoint], otava: Sequence[int]) -> Mapping[int, tuple[ChangePoint | None, int | None]]:
    """By the first run of the new level: who sees it there. Otava's nearest one within `NEAR` runs is the same change."""
    left = list(otava)
    matched: dict[int, tuple[ChangePoint | None, int | None]] = {}
    for point in sorted(ranks, key=lambda each: each.p_value):
        nearest = min(left, key=lambda index: abs(index - point.index), default=None)
        if nearest is not None and abs(nearest - point.index) <= NEAR:
            left.remove(nearest)
            matched[point.index] = (point, nearest)
        else:
            matched[point.index] = (point, None)
    for index in left:
        matched.setdefault(index, (None, index))
    return matched


def _level_about(index: int, changes: Sequence[int], count: int) -> tuple[int, int]:
    """Where the level before a change begins, and where the one after it ends."""
    start = max((each for each in changes if each < index), default=0)
    return start, min((each for each in changes if each > index), default=count)


def _decisive(
    history: History,
    series: SeriesOfRuns,
    changes: Sequence[FoundChange],
    of_ranks: Sequence[int],
    judged: HistoryRules,
) -> set[int]:
    """Which changes the verdict is about: the ranks' latest among the newest runs, or where that one only mended a part of the
    worse that came among them, that; and Otava's latest, if it alone sees it."""

    def latest(found: Sequence[FoundChange]) -> list[FoundChange]:
        first = len(history.runs) - judged.newest
        return [each for each in found if series.runs[each.index] >= first]

    ours = latest([each for each in changes if Voter.RANKS in each.voters])
    theirs = latest([each for each in changes if Voter.RANKS not in each.voters][-1:])
    decisive = {each.index for each in [*ours[-1:], *theirs]}
    worse = [each for each in ours if each.meaning is Meaning.WORSE]
    if worse and ours[-1].meaning is not Meaning.WORSE:
        start, _ = _level_about(ours[0].index, of_ranks, len(series.values))
        net = _shift(series.values[start : ours[0].index], series.values[of_ranks[-1] :])
        if _meaning(series.metric.better, net) is Meaning.WORSE and _is_relevant(
            net, ours[0].level_before, judged.effect_min
        ):
            decisive.add(worse[-1].index)
    return decisive


def _found(
    history: History,
    series: SeriesOfRuns,
    span: tuple[int, int, int],
    point: ChangePoint | None,
    otava: int | None,
    judged: HistoryRules,
) -> FoundChange:
    """span: where the old level begins, where the new one does and where that ends."""
    start, index, stop = span
    names = [history.runs[run].name for run in series.runs]
    before, after = series.values[start:index], series.values[index:stop]
    shift = _shift(before, after)
    voters = [voter for voter, saw in ((Voter.RANKS, point), (Voter.OTAVA, otava)) if saw is not None]
    first, last = history.runs[series.runs[index]], history.runs[series.runs[index - 1]]
    return FoundChange(
        run=first.name,
        index=index,
        started=first.started,
        before=tuple(names[max(index - BESIDE, 0) : index]),
        after=tuple(names[index + 1 : index + 1 + BESIDE]),
        vote=Vote.CHANGE if len(voters) > 1 else Vote.SUSPECTED,
        voters=tuple(voters),
        otava_run=None if otava is None else names[otava],
        p_value=None if point is None else point.p_value,
        level_before=float(np.median(before)),
        level_after=float(np.median(after)),
        shift=shift,
        meaning=_meaning(series.metric.better, shift),
        is_relevant=_is_relevant(shift, float(np.median(before)), judged.effect_min),
        is_newest=False,
        other_versions=_other_versions(last.versions, first.versions),
    )


def _shift(before: Floats, after: Floats) -> Shift:
    """As a ratio where there is one: of all values above zero."""
    is_ratio = bool(before.min() > 0 and after.min() > 0)
    found = level_shift(np.log(before), np.log(after)) if is_ratio else level_shift(before, after)
    value, low, high = (float(np.exp(each)) if is_ratio else each for each in (found.mean, found.low, found.high))
    return Shift(value=value, low=low, high=high, confidence=found.confidence, is_ratio=is_ratio)


def _meaning(better: Better, shift: Shift) -> Meaning:
    rose = shift.value > (1 if shift.is_ratio else 0)
    if better is Better.UNKNOWN:
        return Meaning.UNKNOWN
    return Meaning.WORSE if rose is (better is Better.LOWER) else Meaning.BETTER


def _is_relevant(shift: Shift, level: float, effect_min: float) -> bool:
    """Anything matters where there was nothing before."""
    change = shift.value - 1 if shift.is_ratio else (shift.value / abs(level) if level else np.inf)
    return bool(abs(change) >= effect_min)


def _other_versions(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{name} from {before.get(name, 'none')} to {after.get(name, 'none')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )
