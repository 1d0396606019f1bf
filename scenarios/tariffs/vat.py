"""Rates of VAT by date: what a tariff's charges have on top from a local day on."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import ConfigDict, Field

from scenarios.calendar import Calendar, day_text
from scenarios.domain import DAY_US
from scenarios.parts.base import Part
from scenarios.tariffs.model import Tariff, TariffError, day_number, permille_of

VAT_CHANGES_MAX = 20


class VatChangeSpec(Part):
    """Another rate of VAT, on what is used and supplied from a local day on."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: dt.date = Field(alias="from", description="the local day on which it comes into force")
    percent: str


def vat_by_day(changes: Iterable[VatChangeSpec], tariff: Tariff) -> Mapping[int, int]:
    """Local day since 1970 -> the rate from then on [thousandths]. Raises TariffError: dates that are not in their order."""
    rates: dict[int, int] = {}
    for at, change in enumerate(changes, 1):
        where = f"{tariff}, from of vat_changes {at}"
        day = day_number(change.from_, where)
        if day <= max(rates, default=-1):
            raise TariffError(
                f"{where}: {change.from_} follows a later date, or the same one: give them in their order"
            )
        rates[day] = permille_of(change.percent, f"{tariff}, percent of vat_changes {at}")
        replace(tariff, vat_permille=rates[day])  # raises TariffError for a rate that can't be
    return rates


def with_vat(tariff: Tariff, rates: Mapping[int, int], day: int) -> Tariff:
    """The tariff with the rate that is in force on a local day since 1970."""
    begun = [one for one in rates if one <= day]
    return replace(tariff, vat_permille=rates[max(begun)]) if begun else tariff


def require_ahead(rates: Mapping[int, int], tariff: Tariff, first_day: int, calendar: Calendar) -> None:
    """Raises TariffError for a change before a span, where days are billed.

    first_day: the UTC day with which the span begins, since 1970.
    """
    for day in rates:
        if calendar.day_start_us(day) <= first_day * DAY_US:
            raise TariffError(
                f"{tariff}, from of vat_changes: {day_text(day)} is not after the scenario's start, and days from before are "
                "billed: say the rate that is in force then as vat_percent"
            )
