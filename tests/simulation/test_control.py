"""The control plane's processes: every command ends as in the array form, to the microsecond, and as worked by hand."""

import numpy as np
import pytest
import simpy

from scenarios.domain import CommandState
from scenarios.spec import ScenarioError
from sim.control import plane as control
from sim.control.plane import CommandAnswer, ControlPlane, SimulatedCommand, commands_of, simulate_commands
from sim.estate.commands import CommandOutcome, first_sent_us, is_target
from sim.estate.homes import NEVER_US, region_index
from sim.estate.parameters import CAMPAIGN
from tests.support.twin_estates import TARIFF, array_command, estate_of, record_of

CAMPAIGNS = [
    TARIFF,
    # hasty: answers come after the time-out, and after further attempts, as a rule
    TARIFF
    | {"name": "hasty", "fuel": "gas", "timeout_s": 20.0, "backoff_s": 5.0, "ack_mean_s": 90.0, "refusal": 0.2}
    | {"silent": 0.4, "silent_for_h": 30 / 3_600},  # and those that are silent come back before the third attempt
    # an answer takes exactly 1 s: it comes at the very instant of the time-out ...
    TARIFF | {"name": "at_timeout", "ack_mean_s": 1.0, "timeout_s": 1.0, "backoff_s": 0.0, "success": 0.5},
    # ... of the second attempt ...
    TARIFF | {"name": "at_retry", "ack_mean_s": 1.0, "timeout_s": 0.4, "backoff_s": 0.6, "success": 0.5},
    # ... and of the end
    TARIFF | {"name": "once", "ack_mean_s": 1.0, "timeout_s": 1.0, "attempts_max": 1, "waves": 2, "wave_every_h": 3.5},
    TARIFF | {"name": "too_late", "prepayment_only": True, "attempts_max": 2, "timeout_s": 1.0, "backoff_s": 0.5},
]


@pytest.fixture(scope="module", params=[1, 2, 3])
def estate(request):
    return estate_of(seed=request.param, estate={"premises": 60}, campaigns=CAMPAIGNS)


