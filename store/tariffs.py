"""Tariffs: which rate and price each half-hour has, and what a day costs. Pure, on columns.

Each kind of tariff puts a UTC half-hour into one of three rates; a version of the price list gives each rate of each kind
and fuel its price and takes effect at an instant. A half-hour costs what the version in force at its start says.
Prices are integers in millionths of a penny a Wh: 24.5 p a kWh are 24,500.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, TariffKind

MISSING_WH = -1
"""Stands for a half-hour of a run that the meter has lost."""


class Rate(IntEnum):
    LOW = 0  # 00:30 to 07:30
    STANDARD = 1
    PEAK = 2  # 16:00 to 19:00


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """A version of all prices; in force from `effective_us` [us since the Unix epoch] until the next version is."""

    version: int  # from 1, in the order of effective_us
    effective_us: int
    upence_per_wh: tuple[tuple[tuple[int, int, int], ...], ...]  # [TariffKind][fuel code][Rate]
    standing_upence: tuple[int, int]  # a day, by fuel code


def _rates() -> NDArray[np.uint8]:
    rates = np.full((len(TariffKind), SLOTS_PER_DAY), Rate.STANDARD, np.uint8)
    for kind in (TariffKind.TIME_OF_USE, TariffKind.HALF_HOURLY):
        rates[kind, 1:15] = Rate.LOW
        rates[kind, 32:38] = Rate.PEAK
    return rates


RATE_OF_SLOT = _rates()
"""uint8[TariffKind, 48] -> Rate."""

# Of the order of British prices in 2026: flat 24.5 p, at night 12 p, in the evening 36 p; gas 6 p a kWh.
FIRST_PRICES = PriceList(
    version=1,
    effective_us=0,
    upence_per_wh=(
        ((24_500, 24_500, 24_500), (6_000, 6_000, 6_000)),
        ((12_000, 25_500, 36_000), (6_000, 6_000, 6_000)),
        ((9_500, 24_000, 41_000), (5_800, 5_800, 5_800)),
    ),
    standing_upence=(54_000_000, 32_000_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """What n meters used from 00:00 UTC of a day to the end of a delivery's last half-hour, and what it costs."""

    usage_wh: NDArray[np.int64]  # [n] the sum of the half-hours that are known
    low_wh: NDArray[np.int64]  # [n]
    standard_wh: NDArray[np.int64]  # [n]
    peak_wh: NDArray[np.int64]  # [n] low, standard and peak add up to usage_wh
    cost_upence: NDArray[np.int64]  # [n] without the standing charge
    tariff_version: NDArray[np.int32]  # [n] in force at the start of the last half-hour


def in_force(prices: Sequence[PriceList], instant_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index into `prices`, in order of effect, of the version in force: int64[n] [us since the epoch] -> int64[n]."""
    effective_us = np.array([one.effective_us for one in prices], np.int64)
    return np.searchsorted(effective_us, instant_us, side="right") - 1


def day_totals(
    prices: Sequence[PriceList],
    *,
    day_start_us: NDArray[np.int64],
    values_wh: NDArray[np.int32],
    slot_count: NDArray[np.int64],
    kind: NDArray[np.uint8],
    fuel: NDArray[np.int8],
) -> DayTotals:
    """Totals of the first `slot_count` half-hours of days.

    day_start_us: int64[n], 00:00 UTC [us since the epoch]; values_wh: int32[n, 48], MISSING_WH where lost;
    slot_count: int64[n], 1 .. 48; kind: uint8[n] TariffKind; fuel: int8[n] code.
    """
    slots = np.arange(SLOTS_PER_DAY)
    counted = (slots < slot_count[:, np.newaxis]) & (values_wh != MISSING_WH)
    known_wh = np.where(counted, values_wh, 0).astype(np.int64)
    rate = RATE_OF_SLOT[kind]
    by_rate = [np.where(rate == one, known_wh, 0).sum(axis=1) for one in Rate]
    table = np.array([one.upence_per_wh for one in prices], np.int64)  # [version, kind, fuel, rate]
    assert (day_start_us % DAY_US == 0).all(), "a day that does not start at midnight"
    version = in_force(prices, (day_start_us[:, np.newaxis] + slots * SLOT_US).ravel()).reshape(-1, SLOTS_PER_DAY)
    price = table[version, kind[:, np.newaxis], fuel[:, np.newaxis], rate]
    numbers = np.array([one.version for one in prices], np.int32)
    return DayTotals(
        usage_wh=known_wh.sum(axis=1),
        low_wh=by_rate[Rate.LOW],
        standard_wh=by_rate[Rate.STANDARD],
        peak_wh=by_rate[Rate.PEAK],
        cost_upence=(known_wh * price).sum(axis=1),
        tariff_version=numbers[version[np.arange(len(version)), slot_count - 1]],
    )
