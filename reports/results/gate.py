"""`GATE/results.json`: what a gate says of a change, as a pydantic model; docs/gate.schema.json is its JSON Schema.

Field names end in their units. `None` means that a figure does not exist (too little was measured), never zero. Changes are
shares, candidate against baseline, positive for the worse: 0.1 is a tenth slower, dearer or larger.
Regenerate the schema after a change: `uv run python -m reports.results.gate > docs/gate.schema.json`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from reports.results.file import Kind, MeasuredResults, load, schema_text
from reports.results.parts import ResultsPart, Verdict
from scenarios.gate_file import GateAnswer, GateSettings


class SideResult(ResultsPart):
    """One side: where it comes from, and what of the scenario is another than on the other side."""

    told: str
    differs: dict[str, str] = Field(default_factory=dict, description="field -> this side's value")


class MetricResult(ResultsPart):
    """One metric over all pairs."""

    name: str
    unit: str
    answer: GateAnswer = Field(description="of this metric by itself")
    limit: NonNegativeFloat = Field(description="the change for the worse that matters")
    baseline: float = Field(description="geometric mean over the pairs, in the unit")
    candidate: float
    change: float | None = Field(description="geometric mean over the pairs")
    low: float | None = Field(
        description="of the interval that holds the true change at every look; None: too few pairs"
    )
    high: float | None
    evidence: float = Field(description="logarithm to base 10 of the e-value, adjusted for all metrics")
    claimed: bool = Field(description="a change was shown, at the false-alarm rate of all metrics together")
    smallest_seen: float | None = Field(description="the change that these pairs would have shown with a power of 90 %")
    pairs_needed: NonNegativeInt | None = Field(
        description="in all, to tell the change that matters from what was seen"
    )
    changes: tuple[float, ...] = Field(description="logarithm of the ratio of each pair, positive for the worse")
    notes: tuple[str, ...] = Field(default=(), description="drifts, two levels, wild pairs: sentences")

    @property
    def verdict(self) -> Verdict:
        """Of its test case."""
        return verdict_of(self.answer)


class FailuresResult(ResultsPart):
    """Operations that were not acknowledged, over all pairs; the evidence is one member of the family of metrics."""

    baseline: NonNegativeFloat = Field(description="share of the side's operations")
    candidate: NonNegativeFloat
    allowed: NonNegativeFloat
    worse_pairs: NonNegativeInt = Field(
        description="pairs in which the candidate failed more, of what is beyond `allowed`"
    )
    better_pairs: NonNegativeInt = Field(description="pairs in which the baseline did")
    evidence: float = Field(description="logarithm to base 10 of the e-value, adjusted for all metrics")
    answer: GateAnswer
    kinds: tuple[str, ...] = Field(default=(), description="of errors")

    @property
    def verdict(self) -> Verdict:
        """Of its test case."""
        return verdict_of(self.answer)


class CounterResult(ResultsPart):
    """Something that is counted, and that chance does not touch; where it does, `chance` says how, and nothing is made of it."""

    name: str
    unit: str
    baseline: NonNegativeInt
    candidate: NonNegativeInt
    is_worse: bool
    chance: str = Field(default="", description="why it is held against nothing; empty: it is exact")


class TableFacts(ResultsPart):
    """A table of the candidate held against the baseline's, row by row, through one data centre."""

    table: str
    dc: str
    rows: NonNegativeInt
    missing: NonNegativeInt
    extra: NonNegativeInt
    altered: NonNegativeInt
    examples: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        return not (self.missing or self.extra or self.altered)


class CurveResult(ResultsPart):
    """Response times of all pairs together at many quantiles [ms]."""

    percentiles: tuple[float, ...]
    baseline_ms: tuple[float, ...]
    candidate_ms: tuple[float, ...]


class GateResults(MeasuredResults):
    """Everything that a gate answers."""

    kind: Literal[Kind.GATE] = Kind.GATE
    answer: GateAnswer
    reasons: tuple[str, ...]
    not_seen: tuple[str, ...] = Field(description="what this gate could not have seen: sentences")
    baseline: SideResult
    candidate: SideResult
    settings: GateSettings
    is_live: bool = Field(description="measured in turns; else recorded runs were compared")
    is_skipped: bool = Field(default=False, description="both sides are the same scenario, and nothing was measured")
    shares_nodes: bool = Field(description="both sides were keyspaces of one cluster")
    pairs: NonNegativeInt
    sample: NonNegativeInt = Field(description="different operations that were sent over and over")
    closed_loop: NonNegativeInt = Field(description="operations of the closed loop of a trial")
    rate_per_s: NonNegativeFloat = Field(description="of the open loop")
    metrics: tuple[MetricResult, ...]
    failures: FailuresResult | None = Field(default=None, description="None: not known, as of recorded runs")
    counters: tuple[CounterResult, ...] = ()
    facts: tuple[TableFacts, ...] = ()
    facts_compared: str = Field(default="", description="when: after the filling, after the last pair")
    curves: dict[str, CurveResult] = Field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Of the exit code."""
        return verdict_of(self.answer)

    @property
    def differing_facts(self) -> tuple[TableFacts, ...]:
        return tuple(each for each in self.facts if not each.is_same)


def verdict_of(answer: GateAnswer) -> Verdict:
    """What an answer counts as: in exit codes and test cases."""
    if answer is GateAnswer.REGRESSION:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if answer is GateAnswer.INCONCLUSIVE else Verdict.PASS


def load_gate(folder: Path) -> GateResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds none, or one that isn't a gate's."""
    return load(folder, GateResults, Kind.GATE)


if __name__ == "__main__":
    print(schema_text(GateResults), end="")
