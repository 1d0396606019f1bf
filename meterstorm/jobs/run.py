"""The main job: cluster, schema, storm, drain, audit, report; and the audit of a recorded run once more."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.backend.command_gateway import require_carried
from loadtests.cluster import supervisor
from loadtests.cluster.background import BackgroundPhase
from loadtests.cluster.connect import Endpoint
from loadtests.cluster.durability import why_lost
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.faults.acts import ForeignNodes
from loadtests.faults.injection import FaultCourse, FaultInjection
from loadtests.locust_fleet.launch import FleetPlan, storm_under_locust
from loadtests.metrics.canary import Canary, create_canary_table
from loadtests.metrics.collector import RunCollector
from loadtests.metrics.endpoint import listen, serve
from loadtests.metrics.instruments import Instruments
from loadtests.monitoring.node_metrics import NodeSampler
from loadtests.monitoring.visibility import VisibilityWatch, create_visibility_table, watched_pairs
from loadtests.prometheus.programs import MonitoringPrograms
from loadtests.recording.history import NodeSample, read_history
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RESOLVED_NAME, RunFolder
from loadtests.storm.coordinator import StormResult, storm
from loadtests.storm.tables import prepare_tables, table_statements
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from loadtests.workload.site_traffic import require_bandwidth, site_traffic
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs import audit as proof
from meterstorm.jobs.defaults import SETTLE_S
from meterstorm.jobs.early_digest import EarlyDigest
from meterstorm.jobs.recover import DIED, RunStart, recover, this_process
from meterstorm.jobs.refusals import require_faults_carried, require_keepable, require_known_jobs, require_prices_held
from meterstorm.jobs.run_folder import (
    LOCAL_NODES,
    new_folder,
    read_resolved,
    require_kept,
    stored_data,
    write_resolved,
)
from meterstorm.jobs.run_monitor import RunMonitor, watched, with_alerts
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.replication import replication_result
from meterstorm.outcomes.run import assemble_results, judge_again, profile_import
from meterstorm.outcomes.sites import wan_result
from reports import write_report
from reports.results.replication import ReplicationResult
from reports.results.run import AuditResult, FleetResult, Results, Undone, load_results
from reports.verdict.auditable import StoredData, audit_advice
from scenarios.levels.lost_writes import may_be_lost
from scenarios.levels.nemesis import borne_by, with_drawn_faults
from scenarios.levels.served import must_fail
from scenarios.spec import Scenario, require_own_sites, require_reached
from sim.estate.model import EstateModel, build_estate
from sim.profiles.stored import read_profile, write_profile
from store.cassandra import drop_warming_schema
from store.cassandra.session import FAILURES
from store.ports import StoreError
from store.schemas import schema_of

log = logging.getLogger(__name__)

STORM = "storm"  # the phase that is told of in parts, see `Instruments.parts_of_storm`
PHASES = ("cluster", "schema", "digest", STORM, "revised_days", "audit", "alerts", "stopping", "report")
FOLDING = "Computing the views of days that estimates and corrections have touched again from the event log"


def run(
    scenario: Scenario,
    out: Path,
    *,
    keep: bool = False,
    endpoint: Endpoint | None = None,
    shard_count: int = 1,
    fleet: FleetPlan | None = None,
    settle_s: float = SETTLE_S,
    monitor: bool = False,
    profile_folder: Path | None = None,
    metrics: socket.socket | None = None,
    progress: Progress | None = None,
) -> Results:
    """Simulate, storm, audit and report; `out` becomes the run's folder and must not hold anything.

    endpoint: an existing cluster instead of a local one. keep: leave the local nodes' data for `audit_again`.
    fleet: the shards are Locust's workers', instead of `shard_count` of our own.
    monitor: local nodes and the run are watched by a Prometheus and an Alertmanager of its own; what fired stands in the results.
    settle_s: how long the audit waits for a DC that misses acknowledged facts. profile_folder: where a relative
    `estate.profile` is looked for before the working folder. metrics: a socket that listens, of
    `loadtests.metrics.endpoint.listen`; scrapers are answered on it until the report is written.
    Raises ScenarioError for what the user can mend in the scenario or the arguments, HarnessError or StoreError for the rest;
    what was recorded stays in `out`. Ctrl-C during the storm ends it early: the run is drained, audited and reported, and its
    verdict is inconclusive.
    """
    scenario = with_drawn_faults(scenario)
    _refuse(scenario, endpoint, fleet, shard_count=shard_count, keep=keep, monitor=monitor)
    instruments = Instruments(scenario)
    phases = _Phases(progress or Silent(), instruments)
    data = StoredData.EXISTING_CLUSTER if endpoint else StoredData.KEPT if keep else StoredData.GONE
    started = datetime.now(UTC)
    estate = build_estate(scenario, folder=profile_folder)
    require_prices_held(scenario, estate)
    with contextlib.ExitStack() as cleanup:
        collector = RunCollector(instruments, estate, version=versions("")["meterstorm"], phases=PHASES)
        if metrics is not None:
            address = cleanup.enter_context(serve(metrics, collector))
            phases.progress.detail(f"metrics for Prometheus: {address}")
        out = cleanup.enter_context(new_folder(out))
        write_resolved(scenario, out)
        write_profile(estate.profile, RunFolder(out).profile)
        early = cleanup.enter_context(EarlyDigest(estate))
        with phases.phase("cluster", "Starting the cluster" if endpoint is None else "Connecting to the cluster"):
            cluster = None
            if endpoint is None:
                nodes = _local_cluster(scenario, estate, out, phases.progress, keep=keep, monitor=monitor)
                cluster = cleanup.enter_context(nodes)
            experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint or _endpoint_of(cluster))
            watch = _Watch(cluster, instruments, _faults_of(experiment, cluster))
            if monitor:
                # A socket of its own: that of somebody outside may be of another network.
                own = cleanup.enter_context(serve(listen(0), collector))
                watch.monitor = cleanup.enter_context(
                    watched(RunFolder(out).monitor, scenario, cluster, experiment.endpoint, own)
                )
                phases.progress.detail(f"Prometheus watches at http://{watch.monitor.prometheus}")
        with phases.phase("schema", "Creating the schema"):
            release = prepare_tables(experiment) if cluster is None else prepare_tables(experiment, cluster.keep_tables)
            is_asked = monitor or metrics is not None
            canary = _canary_of(experiment, instruments, cluster) if is_asked else contextlib.nullcontext()
        with phases.phase("digest", "Computing the digest of the trace"):
            digest = early.result()
        start = _start_of(estate, started, digest, release, endpoint, fleet)
        start.write(out)
        cleanup.callback(start.model_copy(update={"nodes_die_with_it": False, "has_ended": True}).write, out)
        visibility = _visibility_of(experiment)
        with canary, visibility or contextlib.nullcontext():
            stormed = _storm(experiment, RunFolder(out), fleet or shard_count, watch, phases)
        results = assemble_results(
            scenario,
            out,
            stormed=stormed,
            digest=digest,
            started=started,
            versions=start.versions,
            where=start.where,
            profile=start.profile,
            trouble=watch.trouble,
            faults=watch.fault_courses,
            wan=None if cluster is None else wan_result(cluster),
            replication=_replication(experiment, RunFolder(out), visibility, watch),
            fleet=start.fleet,
            data=data,
        )
        results.write(out)  # whatever happens from here on, `audit_again` can go on from it
        if stormed.is_interrupted:
            phases.progress.detail("the storm was interrupted: auditing what it sent; Ctrl-C again stops at once")
        results = _judged(results, experiment, out, settle_s, phases, data, instruments)
        if watch.monitor is not None:
            with phases.phase("alerts", "Asking Prometheus which alerts fired"):
                results = with_alerts(results, out, watch.monitor, watch.fault_courses, instruments.storm_s)
        results = results.model_copy(update={"finished": datetime.now(UTC), "phases_s": phases.seconds})
        results.write(out)
        if cluster is not None:
            phases.begin("stopping", "Stopping the cluster")
            cluster.stop()
        phases.begin("report", "Writing the report")
        write_report(out)
    return results


def _refuse(
    scenario: Scenario,
    endpoint: Endpoint | None,
    fleet: FleetPlan | None,
    *,
    shard_count: int,
    keep: bool,
    monitor: bool,
) -> None:
    """Raises ScenarioError or HarnessError for a run that can't be made, before anything is started."""
    schema_of(scenario)
    require_carried(scenario)
    require_known_jobs(scenario)
    if keep:
        require_keepable(scenario)
    require_own_sites(scenario.topology, is_local=endpoint is None)
    if monitor:
        MonitoringPrograms.find()
    if fleet is not None and fleet.listen is not None:
        require_reached(scenario)
    require_faults_carried(scenario, endpoint, fleet, shard_count)


