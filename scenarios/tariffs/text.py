"""Tariffs as a price list keeps them: one text, JSON with short names, so that a version is one row and never seen in part."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from scenarios.tariffs.demand import DemandCharge
from scenarios.tariffs.model import (
    Band,
    Block,
    Half,
    Rate,
    Register,
    RoundedAt,
    Tariff,
    TariffClock,
    TariffError,
    series_names,
    series_slots_per_hour,
    slot_text,
)

TEXT_CHARS_MAX = 9_000
"""As much as `store.schemas` counts a row for. A series of 100 prices takes 1,200, with prices of export 2,200."""

_OF_ONE_MONTH = 1, 0
_PRICES_END = 5  # of a rate: its name, register, and three prices of the first block stand before


def tariffs_text(tariffs: Sequence[Tariff]) -> str:
    """Raises TariffError for tariffs that no row has room for."""
    text = json.dumps([_told(one) for one in tariffs], separators=(",", ":"), ensure_ascii=True)
    if len(text) > TEXT_CHARS_MAX:
        raise TariffError(
            f"the tariffs of a price list come to {len(text):,} characters, and a row holds {TEXT_CHARS_MAX:,}: "
            "fewer rates, bands or holidays, or shorter names"
        )
    return text


@lru_cache(maxsize=1_024)  # a list never changes, and a home's display asks for all of them
def tariffs_of(text: str) -> tuple[Tariff, ...]:
    """Raises TariffError for a text that this program did not write."""
    try:
        return tuple(_tariff(one) for one in json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TariffError(f"a price list's tariffs can't be read: {type(error).__name__}: {error}") from error


def _told(tariff: Tariff) -> dict[str, Any]:
    # a rate's prices beyond the first block stand behind its others, so that a program that knows of no blocks reads none of it
    beyond = [[block.npence_per_wh[rate] for block in tariff.blocks] for rate in range(len(tariff.rates))]
    return {
        "name": tariff.name,
        "clock": str(tariff.clock),
        "rates": [
            [rate.name, int(rate.register), *rate.npence_per_wh, *beyond[at]] for at, rate in enumerate(tariff.rates)
        ]
        if tariff.series_day is None
        else _told_series(tariff),
        "bands": [
            [band.rate, band.first_slot, band.end_slot, list(band.days), list(band.months)] for band in tariff.bands
        ],
        "otherwise": tariff.otherwise,
        "holidays": list(tariff.holidays),
        "series_day": tariff.series_day,
        "standing": list(tariff.standing_upence),
        "vat": tariff.vat_permille,
        "rounded": [str(tariff.rounded_at), str(tariff.half)],
        **({"demand": _told_demand(tariff.demand)} if tariff.demand else {}),
        **({"prepaid": True} if tariff.is_prepaid else {}),
        **({"published": list(tariff.published)} if tariff.published else {}),
        **({"blocks": [[block.fuel, block.above_wh] for block in tariff.blocks]} if tariff.blocks else {}),
    }


def _told_series(tariff: Tariff) -> dict[str, Any]:
    """The rates of a series by columns, of which most say one thing: a row of its own for each would take thrice the room."""
    names = tuple(rate.name for rate in tariff.rates)
    runs = _runs(names, tariff.series_slots_per_hour)
    return {
        "names": list(names) if runs is None else runs,
        "registers": _alike([int(rate.register) for rate in tariff.rates]),
        "prices": [_alike(list(column)) for column in zip(*(rate.npence_per_wh for rate in tariff.rates), strict=True)],
    }


def _runs(names: Sequence[str], slots_per_hour: int) -> list[list[int]] | None:
    """Names of a day's slots as runs (first slot, count) of what the clock shows; None where they are no such names."""
    slot_of = {slot_text(slot, slots_per_hour): slot for slot in range(24 * slots_per_hour)}
    slots = [slot_of.get(name.removesuffix("b"), -1) for name in names]
    if -1 in slots or series_names(slots, slots_per_hour) != tuple(names):
        return None
    runs: list[list[int]] = []
    for slot in slots:
        if runs and sum(runs[-1]) == slot:
            runs[-1][1] += 1
        else:
            runs.append([slot, 1])
    return runs


def _alike(column: list[int]) -> int | list[int]:
    return column[0] if len(set(column)) == 1 else column


def _rates(told: Any) -> tuple[Rate, ...]:
    if isinstance(told, list):
        return tuple(
            Rate(name=name, register=Register(register), npence_per_wh=(of_electricity, of_gas, of_export))
            for name, register, of_electricity, of_gas, of_export, *_ in told
        )
    names = told["names"]
    if isinstance(names[0], list):
        slots = [slot for first, count in names for slot in range(first, first + count)]
        names = series_names(slots, series_slots_per_hour(len(slots)))
    columns = [each if isinstance(each, list) else [each] * len(names) for each in (told["registers"], *told["prices"])]
    return tuple(
        Rate(name=name, register=Register(register), npence_per_wh=(of_electricity, of_gas, of_export))
        for name, register, of_electricity, of_gas, of_export in zip(names, *columns, strict=True)
    )


def _published(told: dict[str, Any]) -> tuple[int, int, int] | None:
    if "published" not in told:
        return None
    electricity, gas, export = told["published"]
    return electricity, gas, export


def _demand(told: dict[str, Any]) -> DemandCharge | None:
    if "demand" not in told:
        return None
    upence_per_kw_day, least_w, months, is_mean = (
        told["demand"] if len(told["demand"]) > 2 else (*told["demand"], *_OF_ONE_MONTH)
    )
    return DemandCharge(upence_per_kw_day=upence_per_kw_day, least_w=least_w, months=months, is_mean=bool(is_mean))


def _told_demand(demand: DemandCharge) -> list[int]:
    """A charge for the month alone says nothing of months, as lists from before there were several."""
    of_months = demand.months, int(demand.is_mean)
    return [demand.upence_per_kw_day, demand.least_w, *(of_months if of_months != _OF_ONE_MONTH else ())]


def _tariff(told: dict[str, Any]) -> Tariff:
    electricity, gas, export = told["standing"]
    rounded_at, half = told["rounded"]
    return Tariff(
        name=told["name"],
        clock=TariffClock(told["clock"]),
        rates=_rates(told["rates"]),
        bands=tuple(
            Band(rate=rate, first_slot=first, end_slot=end, days=tuple(days), months=tuple(months))
            for rate, first, end, days, months in told["bands"]
        ),
        otherwise=told["otherwise"],
        holidays=tuple(told["holidays"]),
        series_day=told["series_day"],
        published=_published(told),
        blocks=tuple(
            Block(fuel=fuel, above_wh=above_wh, npence_per_wh=tuple(rate[_PRICES_END + at] for rate in told["rates"]))
            for at, (fuel, above_wh) in enumerate(told.get("blocks", ()))
        ),
        standing_upence=(electricity, gas, export),
        demand=_demand(told),
        vat_permille=told["vat"],
        rounded_at=RoundedAt(rounded_at),
        half=Half(half),
        is_prepaid=bool(told.get("prepaid", False)),
    )
