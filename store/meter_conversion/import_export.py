"""A meter that also measures what its home gives to the network: two counters, two profiles, two channels."""

from dataclasses import dataclass

from store.meter_conversion.canonical import Adapter, Channel
from store.meter_conversion.half_hourly import HalfHourly, channel
from store.tariffs import ELECTRICITY, EXPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportExport:
    """n deliveries, each with both directions."""

    imported: HalfHourly
    exported: HalfHourly


def channels(form: ImportExport) -> tuple[Channel, ...]:
    """Each direction is judged by itself: a faulty counter of export loses no import."""
    return channel(form.imported, ELECTRICITY), channel(form.exported, EXPORT)


ADAPTER = Adapter(name="import and export", form=ImportExport, channels=channels)
