"""Votes and verdicts of series worked by hand: who sees what, and what of it moves the verdict."""

from datetime import timedelta

import numpy as np
import pytest

from loadtests.stats.change_points import ChangePoint
from loadtests.stats.estimates import Floats
from meterstorm.outcomes.gate_history import HistoryRules, judge_history, judge_series
from reports.gate_history.past import History, Metric, Past, SeriesOfRuns
from reports.results.gate_history import Better, FoundChange, HistorySeries, Meaning, Vote, Voter
from reports.results.parts import Verdict
from tests.support.past_runs import FIRST, MACHINE, levels, run_name

P99 = Metric("ingest_reading", "p99", "ms", Better.LOWER)
JUDGED = HistoryRules(error=0.01, effect_min=0.05, newest=12)


def past(index: int, **changes: object) -> Past:
    fields = {
        "name": run_name(index),
        "title": "test",
        "started": FIRST + timedelta(days=index),
        "machine": MACHINE,
        "versions": {"cassandra": "5.0.8" if index < 30 else "5.0.9"},
        "load": {},
        "values": {},
    }
    return Past(**(fields | changes))  # type: ignore[arg-type]


def looked_at(
    values: Floats,
    ranks: list[int],
    otava: list[int] | None,
    *,
    metric: Metric = P99,
    newest_left_out: str | None = None,
    faulty_facts: int = 0,
) -> tuple[HistorySeries, Verdict, tuple[str, ...]]:
    runs = tuple(
        past(index, faulty_facts=faulty_facts if index == len(values) - 1 else 0) for index in range(len(values))
    )
    series = SeriesOfRuns(metric=metric, runs=tuple(range(len(values))), values=values)
    history = History(source="runs", runs=runs, series=(series,), notes=(), newest_left_out=newest_left_out)
    judged = judge_series(history, series, [ChangePoint(index, 1e-5) for index in ranks], otava, JUDGED)
    verdict, reasons = judge_history(history, [judged], JUDGED, None if otava is not None else "it is not there")
    return judged, verdict, reasons


def only(series: HistorySeries) -> FoundChange:
    (change,) = series.changes
    return change


def test_what_both_see_is_a_change_and_fails_the_newest_runs() -> None:
    series, verdict, reasons = looked_at(levels((30, 10.0), (10, 12.0)), [30], [31])
    change = only(series)
    assert (change.vote, change.meaning, change.is_newest) == (Vote.CHANGE, Meaning.WORSE, True)
    assert (change.run, change.otava_run) == (run_name(30), run_name(31))
    assert change.before == (run_name(27), run_name(28), run_name(29)) and change.after[0] == run_name(31)
    assert change.shift.value == pytest.approx(1.2, rel=0.01) and change.shift.low < 1.2 < change.shift.high
    assert change.other_versions == ("cassandra from 5.0.8 to 5.0.9",)
    assert verdict is Verdict.FAIL
    assert "ingest_reading p99: worse since nightly-030, +20.0 %" in reasons[0] and "seen by both" in reasons[0]


@pytest.mark.parametrize(
    ("ranks", "otava", "voter", "verdict"),
    [
        ([30], [], Voter.RANKS, Verdict.INCONCLUSIVE),
        ([30], None, Voter.RANKS, Verdict.INCONCLUSIVE),
        ([], [30], Voter.OTAVA, Verdict.PASS),
        ([30], [34], Voter.RANKS, Verdict.INCONCLUSIVE),
    ],
    ids=["ranks alone", "Otava is not there", "Otava alone", "too far apart"],
)
def test_what_one_sees_is_suspected_and_fails_nothing(
    ranks: list[int], otava: list[int] | None, voter: Voter, verdict: Verdict
) -> None:
    series, said, reasons = looked_at(levels((30, 10.0), (10, 12.0)), ranks, otava)
    assert series.changes[0].vote is Vote.SUSPECTED and series.changes[0].voters == (voter,)
    assert said is verdict
    assert any("alone" in reason for reason in reasons)
    assert any("Only one detector voted. Otava did not: it is not there." in reason for reason in reasons) == (
        otava is None
    )


def test_nothing_found_is_a_pass() -> None:
    series, verdict, reasons = looked_at(levels((40, 10.0)), [], [])
    assert series.changes == () and verdict is Verdict.PASS
    assert reasons == ("No metric is worse since any of the newest 12 runs.",)


