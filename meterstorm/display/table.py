"""Tables of numbers: a number that is cut is another number, so none ever is, however narrow the terminal.

Where a table is too wide its names go on in a second line, and where that is not enough the lines are longer than the terminal.
"""

from rich.console import Console
from rich.table import Table

WIDTH_MAX = 1_000


def natural_width(console: Console, table: Table) -> int:
    """Of a table with nothing folded."""
    return console.measure(table, options=console.options.update(width=WIDTH_MAX)).maximum


def print_table(console: Console, table: Table) -> None:
    """Print it; columns without wrapping keep the width that they need, others that of their longest word."""
    unbounded = console.options.update(width=WIDTH_MAX)  # else a measure is at most the terminal's width
    for column in table.columns:
        measures = [console.measure(cell, options=unbounded) for cell in (column.header, *column.cells)]
        column.min_width = max(each.maximum if column.no_wrap else each.minimum for each in measures)
    least = console.measure(table, options=unbounded).minimum
    if least > console.width:
        table.width = least
    console.print(table, crop=False)