def _local_cluster(
    scenario: Scenario, estate: EstateModel, out: Path, progress: Progress, *, keep: bool, monitor: bool
) -> LocalCluster:
    """The run's own nodes, which serve."""
    return LocalCluster.start(
        scenario.topology,
        RunFolder(out).cluster,
        progress.detail,
        keep=keep,
        faults=scenario.faults,
        metrics=monitor,
        check_network=lambda cost: require_bandwidth(site_traffic(scenario, estate), cost),
        tables=table_statements(scenario),
    )


def _start_of(
    estate: EstateModel,
    started: datetime,
    digest: str,
    release: str,
    endpoint: Endpoint | None,
    fleet: FleetPlan | None,
) -> RunStart:
    """What `recover` is to know of a run that dies. digest: of its trace; release: of Cassandra, at its nodes."""
    pid, pid_created_s = this_process()
    return RunStart(
        pid=pid,
        pid_created_s=pid_created_s,
        started=started,
        digest=digest,
        versions=versions(cassandra=release),
        where=LOCAL_NODES if endpoint is None else ", ".join(endpoint.contact_points),
        nodes_die_with_it=endpoint is None,
        profile=profile_import(estate),
        fleet=None if fleet is None else FleetResult(workers=fleet.worker_count, customers=fleet.customer_count),
        are_workers_elsewhere=fleet is not None and fleet.listen is not None,
    )


