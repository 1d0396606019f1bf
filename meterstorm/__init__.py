"""meterstorm as a library: all that the command does, as functions.

import meterstorm

results = meterstorm.run("smoke", "runs/mine", keep=True)      # a shipped name, a file or a Scenario
results = meterstorm.audit("runs/mine")
answers = meterstorm.simulate("regional_outage")
highest = meterstorm.find_max("smoke", "runs/max", precision=0.1)
answer = meterstorm.gate("storm.toml", "runs/gate", baseline="origin/main")
ranking = meterstorm.compare_schemas("smoke", "runs/designs", variants=["zstd", "mine.toml"])
meterstorm.export_warehouse("runs/mine", "warehouse", from_business=True)
rows = meterstorm.analyse("settlement", "warehouse")           # a pyarrow.Table
meterstorm.report("runs/mine", "runs/other", out="runs/comparison")

Each function that makes a report returns what the command writes as results.json. What the command tells in a sentence is
raised: ScenarioError for what the caller can mend, HarnessError and StoreError (`loadtests.errors`, `store.ports`) for the rest.
"""

import contextlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from meterstorm.jobs.defaults import SETTLE_S
from scenarios.domain import ConsistencyLevel
from scenarios.file import resolve_scenario
from scenarios.spec import Scenario, ScenarioError

if TYPE_CHECKING:  # drivers and kernels take seconds to load: each function loads what it needs
    import pyarrow as pa

    from loadtests.cluster.connect import Endpoint
    from loadtests.locust_fleet.launch import FleetPlan
    from meterstorm.display.progress import Progress
    from reports.results.capacity import CapacityResults
    from reports.results.gate import GateResults
    from reports.results.matrix import MatrixResults
    from reports.results.run import Results
    from reports.results.simulation import SimulationResults
    from reports.results.tournament import TournamentResults
    from store.analytics.export import Exported

__version__ = version("meterstorm")

Place = str | Path
"""A folder or a file."""


def load_scenario(scenario: Place, *, seed: int | None = None) -> Scenario:
    """The scenario of a file, or a shipped one by its name; `seed` replaces its own. Raises ScenarioError."""
    return resolve_scenario(Path(scenario), seed)


def run(
    scenario: Scenario | Place,
    out: Place,
    *,
    keep: bool = False,
    endpoint: "Endpoint | None" = None,
    shard_count: int = 1,
    fleet: "FleetPlan | None" = None,
    settle_s: float = SETTLE_S,
    metrics_port: int | None = None,
    monitor: bool = False,
    progress: "Progress | None" = None,
) -> "Results":
    """Simulate, storm, audit and report into the new folder `out`; see `meterstorm.jobs.run.run`.

    metrics_port: of loopback, where Prometheus may ask meanwhile (docs/monitoring.md); 0 is one that is free.
    """
    from loadtests.metrics.endpoint import listen
    from meterstorm.jobs.run import run as job

    with contextlib.nullcontext() if metrics_port is None else listen(metrics_port) as metrics:
        return job(
            _scenario_of(scenario),
            Path(out),
            keep=keep,
            endpoint=endpoint,
            shard_count=shard_count,
            fleet=fleet,
            settle_s=settle_s,
            monitor=monitor,
            profile_folder=_folder_of(scenario),
            metrics=metrics,
            progress=progress,
        )


def audit(
    run_folder: Place,
    *,
    endpoint: "Endpoint | None" = None,
    settle_s: float = SETTLE_S,
    progress: "Progress | None" = None,
) -> "Results":
    """Audit a recorded run again, on its kept nodes or on `endpoint`; see `meterstorm.jobs.run.audit_again`."""
    from meterstorm.jobs.run import audit_again

    return audit_again(Path(run_folder), endpoint=endpoint, settle_s=settle_s, progress=progress)


