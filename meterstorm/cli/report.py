"""`meterstorm report`: a report written again, or several runs side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.options import (
    AsJson,
    Quiet,
)
from meterstorm.jobs.run_folder import named_folder, new_folder
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    pass


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "report",
        epilog="Examples: `meterstorm report runs/before runs/after --out runs/comparison`, `meterstorm report runs/outage`",
    )(report_command)


def report_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN [RUN ...]", help="Folders of runs; or the folder of one simulation, search or matrix."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where several runs' comparison goes; a new folder.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a report again: a run's with its figures, a simulation's, a search's or a matrix's.

    Of several runs: one page with them side by side.
    """
    from meterstorm.jobs.recover import recover
    from reports import write_comparison, write_report

    for run in runs:
        recover(run)
    told: dict[str, object] = {}
    if len(runs) == 1:
        if out is not None:
            raise ScenarioError("--out goes with several runs; the report of one is written into its own folder")
        write_report(runs[0])
        page = RunFolder(runs[0]).report
    else:
        with named_folder(out, "comparison") as named, new_folder(named) as folder:
            page = folder / "comparison.html"
            told |= write_comparison(runs, page).as_json()
    if as_json:
        print(json.dumps({"report": str(page), **told}))
    elif not quiet:
        print(f"report: {page}")
