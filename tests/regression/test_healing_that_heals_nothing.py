"""The reconciliation of the smoke run found 32 drifts and mended none, since what was silent stayed so for ever.

The gateways of `smoke.toml` without a cluster: what they do to their store and to the meters, on tables in memory.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from loadtests.backend.command_control import SimulatedMeters, StoreControl, work_stride
from loadtests.backend.command_gateway import due_index, plan_of, read_result, retries_of
from loadtests.backend.command_plan import Registry
from scenarios.spec import load_scenario
from sim.control.closed_loop import Responder
from sim.estate.model import build_estate
from store.commands.machine import State
from store.commands.store import RECONCILER, CommandStore
from store.memory.commands import MemoryCommandTables

HOUR_US = 3_600_000_000
SMOKE = Path(__file__).parent.parent.parent / "scenarios" / "smoke.toml"


class Pair(NamedTuple):
    """A command that left a drift, and how it and the one that mends ended."""

    first_h: float  # when it was sent first
    state: State
    mending: State


@pytest.fixture(scope="module")
def healed() -> tuple[int, list[Pair]]:
    """Drifts, and what became of each, after the whole smoke scenario and one reconciliation at its end."""
    scenario = load_scenario(SMOKE)
    estate, tables = build_estate(scenario), MemoryCommandTables()
    drifts, pairs = 0, []
    for dc in range(len(scenario.topology.business_dcs)):
        plan, index = plan_of(scenario, estate, dc), due_index(scenario, dc)
        since_us = plan.start_us + scenario.replay_from_us
        store = CommandStore(tables, find_device=Registry(estate), index=index, since_us=since_us)
        control, meters = StoreControl(store, plan), SimulatedMeters(Responder(parameters=estate.packed))
        while control.next_us < scenario.span_us:
            work_stride(control, meters, min(control.next_us + index.bucket_us, scenario.span_us))
        drifts += len(control.reconcile(sorted({id_.target for id_ in plan.ids()}), retries_of(scenario)))
        while control.open_count:
            work_stride(control, meters, control.next_us + index.bucket_us)
        ids = plan.ids()
        courses = dict(zip(ids, store.courses(ids), strict=True))
        first_h = {plan.id_of(one): one.first_us / HOUR_US for one in plan.commands}
        for id_, course in courses.items():
            if id_.originator == RECONCILER:
                (cause,) = (one for one in first_h if one.target == id_.target and one.counter == 1)
                pairs.append(Pair(first_h[cause], courses[cause].state, course.state))
        assert read_result(store, plan).illegal == 0
    return drifts, pairs


def test_some_of_what_has_drifted_is_mended_and_some_is_not(healed: tuple[int, list[Pair]]) -> None:
    drifts, pairs = healed
    assert drifts == len(pairs) == 32
    assert Counter((one.state.name, one.mending.name) for one in pairs) == {
        ("EXHAUSTED", "APPLIED"): 10,
        ("EXHAUSTED", "EXHAUSTED"): 10,
        ("EXHAUSTED", "REJECTED"): 1,  # back, and it would have said no before
        ("REJECTED", "REJECTED"): 11,
    }


def test_a_device_is_mended_when_it_is_back_before_the_last_attempt(healed: tuple[int, list[Pair]]) -> None:
    """Silent for 45 h; mending is sent at 48.1 h, and for the last time, the backoffs doubled, 85 minutes later."""
    for one in healed[1]:
        is_back = one.first_h + 45 <= 48.1 + 85 / 60
        match one.state:
            case State.EXHAUSTED:
                assert (one.mending is State.EXHAUSTED) != is_back
            case _:
                assert one.state is one.mending is State.REJECTED  # it says no to what mends it, too
