"""Named table designs. A design is one module here with a `SCHEMA`; designs compete on the same trace."""

from collections.abc import Mapping

from scenarios.alterations import altered_table
from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import Scenario, ScenarioError, Store
from store.schemas.home_months import SCHEMA as HOME_MONTHS
from store.tables import Schema

SCHEMAS: Mapping[str, Schema] = {schema.name: schema for schema in (HOME_MONTHS,)}
DEFAULT_SCHEMA = SCHEMAS[Store().schema_name]
"""That of a scenario which names none."""


def schema_of(scenario: Scenario) -> Schema:
    """The table design that a scenario names.

    Raises ScenarioError when there is none of that name, when it can't hold the readings, or is altered in tables that it
    lacks.
    """
    name = scenario.store.schema_name
    if name not in SCHEMAS:
        raise ScenarioError(f"store.schema = '{name}': there is no such schema; there are {', '.join(sorted(SCHEMAS))}")
    if scenario.estate.slots_per_day != SLOTS_PER_DAY:
        raise ScenarioError(
            f"estate.slots_per_hour = {scenario.estate.slots_per_hour}: a run of quarter-hours is not proven on real nodes yet; "
            "see them in virtual time with `meterstorm simulate`"
        )
    schema = SCHEMAS[name]
    names = {table.name for table in schema.tables}
    for number, statement in enumerate(scenario.store.alterations, 1):
        if altered_table(statement) not in names:
            raise ScenarioError(
                f"store.alterations: statement {number} is of table {altered_table(statement)}, which schema {name} lacks; "
                f"it has {', '.join(sorted(names))}"
            )
    return schema
