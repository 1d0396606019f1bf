"""Progress for people, on stderr: a line a phase, a live line during the storm, and the closing summary on stdout."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live as View
from rich.table import Table
from rich.text import Text

from loadtests.cluster.doctor import Grade, MachineCheck
from loadtests.recording.run_folder import RESOLVED_NAME
from loadtests.storm.coordinator import Live
from meterstorm.display.heartbeat import Heartbeat
from meterstorm.display.live import live_lines, plain_line
from meterstorm.display.table import print_table
from reports.results.parts import Verdict
from reports.results.run import CommandsResult, MonitoringResult, OperationResult, Results, RuleCheck
from reports.run.audit_columns import audit_columns, count_of
from reports.run.terms import fact_told, replay_told
from reports.verdict.faults import fault_line, held_against
from reports.verdict.run import marked_reasons
from scenarios.texts import wording
from scenarios.texts.printable import printable

VERDICT_STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}
GRADE_STYLES = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "bold red"}
PLAIN_LINE_EVERY_S = 10.0


class Display:
    """Implements `meterstorm.display.progress.Progress`; on a terminal the storm has a view, elsewhere a line every ten
    seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._view: View | None = None
        self._line_due_s = 0.0
        self._heartbeat = Heartbeat(self._still)

    def phase(self, name: str) -> None:
        self.close()
        self._console.print(Text.assemble((f"{time.monotonic() - self._started:6.1f} s  ", "dim"), printable(name)))
        self._heartbeat.begin(name)

    def detail(self, text: str) -> None:
        self._console.print(Text(f"          {printable(text)}", "dim"))
        self._heartbeat.begin(text)

    def _still(self, doing: str, for_s: float) -> None:
        """A long step is told to go on: in a log as on a terminal, silence looks like a standstill."""
        done, _, awaited = printable(doing).partition("; waiting for ")
        told = f"waiting for {awaited}" if awaited else done.split(";")[0].split(":")[0]
        self._console.print(Text(f"          still {for_s:.0f} s later: {told}", "dim"), soft_wrap=True)

    def live(self, live: Live, wall_s: float) -> None:
        if not self._console.is_terminal:
            if live.elapsed_s >= self._line_due_s:
                self._line_due_s = live.elapsed_s + PLAIN_LINE_EVERY_S
                self._console.print(f"          {plain_line(live, wall_s)}", highlight=False, soft_wrap=True)
            self._heartbeat.begin("waiting for what is still under way after the storm")
            return
        self._heartbeat.stop()
        if self._view is None:
            self._view = View(console=self._console, transient=True, refresh_per_second=4)
            self._view.start()
        text = Text(
            "\n".join(f"          {line}" for line in live_lines(live, wall_s)), no_wrap=True, overflow="ellipsis"
        )
        self._view.update(text)

    def close(self) -> None:
        """Take the view off the screen; no more lines of a step that goes on."""
        self._heartbeat.stop()
        if self._view is not None:
            self._view.stop()
            self._view = None


def print_results(console: Console, results: Results, report: str) -> None:
    """The verdict with its reasons, the operations, the audit, and where the report is."""
    console.print()
    console.print(Text.assemble("verdict: ", (results.verdict.value, VERDICT_STYLES[results.verdict])))
    for reason in marked_reasons(results):
        mark = "" if reason.outcome is None else f"{reason.outcome.value}: "
        console.print(f"  - {mark}{reason.sentence}", highlight=False, soft_wrap=True)
    if explained := fact_told(results.reasons):
        console.print(f"    ({explained})", highlight=False, soft_wrap=True)
    print_table(console, _operations_table(results))
    for line in filter(None, (replay_told(results.speed_up), untold_line(results))):
        console.print(line, highlight=False, soft_wrap=True)
    if results.commands is not None:
        print_table(console, _commands_table(results.commands))
    if results.audit is not None:
        print_table(console, _audit_table(results))
        for line in rule_lines(results.audit.rules):
            console.print(line, highlight=False, soft_wrap=True)
        for example in results.audit.examples[:5]:
            console.print(f"  {example.kind}: {fault_line(example)}", highlight=False, soft_wrap=True)
    if results.speculation is not None:
        console.print(
            f"reads asked of a second replica: {results.speculation.asked:,}, answered by it first: {results.speculation.won:,}",
            highlight=False,
            soft_wrap=True,
        )
    if results.monitoring is not None:
        for line in alert_lines(results.monitoring):
            console.print(line, highlight=False, soft_wrap=True)
    for move in results.homes_moved:
        until = "the storm's end" if move.back_s is None else f"{move.back_s:.1f} s"
        console.print(
            f"sender {move.sender}: {move.dc}'s homes were served by {move.to} from {move.moved_s:.1f} s until {until}",
            highlight=False,
            soft_wrap=True,
        )
    for line in (*damage_lines(results), *loss_lines(results)):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
    if results.faults and results.verdict is not Verdict.PASS:
        resolved = shlex.quote(str(Path(report).with_name(RESOLVED_NAME)))
        console.print(f"replay, faults and all: uv run meterstorm run {resolved}", highlight=False, soft_wrap=True)


