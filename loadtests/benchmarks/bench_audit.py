"""How fast the audit reads back, and whether its memory stays flat: on two local nodes, from packed days.

Run: uv run pytest loadtests/benchmarks/bench_audit.py --benchmark-only --benchmark-json=audit.json
"""

import contextlib
import gc
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtests.audit.tables import AuditReport, audit
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.coordinator import storm
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.cassandra import create_schema
from store.schemas import DEFAULT_SCHEMA as SCHEMA

PREMISES_FEW, PREMISES_MANY = 10_000, 40_000
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEstate:
    """An estate whose days are in the cluster, all acknowledged."""

    scenario: Scenario
    estate: EstateModel
    ledger: Ledger


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


def load(cluster: LocalCluster, folder: Path, premises: int) -> LoadedEstate:
    """Send an estate's days as fast as the nodes take them."""
    scenario = scenario_of(premises)
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
    return LoadedEstate(scenario=scenario, estate=estate, ledger=ledger)


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
    many = load(cluster, tmp_path / "many", PREMISES_MANY)
    few = load(cluster, tmp_path / "few", PREMISES_FEW)
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
