"""Every type of meter becomes the same readings here: raw forms go in, canonical channels come out.

A new type is one file in this folder, with the record of its raw form and a function, and its line in `ADAPTERS`.
"""

from store.meter_conversion import gas_volume, half_hourly, import_export, register_only, ten_second
from store.meter_conversion.canonical import Adapters

ADAPTERS = (
    register_only.ADAPTER,
    half_hourly.ADAPTER,
    ten_second.ADAPTER,
    import_export.ADAPTER,
    gas_volume.ADAPTER,
)

METER_TYPES = Adapters(ADAPTERS)
