"""What the wire engine's tests run: one insert, sources of it at a steady rate, and engines on stub servers."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from loadtests.recording.histograms import COUNTS_SIZE, Counts
from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.recorder import IntervalSnapshot
from loadtests.sender.ring import ring_of_nodes
from loadtests.stubs.scripted_node import StubServer, prepared_id_of
from scenarios.domain import ConsistencyLevel, Operation
from store.tables import Bind, CqlType, Statement

INSERT = Statement(
    operation=Operation.INGEST_READING,
    cql="INSERT INTO {keyspace}.readings (meter, slot, wh) VALUES (?, ?, ?)",
    binds=(
        Bind(name="meter", type=CqlType.BIGINT),
        Bind(name="slot", type=CqlType.INT),
        Bind(name="wh", type=CqlType.INT),
    ),
    partition_key=("meter",),
    is_write=True,
)
CQL = INSERT.cql.format(keyspace="stub")
TEMPLATE = FrameTemplate(INSERT, prepared_id_of(CQL), ConsistencyLevel.LOCAL_QUORUM.wire_code)


class SteadySource:
    """`count` inserts at `rate_per_s`, number i of meter `i % meters`, its next slot, in blocks of `block_size`."""

    def __init__(
        self,
        count: int,
        rate_per_s: float,
        *,
        meters: int = 100,
        block_size: int = 200,
        template: FrameTemplate = TEMPLATE,
        dcs: int = 1,
    ) -> None:
        self.count, self.rate_per_s, self.meters, self.block_size = count, rate_per_s, meters, block_size
        self.template, self.dcs = template, dcs
        self.made = 0

    def due_us(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """When each operation is due: int64[count] [us since the start]."""
        return (np.arange(self.count) * (1e6 / self.rate_per_s)).astype(np.int64)

    def next_block(self) -> OperationBlock | None:
        if self.made >= self.count:
            return None
        number = np.arange(self.made, min(self.made + self.block_size, self.count))
        self.made += len(number)
        meter, slot = number % self.meters, (number // self.meters).astype(np.int32)
        columns = {"meter": meter, "slot": slot, "wh": number}
        group = FrameGroup(
            operation=0,
            due_us=self.due_us()[number],
            meter=meter,
            first_slot=slot,
            slot_count=np.ones(len(number), dtype=np.int32),
            token=self.template.tokens(columns),
            dc=(meter % self.dcs).astype(np.uint8),
            frames=self.template.encode(columns),
        )
        return assemble_block([group])


class Disturbed(SteadySource):
    """200 inserts a second while a thread disturbs the cluster, and `after_s` more: links are tried again each 5 s at least."""

    RATE_PER_S = 200

    def __init__(
        self,
        thread: threading.Thread,
        *,
        template: FrameTemplate,
        after_s: int,
        dcs: int = 1,
        count_max: int = 1_000_000,
    ) -> None:
        super().__init__(count_max, self.RATE_PER_S, template=template, block_size=self.RATE_PER_S, dcs=dcs)
        self._thread, self._after = thread, after_s * self.RATE_PER_S
        self._is_over = False

    def next_block(self) -> OperationBlock | None:
        if not self._is_over and not self._thread.is_alive():
            self._is_over = True
            self.count = self.made + self._after
        return super().next_block()


class Snapshots(list[IntervalSnapshot]):
    """Collects the seconds of a run: give its `append` as `on_interval`."""

    def response(self) -> Counts:
        return sum((snapshot.response[0] for snapshot in self), np.zeros(COUNTS_SIZE, dtype=np.int64))

    def service(self) -> Counts:
        return sum((snapshot.service[0] for snapshot in self), np.zeros(COUNTS_SIZE, dtype=np.int64))


def new_engine(
    *servers: StubServer, on_interval: Callable[[IntervalSnapshot], None] | None = None, **given: Any
) -> Engine:
    """An engine on stub servers, all of north or each of its own of `dcs`; `given`: dcs, ledger, live, EngineSettings."""
    ledger, live = given.pop("ledger", None), given.pop("live", None)
    dcs = given.pop("dcs", ["north"] * len(servers))
    return Engine(
        operations=[WireOperation(name="ingest_reading", ledger_plane=None if ledger is None else 0)],
        statements=[CQL],
        ring=ring_of_nodes([(server.address, dc) for server, dc in zip(servers, dcs, strict=True)]),
        settings=EngineSettings(**{"backoff_ms": 5.0, "tick_us": 1_000} | given),
        ledger=ledger,
        live=live,
        on_interval=on_interval,
    )
