"""`FOLDER/results.json` of a look back over past runs, as a pydantic model; docs/gate-history.schema.json is its JSON Schema.

Field names end in their units. `None` means that a figure does not exist, never zero. A run is named by its folder (or file)
within the history. Regenerate the schema after a change:
`uv run python -m reports.results.gate_history > docs/gate-history.schema.json`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt

from reports.results.file import Kind, ResultsFile, load, schema_text
from reports.results.parts import Machine, ResultsPart, Verdict


class Voter(StrEnum):
    """Who looks for change points."""

    RANKS = "ranks"  # ours: `loadtests.stats.change_points`, whose error over the whole history is stated
    OTAVA = "Apache Otava"


class Vote(StrEnum):
    """A change that both see, or that one sees and the other does not."""

    CHANGE = "change"
    SUSPECTED = "suspected"


class Meaning(StrEnum):
    """What a change means to whoever waits for answers. Unknown: nobody said which way is better."""

    WORSE = "worse"
    BETTER = "better"
    UNKNOWN = "unknown"


class Better(StrEnum):
    """Which way a metric is better."""

    LOWER = "lower"
    HIGHER = "higher"
    UNKNOWN = "unknown"


class Shift(ResultsPart):
    """By how much the new level differs: the median of all differences between runs of the two levels, with its interval."""

    value: float
    low: float
    high: float
    confidence: NonNegativeFloat = Field(description="what the interval really has; few runs can't give 95 %")
    is_ratio: bool = Field(
        description="the new level over the old one; else a difference, as some value is not above zero"
    )


class FoundChange(ResultsPart):
    """The first run of a new level, who sees it, and what else is new in that run."""

    run: str
    index: NonNegativeInt = Field(description="of the run in the series")
    started: AwareDatetime
    before: tuple[str, ...] = Field(description="the last runs of the old level, at most three")
    after: tuple[str, ...] = Field(description="the next runs of the new one, at most three")
    vote: Vote
    voters: tuple[Voter, ...]
    otava_run: str | None = Field(description="where Otava sees it begin, if Otava does")
    p_value: NonNegativeFloat | None = Field(
        description="of the ranks: the chance of a split as clear in its segment without a change; None: they see none"
    )
    level_before: float = Field(description="median")
    level_after: float
    shift: Shift
    meaning: Meaning
    is_relevant: bool = Field(description="as large as the effect that matters")
    is_newest: bool = Field(description="among the newest runs, and not mended since: it decides the verdict")
    other_versions: tuple[str, ...] = Field(default=(), description="what changed its version with this run, in words")


class HistorySeries(ResultsPart):
    """One metric over the runs that have it."""

    operation: str = Field(description="or the benchmark's name; 'all' for what is not of one operation")
    metric: str
    unit: str
    better: Better
    runs: tuple[NonNegativeInt, ...] = Field(description="indices into the results' runs")
    values: tuple[float, ...]
    spread_share: NonNegativeFloat | None = Field(
        description="standard deviation of a level's runs, of the latest level"
    )
    earliest_seen: NonNegativeInt | None = Field(
        description="how many runs a change must have lasted before the ranks can see it; None: not in so few"
    )
    smallest_share: NonNegativeFloat | None = Field(
        description="the change that the ranks find with power 0.8 once half of the newest runs have it; about"
    )
    changes: tuple[FoundChange, ...]

    @property
    def name(self) -> str:
        return f"{self.operation} {self.metric}"


class PastRun(ResultsPart):
    """A run of the history."""

    name: str
    started: AwareDatetime
    versions: dict[str, str]
    verdict: Verdict | None = Field(default=None, description="None: a benchmark's file, which has none")


class GateHistoryResults(ResultsFile):
    """What past runs say about the newest ones."""

    kind: Literal[Kind.GATE_HISTORY] = Kind.GATE_HISTORY
    folder: str
    source: Literal["runs", "pytest-benchmark"]
    title: str = Field(description="of the scenario, or what was benchmarked")
    started: AwareDatetime
    finished: AwareDatetime
    versions: dict[str, str]
    machine: Machine = Field(description="that all runs were made on")
    error: NonNegativeFloat = Field(
        description="the share of histories in which the ranks find a change in any metric where there is none"
    )
    effect_min: NonNegativeFloat = Field(description="the share by which a level must change to matter")
    newest: NonNegativeInt = Field(description="how many of the latest runs are the newest end")
    otava_missing: str | None = Field(description="why only the ranks voted; None: both did")
    runs: tuple[PastRun, ...]
    series: tuple[HistorySeries, ...]
    notes: tuple[str, ...] = Field(default=(), description="what was left out, and why")
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def deciding(self) -> list[tuple[HistorySeries, FoundChange]]:
        """Changes at the newest end that are large enough to matter."""
        return [
            (series, change)
            for series in self.series
            for change in series.changes
            if change.is_newest and change.is_relevant
        ]


def load_gate_history(folder: Path) -> GateHistoryResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds none, or one that isn't of a history."""
    return load(folder, GateHistoryResults, Kind.GATE_HISTORY)


if __name__ == "__main__":
    print(schema_text(GateHistoryResults), end="")
