"""`meterstorm find-max`: the highest rate at which a scenario's objectives hold, on a cluster made for it or an existing one."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtests.capacity.cassandra_target import cassandra_target
from loadtests.capacity.search import SearchPlan
from loadtests.capacity.search_loop import search_rate
from loadtests.capacity.step import ALPHA, StepRules
from loadtests.capacity.target import StepTarget
from loadtests.cluster.connect import Endpoint, connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint, processor_count
from loadtests.errors import HarnessError
from loadtests.monitoring.node_metrics import NodeSampler
from loadtests.monitoring.quiescence import machine_busy_cores, require_rest, why_machine_busy
from loadtests.monitoring.resources import SampleNodes
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.tables import publish_prices
from loadtests.workload.experiment import Experiment
from loadtests.workload.prices import price_lists_of
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs.run_folder import LOCAL_NODES, new_folder, write_resolved
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.capacity import SearchSetting, assemble_capacity
from reports.capacity.page import write_capacity_report
from reports.results.capacity import CapacityResults
from reports.run.setting import AT_SITES
from scenarios.operations import operations_of
from scenarios.spec import Scenario, ScenarioError, require_no_faults, require_own_sites
from sim.estate.model import EstateModel, build_estate
from sim.profiles.stored import write_profile
from store.cassandra import alter_tables, create_schema, drop_schema, first_table_with_rows
from store.schemas import schema_of

STEP_S = 120
STEP_S_MIN = 20  # of shorter ones every warm-up takes as much as it may
LOW_OF_WARM = 0.25  # the first rate, as a share of what the warming reached in closed loop
LOW_PER_S_MIN = 1.0
WARM_IN_FLIGHT = 128
CLIENT_PER_S_MAX = 1_000_000  # twice what one sender has ever sent: asking for it is a mistake of the unit


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What the user may set. Rates in operations a second; None is worked out."""

    low_per_s: float | None = None
    high_per_s: float | None = None
    precision: float = 0.03
    step_s: int = STEP_S
    steps_max: int = 40
    dc_down: bool = False


def find_max(
    scenario: Scenario,
    out: Path,
    options: SearchOptions,
    *,
    endpoint: Endpoint | None = None,
    profile_folder: Path | None = None,
    progress: Progress | None = None,
) -> CapacityResults:
    """Search, and write results.json and report.html into the new folder `out`.

    endpoint: an existing cluster instead of a local one; its keyspace for the search is removed afterwards.
    Raises ScenarioError for what the user can mend in the scenario or the options, HarnessError or StoreError for the rest.
    Ctrl-C during the search ends it, and so does a node that dies: what was found until then is reported, and is inconclusive.
    """
    require_no_faults(scenario, "a search")
    require_own_sites(scenario.topology, is_local=endpoint is None)
    check_request(scenario, options, is_local=endpoint is None)
    progress = progress or Silent()
    started = datetime.now(UTC)
    keyspace = f"{scenario.topology.keyspace}_max"
    scenario = scenario.model_copy(
        update={"topology": scenario.topology.model_copy(update={"keyspace": keyspace})}
    )  # never the keyspace of a run: what the steps write again and again, no audit could follow
    estate = build_estate(scenario, folder=profile_folder)
    with contextlib.ExitStack() as cleanup:
        out = cleanup.enter_context(new_folder(out))
        progress.phase("Looking at the machine")  # before it has nodes of ours
        notes = []
        if (busy := why_machine_busy(*machine_busy_cores())) is not None:
            progress.detail(f"warning: {busy}")
            notes.append(busy)
        progress.phase("Starting the cluster" if endpoint is None else "Connecting to the cluster")
        cluster = None
        if endpoint is None:
            cluster = cleanup.enter_context(
                LocalCluster.start(scenario.topology, RunFolder(out).cluster, progress.detail, is_throwaway=True)
            )
            endpoint = cluster.endpoint()
        progress.phase("Creating the schema")
        release = cleanup.enter_context(_keyspace(scenario, estate, endpoint, is_ours=cluster is not None))
        dcs = [dc.name for dc in scenario.topology.business_dcs]
        dc_down = None
        if options.dc_down:
            assert cluster is not None, "checked before"
            dc_down = dcs.pop(0)
            progress.detail(f"stopping the nodes of DC {dc_down}; its traffic goes to {dcs[0]}")
            cluster.stop_dc(dc_down)
            endpoint = cluster.endpoint(dcs[0])
        sample_nodes = _sampler(cluster)
        progress.phase("Waiting for the cluster to be at rest")
        require_rest(endpoint, processor_count(), sample_nodes=sample_nodes if cluster is not None else None)
        progress.phase("Encoding the scenario's mix")
        target = cassandra_target(Experiment(scenario=scenario, estate=estate, endpoint=endpoint), dcs=dcs)
        rules = rules_of(scenario, options)
        plan = _plan(target, scenario, options, rules, progress)
        progress.phase(f"Searching from {plan.low_per_s:,.0f}/s, in steps of at most {rules.length_s} s")
        search = search_rate(
            target,
            rules,
            plan,
            sample_nodes=sample_nodes,
            check=cluster.require_alive if cluster is not None else lambda: None,
            tell=progress.detail,
        )
        results = assemble_capacity(
            search,
            SearchSetting(
                scenario=scenario,
                target=target,
                rules=rules,
                started=started,
                versions=versions(cassandra=release),
                where=_where(cluster, endpoint),
                machine=fingerprint(),
                dc_down=dc_down,
                notes=tuple(notes),
            ),
        )
        write_resolved(scenario, out)
        write_profile(estate.profile, RunFolder(out).profile)
        results.write(out)
        progress.phase("Stopping the cluster" if cluster is not None else "Removing the search's keyspace")
    progress.phase("Writing the report")
    write_capacity_report(out)
    return results


