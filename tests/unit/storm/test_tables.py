"""What a run's tables are made by, as it is told beforehand: all of it, since copies of what nodes hold go by that name."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cassandra.cluster import Session

from loadtests.storm.tables import table_statements
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from store.cassandra import create_schema, create_warming_schema
from store.schemas import schema_of


def scenario_of(warm_nodes_s: float = 10.0, alterations: Sequence[str] = ()) -> Scenario:
    return Scenario.model_validate(
        {
            "title": "tables",
            "estate": {"premises": 1},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 30.0, "warm_nodes_s": warm_nodes_s},
            "store": {"alterations": list(alterations)},
        }
    )


class EmptyNode:
    """A session with a node that does all that it is asked, has no keyspace yet and holds no row."""

    def __init__(self, scenario: Scenario) -> None:
        self.asked: list[str] = []
        self._columns = [
            SimpleNamespace(table_name=table.name, column_name=column.name, type=column.type.value)
            for table in schema_of(scenario).tables
            for column in table.columns
        ]
        policy = SimpleNamespace(make_query_plan=lambda: iter(()))
        self.cluster = SimpleNamespace(
            metadata=SimpleNamespace(keyspaces={}),
            profile_manager=SimpleNamespace(default=SimpleNamespace(load_balancing_policy=policy)),
            max_schema_agreement_wait=10,
            schema_metadata_enabled=True,
            control_connection=SimpleNamespace(wait_for_schema_agreement=lambda wait_time: True),
            refresh_schema_metadata=lambda: None,
        )

    def execute(self, statement: Any, *_: object, **__: object) -> list[Any]:
        cql = statement if isinstance(statement, str) else statement.query_string
        if cql.split()[0] in ("CREATE", "ALTER", "DROP"):
            self.asked.append(cql)
        return self._columns if "system_schema.columns" in cql else []


@pytest.mark.parametrize("warm_nodes_s", [0.0, 10.0])
def test_a_run_asks_for_its_tables_as_it_told(warm_nodes_s: float) -> None:
    scenario = scenario_of(warm_nodes_s)
    node = EmptyNode(scenario)
    create_schema(cast(Session, node), schema_of(scenario), scenario.topology)
    if warm_nodes_s:
        create_warming_schema(cast(Session, node), schema_of(scenario), scenario.topology, operations_of(scenario))
    assert len(node.asked) > 5
    assert table_statements(scenario) == node.asked


def test_of_tables_that_a_scenario_alters_no_copy_is_read_or_kept() -> None:
    assert (
        table_statements(scenario_of(alterations=["ALTER TABLE {keyspace}.alerts_by_home WITH gc_grace_seconds = 60"]))
        == []
    )
