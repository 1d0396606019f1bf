"""Which operations a scenario's trace becomes, and the ledger's planes of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.recording.ledger import EXPORT_PLANE
from scenarios.domain import Fuel, Operation
from scenarios.spec import Scenario
from sim.trace.blocks import MessageKind
from store.rows import ESTIMATE_REVISION

QUERY_OF_KIND: Mapping[MessageKind, Operation] = {
    MessageKind.ASK_USAGE_MONTH: Operation.READ_USAGE_MONTH,
    MessageKind.ASK_INTERVALS_DAY: Operation.READ_INTERVALS_DAY,
    MessageKind.ASK_STATE: Operation.READ_STATE,
    MessageKind.ASK_COMPARISON: Operation.READ_COMPARISON,
    MessageKind.ASK_BILL: Operation.READ_BILLING_MONTH,
    MessageKind.REFRESH_IHD: Operation.REFRESH_IHD,
}
OF_GATEWAY = (MessageKind.SEND_COMMAND, MessageKind.ANSWER_COMMAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One kind of operation of a run, and where the ledger marks it. Revisions are a lane each: each is acknowledged."""

    operation: Operation
    revision: int = 0
    has_plane: bool = False

    @property
    def plane(self) -> str | None:
        """The name of its plane in the ledger."""
        if not self.has_plane:
            return None
        return f"{self.operation}_{self.revision}" if self.operation is Operation.INGEST_REVISION else self.operation


def lanes_of(scenario: Scenario) -> tuple[Lane, ...]:
    """All that a scenario's messages can become; a block's `operation` is an index into it."""
    estate, reads, traffic, alerts = scenario.estate, scenario.reads, scenario.traffic, scenario.alerts
    schedules, changed_to = estate.read_schedules, {change.to for change in estate.schedule_changes}
    changed_to |= {campaign.to for campaign in scenario.campaigns if campaign.to is not None}
    lanes = [Lane(operation=Operation.INGEST_READING, has_plane=True)]
    if schedules.monthly or estate.meter_types.register_only or "monthly" in changed_to:
        lanes.append(Lane(operation=Operation.INGEST_REGISTER, has_plane=True))
    revisions = [ESTIMATE_REVISION] if reads.gap_share else []
    revisions += range(1, len(reads.settlement_runs) + 1)
    lanes += [Lane(operation=Operation.INGEST_REVISION, revision=revision, has_plane=True) for revision in revisions]
    others = {
        Operation.INGEST_TEN_SECOND: schedules.ten_second or "ten_second" in changed_to,
        Operation.RECORD_ALERT: alerts.per_hub_day or alerts.storms,
        Operation.CHANGE_PREFERENCE: estate.schedule_changes,
        Operation.READ_USAGE_MONTH: traffic.usage_month_per_premises_day or traffic.bursts,
        Operation.READ_INTERVALS_DAY: traffic.intervals_day_per_premises_day,
        Operation.READ_STATE: traffic.state_per_premises_day,
        Operation.READ_COMPARISON: traffic.comparison_per_premises_day,
        Operation.READ_BILLING_MONTH: traffic.bill_per_premises_day,
        Operation.REFRESH_IHD: traffic.ihd_refresh_per_premises_day,
    }
    return (*lanes, *(Lane(operation=operation) for operation, is_sent in others.items() if is_sent))


def operations_of(scenario: Scenario) -> tuple[Operation, ...]:
    """The operations of a scenario's lanes, each once."""
    return tuple(dict.fromkeys(lane.operation for lane in lanes_of(scenario)))


def planes_of(scenario: Scenario) -> tuple[str, ...]:
    """The planes of a scenario's ledger: those of the lanes, and of the exports that the back office collects."""
    planes = tuple(lane.plane for lane in lanes_of(scenario) if lane.plane is not None)
    has_exports = Fuel.ELECTRICITY in scenario.estate.fuels and scenario.estate.meter_types.import_export > 0
    return (*planes, EXPORT_PLANE) if scenario.run.back_office and has_exports else planes
