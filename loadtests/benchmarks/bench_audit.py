"""How fast the audit reads back, and whether its memory stays flat: on two local nodes, from packed days.

Run: uv run pytest loadtests/benchmarks/bench_audit.py --benchmark-only --benchmark-json=audit.json

With `METERSTORM_BEFORE` naming a worktree of the commit 93f91de, which has an environment of its own (`uv sync`), both builds
audit the same tables on the same nodes, whole processes in turns: `audit_vs_before`. With `METERSTORM_KEPT` naming the folder of
a `run --keep` of the smoke too, whose nodes `cluster up` has started, both make the whole audit of it: `whole_audit_vs_before`.
"""

import contextlib
import gc
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from loadtests.audit.tables import AuditReport, audit
from loadtests.cluster import supervisor
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.coordinator import storm
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from scenarios.file import load_scenario
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.cassandra import create_schema
from store.schemas import DEFAULT_SCHEMA as SCHEMA

PREMISES_FEW, PREMISES_MANY = 10_000, 40_000
ROUNDS = 5
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
HERE = Path(__file__).parents[2]
ONE_SIDE = Path(__file__).with_name("audit_one_side.py")
WHOLE_SIDE = Path(__file__).with_name("audit_whole_side.py")
SMOKE = HERE / "scenarios" / "smoke.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEstate:
    """An estate whose days are in the cluster, all acknowledged."""

    scenario: Scenario
    estate: EstateModel
    ledger: Ledger
    folder: Path  # its run's


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with LocalCluster.start(scenario_of(PREMISES_FEW).topology, folder, print) as cluster:
        yield cluster


def scenario_of(premises: int) -> Scenario:
    """A day of homes that upload it whole: a row a meter in each table."""
    return Scenario.model_validate(
        {
            "title": f"{premises} packed days",
            "estate": {"premises": premises},
            "traffic": {
                "usage_month_per_premises_day": 0,
                "intervals_day_per_premises_day": 0,
                "state_per_premises_day": 0,
            },
            "topology": {
                "keyspace": f"packed_{premises}",
                "dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}],
            },
            "run": {"wall_s": 10, "warm_up_s": 0, "warm_nodes_s": 0, "operation_timeout_s": 60, "drain_s_max": 600},
        }
    )


def smoke() -> Scenario:
    """The smoke's tables, with all kinds of its rows, but its commands; as fast as the nodes take them."""
    told = load_scenario(SMOKE).model_dump(exclude_unset=True)
    run = {
        **told["run"],
        "wall_s": 30,
        "warm_up_s": 0,
        "warm_nodes_s": 0,
        "operation_timeout_s": 60,
        "drain_s_max": 600,
    }
    return Scenario.model_validate({**told, "campaigns": [], "slo": [], "run": run})


def load(cluster: LocalCluster, folder: Path, scenario: Scenario) -> LoadedEstate:
    """Send an estate's days as fast as the nodes take them."""
    estate = build_estate(scenario)
    driver, session = connect(cluster.endpoint())
    create_schema(session, SCHEMA, scenario.topology, estate.calendar)
    driver.shutdown()
    folder.mkdir()
    ledger = Ledger.create(folder / "ledger", planes_of(scenario), estate.meter_count, estate.slot_count)
    storm(
        Experiment(scenario=scenario, estate=estate, endpoint=cluster.endpoint()),
        RunFolder(folder),
        shard_count=1,
        sample_nodes=lambda _: (),
        live=lambda _: None,
    )
    return LoadedEstate(scenario=scenario, estate=estate, ledger=ledger, folder=folder)


def audit_once(cluster: LocalCluster, loaded: LoadedEstate) -> AuditReport:
    with contextlib.ExitStack() as cleanup:
        sessions = {}
        for dc in loaded.scenario.topology.dcs:
            driver, sessions[dc.name] = connect(cluster.endpoint(dc.name))
            cleanup.callback(driver.shutdown)
        report = audit(
            sessions,
            estate=loaded.estate,
            ledger=loaded.ledger,
            schema=SCHEMA,
            topology=loaded.scenario.topology,
            settle_s=30,
            progress=lambda _: None,
        )
    assert report.totals.verified == report.totals.acknowledged > 0
    assert report.totals.lost == report.totals.wrong == report.totals.phantom == 0
    return report


class PeakMemory:
    """The most anonymous memory of this process while the block runs [bytes]; mapped files are not in it. Linux only."""

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        self.start_bytes = self.peak_bytes = _anonymous_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, _anonymous_bytes())


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel tells no RssAnon")


