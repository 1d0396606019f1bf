"""The scenario file: what is read from TOML, how it is checked, and how an error names file, field, value and mend."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scenarios.domain import ConsistencyLevel, DcRole, Fuel, Operation

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class ScenarioError(Exception):
    """The user's scenario or input can't be used; the message names the thing and the mend."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Region(_Part):
    """A communications region; `share` of all premises lie in it."""

    name: Name
    share: Share
    wan: Literal["cellular", "long_range_radio"] = "cellular"


class ReadSchedules(_Part):
    """Shares of meters by read schedule; they add up to 1."""

    daily: Share = 1.0
    half_hourly: Share = 0.0

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if abs(self.daily + self.half_hourly - 1) > 1e-9:
            raise ValueError(f"daily + half_hourly must add up to 1, not {self.daily + self.half_hourly:g}")
        return self


def _default_regions() -> tuple[Region, ...]:
    return (
        Region(name="central", share=0.35),
        Region(name="south", share=0.35),
        Region(name="north", share=0.30, wan="long_range_radio"),
    )


class Estate(_Part):
    """Premises, their meters, and how the meters are read."""

    premises: int = Field(strict=True, ge=1, le=60_000_000)
    fuels: tuple[Fuel, ...] = Field(default=(Fuel.ELECTRICITY,), min_length=1, max_length=2)
    regions: tuple[Region, ...] = Field(default_factory=_default_regions, min_length=1, max_length=64)
    read_schedules: ReadSchedules = ReadSchedules()
    upload_window_h: float = Field(
        strict=True, default=3.0, gt=0, le=24, description="a daily meter uploads within this after midnight"
    )
    push_jitter_s: float = Field(
        strict=True, default=600.0, ge=0, le=1800, description="a half-hourly meter pushes within this"
    )
    profile: str = Field(default="bdew_household", description="'bdew_household', or the path of a CSV file")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.fuels)) != len(self.fuels):
            raise ValueError("fuels names a fuel twice")
        if Fuel.ELECTRICITY not in self.fuels:
            raise ValueError("fuels must hold 'electricity': the communications hub is powered by its meter")
        total = sum(region.share for region in self.regions)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the regions must add up to 1, not {total:g}")
        if len({region.name for region in self.regions}) != len(self.regions):
            raise ValueError("two regions have the same name")
        return self

    @property
    def meter_count(self) -> int:
        return self.premises * len(self.fuels)


class Traffic(_Part):
    """What customers ask, a premises and day; zero switches a query off."""

    usage_month_per_premises_day: float = Field(strict=True, default=0.2, ge=0, le=100)
    intervals_day_per_premises_day: float = Field(strict=True, default=0.1, ge=0, le=100)
    state_per_premises_day: float = Field(strict=True, default=0.1, ge=0, le=100)


class Dc(_Part):
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


class Consistency(_Part):
    """Consistency levels: `default`, and what single operations do otherwise."""

    default: ConsistencyLevel = ConsistencyLevel.LOCAL_QUORUM
    # levels beyond one DC would read, and by read repair mend, what the DC under audit lacks
    audit: Literal[ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_ONE] = ConsistencyLevel.LOCAL_QUORUM
    operations: dict[Operation, ConsistencyLevel] = Field(default_factory=dict)

    def of(self, operation: Operation) -> ConsistencyLevel:
        return self.operations.get(operation, self.default)


class Topology(_Part):
    """The data centres and the consistency levels that operations ask of them."""

    dcs: tuple[Dc, ...] = Field(min_length=1, max_length=8)
    consistency: Consistency = Consistency()
    keyspace: Name = "meterstorm"

    @model_validator(mode="after")
    def _serves(self) -> Self:
        if len({dc.name for dc in self.dcs}) != len(self.dcs):
            raise ValueError("two DCs have the same name")
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


class Validity(_Part):
    """Limits beyond which the generator's own trouble makes a run inconclusive."""

    late_p99_ms_max: float = Field(strict=True, default=100.0, gt=0, le=60_000)
    cpu_share_max: float = Field(strict=True, default=0.9, gt=0, le=1, description="of one core, by the busiest sender")


class Run(_Part):
    """How long, how fast and from which seed."""

    # instants are microseconds in an int64, and a write timestamp in the future could not be corrected by hand
    start: date = Field(default=date(2026, 1, 15), ge=date(1980, 1, 1), le=date(2099, 12, 31))
    days: int = Field(strict=True, default=1, ge=1, le=400)
    wall_s: float = Field(
        strict=True, ge=1, le=7 * 86_400, description="the simulated span is replayed in this wall time"
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
    in_flight_max: int = Field(strict=True, default=8_192, ge=1, le=1_000_000)
    drain_s_max: float = Field(strict=True, default=60.0, ge=1, le=3_600)
    validity: Validity = Validity()


class Objective(_Part):
    """One service level objective: `percentile` of response times at most `response_ms_max`, few enough errors."""

    operation: Operation
    percentile: float = Field(strict=True, default=99.0, gt=0, lt=100)
    response_ms_max: float = Field(strict=True, gt=0, le=3_600_000)
    error_share_max: Share = 0.0


class Scenario(_Part):
    """The whole scenario file."""

    title: str = Field(min_length=1, max_length=120)
    question: str = Field(default="", max_length=500, description="which question a run of it answers")
    estate: Estate
    traffic: Traffic = Traffic()
    topology: Topology
    run: Run
    slo: tuple[Objective, ...] = ()

    @model_validator(mode="after")
    def _asks_what_is_sent(self) -> Self:
        silent = {
            Operation.READ_USAGE_MONTH: self.traffic.usage_month_per_premises_day,
            Operation.READ_INTERVALS_DAY: self.traffic.intervals_day_per_premises_day,
            Operation.READ_STATE: self.traffic.state_per_premises_day,
        }
        for objective in self.slo:
            if silent.get(objective.operation) == 0:
                raise ValueError(f"slo names {objective.operation}, whose rate in [traffic] is 0")
        if self.run.warm_up_s >= self.run.wall_s:
            raise ValueError(f"run.warm_up_s {self.run.warm_up_s:g} must be less than run.wall_s {self.run.wall_s:g}")
        return self

    @property
    def span_us(self) -> int:
        """Simulated time from the first half-hour to the end of the last upload window [us]."""
        return self.run.days * 86_400_000_000 + int(self.estate.upload_window_h * 3_600_000_000)

    @property
    def speed_up(self) -> float:
        """Simulated seconds a wall second."""
        return self.span_us / 1e6 / self.run.wall_s


def parse_scenario(text: str, origin: str) -> Scenario:
    """Read a scenario from TOML text. Raises ScenarioError naming `origin`, the field, its value and what is allowed."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{origin}: not valid TOML: {error}") from error
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_sentence(origin, detail) for detail in _causes(error.errors()))) from error


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises ScenarioError for a missing, unreadable or wrong file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such scenario file; `ls {path.parent}` shows what is there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: can't be read as a scenario: {error}") from error
    return parse_scenario(text, str(path))


def _causes(details: list[Any]) -> list[Any]:
    """The errors without those that only follow from another: a list whose one member is wrong also counts as too short."""
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in details if other is not detail)
    ]


def _sentence(origin: str, detail: Any) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the scenario"
    message = str(detail["msg"]).removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            return f"{origin}: {field}: unknown field; see docs/scenarios.md for the fields that exist"
        case "missing":
            return f"{origin}: {field}: is missing and has no default"
        case "value_error":
            return f"{origin}: {field}: {message}"
    return f"{origin}: {field} = {detail['input']!r}: {message}"
