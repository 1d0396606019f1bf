"""Why input is refused, and what is written down of a reading: shared by adapters, validation, tariffs and customers.

A reason is a small number on columns and its name in lower case in the table. Of several that apply to a row one is told:
what the row says by itself goes before what it says beside others.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US

DETAIL_CHARS_MAX = 200
INSTANT_MAX_US = 253_402_300_799_000_000  # the end of the year 9999, the last that a driver can write


class Refused(Exception):
    """A request that can't be meant: nothing was written; the message names what is wrong and what is allowed."""


class Reason(IntEnum):
    ACCEPTED = 0
    TEXT_TOO_LONG = 1
    NOT_A_NUMBER = 2  # or not a whole one, or none at all
    WRONG_SHAPE = 3  # other than as many half-hours as the delivery says
    UNKNOWN_METER = 4
    UNKNOWN_CODE = 5  # of a quality, a source or a revision
    MISALIGNED = 6  # does not begin on a slot, or goes on into the next UTC day
    IN_FUTURE = 7
    NEGATIVE = 8
    IMPLAUSIBLE = 9  # more than the fuse or the gas meter lets through
    PARTS_DISAGREE = 10  # half-hours that add up to something else than their counter
    REGISTER_FELL = 11
    DUPLICATE_DIFFERS = 12  # the key and revision of another reading, with another value
    BEFORE_PRICES = 13  # half-hours of a time at which no price list was in force yet
    NO_TARIFF = 14  # half-hours of a home of which nobody has said by what tariff it is billed

    @property
    def text(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One row that was refused. `row` is its place in its delivery; numbers that could not be read are 0."""

    row: int
    received_at_us: int  # [us since the Unix epoch]
    mpxn: int
    interval_start_us: int  # [us since the Unix epoch]
    reason: Reason
    detail: str  # at most DETAIL_CHARS_MAX characters


# The most that passes in a half-hour [Wh], by fuel code. Electricity either way: three phases of 100 A at 253 V.
# Gas: a U16 meter, 16 m3 an hour, at the highest calorific value that the network may carry, 42.3 MJ/m3.
HALF_HOUR_WH_MAX = (38_000, 97_000, 38_000)


def slot_wh_max(slot_us: int) -> NDArray[np.int64]:
    """The same in slots of another length [us]: int64[fuel code]."""
    most: NDArray[np.int64] = np.array(HALF_HOUR_WH_MAX, np.int64) * slot_us // SLOT_US
    return most
