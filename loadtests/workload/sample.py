"""The load of the matrix: a fixed sample of the scenario's own operations, sent over and over at a steady rate.

A scenario's trace changes its mix with the hour, and a faster cell would get further into the day than a slower one. So
operations are drawn from the whole span, put into an order that is drawn from the seed, and every cell is sent the same
ones. The second time round each write replaces a row by itself: writes are idempotent, and what the store holds is bounded.

Where it matters when a row comes, as it does to compaction, the operations are kept in the order in which they fall due, and a
share of the deliveries comes days later: `ordered_sample_of`. Such a sample is sent once.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import OperationBlock
from loadtests.workload.operations import OF_GATEWAY, lanes_of
from loadtests.workload.trace_source import TraceSource, make_templates
from scenarios.domain import DAY_US, PARTITION_COUNT, Operation
from scenarios.spec import Scenario, ScenarioError
from sim.estate.model import EstateModel
from sim.trace.blocks import trace_blocks
from store.tables import Schema

SAMPLE_MAX = 20_000  # operations; some 8 MB of frames a cell
ORDERED_MAX = 60_000
LATE_DAYS = (1.0, 7.0)  # that a late delivery comes after it was due: beyond a time window of a day
_SAMPLE_DRAW = 0x5A3
_LATE_DRAW = 0x1A7E


def sample_of(
    scenario: Scenario, estate: EstateModel, schema: Schema, prepared_ids: Mapping[str, bytes]
) -> OperationBlock:
    """Up to SAMPLE_MAX operations of the whole span, in an order drawn from the seed; all are due at 0.

    Which operations they are depends on the scenario's estate, traffic and seed alone: cells differ in their frames'
    statement and level. Of a large estate they are all operations of some homes. Commands are left out.
    Raises ScenarioError for a scenario that sends nothing.
    """
    merged, frames = _merged(scenario, estate, schema, prepared_ids, SAMPLE_MAX)
    order = np.random.default_rng([_SAMPLE_DRAW, scenario.run.seed]).permutation(len(merged))[:SAMPLE_MAX]
    merged = merged[order]
    merged["due_us"] = 0
    return OperationBlock(rows=merged, frames=frames)


def ordered_sample_of(
    scenario: Scenario, estate: EstateModel, schema: Schema, prepared_ids: Mapping[str, bytes], late_share: float
) -> OperationBlock:
    """Up to ORDERED_MAX operations in the order in which they fall due, but a share of the deliveries LATE_DAYS after that.

    What would come after the scenario's end is left out; all are due at 0. Who is late with a smaller share is so with a larger
    one too. Commands are left out. Raises ScenarioError for a scenario that sends nothing, or whose span is too short for it.
    """
    require_late_span(scenario)
    merged, frames = _merged(scenario, estate, schema, prepared_ids, ORDERED_MAX)
    pace = scenario.pace
    due_us = np.interp(merged["due_us"], pace.wall_us, pace.simulated_us)
    order = arrival_order(due_us, _is_delivery(scenario, merged), late_share, scenario.run.seed)
    merged = merged[order[:ORDERED_MAX]]
    merged["due_us"] = 0
    return OperationBlock(rows=merged, frames=frames)


def require_late_span(scenario: Scenario) -> None:
    """Raises ScenarioError where most of what is late would come after the scenario's end."""
    if scenario.run.days <= LATE_DAYS[1]:
        raise ScenarioError(
            f"run.days = {scenario.run.days}: what is late comes {LATE_DAYS[0]:g} to {LATE_DAYS[1]:g} days after it was due, so "
            f"a tournament with late deliveries needs more than {LATE_DAYS[1]:g} days"
        )


def _is_delivery(scenario: Scenario, rows: NDArray[np.void]) -> NDArray[np.bool_]:
    chosen = [index for index, lane in enumerate(lanes_of(scenario)) if lane.operation is Operation.INGEST_READING]
    found: NDArray[np.bool_] = np.isin(rows["operation"], chosen)
    return found


def arrival_order(
    due_us: NDArray[np.float64], may_be_late: NDArray[np.bool_], late_share: float, seed: int
) -> NDArray[np.intp]:
    """The order in which they come, without those that come after the last one is due. Pure."""
    random = np.random.default_rng([_LATE_DRAW, seed])
    is_late = may_be_late & (random.random(len(due_us)) < late_share)
    comes_us = due_us + is_late * random.uniform(*LATE_DAYS, len(due_us)) * DAY_US
    order = np.argsort(comes_us, kind="stable")
    in_time: NDArray[np.intp] = order[comes_us[order] <= due_us.max()]
    return in_time


def _merged(
    scenario: Scenario, estate: EstateModel, schema: Schema, prepared_ids: Mapping[str, bytes], size_max: int
) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """All operations of the whole span, about so many at most: rows and the frames of them."""
    templates = make_templates(scenario, schema, prepared_ids)
    source = TraceSource(scenario, estate, templates, shard=0, shard_count=shard_count(estate, size_max))
    rows, frames, size = [], [], 0
    while (block := source.next_block()) is not None:
        part = block.rows.copy()
        part["frame_offset"] += size
        rows.append(part)
        frames.append(block.frames)
        size += block.frames.size
    if not size:
        raise ScenarioError(f"the scenario '{scenario.title}' sends nothing that the matrix could measure")
    return np.concatenate(rows), np.concatenate(frames)


def operations_a_day(estate: EstateModel) -> float:
    """How many operations the whole estate sends in a day of the scenario, in the mean: counted in as much of it as is sampled.

    Commands are left out.
    """
    parts = shard_count(estate, SAMPLE_MAX)
    sent = [~np.isin(block.kind, list(OF_GATEWAY)) for block in trace_blocks(estate, shard=0, shard_count=parts)]
    return sum(int(each.sum()) for each in sent) * parts / estate.day_count


def shard_count(estate: EstateModel, size_max: int) -> int:
    """Into how many parts the estate is cut so that one holds about so many messages, by a count of a 64th of it."""
    parts = 64
    counted = sum(len(block.due_us) for block in trace_blocks(estate, shard=0, shard_count=parts))
    return min(max(counted * parts // size_max, 1), PARTITION_COUNT)
