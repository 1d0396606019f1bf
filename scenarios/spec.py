"""The scenario file: what is read from TOML, how it is checked, and how an error names file, field, value and mend."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from scenarios.calendar import require_one_rule
from scenarios.domain import RUN_OPERATIONS, CommitLogSync, ConsistencyLevel, DcRole, Operation
from scenarios.operations import measured_operations_of, operations_of
from scenarios.parts.alterations import (
    ALTERATION_SIZE_MAX,
    ALTERATIONS_MAX,
    OPTIONS_MAX,
    require_alterations,
    require_option_values,
    require_options,
)
from scenarios.parts.analytics import ANALYTICS_MAX, PlannedAnalytics, require_analytics
from scenarios.parts.base import Line, Name, Part, Share
from scenarios.parts.estate import (
    CAMPAIGNS_MAX,
    LOSSES_MAX,
    Alerts,
    AlertStorm,
    Campaign,
    Estate,
    Outage,
    Reads,
    Tariffs,
    Wan,
)
from scenarios.parts.failover import Failover, require_stand_ins
from scenarios.parts.fault_checks import require_faults
from scenarios.parts.faults import ENCLOSED_KINDS, FAULTS_MAX, Fault
from scenarios.parts.keyspaces import require_own_keyspace
from scenarios.parts.nemesis import Nemesis
from scenarios.parts.pace import SHAPES, Pace, Shape, Stretch
from scenarios.parts.published import PUBLISHED_MAX, Published, require_counted
from scenarios.parts.site_wan import SiteWan, require_no_dc_as_field, require_sites
from scenarios.parts.traffic import Burst, Traffic
from scenarios.tariffs import TARIFFS_MAX
from scenarios.tariffs.file import CAPS_MAX, CapSpec, TariffSpec, require_caps, require_tariffs
from scenarios.tariffs.prepayment import require_prepayment
from scenarios.tariffs.vat import require_ahead
from scenarios.texts.outside import UnreadableText, text_of, why_refused
from scenarios.texts.printable import shortened

FILE_BYTES_MAX = 1 << 20  # of a scenario: the longest that the fields allow has a few thousand bytes
FAULTS_TOLD_MAX = 20
SLOTS_MAX = 32_768  # of a span: a message of the trace has 15 bits for its slot
INTEGER_BITS_SHOWN_MAX = 1_024


class ScenarioError(Exception):
    """The user's scenario or input can't be used; the message names the thing and the mend."""


class NoBaseline(ScenarioError):
    """There is nothing to compare with: no earlier runs, or a baseline in which nothing was measured."""


Option = StrictBool | StrictInt | StrictFloat | StrictStr


class Dc(Part):
    """A data centre: `nodes` Cassandra nodes holding `rf` replicas of every row."""

    name: Name
    role: DcRole = DcRole.BUSINESS
    nodes: int = Field(strict=True, ge=1, le=32)
    rf: int = Field(strict=True, ge=1, le=32)

    @model_validator(mode="after")
    def _hosts_its_replicas(self) -> Self:
        if self.rf > self.nodes:
            raise ValueError(f"rf {self.rf} needs at least {self.rf} nodes in DC '{self.name}', which has {self.nodes}")
        return self


class Consistency(Part):
    """Consistency levels: `default`, and what single operations do otherwise."""

    default: ConsistencyLevel = ConsistencyLevel.LOCAL_QUORUM
    # levels beyond one DC would read, and by read repair mend, what the DC under audit lacks
    audit: Literal[ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_ONE] = ConsistencyLevel.LOCAL_QUORUM
    operations: dict[Operation, ConsistencyLevel] = Field(default_factory=dict)

    def of(self, operation: StrEnum) -> ConsistencyLevel:
        """The level of an operation; those that are the store's own have the default."""
        return self.operations.get(operation, self.default) if isinstance(operation, Operation) else self.default


