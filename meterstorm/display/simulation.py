"""A simulation's tables for people, on stdout. All numbers come from `SimulationResults`."""

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from meterstorm.display.table import print_table
from reports.results.simulation import FidelityRow, ReplicationsResult, SimulationResults
from reports.simulation.fidelity import fidelity_lines, fidelity_told
from reports.simulation.gallery import drain_cell, instant, minute, per_s, spoken
from reports.simulation.headlines import EstimateRow, confidence_told, estimate_rows, seeds_told
from scenarios.texts.wording import duration, percent, significant

BAR_WIDTH = 40
LOAD_LINES_MAX = 48
_STEPS_H = (1, 2, 3, 6, 12, 24, 48, 168, 336)


def print_simulation(console: Console, results: SimulationResults) -> None:
    """The tables, the load as a sketch, what a reader must know, and the digest."""
    print_table(console, _estate(results))
    print_table(console, _offered(results))
    _print_load(console, results)
    print_table(console, _backlog(results))
    if results.campaigns:
        print_table(console, _campaigns(results))
        print_table(console, _answers(results))
    if results.ihd:
        print_table(console, _displays(results))
    print_table(console, _energy(results))
    if results.fidelity:
        _print_fidelity(console, results.fidelity)
    if results.replications is not None:
        _print_replications(console, results, results.replications)
    for note in results.profile_notes:
        console.print(f"profile {results.profile}: {note}", highlight=False, soft_wrap=True)
    for sentence in results.warnings:
        console.print(f"note: {sentence}", highlight=False, soft_wrap=True)
    console.print(f"digest: {results.digest}", highlight=False, soft_wrap=True)


def _table(title: str, first: str, headings: Sequence[str]) -> Table:
    """Numbers are never cut or broken: on a narrow terminal the names fold."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _estate(results: SimulationResults) -> Table:
    table = Table(title=results.scenario, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("premises", f"{results.premises:,}")
    table.add_row("meters", f"{results.meters:,}")
    table.add_row("readings", f"{results.readings:,}")
    table.add_row("messages", f"{sum(results.messages.values()):,}")
    table.add_row("simulated from", f"{results.start} 00:00 UTC")
    table.add_row("span, to the last arrival", duration(results.span_s))
    return table


def _offered(results: SimulationResults) -> Table:
    per = "s" if results.offered_bin_s == 1 else f"s, by {results.offered_bin_s} s"
    table = _table("Offered load", "operation", ("messages", f"peak/{per}", "mean/s", "peak at"))
    for name, offered in results.offered.items():
        if offered.count:
            table.add_row(
                spoken(name),
                f"{offered.count:,}",
                per_s(offered.peak_per_s),
                significant(offered.mean_per_s),
                instant(results.start, offered.peak_at_s).removesuffix(" UTC"),
            )
    return table


def _backlog(results: SimulationResults) -> Table:
    headings = ("sent by hubs", "peak", "peak at", "drained within", "in flight\nat the end")
    table = _table("Backlog", "region", headings)
    for name, region in results.backlog.items():
        peak_at = instant(results.start, region.peak_at_s).removesuffix(" UTC") if region.peak else "-"
        table.add_row(
            name,
            f"{region.sent:,}",
            f"{region.peak:,}",
            peak_at,
            drain_cell(region) if region.peak else "-",
            f"{region.in_flight:,}",
        )
    return table


def _campaigns(results: SimulationResults) -> Table:
    headings = ("targets", "applied", "rejected", "exhausted", "in flight")
    table = _table("Commands by state", "campaign", headings)
    for name, each in results.campaigns.items():
        states = (each.targets, each.applied, each.rejected, each.exhausted, each.in_flight)
        table.add_row(name, *(f"{value:,}" for value in states))
    return table


def _answers(results: SimulationResults) -> Table:
    headings = ("attempts", "late answers", "repeated answers")
    table = _table("Attempts and answers", "campaign", headings)
    for name, each in results.campaigns.items():
        table.add_row(name, f"{each.attempts:,}", f"{each.late_answers:,}", f"{each.repeated_answers:,}")
    return table


def _displays(results: SimulationResults) -> Table:
    headings = ("in force from", "displays", "correct\nthen", "share", "correct\nat the end")
    table = _table("In-home displays", "campaign", headings)
    for name, each in results.ihd.items():
        table.add_row(
            name,
            instant(results.start, each.effective_s).removesuffix(" UTC"),
            f"{each.displays:,}",
            f"{each.correct_at_effective:,}",
            percent(each.share_at_effective),
            f"{each.correct_at_end:,}",
        )
    return table


def _energy(results: SimulationResults) -> Table:
    table = _table("Energy used", "fuel", ("MWh",))
    for fuel, energy_wh in results.energy_wh.items():
        table.add_row(fuel, f"{energy_wh / 1e6:,.1f}")
    return table


def _print_fidelity(console: Console, rows: tuple[FidelityRow, ...]) -> None:
    """The numbers as a table, then where each was published and why it may be far off."""
    lines = fidelity_lines(rows)
    table = _table("Fidelity", "figure", ("simulated", "published", "off by"))
    for line in lines:
        table.add_row(f"{line.figure} [{line.unit}]" if line.unit else line.figure, *line[2:5])
    print_table(console, table)
    console.print(fidelity_told(rows), highlight=False, soft_wrap=True)
    for line in lines:
        reason = f"; {line.why_not}" if line.why_not else ""
        console.print(
            f"  {line.figure}: {line.source}, {line.date}{reason}", highlight=False, markup=False, soft_wrap=True
        )


def _print_replications(console: Console, results: SimulationResults, replications: ReplicationsResult) -> None:
    """What the tables before it say of one seed, estimated over all; and the differences from another scenario."""
    interval = f"{confidence_told(replications)} interval"
    title = f"Over {seeds_told(replications)} (above: seed {results.seed})"
    print_table(console, _estimates(title, interval, estimate_rows(replications.figures)))
    if replications.against is None:
        return
    rows = estimate_rows(replications.against.differences)
    title = f"Difference from: {replications.against.scenario} (same seeds)"
    if rows:
        print_table(console, _estimates(title, interval, rows))
    else:
        console.print(f"{title}: none in any figure")


def _estimates(title: str, interval: str, rows: Sequence[EstimateRow]) -> Table:
    table = _table(title, "figure", ())
    table.columns[0].no_wrap = True
    table.add_column("of", overflow="fold")
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column(interval, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _print_load(console: Console, results: SimulationResults) -> None:
    """All operations together, as bars; a long span in coarser steps."""
    if not results.offered_by_hour:
        return
    hours = np.sum([list(counts) for counts in results.offered_by_hour.values()], axis=0)
    step_h = next((step for step in _STEPS_H if len(hours) <= step * LOAD_LINES_MAX), _STEPS_H[-1])
    counts = np.add.reduceat(hours, np.arange(0, len(hours), step_h)).tolist()
    busiest = max(counts)
    per = "hour" if step_h == 1 else f"{step_h} hours"
    console.print(f"Messages by {per} of simulated time, UTC (the widest bar is {busiest:,})", highlight=False)
    for at, count in enumerate(counts):
        bar = "█" * round(BAR_WIDTH * count / busiest)
        moment = minute(results.start, at * step_h * 3_600).removesuffix(" UTC")
        console.print(f"  {moment:>12} {count:>13,} {bar}", highlight=False)
