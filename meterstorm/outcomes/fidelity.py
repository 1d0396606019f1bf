"""The fidelity table: what a simulation counts, beside what is published of the nation that it stands for. Pure."""

from collections.abc import Callable

from reports.results.simulation import FidelityRow
from scenarios.domain import DAY_US, Fuel, MeterMode
from scenarios.parts.published import FIGURES, WITHIN, Published
from scenarios.spec import Scenario
from sim.trace.messages import MessageKind
from sim.virtual_time.summary import Simulation

DAYS_PER_MONTH = 365.25 / 12
_READINGS = (
    MessageKind.PUSH_HALF_HOUR,
    MessageKind.UPLOAD_DAY,
    MessageKind.READ_REGISTER,
    MessageKind.PUSH_TEN_SECOND,
)
_COMMANDS = (MessageKind.SEND_COMMAND, MessageKind.ANSWER_COMMAND)
_SMART = (MeterMode.SMART, MeterMode.TRADITIONAL)
_ALL = (*_SMART, MeterMode.NOT_SMART)


def fidelity_of(scenario: Scenario, simulation: Simulation) -> tuple[FidelityRow, ...]:
    """A row for each published figure, in the scenario's order."""
    counted = _Counted(scenario, simulation)
    return tuple(_row(each, counted.figure(each.figure)) for each in scenario.published)


def _row(published: Published, simulated: float | None) -> FidelityRow:
    deviation = None if simulated is None else simulated / published.value - 1
    return FidelityRow(
        figure=published.figure,
        unit=published.unit,
        simulated=simulated,
        published=published.value,
        source=published.source,
        date=published.date,
        deviation=deviation,
        is_within=deviation is not None and abs(deviation) <= WITHIN,
        why_not=published.why_not,
    )


class _Counted:
    """The figures of one simulation, by name; None for one that its span does not show."""

    def __init__(self, scenario: Scenario, simulation: Simulation) -> None:
        self._scenario, self._simulation = scenario, simulation
        self._days = scenario.run.days

    def figure(self, name: str) -> float | None:
        value = _FIGURES[name](self)
        return None if value is None else float(value)

    def homes(self, wan: str | None = None) -> int:
        points = self._simulation.metering_points
        return sum(sum(points[region][Fuel.ELECTRICITY].values()) for region in self._regions(wan))

    def hubs(self, wan: str | None = None) -> int:
        return sum(self._simulation.hubs(region) for region in self._regions(wan))

    def points(self, *modes: MeterMode, fuel: Fuel | None = None) -> int:
        return self._simulation.points(*modes, fuel=fuel)

    def half_hourly_share(self) -> float | None:
        messages = self._simulation.messages
        days = messages[MessageKind.UPLOAD_DAY] + messages[MessageKind.PUSH_HALF_HOUR] / self._simulation.slots_per_day
        return _share(days, self.points(MeterMode.SMART) * self._days)

    def readings_per_day(self) -> float:
        return self._simulation.reading_count / self._days

    def messages_per_month(self, *kinds: MessageKind) -> float:
        messages = self._simulation.messages
        return sum(messages[kind] for kind in kinds) / self._days * DAYS_PER_MONTH

    def messages_per_meter_month(self, *kinds: MessageKind) -> float | None:
        return _share(self.messages_per_month(*kinds), self.points(*_SMART))

    def alerts_per_hub_day(self) -> float | None:
        return _share(self._simulation.messages[MessageKind.ALERT], self.hubs() * self._days)

    def changes(self) -> list[int]:
        """Schedule changes of each UTC day on which there are any."""
        offered = self._simulation.offered[MessageKind.CHANGE_PREFERENCE]
        bins = DAY_US // self._simulation.bin_us
        days = [int(offered[at : at + bins].sum()) for at in range(0, len(offered), bins)]
        return [count for count in days if count]

    def kwh_per_year(self, fuel: Fuel) -> float | None:
        """Use in the span over the share of a year's that the profile has in it; not while homes still join."""
        share = self._simulation.year_share[fuel]
        if self._scenario.estate.rollout is not None or share <= 0:
            return None
        return self._simulation.energy_wh[fuel] / 1_000 / share

    def kwh_per_meter_year(self, fuel: Fuel) -> float | None:
        whole = self.kwh_per_year(fuel)
        return None if whole is None else _share(whole, self.points(*_ALL, fuel=fuel))

    def twh_per_year(self, fuel: Fuel) -> float | None:
        whole = self.kwh_per_year(fuel)
        return None if whole is None else whole / 1e9

    def swaps_per_day(self) -> float:
        return self._simulation.swapped_hubs / self._days

    def _regions(self, wan: str | None) -> list[str]:
        return [region.name for region in self._scenario.estate.regions if wan in (None, region.wan)]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


_FIGURES: dict[str, Callable[[_Counted], float | None]] = {
    "homes": _Counted.homes,
    "homes_cellular": lambda one: one.homes("cellular"),
    "homes_long_range_radio": lambda one: one.homes("long_range_radio"),
    "hubs": _Counted.hubs,
    "hubs_cellular": lambda one: one.hubs("cellular"),
    "hubs_long_range_radio": lambda one: one.hubs("long_range_radio"),
    "meters": lambda one: one.points(*_ALL),
    "meters_electricity": lambda one: one.points(*_ALL, fuel=Fuel.ELECTRICITY),
    "meters_gas": lambda one: one.points(*_ALL, fuel=Fuel.GAS),
    "smart_meters": lambda one: one.points(*_SMART),
    "traditional_mode_meters": lambda one: one.points(MeterMode.TRADITIONAL),
    "smart_meter_share": lambda one: _share(one.points(*_SMART), one.points(*_ALL)),
    "smart_mode_share": lambda one: _share(one.points(MeterMode.SMART), one.points(*_ALL)),
    "traditional_mode_share": lambda one: _share(one.points(MeterMode.TRADITIONAL), one.points(*_SMART)),
    "half_hourly_share": _Counted.half_hourly_share,
    "readings_per_day": _Counted.readings_per_day,
    "messages_per_month": lambda one: one.messages_per_month(*_READINGS, *_COMMANDS),
    "messages_per_meter_month": lambda one: one.messages_per_meter_month(*_READINGS, *_COMMANDS),
    "reading_messages_per_meter_month": lambda one: one.messages_per_meter_month(*_READINGS),
    "alerts_per_month": lambda one: one.messages_per_month(MessageKind.ALERT),
    "alerts_per_hub_day": _Counted.alerts_per_hub_day,
    "schedule_changes_per_day": lambda one: _share(sum(one.changes()), len(one.changes())),
    "schedule_changes_busiest_day": lambda one: max(one.changes(), default=0),
    "hub_swaps_per_day": _Counted.swaps_per_day,
    "electricity_kwh_per_meter_year": lambda one: one.kwh_per_meter_year(Fuel.ELECTRICITY),
    "gas_kwh_per_meter_year": lambda one: one.kwh_per_meter_year(Fuel.GAS),
    "electricity_twh_year": lambda one: one.twh_per_year(Fuel.ELECTRICITY),
    "gas_twh_year": lambda one: one.twh_per_year(Fuel.GAS),
}
assert set(_FIGURES) == set(FIGURES), "each figure that can be published is counted here"
