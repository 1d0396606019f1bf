"""A tournament's answer on a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from meterstorm.display.table import print_table
from reports.results.tournament import EntrantResult, TournamentResults
from reports.tournament.words import (
    against_plain,
    aggregate_text,
    bucket_text,
    change_text,
    cost_basis,
    cost_text,
    counter_sentence,
    entrant_state,
    figure_text,
    headline,
    late_headline,
    not_seen,
    notes_of,
    partition_limits,
    reading_text,
)
from scenarios.texts import wording


def print_tournament(console: Console, results: TournamentResults, report: str) -> None:
    """The designs best first, what was resolved beside the goal, what a reader must know, the answer and the report's place."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    print_table(console, _designs(results, results.entrants, results.unbeaten, results.rounds))
    for ranking in results.late[1:]:  # the first one's is the table above
        say(late_headline(ranking))
        print_table(console, _designs(results, ranking.entrants, ranking.unbeaten, ranking.rounds))
    for entrant in results.entrants:
        for one in entrant.comparisons:
            if one.resolved and one.change > 0 and one.quantity != results.goal:
                say(f"resolved: {entrant.name} is worse than {one.against} in {one.quantity}: {change_text(one)}")
        if entrant.dominated_by:
            say(f"dominated: {entrant.name} by {wording.listed(list(entrant.dominated_by))}")
    for entrant in results.entrants:
        if entrant.reading is not None:
            disk = entrant.reading.disk_bytes
            stored = "" if disk is None else f", {wording.significant(disk)} bytes on disk"
            say(f"reading: {entrant.name} {reading_text(entrant.reading.cpu_us)} µs of server CPU{stored}")
        if entrant.rebuild is not None:
            per_s = reading_text(entrant.rebuild.readings_per_s)
            say(f"rebuild: {entrant.name} {per_s} readings/s; days of usage off: {aggregate_text(entrant.aggregates)}")
        if entrant.partition is not None:
            say(
                f"partition: {entrant.name} {partition_limits(results, entrant)}; next bucket {bucket_text(results, entrant)}"
            )
    if results.prices is not None:
        for entrant in results.entrants:
            say(f"cost: {entrant.name} {cost_text(entrant.cost)} {results.prices.currency} a million meters and year")
        say(f"note: {cost_basis(results)}")
    counters = counter_sentence(results)
    if counters is not None:
        say(f"note: {counters}")
    for sentence in not_seen(results):
        say(f"not seen: {sentence}")
    for note in notes_of(results):
        say(f"note: {note}")
    say(headline(results))
    say(f"report: {report}")


def _designs(
    results: TournamentResults, entrants: Sequence[EntrantResult], unbeaten: Sequence[str], rounds: int
) -> Table:
    title = f"Designs, best first by {results.goal}, over {wording.counted(rounds, 'round')}; change: plus is worse"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("design", no_wrap=True)
    for heading in ("rounds", "CPU\nµs/op", "change against plain", "disk\nB/write"):
        table.add_column(heading, justify="right", no_wrap=heading != "change against plain")
    table.add_column("state", no_wrap=True)
    for each in entrants:
        disk = each.disk_bytes_per_write
        table.add_row(
            each.name,
            str(each.rounds),
            figure_text(each.figures.get(results.goal)),
            change_text(against_plain(results, each, results.goal)),
            wording.NO_FIGURE if disk is None else wording.significant(disk),
            entrant_state(each, unbeaten),
        )
    return table
