"""Caps on prices, by region and date: a price above the cap is billed at the cap. Pure.

A cap is of one region from a local day on, until that region's next one, and of what it names: prices of electricity and gas a
kWh, in whatever rate, block or half-hour, and their standing charges a day. What a home is paid for export has none.
So a tariff is sold at other prices in each region, as a tariff of its own: `regional` gives them, region by region.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scenarios.tariffs.model import FUELS, Tariff

CAPPED_FUELS = FUELS[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """None of a price or charge: it has no cap."""

    region: str
    from_day: int  # local, since 1970
    npence_per_wh: tuple[int | None, int | None]  # of electricity, of gas
    standing_upence: tuple[int | None, int | None] = (None, None)  # a day


def cap_on(caps: Sequence[Cap], region: str, day: int) -> Cap | None:
    """The cap of a region on a local day since 1970; None before its first."""
    begun = [one for one in caps if one.region == region and one.from_day <= day]
    return max(begun, key=lambda one: one.from_day, default=None)


def capped(tariff: Tariff, cap: Cap) -> Tariff:
    """The tariff at prices no higher than the cap."""

    def of_fuels(told: tuple[int, int, int], most: tuple[int | None, int | None]) -> tuple[int, int, int]:
        return _least(told[0], most[0]), _least(told[1], most[1]), told[2]

    return replace(
        tariff,
        rates=tuple(
            replace(rate, npence_per_wh=of_fuels(rate.npence_per_wh, cap.npence_per_wh)) for rate in tariff.rates
        ),
        blocks=tuple(
            replace(
                block,
                npence_per_wh=tuple(_least(price, cap.npence_per_wh[block.fuel]) for price in block.npence_per_wh),
            )
            if block.fuel < len(CAPPED_FUELS)
            else block
            for block in tariff.blocks
        ),
        standing_upence=of_fuels(tariff.standing_upence, cap.standing_upence),
    )


def _least(told: int, most: int | None) -> int:
    return told if most is None else min(told, most)


def regional(tariffs: Sequence[Tariff], regions: Sequence[str], caps: Sequence[Cap], day: int) -> tuple[Tariff, ...]:
    """Each tariff in each region on a local day since 1970, as a list has them: at tariff * regions + region."""
    found = []
    for tariff in tariffs:
        for region in regions:
            cap = cap_on(caps, region, day)
            sold = tariff if cap is None else capped(tariff, cap)
            found.append(replace(sold, name=f"{tariff.name}, {region}"))
    return tuple(found)
