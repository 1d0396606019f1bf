"""The closed loop: the outcome of the array form for any window length and shards, and no attempt lost sight of."""

import numpy as np
import pytest

from sim.control.closed_loop import CommandBatch, LoopAccount, Responder, SimulatedControl, run_closed_loop
from sim.control.plane import commands_of
from tests.support.twin_estates import TARIFF, array_command, estate_of, record_of

SECOND_US = 1_000_000
UNTIL_US = 150 * SECOND_US
QUICK = TARIFF | {
    "at_h": 0.0,
    "over_h": 20 / 3_600,
    "effective_h": None,
    "attempts_max": 4,
    "timeout_s": 4.0,
    "backoff_s": 2.0,
    "ack_mean_s": 5.0,
    "success": 0.6,
    "refusal": 0.1,
}
BACK = {"silent": 0.5, "silent_for_h": 2.5 / 3_600}  # before the fourth attempt
CAMPAIGNS = [
    QUICK | {"name": "quick"},
    QUICK | {"name": "at_once", "fuel": "gas", "ack_mean_s": 1.0, "timeout_s": 1.0, "backoff_s": 0.0} | BACK,
    QUICK | {"name": "hasty", "over_h": 0.001, "timeout_s": 0.4, "backoff_s": 0.6, "attempts_max": 3},
]


def quick_estate(seed=1):
    return estate_of(seed=seed, estate={"premises": 40}, campaigns=CAMPAIGNS, wan={})


def responders_of(p, shard_count):
    return [Responder(parameters=p, shard=shard, shard_count=shard_count) for shard in range(shard_count)]


@pytest.mark.parametrize(
    ("seed", "window_us", "shard_count"),
    [
        (1, 1_000, 1),
        (1, 1_000_000, 1),
        (1, 1_000_000, 2),
        (1, 1_000_000, 3),
        (2, 7_919, 3),
        (2, 100_000, 2),
        (3, 333_333, 3),
        (3, 1_000_000, 1),
        (4, 999_999, 2),
    ],
)
def test_the_outcome_is_that_of_the_arrays(seed, window_us, shard_count):
    p = quick_estate(seed).packed
    commands = commands_of(p)
    port = SimulatedControl(p, commands)
    accounts: list[LoopAccount] = []
    last = run_closed_loop(
        port, responders_of(p, shard_count), until_us=UNTIL_US, window_us=window_us, watch=accounts.append
    )
    expected = [array_command(p, command) for command in commands]
    assert [record_of(record) for record in port.records] == expected
    assert len({one.outcome.state for one in expected}) == 3
    attempts = sum(one.outcome.attempts for one in expected)
    answered = sum(not answer.is_repeat for one in expected for answer in one.answers)
    repeats = sum(answer.is_repeat for one in expected for answer in one.answers)
    assert repeats > 0
    assert last == LoopAccount(
        until_us=UNTIL_US, sent=attempts, answered=answered, lost=attempts - answered, in_flight=0, repeats=repeats
    )
    assert len(accounts) == -(-UNTIL_US // window_us)
    assert all(account.is_conserved for account in accounts)
    assert max(account.in_flight for account in accounts) > 10


@pytest.mark.parametrize("window_us", [40_000, 1_000_000])
def test_the_account_of_an_instant_does_not_depend_on_the_windows(window_us):
    p = quick_estate().packed
    commands = commands_of(p)
    until_us = 11 * SECOND_US + 500_000  # the last of the longer windows is half as long
    port = SimulatedControl(p, commands)
    account = run_closed_loop(port, responders_of(p, 2), until_us=until_us, window_us=window_us)
    arrivals = {}
    for command in commands:
        one = array_command(p, command)
        first = {answer.attempt: answer.at_us for answer in one.answers if not answer.is_repeat}
        arrivals |= {
            (command.id, number): first.get(number) for number, at in enumerate(one.sent_us, 1) if at < until_us
        }
    lost = sum(at is None for at in arrivals.values())
    answered = sum(at is not None and at < until_us for at in arrivals.values())
    assert (account.sent, account.answered, account.lost) == (len(arrivals), answered, lost)
    assert account.in_flight == len(arrivals) - answered - lost > 0


def test_a_shard_answers_for_its_meters_alone():
    estate = quick_estate()
    p = estate.packed
    meter = np.arange(0, estate.meter_count, 2)
    batch = CommandBatch(
        command_id=meter + 100,
        meter=meter,
        campaign=np.full(len(meter), 1, np.int32),
        attempt=np.ones(len(meter), np.int32),
        sent_us=np.full(len(meter), 5 * SECOND_US),
    )
    whole = Responder(parameters=p).respond(batch)
    parts = [one.respond(batch) for one in responders_of(p, 3)]
    for shard, part in enumerate(parts):
        assert (estate.partition_of(part.answers.meter) % 3 == shard).all()
        assert (part.answers.command_id == part.answers.meter + 100).all()
    assert sum(len(part.answers) for part in parts) == len(whole.answers) > 0
    assert sum(part.lost_count for part in parts) == whole.lost_count > 0
    assert whole.answers.first_count + whole.lost_count == len(meter)
    assert set(np.concatenate([part.answers.meter for part in parts])) == set(whole.answers.meter)


def test_a_window_longer_than_the_shortest_answer_is_refused():
    p = quick_estate().packed
    for window_us in (0, 1_000_001):
        with pytest.raises(AssertionError, match="could fall due"):
            run_closed_loop(SimulatedControl(p, []), responders_of(p, 1), until_us=UNTIL_US, window_us=window_us)


@pytest.mark.parametrize("shards", [(), (0,), (0, 1, 1)], ids=["nobody", "one_missing", "one_twice"])
def test_meters_that_nobody_or_two_answer_for_are_found(shards):
    p = quick_estate().packed
    responders = [Responder(parameters=p, shard=shard, shard_count=2) for shard in shards]
    with pytest.raises(AssertionError, match="not conserved"):
        run_closed_loop(SimulatedControl(p, commands_of(p)), responders, until_us=UNTIL_US)


class LatePort(SimulatedControl):
    """Hands out its attempts a window too late."""

    def __init__(self, *args):
        super().__init__(*args)
        self.held = super().take_commands(1)

    def take_commands(self, until_us):
        held, self.held = self.held, super().take_commands(until_us)
        return held


def test_attempts_of_another_window_are_found():
    p = quick_estate().packed
    with pytest.raises(AssertionError, match="another window"):
        run_closed_loop(LatePort(p, commands_of(p)), responders_of(p, 1), until_us=UNTIL_US)


class HastyResponder(Responder):
    """Answers sooner than anything can travel."""

    def respond(self, commands):
        response = super().respond(commands)
        response.answers.at_us[:] = commands.sent_us.min()
        return response


def test_answers_within_their_window_are_found():
    p = quick_estate().packed
    with pytest.raises(AssertionError, match="window of its attempt"):
        run_closed_loop(SimulatedControl(p, commands_of(p)), [HastyResponder(parameters=p)], until_us=UNTIL_US)
