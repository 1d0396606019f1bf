"""What it costs a storm that Prometheus watches it.

Run: uv run pytest loadtests/benchmarks/bench_monitoring.py --benchmark-only --benchmark-json=monitoring.json

One storm, in which the same number of meters send each second, whose metrics are scraped in every second second: with the
seconds in turns (A B B A) neither a start nor a drift stands between the two sides. `metrics_cost_client`: the share of its
operations a CPU second that the sender's process loses in the seconds with a scrape, with its 95 % interval. `parent_cost`: how
much more of a processor the process takes meanwhile that holds the metrics. Open loop against a stub node that answers in bulk
and is no limit. `scrape_ms`: from asking to the whole answer; `series`: how many there are.

`metrics_cost_server`: what the threads of a node's exporter take of its processor time, in windows of eight seconds in which it
is scraped, each NODE_SCRAPE_S as `meterstorm monitor` does; as many operations are sent in each. `metrics_cost_node`: by how
much all of the node takes more in these windows than in those without, in turns alike: what the cache and the collector lose is
in it, and so is the noise of compactions. One real node.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.jmx_exporter import EXPORTER_PORT
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.metrics.collector import RunCollector
from loadtests.metrics.endpoint import listen, serve
from loadtests.metrics.instruments import Instruments
from loadtests.prometheus.alerts import NODE_SCRAPE_S
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.stats.estimates import paired_ratio
from loadtests.storm.coordinator import storm
from loadtests.storm.tables import prepare_tables
from loadtests.stubs.fast_node import BulkStub
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from scenarios.spec import Scenario, parse_scenario
from sim.estate.model import build_estate

SECONDS_LEFT_OUT = 8  # at the start, and at the end
WINDOW_S = 2 * int(NODE_SCRAPE_S)  # of a node: two scrapes
WINDOWS_LEFT_OUT = 12  # at the start: its compilers are busy
EXPORTER_THREADS = ("prometheus-http", "HTTP-Dispatcher")
NODE_DAYS = int(os.environ.get("METERSTORM_BENCH_DAYS", "9"))  # of 48 s
NODE_PREMISES = 1_000  # as many operations a second
SCENARIO = """
title = "A half-hour a second"
[estate]
premises = {premises}
fuels = ["electricity"]
push_jitter_s = 1800.0 # all seconds have as many
[estate.read_schedules]
daily = 0.0
half_hourly = 1.0
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
wall_s = {wall_s!r}
days = {days}
warm_up_s = 1.0
warm_nodes_s = 0.0
back_office = false
"""
SCRAPES = """
import sys, time, urllib.request
for _ in sys.stdin:
    started = time.monotonic()
    text = urllib.request.urlopen(sys.argv[1], timeout=5).read()
    samples = sum(not line.startswith(b"#") for line in text.splitlines())
    print((time.monotonic() - started) * 1e3, samples, flush=True)
"""


def scenario_of(days: int, premises: int = 100_000) -> Scenario:
    """So many days, each half-hour of which is a second."""
    span_us = parse_scenario(SCENARIO.format(wall_s=100.0, days=days, premises=premises), "bench").span_us
    return parse_scenario(SCENARIO.format(wall_s=span_us / 1.8e9, days=days, premises=premises), "bench")


def cpu_s_of(process: psutil.Process, threads: tuple[str, ...] = ("",)) -> float:
    """Processor time of the threads of a process whose names begin so, by the scheduler's own clock [s]."""
    spent_ns = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # threads of a pool come and go
            if (task / "comm").read_text().startswith(threads):
                spent_ns += int((task / "schedstat").read_text().split()[0])
    return spent_ns / 1e9