def test_audit_of_packed_days(benchmark: Any, cluster: LocalCluster, tmp_path: Path) -> None:
    """Slots verified a second over both DCs, and the peak memory of four times the rows against that of the fewer."""
    many = load(cluster, tmp_path / "many", scenario_of(PREMISES_MANY))
    few = load(cluster, tmp_path / "few", scenario_of(PREMISES_FEW))
    audit_once(cluster, few)  # the JIT compilers of both sides have seen the code
    with PeakMemory() as of_few:
        audit_once(cluster, few)
    with PeakMemory() as of_many:
        audit_once(cluster, many)
    reports: list[AuditReport] = []
    benchmark.pedantic(lambda: reports.append(audit_once(cluster, many)), rounds=ROUNDS, iterations=1)
    rates = sorted(report.facts_read / report.scan_s for report in reports)
    benchmark.extra_info.update(
        audit_slots_per_s=round(rates[len(rates) // 2]),
        audit_slots_per_s_all=[round(rate) for rate in rates],
        audit_peak_mib_few=round(of_few.peak_bytes / 2**20, 1),
        audit_peak_mib_many=round(of_many.peak_bytes / 2**20, 1),
        audit_rows_few=PREMISES_FEW * 4,
        audit_rows_many=PREMISES_MANY * 4,
        **fingerprint(),
    )


@pytest.mark.parametrize("tables", ["packed", "smoke"])
def test_audit_against_the_build_of_before(benchmark: Any, cluster: LocalCluster, tmp_path: Path, tables: str) -> None:
    """Facts a second over both DCs, and processor seconds of the auditing process, as ratios of pairs of whole processes."""
    if "METERSTORM_BEFORE" not in os.environ:
        pytest.skip("METERSTORM_BEFORE names no worktree")
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    loaded = load(cluster, tmp_path / tables, scenario_of(PREMISES_MANY) if tables == "packed" else smoke())
    (tmp_path / "scenario.json").write_text(loaded.scenario.model_dump_json(exclude_unset=True), encoding="utf-8")
    endpoint = cluster.endpoint()
    asked: list[str | Path] = [
        tmp_path / "scenario.json",
        loaded.folder / "ledger",
        endpoint.contact_points[0],
        str(endpoint.port),
    ]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in trees}

    def side(name: str) -> None:
        done = subprocess.run(
            [trees[name] / ".venv" / "bin" / "python", ONE_SIDE, *asked], capture_output=True, text=True, check=True
        )
        found[name].append(json.loads(done.stdout.splitlines()[-1]))

    def pair(number: int) -> None:
        for name in ("before", "now") if number % 2 == 0 else ("now", "before"):
            side(name)

    for name in trees:  # kernels are compiled, and the nodes have read the tables
        side(name)
    for runs in found.values():
        runs.clear()
    numbers = iter(range(PAIRS))
    benchmark.pedantic(lambda: pair(next(numbers)), rounds=PAIRS, iterations=1)
    reports = [run["report"] for runs in found.values() for run in runs]
    assert all(one == reports[0] for one in reports), "the two builds do not find the same"
    ratios = [
        now["facts_per_s"] / before["facts_per_s"] for before, now in zip(found["before"], found["now"], strict=True)
    ]
    cpu = [before["cpu_s"] / now["cpu_s"] for before, now in zip(found["before"], found["now"], strict=True)]
    benchmark.extra_info.update(
        {
            f"audit_vs_before_{tables}": round(median(ratios), 2),
            f"audit_vs_before_{tables}_all": [round(one, 2) for one in ratios],
            f"audit_cpu_vs_before_{tables}": round(median(cpu), 2),
            f"audit_cpu_vs_before_{tables}_all": [round(one, 2) for one in cpu],
            "facts_per_s": {name: [round(run["facts_per_s"]) for run in runs] for name, runs in found.items()},
            "cpu_s": {name: [round(run["cpu_s"], 2) for run in runs] for name, runs in found.items()},
        },
        **fingerprint(),
    )


def test_whole_audit_against_the_build_of_before(benchmark: Any) -> None:
    """Wall and processor seconds of a smoke's audit, tables and rules, as ratios of pairs of whole processes."""
    if not {"METERSTORM_BEFORE", "METERSTORM_KEPT"} <= os.environ.keys():
        pytest.skip("METERSTORM_BEFORE and METERSTORM_KEPT name no worktree and no run")
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    kept = RunFolder(Path(os.environ["METERSTORM_KEPT"]).resolve())
    endpoint = supervisor.status(kept.cluster).endpoint
    assert endpoint is not None, "its nodes are not up"
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in trees}
    asked = [str(kept.path), endpoint.contact_points[0], str(endpoint.port)]

    def side(name: str) -> None:
        done = subprocess.run(
            [trees[name] / ".venv" / "bin" / "python", WHOLE_SIDE, *asked], capture_output=True, text=True, check=True
        )
        found[name].append(json.loads(done.stdout.splitlines()[-1]))

    for name in trees:  # kernels are compiled, bills of the sample issued, and the nodes have read the tables
        side(name)
    for runs in found.values():
        runs.clear()
    numbers = iter(range(PAIRS))

    def pair() -> None:
        for name in ("before", "now") if next(numbers) % 2 == 0 else ("now", "before"):
            side(name)

    benchmark.pedantic(pair, rounds=PAIRS, iterations=1)
    reports = [run["report"] for runs in found.values() for run in runs]
    assert all(one == reports[0] for one in reports), "the two builds do not find the same"
    for what, key in (("whole_audit_vs_before", "wall_s"), ("whole_audit_cpu_vs_before", "cpu_s")):
        ratios = [before[key] / now[key] for before, now in zip(found["before"], found["now"], strict=True)]
        benchmark.extra_info[what] = round(median(ratios), 2)
        benchmark.extra_info[f"{what}_all"] = [round(one, 2) for one in ratios]
        benchmark.extra_info[key] = {name: [round(run[key], 2) for run in runs] for name, runs in found.items()}
    benchmark.extra_info.update(fingerprint())
