"""The storm's client side: what a second Locust worker adds.

Run: uv run pytest loadtests/benchmarks/bench_storm.py --benchmark-only --benchmark-json=storm.json

`workers_2_vs_1`: acknowledged operations a second of two workers against one, closed loop, against a stub node that
answers in bulk and is no limit. Each worker, with its shard, is held to one processor of its own (taskset), as if it
were a small machine; the stub and the Locust master run wherever there is room, so with two processors they take their
share from the two workers and not from the one. Pairs in turns; the figure is their mean ratio with its 95 % interval.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loadtests.cluster.machine import fingerprint, processor_count
from loadtests.locust_fleet.launch import LOCUSTFILE
from loadtests.locust_fleet.record import StormRecord
from loadtests.recording.history import read_history
from loadtests.stats.estimates import paired_ratio
from loadtests.stubs.fast_node import BulkStub

ROUNDS = 5
IN_FLIGHT = 1_024  # of each worker
FIRST_S, LAST_S = 2, 8  # the seconds that count: after the ramp, before the stop
READY_S_MAX = 300.0

SCENARIO = """
title = "Two hundred thousand half-hourly meters as fast as they can"
question = "How much do two workers send, against one?"
[estate]
premises = 200_000
fuels = ["electricity"]
[estate.read_schedules]
daily = 0.0
half_hourly = 1.0
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 3600
days = 7
warm_nodes_s = 0
"""


@contextmanager
def started(command: list[str], log: Path, cpu: int | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, held to one processor if so wished, and ended with all of its children."""
    pinned = ["taskset", "-c", str(cpu), *command] if cpu is not None else command
    with log.open("ab") as file:
        process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # SIGINT is ignored where a script runs this in the background
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def carried_per_s(folder: Path, worker_count: int) -> tuple[float, float]:
    """Operations a second of so many workers in the seconds that count, and the stub's share of a processor meanwhile."""
    folder.mkdir()
    (folder / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    out = folder / "out"
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    with BulkStub(keyspace="meterstorm") as stub, ExitStack() as running:
        ours = ["--scenario", str(folder / "scenario.toml"), "--port", str(stub.port), "--tables-exist"]
        ours += ["--closed", str(IN_FLIGHT * worker_count), "--out", str(out)]
        listens = ["--master", "--expect-workers", str(worker_count), "--master-bind-port", port]
        master = running.enter_context(started([*locust, *ours, *listens], folder / "master.log"))
        for number in range(worker_count):
            serves = [*locust, *ours, "--worker", "--master-port", port]
            running.enter_context(started(serves, folder / f"worker-{number}.log", cpu=number))
        _await_start(out, master)
        node = psutil.Process(stub.process.pid)
        time.sleep(FIRST_S)
        spent, since = sum(node.cpu_times()[:2]), time.monotonic()
        time.sleep(LAST_S - FIRST_S + 1)
        share = (sum(node.cpu_times()[:2]) - spent) / (time.monotonic() - since)
    history = read_history(out / "history")
    done = sum(int(columns["ok"][FIRST_S:LAST_S].sum()) for columns in history.counts.values())
    return done / (LAST_S - FIRST_S), share


def _await_start(out: Path, master: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_S_MAX
    while (record := StormRecord.read(out)) is None or record.offered == 0:
        assert master.poll() is None, f"the master ended: {(out.parent / 'master.log').read_text(encoding='utf-8')}"
        assert time.monotonic() < deadline, "the storm did not begin"
        time.sleep(0.1)


def test_two_workers_against_one(benchmark: Any, tmp_path: Path) -> None:
    """What the second worker adds."""
    if shutil.which("taskset") is None or processor_count() < 2:
        pytest.skip("taskset and two processors are needed to give each worker its own")
    pairs: list[tuple[float, float]] = []
    stub_shares: list[tuple[float, float]] = []

    def pair() -> None:
        turn = len(pairs)
        order = (1, 2) if turn % 2 == 0 else (2, 1)  # drift favours neither
        found = {count: carried_per_s(tmp_path / f"{turn}-{count}", count) for count in order}
        pairs.append((found[1][0], found[2][0]))
        stub_shares.append((found[1][1], found[2][1]))

    carried_per_s(tmp_path / "first", 1)  # kernels compiled
    load_before = os.getloadavg()[0]
    benchmark.pedantic(pair, rounds=ROUNDS)
    ratio = paired_ratio(np.array([two for _, two in pairs]), np.array([one for one, _ in pairs]))
    benchmark.extra_info.update(
        workers_2_vs_1=round(ratio.mean, 3),
        workers_2_vs_1_interval=(round(ratio.low, 3), round(ratio.high, 3)),
        workers_2_vs_1_all=[round(two / one, 3) for one, two in pairs],
        worker_1_per_s=round(statistics.median(one for one, _ in pairs)),
        workers_2_per_s=round(statistics.median(two for _, two in pairs)),
        stub_cpu_share_1=round(statistics.median(one for one, _ in stub_shares), 2),
        stub_cpu_share_2=round(statistics.median(two for _, two in stub_shares), 2),
        load_before=round(load_before, 1),
        **fingerprint(),
    )
