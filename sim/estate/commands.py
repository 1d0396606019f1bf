"""What becomes of a campaign's command to one meter: every attempt and answer, found from the key alone.

A command is sent, and sent again after time-out and backoff until an answer has come or the limit is spent. An attempt
reaches the device when its hub has WAN and it is not lost; then the device answers once, or rarely twice. A device that
refuses a command refuses each attempt; one that is silent, out of order say, is reached by none until it comes back, if it
does. An answer to any attempt ends the command, however late, unless it is EXHAUSTED: that is terminal, and a later answer
is counted and changes nothing. `sim.control.plane` is the same as SimPy processes.
"""

from typing import NamedTuple

import numpy as np

from scenarios.domain import DAY_US, CommandState
from sim.draws.streams import Purpose, below, word_of, words
from sim.estate.homes import NEVER_US, TRADITIONAL, is_prepayment, joined_us, meter_mode, region_index
from sim.estate.parameters import KernelParameters
from sim.estate.wan import has_wan
from sim.kernels import kernel, leaf_kernel
from sim.units import IntArray

_COMMAND = int(Purpose.COMMAND)
_ATTEMPT = int(Purpose.ATTEMPT)
_IHD_DELAY = int(Purpose.IHD_DELAY)
_APPLIED, _REJECTED = int(CommandState.APPLIED), int(CommandState.REJECTED)
_EXHAUSTED = int(CommandState.EXHAUSTED)

_SILENCE_DRAW = 1  # the words of draw 0 are all taken
ANSWER_US_MIN = 1_000_000  # the shortest path there and back: the lookahead of the closed loop
REPEAT_US_MAX = 60_000_000  # an answer that comes twice does so within this
IHD_REFRESH_US = (10_000_000, 1_800_000_000)  # electricity every 10 s; gas every 30 min, its meter sleeps
BACKOFF_US_MAX = 7 * DAY_US
_DOUBLINGS_MAX = 20  # so that the longest backoff, doubled so often, is still an int64
_KNOT_BITS = 24  # of a word, below its knot
_KNOT_UNIT_BITS = 20


class SimulatedAttempt(NamedTuple):
    """One attempt. `answer_us` and `repeat_us` are NEVER_US when there is none."""

    is_delivered: bool
    is_refused: bool
    answer_us: int
    repeat_us: int


class CommandOutcome(NamedTuple):
    """How a command ended. Instants in us; NEVER_US for what did not happen."""

    state: int  # a CommandState; IN_FLIGHT is for the reader of a span to decide
    ended_us: int
    attempts: int
    applied_us: int  # when the device did it first, answered or not
    is_late: bool  # the answer came after its attempt had timed out
    repeats: int  # answers beyond the first, to whichever attempt


@leaf_kernel
def exponential_us(exponential: IntArray, mean_us: int, word: int) -> int:
    """An exponential delay by its quantiles, linear between 257 of them: at most 6.9 means [us]."""
    knot = word >> _KNOT_BITS
    low, high = int(exponential[knot]), int(exponential[knot + 1])
    unit = low + (((high - low) * (word & ((1 << _KNOT_BITS) - 1))) >> _KNOT_BITS)
    return (mean_us * unit) >> _KNOT_UNIT_BITS


@leaf_kernel
def is_target(p: KernelParameters, campaign: int, premises: int, region: int, meter: int) -> bool:
    """Is the meter among those that a campaign commands? Of smart meters, also of those in traditional mode."""
    c = p.campaigns[campaign]
    if meter % p.fuel_count != c.fuel or c.region not in (-1, region):
        return False
    if meter_mode(p, meter) > TRADITIONAL:
        return False
    if c.is_prepayment_only != 0 and not is_prepayment(p, premises):
        return False
    if word_of(words(p.seed, _COMMAND, meter, campaign, 0), 0) >= c.share_below:
        return False
    return joined_us(p, premises) <= first_sent_us(p, campaign, meter)


@leaf_kernel
def first_sent_us(p: KernelParameters, campaign: int, meter: int) -> int:
    """When a command is sent first: somewhere in its wave [us]."""
    c = p.campaigns[campaign]
    four = words(p.seed, _COMMAND, meter, campaign, 0)
    wave = below(word_of(four, 1), c.waves)
    return int(c.at_us + wave * c.wave_every_us + below(word_of(four, 2), c.over_us))


@kernel
def commanded_us(p: KernelParameters, campaign: int) -> IntArray:
    """When a campaign first commands the meter of its fuel in each premises: int64[premises] [us]; NEVER_US: it does not.

    All at once: each call of a leaf from Python takes all of `p` apart, 24 us a premises against 0.2 here (one core,
    November 2026).
    """
    found = np.full(p.premises_count, NEVER_US, np.int64)
    fuel = int(p.campaigns[campaign].fuel)
    for premises in range(p.premises_count):
        meter = premises * p.fuel_count + fuel
        if is_target(p, campaign, premises, region_index(p, premises), meter):
            found[premises] = first_sent_us(p, campaign, meter)
    return found


@leaf_kernel
def is_silent(p: KernelParameters, campaign: int, meter: int, sent_us: int) -> bool:
    """Is the meter out of reach of what is sent at an instant? Of a campaign without such meters nothing is drawn.

    The silence ends a fixed time after the campaign's first attempt on the meter, or never. What is sent for the campaign
    later, by a reconciliation say, is held against the same end. A meter in traditional mode is silent for ever.
    """
    if meter_mode(p, meter) == TRADITIONAL:
        return True
    c = p.campaigns[campaign]
    if c.silent_below == 0 or word_of(words(p.seed, _COMMAND, meter, campaign, _SILENCE_DRAW), 0) >= c.silent_below:
        return False
    return bool(c.silent_for_us < 0 or sent_us < first_sent_us(p, campaign, meter) + c.silent_for_us)