def test_every_target_of_a_campaign_is_commanded_and_nothing_else(estate):
    """By campaign, then meter: what is found at once is what the leaf says of each meter."""
    p = estate.packed
    targets = [
        (campaign, meter)
        for campaign in range(p.campaign_count)
        for meter in range(p.premises_count * p.fuel_count)
        if is_target(p, campaign, meter // p.fuel_count, region_index(p, meter // p.fuel_count), meter)
    ]
    found = commands_of(p)
    assert 0 < len(targets) < p.campaign_count * p.premises_count
    assert [(one.campaign, one.meter) for one in found] == targets
    assert [one.first_us for one in found] == [first_sent_us(p, *one) for one in targets]
    assert [one.id for one in found] == list(range(len(targets)))


def test_processes_give_the_outcome_of_the_arrays(estate):
    p = estate.packed
    commands = commands_of(p)
    records = simulate_commands(p, commands)
    expected = [array_command(p, command) for command in commands]
    assert [record_of(record) for record in records] == expected
    states = {one.outcome.state for one in expected}
    assert states == {CommandState.APPLIED, CommandState.REJECTED, CommandState.EXHAUSTED}
    outcomes = [one.outcome for one in expected]
    assert any(one.is_late for one in outcomes)
    assert any(one.repeats for one in outcomes)
    assert max(one.attempts for one in outcomes) == 5


def test_a_run_that_stops_has_done_what_comes_before(estate):
    p = estate.packed
    commands = commands_of(p)
    until_us = sorted(one.first_us for one in commands)[len(commands) * 2 // 3]
    for record in simulate_commands(p, commands, until_us=until_us):
        whole = array_command(p, record.command)
        assert record.sent_us == [at for at in whole.sent_us if at < until_us]
        assert record.answers == [one for one in whole.answers if one.at_us < until_us]
        assert record.state == (whole.outcome.state if whole.outcome.ended_us < until_us else CommandState.IN_FLIGHT)


def pursue(answers, attempts_max=3, timeout_us=100, backoff_us=50):
    """One command that is sent first at 1,000; `answers` of (attempt, refusal, repeat, instant) arrive when they say."""
    policy = np.zeros(1, CAMPAIGN)
    policy["attempts_max"], policy["timeout_us"], policy["backoff_us"] = attempts_max, timeout_us, backoff_us
    env = simpy.Environment()

    def transmit(command, number, sent_us):
        for answer in answers:
            if answer[0] == number:
                plane.expect(command.id, CommandAnswer(*answer))

    plane = ControlPlane(env, policy, transmit)
    plane.start(SimulatedCommand(id=7, campaign=0, meter=3, first_us=1_000))
    env.run()
    return plane.records[7]


# Attempts at 1,000 and 1,150 and 1,350 (the backoff is doubled); their time-outs at 1,100 and 1,250 and 1,450.
DONE, NO, SPENT = CommandState.APPLIED, CommandState.REJECTED, CommandState.EXHAUSTED
HALF = 500_000  # of the shortest path: when a device has done what it is told


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(1, False, False, 1_040)], (DONE, 1_040, 1, False, 0)),
        ([(1, False, False, 1_100)], (DONE, 1_100, 1, False, 0)),  # at the time-out: in time
        ([(1, False, False, 1_101)], (DONE, 1_101, 1, True, 0)),  # in the backoff: late
        ([(1, False, False, 1_150)], (DONE, 1_150, 1, True, 0)),  # at the next attempt: it is not made
        ([(1, False, False, 1_151)], (DONE, 1_151, 2, True, 0)),
        ([(1, True, False, 1_040)], (NO, 1_040, 1, False, 0)),
        ([(1, False, False, 1_040), (1, False, True, 1_060)], (DONE, 1_040, 1, False, 1)),
        ([(2, False, False, 1_160), (1, False, False, 1_200)], (DONE, 1_160, 2, False, 1)),
        ([(2, False, False, 1_160), (1, False, False, 1_160)], (DONE, 1_160, 2, True, 1)),  # the older attempt's counts
        ([], (SPENT, 1_450, 3, False, 0)),
        ([(3, False, False, 1_450)], (DONE, 1_450, 3, False, 0)),
        ([(3, False, False, 1_451), (3, False, True, 1_500)], (SPENT, 1_450, 3, False, 2)),  # terminal: counted only
        ([(1, True, False, 1_449), (2, True, False, 1_450)], (NO, 1_449, 3, True, 1)),
    ],
)
def test_a_command_worked_by_hand(answers, expected):
    record = pursue(answers)
    outcome = record.outcome()
    assert (outcome.state, outcome.ended_us, outcome.attempts, outcome.is_late, outcome.repeats) == expected
    assert record.sent_us == [1_000, 1_150, 1_350][: outcome.attempts]
    done = [number for number, is_refusal, _, _ in answers if not is_refusal]
    assert outcome.applied_us == (record.sent_us[min(done) - 1] + HALF if done else NEVER_US)


def test_a_command_without_backoff_is_sent_again_at_the_time_out():
    record = pursue([(2, False, False, 1_100)], backoff_us=0)
    assert record.sent_us == [1_000, 1_100]
    assert record.outcome() == CommandOutcome(DONE, 1_100, 2, 1_100 + HALF, False, 0)


def test_more_events_than_simpy_is_for_are_refused(monkeypatch):
    p = estate_of(campaigns=CAMPAIGNS).packed
    commands = commands_of(p)
    monkeypatch.setattr(control, "EVENTS_MAX", 60)
    with pytest.raises(ScenarioError, match=r"more than 60 events.*array form"):
        simulate_commands(p, commands)
    with pytest.raises(ScenarioError, match=r"6 for 12 premises.*array form"):
        commands_of(p)


def test_an_answer_to_nothing_and_a_second_command_of_one_id_are_our_faults():
    env = simpy.Environment()
    plane = ControlPlane(env, np.zeros(1, CAMPAIGN), lambda *_: None)
    plane.start(SimulatedCommand(id=1, campaign=0, meter=3, first_us=10))
    with pytest.raises(AssertionError, match="names one command"):
        plane.start(SimulatedCommand(id=1, campaign=0, meter=3, first_us=10))
    plane.expect(1, CommandAnswer(1, False, False, 5))
    with pytest.raises(AssertionError, match="not made"):
        env.run()
