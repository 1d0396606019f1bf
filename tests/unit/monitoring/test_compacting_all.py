"""Tables are compacted into one file each by an option that is theirs for a while only."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.monitoring import node_counters
from loadtests.monitoring.node_counters import NodeCounters

LEVELLED = {"class": "org.apache.cassandra.db.compaction.LeveledCompactionStrategy", "sstable_size_in_mb": "80"}


class Session:
    """Records what it is asked; each table is compacted by levels, as long as nothing else was said."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        policy = SimpleNamespace(make_query_plan=lambda: iter([None]))
        self.cluster = SimpleNamespace(
            profile_manager=SimpleNamespace(default=SimpleNamespace(load_balancing_policy=policy)),
            max_schema_agreement_wait=10,
            schema_metadata_enabled=True,
            control_connection=SimpleNamespace(wait_for_schema_agreement=lambda wait_time: True),
        )

    def execute(self, cql: str, *values: Any, **_: Any) -> Any:
        self.asked.append(cql)
        return SimpleNamespace(one=lambda: SimpleNamespace(compaction=LEVELLED))


def test_tables_are_compacted_as_before_once_all_is_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    monkeypatch.setattr(node_counters, "connect_to_every_node", lambda _: (session.cluster, session))
    cluster = cast(LocalCluster, SimpleNamespace(endpoint=lambda: None))
    counters = NodeCounters(cluster)
    with counters.compacting_all(["k.a", "k.b"]):
        session.asked.append("written")
    altered = [cql for cql in session.asked if not cql.startswith("SELECT")]
    within, after = altered[: altered.index("written")], altered[altered.index("written") + 1 :]
    assert [cql.split()[2] for cql in within] == [cql.split()[2] for cql in after] == ["k.a", "k.b"]
    assert all("'SizeTieredCompactionStrategy', 'min_threshold': '2'" in cql for cql in within)
    assert all(cql.endswith("memtable_flush_period_in_ms = 1000") for cql in within)
    assert all("LeveledCompactionStrategy', 'sstable_size_in_mb': '80'}" in cql for cql in after)