@leaf_kernel
def attempt(
    p: KernelParameters, campaign: int, premises: int, region: int, meter: int, number: int, sent_us: int
) -> SimulatedAttempt:
    """What becomes of attempt `number` (from 1) that is sent at an instant."""
    c = p.campaigns[campaign]
    four = words(p.seed, _ATTEMPT, meter, campaign, number)
    is_refused = word_of(words(p.seed, _COMMAND, meter, campaign, 0), 3) < c.refusal_below
    is_delivered = word_of(four, 0) < c.success_below and has_wan(p, premises, region, sent_us)
    if not is_delivered or is_silent(p, campaign, meter, sent_us):
        return SimulatedAttempt(False, is_refused, NEVER_US, NEVER_US)
    mean_us = int(c.ack_mean_us) - ANSWER_US_MIN
    answer_us = sent_us + ANSWER_US_MIN + exponential_us(p.exponential, max(mean_us, 0), word_of(four, 1))
    if word_of(four, 2) >= c.duplicate_below:
        return SimulatedAttempt(True, is_refused, answer_us, NEVER_US)
    return SimulatedAttempt(True, is_refused, answer_us, answer_us + 1 + below(word_of(four, 3), REPEAT_US_MAX))


@leaf_kernel
def next_sent_us(p: KernelParameters, campaign: int, number: int, sent_us: int) -> int:
    """When the attempt after `number` is sent, unless an answer is there by then [us]."""
    c = p.campaigns[campaign]
    return int(sent_us + c.timeout_us + backoff_after_us(c.backoff_us, number))


@leaf_kernel
def backoff_after_us(backoff_us: int, number: int) -> int:
    """The wait between the time-out of attempt `number` (from 1) and the next: doubled each time, to a bound [us]."""
    return min(backoff_us << min(number - 1, _DOUBLINGS_MAX), BACKOFF_US_MAX)


@leaf_kernel
def run_command(
    p: KernelParameters, campaign: int, premises: int, region: int, meter: int, sent_us: IntArray, answers_us: IntArray
) -> CommandOutcome:
    """A command from its first attempt to its end.

    Writes into `sent_us` int64[attempts_max] when each attempt was sent, and into `answers_us` int64[attempts_max, 2] when
    its answer and a repeated one arrive (NEVER_US: not); the first `attempts` rows count [us].
    """
    c = p.campaigns[campaign]
    at_us = first_sent_us(p, campaign, meter)
    answered_us, applied_us, timed_out_us = NEVER_US, NEVER_US, NEVER_US
    is_refused, count, answer_count = False, 0, 0
    for number in range(1, int(c.attempts_max) + 1):
        one = attempt(p, campaign, premises, region, meter, number, at_us)
        sent_us[count] = at_us
        answers_us[count, 0] = one.answer_us
        answers_us[count, 1] = one.repeat_us
        count += 1
        is_refused = one.is_refused
        answer_count += int(one.answer_us < NEVER_US) + int(one.repeat_us < NEVER_US)
        if one.is_delivered and not is_refused and applied_us == NEVER_US:
            applied_us = at_us + ANSWER_US_MIN // 2
        if one.answer_us < answered_us:
            answered_us = one.answer_us
            timed_out_us = at_us + int(c.timeout_us)
        if number == c.attempts_max:
            exhausted_us = at_us + int(c.timeout_us)
            if answered_us > exhausted_us:
                return CommandOutcome(_EXHAUSTED, exhausted_us, count, applied_us, False, answer_count)
            break
        at_us = next_sent_us(p, campaign, number, at_us)
        if answered_us <= at_us:
            break
    state = _REJECTED if is_refused else _APPLIED
    return CommandOutcome(state, answered_us, count, applied_us, answered_us > timed_out_us, answer_count - 1)


@leaf_kernel
def done_us(p: KernelParameters, campaign: int, premises: int, region: int, meter: int) -> int:
    """When a device does what a campaign commands of it [us]: `Outcome.applied_us`, or NEVER_US for no target, too."""
    if not is_target(p, campaign, premises, region, meter):
        return NEVER_US
    at_us = first_sent_us(p, campaign, meter)
    for number in range(1, int(p.campaigns[campaign].attempts_max) + 1):
        one = attempt(p, campaign, premises, region, meter, number, at_us)
        if one.is_refused:
            return NEVER_US
        if one.is_delivered:  # without an answer before it there is none that ends the command
            return at_us + ANSWER_US_MIN // 2
        at_us = next_sent_us(p, campaign, number, at_us)
    return NEVER_US


@leaf_kernel
def displayed_us(p: KernelParameters, campaign: int, meter: int, applied_us: int) -> int:
    """When the home's display has the tariff that a meter was told, at its next look at the meter [us]."""
    if applied_us == NEVER_US:
        return NEVER_US
    every_us = IHD_REFRESH_US[0] if meter % p.fuel_count == p.electricity else IHD_REFRESH_US[1]
    return applied_us + below(word_of(words(p.seed, _IHD_DELAY, meter, campaign, 0), 0), every_us)