def export_warehouse(
    run_folder: Place,
    out: Place,
    *,
    dc: str | None = None,
    from_business: bool = False,
    progress: "Progress | None" = None,
) -> "Exported":
    """What the kept nodes of a run hold into the warehouse `out`; see `meterstorm.jobs.analytics.export.export_source`."""
    from meterstorm.display.progress import Silent
    from meterstorm.jobs.analytics.arguments import exports_to
    from meterstorm.jobs.analytics.export import export_source
    from meterstorm.jobs.analytics.source import source_of_run

    told = progress or Silent()
    check = exports_to(Path(out), Path(run_folder), is_renewal=False)
    with source_of_run(Path(run_folder), dc, from_business=from_business, progress=told, check=check) as source:
        return export_source(source, Path(out), told)


def analyse(job: str, warehouse: Place) -> "pa.Table":
    """All rows of a job on a warehouse, by DuckDB; see `meterstorm.jobs.analytics.analyse.analyse`."""
    from meterstorm.jobs.analytics.analyse import analyse as of_warehouse

    return of_warehouse(job, Path(warehouse))


def simulate(
    scenario: Scenario | Place,
    *,
    out: Place | None = None,
    replications: int | None = None,
    against: Scenario | Place | None = None,
    thread_count: int | None = None,
) -> "SimulationResults":
    """Virtual time alone: what the estate sends, when, and the digest of the trace; `out` is a new folder for report and data.

    replications: simulate so often, with the seeds from the scenario's on, for means with intervals; `against` is another
    scenario that is replicated with the same seeds. Raises ScenarioError, HarnessError.
    """
    from rich.console import Console

    from meterstorm.jobs.replicate import Replications
    from meterstorm.jobs.simulate import simulate as job

    repeated = None
    if replications is not None:
        other = None if against is None else _scenario_of(against)
        repeated = Replications(
            count=replications, against=other, against_folder=None if against is None else _folder_of(against)
        )
    elif against is not None:
        raise ScenarioError("against goes with replications, which says how many pairs to simulate")
    return job(
        _scenario_of(scenario),
        Console(stderr=True, quiet=True),
        out=None if out is None else Path(out),
        thread_count=thread_count,
        profile_folder=_folder_of(scenario),
        replications=repeated,
    ).results


def find_max(
    scenario: Scenario | Place,
    out: Place,
    *,
    low_per_s: float | None = None,
    high_per_s: float | None = None,
    precision: float = 0.03,
    step_s: int = 120,
    steps_max: int = 40,
    dc_down: bool = False,
    endpoint: "Endpoint | None" = None,
    progress: "Progress | None" = None,
) -> "CapacityResults":
    """The highest rate that holds the scenario's objectives, into the new folder `out`; see `meterstorm.jobs.find_max`."""
    from meterstorm.jobs.find_max import SearchOptions
    from meterstorm.jobs.find_max import find_max as job

    options = SearchOptions(
        low_per_s=low_per_s,
        high_per_s=high_per_s,
        precision=precision,
        step_s=step_s,
        steps_max=steps_max,
        dc_down=dc_down,
    )
    folder = _folder_of(scenario)
    return job(_scenario_of(scenario), Path(out), options, endpoint=endpoint, profile_folder=folder, progress=progress)


def matrix(
    scenario: Scenario | Place,
    out: Place,
    *,
    rfs: Sequence[int] = (1, 3),
    levels: Sequence[ConsistencyLevel | str] = ("LOCAL_ONE", "LOCAL_QUORUM", "QUORUM", "EACH_QUORUM"),
    dc_counts: Sequence[int] = (1, 2, 3),
    distances_ms: Sequence[int] = (),
    repeats: int = 3,
    seconds: float = 5.0,
    rate_per_s: float = 500.0,
    progress: "Progress | None" = None,
) -> "MatrixResults":
    """The same load on every replication factor, level and number of DCs; see `meterstorm.jobs.matrix`."""
    from loadtests.matrix.cells import DCS_MAX, RF_MAX, WAN_MS_MAX, levels_of, numbers_of
    from meterstorm.jobs.matrix import Asked
    from meterstorm.jobs.matrix import matrix as job

    def listed(values: Sequence[object]) -> str:
        return ",".join(str(value) for value in values)

    asked = Asked(
        rfs=numbers_of(listed(rfs), "rfs", RF_MAX),
        levels=levels_of(listed(levels), "levels"),
        dc_counts=numbers_of(listed(dc_counts), "dc_counts", DCS_MAX),
        distances_ms=(numbers_of(listed(distances_ms), "distances_ms", WAN_MS_MAX, least=0) if distances_ms else ()),
        repeats=repeats,
        seconds=seconds,
        rate_per_s=rate_per_s,
    )
    return job(_scenario_of(scenario), asked, Path(out), profile_folder=_folder_of(scenario), progress=progress)


