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
    End,
    Event,
    IllegalTransition,
    State,
    Step,
    backoff_us,
    fold,
    has_no_effect,
    next_state,
    simulated,
)

DOCS = Path(__file__).parents[3] / "docs" / "commands.md"
SENT = [Step(0, Event.CREATE, 0), Step(10, Event.SEND, 1)]
REPLAYED = [*SENT, Step(110, Event.TIME_OUT, 1), Step(110, Event.BACK_OFF, 1), Step(150, Event.SEND, 2)]


def walked(*events):
    state = State.CREATED
    for event in events:
        state = next_state(state, event)
    return state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], State.CREATED),
        ([Event.SEND, Event.REACH_HUB, Event.ACKNOWLEDGE, Event.APPLY], State.APPLIED),
        ([Event.SEND, Event.REFUSE], State.REJECTED),
        ([Event.REFUSE], State.REJECTED),
        ([Event.SEND, Event.TIME_OUT, Event.BACK_OFF, Event.SEND], State.SENT),
        ([Event.SEND, Event.TIME_OUT, Event.BACK_OFF, Event.APPLY], State.APPLIED),
        ([Event.SEND, Event.TIME_OUT, Event.EXHAUST], State.EXHAUSTED),
        ([Event.SEND, Event.TIME_OUT, Event.EXHAUST, Event.APPLY, Event.REFUSE], State.EXHAUSTED),
        ([Event.CANCEL], State.CANCELLED),
        ([Event.SEND, Event.SUPERSEDE, Event.ACKNOWLEDGE], State.SUPERSEDED),
        ([Event.EXPIRE], State.EXPIRED),
        ([Event.SEND, Event.TIME_OUT, Event.BACK_OFF, Event.ACKNOWLEDGE], State.RETRY_WAIT),
    ],
)
def test_ways_through_the_table(events, state):
    assert walked(*events) is state


@pytest.mark.parametrize(
    "events",
    [
        [Event.APPLY],
        [Event.ACKNOWLEDGE],
        [Event.TIME_OUT],
        [Event.EXHAUST],
        [Event.SEND, Event.SEND],
        [Event.SEND, Event.CANCEL],
        [Event.SEND, Event.EXHAUST],
        [Event.SEND, Event.APPLY, Event.SEND],
        [Event.SEND, Event.APPLY, Event.CANCEL],
        [Event.CANCEL, Event.SUPERSEDE],
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
        assert (state, Event.SUPERSEDE) in TRANSITIONS


def test_backoff_doubles_to_a_bound():
    assert [backoff_us(100, attempt) for attempt in (1, 2, 3, 4)] == [100, 200, 400, 800]
    assert backoff_us(1_000_000, 31) == BACKOFF_US_MAX
    assert backoff_us(0, 5) == 0


def test_fold_of_a_command_that_was_replayed_and_answered_late():
    end = End(State.APPLIED, 160, 1)
    late_refusal = Step(170, Event.REFUSE, 2)
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
        ([*SENT, Step(20, Event.SEND, 2)], None, "SEND of a command that is SENT"),
        ([*SENT, Step(30, Event.TIME_OUT, 1)], End(State.APPLIED, 20, 1), "TIME_OUT of a command that is APPLIED"),
        (SENT, End(State.EXHAUSTED, 20, 1), "EXHAUST of a command that is SENT"),
        (SENT, End(State.APPLIED, 20, 2), "APPLY of attempt 2, which was not sent"),
        (SENT[:1], End(State.APPLIED, 20, 1), "APPLY of attempt 1, which was not sent"),
        ([*SENT, Step(20, Event.REFUSE, 3)], None, "REFUSE of attempt 3, which was not sent"),
        ([SENT[0], Step(10, Event.SEND, 2)], None, "attempt 2 is the 1. to be sent"),
        ([*REPLAYED, Step(160, Event.SEND, 3)], End(State.CANCELLED, 155, 2), "CANCEL of a command that is SENT"),
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
