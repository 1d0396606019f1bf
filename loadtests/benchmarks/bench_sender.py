"""The wire engine against latte, a Locust user and the build of before, and its punctuality, on two local nodes (1 + 1).

Run: uv run pytest loadtests/benchmarks/bench_sender.py --benchmark-only --benchmark-json=sender.json
Against latte alone, at 64 and at 512 in flight: the same with `-k latte`.

All sides send the same prepared single-row insert at LOCAL_QUORUM over one connection a node, from this machine, in
turns: A B, B A, A B, ... A figure is a ratio with its 95 % interval over pairs: of operations a second (`..._rate_...`), or
of operations a CPU second of the whole client process, start-up left out; of the engine that is the sender, the thread that
encodes, and the recorder.

With `METERSTORM_BEFORE` naming a worktree of an earlier commit, which has an environment of its own (`uv sync`), that build takes
its turns against latte too, and `-k before` holds the two builds against each other on a stub that answers in bulk.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.recorder import EngineReport
from loadtests.sender.ring import RingTable, ring_of_metadata
from loadtests.stats.estimates import paired_ratio
from loadtests.stubs.fast_node import BulkStub
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Dc, Topology
from store.tables import Bind, CqlType, Statement

HERE = Path(__file__).parents[2]
ONE_SIDE = Path(__file__).with_name("sender_one_side.py")
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
OPERATIONS_512 = 150_000
OPERATIONS_64 = 100_000
OPERATIONS_OF_STUB = 1_000_000
OPEN_LOOP_S = 15.0
LOCUST_USERS, LOCUST_S = 64, 6.0
BLOCK_ROWS = 8_192
INSERT = Statement(
    operation=Operation.INGEST_READING,
    cql="INSERT INTO {keyspace}.readings (meter, day, at, wh, register_wh) VALUES (?, ?, ?, ?, ?)",
    binds=(
        Bind(name="meter", type=CqlType.BIGINT),
        Bind(name="day", type=CqlType.INT),
        Bind(name="at", type=CqlType.TIMESTAMP),
        Bind(name="wh", type=CqlType.INT),
        Bind(name="register_wh", type=CqlType.BIGINT),
    ),
    partition_key=("meter", "day"),
    is_write=True,
)
CQL = INSERT.cql.format(keyspace="sender_bench")
LATTE_WORKLOAD = f"""
pub async fn prepare(ctx) {{
    ctx.prepare("insert", "{CQL}").await?;
}}
pub async fn run(ctx, i) {{
    ctx.execute_prepared("insert", [i * 7919, 20468, 1768435200000, i % 1000, i]).await?
}}
"""


@dataclass
class ClientCost:
    """What a client did in its rounds: operations a CPU second, operations a second of wall time."""

    per_cpu_s: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)

    def add(self, operations: int, cpu_s: float, wall_s: float) -> None:
        self.per_cpu_s.append(operations / cpu_s)
        self.per_s.append(operations / wall_s)

    def figures(self, name: str) -> dict[str, Any]:
        return {
            f"{name}_ops_per_cpu_s": round(statistics.median(self.per_cpu_s)),
            f"{name}_ops_per_cpu_s_all": [round(value) for value in self.per_cpu_s],
            f"{name}_ops_per_s": round(statistics.median(self.per_s)),
        }


def ratio(one: ClientCost, other: ClientCost) -> float:
    return round(statistics.median(one.per_cpu_s) / statistics.median(other.per_cpu_s), 2)


def compared(name: str, of: list[float], to: list[float]) -> dict[str, Any]:
    """The ratio of pairs by its name: geometric mean, 95 % interval, and each pair's."""
    found = paired_ratio(np.array(of), np.array(to))
    return {
        name: round(found.mean, 3),
        f"{name}_low": round(found.low, 3),
        f"{name}_high": round(found.high, 3),
        f"{name}_pairs": [round(one / other, 3) for one, other in zip(of, to, strict=True)],
    }


