"""The sample over the wire, in a closed or an open loop, and what was recorded of it by second."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from loadtests.recording.histograms import COUNTS_SIZE, Counts
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.workload.poisson_source import SteadySource

if TYPE_CHECKING:
    from loadtests.trials.load import SampleLoad

IN_FLIGHT = 256  # of a closed loop: enough to keep a cluster on this machine busy, few enough not to measure its queues
DRAIN_S_MAX = 20.0


class Seconds(list[IntervalSnapshot]):
    """Collects the seconds of an engine's run: give its `append` as `on_interval`."""

    def response(self, lanes: Sequence[bool]) -> Counts:
        """The response times of the chosen lanes: int64[COUNTS_SIZE]."""
        total = np.zeros(COUNTS_SIZE, np.int64)
        for snapshot in self:
            total += snapshot.response[np.asarray(lanes)].sum(axis=0)
        return total

    def ok_in_whole_seconds(self, seconds: float) -> list[int]:
        """Acknowledged by second of a closed loop of `seconds`: without the first one, in which the window fills, and without
        those of the drain, in which nothing is sent any more."""
        whole = range(1, int(seconds))
        return [sum(counts.ok for counts in snapshot.counts) for snapshot in self if snapshot.second in whole]


def send(
    load: "SampleLoad",
    source: SteadySource,
    *,
    seconds: Seconds | None = None,
    closed_for_s: float | None = None,
    in_flight: int = IN_FLIGHT,
    attempts_max: int | None = None,
) -> EngineReport:
    """Send a source's operations; in a closed loop for `closed_for_s` at most, when given.

    in_flight: of the closed loop. attempts_max: of an operation, instead of the scenario's.
    Raises HarnessError for a node that can't be connected to.
    """
    engine = Engine(
        operations=[WireOperation(name=operation, is_idempotent=True) for operation in load.lanes],
        statements=load.statements,
        ring=load.ring,
        settings=EngineSettings(
            operation_timeout_s=load.scenario.run.operation_timeout_s,
            attempts_max=attempts_max or load.scenario.run.attempts_max,
            drain_s_max=DRAIN_S_MAX,
        ),
        on_interval=None if seconds is None else seconds.append,
    )
    with engine:
        if closed_for_s is None:
            return engine.run(source)
        timer = threading.Timer(closed_for_s, engine.stop)
        timer.daemon = True
        timer.start()
        try:
            return engine.run(source, closed_in_flight=in_flight)
        finally:
            timer.cancel()
