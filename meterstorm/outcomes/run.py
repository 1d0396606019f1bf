"""From what was recorded to `results.json`: the figures put together and judged."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from loadtests.audit.tables import AuditReport
from loadtests.backend.back_office import BackOfficeResult
from loadtests.backend.command_gateway import GatewayResult
from loadtests.cluster.machine import fingerprint
from loadtests.faults.injection import FaultCourse
from loadtests.locust_fleet.journeys import JourneyPage
from loadtests.recording.history import RunHistory, read_history
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.analytics import AnalyticsRound
from loadtests.storm.coordinator import StormResult
from loadtests.storm.refold import day_views
from meterstorm.outcomes.sites import wan_trouble
from reports.results.parts import Machine, TopologyResult, Verdict
from reports.results.replication import ReplicationResult
from reports.results.run import (
    AnalyticsResult,
    AuditExample,
    AuditResult,
    CommandsResult,
    DcAudit,
    FaultResult,
    FleetResult,
    GeneratorResult,
    HomesMovedResult,
    OfficeResult,
    ProfileFault,
    ProfileImport,
    Results,
    RuleCheck,
    SpeculationResult,
    TableAudit,
    Undone,
    WanResult,
)
from reports.run.fault_effects import with_effects
from reports.run.summary import Stalls, summarise_generator, summarise_objectives, summarise_operations
from reports.verdict.auditable import StoredData
from reports.verdict.generator_validity import Waiting, waiting_of
from reports.verdict.run import judge
from scenarios.operations import has_revisions, operations_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel
from sim.profiles.faults import ImportReport, handling_of
from store.schemas import schema_of


def audit_result(report: AuditReport, scenario: Scenario, number: int) -> AuditResult:
    """The audit as results.json has it; number: of the run's audits, from 1."""
    return AuditResult(
        **asdict(report.totals),
        per_dc={dc: DcAudit(**asdict(counts)) for dc, counts in report.per_dc.items()},
        tables={table: TableAudit(**asdict(counts)) for table, counts in report.tables.items()},
        examples=tuple(
            AuditExample.model_validate(asdict(example) | {"dc": example.dcs[0]}) for example in report.examples
        ),
        rules=tuple(
            RuleCheck(
                rule=rule.check,
                counted=rule.counted,
                faults=rule.faults,
                examples=rule.examples,
                sample=rule.sample,
            )
            for rule in report.rules
        ),
        consistency=str(scenario.topology.consistency.audit),
        slots_per_s=report.facts_read / report.scan_s if report.scan_s > 0 else None,
        finished=datetime.now(UTC),
        number=number,
        parts_s=dict(report.parts_s),
    )


def commands_result(done: GatewayResult | None) -> CommandsResult | None:
    """The commands as results.json has them; None for a scenario without campaigns."""
    if done is None:
        return None
    return CommandsResult(
        states=dict(done.states),
        mending_states=dict(done.mending_states),
        attempts=done.attempts,
        replays=done.replays,
        late=done.late,
        repeats=done.repeats,
        drifts=done.drifts,
        behind_s_max=round(done.behind_s_max, 3),
        wall_s=round(done.wall_s, 3),
        setbacks=done.setbacks,
    )


def closed_loop_of(operations: Sequence[str], scenario: Scenario) -> set[str]:
    """The operations of a history that neither the trace nor a customer makes due."""
    due = {str(operation) for operation in operations_of(scenario)} | {page.value for page in JourneyPage}
    return set(operations) - due


def office_result(done: BackOfficeResult | None) -> OfficeResult | None:
    """The back office as results.json has it; None for a scenario without one, and for one that could not go on."""
    if done is None:
        return None
    return OfficeResult(
        rounds=done.rounds,
        delivered=done.delivered,
        exported=done.exported,
        faulty=done.faulty,
        bills=done.bills,
        setbacks=done.setbacks,
        behind_s_max=round(done.behind_s_max, 3),
    )


def profile_faults(report: ImportReport) -> dict[str, ProfileFault]:
    """What was wrong in a profile file, by kind of fault, and what became of the rows."""
    return {
        each.fault.value: ProfileFault(count=each.count, handling=handling_of(each.fault), lines=each.lines)
        for each in report.faults
    }


def profile_import(estate: EstateModel) -> ProfileImport | None:
    """What was found in the user's profile file; None for the profile that ships."""
    report = estate.profile_report
    if report is None:
        return None
    return ProfileImport(
        source=f"{report.path} ({report.layout})",
        rows_read=report.rows_read,
        rows_used=report.rows_used,
        faults=profile_faults(report),
        notes=report.notes,
    )


def fault_result(course: FaultCourse) -> FaultResult:
    """A fault as it came, without its effects."""
    return FaultResult(
        kind=course.fault.kind,
        target=course.fault.target,
        nodes=course.nodes,
        at_s=course.fault.at_s,
        for_s=course.fault.for_s,
        begun_s=course.begun_s,
        effective_s=course.effective_s,
        healed_s=course.healed_s,
        back_s=course.back_s,
        told=course.told,
    )


def analytics_result(one: AnalyticsRound) -> AnalyticsResult:
    """A round of analytics as results.json has it."""
    told = asdict(one)
    seconds = ("begun_s", "exported_s", "ended_s", "cpu_s")
    return AnalyticsResult(**told | {name: None if told[name] is None else round(told[name], 3) for name in seconds})


