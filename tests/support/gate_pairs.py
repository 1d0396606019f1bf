"""Pairs of a gate as if they had been measured, from a seed: what the gate makes of them is tested without nodes."""

from functools import cache
from types import SimpleNamespace
from typing import cast

import numpy as np

from loadtests.gate.bench import GateMeasurements, look
from loadtests.gate.pairs import Pair
from loadtests.gate.sides import SideName
from loadtests.recording.histograms import counts_of
from loadtests.trials.load import SampleLoad
from loadtests.trials.turn import LoadTrial
from scenarios.domain import Operation
from scenarios.gate_file import GateSettings
from scenarios.spec import parse_scenario

SETTINGS = GateSettings()
PAIRS = 60
SCENARIO = parse_scenario(
    """
title = "A <b>small</b> store | with *signs*"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
""",
    "test",
)
LANES = (Operation.INGEST_READING, Operation.READ_USAGE_MONTH)
LOAD = cast(SampleLoad, SimpleNamespace(lanes=LANES, writes=frozenset({Operation.INGEST_READING}), scenario=SCENARIO))


def trial(slower: float = 1.0, *, random: np.random.Generator) -> LoadTrial:
    """A side that takes `slower` times as long for everything."""
    noise = np.exp(random.normal(0, 0.02, 3))
    times_us = [slower * noise[0] * random.lognormal(7, 0.3, size) for size in (400, 400)]
    return LoadTrial(
        throughput_per_s=1_000 / slower * noise[1],
        cpu_us_per_operation=500 * slower * noise[2],
        wan_bytes_per_operation=0.0,
        readings_per_operation=10.0,
        response=np.stack([counts_of(times) for times in times_us]),
        offered=1_000,
        ok=1_000,
        errors={},
        late_p99_ms=1.0,
        stalled_share=0.0,
        cpu_share=0.2,
    )


def gate_pairs(slower: float = 1.0, count: int = 40) -> list[Pair]:
    """The first pairs, 60 at most, of a candidate that is `slower`."""
    assert count <= PAIRS
    return list(_pairs(slower)[:count])


@cache
def _pairs(slower: float) -> tuple[Pair, ...]:
    random = np.random.default_rng(9)
    return tuple(
        Pair(
            index=index,
            first=SideName.BASELINE,
            at_s=float(index),
            sides={SideName.BASELINE: trial(random=random), SideName.CANDIDATE: trial(slower, random=random)},
        )
        for index in range(PAIRS)
    )


def judged(pairs: list[Pair]) -> GateMeasurements:
    """What a gate has measured after its last pair."""
    measured = GateMeasurements(pairs=pairs)
    look(measured, SETTINGS, LOAD, is_last=True)
    return measured
