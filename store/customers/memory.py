"""Where callers of the library import `MemoryCustomers` from; it is made in the room for memory, above this one."""

from importlib import import_module

MemoryCustomers = import_module("store.memory.customers").MemoryCustomers
