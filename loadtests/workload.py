"""The trace as operations on the store: each message becomes the writes or the query that a gateway would send.

One message is a group of operations that fall due together: a delivery is appended to the log and written to every view,
a customer's question is one read. Blocks of some thousand messages are made as they fall due; the engine says how many it
keeps while the cluster is behind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.deliveries import mpxn_of, readings_of, split_meter, start_us_of
from loadtests.shard_messages import ShardPlan
from loadtests.wire.block import FrameGroup, OperationBlock, assemble_block
from loadtests.wire.frames import FrameTemplate
from scenarios.domain import SLOT_US, SLOTS_PER_DAY, WRITE_OPERATIONS, Operation
from scenarios.spec import Scenario, ScenarioError
from sim.trace import MessageBlock, MessageKind, trace_blocks
from store.rows import Columns, query_columns, reading_columns
from store.tables import CqlType, Schema

OPERATIONS = tuple(Operation)
"""The run's operations; a block's `operation` is an index into it."""

OPERATIONS_OF_KIND: Mapping[MessageKind, tuple[Operation, ...]] = {
    MessageKind.PUSH_HALF_HOUR: WRITE_OPERATIONS,
    MessageKind.UPLOAD_DAY: WRITE_OPERATIONS,
    MessageKind.ASK_USAGE_MONTH: (Operation.READ_USAGE_MONTH,),
    MessageKind.ASK_INTERVALS_DAY: (Operation.READ_INTERVALS_DAY,),
    MessageKind.ASK_STATE: (Operation.READ_STATE,),
}

READING_KINDS = (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY)

MESSAGES_PER_BLOCK = 8_192
PAGE_ROWS = 5_000  # a read's partition bound is below it, so that every query is one page


def require_carried(scenario: Scenario) -> None:
    """Raises ScenarioError for a scenario with messages that no operation of the store carries yet: nothing is left out."""
    estate, reads, traffic = scenario.estate, scenario.reads, scenario.traffic
    not_carried = {
        "estate.read_schedules.monthly": estate.read_schedules.monthly,
        "estate.read_schedules.ten_second": estate.read_schedules.ten_second,
        "estate.meter_types.register_only": estate.meter_types.register_only,
        "estate.schedule_changes": len(estate.schedule_changes),
        "reads.gap_share": reads.gap_share,
        "reads.duplicate_share": reads.duplicate_share,
        "reads.settlement_runs": len(reads.settlement_runs),
        "alerts.per_hub_day": scenario.alerts.per_hub_day,
        "alerts.storms": len(scenario.alerts.storms),
        "campaigns": len(scenario.campaigns),
        "traffic.comparison_per_premises_day": traffic.comparison_per_premises_day,
        "traffic.bill_per_premises_day": traffic.bill_per_premises_day,
        "traffic.ihd_refresh_per_premises_day": traffic.ihd_refresh_per_premises_day,
    }
    asked = [field for field, value in not_carried.items() if value]
    if asked:
        raise ScenarioError(
            f"the store can't carry what {', '.join(asked)} would send yet: set to 0 or leave out to run it, "
            "or see it in virtual time with `meterstorm simulate`"
        )


Templates = Mapping[tuple[Operation, int | None], FrameTemplate]


def make_templates(scenario: Scenario, schema: Schema, prepared_ids: Mapping[Operation, bytes]) -> Templates:
    """The frame templates of every operation: (operation, list length) -> template; the length is None without a list."""
    templates: dict[tuple[Operation, int | None], FrameTemplate] = {}
    for operation in OPERATIONS:
        statement = schema.statement(operation)
        has_list = any(bind.type is CqlType.INT_LIST for bind in statement.binds)
        for length in (1, SLOTS_PER_DAY) if has_list else (None,):
            templates[operation, length] = FrameTemplate(
                statement,
                prepared_ids[operation],
                scenario.topology.consistency.of(operation).wire_code,
                list_length=length,
                page_size=None if statement.is_write else PAGE_ROWS,
            )
    return templates


class Workload:
    """One shard's operations in due order: the source that a `loadtests.wire.engine.Engine` runs."""

    def __init__(self, plan: ShardPlan, templates: Templates) -> None:
        estate = plan.estate
        self._estate = estate
        self._templates = templates
        self._from_us = plan.scenario.replay_from_us
        self._wall_us = round(plan.scenario.run.wall_s * 1_000_000)
        self._span_us = estate.span_us - self._from_us
        self._first: OperationBlock | None = None
        self._messages: Iterator[MessageBlock] = trace_blocks(
            estate,
            shard=plan.shard,
            shard_count=plan.shard_count,
            block_size_max=MESSAGES_PER_BLOCK,
            from_us=self._from_us,
        )

    def prime(self) -> None:
        """Make the first block now, kernels compiled and all, so that it is there when the storm's clock starts."""
        assert self._first is None, "primed twice"
        self._first = self.next_block()

    def next_block(self) -> OperationBlock | None:
        """The operations of the next messages, or None when the trace is over."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        messages = next(self._messages, None)
        if messages is None:
            return None
        groups: list[FrameGroup] = []
        for kind in MessageKind:
            chosen = np.flatnonzero(messages.kind == kind)
            if not len(chosen):
                continue
            wall_us = self._wall_of(messages.due_us[chosen])
            groups += self._groups(
                OPERATIONS_OF_KIND[kind], messages.meter[chosen], messages.first_slot[chosen], kind, wall_us
            )
        return assemble_block(groups)

    def _wall_of(self, due_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Simulated to wall time since the replay's start [us]. Their product would not fit in an int64: by the ratio."""
        return ((due_us - self._from_us) * (self._wall_us / self._span_us)).astype(np.int64)

    def _groups(
        self,
        operations: tuple[Operation, ...],
        meter: NDArray[np.int64],
        first_slot: NDArray[np.int32],
        kind: MessageKind,
        wall_us: NDArray[np.int64],
    ) -> Iterator[FrameGroup]:
        length = 1 if kind is MessageKind.PUSH_HALF_HOUR else SLOTS_PER_DAY
        premises, _ = split_meter(self._estate, meter)
        dc = self._estate.home_dc_of(premises)  # an index into the ring's DCs, which are the business ones
        if kind in READING_KINDS:
            readings = readings_of(self._estate, meter=meter, first_slot=first_slot, slot_count=length)
            for operation in operations:
                columns = reading_columns(operation, readings)
                yield self._group(operation, columns, meter, first_slot, length, wall_us, dc)
        else:
            for operation in operations:
                columns = self._query_columns(operation, meter, first_slot)
                yield self._group(operation, columns, meter, first_slot, length, wall_us, dc)

    def _query_columns(self, operation: Operation, meter: NDArray[np.int64], first_slot: NDArray[np.int32]) -> Columns:
        return query_columns(
            operation,
            mpxn=mpxn_of(self._estate, meter),
            premises=split_meter(self._estate, meter)[0],
            day_start_us=start_us_of(self._estate) + first_slot.astype(np.int64) * SLOT_US,
        )

    def _group(
        self,
        operation: Operation,
        columns: Columns,
        meter: NDArray[np.int64],
        first_slot: NDArray[np.int32],
        length: int,
        wall_us: NDArray[np.int64],
        dc: NDArray[np.uint8],
    ) -> FrameGroup:
        template = self._templates.get((operation, length)) or self._templates[operation, None]
        mutable: dict[str, NDArray[Any]] = dict(columns)
        return FrameGroup(
            operation=OPERATIONS.index(operation),
            due_us=wall_us,
            meter=meter,
            first_slot=first_slot,
            slot_count=np.full(len(meter), length, np.int32),
            token=template.tokens(mutable),
            dc=dc,
            frames=template.encode(mutable),
        )
