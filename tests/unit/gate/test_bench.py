"""The course of a gate, with what nodes would do played: what ends it, what is looked at, and what a look costs."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.cluster import machine
from loadtests.errors import HarnessError
from loadtests.gate import bench
from loadtests.gate.bench import METRICS_OF_PAIRS, GateMeasurements, look, measure_sides
from loadtests.gate.exact import Chance
from loadtests.gate.judgement import GateJudgement, GateMetric
from loadtests.gate.pairs import Pair
from loadtests.gate.sides import GateSide, SideName
from loadtests.gate.traced_reads import TracedReads
from loadtests.trials.facts import TableDifference
from loadtests.trials.turn import Bench, LoadTrial, TrialSize
from scenarios.gate_file import Effort, GateSettings
from tests.support.gate_pairs import LANES, LOAD, SCENARIO, SETTINGS, gate_pairs, judged

SAME = TableDifference(table="events_by_home", dc="north", rows=10, missing=0, extra=0, altered=0, examples=())
LOST = TableDifference(table="events_by_home", dc="north", rows=10, missing=1, extra=0, altered=0, examples=())


@dataclass
class Nodes:
    """What the nodes of both sides do, and what was asked of them."""

    facts: Iterator[TableDifference]
    pairs: list[Pair] = field(default_factory=lambda: gate_pairs(count=60))
    sent_once: bool = True
    are_traced: bool = True
    dead: str = ""
    fails: BaseException | None = None  # before the third pair
    done: list[str] = field(default_factory=list)

    def require_alive(self) -> None:
        if self.dead:
            raise HarnessError(self.dead)

    def benches(self, *_: object) -> dict[SideName, Bench]:
        load = SimpleNamespace(
            sample=[0] * 9, keyspace="k", lanes=LANES, writes=LOAD.writes, scenario=SCENARIO, name="a side"
        )
        one = SimpleNamespace(cluster=self, load=load, counters=SimpleNamespace(settle=lambda: None))
        return {name: cast(Bench, one) for name in SideName}

    def filled(self, _: object) -> bool:
        self.done.append("fill")
        return self.sent_once

    def traced(self, *_: object) -> TracedReads:
        return TracedReads(counts={("r: rows read", "rows"): 48}, are_whole=self.are_traced)

    def compared(self, *_: object) -> tuple[TableDifference, ...]:
        self.done.append("compare")
        return (next(self.facts),)

    def measured(
        self, _benches: object, _size: object, _seed: int, is_enough: Callable[[list[Pair]], bool], pairs: list[Pair]
    ) -> None:
        for pair in self.pairs:
            if self.fails is not None and pair.index == 2:
                raise self.fails
            pairs.append(pair)
            if is_enough(pairs):
                break
        self.done.append(f"{len(pairs)} pairs")


def course(
    nodes: Nodes,
    monkeypatch: pytest.MonkeyPatch,
    settings: GateSettings = SETTINGS,
    seconds: Iterator[float] | None = None,
) -> tuple[GateMeasurements, list[GateJudgement]]:
    """A gate on such nodes: what it measured, and its looks. seconds: of each time the clock is looked at."""
    monkeypatch.setattr(bench, "_benches", nodes.benches)
    monkeypatch.setattr(bench, "touched", lambda *_: {("t: writes by replicas", "writes"): len(nodes.done)})
    monkeypatch.setattr(bench, "request_counts", lambda _: {})
    monkeypatch.setattr(bench, "read_by_operation", nodes.traced)
    monkeypatch.setattr(bench, "fill", nodes.filled)
    monkeypatch.setattr(bench, "compare_facts", nodes.compared)
    monkeypatch.setattr(bench, "warm", lambda *_: dict.fromkeys(SideName, 1000.0))
    monkeypatch.setattr(bench, "trial_size", lambda *_: TrialSize(count=1, rate_per_s=1.0, seconds=1.0))
    monkeypatch.setattr(bench, "measure", nodes.measured)
    measured, looks = GateMeasurements(), list[GateJudgement]()
    measure_sides(
        {name: GateSide(name=name, told="", scenario=SCENARIO) for name in SideName},
        settings,
        Path("nowhere"),
        measured,
        lambda _: None,
        lambda judgement, _: looks.append(judgement),
        memory_mib=8_000,
        clock=lambda: 0.0 if seconds is None else next(seconds),
    )
    return measured, looks


def test_facts_are_compared_after_the_filling_and_after_the_last_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(facts=iter([SAME, SAME]))
    measured, looks = course(nodes, monkeypatch)
    assert nodes.done == ["fill", "fill", "compare", f"{len(measured.pairs)} pairs", "compare"]
    assert measured.facts_at == "after the last pair" and looks[-1].is_final and not looks[-2].is_final
    assert len(looks) == len(measured.pairs) - METRICS_OF_PAIRS + 1
    assert [(each.name, each.baseline, each.candidate, each.chance) for each in measured.counters][1:] == [
        ("r: rows read", 48, 48, None)
    ]
    assert measured.counters[0].chance is None


def test_facts_that_differ_after_the_filling_end_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(facts=iter([LOST]))
    measured, looks = course(nodes, monkeypatch)
    assert nodes.done == ["fill", "fill", "compare"] and measured.altered == (LOST,) and looks == []
    late = Nodes(facts=iter([SAME, LOST]))
    assert course(late, monkeypatch)[0].altered == (LOST,)


def test_operations_that_were_sent_again_leave_no_counter_of_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, _ = course(Nodes(facts=iter([SAME, SAME]), sent_once=False), monkeypatch)
    assert [each.chance for each in measured.counters] == [Chance.SENT_AGAIN, None]


def test_reads_that_were_not_all_traced_leave_no_counter_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, _ = course(Nodes(facts=iter([SAME, SAME]), are_traced=False), monkeypatch)
    assert [each.chance for each in measured.counters] == [None, Chance.UNTRACED]


def test_pairs_and_minutes_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    open_pairs = gate_pairs(1.07, count=60)  # neither shown to matter nor to be less in few pairs
    few = GateSettings(effort=Effort(pairs_max=6))
    measured, looks = course(Nodes(facts=iter([SAME, SAME]), pairs=open_pairs), monkeypatch, few)
    assert len(measured.pairs) == 6 and looks[-1].is_final
    short = GateSettings(effort=Effort(minutes_max=1.0))
    seconds = iter([0.0, *(20.0 * number for number in range(1, 60))])  # from the start, then at each pair
    measured, looks = course(Nodes(facts=iter([SAME, SAME]), pairs=open_pairs), monkeypatch, short, seconds)
    assert len(measured.pairs) == 3 and looks[-1].is_final


@pytest.mark.parametrize("error", [HarnessError("a node does not tell its counters"), OSError(3, "No such process")])
def test_a_node_that_died_is_named_whatever_was_met_first(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = "node north-1 died (signal SIGKILL)"
    with pytest.raises(HarnessError, match=r"node north-1 died \(signal SIGKILL\)"):
        course(Nodes(facts=iter([SAME]), fails=error, dead=died), monkeypatch)
    with pytest.raises(type(error), match=str(error.args[-1])):
        course(Nodes(facts=iter([SAME]), fails=error), monkeypatch)


def test_a_node_that_died_of_a_full_disk_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_disk_mib", lambda _: 3)
    with pytest.raises(HarnessError, match=r"node north-1 died; the disk of nowhere is full, 3 MiB are left"):
        course(Nodes(facts=iter([SAME]), fails=HarnessError("no answer"), dead="node north-1 died"), monkeypatch)
    with pytest.raises(HarnessError, match=r"^no answer$"):
        course(Nodes(facts=iter([SAME]), fails=HarnessError("no answer")), monkeypatch)


def test_each_pair_is_worked_out_once_however_often_the_gate_looks() -> None:
    pairs = gate_pairs(count=8)
    asked: Counter[str] = Counter()
    measured = GateMeasurements(pairs=pairs[:METRICS_OF_PAIRS])
    look(measured, SETTINGS, LOAD, is_last=False)

    def counting(metric: GateMetric) -> Callable[[LoadTrial], float]:
        def of(trial: LoadTrial) -> float:
            asked[metric.name] += 1
            return known[metric](trial)

        return of

    known = measured.measures
    measured.measures = {metric: counting(metric) for metric in known}
    for pair in pairs[METRICS_OF_PAIRS:]:
        measured.pairs.append(pair)
        found = look(measured, SETTINGS, LOAD, is_last=False)
    assert set(asked.values()) == {2 * (8 - METRICS_OF_PAIRS)}  # each side of each new pair
    at_once = judged(gate_pairs(count=8)).judgement
    assert found is not None and at_once is not None
    assert [each.count for each in found.metrics] == [8] * len(known)
    for ours, whole in zip(found.metrics, at_once.metrics, strict=True):
        assert ours.metric == whole.metric and list(ours.observed) == list(whole.observed)


def test_the_first_pairs_say_which_metrics_there_are() -> None:
    measured = GateMeasurements(pairs=gate_pairs(count=METRICS_OF_PAIRS - 1))
    assert look(measured, SETTINGS, LOAD, is_last=True) is None and measured.judgement is None
    measured.pairs.append(gate_pairs(count=METRICS_OF_PAIRS)[-1])
    assert look(measured, SETTINGS, LOAD, is_last=False) is measured.judgement is not None
