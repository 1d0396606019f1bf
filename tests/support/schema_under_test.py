"""The schema that the store's suites run on: the default one, or that which METERSTORM_TEST_SCHEMA names."""

import os

from store.schemas import DEFAULT_SCHEMA, SCHEMAS

SCHEMA = SCHEMAS[os.environ.get("METERSTORM_TEST_SCHEMA") or DEFAULT_SCHEMA.name]
