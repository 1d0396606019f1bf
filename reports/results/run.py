"""`RUN/results.json`: what a run answers, as a pydantic model; docs/results.schema.json is its JSON Schema.

Field names end in their units. `None` means that a figure does not exist (nothing was measured), never zero.
Regenerate the schema after a change: `uv run python -m reports.results.run > docs/results.schema.json`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from reports.results.file import Kind, MeasuredResults, load, schema_text
from reports.results.parts import Check, ResultsPart, TopologyResult, Verdict
from reports.results.replication import ReplicationResult
from scenarios.calendar import GREAT_BRITAIN
from scenarios.domain import CommandState
from scenarios.parts.estate import TimeZone
from scenarios.parts.faults import FaultKind

NOT_SENT = "not_sent"
CUT_OFF_KINDS = ("not_drained", NOT_SENT)  # kinds of error by which the bench itself ends an operation


class Undone(StrEnum):
    """What the bench itself has left undone, so that the cluster can't be judged by it."""

    STORM = "storm"  # cut off before all was sent and answered: Ctrl-C, a killed sender, or the run's own death
    NODES = "nodes"  # local nodes were killed with the run: what they acknowledged last may not be on their disks
    FOLD = "fold"  # days that revisions touched are not folded anew yet; `meterstorm audit` does it


class Percentiles(ResultsPart):
    """A latency distribution [ms]. A percentile is null when too few responses were measured for one to lie above it."""

    p50: NonNegativeFloat
    p95: NonNegativeFloat | None = Field(description="of at least 20 responses")
    p99: NonNegativeFloat | None = Field(description="of at least 100 responses")
    p999: NonNegativeFloat | None = Field(description="the 99.9th percentile, of at least 1,000 responses")
    max: NonNegativeFloat


class PercentileError(ResultsPart):
    """By how much a percentile of response times may be too high, as far as the sender can see."""

    ms: NonNegativeFloat
    percent: NonNegativeFloat = Field(description="of the percentile")


class GeneratorError(ResultsPart):
    """By how much percentiles of response times may be off by the generator's own doing: by so much too high, and not too low.

    As far as the sender can see, which is not what the kernel of a busy machine holds up. It is measured of each operation: how
    late it left, how long an answer may have lain there unread, and the width of the histogram. Null like the percentile itself.
    """

    p50: PercentileError
    p95: PercentileError | None
    p99: PercentileError | None
    p999: PercentileError | None


class Lateness(ResultsPart):
    """How long after its due time the generator got to an operation [ms]."""

    p50: NonNegativeFloat
    p99: NonNegativeFloat
    max: NonNegativeFloat


class OperationResult(ResultsPart):
    """One kind of operation over the whole run; latencies and the rate leave the warm-up out."""

    offered: NonNegativeInt = Field(description="operations that fell due")
    attempted: NonNegativeInt = Field(description="operations that were sent and have an outcome")
    ok: NonNegativeInt = Field(description="acknowledged by the cluster")
    failed: NonNegativeInt = Field(description="certainly not applied")
    indeterminate: NonNegativeInt = Field(description="may or may not have been applied: time-outs, lost connections")
    retries: NonNegativeInt
    cut_off: NonNegativeInt = Field(
        default=0, description="of failed and indeterminate: ended by the bench before the cluster had answered"
    )
    is_open_loop: bool = Field(
        default=True,
        description="of meters and customers, due by the trace; else of gateways and back office, due when sent",
    )
    rate_per_s: NonNegativeFloat | None = Field(
        description="acknowledged a second while load fell due after the warm-up"
    )
    errors: dict[str, NonNegativeInt] = Field(default_factory=dict, description="operations by kind of their error")
    response_ms: Percentiles | None = Field(description="from the due time to the last response")
    service_ms: Percentiles | None = Field(description="from the send of an attempt to its response")
    generator_error: GeneratorError | None = Field(
        default=None, description="of response_ms; null where senders did not send, or an older run did not measure it"
    )

    @property
    def judged(self) -> int:
        """Operations whose outcome is the cluster's own."""
        return self.attempted - self.cut_off

    @property
    def bad(self) -> int:
        """Those of them that failed or are in doubt."""
        return self.failed + self.indeterminate - self.cut_off

    @property
    def error_share(self) -> float | None:
        """bad of judged; None when the cluster was left no time to answer any."""
        return self.bad / self.judged if self.judged > 0 else None


