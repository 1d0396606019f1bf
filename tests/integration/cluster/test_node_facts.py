"""What a node does that its documents do not say, or say otherwise, and that docs/cassandra-facts.md states."""

import re
import statistics
import time
from typing import Any

import pytest
from cassandra.query import BatchStatement, BatchType

from store.cassandra.session import FAILURES

PARTITION_BYTES, ROW_BYTES, CELL_BYTES = 29, 21, 20  # as the batch thresholds count them
ROWS_READ = 4_000
MUTATION_BYTES_MAX = 8 * 1024 * 1024  # half a segment of the commit log, of 16 MiB in our nodes


@pytest.fixture(scope="module")
def table(session: Any) -> str:
    session.execute(
        "CREATE KEYSPACE node_facts WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}"
    )
    session.execute(
        "CREATE TABLE node_facts.cells (part text, row text, value blob, more blob, PRIMARY KEY (part, row))"
    )
    return "node_facts.cells"


@pytest.mark.parametrize(
    ("partitions", "rows", "cells", "key"), [(2, 1, 1, "k"), (2, 4, 1, "k"), (8, 1, 2, "k"), (2, 2, 2, "k" * 200)]
)
def test_a_batch_counts_partitions_rows_and_cells_beside_values_and_clustering_keys(
    session: Any, table: str, partitions: int, rows: int, cells: int, key: str
) -> None:
    """The warning of one that spans partitions tells the size that it was held against."""
    columns = ("value", "more")[:cells]
    insert = session.prepare(
        f"INSERT INTO {table} (part, row, {', '.join(columns)}) VALUES (?, ?, {', '.join('?' * cells)})"
    )
    row_count = partitions * rows
    value = b"x" * (8_000 // (row_count * cells))
    batch = BatchStatement(BatchType.UNLOGGED)
    for part in range(partitions):
        for row in range(rows):
            batch.add(insert, (f"{part}{key}", f"{row}{key}", *[value] * cells))
    (told,) = session.execute(batch).response_future.warnings
    of_a_row = ROW_BYTES + len(f"0{key}") + cells * (CELL_BYTES + len(value))
    assert f"is of size {partitions * PARTITION_BYTES + row_count * of_a_row}, exceeding" in told


def test_a_mutation_of_more_than_half_a_segment_is_refused_in_words_of_its_own(session: Any, table: str) -> None:
    insert = session.prepare(f"INSERT INTO {table} (part, row, value) VALUES ('large', 'large', ?)")
    session.execute(insert, (b"x" * (MUTATION_BYTES_MAX - 10_000),))
    with pytest.raises(FAILURES) as told:
        session.execute(insert, (b"x" * (MUTATION_BYTES_MAX + 1),))
    assert re.search(rf"Rejected an oversized mutation \(\d+/{MUTATION_BYTES_MAX}\)", str(told.value)), told.value


def test_columns_of_milliseconds_of_the_latency_views_hold_seconds(session: Any, table: str) -> None:
    """They are cut to three digits, so it takes a read of some milliseconds to be seen at all."""
    insert = session.prepare(f"INSERT INTO {table} (part, row, value) VALUES ('read', ?, ?)")
    for first in range(0, ROWS_READ, 100):
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in range(first, first + 100):
            batch.add(insert, (str(row), b"x" * 100))
        session.execute(batch)
    ask = session.prepare(f"SELECT * FROM {table} WHERE part = 'read'")
    took_ms = []
    for _ in range(30):
        began = time.perf_counter()
        assert len(session.execute(ask).current_rows) == ROWS_READ
        took_ms.append((time.perf_counter() - began) * 1e3)
    views = session.execute("SELECT * FROM system_views.coordinator_read_latency")
    (told,) = [row for row in views if (row.keyspace_name, row.table_name) == tuple(table.split("."))]
    # no read takes its node longer than its client; milliseconds would be a thousand times too many
    assert 0 < told.p50th_ms * 1e3 < 2 * statistics.median(took_ms), (told, took_ms)
