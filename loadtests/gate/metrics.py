"""Which metrics pairs have enough of, and each of them as a series. Pure."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests.gate.judgement import GateMetric, Series
from loadtests.gate.pairs import Pair
from loadtests.gate.sides import SideName
from loadtests.recording.histograms import percentiles_us
from loadtests.trials.turn import LoadTrial
from scenarios.domain import Operation
from scenarios.gate_file import GateSettings

QUANTILES = (25.0, 50.0, 75.0, 90.0, 95.0, 99.0)
QUANTILES_OF_ONE = (50.0, 90.0, 99.0)  # of a single operation: each metric more asks more evidence of all
BEYOND_MIN = 3  # responses that every trial is to have beyond a quantile
KINDS = {"writes": True, "reads": False}
SHARE_MIN = 0.1  # of all responses that an operation has, so as to be metrics of its own

OWN_MAX = 0.75  # of its kind's responses: more, and it would say the same twice

Measures = Mapping[GateMetric, Callable[[LoadTrial], float]]
Lanes = NDArray[np.intp]
PairValues = NDArray[np.float64]  # [metrics, 2]: the baseline's and the candidate's, in each metric's unit


def measures_of(settings: GateSettings, groups: Mapping[str, Lanes], pairs: Sequence[Pair], dc_count: int) -> Measures:
    """The family, by what the first pairs have enough of: it is fixed before anything is judged."""
    limits = settings.limits
    found: dict[GateMetric, Callable[[LoadTrial], float]] = {
        GateMetric(
            name="throughput", unit="operations/s", limit=limits.throughput, more_is_worse=False
        ): lambda trial: trial.throughput_per_s,
        GateMetric(name="server CPU", unit="µs/operation", limit=limits.server_cpu): lambda trial: (
            trial.cpu_us_per_operation
        ),
    }
    if dc_count > 1:
        between = GateMetric(name="between DCs", unit="bytes/operation", limit=limits.between_dcs)
        found[between] = lambda trial: trial.wan_bytes_per_operation
    for name, lanes in groups.items():
        fewest = min(int(trial.response[lanes].sum()) for pair in pairs for trial in pair.sides.values())
        for quantile in QUANTILES if name in KINDS else QUANTILES_OF_ONE:
            if fewest * min(quantile, 100 - quantile) / 100 >= BEYOND_MIN:
                limit = limits.response_p99 if quantile > 95 else limits.response
                metric = GateMetric(name=f"{name} p{quantile:g}", unit="ms", limit=limit)
                found[metric] = _quantile_ms(lanes, quantile)
    return found


def groups_of(lanes: Sequence[Operation], writes: frozenset[Operation], pairs: Sequence[Pair]) -> Mapping[str, Lanes]:
    """All writes, all reads, and each operation that is a good part of all, yet not nearly all of its kind: indices of lanes."""
    counts = np.zeros(len(lanes), np.int64)
    for pair in pairs:
        for trial in pair.sides.values():
            counts += trial.response.sum(axis=1)
    groups: dict[str, Lanes] = {}
    for kind, is_write in KINDS.items():
        of_kind = np.flatnonzero([(lane in writes) is is_write for lane in lanes])
        if not counts[of_kind].any():
            continue
        groups[kind] = of_kind
        for lane in of_kind:
            if SHARE_MIN * counts.sum() <= counts[lane] < OWN_MAX * counts[of_kind].sum():
                groups[str(lanes[int(lane)])] = np.array([lane])
    return groups


def values_of(measures: Measures, pair: Pair) -> PairValues:
    """Every metric in one pair: its quantiles are worked out once, however often the gate looks."""
    sides = pair.sides[SideName.BASELINE], pair.sides[SideName.CANDIDATE]
    return np.array([[of(trial) for trial in sides] for of in measures.values()], np.float64)


def series_of(measures: Measures, values: Sequence[PairValues]) -> tuple[Series, ...]:
    """Every metric over all pairs, from the values of each."""
    stacked = np.array(values, np.float64).reshape(len(values), len(measures), 2)
    return tuple(
        Series(metric=metric, baseline=stacked[:, index, 0], candidate=stacked[:, index, 1])
        for index, metric in enumerate(measures)
    )


def _quantile_ms(lanes: Lanes, quantile: float) -> Callable[[LoadTrial], float]:
    return lambda trial: float(percentiles_us(trial.response[lanes].sum(axis=0), quantile)) / 1_000
