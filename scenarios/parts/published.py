"""What is published of the nation that a scenario is about: `[[published]]`, figures that a simulation is held against.

A figure is one that the simulation counts by itself. Nothing of it decides what is simulated: what is assumed stands in the
scenario's own fields.
"""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import Field, field_validator, model_validator

from scenarios.domain import Fuel
from scenarios.parts.base import Line, Part

PUBLISHED_MAX = 64
WITHIN = 0.05  # a figure that deviates by more needs a reason


class CountedFigure(NamedTuple):
    """A figure's unit, and what it counts. `fuel`: the estate must have it."""

    unit: str
    meaning: str
    fuel: Fuel | None = None


_MEAN_USE = "mean use, by the profile's share of the year"
_USE = "use of all meters, by the profile's share of the year"

FIGURES: dict[str, CountedFigure] = {
    "homes": CountedFigure("homes", "premises"),
    "homes_cellular": CountedFigure("homes", "those in regions with a WAN of 2G and 3G"),
    "homes_long_range_radio": CountedFigure("homes", "those in regions with long-range radio"),
    "hubs": CountedFigure("hubs", "communications hubs: one in each home with smart meters"),
    "hubs_cellular": CountedFigure("hubs", "hubs in regions with a WAN of 2G and 3G, swapped ones among them"),
    "hubs_long_range_radio": CountedFigure("hubs", "hubs in regions with long-range radio"),
    "meters": CountedFigure("meters", "metering points of all fuels, smart or not"),
    "meters_electricity": CountedFigure("meters", "metering points of electricity", Fuel.ELECTRICITY),
    "meters_gas": CountedFigure("meters", "metering points of gas", Fuel.GAS),
    "smart_meters": CountedFigure("meters", "smart meters, in smart mode or not"),
    "traditional_mode_meters": CountedFigure("meters", "smart meters that are not in smart mode"),
    "smart_meter_share": CountedFigure("share", "smart meters, of all meters"),
    "smart_mode_share": CountedFigure("share", "meters in smart mode, of all meters"),
    "traditional_mode_share": CountedFigure("share", "meters not in smart mode, of the smart ones"),
    "half_hourly_share": CountedFigure("share", "meter-days whose half- or quarter-hours arrive, of all in smart mode"),
    "readings_per_day": CountedFigure("readings/day", "half- or quarter-hours, registers and 10-second values that arrive"),
    "messages_per_month": CountedFigure("messages/month", "over the WAN, both ways, without alerts: readings, commands, answers"),
    "messages_per_meter_month": CountedFigure("messages/meter/month", "the same, a smart meter"),
    "reading_messages_per_meter_month": CountedFigure("messages/meter/month", "those that bring readings, a smart meter"),
    "alerts_per_month": CountedFigure("alerts/month", "alerts of hubs"),
    "alerts_per_hub_day": CountedFigure("alerts/hub/day", "the same, a hub"),
    "schedule_changes_per_day": CountedFigure("meters/day", "changes to another read schedule, mean of the days that have any"),
    "schedule_changes_busiest_day": CountedFigure("meters/day", "changes to another read schedule on the day with most"),
    "hub_swaps_per_day": CountedFigure("hubs/day", "hubs swapped for 4G, mean of the simulated days"),
    "electricity_kwh_per_meter_year": CountedFigure("kWh/meter/year", _MEAN_USE, Fuel.ELECTRICITY),
    "gas_kwh_per_meter_year": CountedFigure("kWh/meter/year", _MEAN_USE, Fuel.GAS),
    "electricity_twh_year": CountedFigure("TWh/year", _USE, Fuel.ELECTRICITY),
    "gas_twh_year": CountedFigure("TWh/year", _USE, Fuel.GAS),
}  # fmt: skip


class Published(Part):
    """One published figure: where it stands, of when it is, and why a simulation may be far from it."""

    figure: str
    value: float = Field(strict=True, gt=0, le=1e15)
    unit: Line = Field(min_length=1, max_length=40)
    source: Line = Field(min_length=1, max_length=300, description="who published it, and where")
    date: str = Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", description="of what it was true, or when it was published")
    why_not: Line | None = Field(
        default=None, min_length=1, max_length=500, description="why the simulation deviates by more than 5 %"
    )

    @field_validator("figure")
    @classmethod
    def _is_counted(cls, figure: str) -> str:
        if figure not in FIGURES:
            near = difflib.get_close_matches(figure[:64], FIGURES, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"no simulation counts it: {meant}there are {', '.join(FIGURES)}")
        return figure

    @model_validator(mode="after")
    def _is_in_its_unit(self) -> "Published":
        unit = FIGURES[self.figure].unit
        if self.unit != unit:
            raise ValueError(f"{self.figure} is counted in {unit}, not in {self.unit}: give the value in that unit")
        if unit == "share" and self.value > 1:
            raise ValueError(f"{self.figure} is a share, 0.09 say, and can't be {self.value:g}")
        return self


def require_counted(published: Iterable[Published], fuels: Iterable[Fuel]) -> None:
    """Raises ValueError for a figure of a fuel that the estate lacks."""
    for each in published:
        fuel = FIGURES[each.figure].fuel
        if fuel is not None and fuel not in fuels:
            raise ValueError(f"published names {each.figure}, and estate.fuels lacks {fuel}")
