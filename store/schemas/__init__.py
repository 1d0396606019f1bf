"""Named table designs. A design is one module here with a `SCHEMA`; designs compete on the same trace."""

from store.schemas.home_months import SCHEMA as HOME_MONTHS
from store.tables import Schema

SCHEMAS: dict[str, Schema] = {schema.name: schema for schema in (HOME_MONTHS,)}
