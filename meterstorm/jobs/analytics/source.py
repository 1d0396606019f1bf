"""Where an analytics job reads: a run's kept nodes or an existing cluster, through the data centre that is there for it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster
from loadtests.recording.run_folder import RunFolder
from loadtests.workload.experiment import Experiment
from loadtests.workload.warehouse import store_through, within_one_dc
from meterstorm.display.progress import Progress
from meterstorm.jobs.analytics.arguments import Check
from meterstorm.jobs.run_folder import read_resolved, require_kept
from reports.results.run import load_results
from scenarios.domain import DcRole
from scenarios.spec import Scenario, ScenarioError, Topology
from sim.estate.model import EstateModel, build_estate
from sim.profiles.stored import read_profile
from store.cassandra import CassandraStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsSource:
    """A cluster that holds a scenario's estate. dc: the data centre that whole scans go through."""

    experiment: Experiment
    dc: str

    @property
    def scenario(self) -> Scenario:
        return self.experiment.scenario

    @property
    def estate(self) -> EstateModel:
        return self.experiment.estate

    @property
    def topology(self) -> Topology:
        """The scenario's, whose reads are within the data centre that is asked."""
        return within_one_dc(self.scenario.topology)

    def store(self) -> contextlib.AbstractContextManager[CassandraStore]:
        """The estate's readings, read through `dc` alone."""
        return store_through(self.experiment, self.dc)


@contextlib.contextmanager
def source_of_run(
    run_folder: Path,
    dc: str | None,
    *,
    from_business: bool,
    progress: Progress,
    check: Check = lambda _: None,
) -> Iterator[AnalyticsSource]:
    """What the kept local nodes of a run hold; they are stopped with the block.

    Raises ScenarioError for a run without, and what `check` raises of its scenario, before any node is started.
    """
    scenario = read_resolved(run_folder)
    check(scenario)
    # First: where nothing is left, no other data centre could be read either.
    require_kept(run_folder, load_results(run_folder).topology.where)
    chosen = chosen_dc(scenario.topology, dc, from_business=from_business)
    estate = build_estate(scenario, read_profile(RunFolder(run_folder).profile))
    progress.phase("Starting the kept cluster")
    with LocalCluster.restart(RunFolder(run_folder).cluster, progress.detail) as cluster:
        yield AnalyticsSource(
            experiment=Experiment(scenario=scenario, estate=estate, endpoint=cluster.endpoint()), dc=chosen
        )


def source_of_cluster(
    scenario: Scenario, endpoint: Endpoint, dc: str | None, *, from_business: bool, profile_folder: Path
) -> AnalyticsSource:
    """What an existing cluster holds of a scenario. profile_folder: where a relative `estate.profile` is looked for."""
    chosen = chosen_dc(scenario.topology, dc, from_business=from_business)
    estate = build_estate(scenario, folder=profile_folder)
    return AnalyticsSource(experiment=Experiment(scenario=scenario, estate=estate, endpoint=endpoint), dc=chosen)


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