def _judged(
    results: Results,
    experiment: Experiment,
    out: Path,
    settle_s: float,
    phases: "_Phases",
    data: StoredData,
    instruments: Instruments,
) -> Results:
    """The results of a storm with the verdict of its audit, before which revised days are folded."""
    trouble: list[str] = []
    if Undone.FOLD in results.undone:
        with phases.phase("revised_days", FOLDING):
            results, trouble = _fold_or_trouble(results, experiment, phases.progress)
        results.write(out)
    audit, audit_trouble = _audit_or_trouble(experiment, out, settle_s, phases, results, data, instruments)
    return judge_again(results, experiment.scenario, audit, [*trouble, *audit_trouble], data=data)


def audit_again(
    run_folder: Path,
    *,
    endpoint: Endpoint | None = None,
    settle_s: float = SETTLE_S,
    progress: Progress | None = None,
) -> Results:
    """Audit a recorded run afresh, on its kept local nodes or on the `endpoint` that it ran against.

    What the run left undone of its own is done first: days that revisions touched are folded, once. The verdict is judged anew
    from the recorded history and the fresh audit, and results and report are written again.
    A run that died is audited for what its ledger says was acknowledged, and what it has left of its warming is removed.
    Raises ScenarioError when the folder holds no run that has ended, or its data are gone with its nodes; HarnessError when
    its nodes can't be started.
    """
    progress = progress or Silent()
    recover(run_folder)
    recorded = load_results(run_folder)
    scenario = read_resolved(run_folder)
    data = stored_data(run_folder, recorded.topology.where) if endpoint is None else StoredData.EXISTING_CLUSTER
    if endpoint is None:
        endpoint = _endpoint_in_background(RunFolder(run_folder).cluster)
    if endpoint is None:
        require_kept(run_folder, recorded.topology.where)
    estate = build_estate(scenario, read_profile(RunFolder(run_folder).profile))
    with contextlib.ExitStack() as cleanup:
        if endpoint is None:
            progress.phase("Starting the kept cluster")
            cluster = cleanup.enter_context(LocalCluster.restart(RunFolder(run_folder).cluster, progress.detail))
            endpoint = cluster.endpoint()
        experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint)
        trouble: list[str] = []
        if Undone.FOLD in recorded.undone:
            progress.phase(FOLDING)
            recorded, trouble = _fold_or_trouble(recorded, experiment, progress)
            recorded.write(run_folder)
        if DIED in recorded.trouble:
            _drop_warming(experiment)
        progress.phase("Reading back what was acknowledged, from each data centre")
        is_complete = proof.are_commands_complete(recorded)
        audit = proof.audit(
            experiment,
            run_folder,
            settle_s,
            progress,
            is_complete=is_complete,
            is_closed=_is_closed(recorded),
            refused_count=recorded.back_office.faulty if recorded.back_office else 0,
            is_history_whole=DIED not in recorded.trouble,
        )
    results = judge_again(recorded, scenario, audit, trouble, data=data)
    results.write(run_folder)
    progress.phase("Writing the report")
    write_report(run_folder)
    return results


def _endpoint_in_background(folder: Path) -> Endpoint | None:
    """The run's own nodes when `meterstorm cluster up RUN` holds them already."""
    if not (folder / supervisor.STATE_FILE).exists():
        return None
    state = supervisor.status(folder)
    return state.endpoint if state.phase is BackgroundPhase.SERVING else None


