"""What a run refuses, in words, before anything is started: what its scenario asks for where it is not to be had."""

import math

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.jars import locked_versions
from loadtests.locust_fleet.launch import FleetPlan
from loadtests.sites.enclosure import require_inside
from loadtests.workload.prices import in_force_s
from scenarios.parts.faults import CARRIED_ANYWHERE, OFFICE_KINDS, UNKEPT_KINDS, FaultKind
from scenarios.spec import Scenario, ScenarioError, needs_enclosure
from sim.estate.model import EstateModel
from store.schemas import schema_of


def require_keepable(scenario: Scenario) -> None:
    """Raises ScenarioError for faults after which nodes can't be kept for another audit."""
    unkept = [fault for fault in scenario.faults if fault.kind in UNKEPT_KINDS]
    if not unkept:
        return
    why = (
        "a node whose disk is to be full has it in memory, of which nothing can be kept"
        if unkept[0].kind is FaultKind.DISK_FULL
        else f"after the {unkept[0]} the nodes are not those of the scenario, and could not be started again by it"
    )
    raise ScenarioError(f"keep: {why}; leave out one")


def require_faults_carried(
    scenario: Scenario, endpoint: Endpoint | None, fleet: FleetPlan | None = None, shard_count: int = 1
) -> None:
    """Raises ScenarioError for faults on an existing cluster, whose nodes are not ours to break, and of what a run does not have;
    HarnessError for faults of the network where there is none of our own.

    fleet: Locust's workers, instead of `shard_count` senders of the bench's own.
    """
    if endpoint is not None and any(fault.kind not in CARRIED_ANYWHERE for fault in scenario.faults):
        raise ScenarioError(
            "faults: they are made on local nodes alone, and these are an existing cluster's; leave out --contact-points, or "
            "[[faults]] and [nemesis]"
        )
    if fleet is not None and scenario.run.failover is not None:
        raise ScenarioError(
            "run.failover: Locust's workers don't tell when they moved homes; leave out it, or --workers and --customers"
        )
    if endpoint is None and needs_enclosure(scenario):
        require_inside()
    for number, fault in enumerate(scenario.faults):
        where = f"faults[{number}]"
        tables = [table.name for table in schema_of(scenario).tables]
        named = fault.target if fault.kind is FaultKind.SCHEMA_CHANGE else fault.table
        if named is not None and named not in tables:
            raise ScenarioError(f"{where}: there is no table '{named}'; there are {', '.join(sorted(tables))}")
        if fault.kind is FaultKind.UPGRADE:
            _require_upgrade(where, str(fault.to_version), scenario)
        if fault.kind is FaultKind.KILL_GATEWAY:
            if not scenario.campaigns:
                raise ScenarioError(f"{where}: a scenario without [[campaigns]] has no gateway that could be killed")
            if fault.target not in [dc.name for dc in scenario.topology.business_dcs]:
                raise ScenarioError(f"{where}: '{fault.target}' is no business data centre, and has no gateway")
        if fault.kind in OFFICE_KINDS and not scenario.run.back_office:
            raise ScenarioError(f"{where}: run.back_office is false, and there is no back office that it could befall")
        if fault.kind is FaultKind.KILL_SENDER:
            _require_sender(where, fault.target, fleet, shard_count)


def _require_sender(where: str, target: str, fleet: FleetPlan | None, shard_count: int) -> None:
    """Raises ScenarioError for a sender that there is not, or that runs where we can't kill it."""
    if fleet is not None and fleet.listen is not None:
        raise ScenarioError(f"{where}: {target} may run on another machine (--listen), and can't be killed from here")
    count = shard_count if fleet is None else fleet.worker_count
    if int(target.rpartition("-")[2]) > count:
        option = "shards" if fleet is None else "workers"
        raise ScenarioError(f"{where}: there is no {target}: --{option} {count} has so many")


def require_known_jobs(scenario: Scenario) -> None:
    """Raises ScenarioError for analytics that ask for a job that there is not."""
    from store.analytics.jobs import JOBS  # with what it needs to load, for a scenario that has any

    for number, one in enumerate(scenario.analytics):
        if one.job not in JOBS:
            raise ScenarioError(
                f"analytics[{number}].job = '{one.job}': there is no such job; there are {', '.join(JOBS)}"
            )


def require_prices_held(scenario: Scenario, estate: EstateModel) -> None:
    """Raises ScenarioError for price lists that are to be late, where none comes into force meanwhile."""
    there_s = [at_s for at_s in in_force_s(scenario, estate) if -math.inf < at_s < scenario.run.wall_s]
    for number, fault in enumerate(scenario.faults):
        if fault.kind is FaultKind.LATE_TARIFFS and not any(fault.at_s <= one < fault.until_s for one in there_s):
            there = ", ".join(f"{one:.1f} s" for one in there_s) or "nothing but the prices of the beginning"
            raise ScenarioError(
                f"faults[{number}]: no price list comes into force from {fault.at_s:g} to {fault.until_s:g} s of the storm, so "
                f"that none could be late; there is {there}; prices come with effective_h of [[campaigns]], and with [[tariffs]]"
            )


def _require_upgrade(where: str, version: str, scenario: Scenario) -> None:
    """Raises ScenarioError for a release that there is no lock of, that nodes run already, or beside another one."""
    at_first = scenario.topology.cassandra_version or locked_versions()[0]
    if version not in locked_versions():
        raise ScenarioError(
            f"{where}: there is no lock of Cassandra {version}'s jars; there are {', '.join(locked_versions())}"
        )
    if version == at_first:
        raise ScenarioError(
            f"{where}: the nodes run Cassandra {version} already; give [topology] an older cassandra_version"
        )
    if {fault.to_version for fault in scenario.faults} - {None, version}:
        raise ScenarioError(f"{where}: nodes are upgraded to one release in one run")