class Topology(Part):
    """The data centres and the consistency levels that operations ask of them."""

    dcs: tuple[Dc, ...] = Field(min_length=1, max_length=8)
    consistency: Consistency = Consistency()
    keyspace: Name = "meterstorm"
    commit_log_sync: CommitLogSync = Field(
        default=CommitLogSync.PERIODIC, description="of local nodes; an existing cluster has its own"
    )
    cassandra_version: str | None = Field(
        default=None, pattern=r"^5\.0\.[0-9]{1,3}$", description="of local nodes; none: the one that ships"
    )
    cassandra: dict[str, Option | dict[str, Option]] = Field(
        default_factory=dict, max_length=OPTIONS_MAX, description="further options of local nodes' cassandra.yaml"
    )

    wan: SiteWan | None = Field(
        default=None, description="the distance between data centres; none: all are on this machine's loopback"
    )

    @field_validator("cassandra", mode="before")
    @classmethod
    def _has_plain_values(cls, options: object) -> object:
        require_option_values(options)
        return options

    @field_validator("cassandra")
    @classmethod
    def _leaves_ours(cls, options: dict[str, Option | dict[str, Option]]) -> dict[str, Option | dict[str, Option]]:
        require_options(options)
        return options

    @field_validator("keyspace")
    @classmethod
    def _is_ours_to_fill(cls, keyspace: str) -> str:
        require_own_keyspace(keyspace)
        return keyspace

    @model_validator(mode="after")
    def _serves(self) -> Self:
        if len({dc.name for dc in self.dcs}) != len(self.dcs):
            raise ValueError("two DCs have the same name")
        if self.wan is not None:
            require_sites(self.wan, [dc.name for dc in self.dcs])
        if not self.business_dcs:
            raise ValueError("at least one DC must have role 'business': gateways connect to it")
        used = {
            "default": self.consistency.default,
            **{str(operation): level for operation, level in self.consistency.operations.items()},
        }
        for where, level in used.items():
            needs = {ConsistencyLevel.TWO: 2, ConsistencyLevel.THREE: 3}.get(level, 1)
            if needs > self.replica_count:
                raise ValueError(
                    f"consistency '{where}' = {level} needs {needs} replicas, the topology has {self.replica_count}"
                )
        return self

    @property
    def business_dcs(self) -> tuple[Dc, ...]:
        return tuple(dc for dc in self.dcs if dc.role is DcRole.BUSINESS)

    @property
    def node_count(self) -> int:
        return sum(dc.nodes for dc in self.dcs)

    @property
    def replica_count(self) -> int:
        return sum(dc.rf for dc in self.dcs)


class Store(Part):
    """How the readings are stored."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    # pydantic's models have a method `schema`
    schema_name: Name = Field(default="home_months", alias="schema", description="the table design, see store.schemas")
    alterations: tuple[Annotated[str, Field(max_length=ALTERATION_SIZE_MAX)], ...] = Field(
        default=(),
        max_length=ALTERATIONS_MAX,
        description="CQL that changes the design's tables after they were made, with {keyspace}",
    )

    @field_validator("alterations")
    @classmethod
    def _are_of_our_tables(cls, statements: tuple[str, ...]) -> tuple[str, ...]:
        require_alterations(statements)
        return statements


class Validity(Part):
    """Limits beyond which the generator's own trouble makes a run inconclusive."""

    late_p99_ms_max: float = Field(strict=True, default=100.0, gt=0, le=60_000)
    cpu_share_max: float = Field(strict=True, default=0.9, gt=0, le=1, description="of one core, by the busiest sender")
    stalled_share_max: float = Field(
        strict=True, default=0.1, gt=0, le=1, description="of the time, in ticks that a sender was kept from over 10 ms"
    )
    queued_share_max: float = Field(
        strict=True, default=0.1, ge=0, le=1, description="of operations that waited for room in the in-flight window"
    )
    network_error_share_max: float = Field(
        strict=True,
        default=0.01,
        ge=0,
        le=1,
        description="of attempts, those whose connection was lost, or that found none",
    )


class Evidence(Part):
    """How much a run must have brought before it is judged, and what may fail where no objective says so."""

    acknowledged_min: int = Field(
        strict=True,
        default=5,
        ge=0,
        le=1_000_000,
        description="of each operation of meters and customers that fell due",
    )
    # With none slower in 3 / (1 - p) responses the percentile p is below its limit at 95 %: the rule of three.
    beyond_percentile_min: int = Field(
        strict=True, default=3, ge=1, le=1_000, description="responses to be expected beyond an objective's percentile"
    )
    error_share_max: Share = Field(
        default=0.01, description="failed and indeterminate, of any operation that has no objective of its own"
    )