class _Phases:
    """Wall time by phase [s], each told to the user as it begins."""

    def __init__(self, progress: Progress, told: Instruments) -> None:
        """told: is told of them, and knows of what parts the storm was."""
        self.progress, self._told = progress, told
        self.seconds: dict[str, float] = {}

    def begin(self, name: str, said: str) -> None:
        self.progress.phase(said)
        self._told.phase = name

    @contextlib.contextmanager
    def phase(self, name: str, said: str) -> Iterator[None]:
        self.begin(name, said)
        begun_ns = time.monotonic_ns()
        try:
            yield
        finally:
            ended_ns = time.monotonic_ns()
            took = (
                {name: (ended_ns - begun_ns) / 1e9} if name != STORM else self._told.parts_of_storm(begun_ns, ended_ns)
            )
            self.seconds |= {part: round(seconds, 3) for part, seconds in took.items()}


def _endpoint_of(cluster: LocalCluster | None) -> Endpoint:
    assert cluster is not None, "either the user's cluster or ours"
    return cluster.endpoint()


def _storm(
    experiment: Experiment,
    folder: RunFolder,
    senders: FleetPlan | int,
    watch: "_Watch",
    phases: "_Phases",
) -> StormResult:
    """Send the whole trace; fills `history/` and `ledger/`."""
    scenario, estate = experiment.scenario, experiment.estate
    with phases.phase(STORM, f"Storming with {estate.meter_count:,} meters for {scenario.run.wall_s:g} s"):
        for fault in sorted(scenario.faults, key=lambda one: one.at_s):
            phases.progress.detail(f"fault: {fault}")
        for planned in scenario.analytics:
            phases.progress.detail(f"analytics: {planned}, through {planned.dc_of(scenario.topology.dcs)}")
        for sentence in (*must_fail(scenario), *may_be_lost(scenario)):
            phases.progress.detail(sentence)
        if scenario.run.warm_nodes_s:
            phases.progress.detail(
                f"senders start, and warm the nodes for {scenario.run.warm_nodes_s:g} s, before the clock does"
            )
        try:
            if isinstance(senders, FleetPlan):
                if senders.listen is not None:
                    phases.progress.detail(_call_for_workers(senders, experiment.endpoint))
                return storm_under_locust(
                    experiment,
                    folder,
                    senders,
                    sample_nodes=watch.sample,
                    live=lambda live: phases.progress.live(live, scenario.run.wall_s),
                    faults=watch.faults,
                    instruments=watch.told,
                )
            Ledger.create(folder.ledger, planes_of(scenario), estate.meter_count, estate.slot_count)
            return storm(
                experiment,
                folder,
                shard_count=senders,
                sample_nodes=watch.sample,
                live=lambda live: phases.progress.live(live, scenario.run.wall_s),
                faults=watch.faults,
                instruments=watch.told,
            )
        finally:
            _drop_warming(experiment)


def _call_for_workers(plan: FleetPlan, endpoint: Endpoint) -> str:
    """What the user has to do on the other machines."""
    assert plan.listen is not None
    host, port = plan.listen
    secret = " --secret-file SECRET" if plan.secret is not None else ""
    return (
        f"waiting on {host}:{port} for {plan.worker_count} workers; start each with: uv run locust -f loadtests/locustfile.py "
        f"--worker --master-host HOST --master-port {port}{secret} --contact-points {','.join(endpoint.contact_points)} "
        f"--scenario FILE, where FILE is a copy of this run's {RESOLVED_NAME}"
    )


def _fold_or_trouble(results: Results, experiment: Experiment, progress: Progress) -> tuple[Results, list[str]]:
    """Fold the revised days. Returns the results without that among what is undone, or the sentence why it still is."""
    try:
        proof.fold(experiment, progress)
    except (HarnessError, StoreError, *FAILURES) as error:
        return results, [
            f"The views of revised days could not be computed again: {error}; they are behind the event log."
        ]
    return results.model_copy(update={"undone": tuple(each for each in results.undone if each is not Undone.FOLD)}), []


def _is_closed(results: Results) -> bool:
    """Did all that publishes prices and projects views work to its end?"""
    return not results.trouble and Undone.FOLD not in results.undone


def _audit_or_trouble(
    experiment: Experiment,
    out: Path,
    settle_s: float,
    phases: "_Phases",
    results: Results,
    data: StoredData,
    instruments: Instruments,
) -> tuple[AuditResult | None, list[str]]:
    """The audit, or the sentence why there is none: the storm's record is worth a report all the same."""
    with phases.phase("audit", "Reading back what was acknowledged, from each data centre"):
        try:
            is_complete = proof.are_commands_complete(results)
            audit = proof.audit(
                experiment,
                out,
                settle_s,
                phases.progress,
                is_complete=is_complete,
                is_closed=_is_closed(results),
                refused_count=results.back_office.faulty if results.back_office else 0,
                told=instruments.audit,
            )
            return audit, []
        except (HarnessError, StoreError, *FAILURES) as error:
            return None, [f"The audit could not be made: {error}; {audit_advice(data, 'tries again')}."]


