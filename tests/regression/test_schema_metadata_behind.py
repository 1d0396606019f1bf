"""The driver's metadata may lack tables that were just created: a first `locust -f` ended with a KeyError."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from scenarios.spec import Scenario
from store.cassandra import create_schema
from store.cassandra import keyspace as adapter
from store.ports import StoreError
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
TOPOLOGY = Scenario.model_validate(
    {
        "title": "t",
        "estate": {"premises": 10},
        "topology": {"keyspace": "fresh", "dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 60},
    }
).topology
COLUMNS = [
    SimpleNamespace(table_name=table.name, column_name=column.name, type=column.type.value)
    for table in SCHEMA.tables
    for column in table.columns
]


def session_of(columns: Callable[[], list[SimpleNamespace]]) -> Any:
    """A session whose driver has heard of no keyspace, of a node with the columns that `columns` gives each time."""
    session = MagicMock()
    session.cluster.metadata.keyspaces = {}
    session.execute.side_effect = lambda statement, *_, **__: (
        columns() if "system_schema.columns" in str(statement) else []
    )
    return session


def test_the_nodes_are_asked_and_not_the_drivers_metadata() -> None:
    session = session_of(lambda: COLUMNS)
    create_schema(session, SCHEMA, TOPOLOGY)
    assert "INSERT INTO fresh.schema_version" in str(session.execute.call_args_list[-1])  # and it went on


def test_a_node_that_is_behind_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "LOOK_EVERY_S", 0.0)
    looks = iter([[], COLUMNS[:5], COLUMNS])
    create_schema(session_of(lambda: next(looks)), SCHEMA, TOPOLOGY)
    assert next(looks, None) is None


def test_a_table_that_never_comes_and_one_with_other_columns_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "AGREEMENT_S_MAX", 0)
    first = SCHEMA.tables[0].name
    others = [each for each in COLUMNS if each.table_name != first]
    with pytest.raises(StoreError, match=f"does not show table fresh.{first} after 0 s"):
        create_schema(session_of(lambda: others), SCHEMA, TOPOLOGY)
    altered = [SimpleNamespace(**(vars(each) | {"type": "blob"})) for each in COLUMNS if each.table_name == first]
    with pytest.raises(StoreError, match=f"table fresh.{first} is there already with other columns"):
        create_schema(session_of(lambda: others + altered), SCHEMA, TOPOLOGY)
