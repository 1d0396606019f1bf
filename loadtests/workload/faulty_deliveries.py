"""Deliveries that a gateway must refuse, one for each reason that can be told from a row alone. Pure, and found by number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.domain import DAY_US, Quality, Source
from sim.estate.lookup import mpxn_of, start_us_of
from sim.estate.model import EstateModel
from store.parsing import TEXT_CHARS_MAX, Delivery
from store.rejections import Reason

APART_US = 1_000_000  # between two of them, so that each has a row of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """One row, what is wrong with it, and the key under which it is to be recorded."""

    delivery: Delivery
    reason: Reason
    mpxn: int  # 0 where it can't be read
    interval_start_us: int  # 0 where it can't be read
    received_at_us: int


_Change = tuple[Reason, Callable[[dict[str, Any]], None]]


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update({name: [value]})


def _shift(name: str, by: int) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update({name: [fields[name][0] + by]})


CHANGES: tuple[_Change, ...] = (
    (Reason.UNKNOWN_METER, _shift("mpxn", 1)),  # a wrong check digit
    (Reason.IN_FUTURE, _shift("interval_start_us", DAY_US)),
    (Reason.NEGATIVE, _set("values_wh", [-1])),
    (Reason.NOT_A_NUMBER, _set("values_wh", ["12,5"])),
    (Reason.TEXT_TOO_LONG, _set("register_wh", "9" * (TEXT_CHARS_MAX + 1))),
    (Reason.WRONG_SHAPE, _set("values_wh", [1, 2])),
    (Reason.MISALIGNED, _shift("interval_start_us", -1_000_000)),
    (Reason.UNKNOWN_CODE, _set("quality", 99)),
    (Reason.IMPLAUSIBLE, _set("values_wh", [10_000_000])),
)


COLUMNS = ("mpxn", "interval_start_us", "values_wh", "register_wh", "revision", "source", "quality")


def faulty_deliveries(estate: EstateModel, first: int, count: int) -> Delivery:
    """Those of numbers first, first + 1, ... as one delivery of `count` >= 1 rows."""
    each = [faulty_delivery(estate, number).delivery for number in range(first, first + count)]
    return Delivery(
        slot_count=1,
        received_at_us=np.concatenate([one.received_at_us for one in each]),
        **{name: [cell for one in each for cell in getattr(one, name)] for name in COLUMNS},
    )


def faulty_delivery(estate: EstateModel, number: int) -> Faulty:
    """Delivery `number` 0, 1, 2, ...: of a home's first slot of the span, sent while the second runs."""
    reason, change = CHANGES[number % len(CHANGES)]
    home = number % estate.premises_count
    start_us = start_us_of(estate)
    received_us = start_us + estate.slot_us + number * APART_US
    fields: dict[str, Any] = {
        "mpxn": mpxn_of(estate, np.array([home * len(estate.fuels)])).tolist(),
        "interval_start_us": [start_us],
        "values_wh": [[100]],
        "register_wh": [5_000_000],
        "revision": [0],
        "source": [int(Source.SCHEDULED)],
        "quality": [int(Quality.ACTUAL)],
    }
    change(fields)
    return Faulty(
        delivery=Delivery(slot_count=1, received_at_us=np.array([received_us]), **fields),
        reason=reason,
        mpxn=fields["mpxn"][0],
        interval_start_us=fields["interval_start_us"][0],
        received_at_us=received_us,
    )
