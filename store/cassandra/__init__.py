"""The store in Cassandra: `CassandraStore` on an open session, and the keyspace that it needs.

The only folder of the store that knows cassandra-driver: what a keyspace must be (`keyspace`), statements one at a time
(`session`), whole tables (`bulk`), and on them the rows of readings, commands and customers.
"""

from store.cassandra.keyspace import (
    alter_tables,
    create_schema,
    create_warming_schema,
    drop_schema,
    drop_warming_schema,
    first_table_with_rows,
    held_version,
    one_after_the_other,
    schema_statements,
    warming_keyspace,
    warming_statements,
)
from store.cassandra.readings import CassandraStore
from store.cassandra.session import prepare

__all__ = [
    "CassandraStore",
    "alter_tables",
    "create_schema",
    "create_warming_schema",
    "drop_schema",
    "drop_warming_schema",
    "first_table_with_rows",
    "held_version",
    "one_after_the_other",
    "prepare",
    "schema_statements",
    "warming_keyspace",
    "warming_statements",
]