def _where(cluster: LocalCluster | None, endpoint: Endpoint) -> str:
    if cluster is None:
        return ", ".join(endpoint.contact_points)
    return LOCAL_NODES if cluster.network is None else AT_SITES


def check_request(scenario: Scenario, options: SearchOptions, *, is_local: bool) -> None:
    """Raise ScenarioError, one sentence, for what can't be searched."""
    schema_of(scenario)
    if not scenario.slo:
        raise ScenarioError("the scenario has no [[slo]], so no rate could break one; give it an objective to hold")
    sent = operations_of(scenario)
    for objective in scenario.slo:
        if objective.operation not in sent:
            raise ScenarioError(
                f"slo names {objective.operation}, which this scenario's load lacks: it sends {', '.join(sent)}"
            )
    if options.low_per_s is not None and options.high_per_s is not None and options.low_per_s > options.high_per_s:
        raise ScenarioError(f"--low {options.low_per_s:g} is above --high {options.high_per_s:g}")
    for name, rate in (("--low", options.low_per_s), ("--high", options.high_per_s)):
        if rate is not None and rate > CLIENT_PER_S_MAX:
            raise ScenarioError(
                f"{name} {rate:,.0f}/s is more than one sender can send ({CLIENT_PER_S_MAX:,}/s): lower it"
            )
    if options.step_s < STEP_S_MIN:
        raise ScenarioError(f"--step-s {options.step_s} is too short for a steady state; {STEP_S_MIN} is the least")
    if options.dc_down and not is_local:
        raise ScenarioError(
            "--with-dc-down stops nodes, which it can't on an existing cluster: leave out one of the two"
        )
    if options.dc_down and len(scenario.topology.business_dcs) < 2:
        raise ScenarioError(
            "--with-dc-down needs a second DC of role 'business' for the lost one's traffic to go to; the topology has one"
        )


def rules_of(scenario: Scenario, options: SearchOptions) -> StepRules:
    """How the steps of a scenario's search are judged."""
    return StepRules(objectives=scenario.slo, validity=scenario.run.validity, length_s=options.step_s, alpha=ALPHA)


def _plan(
    target: StepTarget, scenario: Scenario, options: SearchOptions, rules: StepRules, progress: Progress
) -> SearchPlan:
    """Where to begin: asked for, or from what the warming reaches. rules: those that its steps are judged by."""
    low = options.low_per_s
    if scenario.run.warm_nodes_s:
        progress.phase(f"Warming the nodes for {scenario.run.warm_nodes_s:g} s")
        report = target.warm(scenario.run.warm_nodes_s, min(WARM_IN_FLIGHT, target.settings.in_flight_max))
        reached = report.ok / report.wall_s
        progress.detail(f"{reached:,.0f}/s in closed loop")
        low = low or max(LOW_OF_WARM * reached, LOW_PER_S_MIN)
    low = low or LOW_PER_S_MIN
    if options.high_per_s is not None:
        low = min(low, options.high_per_s)
    return SearchPlan(
        low_per_s=round(low, 3),
        high_per_s=options.high_per_s,
        precision=options.precision,
        steps_max=options.steps_max,
        step_s=rules.length_s,
        alpha=rules.alpha,
    )


@contextlib.contextmanager
def _keyspace(scenario: Scenario, estate: EstateModel, endpoint: Endpoint, *, is_ours: bool) -> Iterator[str]:
    """The tables, for the time of the search; yields Cassandra's release. A local cluster takes its own along."""
    schema, topology = schema_of(scenario), scenario.topology
    driver, session = connect(endpoint)
    try:
        create_schema(session, schema, topology, estate.calendar)
        alter_tables(session, scenario.store.alterations, schema, topology.keyspace)
        held = first_table_with_rows(session, schema, topology.keyspace)
        if held is not None:
            raise HarnessError(
                f"table {topology.keyspace}.{held.name}, which the search would write to and remove, already holds rows: drop "
                "that keyspace if an interrupted search left it, or name another in [topology] keyspace"
            )
    except BaseException:
        driver.shutdown()
        raise
    try:
        try:
            publish_prices(session, price_lists_of(estate), estate, schema, topology)
            release = str(session.execute("SELECT release_version FROM system.local").one().release_version)
        finally:
            driver.shutdown()
        yield release
    finally:
        if not is_ours:
            driver, session = connect(endpoint)
            try:
                drop_schema(session, topology)
            finally:
                driver.shutdown()


def _sampler(cluster: LocalCluster | None) -> SampleNodes:
    """Samples of local nodes; of an existing cluster's none."""
    return (lambda _: ()) if cluster is None else NodeSampler(cluster).sample
