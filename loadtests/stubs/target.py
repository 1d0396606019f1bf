"""A stub queue as a target of steps: one insert, of a mix of one. For what must be measured against a known capacity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.capacity.target import StepTarget
from loadtests.sender.block import FrameGroup, assemble_block
from loadtests.sender.engine import EngineSettings
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.ring import ring_of_nodes
from loadtests.stubs.scripted_node import prepared_id_of
from loadtests.workload.poisson_source import OperationPool
from scenarios.domain import ConsistencyLevel, Operation
from store.tables import Bind, CqlType, Statement

INSERT = Statement(
    operation=Operation.INGEST_READING,
    cql="INSERT INTO {keyspace}.readings (meter, wh) VALUES (?, ?)",
    binds=(Bind(name="meter", type=CqlType.BIGINT), Bind(name="wh", type=CqlType.INT)),
    partition_key=("meter",),
    is_write=True,
)
CQL = INSERT.cql.format(keyspace="stub")
POOL_COUNT = 1_000


def stub_target(address: tuple[str, int], *, seed: int = 1) -> StepTarget:
    """Steps to the stub that listens at `address`."""
    template = FrameTemplate(INSERT, prepared_id_of(CQL), ConsistencyLevel.LOCAL_QUORUM.wire_code)
    meter = np.arange(POOL_COUNT, dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {"meter": meter, "wh": (meter % 1_000).astype(np.int32)}
    group = FrameGroup(
        operation=0,
        due_us=np.zeros(POOL_COUNT, dtype=np.int64),
        meter=meter,
        first_slot=np.zeros(POOL_COUNT, dtype=np.int32),
        slot_count=np.ones(POOL_COUNT, dtype=np.int32),
        token=template.tokens(columns),
        dc=np.zeros(POOL_COUNT, dtype=np.uint8),
        frames=template.encode(columns),
    )
    block = assemble_block([group])
    return StepTarget(
        operations=(str(INSERT.operation),),
        idempotent=(True,),
        statements=(CQL,),
        ring=ring_of_nodes([(address, "stub")]),
        settings=EngineSettings(),
        pool=OperationPool(rows=block.rows, frames=block.frames),
        seed=seed,
    )
