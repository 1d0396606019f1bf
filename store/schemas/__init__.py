"""Named table designs. A design is one module here with a `SCHEMA`; designs compete on the same trace."""

from collections.abc import Mapping

from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import Scenario, ScenarioError, Store
from store.schemas.home_months import SCHEMA as HOME_MONTHS
from store.tables import Schema

SCHEMAS: Mapping[str, Schema] = {schema.name: schema for schema in (HOME_MONTHS,)}
DEFAULT_SCHEMA = SCHEMAS[Store().schema_name]
"""That of a scenario which names none."""


def schema_of(scenario: Scenario) -> Schema:
    """The table design that a scenario names.

    Raises ScenarioError when there is none of that name, or when it can't hold the readings.
    """
    name = scenario.store.schema_name
    if name not in SCHEMAS:
        raise ScenarioError(f"store.schema = '{name}': there is no such schema; there are {', '.join(sorted(SCHEMAS))}")
    if scenario.estate.slots_per_day != SLOTS_PER_DAY:
        raise ScenarioError(
            f"estate.slots_per_hour = {scenario.estate.slots_per_hour}: schema '{name}' holds half-hours, so quarter-hours "
            "can't be stored yet; see them in virtual time with `meterstorm simulate`"
        )
    return SCHEMAS[name]
