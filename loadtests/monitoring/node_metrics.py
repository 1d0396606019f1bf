"""What the local nodes cost while they work: processor, memory, disk, GC pauses, waiting compactions, once a second.

All but the compactions come from the process and its files, so a node that is too busy to answer is still measured.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from loadtests.cluster.connect import connect_to_every_node
from loadtests.cluster.local import LocalCluster, Node
from loadtests.recording.history import NodeSample
from store.session import FAILURES

QUERY_TIMEOUT_S = 0.8  # a late answer is worth less than the beat
COMPACTIONS = "SELECT active_tasks, pending_tasks FROM system_views.thread_pools WHERE name = 'CompactionExecutor'"
_PAUSE = re.compile(rb"Pause .* (\d+\.\d+)ms$", re.MULTILINE)


@dataclass(slots=True)
class GcLog:
    """The pauses that a node's gc.log has told of since the last look."""

    path: Path
    _offset: int = 0

    def new_pauses_ms(self) -> list[float]:
        """The pauses written since the call before [ms]; a log that was rotated meanwhile is read from its start."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:  # between the two steps of a rotation
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [float(pause) for pause in _PAUSE.findall(whole)]


@dataclass(slots=True)
class _Watched:
    node: Node
    process: psutil.Process
    gc: GcLog
    cpu_s: float
    at_s: float
    compactions: int = 0


def folder_size(folder: Path) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile, as compacted ones do, count as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:
                continue
    return total


def _watch(node: Node) -> _Watched:
    process = psutil.Process(node.pid)
    gc = GcLog(node.folder / "gc.log")
    gc.new_pauses_ms()  # those of the start are not the load's
    return _Watched(node=node, process=process, gc=gc, cpu_s=_cpu_s(process), at_s=time.monotonic())


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _sample(watched: _Watched, second: int) -> NodeSample:
    now_s, cpu_s = time.monotonic(), _cpu_s(watched.process)
    span_s = max(now_s - watched.at_s, 1e-3)
    pauses_ms = watched.gc.new_pauses_ms()
    sample = NodeSample(
        second=second,
        node=watched.node.name,
        dc=watched.node.dc,
        cpu_share=round((cpu_s - watched.cpu_s) / span_s, 3),
        rss_bytes=watched.process.memory_info().rss,
        disk_bytes=folder_size(watched.node.folder / "data"),
        gc_pause_ms=round(sum(pauses_ms), 3),
        gc_count=len(pauses_ms),
        compactions_pending=watched.compactions,
    )
    watched.cpu_s, watched.at_s = cpu_s, now_s
    return sample


class NodeSampler:
    """Samples of the nodes of a local cluster, each of the time since the sample before. Close it after use."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._driver, self._session = connect_to_every_node(cluster.endpoint())
        self._watched = [_watch(node) for node in cluster.nodes]

    def sample(self, second: int) -> list[NodeSample]:
        """One sample of each node that lives, under the name of `second`.

        A node that does not answer, in time or at all, keeps the waiting compactions of its last answer.
        """
        self._ask_compactions()
        samples = []
        for watched in self._watched:
            try:
                if watched.process.status() != psutil.STATUS_ZOMBIE:  # died, and its exit code was not asked for yet
                    samples.append(_sample(watched, second))
            except psutil.NoSuchProcess:
                continue
        return samples

    def _ask_compactions(self) -> None:
        hosts = {host.address: host for host in self._driver.metadata.all_hosts()}
        asked: list[tuple[_Watched, Any]] = []
        for watched in self._watched:
            host = hosts.get(watched.node.address)
            if host is not None:
                future = self._session.execute_async(COMPACTIONS, host=host, timeout=QUERY_TIMEOUT_S)
                asked.append((watched, future))
        for watched, future in asked:
            try:
                row = future.result().one()
            except FAILURES:
                continue
            watched.compactions = row.active_tasks + row.pending_tasks

    def close(self) -> None:
        self._driver.shutdown()