class Run(Part):
    """How long, how fast and from which seed."""

    # instants are microseconds in an int64, and a write timestamp in the future could not be corrected by hand
    start: date = Field(default=date(2026, 1, 15), ge=date(1980, 1, 1), le=date(2099, 12, 31))
    days: int = Field(strict=True, default=1, ge=1, le=400)
    wall_s: float = Field(
        strict=True, ge=1, le=7 * 86_400, description="the simulated span is replayed in this wall time"
    )
    shape: Shape = Field(default=Shape.TRACE, description="how fast the span goes by, over the wall time")
    stretches: tuple[Stretch, ...] = Field(default=(), max_length=64, description="a shape of one's own")
    replay_from_h: float = Field(
        strict=True, default=0.0, ge=0, le=9_600, description="what falls due before this simulated hour is left out"
    )
    warm_nodes_s: float = Field(
        strict=True,
        default=10.0,
        ge=0,
        le=600,
        description="the nodes are warmed for this long before the clock starts",
    )
    warm_up_s: float = Field(
        strict=True, default=5.0, ge=0, le=3_600, description="wall time left out of response figures"
    )
    seed: int = Field(strict=True, default=1, ge=0, le=2**32 - 1)
    operation_timeout_s: float = Field(strict=True, default=12.0, ge=0.1, le=600)
    attempts_max: int = Field(strict=True, default=4, ge=1, le=20)
    retry_share_max: float | None = Field(
        strict=True,
        default=None,
        ge=0.001,
        le=10,
        description="repeated attempts an acknowledged operation, by sender; none: as attempts_max says",
    )
    speculate_after_ms: float | None = Field(
        strict=True,
        default=None,
        ge=1,
        le=600_000,
        description="a read without an answer is asked of a second replica of its data centre then; none: never",
    )
    in_flight_max: int = Field(strict=True, default=8_192, ge=1, le=1_000_000)
    shed_after_s: dict[Operation, Annotated[float, Field(strict=True, gt=0, le=3_600)]] = Field(
        default_factory=dict,
        description="by operation: it fails, and is not sent, once it has waited so long for room; else it waits",
    )
    drain_s_max: float = Field(strict=True, default=60.0, ge=1, le=3_600)
    back_office: bool = Field(
        strict=True, default=True, description="raw forms, faulty deliveries, bills and projections beside the storm"
    )
    failover: Failover | None = Field(
        default=None, description="to other data centres; none: operations of a lost one's homes fail"
    )
    validity: Validity = Validity()
    evidence: Evidence = Evidence()

    @field_validator("start", mode="before")
    @classmethod
    def _is_of_utc(cls, start: object) -> object:
        """A day begins at 00:00 UTC here; an offset is another instant, and often another day."""
        try:
            instant = datetime.fromisoformat(start) if isinstance(start, str) else start
        except ValueError:
            return start  # no date at all: told as such
        if isinstance(instant, datetime) and instant.utcoffset() not in (None, timedelta(0)):
            raise ValueError(
                "has an offset: the simulated span begins at 00:00 UTC of a day, give that day (2026-01-15)"
            )
        return start

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        if self.stretches:
            if self.shape is not Shape.TRACE:
                raise ValueError(f"shape '{self.shape}' and stretches exclude each other; leave out one of the two")
            whole = sum(stretch.share for stretch in self.stretches)
            if abs(whole - 1) > 1e-6:
                raise ValueError(f"the shares of stretches add up to {whole:g}, and must to 1")
        return self


class Objective(Part):
    """One service level objective: `percentile` of response times at most `response_ms_max`, few enough errors."""

    operation: Operation
    percentile: float = Field(strict=True, default=99.0, gt=0, lt=100)
    response_ms_max: float = Field(strict=True, gt=0, le=3_600_000)
    error_share_max: Share = 0.0

    @field_validator("operation", mode="before")
    @classmethod
    def _is_of_a_run(cls, operation: object) -> object:
        if operation not in RUN_OPERATIONS:
            near = difflib.get_close_matches(str(operation), RUN_OPERATIONS, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"no objective can be set on it: {meant}there are {', '.join(RUN_OPERATIONS)}")
        return operation


