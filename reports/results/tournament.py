"""`TOURNAMENT/results.json`: which variant of a table design wins, as a pydantic model; docs/tournament.schema.json is its JSON
Schema.

Field names end in their units. `None` means that a figure does not exist (too little was measured), never zero.
Regenerate the schema after a change: `uv run python -m reports.results.tournament > docs/tournament.schema.json`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from reports.results.file import Kind, MeasuredResults, load, schema_text
from reports.results.gate import TableFacts
from reports.results.matrix import Figure
from reports.results.parts import ResultsPart, Verdict
from scenarios.server_prices import ServerPrices


class QuantityResult(ResultsPart):
    """Something that was measured of every entrant in every round."""

    name: str
    unit: str
    more_is_worse: bool


class DesignComparison(ResultsPart):
    """An entrant against another one in a quantity. Changes are shares, positive where this one is worse: 0.1 is a tenth."""

    against: str
    quantity: str
    rounds: NonNegativeInt = Field(description="in which both took part")
    change: float
    low: float | None = Field(
        description="of the interval that holds the true change at every look; None: too few rounds"
    )
    high: float | None
    evidence: float = Field(
        description="logarithm to base 10 of the e-value, adjusted: of the goal for all pairs, of all else for all of it"
    )
    resolved: bool = Field(description="one is shown to be better, at the false-alarm rate of all comparisons together")


class GrowthResult(ResultsPart):
    """One kind of partition of half-hours: what was written and its bytes on a node before compression; and a whole one's."""

    cadence: str = Field(description="how half-hours come")
    share: NonNegativeFloat = Field(description="of the meters that are read by half-hours, that come so")
    days: NonNegativeInt = Field(description="in a whole partition")
    rows: tuple[NonNegativeInt, ...] = Field(description="that were written to one partition each, smallest first")
    size_bytes: tuple[NonNegativeInt, ...]
    whole_rows: NonNegativeInt = Field(description="projected, within the years that were asked for")
    whole_bytes: NonNegativeInt
    error: float | None = Field(
        description="of the largest size, which was held out, as the two smaller ones predict it: a share, positive: too much"
    )


class BucketResult(ResultsPart):
    """Which bucket to try next: one of these days holds 2 to 10 MiB of this estate's rows."""

    days_low: NonNegativeFloat
    days_high: NonNegativeFloat
    bucket: str = Field(description="the widest column of the trace that stays below; none: all the years together do")
    size_bytes: NonNegativeInt


class MeasuredPartition(ResultsPart):
    """Partitions of half-hours, measured and projected. Quantiles are over the meters that are read by half-hours."""

    growth: tuple[GrowthResult, ...]
    rows_max: NonNegativeInt
    bytes_max: NonNegativeInt
    bytes_p99: NonNegativeInt
    next_bucket: BucketResult | None = Field(description="None: a day is too much")

    @property
    def error(self) -> float | None:
        """The largest error of a prediction, by its size; None where there were too few rows."""
        return max((each.error for each in self.growth if each.error is not None), key=abs, default=None)


class TableReads(ResultsPart):
    """What a read of a table had to look at after the last round; the upper end of a bucket of 20 %, at least 1."""

    table: str
    operations: tuple[str, ...] = Field(description="that read it")
    rows_p50: NonNegativeFloat
    rows_p99: NonNegativeFloat
    tombstones_p50: NonNegativeFloat
    tombstones_p99: NonNegativeFloat


class DesignCost(ResultsPart):
    """What a million meters cost in a year, in the currency of the price list."""

    processor: NonNegativeFloat
    disk: NonNegativeFloat = Field(description="of what a year's writes take once settled, on all replicas, for a year")
    network: NonNegativeFloat = Field(description="of what goes from one data centre to another")
    total: NonNegativeFloat
    low: NonNegativeFloat | None = Field(
        description="of the total, by the interval of the processor time; None: one round"
    )
    high: NonNegativeFloat | None


class PriceListResult(ServerPrices):
    """The price list that was given."""


class ReadingCost(ResultsPart):
    """What a reading, a half-hour of a delivery, costs, with the questions that come beside it."""

    cpu_us: Figure | None = Field(description="server CPU of the closed loops; None: no round")
    disk_bytes: NonNegativeFloat | None = Field(description="of all nodes and tables, by half-hour that is stored")
    wan_bytes: Figure | None = Field(default=None, description="between data centres; None: there is one")


class AggregateResult(ResultsPart):
    """How far days of usage in answers are from what their half-hours come to, corrections and estimates with them."""

    days: NonNegativeInt
    wrong_days: NonNegativeInt
    off_share: NonNegativeFloat = Field(description="of all that was used: the differences, whichever way")


class RebuildResult(ResultsPart):
    """Half-hours folded again from the log by one client, which reads, folds and writes."""

    readings: NonNegativeInt = Field(description="half-hours in the log's rows, revisions with them")
    rows: NonNegativeInt = Field(description="that were written")
    readings_per_s: Figure = Field(description="a value for each part of the home-months")


