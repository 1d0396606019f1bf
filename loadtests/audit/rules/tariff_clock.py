"""The price of a half-hour, counted by itself: from a tariff's bands and the zone's own rules, without what prices days. Pure.

Shares no line with `scenarios.calendar` and with what `scenarios.tariffs` and `store.tariffs` make of a tariff.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US
from scenarios.tariffs import HOLIDAY, Tariff, TariffClock
from store.tariffs import FUEL_CODES, PriceList

_BAND_MINUTES = 30
_EPOCH = date(1970, 1, 1)
_FUELS = len(FUEL_CODES)
_KINDS = 256 * _FUELS  # of a list: a tariff's code is a byte


def rate_of(tariff: Tariff, start_us: int, zone: tzinfo, slot_us: int = SLOT_US) -> int:
    """The rate of the slot that begins at an instant [us since the Unix epoch], by a customer's time zone.

    slot_us: how long it is, and what a series has a price for [us]; bands are of half-hours.
    """
    slot_s = slot_us // 1_000_000
    at = datetime.fromtimestamp(start_us // 1_000_000, zone if tariff.clock is TariffClock.LOCAL else UTC)
    minute = at.hour * 60 + at.minute
    if tariff.series_day is not None:
        of_series = _EPOCH + timedelta(days=tariff.series_day)
        begins = int(datetime.combine(of_series, time(), zone).timestamp())  # a midnight that comes twice: the first
        if at.date() == of_series:
            return min((start_us // 1_000_000 - begins) // slot_s, len(tariff.rates) - 1)
        # on another day the slot that the clock showed alike, the first of two, or the last before it where it showed none
        told = [datetime.fromtimestamp(begins + number * slot_s, zone) for number in range(len(tariff.rates))]
        minutes = [one.hour * 60 + one.minute for one in told]
        return minutes.index(max(one for one in minutes if one <= minute))
    kind = HOLIDAY if (at.date() - _EPOCH).days in tariff.holidays else at.weekday()
    for band in tariff.bands:
        first, end = band.first_slot * _BAND_MINUTES, band.end_slot * _BAND_MINUTES
        is_within = first <= minute < end if first < end else (minute >= first or minute < end)
        if is_within and kind in band.days and at.month in band.months:
            return band.rate
    assert tariff.otherwise is not None, "bands with a gap"
    return tariff.otherwise


def price_of(tariff: Tariff, rate: int, fuel: int, block: int) -> int:
    """What a Wh costs by a rate, an index, in a block of the day's use, the first being 0 [npence]."""
    prices = [tariff.rates[rate].npence_per_wh[fuel]]
    prices += [one.npence_per_wh[rate] for one in tariff.blocks if one.fuel == fuel]
    return prices[block]


def block_reached(tariff: Tariff, fuel: int, used_wh: int) -> int:
    """In which block the next Wh of a local day is of which so much is used."""
    return len([one for one in tariff.blocks if one.fuel == fuel and one.above_wh <= used_wh])


def by_price(tariff: Tariff, rate: int, fuel: int, used_wh: int, wh: int) -> list[tuple[int, int]]:
    """(price [npence a Wh], Wh) of a half-hour's pieces: a block ends where the day's use reaches the next one.

    used_wh: of the local day before the half-hour.
    """
    ends = [one.above_wh for one in tariff.blocks if one.fuel == fuel]
    pieces, left = [], wh
    while left > 0:
        block = block_reached(tariff, fuel, used_wh)
        piece = min(left, ends[block] - used_wh) if block < len(ends) else left
        pieces.append((price_of(tariff, rate, fuel, block), piece))
        used_wh, left = used_wh + piece, left - piece
    return pieces


def rates_and_prices(
    prices: Sequence[PriceList],
    index: NDArray[np.int64],
    tariff: NDArray[np.uint8],
    fuel: NDArray[np.int64],
    start_us: NDArray[np.int64],
    zone: tzinfo,
    slot_us: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of n slots the registers, the prices of the first block [npence a Wh], and the rates, indices: int64[n] thrice.

    index: of the list in force, -1 before the first: nothing is priced there; tariff: codes; start_us: [us since the Unix epoch];
    slot_us: how long each is [us].
    """
    instants, of_instant = np.unique(start_us, return_inverse=True)
    # one number for each list, tariff and fuel, beside the instant: rows of four numbers take long to be told apart
    kinds, of_kind = np.unique((index + 1) * _KINDS + tariff.astype(np.int64) * _FUELS + fuel, return_inverse=True)
    pairs, which = np.unique(of_kind * len(instants) + of_instant, return_inverse=True)
    plans = [one.plans for one in prices]
    rates: dict[tuple[int, int, int], int] = {}
    held = np.zeros((len(pairs), 3), np.int64)
    for row, (kind, at) in enumerate(zip(*(one.tolist() for one in np.divmod(pairs, len(instants))), strict=True)):
        of_list, of_tariff = divmod(int(kinds[kind]), _KINDS)
        code, of_fuel = divmod(of_tariff, _FUELS)
        if of_list == 0:
            continue
        plan, at_us = plans[of_list - 1][code], int(instants[at])
        key = of_list, code, at_us
        if key not in rates:
            rates[key] = rate_of(plan, at_us, zone, slot_us)
        rate = plan.rates[rates[key]]
        held[row] = int(rate.register), rate.npence_per_wh[of_fuel], rates[key]
    return held[which, 0], held[which, 1], held[which, 2]
