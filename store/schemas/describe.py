"""The tables of a schema for people, as Markdown: what each serves, its key, its bound, and why it is stored as it is.

Regenerate the page after a change: `uv run python -m store.schemas.describe > docs/tables.md`. Another schema's page is that
of its name as argument.
"""

import sys

from store.schemas import DEFAULT_SCHEMA, SCHEMAS
from store.tables import Schema, Table, primary_key

_KB = 1_000


def described(schema: Schema) -> str:
    """The page of a schema."""
    lines = [
        f"# The tables of `{schema.name}`, version {schema.version}",
        "",
        "Made from the schema by `uv run python -m store.schemas.describe > docs/tables.md`. The bound is that of one partition.",
        "",
        "Units: `_wh` Wh (of a gas counter's changes dm³); `_us` microseconds; `_upence` millionths of a penny, so 24.5 p a kWh "
        "are 24,500 upence a Wh and 100,000,000 upence a pound; `timestamp` is UTC in milliseconds; `epoch_day` and `epoch_hour` "
        "count from 1970-01-01 UTC; `month` is yyyymm in UTC. In `values_wh` -1 is a half-hour that the meter has lost.",
        "",
    ]
    for table in schema.tables:
        lines += _table(schema, table)
    return "\n".join(lines)


def _table(schema: Schema, table: Table) -> list[str]:
    key = ", ".join(name for name in primary_key(table) if name not in table.partition_key)
    written = ", ".join(f"`{operation}`" for operation in schema.writers_of(table)) or "-"
    asked = ", ".join(f"`{query.operation}`" for query in table.queries) or "-"
    columns = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
    return [
        f"## `{table.name}`",
        "",
        f"Serves {table.serves}.",
        "",
        f"- Role: {', '.join(table.roles)}",
        f"- Key: (({', '.join(table.partition_key)}){', ' + key if key else ''})",
        f"- Columns: {columns}",
        f"- At most {table.partition.rows:,} rows, {table.partition.bytes_max / _KB:,.1f} kB{_spread(table)}",
        f"- Written by {written}; asked by {asked}",
        f"- Stored so: {table.reason}",
        "",
    ]


def _spread(table: Table) -> str:
    said = [f"spread over {table.shard_count:,} shards"] if table.shard_count > 1 else []
    said += [f"a bucket for each {table.bucket_size:,}"] if table.bucket_size > 1 else []
    said += [f"the store takes {table.entries_max:,} entries"] if table.entries_max is not None else []
    said += [f"of {table.items_max:,} items at most"] if table.items_max is not None else []
    return "".join(f"; {text}" for text in said)


if __name__ == "__main__":
    print(described(SCHEMAS[sys.argv[1]] if len(sys.argv) > 1 else DEFAULT_SCHEMA), end="")
