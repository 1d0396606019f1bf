"""What a node refuses of a design is the user's to mend; which designs race on; a node that died is named."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cassandra import InvalidRequest
from cassandra.protocol import ConfigurationException

from loadtests.errors import HarnessError
from loadtests.tournament import bench
from loadtests.tournament.bench import TournamentEffort, TournamentMeasurements, hold_tournament, load_of, rounds_within
from loadtests.tournament.entrants import Entrant, entrants_of
from loadtests.trials.facts import TableDifference
from loadtests.trials.turn import LoadTrial, TrialSize
from scenarios.spec import ScenarioError
from scenarios.variant_file import PLAIN, variants_named
from store.ports import StoreError
from tests.support.gate_pairs import SCENARIO, trial

ENTRANTS = entrants_of(SCENARIO, variants_named("textbook"))
NOTHING: Any = SimpleNamespace()


def raised_by(cause: Exception) -> StoreError:
    error = StoreError("the schema could not be created")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "name", "told"),
    [
        (InvalidRequest("Order by is only supported on clustering columns"), "textbook", ScenarioError),
        (raised_by(ConfigurationException(0, "no such compaction class", "")), "textbook", ScenarioError),
        (raised_by(OSError("the node is gone")), "textbook", StoreError),
        (raised_by(InvalidRequest("a statement of ours")), PLAIN, StoreError),
    ],
)
def test_a_refusal_of_a_designs_cql_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, error: Exception, name: str, told: type[Exception]
) -> None:
    def make_load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(bench, "make_load", make_load)
    with pytest.raises(
        told, match="variant textbook: Cassandra refuses its CQL: .*" if told is ScenarioError else None
    ):
        load_of(ENTRANTS[name], NOTHING, NOTHING, NOTHING)


def test_a_node_that_died_is_named_whatever_was_met_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def died() -> None:
        raise HarnessError("node north-1 died (signal SIGKILL)")

    def counters(_: object) -> None:
        raise OSError(3, "No such process")

    cluster = SimpleNamespace(record=SimpleNamespace(cassandra="5"), require_alive=died)
    monkeypatch.setattr(bench.LocalCluster, "start", lambda *_, **__: nullcontext(cluster))
    monkeypatch.setattr(bench, "NodeCounters", counters)
    with pytest.raises(HarnessError, match=r"node north-1 died \(signal SIGKILL\)"):
        hold(ENTRANTS, TournamentMeasurements(), tmp_path, rounds_max=5)


def hold(
    entrants: Mapping[str, Entrant], measured: TournamentMeasurements, folder: Path, *, rounds_max: int
) -> list[str]:
    """Hold a tournament of so many rounds at most, and give what it tells meanwhile."""
    told: list[str] = []
    effort = TournamentEffort(rounds_max=rounds_max, minutes_max=1.0, seconds=1.0, warm_s=0.0, false_alarm=0.01)
    hold_tournament(
        entrants, effort, folder, measured, told.append, lambda: None, years=5, heap_mib=512, clock=lambda: 0.0
    )
    return told


def race(monkeypatch: pytest.MonkeyPatch, costs: Mapping[str, float], wrong: str = "") -> TournamentMeasurements:
    """Twenty rounds at most of designs whose operations cost the nodes so much. wrong: one that lost facts."""
    random = np.random.default_rng(11)
    cluster = SimpleNamespace(record=SimpleNamespace(cassandra="5"), require_alive=lambda: None, endpoint=lambda: None)
    loads = {
        name: SimpleNamespace(name=name, keyspace=name, sample=[0], lanes=(), writes=frozenset(), write_count=1)
        for name in costs
    }
    difference = TableDifference(table="t", dc="north", rows=9, missing=1, extra=0, altered=0, examples=())

    def turns(benches: object, names: tuple[str, ...], *_: object, **__: object) -> dict[str, LoadTrial]:
        return {name: trial(costs[name], random=random) for name in names}

    counters = SimpleNamespace(read_work=dict)
    monkeypatch.setattr(bench.LocalCluster, "start", lambda *_, **__: nullcontext(cluster))
    monkeypatch.setattr(bench, "NodeCounters", lambda _: nullcontext(counters))
    monkeypatch.setattr(bench, "connect", lambda _: (SimpleNamespace(shutdown=lambda: None), None))
    monkeypatch.setattr(bench, "load_of", lambda entrant, *_: loads[entrant.name])
    monkeypatch.setattr(bench, "write_growing", lambda *_: ())
    monkeypatch.setattr(bench, "_fill", lambda *_: None)
    monkeypatch.setattr(bench, "_proven", lambda entrant, *_: (difference,) if entrant.name == wrong else ())
    monkeypatch.setattr(bench, "warm", lambda benches, *_: dict.fromkeys(benches, 1000.0))
    monkeypatch.setattr(bench, "trial_size", lambda *_: TrialSize(count=1, rate_per_s=1.0, seconds=1.0))
    monkeypatch.setattr(bench, "take_turns", turns)
    entrants = {name: replace(ENTRANTS[PLAIN], name=name) for name in costs}
    measured = TournamentMeasurements()
    hold(entrants, measured, Path("nowhere"), rounds_max=20)
    return measured


def test_a_race_goes_on_without_those_that_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dear one leaves as soon as it is shown to cost more, and the two that are alike race on to the last round."""
    measured = race(monkeypatch, {PLAIN: 1.0, "alike": 1.0, "dear": 3.0})
    assert set(measured.left_out_after) == {"dear"}
    last = measured.left_out_after["dear"]
    assert bench.FULL_ROUNDS <= last < 20
    takers = [sorted(each) for each in measured.rounds]
    assert takers == [sorted([PLAIN, "alike", "dear"])] * last + [sorted([PLAIN, "alike"])] * (20 - last)


def test_a_race_ends_with_one_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = race(monkeypatch, {PLAIN: 1.0, "dear": 3.0})
    assert len(measured.rounds) == measured.left_out_after["dear"] < 20


def test_a_design_that_lost_facts_takes_part_in_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = race(monkeypatch, {PLAIN: 1.0, "alike": 1.0, "lossy": 0.5}, wrong="lossy")
    assert measured.disqualified == ("lossy",) and measured.left_out_after == {}
    assert [sorted(each) for each in measured.rounds] == [sorted([PLAIN, "alike"])] * 20
    alone = race(monkeypatch, {PLAIN: 1.0, "lossy": 0.5}, wrong="lossy")
    assert alone.rounds == [] and alone.size is None  # nor is the plain design warmed for nothing


def test_what_is_sent_once_may_be_spent_before_the_rounds_are() -> None:
    effort = TournamentEffort(rounds_max=20, minutes_max=1.0, seconds=1.0, warm_s=0.0, false_alarm=0.01)
    size = TrialSize(count=300, rate_per_s=100.0, seconds=1.0)
    assert rounds_within(effort, size, 10) == 20  # over and over
    once = replace(size, is_once=True)
    assert rounds_within(effort, once, 4_000) == 10 and rounds_within(effort, once, 400_000) == 20
    with pytest.raises(ScenarioError, match=r"1,999 operations for its rounds, and a round sends 400 of them once"):
        rounds_within(effort, once, 1_999)
