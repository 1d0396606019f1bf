"""The store on dictionaries: the model that the real Cassandra is held against. `MemoryStore` holds the readings."""

from store.memory.readings import MemoryStore

__all__ = ["MemoryStore"]
