"""`meterstorm find-max`: the highest rate that holds the objectives."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.options import ConnectionOptions, ReportOptions, ScenarioPath, Seed, takes
from meterstorm.cli.sites import enter_sites
from scenarios.file import resolve_scenario

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.capacity import CapacityResults


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "find-max",
        epilog="Examples: `meterstorm find-max smoke --out runs/max`, `meterstorm find-max smoke --with-dc-down --precision 0.1`",
    )(find_max_command)


@takes(report=ReportOptions, connection=ConnectionOptions)
def find_max_command(
    scenario: ScenarioPath,
    low: Annotated[
        float | None,
        typer.Option(
            "--low", min=0.1, metavar="PER_S", help="The first rate; default a quarter of what warming reaches."
        ),
    ] = None,
    high: Annotated[
        float | None, typer.Option("--high", min=0.1, metavar="PER_S", help="Try no rate above it; default any.")
    ] = None,
    precision: Annotated[
        float, typer.Option("--precision", min=0.01, max=0.5, help="Rates nearer than this share are one.")
    ] = 0.03,
    step_s: Annotated[
        int, typer.Option("--step-s", min=20, max=3600, help="How long a step may last [s]; what is clear ends sooner.")
    ] = 120,
    steps: Annotated[int, typer.Option("--steps", min=3, max=500, help="Steps at most.")] = 40,
    with_dc_down: Annotated[
        bool,
        typer.Option(
            "--with-dc-down", help="With the first business DC's nodes stopped, its traffic sent to the next."
        ),
    ] = False,
    seed: Seed = None,
    *,
    report: ReportOptions,
    connection: ConnectionOptions,
) -> None:
    """The highest rate at which the scenario's objectives hold, with its interval, in meters, and what binds."""
    resolved = resolve_scenario(scenario, seed)  # before drivers and kernels are loaded: they take seconds
    endpoint = connection.endpoint(resolved)
    enter_sites(resolved, endpoint, quiet=report.quiet)
    from meterstorm.display.capacity import print_capacity
    from meterstorm.jobs.find_max import SearchOptions, find_max

    options = SearchOptions(
        low_per_s=low, high_per_s=high, precision=precision, step_s=step_s, steps_max=steps, dc_down=with_dc_down
    )

    def job(folder: Path, progress: "Progress") -> "CapacityResults":
        return find_max(resolved, folder, options, endpoint=endpoint, profile_folder=scenario.parent, progress=progress)

    exit_with_report(job, print_capacity, report, scenario.stem)
