"""Where callers of the library import the types of meters from: `store.meter_conversion` and its modules by their former name."""

import sys
from importlib import import_module
from pkgutil import iter_modules

_meter_conversion = import_module("store.meter_conversion")
for _module in (
    _meter_conversion,
    *(import_module(f"store.meter_conversion.{one.name}") for one in iter_modules(_meter_conversion.__path__)),
):
    sys.modules[_module.__name__.replace("meter_conversion", "adapters", 1)] = _module
