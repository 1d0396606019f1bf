"""A matrix's tables for people, on stdout. All numbers come from `MatrixResults`."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from reports.matrix.page import errors_text, estimate_text, notes_of, outage_rows, stale_text
from reports.matrix.results import MatrixResults


def print_matrix(console: Console, results: MatrixResults, report: str) -> None:
    """The cells, what was refused in outages, what can't be hosted, what a reader must know, and where the report is."""
    console.print(_cells(results))
    if any(cell.outages for cell in results.cells):
        console.print(_outages(results))
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


def _cells(results: MatrixResults) -> Table:
    title = f"Cells (closed loop with {results.in_flight} in flight; open loop at {results.rate_per_s:g}/s)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("cell", overflow="fold")
    headings = ("ok/s", "write p99 ms", "read p99 ms", "CPU µs/op", "disk B/write", "DC-DC B/op", "stale p50/p99 ms")
    for heading in headings:
        table.add_column(heading, justify="right")
    for cell in results.cells:
        table.add_row(
            cell.name,
            estimate_text(cell.throughput_per_s),
            estimate_text(cell.write_p99_ms),
            estimate_text(cell.read_p99_ms),
            estimate_text(cell.cpu_us_per_operation),
            "–" if cell.disk_bytes_per_write is None else f"{cell.disk_bytes_per_write:,.0f}",
            estimate_text(cell.wan_bytes_per_operation),
            stale_text(cell.staleness),
        )
    return table


def _outages(results: MatrixResults) -> Table:
    table = Table(title="While nodes are down", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("cell", "down", "writes", "reads", "after"):
        table.add_column(heading, overflow="fold")
    for row in outage_rows(results):
        table.add_row(row.name, row.down, row.writes, row.reads, row.after)
    return table