@dataclass(slots=True)
class SecondsInTurns:
    """What sender and parent spent of a processor in each second of a storm, in half of which the metrics are scraped."""

    instruments: Instruments
    scraper: "subprocess.Popen[str]"
    sender_s: list[float] = field(default_factory=list)
    parent_s: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @staticmethod
    def is_scraped(second: int) -> bool:
        return second % 4 in (1, 2)

    def run(self) -> None:
        while self.instruments.zero_ns is None:
            if self.over.wait(0.01):
                return
        (sender,) = [one for one in psutil.Process().children() if "loadtests.storm.shard" in " ".join(one.cmdline())]
        parent, zero_s = psutil.Process(), self.instruments.zero_ns / 1e9
        before, second = None, 0
        while not self.over.wait(max(zero_s + second - time.monotonic(), 0)):
            now = cpu_s_of(sender), cpu_s_of(parent)
            if before is not None:
                self.sender_s.append(now[0] - before[0])
                self.parent_s.append(now[1] - before[1])
            before = now
            if self.is_scraped(second):
                assert self.scraper.stdin is not None
                self.scraper.stdin.write("\n")
                self.scraper.stdin.flush()
            second += 1


def stormed(folder: Path, days: int) -> tuple[SecondsInTurns, list[float], int]:
    """A storm of so many days: its seconds, how long scrapes took [ms], and how many series they had."""
    folder.mkdir()
    scenario = scenario_of(days)
    estate, instruments, out = build_estate(scenario), Instruments(scenario), RunFolder(folder)
    with BulkStub(keyspace=scenario.topology.keyspace) as stub, ExitStack() as running:
        endpoint = Endpoint(contact_points=(stub.contact_point,), local_dc="north", port=stub.port)
        experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint)
        Ledger.create(out.ledger, planes_of(scenario), estate.meter_count, estate.slot_count)
        address = running.enter_context(serve(listen(0), RunCollector(instruments, estate, version="bench")))
        command = [sys.executable, "-c", SCRAPES, address]
        scraper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        seconds = SecondsInTurns(instruments, scraper)
        thread = threading.Thread(target=seconds.run)
        thread.start()
        try:
            storm(
                experiment,
                out,
                shard_count=1,
                sample_nodes=lambda _: (),
                live=lambda live: seconds.over.set() if live.elapsed_s > scenario.run.wall_s - 2 else None,
                instruments=instruments,
            )
        finally:
            seconds.over.set()
            thread.join()
            told, _ = scraper.communicate(timeout=30)
    answers = [line.split() for line in told.splitlines()]
    return seconds, [float(took_ms) for took_ms, _ in answers], int(answers[-1][1])


def test_what_watching_costs(benchmark: Any, tmp_path: Path) -> None:
    measured: list[tuple[SecondsInTurns, list[float], int]] = []
    stormed(tmp_path / "first", 1)  # kernels compiled
    load_before = os.getloadavg()[0]
    benchmark.pedantic(lambda: measured.append(stormed(tmp_path / "measured", 2)), rounds=1)
    seconds, scrape_ms, series = measured[0]
    last = len(seconds.sender_s) - SECONDS_LEFT_OUT
    kept = range(SECONDS_LEFT_OUT, last - last % 4)
    with_s = np.array([seconds.sender_s[second] for second in kept if seconds.is_scraped(second)])
    without_s = np.array([seconds.sender_s[second] for second in kept if not seconds.is_scraped(second)])
    ratio = paired_ratio(without_s, with_s)  # of operations a CPU second: as many are sent in each second
    parent = np.array(seconds.parent_s)
    is_scraped = np.array([seconds.is_scraped(second) for second in range(len(parent))])
    benchmark.extra_info.update(
        metrics_cost_client=round(1 - ratio.mean, 4),
        metrics_cost_client_interval=(round(1 - ratio.high, 4), round(1 - ratio.low, 4)),
        pairs=ratio.count,
        sender_cores=round(float(np.median(without_s)), 3),
        parent_cost=round(float(np.median(parent[is_scraped]) - np.median(parent[~is_scraped])), 4),
        scrape_ms=round(float(np.median(scrape_ms)), 1),
        scrape_ms_p99=round(float(np.percentile(scrape_ms, 99)), 1),
        scrapes=len(scrape_ms),
        series=series,
        load_before=round(load_before, 1),
        **fingerprint(),
    )