class Scenario(Part):
    """The whole scenario file."""

    title: Line = Field(min_length=1, max_length=120)
    question: Line = Field(default="", max_length=500, description="which question a run of it answers")
    estate: Estate
    wan: Wan = Wan()
    reads: Reads = Reads()
    alerts: Alerts = Alerts()
    campaigns: tuple[Campaign, ...] = Field(default=(), max_length=CAMPAIGNS_MAX)
    tariffs: tuple[TariffSpec, ...] = Field(
        default=(), max_length=TARIFFS_MAX, description="tariffs on sale; none: the three of [estate.tariffs]"
    )
    caps: tuple[CapSpec, ...] = Field(default=(), max_length=CAPS_MAX, description="on prices, by region and date")
    traffic: Traffic = Traffic()
    store: Store = Store()
    topology: Topology
    run: Run
    faults: tuple[Fault, ...] = Field(
        default=(), max_length=FAULTS_MAX, description="what breaks while the storm goes on, of local nodes"
    )
    analytics: tuple[PlannedAnalytics, ...] = Field(
        default=(),
        max_length=ANALYTICS_MAX,
        description="questions over all homes that are asked while the storm goes on",
    )
    nemesis: Nemesis | None = Field(default=None, description="faults drawn at random, beside those of [[faults]]")
    slo: tuple[Objective, ...] = ()
    published: tuple[Published, ...] = Field(
        default=(), max_length=PUBLISHED_MAX, description="figures that a simulation is held against"
    )

    @model_validator(mode="after")
    def _counts_its_slots(self) -> Self:
        days_max = SLOTS_MAX // self.estate.slots_per_day
        if self.run.days > days_max:
            raise ValueError(
                f"run.days {self.run.days} is too long: with estate.slots_per_hour = {self.estate.slots_per_hour} a span has at "
                f"most {days_max} days"
            )
        return self

    @model_validator(mode="after")
    def _keeps_one_calendar(self) -> Self:
        require_one_rule(self.estate.time_zone, self.run.start, self.run.days)
        return self

    @model_validator(mode="after")
    def _sells_tariffs(self) -> Self:
        if self.tariffs and self.estate.tariffs != Tariffs():
            raise ValueError(
                "estate.tariffs are shares of the shipped tariffs: with [[tariffs]], give each its own share"
            )
        announced = {one.effective_h for one in self.campaigns} - {None}
        first_day = (self.run.start - date(1970, 1, 1)).days
        on_sale = require_tariffs(self.tariffs, first_day, self.estate.calendar, len(announced))
        require_caps(self.caps, on_sale, [region.name for region in self.estate.regions])
        for one in self.tariffs:
            require_ahead(one.vat_by_day(), one.tariff(), first_day, self.estate.calendar)
        require_prepayment(self.tariffs, self.estate, self.campaigns, has_back_office=self.run.back_office)
        return self

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        regions = {region.name for region in self.estate.regions}
        parts = (
            ("wan.outages", self.wan.outages),
            ("alerts.storms", self.alerts.storms),
            ("campaigns", self.campaigns),
        )
        for where, named in parts:
            for each in named:
                if each.region is not None and each.region not in regions:
                    raise ValueError(f"{where} names region '{each.region}'; there are {', '.join(sorted(regions))}")
        starts: dict[str, tuple[Outage | AlertStorm | Campaign | Burst, ...]] = {
            "wan.outages": self.wan.outages,
            "alerts.storms": self.alerts.storms,
            "campaigns": self.campaigns,
            "traffic.bursts": self.traffic.bursts,
        }
        for where, started in starts.items():
            for one in started:
                if one.at_h * 3.6e9 >= self.span_us:
                    raise ValueError(
                        f"{where}: at_h {one.at_h:g} is beyond the end of the simulated span, {self.span_us / 3.6e9:g} h"
                    )
        for campaign in self.campaigns:
            if campaign.fuel not in self.estate.fuels:
                raise ValueError(f"campaign '{campaign.name}' is for {campaign.fuel}, which estate.fuels lacks")
        if len({campaign.name for campaign in self.campaigns}) != len(self.campaigns):
            raise ValueError("two campaigns have the same name")
        require_counted(self.published, self.estate.fuels)
        return self

    @model_validator(mode="after")
    def _breaks_what_is_there(self) -> Self:
        require_faults(self.faults, self.topology.dcs, self.run.wall_s, self.topology.wan or SiteWan())
        require_analytics(self.analytics, self.topology.dcs, self.run.wall_s)
        if self.run.failover is not None:
            require_stand_ins(self.run.failover, [dc.name for dc in self.topology.business_dcs])
        return self

    @model_validator(mode="after")
    def _asks_what_is_sent(self) -> Self:
        sent = measured_operations_of(self)
        for objective in self.slo:
            if objective.operation not in sent:
                raise ValueError(
                    f"slo names {objective.operation}, which this scenario never sends; it sends {', '.join(sent)}"
                )
        by_senders = operations_of(self)
        for operation in self.run.shed_after_s:
            if operation not in by_senders:
                raise ValueError(
                    f"run.shed_after_s names {operation}, which no sender of this scenario sends; they send "
                    f"{', '.join(by_senders)}"
                )
        if self.replay_from_us >= self.span_us:
            raise ValueError(
                f"run.replay_from_h {self.run.replay_from_h:g} is beyond the end of the span, {self.span_us / 3.6e9:g} h"
            )
        if self.run.warm_up_s >= self.run.wall_s:
            raise ValueError(f"run.warm_up_s {self.run.warm_up_s:g} must be less than run.wall_s {self.run.wall_s:g}")
        return self

    @property
    def span_us(self) -> int:
        """Simulated time from the first half-hour until all that the WAN does not hold back has arrived [us].

        What an outage or a late settlement run brings after it is in flight at the end.
        """
        links = (self.wan.cellular, self.wan.long_range_radio, self.wan.four_g)
        delay_ms = max(link.delay_ms_max for link in links)
        retry_s = max(LOSSES_MAX * link.retry_s if link.loss > 0 else 0.0 for link in links)
        repeat_s = self.reads.duplicate_after_s if self.reads.duplicate_share > 0 else 0.0
        estimate_h = self.reads.estimate_after_h + 1 if self.reads.gap_share > 0 else 0.0
        after_us = max(round(self.estate.upload_window_h * 3.6e9), round(self.estate.push_jitter_s * 1e6) + 1)
        tail_us = round(delay_ms * 1e3) + round(retry_s * 1e6) + round(repeat_s * 1e6)
        return self.run.days * 86_400_000_000 + max(after_us + tail_us, round(estimate_h * 3.6e9))

    @property
    def speed_up(self) -> float:
        """Simulated seconds a wall second, in the mean of the whole replay."""
        return (self.span_us - self.replay_from_us) / 1e6 / self.run.wall_s

    def with_shape(self, shape: Shape) -> "Scenario":
        """The scenario with a named shape in place of its own."""
        return self.model_copy(update={"run": self.run.model_copy(update={"shape": shape, "stretches": ()})})

    @property
    def pace(self) -> Pace:
        """Which simulated instant it is at each moment of the replay. Made anew each time: keep it where it is asked often."""
        return Pace.of(
            self.run.stretches or SHAPES[self.run.shape],
            from_us=self.replay_from_us,
            until_us=self.span_us,
            wall_us=round(self.run.wall_s * 1_000_000),
        )

    @property
    def replay_from_us(self) -> int:
        """The simulated instant that the storm's clock starts at [us]."""
        return round(self.run.replay_from_h * 3.6e9)


