"""Shapes of the load: the same trace, due at other moments."""

import numpy as np
import pytest

from scenarios.parts.pace import SHAPES, Pace, Shape, Stretch
from scenarios.spec import Scenario, ScenarioError, parse_scenario

DAY_US = 86_400_000_000
FROM_US, UNTIL_US, WALL_US = DAY_US, 3 * DAY_US, 600_000_000
TEXT = """
title = "a shape"
[estate]
premises = 10
[topology]
dcs = [{{ name = "one", nodes = 1, rf = 1 }}]
[run]
wall_s = 600
{run}
"""


def pace_of(stretches: tuple[Stretch, ...]) -> Pace:
    return Pace.of(stretches, from_us=FROM_US, until_us=UNTIL_US, wall_us=WALL_US)


def counts_of(stretches: tuple[Stretch, ...], bins: int) -> np.ndarray:
    """How many of 100,000 operations, even in simulated time, fall due in equal parts of the wall time, as shares."""
    due_us = pace_of(stretches).wall_us_of(np.linspace(FROM_US, UNTIL_US, 100_000, endpoint=False).astype(np.int64))
    assert (np.diff(due_us) >= 0).all() and due_us[0] == 0 and due_us[-1] < WALL_US
    return np.histogram(due_us, bins, (0, WALL_US))[0] / 100_000


def test_the_trace_goes_by_evenly() -> None:
    assert counts_of(SHAPES[Shape.TRACE], 10) == pytest.approx([0.1] * 10, abs=1e-4)


def test_a_spike_is_five_times_the_load_for_a_tenth_of_the_time() -> None:
    shares = counts_of(SHAPES[Shape.SPIKE], 20)
    assert shares[9:11] == pytest.approx([5 * shares[0]] * 2, rel=1e-3)
    assert shares[:9] == pytest.approx(shares[11:], rel=1e-3)


def test_steps_are_four_of_one_length_each_as_much_higher() -> None:
    assert counts_of(SHAPES[Shape.STEPS], 4) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-4)


def test_a_ramp_rises_in_a_straight_line_from_a_tenth() -> None:
    shares = counts_of(SHAPES[Shape.RAMP], 10)
    assert np.diff(shares) == pytest.approx([np.diff(shares)[0]] * 9, rel=0.02)
    assert shares[9] / shares[0] == pytest.approx(0.955 / 0.145, rel=0.01)


def test_a_shape_of_ones_own() -> None:
    own = (Stretch(share=0.5, speed=3.0), Stretch(share=0.5, speed=1.0, to_speed=2.0))
    assert counts_of(own, 2) == pytest.approx([3 / 4.5, 1.5 / 4.5], abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_way_back_is_the_same(shape: Shape) -> None:
    pace = pace_of(SHAPES[shape])
    for wall_s in (0.0, 1.0, 270.0, 300.5, 599.0):
        simulated_us = pace.simulated_us_at(wall_s)
        assert pace.wall_s_at(simulated_us) == pytest.approx(wall_s, abs=1e-4)
        assert pace.hours_of([wall_s])[0] == pytest.approx(simulated_us / 3.6e9)
    beyond_s = np.array([-10.0, 0.0, 600.0, 700.0])
    assert pace.wall_s_of_hours(pace.hours_of(beyond_s)) == pytest.approx(beyond_s)  # an axis is longer than the storm
    assert pace.simulated_us_at(-5.0) == FROM_US and pace.simulated_us_at(700.0) == UNTIL_US - 1


def scenario(run: str) -> Scenario:
    return parse_scenario(TEXT.format(run=run), "a.toml")


def test_a_scenario_has_the_trace_a_name_or_stretches() -> None:
    assert scenario("").run.shape is Shape.TRACE
    own = scenario("stretches = [{ share = 0.5, speed = 1.0 }, { share = 0.5, speed = 3.0 }]")
    half_us = own.pace.simulated_us_at(300.0)
    assert half_us == pytest.approx(own.span_us / 4, abs=2)
    named = own.with_shape(Shape.STEPS)
    assert named.run.stretches == () and named.pace.simulated_us_at(300.0) == pytest.approx(own.span_us * 0.3, abs=2)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ('shape = "wave"', "run.shape = 'wave': Input should be 'trace', 'ramp', 'steps' or 'spike'"),
        ("stretches = [{ share = 0.5, speed = 1.0 }]", "the shares of stretches add up to 0.5, and must to 1"),
        ("stretches = [{ share = 1.0, speed = 0.0 }]", "run.stretches.0.speed = 0.0"),
        (
            'shape = "spike"\nstretches = [{ share = 1.0, speed = 1.0 }]',
            "shape 'spike' and stretches exclude each other; leave out one of the two",
        ),
    ],
)
def test_what_is_no_shape_is_told(run: str, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario(run)
    assert told in str(error.value) and len(str(error.value).splitlines()) == 1