def _drop_warming(experiment: Experiment) -> None:
    """Remove the warming keyspace; one that can't be is told in the log, and is in nobody's way."""
    if not experiment.scenario.run.warm_nodes_s:
        return
    try:
        with experiment.session() as session:
            drop_warming_schema(session, experiment.topology)
    except (HarnessError, StoreError) as error:
        log.warning("the warming keyspace is left behind: %s", error)


def _canary_of(
    experiment: Experiment, instruments: Instruments, cluster: LocalCluster | None
) -> contextlib.AbstractContextManager[object]:
    """A canary through every data centre; none where its table can't be made: that must not end the run."""
    topology = experiment.topology
    try:
        with experiment.session() as session:
            create_canary_table(session, topology)
    except (HarnessError, *FAILURES) as error:
        log.warning("no canary: its table can't be made: %s", error)
        return contextlib.nullcontext()
    sessions = {dc.name: experiment.through(dc.name).session for dc in topology.dcs}

    def name_of(address: str) -> str:
        nodes = () if cluster is None else cluster.nodes
        return next((node.name for node in nodes if node.address == address), address)

    return Canary(topology, sessions, instruments.probes, name_of)


def _visibility_of(experiment: Experiment) -> VisibilityWatch | None:
    """A watch over the data centres that faults take from others; None where they take none. Raises HarnessError."""
    topology = experiment.topology
    pairs = watched_pairs(experiment.scenario.faults, topology)
    if not pairs:
        return None
    try:
        with experiment.session() as session:
            create_visibility_table(session, topology)
    except FAILURES as error:
        raise HarnessError(f"the table of what data centres see of each other can't be made: {error}") from error
    sessions = {dc.name: experiment.through(dc.name).session for dc in topology.dcs}
    return VisibilityWatch(topology, sessions, pairs, experiment.scenario.run.wall_s)


def _replication(
    experiment: Experiment, folder: RunFolder, visibility: VisibilityWatch | None, watch: "_Watch"
) -> ReplicationResult | None:
    if visibility is None or watch.faults is None:
        return None
    return replication_result(
        visibility.probes,
        watch.fault_courses,
        experiment.scenario,
        read_history(folder.history),
        watch.faults.zero_ns,
    )


def _faults_of(experiment: Experiment, cluster: LocalCluster | None) -> FaultInjection | None:
    scenario = experiment.scenario
    if not scenario.faults:
        return None
    return FaultInjection(
        scenario.faults,
        scenario.topology.dcs,
        cluster or ForeignNodes(experiment.endpoint),
        keyspace=scenario.topology.keyspace,
        bears=None if scenario.nemesis is None else borne_by(scenario),
        storm_s=scenario.run.wall_s,
    )


class _Watch:
    """Samples of local nodes, the faults that befall them, and the word when one has died by itself; nothing of an existing
    cluster's nodes."""

    def __init__(self, cluster: LocalCluster | None, told: Instruments, faults: FaultInjection | None = None) -> None:
        self.trouble: list[str] = []
        self.told, self.faults = told, faults
        self.monitor: RunMonitor | None = None
        self._cluster = cluster
        self._sampler = None if cluster is None else NodeSampler(cluster)
        self._follow_nodes()

    @property
    def fault_courses(self) -> Sequence[FaultCourse]:
        return [] if self.faults is None else self.faults.courses

    def sample(self, second: int) -> Sequence[NodeSample]:
        self._follow_nodes()
        if self._cluster is None or self._sampler is None:
            return ()
        if not self.trouble:
            try:
                self._cluster.require_alive()
            except HarnessError as error:
                cost = why_lost(self._cluster.record.topology, self._cluster.dead_dcs)
                self.trouble.append(f"In second {second} of the storm: {error}.{f' {cost}.' if cost else ''}")
        self.told.nodes = self._sampler.sample(second)
        return self.told.nodes

    def _follow_nodes(self) -> None:
        """Nodes join and leave, in some faults by plan."""
        if self._cluster is not None:
            self.told.data_folders = {(node.name, node.dc): node.folder / "data" for node in self._cluster.nodes}
        if self.monitor is not None:
            self.monitor.follow()
