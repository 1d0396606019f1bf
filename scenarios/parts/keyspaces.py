"""Which keyspaces a run may fill: none of the server's own, and none whose name is a word of CQL. Pure."""

_RESERVED = """
add allow alter and apply asc authorize batch begin by columnfamily create default delete desc describe drop entries
execute from full grant if in index infinity insert into is keyspace limit materialized modify mbean mbeans nan norecursive
not null of on or order primary rename replace revoke schema select set table to token truncate unlogged unset update
use using view where with
"""
RESERVED_WORDS = frozenset(_RESERVED.split())  # of Cassandra 5.0: they name a keyspace only in quotes


def require_own_keyspace(name: str) -> None:
    """Raises ValueError for a keyspace that belongs to the server, or can't be named."""
    if name == "system" or name.startswith(("system_", "dse_")):
        raise ValueError(f"'{name}' belongs to the server itself; name a keyspace of your own, \"meterstorm\" say")
    if name in RESERVED_WORDS:
        raise ValueError(f"'{name}' is a word of CQL; name the keyspace otherwise, \"meterstorm\" say")
