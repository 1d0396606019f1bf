"""The storm's clock starts at `run.replay_from_h`: what is due before is left out, the rest keeps its pace and its order."""

import numpy as np

from loadtests.workload.trace_source import TraceSource, make_templates
from scenarios.parts.pace import Shape
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from sim.trace.blocks import trace_blocks
from store.schemas import SCHEMAS

WALL_S = 120.0


def scenario_of(replay_from_h: float) -> Scenario:
    return Scenario.model_validate(
        {
            "title": "the second day",
            "estate": {"premises": 40, "upload_window_h": 24.0, "read_schedules": {"daily": 0.7, "half_hourly": 0.3}},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": WALL_S, "replay_from_h": replay_from_h},
        }
    )


def due_s_of(scenario: Scenario) -> np.ndarray:
    """When each operation of the workload is due, in wall time."""
    schema = SCHEMAS["home_months"]
    templates = make_templates(scenario, schema, dict.fromkeys((one.cql for one in schema.statements), bytes(16)))
    source = TraceSource(scenario, build_estate(scenario), templates, shard=0, shard_count=1)
    blocks = []
    while (block := source.next_block()) is not None:
        blocks.append(block.rows["due_us"] / 1e6)
    return np.concatenate(blocks)


def test_what_is_due_before_is_left_out_and_the_rest_takes_the_whole_wall_time() -> None:
    scenario = scenario_of(24.0)
    messages = list(trace_blocks(build_estate(scenario)))
    due_h = np.concatenate([block.due_us for block in messages]) / 3.6e9
    expected = ((due_h - 24.0) / 24.0 * WALL_S)[due_h >= 24.0]
    found = due_s_of(scenario)
    assert 0 < len(found) == len(expected) < len(due_h)
    assert np.abs(np.sort(found) - np.sort(expected)).max() < 2e-6  # whole microseconds of wall time
    assert 0 <= found.min() < WALL_S / 10 and WALL_S * 9 / 10 < found.max() < WALL_S
    assert (np.diff(found) >= 0).all()
    assert scenario.speed_up == 24 * 3_600 / WALL_S
    assert len(due_s_of(scenario_of(0.0))) == len(due_h)


def test_a_shape_moves_when_operations_are_due_and_loses_none() -> None:
    even, spiked = scenario_of(24.0), scenario_of(24.0).with_shape(Shape.SPIKE)
    due_s, moved_s = due_s_of(even), due_s_of(spiked)
    simulated_us = even.replay_from_us + due_s / WALL_S * (even.span_us - even.replay_from_us)
    expected_s = spiked.pace.wall_us_of(simulated_us.astype(np.int64)) / 1e6
    assert len(moved_s) == len(due_s) and np.abs(moved_s - expected_s).max() < 1e-5
    spike = (moved_s > 0.45 * WALL_S) & (moved_s < 0.55 * WALL_S)
    assert spike.mean() > 0.2  # a tenth of the time
    assert (np.diff(moved_s) >= 0).all()
