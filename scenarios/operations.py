"""Which operations a scenario sends: the one list, for the check of its objectives, for the workload and for the search.

An operation of the trace is sent by the wire engine when its message is due. Those of the command gateways are sent beside it, in
closed loop, when the scenario has campaigns.
"""

from typing import Protocol

from scenarios.domain import Operation
from scenarios.parts.estate import Alerts, Campaign, Estate, Reads
from scenarios.parts.traffic import Traffic

GATEWAY_OPERATIONS = (
    Operation.CREATE_COMMAND,
    Operation.SEND_COMMAND,
    Operation.POLL_INBOX,
    Operation.ANSWER_COMMAND,
    Operation.END_COMMAND,
    Operation.FIND_DUE,
)
"""What command gateways send often enough to have an objective."""


class Sender(Protocol):
    """The parts of a scenario that decide what is sent; the scenario's own check asks before the whole is made."""

    @property
    def estate(self) -> Estate: ...
    @property
    def reads(self) -> Reads: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def campaigns(self) -> tuple[Campaign, ...]: ...
    @property
    def traffic(self) -> Traffic: ...


def operations_of(scenario: Sender) -> tuple[Operation, ...]:
    """The operations that the messages of a scenario's trace become, each once; their order is that of the results."""
    estate, reads, traffic, alerts = scenario.estate, scenario.reads, scenario.traffic, scenario.alerts
    schedules, changed_to = estate.read_schedules, {change.to for change in estate.schedule_changes}
    changed_to |= {campaign.to for campaign in scenario.campaigns if campaign.to is not None}
    is_sent = {
        Operation.INGEST_READING: True,
        Operation.INGEST_REGISTER: schedules.monthly or estate.meter_types.register_only or "monthly" in changed_to,
        Operation.INGEST_REVISION: reads.gap_share or reads.settlement_runs,
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
    return tuple(operation for operation, is_one in is_sent.items() if is_one)


def measured_operations_of(scenario: Sender) -> tuple[Operation, ...]:
    """The operations that a run of the scenario measures, and so can hold to an objective: the trace's and the gateways'."""
    return operations_of(scenario) + (GATEWAY_OPERATIONS if scenario.campaigns else ())


def has_revisions(scenario: Sender) -> bool:
    """Are half-hours of it estimated or corrected? Then days that were folded are folded anew when the storm is over."""
    return Operation.INGEST_REVISION in operations_of(scenario)
