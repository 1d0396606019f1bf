"""How many shards a data centre's due index has is the schema's to say, and no two data centres share one."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.backend.command_gateway import due_index
from scenarios.spec import load_scenario
from store.roles import TableRole
from store.schemas import SCHEMAS, schema_of

SCENARIO = load_scenario(Path(__file__).parents[3] / "scenarios" / "smoke.toml")


def test_the_schema_says_how_many_shards_a_data_centre_has(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = schema_of(SCENARIO)
    tables = [replace(one, shard_count=3) if one.has_role(TableRole.DUE_INDEX) else one for one in schema.tables]
    monkeypatch.setitem(SCHEMAS, SCENARIO.store.schema_name, replace(schema, tables=tuple(tables)))
    assert [list(due_index(SCENARIO, dc).shards) for dc in (0, 1)] == [[0, 1, 2], [3, 4, 5]]


def test_the_shipped_schema_has_the_shards_that_keyspaces_were_made_with() -> None:
    assert [list(due_index(SCENARIO, dc).shards) for dc in (0, 1)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