def assemble_results(
    scenario: Scenario,
    run_folder: Path,
    *,
    stormed: StormResult | None,
    digest: str,
    started: datetime,
    versions: dict[str, str],
    where: str,
    profile: ProfileImport | None,
    trouble: Sequence[str],
    faults: Sequence[FaultCourse] = (),
    wan: WanResult | None = None,
    replication: ReplicationResult | None = None,
    fleet: FleetResult | None = None,
    are_nodes_killed: bool = False,
    data: StoredData = StoredData.KEPT,
    finished: datetime | None = None,
) -> Results:
    """What the recorded history tells, judged without an audit, and so inconclusive at best; `judge_again` adds one.

    stormed: None of a run that died, of which nobody knows how its generator did. are_nodes_killed: its nodes died with it.
    data: where the run's data are. finished: when the run ended; by default now.
    """
    history = read_history(RunFolder(run_folder).history)
    is_whole = stormed is not None and not stormed.is_interrupted and not stormed.killed_senders
    undone = undone_after(scenario, is_storm_whole=is_whole)
    if stormed is not None and stormed.is_interrupted:
        trouble = [*trouble, f"The storm was interrupted after {stormed.wall_s:.0f} s of {scenario.run.wall_s:g} s."]
    operations = summarise_operations(history, scenario, closed_loop_of(history.operations, scenario))
    objectives = summarise_objectives(history, scenario)
    results = Results(
        scenario=scenario.title,
        seed=scenario.run.seed,
        digest=digest,
        speed_up=scenario.speed_up,
        started=started,
        finished=finished or datetime.now(UTC),
        versions=versions,
        machine=Machine.model_validate(fingerprint()),
        topology=TopologyResult(
            **scenario.topology.model_dump(), where=where, wan_emulated=scenario.topology.wan is not None
        ),
        verdict=Verdict.INCONCLUSIVE,
        reasons=(),
        operations=operations,
        objectives=objectives,
        generator=_generator(history, scenario, stormed, waiting_of(operations, objectives)),
        audit=None,
        commands=commands_result(stormed.commands) if stormed else None,
        back_office=office_result(stormed.office) if stormed else None,
        faults=with_effects(
            [fault_result(course) for course in faults],
            history,
            warm_up_s=scenario.run.warm_up_s,
            closed_loop=closed_loop_of(history.operations, scenario),
        ),
        analytics=tuple(analytics_result(one) for one in stormed.analytics) if stormed else (),
        speculation=_speculation(scenario, stormed),
        homes_moved=tuple(
            HomesMovedResult(sender=sender, **asdict(move)) for sender, move in (stormed.homes_moved if stormed else ())
        ),
        wan=wan,
        replication=replication,
        fleet=fleet,
        profile=profile,
        trouble=(*trouble, *wan_trouble(wan), *(stormed.trouble if stormed else ())),
        undone=(*undone, Undone.NODES) if are_nodes_killed else undone,
    )
    return judge_again(results, scenario, None, (), data=data)


def _generator(
    history: RunHistory, scenario: Scenario, stormed: StormResult | None, waiting: Waiting | None
) -> GeneratorResult:
    if stormed is None:
        return summarise_generator(history, scenario, scheduling="not known", blocked=None, cpu_s=0.0, cpu_share=None)
    return summarise_generator(
        history,
        scenario,
        scheduling=stormed.scheduling,
        blocked=stormed.blocked,
        cpu_s=stormed.cpu_s,
        cpu_share=stormed.cpu_share,
        sender_count=stormed.shard_count,
        stalls=Stalls(count=stormed.stalls, share=stormed.stalled_share, ms_max=stormed.stall_ms_max),
        network_errors=stormed.network_errors,
        down_at_start=stormed.down_at_start,
        closed_loop=closed_loop_of(history.operations, scenario),
        waiting=waiting,
    )


def undone_after(scenario: Scenario, *, is_storm_whole: bool) -> tuple[Undone, ...]:
    """What is left undone when a storm has ended: revised days are folded next."""
    return (*([] if is_storm_whole else [Undone.STORM]), *([Undone.FOLD] if has_revisions(scenario) else []))


def _speculation(scenario: Scenario, stormed: StormResult | None) -> SpeculationResult | None:
    """What came of asking second replicas; None where nobody did, or nobody counted."""
    if scenario.run.speculate_after_ms is None or stormed is None:
        return None
    if stormed.speculated is None or stormed.speculation_won is None:
        return None
    return SpeculationResult(asked=stormed.speculated, won=stormed.speculation_won)


def judge_again(
    recorded: Results,
    scenario: Scenario,
    audit: AuditResult | None,
    trouble_of_audit: Sequence[str],
    *,
    data: StoredData,
) -> Results:
    """A recorded run with another audit, judged anew: everything else stays as it was measured."""
    judged = judge(
        operations=recorded.operations,
        objectives=recorded.objectives,
        generator=recorded.generator,
        audit=audit,
        scenario=scenario,
        trouble=(*recorded.trouble, *trouble_of_audit),
        undone=recorded.undone,
        unfolded=day_views(schema_of(scenario)),
        data=data,
    )
    return recorded.model_copy(
        update={"verdict": judged.verdict, "reasons": judged.reasons, "checks": judged.checks, "audit": audit}
    )
