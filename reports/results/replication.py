"""What data centres saw of each other in a run, and what a lost one alone had acknowledged: part of `results.json`."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from reports.results.parts import ResultsPart
from scenarios.parts.faults import FaultKind


class Ages(ResultsPart):
    """A distribution of times [ms]."""

    p50: NonNegativeFloat
    p90: NonNegativeFloat
    max: NonNegativeFloat


class VisibilityCourse(ResultsPart):
    """How far one data centre was behind another, all along the storm."""

    from_dc: str = Field(description="whose coordinators acknowledged the rows that were looked for")
    to_dc: str = Field(description="where they were looked for, at LOCAL_ONE")
    probes: NonNegativeInt = Field(description="rows that were acknowledged")
    unseen: NonNegativeInt = Field(description="of these, not seen until shortly after the storm")
    lag_ms: Ages | None = Field(description="from the acknowledgement until the answer that had it, of those seen")
    behind_ms: tuple[NonNegativeFloat | None, ...] = Field(
        description="by second of the storm: how old the oldest acknowledged row became in it that was not seen yet; None: it "
        "had acknowledged nothing so far"
    )


class LossResult(ResultsPart):
    """What a data centre had acknowledged when it was lost, and another one had not seen: by rows that were written for that.

    `unseen` may have been on their way, or there and not asked for yet; `only_there` were not seen until the lost one came back.
    """

    kind: FaultKind
    dc: str
    other: str
    lost_s: NonNegativeFloat = Field(description="wall time of the storm")
    probes: NonNegativeInt = Field(description="rows that it had acknowledged until then")
    unseen: NonNegativeInt = Field(description="of these, not seen in the other one by then")
    age_ms: Ages | None = Field(description="of the unseen: from their acknowledgement until the loss")
    only_there: NonNegativeInt = Field(description="of the unseen, not seen before the lost one's return began")
    lag_ms: Ages | None = Field(description="of the rows that it acknowledged in the seconds before the loss")
    acknowledged_per_s: NonNegativeFloat | None = Field(
        description="writes of its homes in those seconds; None: not told by data centre"
    )
    estimated: NonNegativeFloat | None = Field(
        description="writes of the load that had not reached the other one: their rate times the mean lag (Little's law)"
    )


class ReplicationResult(ResultsPart):
    """Of runs that lose a whole data centre."""

    courses: tuple[VisibilityCourse, ...]
    losses: tuple[LossResult, ...]
