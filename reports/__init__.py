"""Reads what runs recorded and says what it means: figures, verdicts, reports. Never a live system."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.comparison.page import Comparison


def write_report(folder: Path) -> None:
    """Write a run's report.html, figures/ and junit.xml beside its results.json and history/; a
    simulation's, a search's, a matrix's, a history's or a tournament's report.html; a gate's report.html, junit.xml and gate.md.

    Raises ScenarioError naming what the folder lacks.
    """
    from reports.capacity.page import write_capacity_report
    from reports.gate.page import write_gate_report
    from reports.gate_history.page import write_gate_history_report
    from reports.matrix.page import write_matrix_report
    from reports.results.file import Kind, kind_of
    from reports.run.page import write_report as write_run
    from reports.simulation.page import rewrite_simulation_report
    from reports.tournament.page import write_tournament_report

    match kind_of(folder):
        case Kind.RUN:
            write_run(folder)
        case Kind.SIMULATION:
            rewrite_simulation_report(folder)
        case Kind.CAPACITY:
            write_capacity_report(folder)
        case Kind.MATRIX:
            write_matrix_report(folder)
        case Kind.GATE:
            write_gate_report(folder)
        case Kind.GATE_HISTORY:
            write_gate_history_report(folder)
        case Kind.TOURNAMENT:
            write_tournament_report(folder)


def write_comparison(run_folders: Sequence[Path], page: Path) -> "Comparison":
    """Write one HTML page that shows several runs side by side. Raises ScenarioError naming a folder that lacks something."""
    from reports.comparison.page import write_comparison as write

    return write(run_folders, page)
