"""Named table designs. A design is one module here with a `SCHEMA`; designs compete on the same trace."""

from collections.abc import Mapping, Sequence

from scenarios.parts.alterations import altered_table
from scenarios.spec import Scenario, ScenarioError, Store
from store.schemas.home_months import SCHEMA as HOME_MONTHS
from store.tables import Schema

SCHEMAS: Mapping[str, Schema] = {schema.name: schema for schema in (HOME_MONTHS,)}
DEFAULT_SCHEMA = SCHEMAS[Store().schema_name]
"""That of a scenario which names none."""


def schema_of(scenario: Scenario) -> Schema:
    """The table design that a scenario names.

    Raises ScenarioError when there is none of that name, or when it is altered in tables that it lacks.
    """
    name = scenario.store.schema_name
    if name not in SCHEMAS:
        raise ScenarioError(f"store.schema = '{name}': there is no such schema; there are {', '.join(sorted(SCHEMAS))}")
    schema = SCHEMAS[name]
    require_altered_tables(schema, scenario.store.alterations, f"schema {name}", where="store.alterations")
    return schema


def require_altered_tables(schema: Schema, alterations: Sequence[str], whose: str, *, where: str) -> None:
    """Raises ScenarioError for a statement of a table that the schema lacks. whose, where: for the sentence."""
    names = {table.name for table in schema.tables}
    for number, statement in enumerate(alterations, 1):
        if altered_table(statement) not in names:
            raise ScenarioError(
                f"{where}: statement {number} is of table {altered_table(statement)}, which {whose} lacks; "
                f"it has {', '.join(sorted(names))}"
            )
