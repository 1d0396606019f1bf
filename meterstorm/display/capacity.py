"""A search's answer for people, on stdout. All numbers come from `CapacityResults`."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtests.capacity.step import StepVerdict
from meterstorm.display.run import VERDICT_STYLES
from meterstorm.display.table import print_table
from reports.capacity.page import tightest
from reports.results.capacity import CapacityResults
from scenarios.texts.wording import duration, milliseconds, percentile_name

STEP_STYLES = {
    StepVerdict.HELD: "green",
    StepVerdict.BROKE: "red",
    StepVerdict.UNDECIDED: "yellow",
    StepVerdict.CLIENT_LIMITED: "magenta",
}


def print_capacity(console: Console, results: CapacityResults, report: str) -> None:
    """The verdict with its reasons, the steps, the meters, the evidence, and where the report is."""
    console.print()
    console.print(Text.assemble("verdict: ", (results.verdict.value, VERDICT_STYLES[results.verdict])))
    for reason in results.reasons:
        console.print(f"  - {reason}", highlight=False, soft_wrap=True)
    if results.steps:
        print_table(console, _steps_table(results))
    if results.meters:
        print_table(console, _meters_table(results))
    if results.constraint is not None:
        for each in results.constraint.evidence:
            console.print(f"  {each.resource.value}: {each.sentence}", highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)


def _steps_table(results: CapacityResults) -> Table:
    index = tightest(results)
    objective = results.steps[0].objectives[index]
    name = percentile_name(objective.percentile)
    title = f"Steps ({name} of {objective.operation}, at most {milliseconds(objective.response_ms_max)})"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    for heading in ("step", "rate/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for heading in ("for", "warm-up", "mean ms", f"{name} ms", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, step in enumerate(results.steps, start=1):
        measured = step.objectives[index].response_ms
        table.add_row(
            str(number),
            f"{step.rate_per_s:,.0f}",
            Text(step.verdict.value.replace("_", " "), STEP_STYLES[step.verdict]),
            f"{step.length_s} s",
            f"{step.warm_up_s} s",
            "-" if step.mean_response_ms is None else f"{step.mean_response_ms:,.1f}",
            "-" if measured is None else f"{measured.value:,.1f}",
            "-" if measured is None else f"{measured.low:,.1f} to {measured.high:,.1f}",
        )
    return table


def _meters_table(results: CapacityResults) -> Table:
    table = Table(title="Meters that make this rate", title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("read", no_wrap=True)
    for heading in ("every", "meters", "no longer"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, each in results.meters.items():
        table.add_row(
            each.frequency(name),
            duration(each.seconds_per_delivery),
            f"{each.meters:,}",
            "-" if each.meters_high is None else f"{each.meters_high:,}",
        )
    return table
