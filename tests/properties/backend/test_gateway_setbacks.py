"""A gateway whose calls fail goes on from what the store holds: every command ends as if no call had failed."""

import random
import threading
import time

import pytest

from loadtests.backend import failure_budget
from loadtests.backend.command_gateway import Gateway, GatewayResult
from loadtests.backend.failure_budget import SETBACKS_MAX
from loadtests.backend.mortal_statements import PartLife
from loadtests.metrics.instruments import GatewayProgress
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.memory.commands import MemoryCommandTables
from store.ports import StoreError

SCENARIO = Scenario.model_validate(
    {
        "title": "commands",
        "estate": {"premises": 24},
        "campaigns": [
            {
                "name": name,
                "kind": kind,
                "at_h": at_h,
                "over_h": 1.0,
                "attempts_max": 3,
                "timeout_s": timeout_s,
                "backoff_s": 30.0,
                "ack_mean_s": 30.0,
                "success": success,
                "refusal": 0.02,
                "duplicate": 0.1,
            }
            for name, kind, success, at_h, timeout_s in (
                ("price", "update_price", 0.95, 0.1, 60.0),
                ("firmware", "update_firmware", 0.4, 22.0, 7_200.0),  # is open at the span's end
            )
        ],
        "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 10, "warm_up_s": 0},
    }
)


class Unsteady:
    """Tables of which a share of the calls fail, after none, a half or all of their rows."""

    def __init__(self, seed: int, share: float) -> None:
        self._tables, self._draws, self._share = MemoryCommandTables(), random.Random(seed), share

    def __getattr__(self, name):
        call = getattr(self._tables, name)

        def passed_on(rows, *others):
            if not rows or self._draws.random() >= self._share:
                return call(rows, *others)
            until = round(len(rows) * self._draws.choice([0.0, 0.5, 1.0]))
            call(rows[:until], *(one[:until] if isinstance(one, list) else one for one in others))
            raise StoreError("no answer")

        return passed_on


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(SCENARIO)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_budget, "WAIT_S_MIN", 0.0)


def carried_out(estate: EstateModel, seed: int, share: float, **options) -> GatewayResult:
    gateway = Gateway(SCENARIO, estate, 0, Unsteady(seed, share), threading.Event(), **options)
    return gateway.carry_out(time.monotonic_ns() - 3_600_000_000_000)  # the span is over: nothing is paced


def told(result: GatewayResult) -> tuple[object, ...]:
    return (
        result.states,
        result.mending_states,
        result.attempts,
        result.replays,
        result.late,
        result.repeats,
        result.drifts,
    )


def test_calls_that_fail_change_nothing_of_what_becomes_of_commands(estate: EstateModel) -> None:
    whole = carried_out(estate, 0, 0.0)
    assert whole.setbacks == 0 == whole.illegal and whole.drifts > 0 and set(whole.states) >= {"APPLIED", "EXHAUSTED"}
    results = [carried_out(estate, seed, 0.03) for seed in range(40)]
    assert sum(one.setbacks for one in results) > 80 and not any(one.illegal for one in results)
    assert {seed: told(one) for seed, one in enumerate(results) if told(one) != told(whole)} == {}


def test_a_gateway_tells_how_far_it_is_and_never_more_than_is(estate: EstateModel) -> None:
    """What it counts while it works is what it reads back; after calls that failed it may lack some."""

    def counted(seed: int, share: float) -> tuple[GatewayProgress, dict[str, int]]:
        progress = GatewayProgress()
        states = carried_out(estate, seed, share, told=progress).states
        assert progress.states == states and progress.is_over and progress.created == states.total()
        given_up = sum(count for state, count in states.items() if state not in ("APPLIED", "REJECTED"))
        return progress, {"applied": states["APPLIED"], "rejected": states["REJECTED"], "given_up": given_up}

    progress, held = counted(0, 0.0)
    assert progress.ended == held and min(held.values()) > 0
    assert progress.attempts >= carried_out(estate, 0, 0.0).attempts
    for seed in range(10):
        progress, held = counted(seed, 0.03)
        assert all(progress.ended[state] <= count for state, count in held.items()), (progress.ended, held)
        assert progress.ended.total() > 0.8 * sum(held.values())


def test_a_store_that_lets_nothing_finish_ends_the_gateway(estate: EstateModel) -> None:
    with pytest.raises(StoreError, match="no answer"):
        carried_out(estate, 1, 1.0)


def test_what_fails_while_a_fault_goes_on_does_not_end_it(estate: EstateModel) -> None:
    left = 3 * SETBACKS_MAX

    def is_broken() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    with pytest.raises(StoreError):
        carried_out(estate, 1, 1.0, is_excused=is_broken)
    assert left == 1 - SETBACKS_MAX


def test_a_call_that_asks_again_does_not_outlive_the_death_of_its_gateway(estate: EstateModel) -> None:
    """What is doubtful is read again after a wait, and the gateway may be alive by then: as another, which knows nothing."""
    asked, alive = 0, True

    def require_alive() -> None:
        nonlocal asked, alive
        asked, alive = asked + 1, asked != 50
        if not alive:
            raise StoreError("the gateway is killed")

    life = PartLife(require_alive)

    class Patient:
        """Tables that ask a second time where the first was refused."""

        def __init__(self) -> None:
            self._tables = MemoryCommandTables()

        def __getattr__(self, name):
            call = getattr(self._tables, name)

            def passed_on(*arguments):
                try:
                    life.require()
                except StoreError:
                    life.require()
                return call(*arguments)

            return passed_on

    gateway = Gateway(SCENARIO, estate, 0, Patient(), threading.Event(), life=life)
    result = gateway.carry_out(time.monotonic_ns() - 3_600_000_000_000)
    assert result.setbacks == 1 and alive and asked > 100
    assert told(result) == told(carried_out(estate, 0, 0.0))
