"""Values: kernels equal naive loops, registers never fall, energy is conserved, and no value depends on what surrounds it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.spec import Scenario
from sim.energy.registers import fill_registers, interval_wh_kernel, intervals_wh, register_wh, register_wh_kernel
from sim.estate.model import build_estate
from sim.kernels import kernel
from tests.oracles.naive_estate import NaiveEstate

DAYS = 9


def estate_of(seed: int = 1, days: int = DAYS, premises: int = 1_000, fuels: tuple[str, ...] = ("electricity", "gas")):
    return build_estate(
        Scenario.model_validate(
            {
                "title": "values",
                "estate": {"premises": premises, "fuels": fuels},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": days, "wall_s": 60, "seed": seed},
            }
        )
    )


seeds = st.integers(0, 2**32 - 1)
meters = st.integers(0, 1_999)
slots = st.integers(0, DAYS * 48)


@settings(deadline=None)
@given(seed=seeds, meter=meters, slot=slots)
def test_register_equals_the_naive_loop(seed, meter, slot):
    estate = estate_of(seed)
    expected = NaiveEstate(estate.parameters).register(meter, slot)
    assert register_wh(estate, np.array([meter]), np.array([slot], np.int32)).tolist() == [expected]
    assert register_wh_kernel(estate.packed, meter, slot) == expected


@settings(deadline=None)
@given(seed=seeds, meter=meters, first=st.integers(0, DAYS * 48 - 1), count=st.integers(1, 150))
def test_a_run_of_intervals_is_the_differences_of_its_registers(seed, meter, first, count):
    estate = estate_of(seed)
    count = min(count, DAYS * 48 - first)
    intervals = intervals_wh(estate, np.array([meter]), np.array([first], np.int32), count)[0]
    at = np.arange(first, first + count + 1, dtype=np.int32)
    registers = register_wh(estate, np.full(len(at), meter), at)
    assert intervals.tolist() == np.diff(registers).tolist()
    assert intervals.min() >= 0
    assert int(intervals.sum()) == registers[-1] - registers[0]


@settings(deadline=None)
@given(meter=meters, slot=st.integers(0, DAYS * 48 - 1))
def test_an_interval_alone_is_the_interval_in_its_run(meter, slot):
    estate = estate_of()
    alone = interval_wh_kernel(estate.packed, meter, slot)
    assert alone == intervals_wh(estate, np.array([meter]), np.array([0], np.int32), DAYS * 48)[0, slot]


@settings(deadline=None)
@given(first=slots, count=st.integers(1, 200))
def test_fill_registers_writes_no_further_than_its_array(first, count):
    estate = estate_of()
    count = min(count, DAYS * 48 - first + 1)
    around = np.full(count + 2, -1, np.int64)
    fill_registers(estate.packed, 5, first, around[1:-1])
    assert around[0] == around[-1] == -1
    at = np.arange(first, first + count, dtype=np.int32)
    assert around[1:-1].tolist() == register_wh(estate, np.full(count, 5), at).tolist()


@settings(max_examples=10, deadline=None)
@given(seed=seeds, days=st.integers(1, DAYS))
def test_values_do_not_depend_on_the_span_or_on_the_number_of_premises(seed, days):
    long, short = estate_of(seed), estate_of(seed, days, premises=10)
    meter = np.arange(20)
    first = np.zeros(20, np.int32)
    whole = intervals_wh(long, meter, first, DAYS * 48)
    assert (intervals_wh(short, meter, first, days * 48) == whole[:, : days * 48]).all()


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_seeds_and_meters_differ(seed):
    first = np.zeros(50, np.int32)
    one = intervals_wh(estate_of(seed), np.arange(50), first, 48)
    other = intervals_wh(estate_of((seed + 1) % 2**32), np.arange(50), first, 48)
    assert len(np.unique(one, axis=0)) == 50
    assert not (one == other).all(axis=1).any()


def test_values_are_callable_from_another_kernel():
    """As the audit does: its kernel recomputes what it compares."""
    estate = estate_of()

    @kernel
    def total_wh(p, meter, slot_count):
        total = 0
        for slot in range(slot_count):
            total += interval_wh_kernel(p, meter, slot)
        return total

    assert total_wh(estate.packed, 3, 96) == intervals_wh(estate, np.array([3]), np.zeros(1, np.int32), 96).sum()
