"""Designs as arms of one question, on one local node: operations in turns, and what each costs the node.

Rules that hold here:
- An arm does the same operations as the others, by their numbers, with tables of its own. Turns go A B B A, each after the node
  has no operation left to do.
- Server CPU an operation is the processor time of the node's process over a turn, whatever it does meanwhile: collecting
  garbage, compiling, compacting. What flushing and compacting the written rows takes later is measured apart (`Node.flushed`).
- A ratio is of an arm to the first one, pair by pair, with its 95 % interval; where that covers 1, nothing is resolved.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from cassandra.cluster import Session

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.monitoring.node_counters import FLUSH_MS, NodeCounters, processor_s
from loadtests.monitoring.node_metrics import folder_size
from loadtests.stats.estimates import paired_ratio
from scenarios.spec import Dc, Topology
from store.cassandra import create_schema
from store.cassandra.session import Statements
from store.tables import Schema, Table

ROUNDS = int(os.environ.get("METERSTORM_BENCH_ROUNDS", "10"))  # turns of each arm that are counted
WARM = 3  # turns of each arm before them
IN_FLIGHT = 16
HEAP_MIB = 768
IDLE_S = 4.0  # that the node is watched at rest
QUIET_S = 2.2 * FLUSH_MS / 1e3  # two flushes that wrote nothing
RESOLVED_AT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One operation by its number, from 0, and how many of them are a turn. It raises where its answer is wrong."""

    work: Callable[[int], object]
    count: int
    in_flight: int = IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class OneNode:
    """A cluster of one node, a session on it, and the share of a processor that it takes at rest."""

    cluster: LocalCluster
    session: Session
    counters: NodeCounters
    idle_share: float

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[Self]:
        with LocalCluster.start(_topology("unused"), folder, print, heap_mib=HEAP_MIB, is_throwaway=True) as cluster:
            driver, session = connect(cluster.endpoint())
            try:
                with NodeCounters(cluster) as counters:
                    time.sleep(IDLE_S)  # until it has done with starting
                    before_s = processor_s(cluster.nodes[0].pid)
                    time.sleep(IDLE_S)
                    idle_share = (processor_s(cluster.nodes[0].pid) - before_s) / IDLE_S
                    yield cls(cluster=cluster, session=session, counters=counters, idle_share=idle_share)
            finally:
                driver.shutdown()

    def make(self, keyspace: str, schema: Schema) -> Statements:
        """A new keyspace with the tables of a schema, and its statements."""
        topology = _topology(keyspace)
        create_schema(self.session, schema, topology)
        return Statements(self.session, schema, topology)

    def in_turns(
        self, arms: Mapping[str, Arm], *, rounds: int = ROUNDS, warm: int = WARM
    ) -> Mapping[str, Mapping[str, Any]]:
        """By arm: server CPU an operation [us], its ratio to the first arm, and the client's response times [ms]."""
        cpu_us: dict[str, list[float]] = {name: [] for name in arms}
        took_s: dict[str, list[float]] = {name: [] for name in arms}
        for turn in range(warm + rounds):
            for name in list(arms)[:: 1 if turn % 2 == 0 else -1]:
                arm = arms[name]
                cpu, took = self._turn(arm, range(turn * arm.count, (turn + 1) * arm.count))
                if turn >= warm:
                    cpu_us[name].append(cpu / arm.count * 1e6)
                    took_s[name] += took
        first = np.array(next(iter(cpu_us.values())))
        return {
            name: {
                "cpu_us": round(float(np.median(cpu_us[name])), 1),
                "p50_ms": round(float(np.percentile(took_s[name], 50)) * 1e3, 2),
                "p99_ms": round(float(np.percentile(took_s[name], 99)) * 1e3, 2),
                "rounds_cpu_us": [round(one, 1) for one in cpu_us[name]],
                **({} if at == 0 else {"ratio": _told(np.array(cpu_us[name]), first)}),
            }
            for at, name in enumerate(arms)
        }

    def _turn(self, arm: Arm, numbers: range) -> tuple[float, list[float]]:
        """Processor time of the node [s], and how long each operation took [s]."""

        def timed(number: int) -> float:
            begun_s = time.perf_counter()
            arm.work(number)
            return time.perf_counter() - begun_s

        pid = self.cluster.nodes[0].pid
        before_s = processor_s(pid)
        with ThreadPoolExecutor(arm.in_flight) as pool:
            took_s = list(pool.map(timed, numbers))
        self.counters.settle()
        return processor_s(pid) - before_s, took_s

    def flushed(self, statements: Statements, tables: Sequence[Table]) -> tuple[int, float]:
        """Flush and compact tables into one file each: their bytes, and the processor time beyond that at rest [s]."""
        keyspace = statements.topology.keyspace
        pid = self.cluster.nodes[0].pid
        with self.counters.compacting_all([f"{keyspace}.{table.name}" for table in tables]):
            before_s, begun_s = processor_s(pid), time.monotonic()
            self.counters.wait_quiet_disks([keyspace], QUIET_S)
            spent_s = processor_s(pid) - before_s - self.idle_share * (time.monotonic() - begun_s)
        data = self.cluster.nodes[0].folder / "data"
        folders = [found for table in tables for found in data.glob(f"**/{keyspace}/{table.name}-*")]
        return sum(folder_size(folder) for folder in folders), spent_s


def _told(of: Any, to: Any) -> Mapping[str, Any]:
    found = paired_ratio(of, to)
    return {
        "mean": round(found.mean, 3),
        "low": round(found.low, 3),
        "high": round(found.high, 3),
        "resolved": not found.covers(RESOLVED_AT),
    }


def _topology(keyspace: str) -> Topology:
    return Topology(dcs=(Dc(name="north", nodes=1, rf=1),), keyspace=keyspace)
