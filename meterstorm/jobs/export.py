"""What a simulation leaves as Parquet, for DuckDB, pandas and the like: the offered load, and the events of the trace.

A file is written beside its place as FILE.partial and moved there when it is whole: a reader never sees half of one, and
what failed leaves nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from meterstorm.outcomes.simulation import SECOND_US, operation_name
from scenarios.domain import PARTITION_COUNT, premises_of_mpxn
from scenarios.spec import Scenario, ScenarioError
from sim.estate.lookup import meter_of, mpxn_of, split_meter
from sim.estate.model import EstateModel
from sim.trace.blocks import MessageBlock, trace_blocks
from sim.trace.messages import MessageKind
from sim.trace.windows import expected_before
from sim.units import IntArray
from sim.virtual_time.summary import Simulation

EVENTS_MAX = 200_000_000  # some 2 GB of Parquet
HOUR_US = 3_600 * SECOND_US
_NAME = pa.dictionary(pa.int8(), pa.string())

OFFERED_SCHEMA = pa.schema(
    [("start_s", pa.int64()), ("width_s", pa.int32()), ("operation", _NAME), ("count", pa.int64())]
)
EVENT_SCHEMA = pa.schema(
    [
        ("due_us", pa.int64()),
        ("operation", _NAME),
        ("meter", pa.int64()),
        ("mpxn", pa.int64()),
        ("first_slot", pa.int32()),
        ("slot_count", pa.int32()),
        ("draw_index", pa.int32()),
        ("premises", pa.int64()),
        ("region", _NAME),
    ]
)


@cache
def _operations() -> pa.Array:
    """The names of all kinds: a dictionary's code is the kind's number. To make an array takes pandas, a second to load."""
    return pa.array([operation_name(kind) for kind in MessageKind])


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChoice:
    """Which events are exported: those due in from_us .. until_us - 1, of one meter or of all."""

    from_us: int
    until_us: int
    meter: int | None


def write_offered(simulation: Simulation, scenario: Scenario, path: Path) -> None:
    """The offered load by bin and operation, bins without any message left out."""
    kind, at = np.nonzero(simulation.offered)
    order = np.lexsort((kind, at))
    kind, at = kind[order], at[order]
    width_s = simulation.bin_us // SECOND_US
    columns = [
        pa.array(at * width_s, pa.int64()),
        pa.array(np.full(len(at), width_s, np.int32)),
        pa.DictionaryArray.from_arrays(pa.array(kind.astype(np.int8)), _operations()),
        pa.array(simulation.offered[kind, at]),
    ]
    with _writer(path, OFFERED_SCHEMA, scenario) as writer:
        writer.write_batch(pa.record_batch(columns, schema=writer.schema))


def choose_events(
    estate: EstateModel, *, from_h: float | None, until_h: float | None, meter: int | None
) -> EventChoice:
    """Check a choice of events against the estate. `meter` is an index, or a metering point's number.

    Raises ScenarioError for a window or meter that the estate has not, and for more than EVENTS_MAX events.
    """
    span_h = estate.span_us / HOUR_US
    from_us = round((from_h or 0.0) * HOUR_US)
    until_us = estate.span_us if until_h is None else min(round(until_h * HOUR_US), estate.span_us)
    if from_us >= estate.span_us:
        raise ScenarioError(f"--from-h {from_h:g} is beyond the end of the span, {span_h:g} h")
    if until_us <= from_us:
        raise ScenarioError(f"--until-h {until_h:g} must be after --from-h {from_h or 0:g}")
    if meter is not None:
        return EventChoice(from_us=from_us, until_us=until_us, meter=_meter_index(estate, meter))
    expected = expected_before(estate, until_us) - expected_before(estate, from_us)
    if expected > EVENTS_MAX:
        hours = (until_us - from_us) / HOUR_US
        raise ScenarioError(
            f"--export would write about {expected:,.0f} events, and may write {EVENTS_MAX:,}: narrow it with --from-h and "
            f"--until-h to about {hours * EVENTS_MAX / expected:.2g} of these {hours:.3g} h, or to one meter with --meter"
        )
    return EventChoice(from_us=from_us, until_us=until_us, meter=None)


def _meter_index(estate: EstateModel, number: int) -> int:
    if 0 <= number < estate.meter_count:
        return number
    point = premises_of_mpxn(np.array([number]))
    meter = int(meter_of(estate, point.premises, point.is_gas)[0])
    if meter < 0:
        raise ScenarioError(
            f"--meter {number}: the estate has no such meter; give an index from 0 to {estate.meter_count - 1}, "
            "or the MPAN or MPRN of one of them"
        )
    return meter


def export_events(
    estate: EstateModel,
    scenario: Scenario,
    choice: EventChoice,
    path: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> int:
    """Write the chosen events of the trace in due order, and return how many; `progress` is told the share done."""
    regions = pa.array([region.name for region in scenario.estate.regions])
    written = 0
    with _writer(path, EVENT_SCHEMA, scenario) as writer:
        for block in _chosen_blocks(estate, choice, progress):
            writer.write_batch(_batch(estate, block, regions, writer.schema))
            written += len(block)
    return written


def _chosen_blocks(
    estate: EstateModel, choice: EventChoice, progress: Callable[[float], None]
) -> Iterator[MessageBlock]:
    shard, shard_count = 0, 1
    if choice.meter is not None:  # of the whole trace, only the meter's partition need be made
        shard, shard_count = int(estate.partition_of(np.array([choice.meter]))[0]), PARTITION_COUNT
    for block in trace_blocks(estate, shard=shard, shard_count=shard_count, from_us=choice.from_us):
        at_us = int(block.due_us[-1])
        progress((min(at_us, choice.until_us) - choice.from_us) / (choice.until_us - choice.from_us))
        chosen = block.due_us < choice.until_us
        if choice.meter is not None:
            chosen &= block.meter == choice.meter
        if chosen.all():
            yield block
        elif chosen.any():
            yield _those(block, chosen.nonzero()[0])
        if at_us >= choice.until_us:
            return


def _those(block: MessageBlock, at: IntArray) -> MessageBlock:
    return MessageBlock(
        due_us=block.due_us[at],
        kind=block.kind[at],
        meter=block.meter[at],
        first_slot=block.first_slot[at],
        slot_count=block.slot_count[at],
        draw_index=block.draw_index[at],
    )


def _batch(estate: EstateModel, block: MessageBlock, regions: pa.Array, schema: pa.Schema) -> pa.RecordBatch:
    premises, _ = split_meter(estate, block.meter)
    columns = [
        pa.array(block.due_us),
        pa.DictionaryArray.from_arrays(pa.array(block.kind.astype(np.int8)), _operations()),
        pa.array(block.meter),
        pa.array(mpxn_of(estate, block.meter)),
        pa.array(block.first_slot),
        pa.array(block.slot_count),
        pa.array(block.draw_index),
        pa.array(premises),
        pa.DictionaryArray.from_arrays(pa.array(estate.region_of(premises).astype(np.int8)), regions),
    ]
    return pa.record_batch(columns, schema=schema)


@contextmanager
def _writer(path: Path, schema: pa.Schema, scenario: Scenario) -> Iterator[pq.ParquetWriter]:
    """A Parquet file that says which scenario and seed it comes from."""
    told = {
        "scenario": scenario.title,
        "seed": str(scenario.run.seed),
        "start": scenario.run.start.isoformat(),
    }
    partial = path.with_name(f"{path.name}.partial")
    try:
        with pq.ParquetWriter(partial, schema.with_metadata(told), compression="zstd") as writer:
            yield writer
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
