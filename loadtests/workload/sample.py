"""The load of the matrix: a fixed sample of the scenario's own operations, sent over and over at a steady rate.

A scenario's trace changes its mix with the hour, and a faster cell would get further into the day than a slower one. So
operations are drawn from the whole span, put into an order that is drawn from the seed, and every cell is sent the same
ones. The second time round each write replaces a row by itself: writes are idempotent, and what the store holds is bounded.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import OperationBlock
from loadtests.workload.operations import OF_GATEWAY
from loadtests.workload.trace_source import TraceSource, make_templates
from scenarios.domain import PARTITION_COUNT
from scenarios.spec import Scenario, ScenarioError
from sim.estate.model import EstateModel
from sim.trace.blocks import trace_blocks
from store.tables import Schema

SAMPLE_MAX = 20_000  # operations; some 8 MB of frames a cell
_SAMPLE_DRAW = 0x5A3


def sample_of(
    scenario: Scenario, estate: EstateModel, schema: Schema, prepared_ids: Mapping[str, bytes]
) -> OperationBlock:
    """Up to SAMPLE_MAX operations of the whole span, in an order drawn from the seed; all are due at 0.

    Which operations they are depends on the scenario's estate, traffic and seed alone: cells differ in their frames'
    statement and level. Of a large estate they are all operations of some homes. Commands are left out.
    Raises ScenarioError for a scenario that sends nothing.
    """
    templates = make_templates(scenario, schema, prepared_ids)
    source = TraceSource(scenario, estate, templates, shard=0, shard_count=shard_count(estate))
    rows, frames, size = [], [], 0
    while (block := source.next_block()) is not None:
        part = block.rows.copy()
        part["frame_offset"] += size
        rows.append(part)
        frames.append(block.frames)
        size += block.frames.size
    if not size:
        raise ScenarioError(f"the scenario '{scenario.title}' sends nothing that the matrix could measure")
    merged: NDArray[np.void] = np.concatenate(rows)
    order = np.random.default_rng([_SAMPLE_DRAW, scenario.run.seed]).permutation(len(merged))[:SAMPLE_MAX]
    merged = merged[order]
    merged["due_us"] = 0
    return OperationBlock(rows=merged, frames=np.concatenate(frames))


def operations_a_day(estate: EstateModel) -> float:
    """How many operations the whole estate sends in a day of the scenario, in the mean: counted in as much of it as is sampled.

    Commands are left out.
    """
    parts = shard_count(estate)
    sent = [~np.isin(block.kind, list(OF_GATEWAY)) for block in trace_blocks(estate, shard=0, shard_count=parts)]
    return sum(int(each.sum()) for each in sent) * parts / estate.day_count


def shard_count(estate: EstateModel) -> int:
    """Into how many parts the estate is cut so that one holds about SAMPLE_MAX messages, by a count of a 64th of it."""
    parts = 64
    counted = sum(len(block.due_us) for block in trace_blocks(estate, shard=0, shard_count=parts))
    return min(max(counted * parts // SAMPLE_MAX, 1), PARTITION_COUNT)
