"""What is added to a scenario's operations or to the audit's rules is audited: a place that was forgotten is named here."""

import ast
from pathlib import Path

import pytest

from loadtests.audit.data_loss.row_counts import COUNTED, counted_operations
from loadtests.audit.tables import audited_tables
from scenarios.domain import RUN_OPERATIONS, Operation
from scenarios.operations import GATEWAY_OPERATIONS
from store.schemas import SCHEMAS
from store.tables import Schema

RULES = Path(__file__).parents[3] / "loadtests" / "audit" / "rules"


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_row_that_a_storm_writes_is_audited(schema: Schema) -> None:
    """Commands are held against their transition table, by rules."""
    audited = {*audited_tables(schema), *schema.tables_with(COUNTED)}
    sent = [operation for operation in RUN_OPERATIONS if operation not in GATEWAY_OPERATIONS]
    forgotten = {
        table.name
        for operation in sent
        if schema.statement(operation).is_write
        for table in schema.tables_of(operation)
        if table not in audited
    }
    assert forgotten == set()


def test_counted_operations_are_those_that_write_counted_tables() -> None:
    assert counted_operations(SCHEMAS["home_months"]) == (
        Operation.INGEST_TEN_SECOND,
        Operation.RECORD_ALERT,
        Operation.CHANGE_PREFERENCE,
    )


def test_every_rule_is_asked() -> None:
    """A check that no module of the audit calls is never made, however well it is tested."""
    trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in RULES.glob("*.py")}
    defined = {
        node.name
        for name, tree in trees.items()
        if not name.endswith("_read.py")
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
    }
    called = {
        node.func.id
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert defined and defined - called == set()
