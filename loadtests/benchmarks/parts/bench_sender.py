"""The wire encoder: rows of an insert as frames, and the tokens of their partitions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.frames import FrameTemplate
from scenarios.domain import ConsistencyLevel, Operation
from store.tables import Bind, CqlType, Statement

ROWS = 8_192
VALUES = 48
INSERT = Statement(
    operation=Operation.INGEST_READING,
    cql="INSERT INTO {keyspace}.readings (meter, day, at, wh) VALUES (?, ?, ?, ?)",
    binds=(
        Bind(name="meter", type=CqlType.BIGINT),
        Bind(name="day", type=CqlType.INT),
        Bind(name="at", type=CqlType.TIMESTAMP),
        Bind(name="wh", type=CqlType.INT_LIST),
    ),
    partition_key=("meter", "day"),
    is_write=True,
)


def template() -> FrameTemplate:
    return FrameTemplate(INSERT, bytes(16), ConsistencyLevel.LOCAL_QUORUM.wire_code, list_length=VALUES)


def columns() -> dict[str, NDArray[Any]]:
    number = np.arange(ROWS)
    return {
        "meter": number * 7_919,
        "day": np.full(ROWS, 20_468, np.int32),
        "at": np.full(ROWS, 1_768_435_200_000),
        "wh": np.random.default_rng(1).integers(0, 2_000, (ROWS, VALUES)).astype(np.int32),
    }


def test_frames(benchmark: Any) -> None:
    encoder, rows = template(), columns()
    benchmark(lambda: encoder.encode(rows))


def test_tokens(benchmark: Any) -> None:
    encoder, rows = template(), columns()
    benchmark(lambda: encoder.tokens(rows))
