"""Rows and tombstones a read, of each table that was read: the node that read most counts, not their mean and not the last."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.monitoring import node_counters
from loadtests.monitoring.node_counters import ROWS_READ, TOMBSTONES_READ, NodeCounters, ReadWork

Told = dict[str, dict[str, tuple[int, float, float]]]
"""By node and table: how many reads, and the median and p99 of a read."""


def read_work(monkeypatch: pytest.MonkeyPatch, *, rows: Told, tombstones: Told) -> dict[tuple[str, str], ReadWork]:
    """Of nodes that tell this."""
    told = {ROWS_READ: rows, TOMBSTONES_READ: tombstones}

    def execute(cql: str, host: str) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(keyspace_name="k", table_name=table, count=count, p50th=p50, p99th=p99)
            for table, (count, p50, p99) in told[cql].get(host, {}).items()
        ]

    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    hosts = [cast(Any, _Host(address)) for address in addresses]
    driver = SimpleNamespace(metadata=SimpleNamespace(all_hosts=lambda: hosts))
    monkeypatch.setattr(node_counters, "connect_to_every_node", lambda _: (driver, SimpleNamespace(execute=execute)))
    nodes = [SimpleNamespace(address=address) for address in addresses]
    return NodeCounters(cast(LocalCluster, SimpleNamespace(endpoint=lambda: None, nodes=nodes))).read_work()


class _Host(str):
    """A node of the driver's metadata, as its own address."""

    @property
    def address(self) -> str:
        return str(self)


NOT_READ = (0, np.nan, np.nan)


def test_the_node_that_read_most_counts_by_quantile(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_work(
        monkeypatch,
        rows={
            "127.0.0.1": {"t": (5, 10.0, 20.0)},
            "127.0.0.2": {"t": (900, 12.0, 17.0)},
            "127.0.0.3": {"t": (9, 1.0, 1.0)},
        },
        tombstones={"127.0.0.1": {"t": (5, 3.0, 4.0)}, "127.0.0.3": {"t": (9, 2.0, 6.0)}},
    )
    assert found == {("k", "t"): ReadWork(rows_p50=12.0, rows_p99=20.0, tombstones_p50=3.0, tombstones_p99=6.0)}


def test_a_node_that_was_not_asked_hides_none_that_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was read Cassandra tells no number: the largest of it and a number would be none either."""
    asked = {"t": (5, 10.0, 20.0)}
    for nothing in (NOT_READ, (5, np.nan, 30.0), (5, 30.0, np.nan)):
        found = read_work(
            monkeypatch,
            rows={"127.0.0.1": asked, "127.0.0.2": {"t": nothing}},
            tombstones={"127.0.0.1": {"t": nothing}},
        )
        assert found == {("k", "t"): ReadWork(rows_p50=10.0, rows_p99=20.0, tombstones_p50=0.0, tombstones_p99=0.0)}


def test_a_table_that_nobody_read_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: Told = {"127.0.0.1": {"idle": NOT_READ, "gone": (0, 7.0, 7.0), "t": (1, 2.0, 2.0)}}
    found = read_work(monkeypatch, rows=told, tombstones={})
    assert set(found) == {("k", "t")}