class ObjectiveResult(ResultsPart):
    """A service level objective of the scenario, and what was measured against it."""

    operation: str
    percentile: float
    response_ms_max: float
    response_ms: NonNegativeFloat | None
    response_count: NonNegativeInt = Field(description="responses measured after the warm-up")
    error_share_max: float
    error_share: NonNegativeFloat | None = Field(
        description="failed and indeterminate of attempted, whole run, without what the bench cut off"
    )


class CertificateRow(ResultsPart):
    """One limit of the generator's validity. Inconclusive: beyond it."""

    name: str
    unit: str
    measured: NonNegativeFloat | None
    limit: NonNegativeFloat
    outcome: Verdict
    sentence: str


class GeneratorResult(ResultsPart):
    """How the load generator did; `valid` says whether its own trouble may have shown in the figures."""

    valid: bool
    scheduling: str = Field(description="what the senders ran under: SCHED_RR, nice or plain")
    late_ms: Lateness | None
    blocked: NonNegativeInt = Field(description="operations that waited for room in the in-flight window")
    cpu_s: NonNegativeFloat
    cpu_share: NonNegativeFloat | None = Field(description="of one core, by the busiest sender")
    ops_per_cpu_s: NonNegativeFloat | None
    sender_count: NonNegativeInt = 1
    stalls: NonNegativeInt | None = Field(default=None, description="ticks that came more than 10 ms late")
    stalled_share: NonNegativeFloat | None = Field(
        default=None, description="of the time, by the sender stalled longest"
    )
    stall_ms_max: NonNegativeFloat | None = None
    queued_share: NonNegativeFloat | None = Field(
        default=None, description="blocked, of operations that fell due for the senders"
    )
    network_errors: NonNegativeInt | None = Field(
        default=None, description="attempts whose connection was lost, or that found none"
    )
    down_at_start: tuple[str, ...] = Field(
        default=(), description="nodes that did not answer when the storm began, and were gone without"
    )
    network_error_share: NonNegativeFloat | None = Field(
        default=None, description="network errors, of the attempts of all operations that senders sent"
    )
    certificate: tuple[CertificateRow, ...] = Field(
        default=(), description="each limit, and what was measured against it"
    )


class AuditCounts(ResultsPart):
    """Facts by what was found when they were read back. A fact is a half-hour in the log and the interval table, a meter's day
    in the usage and billing views, a meter's month in the latest state, a row of what is only counted."""

    acknowledged: NonNegativeInt = Field(description="the cluster said that it has them")
    verified: NonNegativeInt = Field(description="acknowledged, and read back with the exact value")
    lost: NonNegativeInt = Field(description="acknowledged, and not there")
    wrong: NonNegativeInt = Field(description="acknowledged, and there with another value")
    phantom: NonNegativeInt = Field(description="there, though never sent, or certainly refused")
    duplicate: NonNegativeInt = Field(description="there more than once")
    not_judged: NonNegativeInt = Field(
        default=0,
        description="acknowledged, and too much beside them is indeterminate to say what became of them, or a day's view of them "
        "was computed again by reads that need not show them",
    )


class DcAudit(AuditCounts):
    """The read-back from one data centre. `coordinated` of the facts, without rows that are only counted, are of homes whose own
    data centre this is: its coordinators acknowledged them."""

    coordinated: NonNegativeInt
    indeterminate: NonNegativeInt | None = Field(
        default=None, description="of its tables, counted and not judged; None: an older record does not tell"
    )
    settled_s: NonNegativeFloat | None = Field(
        default=None, description="how long the audit waited for this DC to catch up"
    )


class TableAudit(AuditCounts):
    """The read-back of one table."""

    attempted: NonNegativeInt | None = None
    indeterminate: NonNegativeInt | None = None


class AuditExample(ResultsPart):
    """One fault, named so that somebody can go and look at it."""

    kind: Literal["lost", "wrong", "phantom", "duplicate"]
    table: str
    dc: str = Field(description="the first data centre in which it was seen")
    dcs: tuple[str, ...] = Field(default=(), description="all of them")
    mpxn: int | None = Field(description="the meter's metering point; None for a row of no meter of the estate")
    slot: int | None = Field(
        description="half-hours (or quarter-hours) since the scenario's start; None outside its span"
    )
    slot_start: AwareDatetime | None
    slot_minutes: Literal[15, 30] = Field(default=30, description="how long the estate's slots are")
    time_zone: TimeZone = Field(default=GREAT_BRITAIN.zone, description="of the homes: times are told by its clock")
    expected: int | str | None
    found: int | str | None


