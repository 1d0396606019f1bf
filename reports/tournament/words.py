"""A tournament in words: who wins, by how much, and what is not resolved. Pure."""

from collections.abc import Sequence

from reports.gate.words import facts_sentence
from reports.results.matrix import Figure
from reports.results.tournament import (
    AggregateResult,
    DesignComparison,
    DesignCost,
    EntrantResult,
    LateRanking,
    TournamentResults,
    winner_of,
)
from scenarios.texts import wording
from scenarios.variant_file import PLAIN


def headline(results: TournamentResults) -> str:
    """One sentence."""
    if results.winner is not None:
        always = " with each share of late deliveries" if len(results.late) > 1 else ""
        return f"{results.winner} wins: it is shown to need the least {results.goal}{always}"
    if not results.rounds:
        return "no round was measured"
    if results.doubts:
        return "in doubt: see why the figures may not be the cluster's"
    if len(results.late) > 1:
        return "; ".join(late_headline(each) for each in results.late)
    names = wording.listed(list(results.unbeaten))
    return f"not resolved: no difference in {results.goal} is shown between {names}"


def late_headline(ranking: LateRanking) -> str:
    """'2 % late: zstd wins', or among whom it is not resolved."""
    share = f"{wording.percent(ranking.late_share)} late"
    winner = winner_of(ranking)
    if winner is not None:
        return f"{share}: {winner} wins"
    if ranking.doubts:
        return f"{share}: in doubt"
    return (
        f"{share}: not resolved between {wording.listed(list(ranking.unbeaten))}"
        if ranking.rounds
        else f"{share}: no round"
    )


def against_plain(results: TournamentResults, entrant: EntrantResult, quantity: str) -> DesignComparison | None:
    """The entrant against the scenario's own design in a quantity; None of that design itself, and without rounds."""
    return next((one for one in entrant.comparisons if one.against == PLAIN and one.quantity == quantity), None)


def change_text(comparison: DesignComparison | None) -> str:
    """'+3.1 % (+1.2 % to +5.0 %)', positive for the worse; with a star where it is resolved."""
    if comparison is None:
        return wording.NO_FIGURE
    star = " *" if comparison.resolved else ""
    if comparison.low is None or comparison.high is None:
        return f"{wording.change(comparison.change)}{star}"
    low, high = wording.change(comparison.low), wording.change(comparison.high)
    return f"{wording.change(comparison.change)} ({low} to {high}){star}"


def cost_text(cost: DesignCost | None) -> str:
    """'1,230 (1,200 to 1,260)': of a million meters in a year, with the interval that the processor time leaves."""
    if cost is None:
        return wording.NO_FIGURE
    if cost.low is None or cost.high is None:
        return wording.significant(cost.total)
    low, high = wording.significant(cost.low), wording.significant(cost.high)
    return f"{wording.significant(cost.total)} ({low} to {high})"


def cost_basis(results: TournamentResults) -> str:
    """What the costs are of, a sentence; needs a price list."""
    prices = results.prices
    assert prices is not None
    used = "" if prices.core_used_share == 1 else f", used by {wording.percent(prices.core_used_share)}"
    filled = "" if prices.disk_used_share == 1 else f", filled by {wording.percent(prices.disk_used_share)}"
    return (
        f"Costs are of a million meters in a year, in {prices.currency}: a core {prices.core_hour:g} an hour{used}, a GiB of "
        f"disk {prices.disk_gib_month:g} a month{filled}, a GiB between data centres {prices.network_gib:g}. A meter sends "
        f"{wording.counted(round(results.operations_per_meter_year), 'operation')} a year, "
        f"{wording.count(round(results.writes_per_meter_year))} of them writes; disks hold what a year's writes take on all "
        "replicas, for a year."
    )


def partition_limits(results: TournamentResults, entrant: EntrantResult) -> str:
    """'1.2 % of 100 MB, 3 % of 100,000 rows': the largest partition after the years, against the field's limits."""
    partition = entrant.partition
    if partition is None:
        return wording.NO_FIGURE
    size, rows = wording.percent(partition.bytes_max / 1e8), wording.percent(partition.rows_max / 1e5)
    return f"{size} of 100 MB, {rows} of 100,000 rows"


def bucket_text(results: TournamentResults, entrant: EntrantResult) -> str:
    """'year, 1.3 MB (2 MiB from 580 days on, at most 2,083 days)': the next bucket to try."""
    if entrant.partition is None:
        return wording.NO_FIGURE
    bucket = entrant.partition.next_bucket
    if bucket is None:
        return "narrower than a day"
    years = wording.counted(results.years, "year")
    name = f"none within {years}" if bucket.bucket == "none" else bucket.bucket
    low, high = wording.significant(bucket.days_low), wording.significant(bucket.days_high)
    # where rows are small, their limit comes before that of bytes
    enough = f"2 MiB from {low} days on, " if bucket.days_low < bucket.days_high else ""
    return f"{name}, {wording.size(bucket.size_bytes)} ({enough}at most {high} days)"


