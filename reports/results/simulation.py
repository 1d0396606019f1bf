"""`results.json` of a simulation, as a pydantic model; docs/simulation.schema.json is its JSON Schema.

Field names end in their units. Instants are seconds since the scenario's start, 00:00 UTC of its first day. No wall time and no
date of making: the same scenario, seed and version give the same file on one machine, byte for byte.
Regenerate the schema after a change: `uv run python -m reports.results.simulation > docs/simulation.schema.json`.
"""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from reports.results.file import Kind, ResultsFile, load, schema_text
from reports.results.parts import Machine, ResultsPart
from reports.results.run import ProfileFault
from scenarios.domain import CommandKind


class OfferedResult(ResultsPart):
    """The load that one operation offers over the span; all zero when the estate has none of it."""

    count: NonNegativeInt
    peak_per_s: NonNegativeFloat = Field(description="in the busiest bin of offered_bin_s, divided by its width")
    peak_at_s: NonNegativeInt = Field(description="where the first such bin begins")
    mean_per_s: NonNegativeFloat = Field(description="over the whole span")


class CampaignResult(ResultsPart):
    """The commands of one campaign by the state that they stand in at the span's end; the states add up to `targets`."""

    kind: CommandKind
    targets: NonNegativeInt
    applied: NonNegativeInt
    rejected: NonNegativeInt = Field(description="the device said no")
    exhausted: NonNegativeInt = Field(description="the last attempt timed out too")
    in_flight: NonNegativeInt = Field(description="not ended when the span ends")
    attempts: NonNegativeInt
    late_answers: NonNegativeInt = Field(description="commands whose first answer came after its attempt had timed out")
    repeated_answers: NonNegativeInt = Field(description="answers beyond the first of a command")


class IhdResult(ResultsPart):
    """The in-home displays that wait for the tariff or price of one campaign."""

    effective_s: NonNegativeInt = Field(description="when the tariff comes into force")
    displays: NonNegativeInt
    correct_at_effective: NonNegativeInt = Field(description="displays that have the tariff at that instant")
    share_at_effective: NonNegativeFloat | None = Field(description="of the displays; none when no display waits")
    correct_at_end: NonNegativeInt = Field(description="displays that have it when the span ends")


class BacklogResult(ResultsPart):
    """What a region's hubs hold or have on the way: messages that are sent and have not arrived, by the minute."""

    sent: NonNegativeInt
    arrived: NonNegativeInt
    peak: NonNegativeInt = Field(description="the largest backlog at a minute's end")
    peak_at_s: NonNegativeInt = Field(description="the end of the first such minute")
    drain_s: NonNegativeInt | None = Field(
        description="from the peak until the backlog is back within a hundredth of it; null when it is not by the end"
    )
    in_flight: NonNegativeInt = Field(description="sent and not arrived at the end")
    has_outage: bool | None = Field(
        default=None,
        description="an outage of the region begins within the span; else its messages are on the way or in hubs that fail by "
        "themselves, and no drain time is told; null where an older file does not tell: its drain time stands as it is there",
    )


class CampaignCourse(ResultsPart):
    """What became of one campaign's commands and displays so far, at each of the minutes since the start.

    From before its start until after its last change; of a long one, not each minute.
    """

    minute: tuple[NonNegativeInt, ...]
    applied: tuple[NonNegativeInt, ...]
    rejected: tuple[NonNegativeInt, ...]
    exhausted: tuple[NonNegativeInt, ...]
    displayed: tuple[NonNegativeInt, ...] = Field(
        description="displays that have the tariff; empty for a campaign that tells none"
    )


class CoursesResult(ResultsPart):
    """What the figures of report.html show, in bins of the whole span; the last bin may be shorter."""

    bin_s: NonNegativeInt
    offered: dict[str, tuple[NonNegativeInt, ...]] = Field(description="messages by bin, of operations that have any")
    backlog: dict[str, tuple[NonNegativeInt, ...]] = Field(
        description="by region: the highest at a minute's end within each bin"
    )
    campaigns: dict[str, CampaignCourse]


