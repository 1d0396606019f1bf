"""Some of a block of deliveries, for benchmarks that deliver it piece by piece."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.rows import Readings
from store.tariffs import DayTotals


def deliveries_at(whole: Readings, at: NDArray[np.int64]) -> Readings:
    """Those of `whole`, which tells of days too, at these places: int64[n]."""
    assert whole.day is not None
    chosen = {name: value[at] for name, value in _arrays_of(whole).items()}
    return replace(whole, day=DayTotals(**{name: value[at] for name, value in _arrays_of(whole.day).items()}), **chosen)


def _arrays_of(record: Readings | DayTotals) -> dict[str, Any]:
    held = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
