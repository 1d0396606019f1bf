"""A bill and its lines as they are kept, and what a display shows of a fuel. Instants are us since the Unix epoch."""

from dataclasses import dataclass
from enum import IntEnum

from store.tariffs import Price

ALL_RATES = -1
"""Stands for the rate of a line with several prices: of a tariff with a price each half-hour, of a bill that has no room for a
line a rate, of bills from before there were lines a rate; and of a standing charge."""


NO_ACCOUNT = 0
"""Stands for the account of a home of which nobody has said who pays: all its bills are one customer's."""


class LineKind(IntEnum):
    """Stored."""

    ENERGY = 0
    STANDING = 1
    ADJUSTMENT = 2  # what a correction changed of energy that an earlier bill had
    DEMAND = 3  # what the month's highest demand costs, less what earlier bills had of it
    PREPAID = 4  # what a prepaid account took of the month, below zero, less what earlier bills had of it


OF_ENERGY = (LineKind.ENERGY, LineKind.ADJUSTMENT)
"""The kinds of lines whose costs are those of half-hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a bill: one fuel, tariff and version of the prices in one month, and one price, but of ALL_RATES.

    Numbers of an adjustment may be negative.
    """

    kind: LineKind
    month: int  # yyyymm that it charges for
    fuel: int
    tariff: int  # its code
    tariff_version: int
    first_day: int  # of the month, from 1, that a standing charge is for
    # of a standing charge: one after the other from `first_day` on, negative where they are given back; of the energy of a bill
    # of energy alone: the month's; of an adjustment: negative where such energy is given back; of demand: of the month, which
    # are charged for by now; else 0, as `first_day`
    days: int
    low_wh: int
    standard_wh: int
    peak_wh: int
    cost_upence: int
    rate: int = ALL_RATES  # of the tariff; of rates that cost the same the first
    block: int = 0  # of a rate with blocks
    demand_w: int = 0  # of demand: what is charged for by now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A home's bill. It never changes: what is found later is a line of a later one."""

    premises: int
    number: int  # counts the home's bills from 1
    month: int  # yyyymm that it was issued for
    issued_us: int
    total_upence: int  # of its lines
    lines: tuple[Line, ...]
    account: int = NO_ACCOUNT  # who pays: of a home whose tenants have bills of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelDisplay:
    """What an in-home display shows of one fuel."""

    fuel: int
    price: Price
    today_wh: int  # since local midnight, as far as it is read
    today_upence: int  # of which the standing charge is no part
    standing_upence: int  # a day
    credit_upence: int | None = None  # of a prepaid account; None: the fuel has none
    debt_upence: int | None = None
    is_supplied: bool | None = None  # by the account's terms
