"""Does analytics move the business data centre's p99? Storms in turns: alone, with full scans at the analytics data centre, and
with the same scans misdirected at the business one.

    uv run pytest loadtests/benchmarks/bench_isolation.py --benchmark-only --benchmark-json=isolation.json

`isolation_p99_ratio`: p99 of ingest with scans over that without, geometric mean over pairs with its 95 % interval. The nodes
share this machine, so each role's nodes are held to a share of the processors of their own, and so is the sender; a scan has that
of the analytics nodes. Where that can't be, or where other work took of the shares, the ratio is void, and says why.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tomli_w

from loadtests.benchmarks.cpu_shares import CpuShares
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint, processor_count
from loadtests.stats.estimates import paired_ratio
from loadtests.storm.analytics import MODULE as ANALYTICS_MODULE
from scenarios.file import resolve_scenario
from scenarios.spec import Scenario

PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "3"))
SCENARIO = os.environ.get("METERSTORM_BENCH_SCENARIO", "first_utility_small")
WALL_S = float(os.environ.get("METERSTORM_BENCH_WALL_S", "0"))  # of a storm; 0: as the scenario says
OPERATION = "ingest_reading"
SHARES = {"business": 0.6, "analytics": 0.6, "storm": 0.7}  # processors: of each role's nodes, and of the sender
IDLE_SHARE_MIN = 0.03
ARMS = ("alone", "analytics", "misdirected")


@pytest.mark.timeout(3_600)
def test_isolation_p99_ratio(benchmark: Any, tmp_path: Path) -> None:
    p99_ms: dict[str, list[float]] = {arm: [] for arm in ARMS}
    scans: dict[str, list[int]] = {arm: [] for arm in ARMS}
    idle: list[float] = []
    pair = iter(range(PAIRS))
    scenario = resolve_scenario(Path(SCENARIO), None)
    with contextlib.ExitStack() as opened:
        shares = opened.enter_context(CpuShares(SHARES))
        cluster = opened.enter_context(LocalCluster.start(scenario.topology, tmp_path / "cluster", print))
        role_of = {dc.name: str(dc.role) for dc in scenario.topology.dcs}
        for node in cluster.nodes:
            shares.hold(role_of[node.dc], node.pid)
        bench = _Storms(cluster, shares, scenario)
        bench.results(tmp_path / "warm", "analytics")  # the nodes' compilers have seen both

        def once() -> None:
            number = next(pair)
            for arm in ARMS if number % 2 == 0 else tuple(reversed(ARMS)):
                before = psutil.cpu_times()
                results = bench.results(tmp_path / f"{number}-{arm}", arm)
                idle.append(_idle_share(before, psutil.cpu_times()))
                p99_ms[arm].append(results["operations"][OPERATION]["response_ms"]["p99"])
                scans[arm].append(sum(one["half_hours"] is not None for one in results.get("analytics", [])))

        benchmark.pedantic(once, rounds=PAIRS)
        throttled_s = {name: round(shares.throttled_s(name), 1) for name in SHARES}
        void = _why_void(shares, idle)
    found = {arm: paired_ratio(np.array(p99_ms[arm]), np.array(p99_ms["alone"])) for arm in ARMS[1:] if PAIRS > 1}
    benchmark.extra_info |= {
        "isolation_p99_ratio": {
            arm: [round(x, 3) for x in (one.mean, one.low, one.high)] for arm, one in found.items()
        },
        "isolation_void": void,
        "p99_ms": p99_ms,
        "scans": scans,
        "idle_share": [round(one, 3) for one in idle],
        "throttled_s": throttled_s,
        **fingerprint(),
    }


class _Storms:
    """Storms on one cluster, a keyspace each, with full scans one after another or without."""

    def __init__(self, cluster: LocalCluster, shares: CpuShares, scenario: Scenario) -> None:
        self._cluster, self._shares = cluster, shares
        self._told = json.loads(scenario.model_dump_json(exclude_none=True))
        dcs = self._told["topology"]["dcs"]
        self._business, self._analytics = (
            next(dc["name"] for dc in dcs if dc["role"] == role) for role in ("business", "analytics")
        )

    def results(self, out: Path, arm: str) -> dict[str, Any]:
        """results.json of a storm. A scan has the share of the analytics node, as a job beside it would."""
        scan = {"job": "load_duration", "at_s": 0.0, "every_s": 1.0, "dc": self._analytics}
        planned = {
            "alone": [],
            "analytics": [scan],
            "misdirected": [{**scan, "dc": self._business, "misdirected": True}],
        }
        keyspace = "isolation_" + out.name.replace("-", "_")
        told = {
            **self._told,
            "analytics": planned[arm],
            "topology": {**self._told["topology"], "keyspace": keyspace},
            "run": {**self._told["run"], "wall_s": WALL_S or self._told["run"]["wall_s"]},
        }
        path = out.with_suffix(".toml")
        path.write_text(tomli_w.dumps(told))
        endpoint = self._cluster.endpoint(self._business)
        command = [sys.executable, "-m", "meterstorm.cli.app", "run", str(path), "--out", str(out), "--quiet"]
        command += ["--contact-points", ",".join(endpoint.contact_points), "--local-dc", endpoint.local_dc]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as storm:  # its verdict is of no matter here
            self._shares.hold("storm", storm.pid)
            held: set[int] = set()
            while storm.poll() is None:
                for pid in _scans_of(storm.pid) - held:
                    self._shares.hold("analytics", pid)
                    held.add(pid)
                time.sleep(0.2)
        driver, session = connect(endpoint)
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)
        driver.shutdown()
        results: dict[str, Any] = json.loads((out / "results.json").read_text())
        return results


def _scans_of(pid: int) -> set[int]:
    found = set()
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if ANALYTICS_MODULE in one.cmdline():
                found.add(one.pid)
    return found


def _idle_share(before: Any, after: Any) -> float:
    """Of the machine's processors between two of psutil's times."""
    return float((after.idle - before.idle) / (sum(after[:8]) - sum(before[:8])))


def _why_void(shares: CpuShares, idle: Sequence[float]) -> str | None:
    """Why the ratio says nothing of two data centres with machines of their own; None: it does."""
    if shares.obstacle is not None:
        return f"nodes, sender and scan share processors, and none is held to a share: {shares.obstacle}"
    if sum(SHARES.values()) > processor_count():
        return f"the shares are of {sum(SHARES.values()):g} processors, and there are {processor_count()}"
    if min(idle) < IDLE_SHARE_MIN:
        return f"in one storm the machine was idle for {min(idle):.1%} of the time: what else runs there took of the shares"
    return None
