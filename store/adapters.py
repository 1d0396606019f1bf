"""Where callers of the library import the types of meters from: `store.meter_types` and its modules by their former name."""

import sys
from importlib import import_module
from pkgutil import iter_modules

_meter_types = import_module("store.meter_types")
for _module in (
    _meter_types,
    *(import_module(f"store.meter_types.{one.name}") for one in iter_modules(_meter_types.__path__)),
):
    sys.modules[_module.__name__.replace("meter_types", "adapters", 1)] = _module