class RuleCheck(ResultsPart):
    """A rule that what was read back must keep: how many things it was held against, and which break it."""

    rule: str
    counted: NonNegativeInt
    faults: NonNegativeInt
    examples: tuple[str, ...] = Field(default=(), description="of the faults, for people; not all of them")
    sample: str | None = Field(default=None, description="what was looked at of how much; None: all there is")


class CommandsResult(ResultsPart):
    """What became of the commands, as the store has it at the end."""

    states: dict[str, NonNegativeInt] = Field(description="commands of campaigns by state")
    mending_states: dict[str, NonNegativeInt] = Field(
        description="commands that reconciliation issued, by state: APPLIED ones have mended their device, no other has"
    )
    attempts: NonNegativeInt
    replays: NonNegativeInt = Field(description="attempts beyond the first of a command")
    late: NonNegativeInt = Field(description="commands whose answer came after its attempt had timed out")
    repeats: NonNegativeInt = Field(description="answers that changed nothing")
    drifts: NonNegativeInt = Field(description="devices whose reported state was not the desired one")
    behind_s_max: NonNegativeFloat = Field(description="wall time by which the gateway was late")
    wall_s: NonNegativeFloat = Field(description="until all had ended")
    setbacks: NonNegativeInt = Field(
        default=0, description="calls that the store did not let finish: the gateway went on from what the store held"
    )

    @property
    def mended(self) -> int:
        """Drifts that are no more: the device was reached again, and has what was desired."""
        return self.mending_states.get(CommandState.APPLIED.name, 0)

    @property
    def unmended(self) -> int:
        """Drifts that stay: the device refuses, is out of reach still, or was mended in vain often enough."""
        return self.drifts - self.mended


class OfficeResult(ResultsPart):
    """What the back office did beside the storm."""

    rounds: NonNegativeInt
    delivered: NonNegativeInt = Field(description="runs of half-hours and registers alone, in the meters' raw forms")
    exported: NonNegativeInt = Field(description="of them days of what import/export meters gave to the network")
    faulty: NonNegativeInt = Field(description="rows that were to be refused, and were")
    bills: NonNegativeInt
    setbacks: NonNegativeInt = Field(default=0, description="rounds that did not finish, by the store or by a fault")
    behind_s_max: NonNegativeFloat = Field(description="wall time by which a round was late")


class DcEffect(ResultsPart):
    """The same of the operations of one data centre's homes, whoever served them."""

    failed: NonNegativeInt
    indeterminate: NonNegativeInt
    error_seconds: NonNegativeInt = Field(description="seconds with either")
    unavailable_seconds: NonNegativeInt = Field(description="of them, those in which none was acknowledged")
    served_again_s: NonNegativeInt | None = Field(
        description="the second after the last one with either; None: there was none, or it went on to the end"
    )


class FaultEffect(ResultsPart):
    """What an operation showed of a fault, from its beginning to that of the next one, or the storm's end."""

    failed: NonNegativeInt = Field(description="ended certainly not applied")
    indeterminate: NonNegativeInt = Field(description="ended without anybody knowing")
    first_error_s: NonNegativeInt | None = Field(description="the first second with either; None: there was none")
    last_error_s: NonNegativeInt | None
    error_seconds: NonNegativeInt = Field(description="seconds with either")
    p99_before_ms: NonNegativeFloat | None = Field(
        description="of responses after the warm-up and earlier faults, up to this one"
    )
    p99_during_ms: NonNegativeFloat | None = Field(description="until its nodes were back")
    p99_after_ms: NonNegativeFloat | None = Field(description="from then on")
    dcs: dict[str, DcEffect] = Field(
        default_factory=dict, description="by the data centre of the homes; of a storm under Locust none"
    )


