"""The trace: every message of the estate in due order, in columns, and its digest."""
