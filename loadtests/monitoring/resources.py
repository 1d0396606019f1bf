"""What the machine and its nodes do while a step goes on, once a second: the evidence of what binds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from loadtests.monitoring.periodic import PeriodicSampling
from loadtests.recording.history import NodeSample

SampleNodes = Callable[[int], Sequence[NodeSample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """One second of this machine, all that runs on it, and of the nodes (none when they can't be looked into).

    busy_cores: of this machine. disk_busy_share: of the busiest disk's time; None where that is not counted.
    """

    second: int
    busy_cores: float
    disk_busy_share: float | None
    nodes: tuple[NodeSample, ...]


class ResourceWatch(PeriodicSampling):
    """Samples from entering the block to leaving it; `samples` may be read meanwhile."""

    def __init__(self, sample_nodes: SampleNodes) -> None:
        super().__init__("resource-watch")
        self.samples: list[ResourceSample] = []
        self._sample_nodes = sample_nodes

    def _run(self) -> None:
        started_s = before_s = time.monotonic()
        psutil.cpu_percent()  # of the time since the call before
        self._sample_nodes(0)  # likewise
        busy_ms = _disk_busy_ms()
        while self._wait(started_s):
            now_s, busy_now_ms = time.monotonic(), _disk_busy_ms()
            second = int(now_s - started_s) - 1  # the one that has just ended
            self.samples.append(
                ResourceSample(
                    second=max(second, 0),
                    busy_cores=psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1),
                    disk_busy_share=_busiest_share(busy_ms, busy_now_ms, now_s - before_s),
                    nodes=tuple(self._sample_nodes(second)),
                )
            )
            before_s, busy_ms = now_s, busy_now_ms


def _disk_busy_ms() -> dict[str, int]:
    """For how long each disk has been at work [ms]; empty where the system does not count it."""
    counters = psutil.disk_io_counters(perdisk=True) or {}
    return {name: each.busy_time for name, each in counters.items() if hasattr(each, "busy_time")}


def _busiest_share(before: dict[str, int], now: dict[str, int], span_s: float) -> float | None:
    shares = [(now[name] - before[name]) / 1e3 / span_s for name in now if name in before]
    return min(max(shares), 1.0) if shares and span_s > 0 else None
