"""The gateway on the store against the simulator's array form: the same draws, the same outcomes, wherever it is killed."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.backend.command_control import SimulatedMeters, StoreControl, work_stride
from loadtests.backend.command_plan import CommandPlan, Registry
from scenarios.spec import Scenario
from sim.control.closed_loop import Responder, run_closed_loop
from sim.control.plane import commands_of
from sim.estate.commands import run_command
from sim.estate.homes import region_index
from sim.estate.model import build_estate
from store.commands.machine import simulated
from store.commands.port import DueIndex
from store.commands.store import CommandStore
from store.memory.commands import MemoryCommandTables

START_US = 1_768_435_200_000_000
SECOND_US = 1_000_000
CAMPAIGN = {
    "name": "price",
    "kind": "update_price",
    "at_h": 0.1,
    "over_h": 0.1,
    "attempts_max": 4,
    "timeout_s": 60.0,
    "backoff_s": 30.0,
    "ack_mean_s": 30.0,
    "success": 0.95,
    "silent": 0.03,
    "refusal": 0.02,
    "duplicate": 0.1,
}
HASTY = CAMPAIGN | {
    "name": "hasty",
    "kind": "top_up",
    "timeout_s": 0.3,
    "backoff_s": 0.0,
    "ack_mean_s": 1.5,
    "success": 0.6,
}
AT_ONCE = CAMPAIGN | {
    "name": "at_once",
    "kind": "change_schedule",
    "to": "monthly",
    "timeout_s": 2.0,
    "backoff_s": 0.0,
    "success": 0.5,
}


def scenario_of(premises=300, seed=1, campaigns=(CAMPAIGN,)):
    return Scenario.model_validate(
        {
            "title": "commands",
            "estate": {"premises": premises},
            "wan": {"hub_outages_per_day": 0.5, "hub_outage_h_max": 4.0},
            "campaigns": list(campaigns),
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 10, "warm_up_s": 0, "seed": seed},
        }
    )


@functools.cache
def estate_of(scenario_json):
    return build_estate(Scenario.model_validate_json(scenario_json))


class World:
    """What outlives a gateway: the store's rows, the meters, and the names that they have for each other."""

    def __init__(self, scenario, tables=None):
        self.scenario = scenario
        self.estate = estate_of(scenario.model_dump_json())
        self.tables = tables or MemoryCommandTables()
        self.commands = commands_of(self.estate.packed)
        self.plan = CommandPlan(scenario, self.estate, self.commands)
        self.meters = SimulatedMeters(Responder(parameters=self.estate.packed))

    def store(self, tables=None, bucket_us=60 * SECOND_US):
        index = DueIndex(bucket_us=bucket_us, shard_count=2)
        return CommandStore(tables or self.tables, find_device=Registry(self.estate), index=index, since_us=START_US)

    def expected(self):
        """(state, attempts, ended, is late, repeats) by the array form, in the order of the simulator's ids."""
        p = self.estate.packed
        found = {}
        for one in self.commands:
            premises = one.meter // p.fuel_count
            room = np.empty(31, np.int64), np.empty((31, 2), np.int64)
            end = run_command(p, one.campaign, premises, region_index(p, premises), one.meter, *room)
            found[self.plan.id_of(one)] = (end.state, end.attempts, end.ended_us, end.is_late, end.repeats)
        return found

    def stored(self):
        ids = [self.plan.id_of(one) for one in self.commands]
        courses = self.store().courses(ids)
        assert not [one.illegal for one in courses if one.illegal]
        return {
            id_: (int(simulated(one.state)), one.attempts, (one.ended_us or 0) - START_US, one.is_late, one.repeats)
            for id_, one in zip(ids, courses, strict=True)
        }


UNTIL_US = 3 * 3_600 * SECOND_US


@pytest.mark.parametrize("stride_s", [1, 37, 60, 600, 10_000])
def test_outcomes_are_those_of_the_simulator_for_any_stride(stride_s):
    world = World(scenario_of(campaigns=[CAMPAIGN, HASTY, AT_ONCE], premises=120))
    control = StoreControl(world.store(), world.plan)
    for until_us in range(stride_s * SECOND_US, UNTIL_US + stride_s * SECOND_US, stride_s * SECOND_US):
        work_stride(control, world.meters, until_us)
    assert world.stored() == world.expected()
    assert len({state for state, *_ in world.expected().values()}) == 3


