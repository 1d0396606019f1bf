"""A gate's answer on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from meterstorm.display.table import print_table
from reports.gate.words import PLUS_IS_WORSE, change_text, error_sentence, headline, interval_text
from reports.results.gate import GateResults
from scenarios.texts import wording
from scenarios.texts.wording import counted


def print_gate(console: Console, results: GateResults, report: str) -> None:
    """Metrics, why, what could not be seen, the answer and where the report is."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"baseline: {results.baseline.told}")
    say(f"candidate: {results.candidate.told}")
    for name, value in results.candidate.differs.items():
        say(f"differs: {name}: {results.baseline.differs.get(name, 'not set')} -> {value}")
    if results.metrics:
        print_table(console, _metrics(results))
    for metric in results.metrics:
        for note in metric.notes:
            say(f"note: {metric.name}: {note}")
    say(f"error: {error_sentence(results)}")
    for sentence in results.not_seen:
        say(f"not seen: {sentence}")
    for sentence in results.trouble:
        say(f"trouble: {sentence}")
    say(headline(results))
    for reason in results.reasons:
        say(f"- {reason}")
    say(f"report: {report}")


def _metrics(results: GateResults) -> Table:
    title = f"Change ({PLUS_IS_WORSE}) over {counted(results.pairs, 'pair')}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("metric")
    for heading in ("baseline", "candidate", "change", "matters\nfrom", "could\nhave seen"):
        table.add_column(heading, justify="right", no_wrap=heading != "change")
    table.add_column("answer", no_wrap=True)
    for each in results.metrics:
        table.add_row(
            f"{each.name} [{each.unit}]",
            wording.significant(each.baseline),
            wording.significant(each.candidate),
            interval_text(each),
            change_text(each.limit),
            change_text(each.smallest_seen),
            str(each.answer),
        )
    return table