class Inserts:
    """`count` inserts, due at random (Poisson) at `rate_per_s`, or all at once for a closed loop."""

    def __init__(self, template: FrameTemplate, count: int, rate_per_s: float | None = None) -> None:
        self._template, self._count, self._rate_per_s = template, count, rate_per_s
        self._random = np.random.default_rng(1)
        self._made = 0
        self._due_us = 0.0

    def next_block(self) -> OperationBlock | None:
        number = np.arange(self._made, min(self._made + BLOCK_ROWS, self._count))
        if not len(number):
            return None
        self._made += len(number)
        due_us = np.zeros(len(number), dtype=np.int64)
        if self._rate_per_s is not None:
            gaps_us = self._random.exponential(1e6 / self._rate_per_s, len(number))
            due_us = (self._due_us + np.cumsum(gaps_us)).astype(np.int64)
            self._due_us = float(due_us[-1])
        columns: dict[str, NDArray[Any]] = {
            "meter": number * 7919,
            "day": np.full(len(number), 20_468, dtype=np.int32),
            "at": np.full(len(number), 1_768_435_200_000),
            "wh": (number % 1000).astype(np.int32),
            "register_wh": number,
        }
        group = FrameGroup(
            operation=0,
            due_us=due_us,
            meter=number,
            first_slot=np.zeros(len(number), dtype=np.int32),
            slot_count=np.ones(len(number), dtype=np.int32),
            token=self._template.tokens(columns),
            dc=np.zeros(len(number), dtype=np.uint8),
            frames=self._template.encode(columns),
        )
        return assemble_block([group])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The cluster's table, as the engine and its rivals address it."""

    ring: RingTable
    template: FrameTemplate
    contact_point: str
    local_dc: str
    folder: Path
    port: int
    prepared_id: bytes
    pid: int  # of the node that is the contact point, and the only one of its DC

    def storm(self, source: Inserts, closed_in_flight: int | None = None) -> tuple[EngineReport, float]:
        """Run an engine; its report and the CPU time of this process meanwhile [s]."""
        engine = Engine(
            operations=[WireOperation(name=INSERT.operation)],
            statements=[CQL],
            ring=self.ring,
            settings=EngineSettings(links_per_node=1),
        )
        with engine:
            cpu_s = time.process_time()
            report = engine.run(source, closed_in_flight=closed_in_flight)
            cpu_s = time.process_time() - cpu_s
        assert report.ok == report.offered > 0, f"not every operation was acknowledged: {report.errors}"
        return report, cpu_s

    def one_side_into(self, spent: ClientCost, tree: Path, count: int, in_flight: int) -> None:
        """The engine of a build, a process of its own."""
        where = (self.contact_point, self.port, self.prepared_id)
        one_side_into(spent, tree, where, count, in_flight)

    def storm_into(self, spent: ClientCost, count: int, in_flight: int) -> None:
        report, cpu_s = self.storm(Inserts(self.template, count), in_flight)
        spent.add(report.ok, cpu_s, report.wall_s)

    def latte_into(self, spent: ClientCost, latte: str, count: int, in_flight: int) -> None:
        """latte, one thread; operations and CPU time as latte reports them for its main phase."""
        workload, result = self.folder / "insert.rn", self.folder / "latte.json"
        workload.write_text(LATTE_WORKLOAD, encoding="utf-8")
        result.unlink(missing_ok=True)
        options = ["--threads", "1", "--concurrency", str(in_flight), "--duration", str(count), "--warmup", "2000"]
        where = ["--consistency", "LOCAL_QUORUM", "--datacenter", self.local_dc, "--output", str(result)]
        command = [latte, "run", "--quiet", *options, *where, str(workload), self.contact_point]
        subprocess.run(  # in that folder: it leaves logs where it runs
            command,
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )
        measured = json.loads(result.read_text(encoding="utf-8"))["result"]
        assert measured["error_count"] == 0
        spent.add(measured["cycle_count"], measured["cpu_time_s"], measured["elapsed_time_s"])

    def locust_into(self, spent: ClientCost) -> None:
        given = [self.contact_point, self.local_dc, CQL, str(LOCUST_USERS), str(LOCUST_S)]
        command = [sys.executable, "-m", "loadtests.benchmarks.locust_baseline", *given]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300)
        measured = json.loads(done.stdout.splitlines()[-1])
        spent.add(measured["operations"], measured["cpu_s"], measured["wall_s"])


def one_side_into(spent: ClientCost, tree: Path, where: tuple[str, int, bytes], count: int, in_flight: int) -> None:
    """The engine of the build in `tree`, a process of its own. where: address and port of a node, and the insert's id there."""
    address, port, prepared_id = where
    given = [address, str(port), prepared_id.hex(), str(in_flight), str(count)]
    command = [str(tree / ".venv" / "bin" / "python"), str(ONE_SIDE), *given]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=tree, env=environment, timeout=300)
    measured = json.loads(done.stdout.splitlines()[-1])
    spent.add(measured["operations"], measured["cpu_s"], measured["wall_s"])


def trees() -> dict[str, Path]:
    """The builds: this one, and that of before where it is named."""
    named = os.environ.get("METERSTORM_BEFORE")
    return {"wire": HERE, **({"before": Path(named)} if named else {})}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with opened_target(tmp_path_factory.mktemp("sender_bench")) as target:
        yield target


@contextmanager
def opened_target(folder: Path) -> Iterator[Target]:
    """Two local nodes (1 + 1) with the table, warm."""
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
    with LocalCluster.start(topology, folder / "cluster", print) as cluster:
        driver, session = connect(cluster.endpoint("north"))
        session.execute(
            "CREATE KEYSPACE sender_bench WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}"
        )
        session.execute(
            "CREATE TABLE sender_bench.readings (meter bigint, day int, at timestamp, wh int, register_wh bigint, "
            "PRIMARY KEY ((meter, day), at))"
        )
        prepared_id = session.prepare(CQL).query_id
        target = Target(
            ring=ring_of_metadata(driver.metadata, "sender_bench", ["north"]),
            template=FrameTemplate(INSERT, prepared_id, ConsistencyLevel.LOCAL_QUORUM.wire_code),
            contact_point=cluster.endpoint("north").contact_points[0],
            local_dc="north",
            folder=folder,
            port=cluster.endpoint("north").port,
            prepared_id=prepared_id,
            pid=next(node.pid for node in cluster.nodes if node.dc == "north"),
        )
        driver.shutdown()
        for _ in range(3):  # the nodes' JIT compilers have seen the write path, and ours are done
            target.storm(Inserts(target.template, OPERATIONS_64), 512)
        yield target


