"""A matrix's tables for people, on stdout. All numbers come from `MatrixResults`.

A cell's name and a number are never broken across lines: what is too wide for the terminal stands in two tables.
"""

from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from meterstorm.display.table import natural_width, print_table
from reports.matrix.page import errors_text, estimate_text, notes_of, outage_rows, stale_text
from reports.results.matrix import CellResult, MatrixResults
from scenarios.texts.wording import NO_FIGURE

Column = tuple[str, Callable[[CellResult], str]]

RATES_AND_TIMES: tuple[Column, ...] = (
    ("ok/s", lambda cell: estimate_text(cell.throughput_per_s)),
    ("write\np99 ms", lambda cell: estimate_text(cell.write_p99_ms)),
    ("read\np99 ms", lambda cell: estimate_text(cell.read_p99_ms)),
)
COSTS: tuple[Column, ...] = (
    ("CPU\nµs/op", lambda cell: estimate_text(cell.cpu_us_per_operation)),
    (
        "disk\nB/write",
        lambda cell: NO_FIGURE if cell.disk_bytes_per_write is None else f"{cell.disk_bytes_per_write:,.0f}",
    ),
    ("DC-DC\nB/op", lambda cell: estimate_text(cell.wan_bytes_per_operation)),
    ("stale ms\np50 / p99", lambda cell: stale_text(cell.staleness)),
)


def print_matrix(console: Console, results: MatrixResults, report: str) -> None:
    """The cells, what was refused in outages, what can't be hosted, what a reader must know, and where the report is."""
    title = f"Cells (closed loop with {results.in_flight} in flight; open loop at {results.rate_per_s:g}/s)"
    whole = _cells(results, title, (*RATES_AND_TIMES, *COSTS))
    if natural_width(console, whole) <= console.width:
        print_table(console, whole)
    else:
        print_table(console, _cells(results, title, RATES_AND_TIMES))
        print_table(console, _cells(results, "What an operation costs", COSTS))
    if any(cell.outages for cell in results.cells):
        print_table(console, _outages(results))
    for cell in results.cells:
        if cell.errors:
            console.print(f"errors: {cell.name}: {errors_text(cell)}", highlight=False, soft_wrap=True)
        for doubt in cell.doubts:
            console.print(f"in doubt: {cell.name}: {doubt}", highlight=False, soft_wrap=True)
    for refused in results.refused:
        console.print(
            f"not hosted: {refused.dcs} DC · RF {refused.rf} · {refused.level}: {refused.reason}",
            highlight=False,
            soft_wrap=True,
        )
    for note in notes_of(results):
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)


def _table(title: str) -> Table:
    """With the column of names; on a very narrow terminal they go on in a new line between two words."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("cell")
    return table


def _cells(results: MatrixResults, title: str, columns: Sequence[Column]) -> Table:
    table = _table(title)
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in results.cells:
        table.add_row(cell.name, *(text(cell) for _, text in columns))
    return table


def _outages(results: MatrixResults) -> Table:
    table = _table("While nodes are down")
    for heading in ("down", "writes", "reads", "after"):
        table.add_column(heading)
    for row in outage_rows(results):
        table.add_row(row.name, row.down, row.writes, row.reads, row.after)
    return table