def test_outcomes_are_those_of_the_simulator_in_its_own_loop():
    world = World(scenario_of(campaigns=[CAMPAIGN, HASTY, AT_ONCE], premises=120))
    control = StoreControl(world.store(), world.plan)
    account = run_closed_loop(control, [Responder(parameters=world.estate.packed)], until_us=UNTIL_US)
    assert world.stored() == world.expected()
    assert account.sent == sum(attempts for _, attempts, *_ in world.expected().values())


class Died(Exception):
    """The gateway's process is gone."""


class DyingTables:
    """Passes calls on, and dies in the `dies_at`-th: after `share` of its rows, or after all of them."""

    def __init__(self, tables, dies_at, share):
        self._tables, self._left, self._share = tables, dies_at, share

    def __getattr__(self, name):
        call = getattr(self._tables, name)

        def passed_on(rows, *others):
            self._left -= 1
            if self._left:
                return call(rows, *others)
            until = round(len(rows) * self._share)
            call(rows[:until], *(one[:until] if isinstance(one, list) else one for one in others))
            raise Died

        return passed_on


def run_and_die(world, kills, *, stride_us, until_us=UNTIL_US, is_redelivered=True):
    """Run to the end; each kill is (calls until then, the share of the last call's rows that are written)."""
    kills = list(kills)
    deaths = 0
    control, at_us = None, 0
    while at_us < until_us:
        try:
            if control is None:
                dying = DyingTables(world.tables, *kills.pop(0)) if kills else world.tables
                store = world.store(dying)
                at_us = store.cleared_us() - START_US
                if is_redelivered:
                    world.meters.redeliver(at_us)
                control = StoreControl(store, world.plan)
            work_stride(control, world.meters, at_us + stride_us)
            at_us += stride_us
        except Died:
            deaths += 1
            control = None
    return deaths


@settings(max_examples=60, deadline=None)
@given(
    kills=st.lists(st.tuples(st.integers(1, 300), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=6),
    stride_s=st.sampled_from([7, 60, 900]),
    seed=st.integers(1, 3),
)
def test_a_gateway_that_is_killed_anywhere_goes_on_as_if_it_had_not_been(kills, stride_s, seed):
    world = World(scenario_of(campaigns=[CAMPAIGN, HASTY, AT_ONCE], premises=25, seed=seed))
    run_and_die(world, kills, stride_us=stride_s * SECOND_US)
    assert world.stored() == world.expected()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_single_call_may_be_the_last(share):
    scenario = scenario_of(campaigns=[HASTY, CAMPAIGN | {"success": 0.3}], premises=6)
    expected = World(scenario).expected()
    call, deaths = 0, 1
    while deaths:
        call += 1
        world = World(scenario)
        deaths = run_and_die(world, [(call, share)], stride_us=600 * SECOND_US)
        assert world.stored() == expected, f"killed in call {call}"
    assert call > 200


def test_what_a_killed_gateway_forgets_would_be_seen():
    """Answers that nobody delivers again are missed: the test above can fail."""
    scenario = scenario_of(campaigns=[HASTY, CAMPAIGN | {"success": 0.3}], premises=6)
    expected = World(scenario).expected()
    outcomes = []
    for call in range(70, 110, 5):
        world = World(scenario)
        run_and_die(world, [(call, 0.0)], stride_us=600 * SECOND_US, is_redelivered=False)
        outcomes.append(world.stored() == expected)
    assert not all(outcomes)


def test_a_store_without_its_due_entries_would_be_seen():
    """A gateway whose time-outs are not scheduled leaves commands open."""

    class Forgetful(MemoryCommandTables):
        def schedule(self, dues):
            super().schedule([(place, due) for place, due in dues if due.attempt == 1 and due.kind == 1])

    world = World(scenario_of(campaigns=[CAMPAIGN | {"success": 0.3}], premises=30), Forgetful())
    control = StoreControl(world.store(), world.plan)
    work_stride(control, world.meters, 60 * SECOND_US)
    for until_us in range(0, UNTIL_US, 60 * SECOND_US):
        work_stride(control, world.meters, until_us + 60 * SECOND_US)
    assert world.stored() != world.expected()