def reading_text(figure: Figure | None) -> str:
    """'12.3 (11.0 to 13.6)': the mean with its interval."""
    if figure is None or figure.low is None or figure.high is None:
        return figure_text(figure)
    return f"{figure_text(figure)} ({wording.significant(figure.low)} to {wording.significant(figure.high)})"


def aggregate_text(aggregates: AggregateResult | None) -> str:
    """'12 of 3,000, by 0.0110 % of all usage': days whose total is not what their half-hours come to."""
    if aggregates is None:
        return wording.NO_FIGURE
    days = f"{wording.count(aggregates.wrong_days)} of {wording.count(aggregates.days)}"
    return f"{days}, by {wording.percent(aggregates.off_share)} of all usage" if aggregates.wrong_days else days


def counter_sentence(results: TournamentResults) -> str | None:
    """What counters would make of the trace; None where nothing was counted."""
    if results.counters is None:
        return None
    return (
        f"Counters of days, had each delivery added to one, would be off on {aggregate_text(results.counters)}, after one "
        "sending of the sample: what the trace sends twice counts twice. Each retry of a write in doubt may add to that."
    )


def growth_text(entrant: EntrantResult) -> str:
    """'a delivery a day: 8 rows 3.1 kB, 15 rows 5.9 kB, 31 rows 12.1 kB': what was written and read off the files."""
    if entrant.partition is None:
        return wording.NO_FIGURE
    return "; ".join(
        f"{each.cadence}: "
        + ", ".join(
            f"{wording.counted(rows, 'row')} {wording.size(size)}"
            for rows, size in zip(each.rows, each.size_bytes, strict=True)
        )
        for each in entrant.partition.growth
    )


def figure_text(figure: Figure | None) -> str:
    """The mean, or a dash."""
    return wording.NO_FIGURE if figure is None else wording.significant(figure.mean)


def notes_of(results: TournamentResults) -> list[str]:
    """What a reader must know before the figures, sentences."""
    notes = list(results.trouble)
    for entrant in results.entrants:
        differing = [each for each in entrant.facts if not each.is_same]
        if differing:
            held_against = "the seed" if entrant.name == PLAIN else PLAIN
            words = (
                facts_sentence(differing).replace("the candidate", entrant.name).replace("the baseline", held_against)
            )
            notes.append(f"Disqualified: {words}.")
        if entrant.left_out_after is not None:
            rounds = wording.counted(entrant.left_out_after, "round")
            notes.append(
                f"{entrant.name} was shown to be behind in {results.goal} after {rounds}, and took part no longer."
            )
    notes += [f"In doubt: {doubt}." for doubt in results.doubts]
    for ranking in results.late[1:]:  # the first one's are those above
        share = f"{wording.percent(ranking.late_share)} late"
        notes += [f"In doubt, {share}: {doubt}." for doubt in ranking.doubts]
        wrong = [each.name for each in ranking.entrants if each.is_disqualified]
        notes += [f"Disqualified, {share}: {wording.listed(wrong)}."] if wrong else []
    return notes


def not_seen(results: TournamentResults) -> list[str]:
    """What no figure of it speaks of, sentences."""
    once = (
        [
            "Late deliveries come 1 to 7 days after they were due, and all is sent once in its order; bytes on disk are as each "
            "design's own compaction left them after the first part, not of one file a table."
        ]
        if results.late
        else []
    )
    return [
        *once,
        f"The tables hold {wording.counted(results.sample, 'operation')}: what compaction costs when "
        "a month or a year lies in the tables is not in these figures.",
        "A flush compresses with LZ4 whatever the table says, unless the scenario has [topology.cassandra] flush_compression = "
        "'table': bytes on disk are of compacted files, but what the rounds wrote was compressed otherwise by compaction alone.",
        "All designs share the nodes' heap, caches and compaction threads; each has its turn while the others rest.",
        "Answers about days and months of half-hours are held against the seed, rows of all other tables against the plain "
        "design's: that those are right, `meterstorm run` audits.",
    ]


def dominance_text(entrant: EntrantResult) -> str:
    """'by zstd and lcs', or a dash."""
    return wording.listed(list(entrant.dominated_by)) if entrant.dominated_by else wording.NO_FIGURE


def entrant_state(entrant: EntrantResult, unbeaten: Sequence[str]) -> str:
    """'unbeaten', 'behind', 'disqualified' or a dash."""
    if entrant.is_disqualified:
        return "disqualified"
    if entrant.name in unbeaten:
        return "unbeaten"
    return "behind" if entrant.rounds else wording.NO_FIGURE