class FidelityRow(ResultsPart):
    """One figure that is published of what the scenario stands for, and what the simulation counts of it."""

    figure: str = Field(description="as in scenarios/parts/published.py")
    unit: str
    simulated: float | None = Field(description="null where the span does not show it")
    published: float
    source: str
    date: str = Field(description="of what it was true, or when it was published")
    deviation: float | None = Field(description="simulated over published, less 1")
    is_within: bool = Field(description="by 5 % at most")
    why_not: str | None = Field(default=None, description="why it may be further off")


class FigureEstimate(ResultsPart):
    """One figure over the replications: its mean, with Student's t interval. Null when a replication has no such figure."""

    values: tuple[float | None, ...] = Field(
        description="by replication, in the order of the seeds; null where a backlog is not drained, or no display waits"
    )
    mean: float | None
    low: float | None
    high: float | None


class AgainstResult(ResultsPart):
    """Another scenario, replicated with the same seeds: common random numbers."""

    scenario: str = Field(description="its title")
    digests: tuple[str, ...]
    figures: dict[str, FigureEstimate]
    differences: dict[str, FigureEstimate] = Field(
        description="this scenario's figure minus the other's, of each seed; of figures that both have"
    )


class ReplicationsResult(ResultsPart):
    """The scenario with several seeds. Figures are named by their path in this file, `backlog.south.peak` say."""

    seeds: tuple[NonNegativeInt, ...] = Field(description="the first is that of everything else in this file")
    digests: tuple[str, ...]
    confidence: float = Field(description="share of such intervals that hold the true mean, each for itself")
    figures: dict[str, FigureEstimate]
    against: AgainstResult | None = None


class SimulationResults(ResultsFile):
    """Everything that a simulation answers; of several replications, the first one's answers and `replications`.

    Operations are named as the kinds of the trace's messages.
    """

    kind: Literal[Kind.SIMULATION] = Kind.SIMULATION
    scenario: str = Field(description="the scenario's title")
    seed: NonNegativeInt
    digest: str = Field(description="of the trace: equal digests are the same messages and values")
    versions: dict[str, str]
    machine: Machine
    start: date = Field(description="the first simulated day, from 00:00 UTC")
    span_s: NonNegativeFloat = Field(description="simulated time, to the last upload window's end")
    premises: NonNegativeInt
    meters: NonNegativeInt
    meters_by_mode: dict[str, dict[str, NonNegativeInt]] = Field(
        default_factory=dict,
        description="by fuel: smart (in smart mode), traditional, not_smart, absent (no such fuel)",
    )
    hubs: NonNegativeInt | None = Field(default=None, description="homes with smart meters; null in an older file")
    readings: NonNegativeInt = Field(description="half-hours, 10-second values and registers that the messages bring")
    messages: dict[str, NonNegativeInt]
    offered_bin_s: NonNegativeInt
    offered: dict[str, OfferedResult] = Field(description="by operation, and `all` of them together")
    offered_by_hour: dict[str, tuple[NonNegativeInt, ...]] = Field(
        description="messages by simulated hour, of operations that have any"
    )
    campaigns: dict[str, CampaignResult] = Field(default_factory=dict)
    ihd: dict[str, IhdResult] = Field(default_factory=dict, description="by campaign that tells a tariff or a price")
    backlog: dict[str, BacklogResult] = Field(description="by region")
    fidelity: tuple[FidelityRow, ...] = Field(
        default=(), description="a row for each of the scenario's published figures"
    )
    energy_wh: dict[str, NonNegativeInt] = Field(description="used in the span, by fuel")
    energy_by_region_wh: dict[str, dict[str, NonNegativeInt]]
    profile: str = Field(description="the demand profile of electricity")
    profile_faults: dict[str, ProfileFault] = Field(default_factory=dict)
    profile_notes: tuple[str, ...] = Field(default=(), description="what of the profile's file was taken for what")
    replications: ReplicationsResult | None = None
    warnings: tuple[str, ...] = Field(default=(), description="what a reader must know, a sentence each")
    courses: CoursesResult


def load_simulation(folder: Path) -> SimulationResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds no simulation, or a file that isn't one."""
    return load(folder, SimulationResults, Kind.SIMULATION)


if __name__ == "__main__":
    print(schema_text(SimulationResults), end="")
