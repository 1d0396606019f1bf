"""Blocks of the trace: small where little is due, so that a sender holds little, and all of it in order."""

import numpy as np
import pytest

from loadtests.workload import trace_source
from loadtests.workload.trace_source import TraceSource, make_templates
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from store.schemas import SCHEMAS

WALL_S = 100.0


def blocks_of(minimum: int, maximum: int, wall_us: int, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    monkeypatch.setattr(trace_source, "MESSAGES_PER_BLOCK_MIN", minimum)
    monkeypatch.setattr(trace_source, "MESSAGES_PER_BLOCK_MAX", maximum)
    monkeypatch.setattr(trace_source, "BLOCK_WALL_US", wall_us)
    scenario = Scenario.model_validate(
        {
            "title": "blocks",
            "estate": {"premises": 30, "upload_window_h": 1.0, "read_schedules": {"daily": 0.9, "half_hourly": 0.1}},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"days": 1, "wall_s": WALL_S},
        }
    )
    schema = SCHEMAS["home_months"]
    templates = make_templates(scenario, schema, dict.fromkeys((one.cql for one in schema.statements), bytes(16)))
    source = TraceSource(scenario, build_estate(scenario), templates, shard=0, shard_count=1)
    blocks = []
    while (block := source.next_block()) is not None:
        blocks.append(block.rows.copy())
    return blocks


def test_a_block_is_of_a_stretch_of_time_within_its_bounds_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minimum, maximum, wall_us = 5, 12, 8_000_000
    whole = np.concatenate(blocks_of(10**6, 10**6, 10**9, monkeypatch))
    blocks = blocks_of(minimum, maximum, wall_us, monkeypatch)
    parts = np.concatenate(blocks)
    for name in ("due_us", "token", "meter", "first_slot", "slot_count", "frame_size", "operation", "dc"):
        assert np.array_equal(parts[name], whole[name]), name
    lengths = [len(block) for block in blocks]
    assert max(lengths) == maximum and minimum in lengths  # uploads of an hour, and pushes of a day
    for block in blocks:
        stretch_us = int(block["due_us"][-1] - block["due_us"][0])
        assert stretch_us < wall_us or len(block) <= minimum
