"""A gate's vocabulary: its answers, and `gate.toml`, whose every field has a default.

gate.toml holds the effects that matter, the errors that are allowed, and how long a gate may take.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from scenarios.part_file import load_part
from scenarios.parts.base import Part

Worse = Annotated[float, Field(strict=True, gt=0, le=10)]
"""A change for the worse, as a share: 0.1 is a tenth slower, dearer or larger."""


class GateAnswer(StrEnum):
    """What a gate says of a change, and of one metric of it."""

    PASS = "pass"
    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    INCONCLUSIVE = "inconclusive"


class Limits(Part):
    """The least changes for the worse that matter. A smaller one passes, though it be shown."""

    throughput: Worse = Field(default=0.1, description="of the closed loop; 0.1: so much longer for the same work")
    server_cpu: Worse = Field(default=0.1, description="processor time of all nodes an operation")
    between_dcs: Worse = Field(default=0.1, description="bytes between data centres an operation")
    response: Worse = Field(default=0.15, description="response times, at every quantile up to p95")
    response_p99: Worse = Field(default=0.3, description="response times at p99")
    counters: float = Field(
        strict=True, default=0.0, ge=0, le=10, description="requests, bytes and work of replicas, which are counted"
    )


class Errors(Part):
    """How often the gate may be wrong, over all of its metrics together."""

    false_alarm: float = Field(
        strict=True, default=0.01, gt=0, le=0.2, description="a regression or improvement is claimed, and there is none"
    )
    false_pass: float = Field(
        strict=True, default=0.05, gt=0, le=0.2, description="a change that matters is said to be none"
    )
    failed_share_max: float = Field(
        strict=True, default=0.01, ge=0, le=1, description="of a side's operations that are not acknowledged"
    )


class Effort(Part):
    """How much is measured at most."""

    pairs_max: int = Field(strict=True, default=60, ge=5, le=10_000)
    minutes_max: float = Field(strict=True, default=10.0, gt=0, le=1_440, description="of pairs, after the warming")
    seconds: float = Field(strict=True, default=1.5, ge=0.2, le=600, description="of each loop of a trial")
    warm_s: float = Field(strict=True, default=20.0, ge=0, le=3_600, description="of each side, before the first pair")
    rate_per_s: float | None = Field(
        strict=True, default=None, gt=0, le=1_000_000, description="of the open loop; none: a third of the throughput"
    )


class GateSettings(Part):
    """All of gate.toml."""

    limits: Limits = Limits()
    errors: Errors = Errors()
    effort: Effort = Effort()


def load_gate_settings(path: Path) -> GateSettings:
    """Read a gate.toml. Raises ScenarioError naming file, field, value and what is allowed."""
    return load_part(
        path, GateSettings, absent="leave --config out for the defaults (docs/gate.md)", page="docs/gate.md"
    )
