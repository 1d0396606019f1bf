"""Are a run's commands sound? Pure checks over what was read back, and over what the simulator says must have become of each.

Each check answers with findings; none means that it holds. Commands that were still open when a run was interrupted are
told apart by `is_complete`: only a complete run must have ended them all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scenarios.domain import CommandState
from store.commands.machine import TERMINAL, State, Step, fold, simulated
from store.commands.port import ASPECT_OF, Aspect, Command, CommandId, DeviceState, Standing
from store.commands.store import RECONCILER

EXAMPLES_MAX = 20


class Read(NamedTuple):
    """A command and its log, as the store gave them."""

    command: Command
    steps: Sequence[Step]


class ExpectedOutcome(NamedTuple):
    """What the draws say must become of a command."""

    state: CommandState
    attempts: int


class Finding(NamedTuple):
    """One fault: which check found it, of which command or device, and what is wrong in words.

    is_certain: no write that a read has missed, the audit's or the gateway's, explains it.
    """

    check: str
    what: str
    said: str
    is_certain: bool = False


@dataclass(slots=True, kw_only=True)
class CommandAudit:
    """How many commands were judged, and what was found."""

    commands: int = 0
    ended: int = 0  # of them
    faults: Counter[str] = field(default_factory=Counter)  # by check
    certain: Counter[str] = field(default_factory=Counter)  # of them, by check
    examples: list[Finding] = field(default_factory=list)  # of certain ones rather than of others

    @property
    def is_sound(self) -> bool:
        return not self.faults

    def add(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            self.faults[one.check] += 1
            self.certain[one.check] += one.is_certain
            self.examples.append(one)
            if len(self.examples) > EXAMPLES_MAX:
                self.examples.sort(key=lambda each: not each.is_certain)
                self.examples.pop()


def audit_commands(
    reads: Sequence[Read],
    states: Sequence[DeviceState],
    expected: Mapping[CommandId, ExpectedOutcome],
    *,
    is_complete: bool,
) -> CommandAudit:
    """All checks. `expected` has every command of the campaigns; those that reconciliation issued are judged without."""
    result = CommandAudit(commands=len(reads), ended=sum(read.command.end is not None for read in reads))
    result.add(check_recorded(reads, expected, is_complete=is_complete))
    for read in reads:
        result.add(check_one_end(read, is_complete=is_complete))
        result.add(check_legal(read))
        result.add(check_limit(read))
        if read.command.id in expected:
            result.add(check_outcome(read, expected[read.command.id]))
    result.add(check_reported(reads, states))
    return result


def check_recorded(
    reads: Sequence[Read], expected: Mapping[CommandId, ExpectedOutcome], *, is_complete: bool
) -> list[Finding]:
    """Is every command of the campaigns recorded, once, and none that nobody issued?"""
    counts = Counter(read.command.id for read in reads)
    missing = [id_ for id_ in expected if id_ not in counts] if is_complete else []
    findings = [Finding("recorded", str(id_), "was never recorded") for id_ in missing]
    for id_, count in counts.items():
        if count > 1:
            findings.append(Finding("recorded", str(id_), f"is recorded {count} times", is_certain=True))
        if id_ not in expected and id_.originator != RECONCILER:
            findings.append(Finding("recorded", str(id_), "was issued by nobody", is_certain=True))
    return findings


def check_one_end(read: Read, *, is_complete: bool) -> list[Finding]:
    """Has the command exactly one terminal state: one, that is terminal, and none among its open states?"""
    command, findings = read.command, []
    if command.end is None and is_complete:
        findings.append(Finding("one_end", str(command.id), f"has not ended, it is {command.open_state.name}"))
    if command.end is not None and command.end.state not in TERMINAL:
        said = f"ended as {command.end.state.name}, which is not an end"
        findings.append(Finding("one_end", str(command.id), said, is_certain=True))
    if command.open_state in TERMINAL:
        said = f"has a second end, {command.open_state.name}"
        findings.append(Finding("one_end", str(command.id), said, is_certain=True))
    return findings


def check_legal(read: Read) -> list[Finding]:
    """Is every step of the log, and the end, in the transition table?"""
    if read.command.end is not None and read.command.end.state not in TERMINAL:
        return []  # found as no end
    course = fold(read.steps, read.command.end, timeout_us=read.command.request.timeout_us)
    return [Finding("legal", str(read.command.id), said) for said in course.illegal]


def check_limit(read: Read) -> list[Finding]:
    """Was it sent at most as often as it may be, as often as its row says, and each attempt once?"""
    command = read.command
    sent = Counter(step.attempt for step in read.steps if step.event.name == "SEND")
    findings = []
    if sent.total() > command.request.attempts_max:
        findings.append(
            Finding(
                "limit",
                str(command.id),
                f"was sent {sent.total()} times, at most {command.request.attempts_max} are allowed",
            )
        )
    if sent.total() != command.attempt:
        findings.append(
            Finding("limit", str(command.id), f"was sent {sent.total()} times, its row says {command.attempt}")
        )
    return findings


def check_outcome(read: Read, expected: ExpectedOutcome) -> list[Finding]:
    """Did it end as the simulated device's draws say, after as many attempts? An open command is judged elsewhere."""
    command = read.command
    if command.end is None:
        return []
    found = ExpectedOutcome(simulated(command.end.state), command.attempt)
    if found == expected:
        return []
    return [
        Finding(
            "outcome",
            str(command.id),
            f"is {found.state.name} after {found.attempts} attempts; the device's draws say {expected.state.name} "
            f"after {expected.attempts}",
        )
    ]


def check_reported(reads: Sequence[Read], states: Sequence[DeviceState]) -> list[Finding]:
    """Is the reported state of each device what it applied last, and the desired what it was asked last? So for prices shown."""
    applied: dict[tuple[int, Aspect], Command] = {}
    asked: dict[tuple[int, Aspect], Command] = {}
    for read in reads:
        command, aspect = read.command, ASPECT_OF.get(read.command.request.kind, Aspect.NONE)
        key = (command.id.target, aspect)
        if aspect is Aspect.NONE or (
            command.end is not None and command.end.state is State.REJECTED and not command.attempt
        ):
            continue  # what was refused at once was never desired
        if command.end is not None and command.end.state is State.APPLIED:
            last = applied.get(key)
            if last is None or last.end is None or command.end.at_us >= last.end.at_us:
                applied[key] = command
        if key not in asked or command.request.created_us >= asked[key].request.created_us:
            asked[key] = command
    held: dict[tuple[int, Aspect, Standing], DeviceState] = {
        (one.device, one.aspect, one.standing): one for one in states if one.aspect is not Aspect.NONE
    }
    findings = []
    for standing, wanted in ((Standing.REPORTED, applied), (Standing.DESIRED, asked)):
        for (device, aspect), command in wanted.items():
            one = held.get((device, aspect, standing))
            if one is None or one.value != command.request.value:
                found = "nothing" if one is None else str(one.value)
                said = f"{standing.name.lower()} {aspect.name.lower()} is {found}, not {command.request.value} of {command.id}"
                findings.append(Finding("reported", f"{device:016x}", said))
        for device, aspect, held_standing in held:
            if held_standing is standing and (device, aspect) not in wanted:
                findings.append(
                    Finding(
                        "reported", f"{device:016x}", f"{standing.name.lower()} {aspect.name.lower()} has no command"
                    )
                )
    return findings
