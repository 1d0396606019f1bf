"""How messages of the trace become operations on the store."""
