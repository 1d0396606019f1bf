"""A history's verdict for people, on stdout. All numbers come from `GateHistoryResults`."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from meterstorm.display.table import print_table
from reports.gate_history.page import change_rows, seen_words
from reports.results.gate_history import GateHistoryResults
from reports.results.parts import Verdict
from scenarios.texts import wording

STYLES = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
CHANGES_MAX = 20


def print_gate_history(console: Console, results: GateHistoryResults, report: str) -> None:
    """The changes, what could not have been seen, the reasons and the verdict, and where the report is."""
    rows = change_rows(results)
    if rows:
        table = Table(title="Changes", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in ("series", "since run", "meaning", "size (interval)", "seen by"):
            table.add_column(heading, overflow="fold")
        for row in rows[:CHANGES_MAX]:
            table.add_row(row.series, row.run, row.meaning, row.size, row.seen_by)
        print_table(console, table)
    if len(rows) > CHANGES_MAX:
        console.print(f"{wording.counted(len(rows) - CHANGES_MAX, 'older change')} in the report", highlight=False)
    for note in results.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    blindest = max(results.series, key=lambda series: series.smallest_share or 0.0, default=None)
    if blindest is not None:
        console.print(f"least well seen: {blindest.name}: {seen_words(blindest)}", highlight=False, soft_wrap=True)
    together = wording.counted(len(results.series), "series", "series")
    console.print(
        f"false alarms of the ranks: at most {wording.percent(results.error)} of histories, over {together} together; "
        f"a change matters from {wording.percent(results.effect_min)}",
        highlight=False,
        soft_wrap=True,
    )
    for reason in results.reasons:
        console.print(f"- {reason}", highlight=False, soft_wrap=True, markup=False)
    console.print(results.verdict.value, style=STYLES[results.verdict], highlight=False)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
