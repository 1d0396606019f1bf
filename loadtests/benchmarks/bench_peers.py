"""What load generators report of the same statement: throughput, CPU, p99, and of a server that pauses for two seconds.

Run: uv run pytest loadtests/benchmarks/bench_peers.py --benchmark-only --benchmark-json=peers.json

The wire engine, latte (skipped when it is not on the PATH) and Locust alone (cassandra-driver in a plain user) send the
single-row insert of `bench_sender` to the same two nodes in turns: first as fast as they can, then at RATE_PER_S for
PAUSED_RUN_S seconds, in the middle of which the node is stopped (SIGSTOP) for two. At a steady rate a sixth of all
operations fall due within the pause, so what customers would have felt is a p99 of nearly two seconds; who reports less
has left out what was not sent.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest

from loadtests.benchmarks.bench_sender import (
    CQL,
    INSERT,
    LATTE_WORKLOAD,
    LOCUST_S,
    LOCUST_USERS,
    OPERATIONS_64,
    Inserts,
    Target,
    opened_target,
)
from loadtests.cluster.machine import fingerprint
from loadtests.recording.history import COUNTS_SIZE, percentiles_us
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.recorder import IntervalSnapshot

ROUNDS = 3
RATE_PER_S = 500
PAUSED_RUN_S = 12
PAUSE_AFTER_S, PAUSE_S = 4.0, 2.0
IN_FLIGHT = 64


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a client says of its run; p99 and the longest are as it reports them."""

    per_s: float
    ops_per_cpu_s: float
    p99_ms: float
    max_ms: float
    operations: int


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with opened_target(tmp_path_factory.mktemp("peers_bench")) as target:
        yield target


def by_wire(target: Target, *, paused: bool) -> Reported:
    response = np.zeros(COUNTS_SIZE, np.int64)

    def add(snapshot: IntervalSnapshot) -> None:
        response[:] += snapshot.response[0]

    count = RATE_PER_S * PAUSED_RUN_S if paused else OPERATIONS_64
    engine = Engine(
        operations=[WireOperation(name=INSERT.operation)],
        statements=[CQL],
        ring=target.ring,
        settings=EngineSettings(links_per_node=1),
        on_interval=add,
    )
    with engine:
        cpu_s = time.process_time()
        source = Inserts(target.template, count, RATE_PER_S if paused else None)
        with pausing(target, paused):
            report = engine.run(source, closed_in_flight=None if paused else IN_FLIGHT)
        cpu_s = time.process_time() - cpu_s
    p99_us, max_us = percentiles_us(response, [99.0, 100.0]).tolist()
    return Reported(
        per_s=report.ok / report.wall_s,
        ops_per_cpu_s=report.ok / cpu_s,
        p99_ms=p99_us / 1e3,
        max_ms=max_us / 1e3,
        operations=report.ok,
    )


def by_latte(target: Target, *, paused: bool) -> Reported:
    workload, result = target.folder / "insert.rn", target.folder / "latte.json"
    workload.write_text(LATTE_WORKLOAD, encoding="utf-8")
    result.unlink(missing_ok=True)
    options = ["--threads", "1", "--concurrency", str(IN_FLIGHT), "--warmup", "2000", "--output", str(result)]
    options += ["--consistency", "LOCAL_QUORUM", "--datacenter", target.local_dc]
    options += ["--duration", f"{PAUSED_RUN_S}s", "--rate", str(RATE_PER_S)] if paused else ["--duration", "60000"]
    command = ["latte", "run", "--quiet", *options, str(workload), target.contact_point]
    with pausing(target, paused, extra_s=2.0):  # it warms up and prepares first
        subprocess.run(  # in that folder: it leaves logs where it runs
            command,
            check=True,
            cwd=target.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )
    told = json.loads(result.read_text(encoding="utf-8"))["result"]
    percentiles = told["request_latency"][
        "percentiles"
    ]  # minimum, p1, ... p99 is the twelfth, the maximum the last [ms]
    return Reported(
        per_s=told["cycle_count"] / told["elapsed_time_s"],
        ops_per_cpu_s=told["cycle_count"] / told["cpu_time_s"],
        p99_ms=percentiles[11]["value"],
        max_ms=percentiles[-1]["value"],
        operations=told["cycle_count"],
    )


def by_locust(target: Target, *, paused: bool) -> Reported:
    seconds, rate = (PAUSED_RUN_S, [str(RATE_PER_S)]) if paused else (LOCUST_S, [])
    given = [target.contact_point, target.local_dc, CQL, str(LOCUST_USERS), str(seconds), *rate]
    command = [sys.executable, "-m", "loadtests.benchmarks.locust_baseline", *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"measuring\n"
        with pausing(target, paused):
            told = json.loads(process.stdout.read().splitlines()[-1])
    return Reported(
        per_s=told["operations"] / told["wall_s"],
        ops_per_cpu_s=told["operations"] / told["cpu_s"],
        p99_ms=told["p99_ms"],
        max_ms=told["max_ms"],
        operations=told["operations"],
    )


@contextmanager
def pausing(target: Target, is_wished: bool, extra_s: float = 0.0) -> Iterator[None]:
    """Stop the node, a while from now, for PAUSE_S; it goes on whatever happens here."""

    def pause() -> None:
        os.kill(target.pid, signal.SIGSTOP)
        try:
            time.sleep(PAUSE_S)
        finally:
            os.kill(target.pid, signal.SIGCONT)

    timer = threading.Timer(PAUSE_AFTER_S + extra_s, pause)
    if is_wished:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_wished:
            timer.join()


def _figures(reports: list[Reported]) -> dict[str, float]:
    """The median of each figure."""
    return {name: round(statistics.median(asdict(one)[name] for one in reports), 1) for name in asdict(reports[0])}


@pytest.mark.parametrize("paused", [False, True], ids=["fast", "paused"])
def test_peers(benchmark: Any, target: Target, paused: bool) -> None:
    """All of them in turns."""
    clients = {"wire": by_wire, "locust": by_locust}
    if shutil.which("latte") is not None:
        clients["latte"] = by_latte
    reports: dict[str, list[Reported]] = {name: [] for name in clients}

    def turn() -> None:
        for name, client in clients.items():
            reports[name].append(client(target, paused=paused))

    load_before = os.getloadavg()[0]
    benchmark.pedantic(turn, rounds=ROUNDS)
    for name, of_client in reports.items():
        benchmark.extra_info[name] = _figures(of_client)
        benchmark.extra_info[f"{name}_p99_ms_all"] = [round(one.p99_ms, 1) for one in of_client]
    benchmark.extra_info.update(load_before=round(load_before, 1), **fingerprint())
