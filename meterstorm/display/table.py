"""Tables of numbers: a number that is cut is another number, so none ever is, however narrow the terminal.

Where a table is too wide its names go on in a second line, those of columns that fold in mid-word; where that is not enough the
lines are longer than the terminal.
"""

from rich.console import Console
from rich.table import Table

WIDTH_MAX = 1_000
FOLDED_MIN = 6  # letters of a name in a line


def natural_width(console: Console, table: Table) -> int:
    """Of a table with nothing folded."""
    return console.measure(table, options=console.options.update(width=WIDTH_MAX)).maximum


def print_table(console: Console, table: Table) -> None:
    """Print it; columns without wrapping keep the width that they need, others that of their longest word."""
    unbounded = console.options.update(width=WIDTH_MAX)  # else a measure is at most the terminal's width
    widths = []
    for column in table.columns:
        measures = [console.measure(cell, options=unbounded) for cell in (column.header, *column.cells)]
        widths.append(max(each.maximum if column.no_wrap else each.minimum for each in measures))
        column.min_width = widths[-1]
    least = console.measure(table, options=unbounded).minimum
    for column, width in zip(table.columns, widths, strict=True):
        if column.overflow == "fold" and not column.no_wrap:
            kept = min(max(width - max(least - console.width, 0), FOLDED_MIN), width)
            column.min_width = kept
            least -= width - kept
    if least > console.width:
        table.width = least
    console.print(table, crop=False, soft_wrap=False)
