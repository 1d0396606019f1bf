"""`meterstorm report`: a report written again, or several runs side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from meterstorm.cli.options import AsJson, Quiet, path_named


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
            metavar="RUN [RUN ...]",
            parser=path_named,
            help="Folders of runs; or the folder of one simulation, search or matrix.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", parser=path_named, help="Where several runs' comparison goes; a new folder."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a report again: a run's with its figures, a simulation's, a search's or a matrix's.

    Of several runs: one page with them side by side.
    """
    from meterstorm.jobs.report import report

    done = report(runs, out)
    if as_json:
        told = {} if done.comparison is None else done.comparison.as_json()
        print(json.dumps({"report": str(done.page), **told}))
    elif not quiet:
        print(f"report: {done.page}")