class FaultResult(ResultsPart):
    """One of the scenario's faults, as it came: instants are wall time of the storm [s]. None: it did not come to that."""

    kind: FaultKind
    target: str
    nodes: tuple[str, ...]
    at_s: NonNegativeFloat = Field(description="when it was to begin")
    for_s: NonNegativeFloat
    begun_s: NonNegativeFloat | None
    effective_s: NonNegativeFloat | None = Field(
        description="it was seen to be real: none of its nodes answered any more, say"
    )
    healed_s: NonNegativeFloat | None = Field(description="its healing began")
    back_s: NonNegativeFloat | None = Field(
        description="all was as before: its nodes answered again, and all saw one another, say"
    )
    told: str | None = Field(default=None, description="what else is to be known of it: what was damaged, say")
    effects: dict[str, FaultEffect] = Field(default_factory=dict, description="by operation of meters and customers")


class AnalyticsResult(ResultsPart):
    """A round of the scenario's analytics: an export, and a job on it. Instants are wall time of the storm [s].

    None: it did not come to that. It is no part of the verdict.
    """

    job: str
    dc: str = Field(description="that was read")
    begun_s: NonNegativeFloat
    exported_s: NonNegativeFloat | None = Field(description="the warehouse was whole")
    ended_s: NonNegativeFloat | None = Field(description="it was over, done or not")
    half_hours: NonNegativeInt | None = Field(description="in the warehouse then")
    files_written: NonNegativeInt | None
    rows: NonNegativeInt | None = Field(description="of the job's answer")
    wrong: NonNegativeInt | None = Field(description="of them, of a check: what a storm has under way may look so")
    cpu_s: NonNegativeFloat | None = Field(description="of the process that exported and asked, not of nodes")
    trouble: str | None = Field(description="why it could not go on")


class SpeculationResult(ResultsPart):
    """Reads that were asked of a second replica, as the first had not answered in time; by all senders, warm-up and all."""

    asked: NonNegativeInt
    won: NonNegativeInt = Field(description="of these, answered by the second replica first")


class AlertResult(ResultsPart):
    """An alert from its firing to its end: instants are wall time of the storm [s], negative before it."""

    name: str
    severity: Literal["page", "warn"]
    labels: dict[str, str] = Field(description="what it is of: dc, node, operation")
    fired_s: float
    resolved_s: float | None = Field(description="None: not until the nodes were stopped")
    told: bool = Field(description="somebody was told of it; else a planned fault muted it")

    @property
    def of(self) -> tuple[str, ...]:
        """What it is of, for people."""
        return tuple(
            self.labels[name] for name in ("node", "dc", "operation", "action", "request") if name in self.labels
        )


class MonitoringResult(ResultsPart):
    """What the run's own Prometheus saw (`--monitor`). It is no part of the verdict."""

    alerts: tuple[AlertResult, ...] = ()
    unexpected: tuple[str, ...] = Field(
        default=(), description="pages that no fault of the scenario explains, in sentences"
    )
    missing: tuple[str, ...] = Field(
        default=(), description="alerts that a fault must raise and that did not come, or not in time, in sentences"
    )
    trouble: str | None = Field(default=None, description="why nothing is known from somewhere on")


class HomesMovedResult(ResultsPart):
    """A data centre was lost to one sender, which sent its homes' operations to another: wall time of the storm [s]."""

    sender: PositiveInt
    dc: str
    to: str
    moved_s: NonNegativeFloat
    back_s: NonNegativeFloat | None = Field(description="None: they stayed until the storm's end")


class LinkResult(ResultsPart):
    """A link between two sites of the emulated WAN: what the scenario says of it, and what went over it until the storm's end."""

    between: tuple[str, str]
    quality: str = Field(description="in words; faults may have changed it meanwhile")
    packets: NonNegativeInt = Field(description="in both directions, as all that follows")
    bytes_carried: NonNegativeInt
    lost: NonNegativeInt = Field(description="drawn to be lost")
    cut: NonNegativeInt = Field(description="of sites that a fault had parted")
    queue_full: NonNegativeInt = Field(description="dropped at the link's rate")


class WanResult(ResultsPart):
    """The emulated WAN between the sites, and what its emulation itself cost."""

    links: tuple[LinkResult, ...]
    added_ms_p50: NonNegativeFloat = Field(description="one way, over a link without delay, before the run")
    added_ms_p99: NonNegativeFloat
    carried_mb_per_s: NonNegativeFloat = Field(description="by one connection, before the run")
    late_ms_p99: NonNegativeFloat = Field(
        description="how much later than due packets went on, in the run; 100 is 100 or more"
    )
    no_room: NonNegativeInt = Field(description="packets that the emulator itself had no room for, and dropped")
    cpu_s: NonNegativeFloat = Field(description="of the processor, for carrying packets")


