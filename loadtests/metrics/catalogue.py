"""Every metric that a run exposes: its name, type, labels, unit and where it comes from. The collector makes these and no others,
and `docs/monitoring.md` prints them.

Names are Prometheus' own convention: the prefix of the application, base units (seconds, bytes, ratios from 0 to 1), `_total`
at the end of what is only ever added to.
"""

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """The types of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class ExposedMetric:
    """`help` says what it counts, `known_by` which part of the run knows it, and when."""

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    unit: str
    help: str
    known_by: str


_COUNTER, _GAUGE, _HISTOGRAM = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM
_SENDERS = "senders' seconds; gateways and back office by the request"
_GATEWAY = "the command gateways"
_OFFICE = "the back office"
_LEDGER = "the ledger, counted when asked, for at most 1 % of a core"
_AUDIT = "the audit, table by table and DC by DC"
_PROBES = "the canary, a row a second through each DC during the storm"

RUN_INFO = ExposedMetric(
    "meterstorm_run_info", _GAUGE, ("scenario", "seed", "version"), "1", "Which run this is.", "the run's start"
)
RUN_PHASE = ExposedMetric("meterstorm_run_phase", _GAUGE, ("phase",), "0 or 1", "Which phase the run is in.", "the run")
STORM_ELAPSED = ExposedMetric(
    "meterstorm_storm_elapsed_seconds", _GAUGE, (), "seconds", "Wall time since the storm's start.", "the storm"
)
STORM_SPAN = ExposedMetric(
    "meterstorm_storm_span_seconds", _GAUGE, (), "seconds", "Wall time that the storm is to last.", "the scenario"
)
SIMULATED_TIME = ExposedMetric(
    "meterstorm_simulated_time_seconds",
    _GAUGE,
    (),
    "seconds since 1970",
    "The simulated instant that is replayed now.",
    "the storm",
)
REPLAY_SPEED = ExposedMetric(
    "meterstorm_replay_speed_ratio",
    _GAUGE,
    (),
    "ratio",
    "Simulated seconds that are replayed in a wall second now; none before and after the replay.",
    "the scenario's pace",
)
METERS = ExposedMetric("meterstorm_meters", _GAUGE, ("fuel",), "meters", "Meters of the estate.", "the scenario")

OFFERED = ExposedMetric(
    "meterstorm_operations_offered_total",
    _COUNTER,
    ("operation", "loop"),
    "operations",
    "Operations that fell due.",
    _SENDERS,
)
SENT = ExposedMetric(
    "meterstorm_operations_sent_total",
    _COUNTER,
    ("operation", "loop"),
    "operations",
    "Operations that were taken up, of those that fell due.",
    _SENDERS,
)
OPERATIONS = ExposedMetric(
    "meterstorm_operations_total",
    _COUNTER,
    ("operation", "loop", "outcome"),
    "operations",
    "Operations that are over, by what became of them: ok, failed, indeterminate.",
    _SENDERS,
)
DC_OPERATIONS = ExposedMetric(
    "meterstorm_dc_operations_total",
    _COUNTER,
    ("dc", "operation", "outcome"),
    "operations",
    "Operations of the senders that are over, by the data centre of their homes and by what became of them.",
    "senders' seconds; not under Locust",
)
RETRIES = ExposedMetric(
    "meterstorm_operation_retries_total",
    _COUNTER,
    ("operation", "loop"),
    "attempts",
    "Attempts beyond the first of an operation.",
    _SENDERS,
)
ERRORS = ExposedMetric(
    "meterstorm_operation_errors_total",
    _COUNTER,
    ("operation", "loop", "outcome", "reason"),
    "operations",
    "Operations that failed or are in doubt, by the reason.",
    "gateways and back office by the request; the senders when they end, who say no reasons before",
)
RESPONSE = ExposedMetric(
    "meterstorm_response_seconds",
    _HISTOGRAM,
    ("operation", "loop"),
    "seconds",
    "Response times, from the instant at which the operation was due.",
    _SENDERS,
)
LATENESS = ExposedMetric(
    "meterstorm_lateness_seconds",
    _HISTOGRAM,
    (),
    "seconds",
    "How much later than due the senders sent.",
    "senders' seconds",
)
IN_FLIGHT = ExposedMetric(
    "meterstorm_operations_in_flight",
    _GAUGE,
    (),
    "operations",
    "Operations of the senders that are sent and not over.",
    "senders' live counts; under Locust with those that are queued",
)
QUEUED = ExposedMetric(
    "meterstorm_operations_queued",
    _GAUGE,
    (),
    "operations",
    "Operations of the senders that fell due and are not sent yet.",
    "senders' live counts; not under Locust",
)

LEDGER_SLOTS = ExposedMetric(
    "meterstorm_ledger_slots",
    _GAUGE,
    ("plane", "state"),
    "meter slots",
    "Slots of meters by what the ledger says of them: acknowledged, in_doubt, failed.",
    _LEDGER,
)
AUDIT_FACTS = ExposedMetric(
    "meterstorm_audit_facts",
    _GAUGE,
    ("verdict",),
    "facts",
    "Facts by what the audit says of them over all data centres, in the tables that it has judged.",
    _AUDIT,
)
AUDIT_DC_FACTS = ExposedMetric(
    "meterstorm_audit_dc_facts",
    _GAUGE,
    ("dc", "verdict"),
    "facts",
    "Facts by what the audit says of a data centre's copy of them, in the tables that it has judged there.",
    _AUDIT,
)
RULE_FAULTS = ExposedMetric(
    "meterstorm_rule_faults",
    _GAUGE,
    ("rule",),
    "violations",
    "Violations of a rule of bills, displays, commands or projections.",
    "the audit, when its tables are read",
)
TERMINAL_TWICE = ExposedMetric(
    "meterstorm_commands_terminal_twice_total",
    _COUNTER,
    (),
    "commands",
    "Commands with more than one terminal state.",
    "the audit, when its tables are read; 0 before",
)

FAULT_ACTIVE = ExposedMetric(
    "meterstorm_fault_active",
    _GAUGE,
    ("kind", "target"),
    "0 or 1",
    "Is a fault of the scenario under way: from its beginning until what it broke is back.",
    "the faults' injection",
)
PROBES = ExposedMetric(
    "meterstorm_probes_total",
    _COUNTER,
    ("dc", "action", "outcome"),
    "requests",
    "Canary rows written and read through a data centre at the scenario's levels.",
    _PROBES,
)
VISIBILITY_LAG = ExposedMetric(
    "meterstorm_visibility_lag_seconds",
    _GAUGE,
    ("from_dc", "to_dc"),
    "seconds",
    "How long a canary row took from its writing in one data centre until the other could read it; grows while it can not.",
    _PROBES,
)

CLOCK_AHEAD = ExposedMetric(
    "meterstorm_clock_ahead_seconds",
    _GAUGE,
    ("node", "dc"),
    "seconds",
    "How far a node's clock is ahead of the run's own, at least; below zero behind it; 0 within the time that the answer took.",
    "the canary, of each node every two seconds during the storm",
)

COMMANDS = ExposedMetric(
    "meterstorm_commands",
    _GAUGE,
    ("dc", "state"),
    "commands",
    "Commands by state: open, applied, rejected, given_up while the gateway works; each state once it has read them back.",
    _GATEWAY,
)
COMMAND_ATTEMPTS = ExposedMetric(
    "meterstorm_command_attempts_total",
    _COUNTER,
    ("dc",),
    "attempts",
    "Attempts that were transmitted, those that were begun again among them.",
    _GATEWAY,
)
OLDEST_DUE = ExposedMetric(
    "meterstorm_commands_oldest_due_seconds",
    _GAUGE,
    ("dc",),
    "seconds",
    "No due command has waited for longer: since when all that was due is handled; after the span, since anything was done.",
    _GATEWAY,
)
ROUND_AGE = ExposedMetric(
    "meterstorm_back_office_round_age_seconds",
    _GAUGE,
    (),
    "seconds",
    "Wall time since the back office last finished a round.",
    _OFFICE,
)
VIEW_LAG = ExposedMetric(
    "meterstorm_view_lag_seconds",
    _GAUGE,
    (),
    "seconds",
    "Since when a delivery is journalled that is not yet projected into the views across homes; 0 where all are.",
    _OFFICE,
)
DISPLAYS_CHECKED = ExposedMetric(
    "meterstorm_displays_checked_total",
    _COUNTER,
    ("price",),
    "displays",
    "In-home displays that were asked, by their price: in_force, stale, none.",
    "the back office, a home a round",
)
PRICE_STALE = ExposedMetric(
    "meterstorm_price_stale_seconds",
    _GAUGE,
    (),
    "seconds",
    "Wall time since the price came into force that the last display asked lacked; 0 where it showed it.",
    "the back office, a home a round",
)
COMPLETENESS = ExposedMetric(
    "meterstorm_settlement_completeness_ratio",
    _GAUGE,
    ("settlement_date", "settlement_period"),
    "ratio",
    "Of the meters that send half-hours, those of which a settlement period is acknowledged, measured or estimated.",
    _LEDGER,
)
DEADLINE_PASSED = ExposedMetric(
    "meterstorm_settlement_deadline_passed",
    _GAUGE,
    ("settlement_date", "settlement_period"),
    "0 or 1",
    "Is it past the instant at which a settlement period is to be complete.",
    "the scenario's calendar",
)
ESTIMATED = ExposedMetric(
    "meterstorm_readings_estimated_ratio",
    _GAUGE,
    (),
    "ratio",
    "Of what is known of these settlement periods, the share that is estimated alone.",
    _LEDGER,
)
READINGS = ExposedMetric(
    "meterstorm_readings_total",
    _COUNTER,
    (),
    "deliveries",
    "Deliveries of readings that were acknowledged, of senders and back office.",
    "senders' seconds; the back office by the delivery",
)
REJECTED = ExposedMetric(
    "meterstorm_readings_rejected_total",
    _COUNTER,
    ("reason",),
    "rows",
    "Rows of deliveries that were refused, by the reason.",
    _OFFICE,
)
BILLS = ExposedMetric("meterstorm_bills_issued_total", _COUNTER, (), "bills", "Bills that were issued.", _OFFICE)
CUSTOMERS = ExposedMetric(
    "meterstorm_customers_served_total",
    _COUNTER,
    (),
    "homes",
    "Homes that the call centre has looked up.",
    _OFFICE,
)

NODE_CPU = ExposedMetric(
    "meterstorm_node_cpu_cores",
    _GAUGE,
    ("node", "dc"),
    "cores",
    "Processor time of a local node.",
    "the nodes' samples",
)
NODE_MEMORY = ExposedMetric(
    "meterstorm_node_memory_bytes",
    _GAUGE,
    ("node", "dc"),
    "bytes",
    "Resident memory of a local node.",
    "the nodes' samples",
)
NODE_DISK = ExposedMetric(
    "meterstorm_node_disk_bytes",
    _GAUGE,
    ("node", "dc"),
    "bytes",
    "What a local node holds on disk.",
    "the nodes' samples",
)

NODE_DISK_FREE = ExposedMetric(
    "meterstorm_node_disk_free_bytes",
    _GAUGE,
    ("node", "dc"),
    "bytes",
    "Room that is left on the disk of a local node's data.",
    "the file system, when asked",
)
NODE_DISK_SIZE = ExposedMetric(
    "meterstorm_node_disk_size_bytes",
    _GAUGE,
    ("node", "dc"),
    "bytes",
    "Size of the disk of a local node's data.",
    "the file system, when asked",
)

CATALOGUE: tuple[ExposedMetric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, ExposedMetric)
)
"""All of them, in their order here."""
