"""The trace as operations on the store: each message becomes the write or the query that a gateway would send.

A delivery is one write for the home's log and views, a customer's question one read. Blocks of some thousand messages are
made as they fall due; the engine says how many it keeps while the cluster is behind. Commands are not sent here but by
`loadtests.backend.command_gateway`, which waits for their answers.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.frames import FrameTemplate, has_length
from loadtests.workload.deliveries import (
    alert_columns,
    preference_columns,
    readings_of,
    registers_of,
    revisions_of,
    ten_second_columns,
)
from loadtests.workload.operations import OF_GATEWAY, QUERY_OF_KIND, Lane, lanes_of
from scenarios.domain import Operation
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.estate.lookup import cohorts_of, mpxn_of, split_meter, start_us_of
from sim.estate.model import EstateModel
from sim.trace.blocks import MessageBlock, MessageKind, trace_blocks
from store.designs.columns import derived
from store.rows import ESTIMATE_REVISION, Columns, Readings, home_columns, reading_columns
from store.tables import Schema

MESSAGES_PER_BLOCK_MIN, MESSAGES_PER_BLOCK_MAX = 1_024, 8_192
BLOCK_WALL_US = 1_000_000
"""A block is of a second of wall time within these bounds. Blocks are most of what a sender holds: of the smoke's 800 messages a
second four of 8,192 would be ready for 40 s, in 138 MiB of anonymous memory instead of 103 (2026-11-30)."""
PAGE_ROWS = 5_000  # a read's partition bound is below it, so that every query is one page


Templates = Mapping[tuple[Operation, int | None], FrameTemplate]


def make_templates(scenario: Scenario, schema: Schema, prepared_ids: Mapping[str, bytes]) -> Templates:
    """The frame templates of every operation: (operation, list length) -> template; the length is None without a list.

    prepared_ids: by the CQL of each statement of `schema.statements_of`, as it is written there.
    """
    templates: dict[tuple[Operation, int | None], FrameTemplate] = {}
    for operation in operations_of(scenario):
        is_listed = has_length(schema.statement(operation))
        for length in (0, 1, scenario.estate.slots_per_day) if is_listed else (None,):
            statement = schema.statement(operation, length)
            templates[operation, length] = FrameTemplate(
                statement,
                prepared_ids[statement.cql],
                scenario.topology.consistency.of(operation).wire_code,
                list_length=length,
                page_size=None if statement.is_write else PAGE_ROWS,
            )
    return templates


class TraceSource:
    """One shard's operations in due order: the source that a `loadtests.sender.engine.Engine` runs."""

    def __init__(
        self, scenario: Scenario, estate: EstateModel, templates: Templates, *, shard: int, shard_count: int
    ) -> None:
        self._estate = estate
        self._lanes = lanes_of(scenario)
        self._templates = templates
        self._pace = scenario.pace
        self._first: OperationBlock | None = None
        self._messages: Iterator[MessageBlock] = trace_blocks(
            estate,
            shard=shard,
            shard_count=shard_count,
            block_size_max=MESSAGES_PER_BLOCK_MAX,
            from_us=scenario.replay_from_us,
        )
        self._rest: MessageBlock | None = None  # of the last one

    def prime(self) -> None:
        """Make the first block now, kernels compiled and all, so that it is there when the storm's clock starts."""
        assert self._first is None, "primed twice"
        self._first = self.next_block()

    def next_block(self) -> OperationBlock | None:
        """The operations of the next messages, or None when the trace is over."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        messages = self._next_messages()
        if messages is None:
            return None
        groups: list[FrameGroup] = []
        for kind in MessageKind:
            chosen = np.flatnonzero(messages.kind == kind)
            if len(chosen) and kind not in OF_GATEWAY:
                groups += self._groups(
                    kind, _Chosen.of(messages, chosen), self._pace.wall_us_of(messages.due_us[chosen])
                )
        return assemble_block(groups)

    def _next_messages(self) -> MessageBlock | None:
        """The next messages, as many as make a block."""
        messages = self._rest or next(self._messages, None)
        if messages is None:
            return None
        wall_us = self._pace.wall_us_of(messages.due_us)
        end = max(int(np.searchsorted(wall_us, wall_us[0] + BLOCK_WALL_US)), MESSAGES_PER_BLOCK_MIN)
        self._rest = messages.part(end, len(messages)) if end < len(messages) else None
        return messages.part(0, end)

    def _groups(self, kind: MessageKind, sent: "_Chosen", wall_us: NDArray[np.int64]) -> Iterator[FrameGroup]:
        """The operations of messages of one kind."""
        estate, meter, slot = self._estate, sent.meter, sent.first_slot
        match kind:
            case MessageKind.PUSH_HALF_HOUR | MessageKind.UPLOAD_DAY:
                count = 1 if kind is MessageKind.PUSH_HALF_HOUR else estate.slots_per_day
                readings = readings_of(estate, meter=meter, first_slot=slot, slot_count=count)
                columns = reading_columns(Operation.INGEST_READING, self._as_received(readings, sent))
                yield self._group(
                    Lane(operation=Operation.INGEST_READING, has_plane=True), columns, sent, wall_us, count
                )
            case MessageKind.READ_REGISTER:
                readings = self._as_received(registers_of(estate, meter=meter, first_slot=slot), sent)
                columns = reading_columns(Operation.INGEST_REGISTER, readings)
                # the ledger marks the day's last slot, whose end the register is of
                last = dataclasses.replace(sent, first_slot=(slot + estate.slots_per_day - 1).astype(np.int32))
                yield self._group(Lane(operation=Operation.INGEST_REGISTER, has_plane=True), columns, last, wall_us, 1)
            case MessageKind.ESTIMATE | MessageKind.CORRECT:
                revisions = sent.draw_index if kind is MessageKind.CORRECT else np.full(len(meter), ESTIMATE_REVISION)
                for revision in np.unique(revisions).tolist():
                    rows = np.flatnonzero(revisions == revision)
                    part = sent.rows(rows)
                    revised = revisions_of(estate, meter=part.meter, first_slot=part.first_slot, revision=revision)
                    columns = reading_columns(Operation.INGEST_REVISION, revised)
                    lane = Lane(operation=Operation.INGEST_REVISION, revision=revision, has_plane=True)
                    yield self._group(lane, columns, part, wall_us[rows], 1)
            case MessageKind.PUSH_TEN_SECOND:
                columns = ten_second_columns(estate, meter, slot, sent.draw_index)
                yield self._group(Lane(operation=Operation.INGEST_TEN_SECOND), columns, sent, wall_us, 1)
            case MessageKind.ALERT:
                columns = alert_columns(estate, meter, sent.draw_index, slot)
                yield self._group(Lane(operation=Operation.RECORD_ALERT), columns, sent, wall_us, 1)
            case MessageKind.CHANGE_PREFERENCE:
                columns = preference_columns(estate, meter)
                yield self._group(Lane(operation=Operation.CHANGE_PREFERENCE), columns, sent, wall_us, 1)
            case _:
                lane = Lane(operation=QUERY_OF_KIND[kind])
                yield self._group(lane, self._query_columns(sent), sent, wall_us, estate.slots_per_day)

    def _as_received(self, readings: Readings, sent: "_Chosen") -> Readings:
        """With the instant at which this copy of a delivery arrives: a second one has its own."""
        return dataclasses.replace(readings, received_at_us=start_us_of(self._estate) + sent.due_us)

    def _query_columns(self, sent: "_Chosen") -> Columns:
        premises, is_gas = split_meter(self._estate, sent.meter)
        day_start_us = start_us_of(self._estate) + sent.first_slot.astype(np.int64) * self._estate.slot_us
        columns = home_columns(premises, is_gas.astype(np.int8), day_start_us)
        return dict(columns) | {"cohort": cohorts_of(self._estate, premises)}

    def _group(
        self, lane: Lane, columns: Columns, sent: "_Chosen", wall_us: NDArray[np.int64], slot_count: int
    ) -> FrameGroup:
        mutable: dict[str, NDArray[Any]] = dict(columns)
        length = mutable["values_wh"].shape[1] if "values_wh" in mutable else None
        template = self._templates[lane.operation, length]
        missing = template.bind_names - mutable.keys()
        if missing:  # what only the designs of others bind
            if "mpxn" in missing:
                mutable["mpxn"] = mpxn_of(self._estate, sent.meter)
            mutable |= derived(mutable, missing - {"mpxn"}, self._estate.slot_us)
        premises, _ = split_meter(self._estate, sent.meter)
        return FrameGroup(
            operation=self._lanes.index(lane),
            due_us=wall_us,
            meter=sent.meter,
            first_slot=sent.first_slot,
            slot_count=np.full(len(sent.meter), slot_count, np.int32),
            token=template.tokens(mutable),
            dc=self._estate.home_dc_of(premises),  # an index into the ring's DCs, which are the business ones
            frames=template.encode(mutable),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Messages of one kind, as columns of one length."""

    due_us: NDArray[np.int64]
    meter: NDArray[np.int64]
    first_slot: NDArray[np.int32]
    draw_index: NDArray[np.int32]

    @staticmethod
    def of(messages: MessageBlock, rows: NDArray[np.intp]) -> "_Chosen":
        return _Chosen(
            due_us=messages.due_us[rows],
            meter=messages.meter[rows],
            first_slot=messages.first_slot[rows],
            draw_index=messages.draw_index[rows],
        )

    def rows(self, rows: NDArray[np.intp]) -> "_Chosen":
        return _Chosen(
            due_us=self.due_us[rows],
            meter=self.meter[rows],
            first_slot=self.first_slot[rows],
            draw_index=self.draw_index[rows],
        )
