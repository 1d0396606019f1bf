"""The audit of commands: sound ones pass, and every check finds the fault that is planted for it."""

from dataclasses import replace

import pytest

from loadtests.audit.rules.commands import ExpectedOutcome, Read, audit_commands
from scenarios.domain import CommandKind, CommandState
from store.commands.machine import CommandEvent, End, State, Step
from store.commands.port import Aspect, Command, CommandId, DeviceState, Request, Standing
from store.commands.store import RECONCILER

SUPPLIER, ONE, TWO, THREE = 7, 100, 101, 102


def request_of(target, originator=SUPPLIER, **changes):
    request = Request(
        id=CommandId(originator, target, 1),
        kind=CommandKind.UPDATE_PRICE,
        value=5,
        created_us=1_000,
        send_us=1_000,
        attempts_max=2,
        timeout_us=100_000,
        backoff_us=50_000,
    )
    return replace(request, **changes)


FIRST = [Step(1_000, CommandEvent.CREATE, 0), Step(1_000, CommandEvent.SEND, 1)]
SECOND = [
    *FIRST,
    Step(101_000, CommandEvent.TIME_OUT, 1),
    Step(101_000, CommandEvent.BACK_OFF, 1),
    Step(151_000, CommandEvent.SEND, 2),
]
SPENT = [*SECOND, Step(251_000, CommandEvent.TIME_OUT, 2)]


def read_of(target, steps, end, *, attempt, open_state=State.SENT, **changes):
    command = Command(
        request=request_of(target, **changes),
        open_state=open_state,
        attempt=attempt,
        sent_us=1_000,
        send_us=1_000,
        end=end,
    )
    return Read(command, steps)


def state_of(target, value=5, standing=Standing.REPORTED):
    return DeviceState(
        device=target,
        aspect=Aspect.PRICE,
        standing=standing,
        value=value,
        at_us=60_000,
        cause=CommandId(SUPPLIER, target, 1),
    )


APPLIED = read_of(ONE, [*FIRST, Step(70_000, CommandEvent.APPLY, 1)], End(State.APPLIED, 60_000, 1), attempt=1)
EXHAUSTED = read_of(TWO, SPENT, End(State.EXHAUSTED, 251_000, 2), attempt=2, open_state=State.TIMED_OUT)
REFUSED = read_of(THREE, FIRST, End(State.REJECTED, 60_000, 1), attempt=1)
STATES = [state_of(ONE)] + [state_of(device, standing=Standing.DESIRED) for device in (ONE, TWO, THREE)]
EXPECTED = {
    APPLIED.command.id: ExpectedOutcome(CommandState.APPLIED, 1),
    EXHAUSTED.command.id: ExpectedOutcome(CommandState.EXHAUSTED, 2),
    REFUSED.command.id: ExpectedOutcome(CommandState.REJECTED, 1),
}
SOUND = [APPLIED, EXHAUSTED, REFUSED]


def faults_of(reads=SOUND, states=STATES, expected=EXPECTED, is_complete=True):
    return set(audit_commands(reads, states, expected, is_complete=is_complete).faults)


def changed(read, **changes):
    return Read(replace(read.command, **changes), read.steps)


def test_sound_commands_pass():
    result = audit_commands(SOUND, STATES, EXPECTED, is_complete=True)
    assert result.is_sound
    assert result.commands == 3


def test_a_mending_command_is_judged_without_an_outcome():
    mending = read_of(TWO, FIRST, End(State.APPLIED, 400_000, 1), attempt=1, originator=RECONCILER, created_us=999)
    reported = [*STATES, state_of(TWO)]
    assert not faults_of([*SOUND, mending], reported)
    assert faults_of([*SOUND, changed(mending, attempt=3)], reported) == {"limit"}


def test_an_open_command_is_a_fault_of_a_complete_run_alone():
    still = read_of(THREE, FIRST, None, attempt=1)
    assert faults_of([APPLIED, EXHAUSTED, still]) == {"one_end"}
    assert not faults_of([APPLIED, EXHAUSTED, still], is_complete=False)
    result = audit_commands([APPLIED, EXHAUSTED, still], STATES, EXPECTED, is_complete=False)
    assert (result.commands, result.ended) == (3, 2)
    assert not faults_of([APPLIED], [*STATES[:2]], is_complete=False)


@pytest.mark.parametrize(
    ("reads", "check"),
    [
        ([APPLIED, EXHAUSTED], "recorded"),
        ([*SOUND, REFUSED], "recorded"),
        ([*SOUND, read_of(THREE, FIRST, End(State.REJECTED, 60_000, 1), attempt=1, originator=8)], "recorded"),
        ([APPLIED, EXHAUSTED, changed(REFUSED, end=End(State.RETRY_WAIT, 60_000, 1))], "one_end"),
        ([APPLIED, changed(EXHAUSTED, open_state=State.APPLIED), REFUSED], "one_end"),
        ([APPLIED, Read(EXHAUSTED.command, SPENT[:-1]), REFUSED], "legal"),
        ([Read(APPLIED.command, [*FIRST, Step(70_000, CommandEvent.TIME_OUT, 1)]), EXHAUSTED, REFUSED], "legal"),
        ([Read(APPLIED.command, [*FIRST, Step(70_000, CommandEvent.APPLY, 2)]), EXHAUSTED, REFUSED], "legal"),
        ([Read(APPLIED.command, SECOND), EXHAUSTED, REFUSED], "legal"),
        ([APPLIED, changed(EXHAUSTED, request=request_of(TWO, attempts_max=1)), REFUSED], "limit"),
        ([APPLIED, changed(EXHAUSTED, attempt=1), REFUSED], "limit"),
        ([changed(APPLIED, end=End(State.REJECTED, 60_000, 1)), EXHAUSTED, REFUSED], "outcome"),
        ([APPLIED, changed(EXHAUSTED, end=End(State.APPLIED, 240_000, 2)), REFUSED], "outcome"),
        ([APPLIED, EXHAUSTED, changed(REFUSED, attempt=2)], "outcome"),
    ],
)
def test_a_planted_fault_of_a_command_is_found(reads, check):
    assert check in faults_of(reads)


@pytest.mark.parametrize(
    "states",
    [
        [state_of(ONE, value=4), *STATES[1:]],
        STATES[1:],
        STATES[:-1],
        [*STATES, state_of(TWO)],
        [*STATES[:2], state_of(TWO, value=4, standing=Standing.DESIRED), STATES[3]],
    ],
)
def test_a_price_that_is_not_the_one_applied_last_is_found(states):
    assert faults_of(states=states) == {"reported"}


def test_of_two_prices_the_one_applied_later_is_reported():
    later = read_of(ONE, FIRST, End(State.APPLIED, 90_000, 1), attempt=1, value=6, created_us=999)
    later = Read(replace(later.command, request=replace(later.command.request, id=CommandId(SUPPLIER, ONE, 2))), FIRST)
    expected = EXPECTED | {later.command.id: ExpectedOutcome(CommandState.APPLIED, 1)}
    assert faults_of([*SOUND, later], expected=expected) == {"reported"}
    assert not faults_of([*SOUND, later], [state_of(ONE, value=6), *STATES[1:]], expected)


def test_examples_name_the_command_and_are_few():
    reads = [changed(APPLIED, attempt=2)] * 30
    result = audit_commands(reads, STATES, EXPECTED, is_complete=True)
    assert result.faults["limit"] == 30
    assert len(result.examples) == 20
    assert any(str(APPLIED.command.id) in one.what and "its row says 2" in one.said for one in result.examples)
