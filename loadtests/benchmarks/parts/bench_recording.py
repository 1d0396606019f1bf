"""The ledger: all slots of an estate counted by their state, and two ledgers of the same estate made one."""

from typing import Any

import numpy as np

from loadtests.recording.ledger import Ledger, strengthen

METERS, SLOTS = 20_000, 4 * 48


def ledger(seed: int) -> Ledger:
    made = Ledger.create(None, ["ingest_reading"], METERS, SLOTS)
    made.states[:] = np.random.default_rng(seed).integers(0, 256, made.states.shape, np.uint8)
    return made


def test_states_are_counted(benchmark: Any) -> None:
    counted = ledger(1)
    benchmark(lambda: counted.counts(0))


def test_ledgers_are_merged(benchmark: Any) -> None:
    ours, theirs = ledger(1), ledger(2)
    benchmark(lambda: strengthen(ours.states.reshape(-1), theirs.states.reshape(-1)))
