"""Whole searches of queues in virtual time: what is found of a queue that is known, and what of the steps' time is saved."""

import pytest

from loadtests.capacity.recovery import WINDOW_S
from loadtests.capacity.search import Ending, SearchPlan, StepPurpose
from loadtests.capacity.search_loop import OVERLOAD_S, Search, search_rate
from loadtests.capacity.step import ALPHA, StepRules
from loadtests.stats.queues import rate_max_per_s
from loadtests.stubs.virtual_queue import VirtualQueue
from scenarios.domain import Operation
from scenarios.spec import Objective, Validity

SERVERS, SERVICE_S, LIMIT_MS = 16, 0.008, 50.0
TRUE_PER_S = rate_max_per_s(SERVERS, SERVICE_S, 99.0, LIMIT_MS / 1e3)
SEED = 1


def searched(queue: VirtualQueue) -> Search:
    objective = Objective(operation=Operation.INGEST_READING, percentile=99.0, response_ms_max=LIMIT_MS)
    rules = StepRules(objectives=(objective,), validity=Validity(), length_s=120, alpha=ALPHA)
    return search_rate(queue, rules, SearchPlan(low_per_s=500.0), sleep=queue.sleep)


@pytest.fixture(scope="module")
def made() -> tuple[Search, float]:
    """A search of an M/M/16, and how long it would have taken [s]."""
    queue = VirtualQueue(SERVERS, SERVICE_S, seed=SEED)
    return searched(queue), queue.now_s


def test_the_interval_holds_what_is_true_of_the_queue(made: tuple[Search, float]) -> None:
    found, steps = made[0].found, made[0].steps
    assert found is not None and found.ending is Ending.FOUND
    assert found.low_per_s is not None and found.high_per_s is not None
    assert found.low_per_s <= TRUE_PER_S <= found.high_per_s
    assert abs(found.low_per_s / TRUE_PER_S - 1) <= 0.05
    assert found.high_per_s / found.low_per_s <= 1.12
    for end in (found.low_per_s, found.high_per_s):
        assert sum(step.outcome.rate_per_s == end for step in steps) >= 2, "an end was not confirmed"


def test_it_takes_a_third_of_what_waiting_out_steps_near_the_threshold_took(made: tuple[Search, float]) -> None:
    """17 minutes on average, when every gap was halved until steps told nothing for their whole two minutes."""
    assert made[1] <= 0.40 * 17 * 60


def test_what_is_clear_ends_at_once_and_rates_are_aimed_at(made: tuple[Search, float]) -> None:
    steps = [step.outcome for step in made[0].steps]
    assert all(step.length_s <= 15 for step in steps if step.rate_per_s <= 1_000)
    narrowed = [step.outcome for step in made[0].steps if step.purpose is StepPurpose.NARROW]
    assert narrowed and all(abs(step.rate_per_s / TRUE_PER_S - 1) < 0.15 for step in narrowed)
    assert all(step.length_s < 120 for step in steps if step.is_hopeless)


def test_the_look_at_the_recovery_ends_when_it_has_been_seen(made: tuple[Search, float]) -> None:
    """A backlog of ten seconds at one and a half times the capacity: the queue alone needs some ten seconds at 80 %."""
    recovery = made[0].recovery
    assert recovery is not None and recovery.after_s is not None and recovery.after_s > 5
    assert recovery.overload_s == OVERLOAD_S and recovery.watched_s == recovery.after_s + WINDOW_S
