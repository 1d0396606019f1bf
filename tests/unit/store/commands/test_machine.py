"""The transition table by hand, the fold of logs, and the diagram in the docs."""

from pathlib import Path

import pytest

from scenarios.domain import CommandState
from store.commands.diagram import diagram
from store.commands.machine import (
    ANSWERS,
    BACKOFF_US_MAX,
    TERMINAL,
    TRANSITIONS,
    CommandEvent,
    End,
    IllegalTransition,
    State,
    Step,
    backoff_us,
    fold,
    has_no_effect,
    next_state,
    simulated,
)

DOCS = Path(__file__).parents[4] / "docs" / "commands.md"
SENT = [Step(0, CommandEvent.CREATE, 0), Step(10, CommandEvent.SEND, 1)]
REPLAYED = [
    *SENT,
    Step(110, CommandEvent.TIME_OUT, 1),
    Step(110, CommandEvent.BACK_OFF, 1),
    Step(150, CommandEvent.SEND, 2),
]


def walked(*events):
    state = State.CREATED
    for event in events:
        state = next_state(state, event)
    return state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], State.CREATED),
        ([CommandEvent.SEND, CommandEvent.REACH_HUB, CommandEvent.ACKNOWLEDGE, CommandEvent.APPLY], State.APPLIED),
        ([CommandEvent.SEND, CommandEvent.REFUSE], State.REJECTED),
        ([CommandEvent.REFUSE], State.REJECTED),
        ([CommandEvent.SEND, CommandEvent.TIME_OUT, CommandEvent.BACK_OFF, CommandEvent.SEND], State.SENT),
        ([CommandEvent.SEND, CommandEvent.TIME_OUT, CommandEvent.BACK_OFF, CommandEvent.APPLY], State.APPLIED),
        ([CommandEvent.SEND, CommandEvent.TIME_OUT, CommandEvent.EXHAUST], State.EXHAUSTED),
        (
            [CommandEvent.SEND, CommandEvent.TIME_OUT, CommandEvent.EXHAUST, CommandEvent.APPLY, CommandEvent.REFUSE],
            State.EXHAUSTED,
        ),
        ([CommandEvent.CANCEL], State.CANCELLED),
        ([CommandEvent.SEND, CommandEvent.SUPERSEDE, CommandEvent.ACKNOWLEDGE], State.SUPERSEDED),
        ([CommandEvent.EXPIRE], State.EXPIRED),
        ([CommandEvent.SEND, CommandEvent.TIME_OUT, CommandEvent.BACK_OFF, CommandEvent.ACKNOWLEDGE], State.RETRY_WAIT),
    ],
)
def test_ways_through_the_table(events, state):
    assert walked(*events) is state


@pytest.mark.parametrize(
    "events",
    [
        [CommandEvent.APPLY],
        [CommandEvent.ACKNOWLEDGE],
        [CommandEvent.TIME_OUT],
        [CommandEvent.EXHAUST],
        [CommandEvent.SEND, CommandEvent.SEND],
        [CommandEvent.SEND, CommandEvent.CANCEL],
        [CommandEvent.SEND, CommandEvent.EXHAUST],
        [CommandEvent.SEND, CommandEvent.APPLY, CommandEvent.SEND],
        [CommandEvent.SEND, CommandEvent.APPLY, CommandEvent.CANCEL],
        [CommandEvent.CANCEL, CommandEvent.SUPERSEDE],
    ],
)
def test_what_the_table_does_not_have_is_illegal(events):
    with pytest.raises(IllegalTransition, match=events[-1].name):
        walked(*events)


def test_no_event_leaves_a_terminal_state():
    assert len(TERMINAL) == 6
    assert not [state for state, _ in TRANSITIONS if state in TERMINAL]
    assert all(has_no_effect(state, event) for state in TERMINAL for event in ANSWERS)


def test_every_state_is_reached_and_every_open_one_can_end():
    reached = {State.CREATED}
    for _ in State:
        reached |= {to for (state, _), to in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    for state in set(State) - TERMINAL:
        assert (state, CommandEvent.SUPERSEDE) in TRANSITIONS


def test_backoff_doubles_to_a_bound():
    assert [backoff_us(100, attempt) for attempt in (1, 2, 3, 4)] == [100, 200, 400, 800]
    assert backoff_us(1_000_000, 31) == BACKOFF_US_MAX
    assert backoff_us(0, 5) == 0


def test_fold_of_a_command_that_was_replayed_and_answered_late():
    end = End(State.APPLIED, 160, 1)
    late_refusal = Step(170, CommandEvent.REFUSE, 2)
    course = fold([*REPLAYED, late_refusal], end, timeout_us=100)
    assert (course.state, course.attempts, course.ended_us, course.is_late, course.repeats, course.illegal) == (
        State.APPLIED,
        2,
        160,
        True,
        1,
        (),
    )


def test_fold_of_an_open_command():
    course = fold(REPLAYED[:-1], None, timeout_us=100)
    assert (course.state, course.attempts, course.ended_us, course.illegal) == (State.RETRY_WAIT, 1, None, ())


@pytest.mark.parametrize(
    ("steps", "end", "said"),
    [
        ([*SENT, Step(20, CommandEvent.SEND, 2)], None, "SEND of a command that is SENT"),
        (
            [*SENT, Step(30, CommandEvent.TIME_OUT, 1)],
            End(State.APPLIED, 20, 1),
            "TIME_OUT of a command that is APPLIED",
        ),
        (SENT, End(State.EXHAUSTED, 20, 1), "EXHAUST of a command that is SENT"),
        (SENT, End(State.APPLIED, 20, 2), "APPLY of attempt 2, which was not sent"),
        (SENT[:1], End(State.APPLIED, 20, 1), "APPLY of attempt 1, which was not sent"),
        ([*SENT, Step(20, CommandEvent.REFUSE, 3)], None, "REFUSE of attempt 3, which was not sent"),
        ([SENT[0], Step(10, CommandEvent.SEND, 2)], None, "attempt 2 is the 1. to be sent"),
        (
            [*REPLAYED, Step(160, CommandEvent.SEND, 3)],
            End(State.CANCELLED, 155, 2),
            "CANCEL of a command that is SENT",
        ),
    ],
)
def test_fold_finds_what_is_illegal(steps, end, said):
    assert said in " · ".join(fold(steps, end, timeout_us=100).illegal)


def test_states_in_the_terms_of_the_simulator():
    assert [simulated(state) for state in (State.APPLIED, State.REJECTED, State.EXHAUSTED, State.RETRY_WAIT)] == [
        CommandState.APPLIED,
        CommandState.REJECTED,
        CommandState.EXHAUSTED,
        CommandState.IN_FLIGHT,
    ]


def test_the_diagram_in_the_docs_is_the_tables():
    text = DOCS.read_text(encoding="utf-8")
    shown = text.partition("<!-- diagram: begin -->\n")[2].partition("\n<!-- diagram: end -->")[0]
    assert shown == diagram(), "write it anew: uv run python -m store.commands.diagram"