@dataclass(slots=True)
class NodeInTurns:
    """What a node spent of a processor in each window of a storm, in half of which its exporter is scraped."""

    node: psutil.Process
    instruments: Instruments
    scraper: "subprocess.Popen[str]"
    window_s: list[float] = field(default_factory=list)  # of a processor
    exporter_s: list[float] = field(default_factory=list)  # of these
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while self.instruments.zero_ns is None:
            if self.over.wait(0.01):
                return
        zero_s, before, tick = self.instruments.zero_ns / 1e9, (0.0, 0.0), 0
        while not self.over.wait(max(zero_s + tick * NODE_SCRAPE_S - time.monotonic(), 0)):
            window, is_begun = divmod(tick, 2)
            if not is_begun:
                spent = self.node.cpu_times()  # with that of threads which have ended
                now = spent.user + spent.system, cpu_s_of(self.node, EXPORTER_THREADS)
                if window:
                    self.window_s.append(now[0] - before[0])
                    self.exporter_s.append(now[1] - before[1])
                before = now
            if SecondsInTurns.is_scraped(window):
                assert self.scraper.stdin is not None
                self.scraper.stdin.write("\n")
                self.scraper.stdin.flush()
            tick += 1


def test_what_watching_costs_a_node(benchmark: Any, tmp_path: Path) -> None:
    scenario = scenario_of(NODE_DAYS, NODE_PREMISES)
    estate, instruments, out = build_estate(scenario), Instruments(scenario), RunFolder(tmp_path)
    load_before = os.getloadavg()[0]
    with LocalCluster.start(scenario.topology, tmp_path / "cluster", metrics=True) as cluster:
        (node,) = cluster.nodes
        experiment = Experiment(scenario=scenario, estate=estate, endpoint=cluster.endpoint())
        prepare_tables(experiment)
        Ledger.create(out.ledger, planes_of(scenario), estate.meter_count, estate.slot_count)
        command = [sys.executable, "-c", SCRAPES, f"http://{node.address}:{EXPORTER_PORT}/metrics"]
        scraper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        turns = NodeInTurns(psutil.Process(node.pid), instruments, scraper)
        thread = threading.Thread(target=turns.run)
        thread.start()

        def measured() -> None:
            storm(
                experiment,
                out,
                shard_count=1,
                sample_nodes=lambda _: (),
                live=lambda live: turns.over.set() if live.elapsed_s > scenario.run.wall_s - 2 else None,
                instruments=instruments,
            )

        try:
            benchmark.pedantic(measured, rounds=1)
        finally:
            turns.over.set()
            thread.join()
            told, _ = scraper.communicate(timeout=30)
    kept = range(WINDOWS_LEFT_OUT, len(turns.window_s) - len(turns.window_s) % 4)
    with_s = np.array([turns.window_s[window] for window in kept if SecondsInTurns.is_scraped(window)])
    without_s = np.array([turns.window_s[window] for window in kept if not SecondsInTurns.is_scraped(window)])
    ratio = paired_ratio(with_s, without_s)  # as many operations are sent in each window
    exporter_s = np.array([turns.exporter_s[window] for window in kept if SecondsInTurns.is_scraped(window)])
    answers = [line.split() for line in told.splitlines()]
    scrape_ms = [float(took_ms) for took_ms, _ in answers]
    benchmark.extra_info.update(
        metrics_cost_server=round(float(exporter_s.sum() / (with_s.sum() - exporter_s.sum())), 4),
        metrics_cost_node=round(ratio.mean - 1, 4),
        metrics_cost_node_interval=(round(ratio.low - 1, 4), round(ratio.high - 1, 4)),
        pairs=ratio.count,
        node_cores=round(float(np.median(without_s)) / WINDOW_S, 3),
        scrape_ms=round(float(np.median(scrape_ms)), 1),
        scrape_ms_p99=round(float(np.percentile(scrape_ms, 99)), 1),
        series_per_node=int(answers[-1][1]),
        load_before=round(load_before, 1),
        **fingerprint(),
    )