def gate(
    scenario: Place,
    out: Place,
    *,
    baseline: str | Sequence[str] = (),
    candidate: str | Sequence[str] = (),
    config: Place | None = None,
    skip_same: bool = False,
    seed: int | None = None,
    progress: "Progress | None" = None,
) -> "GateResults":
    """Is the candidate slower than the baseline, or does it lose data? Sides are named as the command names them: a revision, a
    file, FIELD=VALUE, recorded runs with commas; nothing is the scenario as it is. skip_same: measure nothing where both are the
    same scenario. See `meterstorm.jobs.gate`."""
    from loadtests.gate.sides import SideName
    from meterstorm.jobs.gate import gate as job
    from meterstorm.jobs.gate_sides import side_named
    from scenarios.gate_file import GateSettings, load_gate_settings

    path = Path(scenario)
    settings = GateSettings() if config is None else load_gate_settings(Path(config))
    ours, theirs = (
        side_named(name, [words] if isinstance(words, str) else words, path, seed)
        for name, words in ((SideName.BASELINE, baseline), (SideName.CANDIDATE, candidate))
    )
    return job(ours, theirs, settings, Path(out), skip_same=skip_same, profile_folder=path.parent, progress=progress)


def compare_schemas(
    scenario: Scenario | Place,
    out: Place,
    *,
    variants: Sequence[Place],
    rounds: int = 30,
    minutes: float = 10.0,
    seconds: float = 1.5,
    warm_s: float = 10.0,
    false_alarm: float = 0.01,
    years: int = 5,
    prices: Place | None = None,
    progress: "Progress | None" = None,
) -> "TournamentResults":
    """Variants of the table design (names of shipped ones, files) on the identical load. prices: a file; with it the results
    tell what a million meters cost a year. See `meterstorm.jobs.tournament`."""
    from loadtests.tournament.bench import TournamentEffort
    from meterstorm.jobs.tournament import tournament as job
    from scenarios.server_prices import load_prices
    from scenarios.variant_file import variants_named

    effort = TournamentEffort(
        rounds_max=rounds, minutes_max=minutes, seconds=seconds, warm_s=warm_s, false_alarm=false_alarm
    )
    named = variants_named(",".join(str(each) for each in variants))
    folder = _folder_of(scenario)
    return job(
        _scenario_of(scenario),
        named,
        Path(out),
        effort,
        years=years,
        prices=None if prices is None else load_prices(Path(prices)),
        profile_folder=folder,
        progress=progress,
    )


def report(*runs: Place, out: Place | None = None) -> Path:
    """Write the report of a recorded job again, or several runs side by side into the new folder `out`; returns the page."""
    from meterstorm.jobs.report import report as job

    if not runs:
        raise ScenarioError("a report is of a run: name its folder")
    return job([Path(run) for run in runs], None if out is None else Path(out)).page


def _scenario_of(scenario: Scenario | Place) -> Scenario:
    return scenario if isinstance(scenario, Scenario) else load_scenario(scenario)


def _folder_of(scenario: Scenario | Place) -> Path | None:
    """Where the scenario's own files are looked for."""
    return None if isinstance(scenario, Scenario) else Path(scenario).parent


__all__ = [
    "Scenario",
    "ScenarioError",
    "__version__",
    "analyse",
    "audit",
    "compare_schemas",
    "export_warehouse",
    "find_max",
    "gate",
    "load_scenario",
    "matrix",
    "report",
    "run",
    "simulate",
]
