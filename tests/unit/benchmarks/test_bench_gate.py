"""The gates that are simulated judge the family that a real gate judges."""

import numpy as np

from loadtests.benchmarks.bench_gate import FAMILY, SETTINGS, none_failed
from loadtests.gate.judgement import Series, judge
from tests.support.gate_pairs import gate_pairs, judged


def test_simulated_gates_have_the_metrics_of_real_pairs_and_the_failures_beside_them() -> None:
    real = judged(gate_pairs(count=6)).judgement
    assert real is not None and real.failures is not None
    assert [each.metric.name for each in real.metrics] == [each.name for each in FAMILY]
    ones = np.ones(6)
    simulated = judge(
        [Series(metric=each, baseline=ones, candidate=ones) for each in FAMILY],
        SETTINGS,
        is_last=False,
        failures=none_failed(6),
    )
    assert {each.family for each in simulated.metrics} == {each.family for each in real.metrics}
