"""The figures of a simulation that are estimated over replications, and how their estimates are put into words. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reports.results.simulation import FigureEstimate, ReplicationsResult, SimulationResults
from scenarios.texts.wording import NO_FIGURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One kind of figure: where it is in the results, its name for people, and what it is multiplied by for them.

    `section` holds one part for each operation, campaign or region; None for a figure of the whole.
    """

    section: str | None
    field: str
    name: str
    scale: float = 1.0
    most: float = math.inf  # no value is larger


HEADLINES = (
    Headline(section=None, field="readings", name="readings"),
    Headline(section="offered", field="peak_per_s", name="peak load [1/s]"),
    Headline(section="backlog", field="peak", name="highest backlog"),
    Headline(section="backlog", field="drain_s", name="drained within [min]", scale=1 / 60),
    Headline(section="campaigns", field="applied", name="commands applied"),
    Headline(section="campaigns", field="rejected", name="commands rejected"),
    Headline(section="campaigns", field="exhausted", name="commands exhausted"),
    Headline(section="campaigns", field="in_flight", name="commands in flight"),
    Headline(section="ihd", field="share_at_effective", name="correct in time [%]", scale=100.0, most=1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """What is kept of one replication: `figures` by path in results.json, None where it has no such figure."""

    scenario: str
    seed: int
    digest: str
    figures: dict[str, float | None]


class EstimateRow(NamedTuple):
    """One line of a table of estimates, in words; `of` names the operation, region or campaign."""

    name: str
    of: str
    mean: str
    interval: str


def replication_of(results: SimulationResults) -> Replication:
    """No figure: the drain time of a backlog that does not drain by the end, the share of a campaign without displays."""
    return Replication(
        scenario=results.scenario,
        seed=results.seed,
        digest=results.digest,
        figures={path: value for headline in HEADLINES for path, value in _values(results, headline)},
    )


def headline_of(path: str) -> Headline:
    """Which kind of figure a path names."""
    parts = path.split(".")  # no name has a dot in it
    section = parts[0] if len(parts) == 3 else None
    return next(each for each in HEADLINES if (each.section, each.field) == (section, parts[-1]))


def estimate_rows(figures: Mapping[str, FigureEstimate]) -> list[EstimateRow]:
    """The estimates in words; what is zero in every replication is left out."""
    return [_row(path, each) for path, each in figures.items() if any(value != 0 for value in each.values)]


def seeds_told(replications: ReplicationsResult) -> str:
    """'10 replications, seeds 1 to 10'."""
    seeds = replications.seeds
    return f"{len(seeds)} replications, seeds {seeds[0]} to {seeds[-1]}"


def confidence_told(replications: ReplicationsResult) -> str:
    """'95 %'."""
    return f"{100 * replications.confidence:g} %"


def _values(results: SimulationResults, headline: Headline) -> Iterator[tuple[str, float | None]]:
    if headline.section is None:
        yield headline.field, getattr(results, headline.field)
        return
    for name, part in getattr(results, headline.section).items():
        if headline.field == "drain_s" and part.has_outage is False:  # nothing was held, so nothing is drained
            continue
        yield f"{headline.section}.{name}.{headline.field}", getattr(part, headline.field)


def _row(path: str, estimate: FigureEstimate) -> EstimateRow:
    headline = headline_of(path)
    of = path.split(".")[1].replace("_", " ") if headline.section else ""
    if estimate.mean is None or estimate.low is None or estimate.high is None:
        missing = sum(value is None for value in estimate.values)
        why = "not by the end" if headline.field == "drain_s" else "without any display"
        return EstimateRow(headline.name, of, NO_FIGURE, f"{why} in {missing} of {len(estimate.values)}")
    mean, low, high = (headline.scale * value for value in (estimate.mean, estimate.low, estimate.high))
    if len(set(estimate.values)) == 1:
        return EstimateRow(headline.name, of, f"{mean:,.{0 if mean.is_integer() else 2}f}", "the same in each")
    decimals = _decimals(max(high - mean, mean - low))
    return EstimateRow(
        headline.name, of, _signed(mean, decimals), f"{_signed(low, decimals)} to {_signed(high, decimals)}"
    )


def _decimals(half_width: float) -> int:
    """As many as leave an interval's half width two digits: more of a mean is noise."""
    return max(1 - math.floor(math.log10(half_width)), 0)


def _signed(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{decimals}f}"
    return f"−{text}" if value < 0 and any(digit in text for digit in "123456789") else text
