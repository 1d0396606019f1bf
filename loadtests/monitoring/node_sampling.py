"""Samples of every node, taken in a thread beside what is measured."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from loadtests.recording.history import HistoryWriter, NodeSample

SAMPLE_EVERY_S = 1.0


class NodeSampling:
    """Samples of the nodes, once a second in a thread of its own: a node that answers late must not hold up the history.

    told: who else wants to know of them.
    """

    def __init__(
        self,
        sample: Callable[[int], Sequence[NodeSample]],
        writer: HistoryWriter,
        zero_ns: int,
        told: Callable[[Sequence[NodeSample]], None] = lambda _: None,
    ) -> None:
        self._sample = sample
        self._told = told
        self._writer = writer
        self._zero_ns = zero_ns
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node-sampling", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            elapsed_s = (time.monotonic_ns() - self._zero_ns) / 1e9
            if self._over.wait(SAMPLE_EVERY_S - elapsed_s % SAMPLE_EVERY_S):
                return
            second = int((time.monotonic_ns() - self._zero_ns) / 1e9)
            if second >= 0:
                samples = self._sample(second)
                self._writer.write_nodes(samples)
                self._told(samples)