class EntrantResult(ResultsPart):
    """One variant, or the scenario's own design (`plain`)."""

    name: str
    title: str
    question: str
    alterations: tuple[str, ...] = Field(description="CQL that makes it differ from the design that ships")
    schema_name: str
    partition_rows_max: NonNegativeInt | None = Field(
        default=None,
        description="that a partition of the view of half-hours holds within the years that were asked for",
    )
    partition_bytes_max: NonNegativeInt | None = Field(default=None, description="likewise, before compression")
    partition: MeasuredPartition | None = None
    reads: tuple[TableReads, ...] = ()
    rounds: NonNegativeInt
    figures: dict[str, Figure] = Field(description="by quantity: the mean over the rounds in which it took part")
    disk_bytes_per_write: NonNegativeFloat | None = Field(
        description="of all nodes, by write of the sample, once each table was compacted into one file"
    )
    facts: tuple[TableFacts, ...] = Field(
        default=(), description="rows against the plain design's, and half-hours of answers against the seed"
    )
    is_disqualified: bool = Field(
        description="it does not hold the same facts or answers wrongly, and was not measured"
    )
    left_out_after: NonNegativeInt | None = Field(
        description="rounds, when it was shown to be behind; None: it was not"
    )
    reading: ReadingCost | None = Field(default=None, description="None: no delivery has half-hours")
    aggregates: AggregateResult | None = Field(
        default=None, description="of the view that answers months of usage; None: not asked"
    )
    rebuild: RebuildResult | None = Field(
        default=None, description="of the table of half-hours; None: with late deliveries it is not measured"
    )
    cost: DesignCost | None = Field(default=None, description="None: without a price list, or not measured")
    dominated_by: tuple[str, ...] = Field(description="shown to be better in something, and this one in nothing")
    comparisons: tuple[DesignComparison, ...]


class LateRanking(ResultsPart):
    """A ranking with a share of late deliveries, on nodes of its own; all is sent once, in the order in which it comes."""

    late_share: NonNegativeFloat = Field(description="of the deliveries, that come 1 to 7 days after they were due")
    rounds: NonNegativeInt
    closed_loop: NonNegativeInt = Field(description="operations of the closed loop of a trial")
    rate_per_s: NonNegativeFloat = Field(description="of the open loop")
    entrants: tuple[EntrantResult, ...] = Field(description="best first by the goal; the disqualified last")
    unbeaten: tuple[str, ...]
    doubts: tuple[str, ...] = ()


class TournamentResults(MeasuredResults):
    """Everything that a tournament answers."""

    kind: Literal[Kind.TOURNAMENT] = Kind.TOURNAMENT
    goal: str = Field(description="the quantity by which entrants are ranked, and left out")
    false_alarm: float = Field(description="how often any of all comparisons is resolved where there is no difference")
    rounds: NonNegativeInt
    seconds: NonNegativeFloat = Field(description="of each loop of a trial")
    years: NonNegativeInt = Field(default=5, description="that partitions are projected to")
    sample: NonNegativeInt = Field(description="different operations that were sent over and over")
    closed_loop: NonNegativeInt = Field(description="operations of the closed loop of a trial")
    rate_per_s: NonNegativeFloat = Field(description="of the open loop")
    operations_per_meter_year: NonNegativeFloat = Field(default=0.0, description="as the scenario sends them")
    writes_per_meter_year: NonNegativeFloat = 0.0
    prices: PriceListResult | None = None
    quantities: tuple[QuantityResult, ...]
    entrants: tuple[EntrantResult, ...] = Field(description="best first by the goal; the disqualified last")
    unbeaten: tuple[str, ...] = Field(
        description="that none is shown to beat in the goal: the winner, or those among whom it is not resolved"
    )
    doubts: tuple[str, ...] = Field(default=(), description="why the figures may not be the cluster's: sentences")
    counters: AggregateResult | None = Field(
        default=None,
        description="what counters of days would be off by, after one sending of the sample; None: no delivery",
    )
    late: tuple[LateRanking, ...] = Field(
        default=(),
        description="by share of late deliveries, in the order asked; the figures above are those of the first",
    )
    trouble: tuple[str, ...] = ()

    @property
    def winner(self) -> str | None:
        """The one that is shown to beat all others in the goal, with each share of late deliveries; None: none, or in doubt."""
        found = {winner_of(self), *(winner_of(each) for each in self.late)}
        return found.pop() if len(found) == 1 else None

    @property
    def verdict(self) -> Verdict:
        """Pass: there is a winner. Fail: a variant loses or alters what it was given. Else inconclusive."""
        late = (entrant for each in self.late for entrant in each.entrants)
        if any(entrant.is_disqualified for entrant in (*self.entrants, *late)):
            return Verdict.FAIL
        return Verdict.PASS if self.winner is not None else Verdict.INCONCLUSIVE

    def entrant(self, name: str) -> EntrantResult:
        """The entrant of a name. Raises KeyError for none."""
        for each in self.entrants:
            if each.name == name:
                return each
        raise KeyError(name)


def winner_of(ranking: TournamentResults | LateRanking) -> str | None:
    """Of one ranking, whatever those with other shares of late deliveries say."""
    return ranking.unbeaten[0] if len(ranking.unbeaten) == 1 and not ranking.doubts else None


def load_tournament(folder: Path) -> TournamentResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds none, or one that isn't a tournament's."""
    return load(folder, TournamentResults, Kind.TOURNAMENT)


if __name__ == "__main__":
    print(schema_text(TournamentResults), end="")
