"""`FOLDER/results.json` of a search for the highest rate: what it answers, as a pydantic model.

docs/find-max.schema.json is its JSON Schema. Field names end in their units. `None` means that a figure does not exist, never
zero. Regenerate the schema after a change: `uv run python -m reports.results.capacity > docs/find-max.schema.json`.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, field_validator, model_validator

from loadtests.capacity.search import Ending, StepPurpose
from loadtests.capacity.step import StepVerdict
from loadtests.stats.sequential import SequentialAnswer
from reports.results.file import Kind, MeasuredResults, load, schema_text
from reports.results.parts import ResultsPart, TopologyResult, Verdict
from scenarios.texts import wording

SECONDS_PER_DELIVERY: Mapping[str, float] = {
    "ten_second": 10.0,
    "half_hourly": 1_800.0,
    "daily": 86_400.0,
    "monthly": 365.2425 / 12 * 86_400,
}


# As files of before 28 November 2026 say it: all of the machine's processors could bind, and "unknown" stood for none that did.
_MACHINE_CPU = "machine_cpu"
_NAMELESS = ("unknown", _MACHINE_CPU)


class Resource(StrEnum):
    """What may bind, and what is told beside it: `OTHERS` are the processors that programs of others take."""

    CLIENT_CPU = "client_cpu"
    NODE_CPU = "node_cpu"
    OTHERS = "others"
    DISK = "disk"
    GC = "gc"
    COMPACTION = "compaction"
    WAN = "wan"


class Interval(ResultsPart):
    """A measured value with its interval."""

    value: float
    low: float
    high: float
    confidence: float


class ObjectiveStep(ResultsPart):
    """One objective at one rate."""

    operation: str
    percentile: float
    response_ms_max: float
    answer: SequentialAnswer = Field(description="is the percentile within its limit, by the sequential test?")
    slower_share: NonNegativeFloat | None = Field(description="of the responses, slower than the limit")
    response_ms: Interval | None = Field(description="the percentile, corrected for what depends on each other")
    response_count: NonNegativeInt
    effective_count: NonNegativeFloat = Field(description="as many independent responses tell as much")
    error_share: NonNegativeFloat | None
    error_share_max: float


class StepResult(ResultsPart):
    """One step of the search: a rate that was sent for a while, judged after its warm-up."""

    rate_per_s: NonNegativeFloat
    purpose: StepPurpose
    verdict: StepVerdict
    reason: str
    length_s: NonNegativeInt
    warm_up_s: NonNegativeInt = Field(description="cut off by MSER-5")
    kept_s: NonNegativeInt
    offered_per_s: NonNegativeFloat
    completed_per_s: NonNegativeFloat
    mean_response_ms: NonNegativeFloat | None
    growth: NonNegativeFloat | None = Field(description="of response times, when they surely grew; no steady state")
    late_p99_ms: NonNegativeFloat | None
    cpu_share: NonNegativeFloat | None
    objectives: tuple[ObjectiveStep, ...]


class RateResult(ResultsPart):
    """The highest rate that holds [operations/s], and the lowest that was shown not to."""

    rate_per_s: NonNegativeFloat = Field(
        description="held; where the ending is `found` it held again when it was confirmed"
    )
    high_per_s: NonNegativeFloat | None = Field(description="the lowest rate that broke an objective; None if none did")
    confidence: float = Field(
        description="that the true threshold lies between them, if each rate's steps are steady; less where they are unconfirmed"
    )
    delivery_share: NonNegativeFloat = Field(description="of the mix that are deliveries of readings")


class MetersResult(ResultsPart):
    """As many meters of one read frequency make the rate: deliveries a second times seconds a delivery."""

    seconds_per_delivery: NonNegativeFloat
    meters: NonNegativeInt
    meters_high: NonNegativeInt | None

    def frequency(self, schedule: str) -> str:
        """How it is told: 'half-hourly', or 'quarter-hourly' where meters hold those."""
        return wording.read_frequency(
            schedule, round(3_600 / self.seconds_per_delivery) if self.seconds_per_delivery else 2
        )


class EvidenceResult(ResultsPart):
    """One resource at the limit. of_limit: 1 or more binds; None when not measured, or never named as what binds."""

    resource: Resource
    of_limit: NonNegativeFloat | None
    sentence: str

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, fields: Any) -> Any:
        """The machine's processors, of which others may have taken any part, are told and never bind."""
        if isinstance(fields, dict) and fields.get("resource") == _MACHINE_CPU:
            return fields | {"resource": Resource.OTHERS.value, "of_limit": None}
        return fields


class ConstraintResult(ResultsPart):
    """What keeps the rate from being higher. at_per_s: the rate of the step that the evidence is of."""

    is_limit: bool = Field(
        default=True,  # older files do not tell it, and name what binds whether or not a rate broke
        description="that rate broke, or the generator could not send it; else none did",
    )
    binding: Resource | None = Field(description="null when nothing can be named")
    at_per_s: NonNegativeFloat
    evidence: tuple[EvidenceResult, ...]

    @field_validator("binding", mode="before")
    @classmethod
    def _read_older_binding(cls, binding: Any) -> Any:
        return None if binding in _NAMELESS else binding


class QueueFit(ResultsPart):
    """R(x) = service + wait u / (1 - u), u = x / capacity; residuals: measured over fitted, less 1, by point."""

    service_ms: float
    wait_ms: float
    capacity_per_s: float
    knee_per_s: float = Field(description="throughput over response time is highest here (Kleinrock's power)")
    rate_per_s: tuple[float, ...]
    response_ms: tuple[float, ...]
    residuals: tuple[float, ...]


class ScalabilityFit(ResultsPart):
    """The Universal Scalability Law through throughput by operations in the system (rate times response time)."""

    scale_per_s: float
    contention: float
    coherency: float
    peak_in_system: float | None
    in_system: tuple[float, ...]
    throughput_per_s: tuple[float, ...]
    residuals: tuple[float, ...]


class RecoveryResult(ResultsPart):
    """An overload, and how long after it the rate held again; None if it did not while it was watched."""

    rate_per_s: NonNegativeFloat
    overload_per_s: NonNegativeFloat
    overload_s: NonNegativeInt
    watched_s: NonNegativeInt
    after_s: NonNegativeInt | None
    client_trouble: str | None = Field(
        default=None, description="why the load generator may be to blame; None: nothing says so"
    )


class CapacityResults(MeasuredResults):
    """Everything that a search answers."""

    kind: Literal[Kind.CAPACITY] = Kind.CAPACITY
    ending: Ending
    topology: TopologyResult
    dc_down: str | None = Field(description="the data centre whose nodes were stopped")
    verdict: Verdict
    reasons: tuple[str, ...]
    rate: RateResult | None = Field(description="None when no rate was found to hold")
    meters: dict[str, MetersResult]
    mix: dict[str, NonNegativeFloat] = Field(description="the share of each operation in the load")
    pool_count: NonNegativeInt = Field(description="different operations that the load is drawn from")
    steps: tuple[StepResult, ...]
    constraint: ConstraintResult | None
    queue_curve: QueueFit | None
    scalability: ScalabilityFit | None
    recovery: RecoveryResult | None
    methods: dict[str, str] = Field(description="which named method each figure was made by")


def load_capacity(folder: Path) -> CapacityResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds no search."""
    return load(folder, CapacityResults, Kind.CAPACITY)


if __name__ == "__main__":
    print(schema_text(CapacityResults), end="")
