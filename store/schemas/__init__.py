"""Named table designs. A design is one module here with a `SCHEMA`; designs compete on the same trace."""

from store.schemas.packed_runs import SCHEMA as PACKED_RUNS
from store.tables import Schema

SCHEMAS: dict[str, Schema] = {schema.name: schema for schema in (PACKED_RUNS,)}
