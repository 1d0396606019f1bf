"""What the local nodes cost while they work: processor, memory, disk, SSTables, GC pauses, once a second.

All of it comes from the process and its files, so a node that is too busy to answer is still measured. How many compactions
wait is not among it: no table tells (`thread_pools` reads 1 active, 0 pending while 20 are due), so what they have left
to do is counted where it lies, as SSTables.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtests.cluster.local import LocalCluster, Node
from loadtests.recording.history import NodeSample

SSTABLE = "-Data.db"  # ends the name of each SSTable's file of rows
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


def folder_size(folder: Path) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile, as compacted ones do, count as nothing."""
    return data_on_disk(folder)[0]


def data_on_disk(folder: Path) -> tuple[int, int]:
    """Bytes of all files below `folder`, and how many of them are an SSTable's rows."""
    total, sstable_count = 0, 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:
                continue
            sstable_count += name.endswith(SSTABLE)
    return total, sstable_count


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
    disk_bytes, sstable_count = data_on_disk(watched.node.folder / "data")
    sample = NodeSample(
        second=second,
        node=watched.node.name,
        dc=watched.node.dc,
        cpu_share=round((cpu_s - watched.cpu_s) / span_s, 3),
        rss_bytes=watched.process.memory_info().rss,
        disk_bytes=disk_bytes,
        gc_pause_ms=round(sum(pauses_ms), 3),
        gc_count=len(pauses_ms),
        sstable_count=sstable_count,
    )
    watched.cpu_s, watched.at_s = cpu_s, now_s
    return sample


class NodeSampler:
    """Samples of the nodes of a local cluster, each of the time since the sample before."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._watched = {node.name: _watch(node) for node in cluster.nodes}

    def sample(self, second: int) -> list[NodeSample]:
        """One sample of each node that lives, under the name of `second`; of one that was started again from its second on."""
        samples = []
        for node in self._cluster.nodes:
            try:
                watched = self._watched.get(node.name)
                if watched is None or watched.node.pid != node.pid:
                    self._watched[node.name] = _watch(node)
                elif watched.process.status() != psutil.STATUS_ZOMBIE:  # died, and its exit code was not asked for yet
                    samples.append(_sample(watched, second))
            except psutil.NoSuchProcess:
                continue
        return samples