def parse_scenario(text: str, origin: str) -> Scenario:
    """Read a scenario from TOML text. Raises ScenarioError naming `origin`, the field, its value and what is allowed."""
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(f"{origin}: not a scenario: its lists and tables are nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise ScenarioError(f"{origin}: not valid TOML: {_given_twice(error, text) or why_refused(error)}") from error
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(one_a_line([_sentence(origin, detail) for detail in _causes(error.errors())])) from error


_TWICE = re.compile(
    r"(Cannot overwrite|Cannot declare|Duplicate inline).*\((?:at line ([0-9]+),.*|at end of document)\)"
)


def _given_twice(error: ValueError, text: str) -> str | None:
    """What tomllib's "Cannot overwrite a value" is about: a key that the file has given before; None of another error."""
    found = _TWICE.fullmatch(str(error))
    if found is None:
        return None
    line = int(found[2]) if found[2] else len(text.splitlines())
    what = "heading" if found[1] == "Cannot declare" else "key"
    return f"line {line:,} holds a {what} that was given before: {shortened(text.splitlines()[line - 1].strip())}"


def one_a_line(faults: Sequence[str]) -> str:
    """The first faults of a file, and how many more there are."""
    more = len(faults) - FAULTS_TOLD_MAX
    return "\n".join([*faults[:FAULTS_TOLD_MAX], *([f"and {more:,} more faults like these"] if more > 0 else [])])


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises ScenarioError for a missing, unreadable or wrong file."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ScenarioError(
                f"{path}: not a scenario: it has more than {FILE_BYTES_MAX:,} bytes; a scenario is a page of TOML"
            )
        text = text_of(content).replace("\r\n", "\n")
    except FileNotFoundError:
        there = f"; `ls {path.parent}` shows what is there" if path.parent.is_dir() else ""
        raise ScenarioError(f"{path}: no such scenario file{there}") from None
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read as a scenario: {why_refused(error)}") from error
    return parse_scenario(text, str(path))