def rule_lines(rules: Sequence[RuleCheck]) -> list[str]:
    """The rules that are broken or were not checked, and how many hold: the report has each."""
    lines = []
    for rule in rules:
        if rule.faults:
            lines.append(f"  {rule.rule}: {rule.faults:,} faults in {held_against(rule)}")
        elif not rule.counted:
            lines.append(f"  {rule.rule}: not checked, nothing was there")
    holding = len(rules) - len(lines)
    if holding:
        lines.append(
            f"  {wording.counted(holding, 'rule')} of what is stored: true of all that was checked; the report has each"
        )
    return lines


def untold_line(results: Results) -> str | None:
    """What the table of operations leaves out: those of gateways and back office of which none failed or is in doubt."""
    untold = [name for name, one in results.operations.items() if not _is_told(one)]
    if not untold:
        return None
    requests = sum(results.operations[name].ok for name in untold)
    return (
        f"beside them {requests:,} requests of gateways and back office, of {wording.counted(len(untold), 'kind')}: none "
        "failed, and the report has them"
    )


def _is_told(operation: OperationResult) -> bool:
    return operation.is_open_loop or operation.failed + operation.indeterminate > 0


def damage_lines(results: Results) -> list[str]:
    """What faults tell of themselves."""
    return [f"{fault.kind} {fault.target}: {fault.told}" for fault in results.faults if fault.told]


def loss_lines(results: Results) -> list[str]:
    """What a lost data centre had acknowledged and another one had not seen."""
    lines = []
    for loss in results.replication.losses if results.replication else ():
        age = "" if loss.age_ms is None else f", the oldest of them {wording.milliseconds(loss.age_ms.max)} old"
        about = "" if loss.estimated is None else f"; about {wording.significant(loss.estimated)} writes of the load"
        lines.append(
            f"{loss.kind} {loss.dc} at {loss.lost_s:.1f} s: of {loss.probes:,} rows that it had acknowledged {loss.other} had "
            f"not seen {loss.unseen:,}{age}, and {loss.only_there:,} not until its return began{about}"
        )
    return lines


def alert_lines(monitoring: MonitoringResult) -> list[str]:
    """What fired, when and for how long; and what of it was not as the faults declare."""
    if monitoring.trouble is not None:
        return [f"alerts: {monitoring.trouble}"]
    lines = []
    for one in monitoring.alerts:
        until = "not resolved" if one.resolved_s is None else f"resolved at {one.resolved_s:.0f} s"
        told = "" if one.told else ", muted by a planned fault"
        lines.append(
            f"alert {one.name} ({', '.join((one.severity, *one.of))}): fired at {one.fired_s:.0f} s, {until}{told}"
        )
    return [*lines, *monitoring.unexpected, *monitoring.missing] or ["alerts: none fired"]


def print_checks(console: Console, checks: Sequence[MachineCheck], *, only_trouble: bool) -> None:
    """What the doctor found, and the mend of what is wrong."""
    for check in checks:
        if only_trouble and check.grade is Grade.OK:
            continue
        console.print(
            Text.assemble((f"{check.grade.value:5}", GRADE_STYLES[check.grade]), f"{check.name}: {check.finding}"),
            soft_wrap=True,
        )
        if check.mend:
            console.print(Text(f"     mend: {check.mend}"), soft_wrap=True)


def _operations_table(results: Results) -> Table:
    table = Table(
        title="Operations (response time from the due time; *: closed loop of gateways and back office)",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("operation", no_wrap=True)
    for heading in ("ok", "failed", "indeterminate", "rate/s", "p50", "p99", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    told = [one for one in results.operations.items() if _is_told(one[1])]
    by_loop = sorted(told, key=lambda one: not one[1].is_open_loop)
    for number, (name, operation) in enumerate(by_loop):
        response = operation.response_ms
        if number and by_loop[number - 1][1].is_open_loop and not operation.is_open_loop:
            table.add_section()
        table.add_row(
            name if operation.is_open_loop else f"{name} *",
            f"{operation.ok:,}",
            f"{operation.failed:,}",
            f"{operation.indeterminate:,}",
            "-" if operation.rate_per_s is None else f"{operation.rate_per_s:,.0f}",
            *(
                "-" if value is None else wording.milliseconds(value)
                for value in ((response.p50, response.p99, response.max) if response else (None,) * 3)
            ),
        )
    return table


def _commands_table(commands: CommandsResult) -> Table:
    """How commands ended, and what it took."""
    table = Table(title="Commands (in closed loop)", title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("state", no_wrap=True)
    table.add_column("commands", justify="right", no_wrap=True)
    for state, count in sorted(commands.states.items()):
        table.add_row(state.lower(), f"{count:,}")
    table.add_section()
    sums = {
        "attempts": commands.attempts,
        "replays": commands.replays,
        "late answers": commands.late,
        "repeated answers": commands.repeats,
        "drifts found": commands.drifts,
        "of them mended": commands.mended,
        "of them not mended": commands.unmended,
    }
    if commands.setbacks:
        sums["calls begun again"] = commands.setbacks
    for name, count in sums.items():
        table.add_row(name, f"{count:,}")
    return table


def _audit_table(results: Results) -> Table:
    assert results.audit is not None
    title = "Audit (facts read back from each data centre)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("held by", no_wrap=True)
    columns = audit_columns(results.audit)
    for column in columns:
        table.add_column(column.heading.lower(), justify="right", no_wrap=True)
    for name, counts in (*results.audit.per_dc.items(), ("every DC", results.audit)):
        table.add_row(name, *(wording.count(count_of(counts, column)) for column in columns))
    return table
