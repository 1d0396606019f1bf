"""Samples of every node, taken in a thread beside what is measured."""

import time
from collections.abc import Callable, Sequence

from loadtests.monitoring.periodic import PeriodicSampling
from loadtests.recording.history import HistoryWriter, NodeSample


class NodeSampling(PeriodicSampling):
    """Samples of the nodes, written to the history.

    told: who else wants to know of them.
    """

    def __init__(
        self,
        sample: Callable[[int], Sequence[NodeSample]],
        writer: HistoryWriter,
        zero_ns: int,
        told: Callable[[Sequence[NodeSample]], None] = lambda _: None,
    ) -> None:
        super().__init__("node-sampling")
        self._sample = sample
        self._told = told
        self._writer = writer
        self._zero_ns = zero_ns

    def _run(self) -> None:
        while self._wait(self._zero_ns / 1e9):
            second = int((time.monotonic_ns() - self._zero_ns) / 1e9)
            if second >= 0:
                samples = self._sample(second)
                self._writer.write_nodes(samples)
                self._told(samples)