def test_what_otava_alone_adds_later_hides_no_change() -> None:
    values = levels((30, 10.0), (10, 12.0))
    series, verdict, _ = looked_at(values, [30], [30, 37])
    assert series.changes[0].shift == only(looked_at(values, [30], [30])[0]).shift
    assert verdict is Verdict.FAIL


def test_a_change_of_long_ago_is_history() -> None:
    series, verdict, _ = looked_at(levels((20, 10.0), (20, 12.0)), [20], [20])
    assert only(series).vote is Vote.CHANGE and not only(series).is_newest and verdict is Verdict.PASS


def test_what_was_mended_since_is_history() -> None:
    series, verdict, _ = looked_at(levels((30, 10.0), (5, 12.0), (5, 10.0)), [30, 35], [30, 35])
    assert [change.meaning for change in series.changes] == [Meaning.WORSE, Meaning.BETTER]
    assert [change.is_newest for change in series.changes] == [False, True] and verdict is Verdict.PASS


def test_what_was_mended_in_part_still_fails() -> None:
    series, verdict, _ = looked_at(levels((30, 10.0), (5, 14.0), (5, 12.0)), [30, 35], [30, 35])
    assert [change.is_newest for change in series.changes] == [True, True] and verdict is Verdict.FAIL


def test_a_change_for_the_better_passes_and_is_told() -> None:
    series, verdict, reasons = looked_at(levels((30, 12.0), (10, 10.0)), [30], [30])
    assert only(series).meaning is Meaning.BETTER and verdict is Verdict.PASS
    assert any("better since nightly-030" in reason for reason in reasons)


def test_more_of_what_is_better_higher_is_no_harm() -> None:
    rate = Metric("ingest_reading", "rate", "operations/s", Better.HIGHER)
    assert only(looked_at(levels((30, 10.0), (10, 12.0)), [30], [30], metric=rate)[0]).meaning is Meaning.BETTER
    assert looked_at(levels((30, 10.0), (10, 8.0)), [30], [30], metric=rate)[1] is Verdict.FAIL


def test_a_figure_of_unknown_meaning_fails_nothing() -> None:
    figure = Metric("bench", "ratio", "", Better.UNKNOWN)
    series, verdict, _ = looked_at(levels((30, 10.0), (10, 12.0)), [30], [30], metric=figure)
    assert only(series).meaning is Meaning.UNKNOWN and verdict is Verdict.PASS


def test_a_change_too_small_to_matter_fails_nothing() -> None:
    series, verdict, _ = looked_at(levels((30, 10.0), (10, 10.4)), [30], [30])
    assert not only(series).is_relevant and verdict is Verdict.PASS


def test_errors_where_there_were_none_matter_and_have_no_ratio() -> None:
    series, verdict, _ = looked_at(np.concatenate([np.zeros(30), np.full(10, 0.02)]), [30], [30])
    shift = only(series).shift
    assert not shift.is_ratio and (shift.value, shift.low, shift.high) == (0.02, 0.02, 0.02)
    assert only(series).is_relevant and verdict is Verdict.FAIL


def test_a_newest_run_that_lost_facts_fails_whatever_its_speed() -> None:
    _, verdict, reasons = looked_at(levels((40, 10.0)), [], [], faulty_facts=2)
    assert verdict is Verdict.FAIL and "nightly-039, lost or altered 2 acknowledged facts" in reasons[0]


def test_a_newest_run_that_can_not_be_judged_is_no_pass() -> None:
    _, verdict, reasons = looked_at(levels((40, 10.0)), [], [], newest_left_out="nightly-040")
    assert verdict is Verdict.INCONCLUSIVE and "nightly-040, is inconclusive itself" in reasons[0]


def test_so_few_runs_that_nothing_could_be_seen_are_no_pass() -> None:
    series, verdict, reasons = looked_at(levels((7, 10.0)), [], [])
    assert series.earliest_seen is None and series.smallest_share is None
    assert verdict is Verdict.INCONCLUSIVE and "7 runs are too few" in reasons[0]


def test_what_could_have_been_seen_is_said() -> None:
    series, _, _ = looked_at(levels((40, 10.0)), [], [])
    assert series.spread_share == pytest.approx(0.006, abs=0.003)
    assert series.earliest_seen is not None and series.smallest_share is not None
    assert series.spread_share < series.smallest_share < 0.1
