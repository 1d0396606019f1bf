"""A home's days of half-hours, delivered and totalled as a gateway does it: for tests of whole years."""

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US
from store.rows import Readings
from store.tariffs import ELECTRICITY, Book, day_totals


def delivered_days(
    book: Book, *, home: int, first_day_us: int, values_wh: NDArray[np.int32], fuel: int = ELECTRICITY
) -> Readings:
    """A fuel of n UTC days from one on, each delivered whole at its end: int32[n, slots of its calendar] [Wh]."""
    n = len(values_wh)
    starts_us = first_day_us + np.arange(n) * DAY_US
    fuels, zeros = np.full(n, fuel, np.int8), np.zeros(n, np.int8)
    before, after = book.kinds_of_days(np.full(n, home), starts_us)
    return Readings(
        mpxn=np.full(n, 1_000_000_000_056),
        premises=np.full(n, home),
        fuel=fuels,
        interval_start_us=starts_us,
        values_wh=values_wh,
        register_wh=np.cumsum(values_wh.sum(axis=1)),
        day=day_totals(
            book.prices,
            day_start_us=starts_us,
            values_wh=values_wh,
            slot_count=np.full(n, values_wh.shape[1]),
            kind=before,
            fuel=fuels,
            calendar=book.calendar,
            late_kind=after,
        ),
        received_at_us=starts_us + DAY_US,
        revision=np.zeros(n, np.int32),
        source=zeros,
        quality=zeros,
        slot_us=book.calendar.slot_us,
    )
