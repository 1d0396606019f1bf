"""Reads what runs recorded and says what it means: figures, verdicts, reports. Never a live system."""

from collections.abc import Sequence
from pathlib import Path


def write_report(run_folder: Path) -> None:
    """Write report.html, figures/ and junit.xml beside a run's results.json and history/.

    Raises ScenarioError naming what the folder lacks.
    """
    from reports.html import write_report as write  # matplotlib takes a second to import; whoever only judges is spared

    write(run_folder)


def write_comparison(run_folders: Sequence[Path], page: Path) -> None:
    """Write one HTML page that shows several runs side by side. Raises ScenarioError naming a folder that lacks something."""
    from reports.compare import write_comparison as write

    write(run_folders, page)
