"""Half-hours and bills out of a cluster into a warehouse, through the data centre that is there for it."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster
from loadtests.recording.run_folder import RunFolder
from loadtests.workload.experiment import Experiment
from meterstorm.display.progress import Progress
from meterstorm.jobs.run_folder import read_resolved, require_kept
from reports.results.run import load_results
from scenarios.domain import ConsistencyLevel, DcRole
from scenarios.spec import Scenario, ScenarioError, Topology
from sim.estate.lookup import cohorts_of, tariff_kinds_of
from sim.estate.model import EstateModel, build_estate
from sim.profiles.stored import read_profile
from store.analytics.data_sets import HOMES_SCHEMA
from store.analytics.export import Exported, export
from store.analytics.warehouse import WarehouseError
from store.cassandra import CassandraStore

HOMES_AT_ONCE = 1_000_000
IDENTITY_LETTERS = 12


def export_run(run_folder: Path, out: Path, dc: str | None, *, from_business: bool, progress: Progress) -> Exported:
    """Export what the kept local nodes of a run hold. Raises ScenarioError for a run without, else as `export_cluster`."""
    scenario = read_resolved(run_folder)
    chosen = chosen_dc(scenario.topology, dc, from_business=from_business)
    require_kept(run_folder, load_results(run_folder).topology.where)
    estate = build_estate(scenario, read_profile(RunFolder(run_folder).profile))
    with contextlib.ExitStack() as cleanup:
        progress.phase("Starting the kept cluster")
        cluster = cleanup.enter_context(LocalCluster.restart(RunFolder(run_folder).cluster, progress.detail))
        return _exported(scenario, estate, cluster.endpoint(), chosen, out, progress)


def export_cluster(
    scenario: Scenario,
    endpoint: Endpoint,
    out: Path,
    dc: str | None,
    *,
    from_business: bool,
    profile_folder: Path,
    progress: Progress,
) -> Exported:
    """Export what an existing cluster holds of a scenario.

    dc: see `chosen_dc`. profile_folder: where a relative `estate.profile` is looked for. Raises ScenarioError for what the user
    can mend, HarnessError or StoreError for a cluster that does not answer; what was exported until then is gone on from.
    """
    chosen = chosen_dc(scenario.topology, dc, from_business=from_business)
    return _exported(scenario, build_estate(scenario, folder=profile_folder), endpoint, chosen, out, progress)


def chosen_dc(topology: Topology, dc: str | None, *, from_business: bool) -> str:
    """The data centre that a job reads: `dc`, or the first one for analytics. Raises ScenarioError for one of business.

    from_business: one of business may be read all the same; then it is the first of them where none is named.
    """
    role = DcRole.BUSINESS if from_business else DcRole.ANALYTICS
    of_role = [one.name for one in topology.dcs if one.role is role]
    if dc is None:
        if not of_role:
            raise ScenarioError(
                "the topology has no data centre with role 'analytics', and a whole scan would be in the way of a business one's "
                "customers; --from-business reads that all the same"
            )
        return of_role[0]
    if dc not in [one.name for one in topology.dcs]:
        raise ScenarioError(
            f"--dc: there is no data centre '{dc}'; there are {', '.join(one.name for one in topology.dcs)}"
        )
    if not from_business and dc not in of_role:
        there = f" ({', '.join(of_role)})" if of_role else ""
        raise ScenarioError(
            f"--dc: {dc} is a business data centre, whose customers a whole scan would be in the way of; name one of role "
            f"'analytics'{there}, or add --from-business"
        )
    return dc


def homes_of(estate: EstateModel) -> Iterator[pa.RecordBatch]:
    """Where each home is and which are similar, in batches of HOMES_SCHEMA."""
    names = np.array(estate.regions, dtype=object)
    for first in range(0, estate.premises_count, HOMES_AT_ONCE):
        premises = np.arange(first, min(first + HOMES_AT_ONCE, estate.premises_count), dtype=np.int64)
        yield pa.record_batch(
            [
                pa.array(premises),
                pa.array(names[estate.region_of(premises)], pa.string()),
                pa.array(cohorts_of(estate, premises).astype(np.int32)),
            ],
            schema=HOMES_SCHEMA,
        )


def identity_of(scenario: Scenario) -> str:
    """What tells an estate from another: its title and seed, and a digest of all that its readings depend on."""
    parts = scenario.model_dump_json(include={"estate", "reads", "tariffs", "traffic", "wan"})
    run = f"{scenario.run.start} {scenario.run.days} {scenario.run.seed}"
    digest = hashlib.sha256(f"{parts}\n{run}".encode()).hexdigest()[:IDENTITY_LETTERS]
    return f"{scenario.title}, seed {scenario.run.seed}, {digest}"


def _exported(
    scenario: Scenario, estate: EstateModel, endpoint: Endpoint, dc: str, out: Path, progress: Progress
) -> Exported:
    experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint).through(dc)
    level = scenario.topology.consistency.audit
    progress.phase(f"Exporting half-hours and bills from {dc} at {level}")

    def told(done: int, of: int, rows: int) -> None:
        progress.detail(f"{done} of {of} parts of the ring, {rows:,} half-hours")

    with experiment.session() as session:
        store = CassandraStore(session, experiment.schema, _read_at(scenario.topology, level))
        try:
            return export(
                store,
                out,
                keyspace=scenario.topology.keyspace,
                estate=identity_of(scenario),
                homes=homes_of(estate),
                first_tariff_of=lambda home: int(tariff_kinds_of(estate, np.array([home]))[0]),
                progress=told,
            )
        except WarehouseError as error:
            raise ScenarioError(str(error)) from error
        finally:
            store.close()


def _read_at(topology: Topology, level: ConsistencyLevel) -> Topology:
    """The same, whose reads are within the data centre that is asked, whatever operations ask for otherwise."""
    consistency = topology.consistency.model_copy(update={"default": level, "operations": {}})
    return topology.model_copy(update={"consistency": consistency})
