"""Commands to devices: recorded before they are sent, detected as failed, replayed up to a limit, reconciled.

`machine` is the pure transition table, `port` the records and what a database must do, `store` all decisions. The rows are
held by `store.memory.commands` and `store.cassandra.commands`. See `docs/commands.md`.
"""
