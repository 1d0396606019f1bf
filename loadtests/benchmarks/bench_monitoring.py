"""What it costs a storm that Prometheus watches it.

Run: uv run pytest loadtests/benchmarks/bench_monitoring.py --benchmark-only --benchmark-json=monitoring.json

`metrics_cost_client`: by how much fewer operations a second of its processor a sender carries while the run's metrics are
scraped each second, against the same storm that answers nobody: a share, with its 95 % interval. `parent_cost`: how much more
of a processor the process takes that holds the metrics. Open loop against a stub node that answers in bulk and is no limit;
pairs in turns. `scrape_ms`: from asking to the whole answer, of one scraper a second; `series`: how many there are.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.machine import fingerprint
from loadtests.metrics.collector import RunCollector
from loadtests.metrics.endpoint import listen, serve
from loadtests.metrics.instruments import Instruments
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.stats.estimates import paired_ratio
from loadtests.storm.coordinator import storm
from loadtests.stubs.fast_node import BulkStub
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate

ROUNDS = 8
WALL_S = 6.0
SCENARIO = """
title = "Forty thousand half-hourly meters, a day in six seconds"
[estate]
premises = 40_000
fuels = ["electricity"]
[estate.read_schedules]
daily = 0.0
half_hourly = 1.0
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
wall_s = {wall_s}
days = 1
warm_up_s = 1.0
warm_nodes_s = 0.0
back_office = false
"""
SCRAPES = """
import json, sys, time, urllib.request
took_ms, samples = [], 0
while True:
    started = time.monotonic()
    try:
        text = urllib.request.urlopen(sys.argv[1], timeout=5).read()
    except OSError:
        break
    took_ms.append((time.monotonic() - started) * 1e3)
    samples = sum(not line.startswith(b"#") for line in text.splitlines())
    time.sleep(max(1.0 - (time.monotonic() - started), 0.0))
print(json.dumps({"took_ms": took_ms, "samples": samples}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStorm:
    """One storm: operations a second of the sender's processor, and what its parent took of one."""

    ops_per_cpu_s: float
    parent_cores: float
    scrape_ms: tuple[float, ...]
    series: int


def stormed(folder: Path, wall_s: float, *, is_scraped: bool) -> WatchedStorm:
    """A storm against a stub; scraped each second, or answering nobody."""
    folder.mkdir()
    scenario = parse_scenario(SCENARIO.format(wall_s=wall_s), "bench")
    estate = build_estate(scenario)
    instruments = Instruments(scenario)
    out = RunFolder(folder)
    with BulkStub(keyspace=scenario.topology.keyspace) as stub, ExitStack() as running:
        endpoint = Endpoint(contact_points=(stub.contact_point,), local_dc="north", port=stub.port)
        experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint)
        Ledger.create(out.ledger, planes_of(scenario), estate.meter_count, estate.slot_count)
        scraper = None
        if is_scraped:
            collector = RunCollector(instruments, estate, version="bench")
            address = running.enter_context(serve(listen(0), collector))
            scraper = subprocess.Popen([sys.executable, "-c", SCRAPES, address], stdout=subprocess.PIPE)
        spent_s, started_s = sum(os.times()[:2]), time.monotonic()
        result = storm(
            experiment, out, shard_count=1, sample_nodes=lambda _: (), live=lambda _: None, instruments=instruments
        )
        parent_cores = (sum(os.times()[:2]) - spent_s) / (time.monotonic() - started_s)
    ok = sum(one.ok for one in instruments.senders.seen().operations.values())
    said: dict[str, Any] = (
        {"took_ms": [], "samples": 0} if scraper is None else json.loads(scraper.communicate(timeout=30)[0])
    )
    return WatchedStorm(
        ops_per_cpu_s=ok / (result.cpu_share * result.wall_s),
        parent_cores=parent_cores,
        scrape_ms=tuple(said["took_ms"]),
        series=said["samples"],
    )


def test_what_watching_costs(benchmark: Any, tmp_path: Path) -> None:
    pairs: list[tuple[WatchedStorm, WatchedStorm]] = []

    def pair() -> None:
        turn = len(pairs)
        order = (False, True) if turn % 2 == 0 else (True, False)  # drift favours neither
        found = {
            is_scraped: stormed(tmp_path / f"{turn}-{is_scraped}", WALL_S, is_scraped=is_scraped)
            for is_scraped in order
        }
        pairs.append((found[True], found[False]))

    stormed(tmp_path / "first", 3.0, is_scraped=True)  # kernels compiled
    load_before = os.getloadavg()[0]
    benchmark.pedantic(pair, rounds=ROUNDS)
    ratio = paired_ratio(
        np.array([watched.ops_per_cpu_s for watched, _ in pairs]), np.array([alone.ops_per_cpu_s for _, alone in pairs])
    )
    scrape_ms = np.concatenate([watched.scrape_ms for watched, _ in pairs])
    benchmark.extra_info.update(
        metrics_cost_client=round(1 - ratio.mean, 4),
        metrics_cost_client_interval=(round(1 - ratio.high, 4), round(1 - ratio.low, 4)),
        metrics_cost_client_all=[round(1 - watched.ops_per_cpu_s / alone.ops_per_cpu_s, 4) for watched, alone in pairs],
        parent_cost=round(statistics.median(watched.parent_cores - alone.parent_cores for watched, alone in pairs), 4),
        ops_per_cpu_s=round(statistics.median(alone.ops_per_cpu_s for _, alone in pairs)),
        scrape_ms=round(float(np.median(scrape_ms)), 1),
        scrape_ms_p99=round(float(np.percentile(scrape_ms, 99)), 1),
        scrapes=len(scrape_ms),
        series=pairs[-1][0].series,
        load_before=round(load_before, 1),
        **fingerprint(),
    )
