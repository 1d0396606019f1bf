"""The report of a recorded job written again, or several runs side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from loadtests.recording.run_folder import RunFolder
from meterstorm.jobs.run_folder import named_folder, new_folder
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    from reports.comparison.page import Comparison


class WrittenReport(NamedTuple):
    """Where the page is; of several runs, what it compares."""

    page: Path
    comparison: "Comparison | None"


def report(runs: Sequence[Path], out: Path | None = None) -> WrittenReport:
    """Write the report of one run, simulation, search or matrix again, or a comparison of several runs.

    out: the new folder of a comparison; by default one in runs/. A run that died gets its results first. Raises ScenarioError
    naming a folder that lacks something.
    """
    from meterstorm.jobs.recover import recover
    from reports import write_comparison, write_report

    for run in runs:
        recover(run)
    if len(runs) == 1:
        if out is not None:
            raise ScenarioError("--out goes with several runs; the report of one is written into its own folder")
        write_report(runs[0])
        return WrittenReport(RunFolder(runs[0]).report, None)
    with named_folder(out, "comparison") as named, new_folder(named) as folder:
        page = folder / "comparison.html"
        return WrittenReport(page, write_comparison(runs, page))