class FleetResult(ResultsPart):
    """Locust's part: what `--workers` and `--customers` were."""

    workers: NonNegativeInt
    customers: NonNegativeInt


class AuditResult(AuditCounts):
    """Every acknowledged fact, read back from each DC and compared with the value recomputed from the seed."""

    attempted: NonNegativeInt
    indeterminate: NonNegativeInt = Field(description="counted, not judged: they may or may not be there")
    per_dc: dict[str, DcAudit]
    tables: dict[str, TableAudit] = Field(default_factory=dict)
    examples: tuple[AuditExample, ...] = ()
    rules: tuple[RuleCheck, ...] = ()
    consistency: str | None = None
    slots_per_s: NonNegativeFloat | None = None
    finished: AwareDatetime | None = None
    number: NonNegativeInt | None = Field(
        default=None, description="of the run's audits, from 1; None: an older record does not tell"
    )
    parts_s: dict[str, NonNegativeFloat] = Field(
        default_factory=dict,
        description="wall time of each part: the tables read back, and the rules of homes, back office, commands, prepayment",
    )


class ProfileFault(ResultsPart):
    """One kind of fault in the demand profile's file: how many rows, what became of them, the line numbers of the first."""

    count: NonNegativeInt
    handling: Literal["put right", "counted", "left out"] | None = Field(
        default=None,
        description="rows put right are used; what is missing is counted; None: an older record does not tell",
    )
    lines: tuple[int, ...]


class ProfileImport(ResultsPart):
    """Where the demand profile came from, what was found in it, and what of it was taken for what."""

    source: str
    rows_read: NonNegativeInt
    rows_used: NonNegativeInt
    faults: dict[str, ProfileFault] = Field(default_factory=dict)
    notes: tuple[str, ...] = Field(default=(), description="what was taken for what, in sentences")


class Results(MeasuredResults):
    """Everything that a run answers."""

    kind: Literal[Kind.RUN] = Kind.RUN
    digest: str = Field(description="of the trace: equal digests are the same load")
    speed_up: NonNegativeFloat | None = Field(
        default=None,
        description="simulated seconds that a second of the storm replays, in the mean; None: an older file, which says nothing",
    )
    topology: TopologyResult
    verdict: Verdict
    reasons: tuple[str, ...]
    trouble: tuple[str, ...] = Field(default=(), description="sentences of what went wrong in the bench itself")
    undone: tuple[Undone, ...] = Field(default=(), description="what the bench itself has left undone")
    checks: tuple[Check, ...] = ()
    operations: dict[str, OperationResult]
    objectives: tuple[ObjectiveResult, ...] = ()
    generator: GeneratorResult
    audit: AuditResult | None
    commands: CommandsResult | None = None
    back_office: OfficeResult | None = None
    faults: tuple[FaultResult, ...] = ()
    analytics: tuple[AnalyticsResult, ...] = ()
    speculation: SpeculationResult | None = Field(default=None, description="None: the scenario asks for none")
    monitoring: MonitoringResult | None = Field(default=None, description="None: nobody watched (`--monitor`)")
    homes_moved: tuple[HomesMovedResult, ...] = Field(default=(), description="by the scenario's failover")
    wan: WanResult | None = Field(default=None, description="of local nodes at emulated sites")
    replication: ReplicationResult | None = Field(
        default=None, description="what data centres saw of each other, of a run that loses one"
    )
    fleet: FleetResult | None = Field(default=None, description="None: senders of the run's own")
    profile: ProfileImport | None = None
    phases_s: dict[str, NonNegativeFloat] = Field(
        default_factory=dict,
        description="wall time of each phase; a storm's in three: senders_start, with the warming of the nodes, storm, and "
        "last_work, of what goes on beside the senders",
    )

    @property
    def closed_loop(self) -> frozenset[str]:
        """The operations of gateways and back office."""
        return frozenset(name for name, each in self.operations.items() if not each.is_open_loop)


def load_results(run_folder: Path) -> Results:
    """Read RUN/results.json. Raises ScenarioError when the folder holds no run, or a file that isn't one."""
    return load(run_folder, Results, Kind.RUN)


if __name__ == "__main__":
    print(schema_text(Results), end="")