@pytest.mark.parametrize(("in_flight", "count"), [(512, OPERATIONS_512), (64, OPERATIONS_64)])
def test_wire_against_latte(benchmark: Any, target: Target, in_flight: int, count: int) -> None:
    """Operations a second, and a CPU second, with `in_flight` unanswered requests, against latte's."""
    latte = shutil.which("latte")
    if latte is None:
        pytest.skip("latte is not on PATH: cargo install latte-cli")
    spent = {name: ClientCost() for name in (*trees(), "latte")}
    for tree in trees().values():  # kernels are compiled
        target.one_side_into(ClientCost(), tree, 1_000, in_flight)

    def turn() -> None:
        is_even = len(spent["latte"].per_s) % 2 == 0
        for name in spent if is_even else reversed(spent):
            if name == "latte":
                target.latte_into(spent[name], latte, count, in_flight)
            else:
                target.one_side_into(spent[name], trees()[name], count, in_flight)

    load_before = os.getloadavg()[0]
    benchmark.pedantic(turn, rounds=PAIRS)
    for name, cost in spent.items():
        benchmark.extra_info.update(cost.figures(name))
        if name != "latte":
            suffix = "" if in_flight == 512 else f"_{in_flight}"
            benchmark.extra_info.update(
                compared(f"{name}_vs_latte_rate_{in_flight}", cost.per_s, spent["latte"].per_s)
                | compared(f"{name}_vs_latte{suffix}", cost.per_cpu_s, spent["latte"].per_cpu_s)
            )
    benchmark.extra_info.update(in_flight=in_flight, load_before=round(load_before, 1), **fingerprint())


@pytest.mark.parametrize("in_flight", [64, 512])
def test_wire_against_the_build_of_before(benchmark: Any, in_flight: int) -> None:
    """The same two figures, of a stub that answers in bulk: what is left is the client."""
    if "before" not in trees():
        pytest.skip("METERSTORM_BEFORE names no worktree")
    spent = {name: ClientCost() for name in trees()}
    with BulkStub(keyspace="sender_bench") as stub:
        where = (stub.contact_point, stub.port, uuid.uuid5(uuid.NAMESPACE_OID, CQL).bytes)
        for tree in trees().values():  # kernels are compiled
            one_side_into(ClientCost(), tree, where, 1_000, in_flight)

        def turn() -> None:
            is_even = len(spent["wire"].per_s) % 2 == 0
            for name in spent if is_even else reversed(spent):
                one_side_into(spent[name], trees()[name], where, OPERATIONS_OF_STUB, in_flight)

        load_before = os.getloadavg()[0]
        benchmark.pedantic(turn, rounds=PAIRS)
    benchmark.extra_info.update(
        compared(f"sender_vs_before_rate_{in_flight}", spent["wire"].per_s, spent["before"].per_s)
        | compared(f"sender_vs_before_{in_flight}", spent["wire"].per_cpu_s, spent["before"].per_cpu_s),
        load_before=round(load_before, 1),
        **spent["wire"].figures("wire"),
        **spent["before"].figures("before"),
        **fingerprint(),
    )


def test_wire_against_locust(benchmark: Any, target: Target) -> None:
    """Operations per CPU second with 512 in flight, against Locust users on cassandra-driver."""
    wire, rival = ClientCost(), ClientCost()
    benchmark.pedantic(
        lambda: target.storm_into(wire, OPERATIONS_512, 512), setup=lambda: target.locust_into(rival), rounds=3
    )
    benchmark.extra_info.update(
        wire_vs_locust=ratio(wire, rival),
        in_flight=512,
        locust_users=LOCUST_USERS,
        **wire.figures("wire"),
        **rival.figures("locust"),
        **fingerprint(),
    )


def test_open_loop_is_on_time(benchmark: Any, target: Target) -> None:
    """Send lateness at half of the saturation rate, which is measured just before."""
    saturated = ClientCost()
    for _ in range(2):
        target.storm_into(saturated, OPERATIONS_512, 512)
    rate_per_s = saturated.per_s[-1] / 2
    reports: list[EngineReport] = []
    count = int(rate_per_s * OPEN_LOOP_S)
    benchmark.pedantic(lambda: reports.append(target.storm(Inserts(target.template, count, rate_per_s))[0]), rounds=3)
    benchmark.extra_info.update(
        late_p99_ms=statistics.median(report.late_p99_ms for report in reports),
        late_p99_ms_all=[report.late_p99_ms for report in reports],
        late_max_ms=max(report.late_max_ms for report in reports),
        saturation_per_s=round(saturated.per_s[-1]),
        offered_per_s=round(rate_per_s),
        ops_per_cpu_s=round(statistics.median(report.ops_per_cpu_s for report in reports)),
        scheduling=reports[0].scheduling,
        **fingerprint(),
    )
