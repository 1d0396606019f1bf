"""The storm's clock starts at `run.replay_from_h`: what is due before is left out, the rest keeps its pace and its order."""

from pathlib import Path

import numpy as np

from loadtests.cluster.connect import Endpoint
from loadtests.shard_messages import ShardPlan
from loadtests.workload import OPERATIONS, OPERATIONS_OF_KIND, Workload, make_templates
from scenarios.spec import Scenario
from sim.estate import build_estate
from sim.trace import MessageKind, trace_blocks
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


def due_s_of(scenario: Scenario, tmp_path: Path) -> np.ndarray:
    """When each operation of the workload is due, in wall time."""
    schema = SCHEMAS["packed_runs"]
    plan = ShardPlan(
        scenario=scenario,
        estate=build_estate(scenario),
        schema="packed_runs",
        endpoint=Endpoint(contact_points=("127.0.0.1",), local_dc="one"),
        shard=0,
        shard_count=1,
        ledger_folder=tmp_path,
        live_path=tmp_path / "live",
    )
    workload = Workload(plan, make_templates(scenario, schema, dict.fromkeys(OPERATIONS, bytes(16))))
    blocks = []
    while (block := workload.next_block()) is not None:
        blocks.append(block.rows["due_us"] / 1e6)
    return np.concatenate(blocks)


def test_what_is_due_before_is_left_out_and_the_rest_takes_the_whole_wall_time(tmp_path: Path) -> None:
    scenario = scenario_of(24.0)
    messages = list(trace_blocks(build_estate(scenario)))
    due_h = np.concatenate([block.due_us for block in messages]) / 3.6e9
    kinds = np.concatenate([block.kind for block in messages])
    each = np.array([len(OPERATIONS_OF_KIND.get(kind, ())) for kind in MessageKind])[kinds]
    expected = np.repeat((due_h - 24.0) / 24.0 * WALL_S, each)[np.repeat(due_h >= 24.0, each)]
    found = due_s_of(scenario, tmp_path)
    assert 0 < len(found) < len(np.repeat(due_h, each))
    assert np.abs(np.sort(found) - np.sort(expected)).max() < 2e-6  # whole microseconds of wall time
    assert 0 <= found.min() < WALL_S / 10 and WALL_S * 9 / 10 < found.max() < WALL_S
    assert (np.diff(found) >= 0).all()
    assert scenario.speed_up == 24 * 3_600 / WALL_S
    assert len(due_s_of(scenario_of(0.0), tmp_path)) == each.sum()