def value_text(value: object) -> str:
    """A value of a scenario file as it may stand in a sentence: as TOML has it, in one line, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):  # of a number with thousands of digits Python writes none in tens
        return shortened(str(value) if value.bit_length() < INTEGER_BITS_SHOWN_MAX else f"{value:#x}")
    if isinstance(value, str):
        return f'"{shortened(value)}"'
    return shortened(str(value))


def _causes(details: list[Any]) -> list[Any]:
    """The errors without those that only follow from another: a list whose one member is wrong also counts as too short."""
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in details if other is not detail)
    ]


def _sentence(origin: str, detail: Any) -> str:
    field = shortened(".".join(str(part) for part in detail["loc"])) or "the scenario"
    message = str(detail["msg"]).removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            return f"{origin}: {field}: unknown field; see docs/scenarios.md for the fields that exist"
        case "missing":
            return f"{origin}: {field}: is missing and has no default"
        case "value_error":
            return f"{origin}: {field}: {message}"
    if isinstance(detail["input"], dict | list):
        return f"{origin}: {field}: {message}"
    value = detail["input"]
    shown = f"'{shortened(value)}'" if isinstance(value, str) else value_text(value)
    return f"{origin}: {field} = {shown}: {message}"


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with another seed."""
    return scenario.model_copy(update={"run": scenario.run.model_copy(update={"seed": seed})})


_WITHOUT_DISTANCE = {
    "a gate": "its sides are compared without distance",
    "a tournament": "designs are compared without distance",
    "a cluster in the background": "nobody outside its network would reach its nodes",
}


def require_no_wan(topology: Topology, what: str) -> None:
    """Raises ScenarioError for a distance between sites where `what`, one of those above, can't have it."""
    if topology.wan is not None:
        raise ScenarioError(f"topology.wan: {what} can't have it, as {_WITHOUT_DISTANCE[what]}; leave it out")


def needs_enclosure(scenario: Scenario) -> bool:
    """Is there anything that a run makes in namespaces of its own alone: distance between sites, faults of networks and disks?"""
    return scenario.topology.wan is not None or any(fault.kind in ENCLOSED_KINDS for fault in scenario.faults)


def with_network(scenario: Scenario) -> Scenario:
    """The scenario with a network between its sites that can be given a distance: none at first, where it names none.

    Raises ScenarioError for a data centre that is called as the field is.
    """
    if scenario.topology.wan is not None:
        return scenario
    try:
        require_no_dc_as_field([dc.name for dc in scenario.topology.dcs])
    except ValueError as error:
        raise ScenarioError(f"topology.dcs: {error}") from error
    return scenario.model_copy(update={"topology": scenario.topology.model_copy(update={"wan": SiteWan()})})


def require_own_sites(topology: Topology, *, is_local: bool) -> None:
    """Raises ScenarioError for the sites of an existing cluster, which are where they are."""
    if topology.wan is not None and not is_local:
        raise ScenarioError(
            "topology.wan: distance is emulated between local nodes alone, and these are an existing cluster's; leave out "
            "--contact-points, or [topology.wan]"
        )


def require_reached(scenario: Scenario) -> None:
    """Raises ScenarioError for a run whose workers are on other machines, and could not reach its nodes."""
    if needs_enclosure(scenario):
        what = "faults of networks and disks" if scenario.topology.wan is None else "topology.wan"
        raise ScenarioError(
            f"{what}: a run with --listen can't have it, as workers on other machines don't reach its network; leave it out"
        )


def require_no_faults(scenario: Scenario, what: str) -> None:
    """Raises ScenarioError for a scenario with faults: `what` compares or searches, and measures an unbroken cluster."""
    if scenario.faults or scenario.nemesis:
        raise ScenarioError(
            f"faults: {what} is of an unbroken cluster; leave out [[faults]] and [nemesis], or use `meterstorm run`"
        )
    if scenario.analytics:
        raise ScenarioError(
            f"analytics: {what} asks nothing beside its load; leave out [[analytics]], or use `meterstorm run`"
        )
    if scenario.run.failover is not None:
        raise ScenarioError(
            f"run.failover: {what} moves no homes to another data centre; leave it out, or use `meterstorm run`"
        )
