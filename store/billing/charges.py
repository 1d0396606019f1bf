"""What a bill is made from: a home's use by days, the prices, and which days of supply it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.calendar import UTC_CALENDAR, Calendar
from store.billing.records import ALL_RATES
from store.tariffs import PriceList

TariffOn = Callable[[int], int]
"""The kind of tariff that a home is on, at an instant [us since the Unix epoch]."""

DayOfSupply = tuple[int, int]  # fuel, local day since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """What a fuel's use comes to in a local day, or in the part of it that one tariff and price list were in force in.

    By rate and block where a bill has a line for each.
    """

    day: int  # local, since 1970
    fuel: int
    tariff: int
    tariff_version: int
    low_wh: int
    standard_wh: int
    peak_wh: int
    cost_upence: int
    rate: int = ALL_RATES
    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """What a bill is made from."""

    energy: Mapping[int, Sequence[DayEnergy]]  # of the bill's month and of those that bills had before (yyyymm)
    prices: Sequence[PriceList]
    tariff_on: TariffOn
    # fuel code -> days of the bill's month, from 1, that the bill is asked for; empty: the month's energy alone, of all fuels
    supplied: Mapping[int, range]
    ended_us: Mapping[int, int]  # fuel code -> when its supply has ended [us]: later days are given back
    # local day -> its highest demand of electricity [W], of the same months: where a tariff charges for it
    demand_w: Mapping[int, int] = field(default_factory=dict)
    # fuel code -> the local day since 1970 from which on its account is open, of a home that pays before it uses
    prepaid_days: Mapping[int, Sequence[range]] = field(default_factory=dict)
    calendar: Calendar = UTC_CALENDAR
