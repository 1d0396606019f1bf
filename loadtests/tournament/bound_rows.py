"""What deliveries become in a design's table of half-hours: the bound values of its INSERT, a row each. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import Operation
from store.cassandra.session import driver_value
from store.designs.checks import WriteText
from store.designs.columns import OF_HALF_HOUR, derived, of_half_hour
from store.rows import Readings, reading_columns
from store.tables import WRITE_US, Bind, CqlType

BoundRow = tuple[Any, ...]


def bound_rows(write: WriteText, readings: Readings, count_max: int | None = None) -> list[BoundRow]:
    """Of n deliveries the values for the driver, the write's timestamp last: by delivery, or by half-hour in the order of time.

    count_max: of the rows; None: all.
    """
    columns = dict(reading_columns(Operation.INGEST_REVISION, readings))
    binds = (*write.binds, WRITE_US)
    names = {bind.name for bind in binds}
    if write.row == "delivery":
        columns |= derived(columns, names - columns.keys(), readings.slot_us)
        values = [columns[bind.name] for bind in binds]
    else:
        columns |= derived(columns, names - columns.keys() - set(OF_HALF_HOUR), readings.slot_us)
        values = [_by_half_hour(columns, bind.name, readings) for bind in binds]
        order = np.argsort(_by_half_hour(columns, "interval_start", readings), kind="stable")
        values = [each[order] for each in values]
    count = len(values[0]) if count_max is None else min(count_max, len(values[0]))
    return [
        tuple(driver_value(bind.type, _packed(bind, each[row])) for bind, each in zip(binds, values, strict=True))
        for row in range(count)
    ]


def _by_half_hour(columns: Mapping[str, NDArray[Any]], name: str, readings: Readings) -> NDArray[Any]:
    """A column with a value for each half-hour of each delivery, delivery by delivery."""
    slots = readings.values_wh.shape[1]
    if name not in OF_HALF_HOUR:
        return np.repeat(columns[name], slots)
    places = [of_half_hour(name, place) for place in range(slots)]
    found = derived(columns, places, readings.slot_us)
    return np.stack([found[place] for place in places], axis=1).ravel()


def _packed(bind: Bind, value: Any) -> Any:
    return value.astype(f">i{bind.item_bytes}").tobytes() if bind.type is CqlType.BLOB else value
