"""`meterstorm simulate`: a scenario in virtual time, shown as a table, a sketch of the day's load, or JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scenarios.spec import Scenario
from sim.messages import MessageKind
from sim.summary import Simulation
from sim.summary import simulate as simulate_estate

MINUTES_PER_HOUR = 60
BAR_WIDTH = 40
LINES_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """What a simulation answers, and its forms."""

    scenario: Scenario
    simulation: Simulation

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and names, as `--json` prints them; offered messages by simulated hour."""
        simulation = self.simulation
        return {
            "scenario": self.scenario.title,
            "seed": self.scenario.run.seed,
            "digest": simulation.digest,
            "premises": simulation.premises_count,
            "meters": simulation.meter_count,
            "readings": simulation.reading_count,
            "messages": {kind.name.lower(): count for kind, count in simulation.messages.items()},
            "energy_wh": {str(fuel): energy for fuel, energy in simulation.energy_wh.items()},
            "profile": simulation.profile_name,
            "profile_faults": self._faults(),
            "offered_by_hour": {kind.name.lower(): self._by_hour(kind) for kind in MessageKind},
        }

    def _faults(self) -> dict[str, dict[str, Any]]:
        report = self.simulation.profile_report
        faults = () if report is None else report.faults
        return {fault.fault.value: {"count": fault.count, "lines": list(fault.lines)} for fault in faults}

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2)

    def write(self, folder: Path) -> None:
        """Write simulation.json."""
        (folder / "simulation.json").write_text(self.as_json() + "\n", encoding="utf-8")

    def print(self, console: Console) -> None:
        """A table, then the offered load hour by hour."""
        simulation = self.simulation
        table = Table(title=self.scenario.title, title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_row("premises", f"{simulation.premises_count:,}")
        table.add_row("meters", f"{simulation.meter_count:,}")
        table.add_row("half-hourly readings", f"{simulation.reading_count:,}")
        for kind, count in simulation.messages.items():
            table.add_row(f"messages: {kind.name.lower().replace('_', ' ')}", f"{count:,}")
        for fuel, energy_wh in simulation.energy_wh.items():
            table.add_row(f"{fuel} used", f"{energy_wh / 1e6:,.1f} MWh")
        console.print(table)
        for name, fault in self._faults().items():
            lines = ", ".join(map(str, fault["lines"][:LINES_SHOWN_MAX]))
            console.print(f"profile {simulation.profile_name}: {fault['count']:,} x {name}, first in line {lines}")
        self._print_load(console)
        console.print(f"digest: {simulation.digest}", highlight=False)

    def _print_load(self, console: Console) -> None:
        hours = [sum(counts) for counts in zip(*(self._by_hour(kind) for kind in MessageKind), strict=True)]
        busiest = max(hours, default=0) or 1
        console.print(f"messages offered by simulated hour (the bar's full width is {busiest:,}):")
        for hour, count in enumerate(hours):
            bar = "█" * round(BAR_WIDTH * count / busiest)
            console.print(f"  day {hour // 24} {hour % 24:02d}:00 {count:>12,} {bar}", highlight=False)

    def _by_hour(self, kind: MessageKind) -> list[int]:
        minutes = self.simulation.offered[int(kind)]
        hours = range(0, len(minutes), MINUTES_PER_HOUR)
        return [int(minutes[start : start + MINUTES_PER_HOUR].sum()) for start in hours]


def simulate(scenario: Scenario, console: Console, *, profile_folder: Path | None = None) -> SimulationResult:
    """Simulate, with a progress bar on `console`. Raises ScenarioError for a profile file that can't be used."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("simulating", total=1.0)
        simulation = simulate_estate(
            scenario, folder=profile_folder, progress=lambda share: bar.update(task, completed=share)
        )
    return SimulationResult(scenario=scenario, simulation=simulation)
