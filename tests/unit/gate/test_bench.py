"""Looks at pairs as they come: from which on there is something to judge, and what a look costs."""

from collections import Counter
from collections.abc import Callable

from loadtests.gate.bench import METRICS_OF_PAIRS, GateMeasurements, look
from loadtests.gate.judgement import GateMetric
from loadtests.trials.turn import LoadTrial
from tests.support.gate_pairs import LOAD, SETTINGS, gate_pairs, judged


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
    assert found is not None and [each.count for each in found.metrics] == [8] * len(known)
    at_once = judged(gate_pairs(count=8)).judgement
    assert at_once is not None
    for ours, whole in zip(found.metrics, at_once.metrics, strict=True):
        assert ours.metric == whole.metric and list(ours.observed) == list(whole.observed)


def test_the_first_pairs_say_which_metrics_there_are() -> None:
    measured = GateMeasurements(pairs=gate_pairs(count=METRICS_OF_PAIRS - 1))
    assert look(measured, SETTINGS, LOAD, is_last=True) is None and measured.judgement is None
    measured.pairs.append(gate_pairs(count=METRICS_OF_PAIRS)[-1])
    assert look(measured, SETTINGS, LOAD, is_last=False) is measured.judgement is not None
