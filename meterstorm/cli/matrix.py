"""`meterstorm matrix`: replication factors, levels and data centres side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.options import OwnNodes, ReportOptions, ScenarioPath, Seed, require_own_nodes, takes
from meterstorm.cli.sites import enter_sites
from scenarios.file import resolve_scenario
from scenarios.spec import with_network

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.matrix import MatrixResults


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "matrix",
        epilog="Examples: `meterstorm matrix smoke --dcs 1,2 --rf 1 --cl LOCAL_ONE,QUORUM --out runs/matrix`, "
        "`meterstorm matrix smoke --rf 1,3 --repeats 5 --seconds 10 --rate 300`, "
        "`meterstorm matrix smoke --dcs 2 --rf 1 --wan-ms 20,80,150`",
    )(matrix_command)


@takes(report=ReportOptions)
def matrix_command(
    scenario: ScenarioPath,
    rf: Annotated[str, typer.Option("--rf", metavar="N[,N]", help="Replication factors, in each DC.")] = "1,3",
    cl: Annotated[
        str, typer.Option("--cl", metavar="LEVEL[,LEVEL]", help="Consistency levels.")
    ] = "LOCAL_ONE,LOCAL_QUORUM,QUORUM,EACH_QUORUM",
    dcs: Annotated[str, typer.Option("--dcs", metavar="N[,N]", help="Numbers of data centres.")] = "1,2,3",
    wan_ms: Annotated[
        str | None,
        typer.Option(
            "--wan-ms",
            metavar="MS[,MS]",
            help="Distances between every two data centres, one way: whole ms from 0 to 2000, of --dcs 2 or more; "
            "without it the scenario's alone.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=1_000, help="How often each cell is measured.")] = 3,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=3_600, help="Of each loop of a trial.")] = 5.0,
    rate: Annotated[float, typer.Option("--rate", min=1, max=1_000_000, help="Operations/s of the open loop.")] = 500.0,
    seed: Seed = None,
    contact_points: OwnNodes = None,
    *,
    report: ReportOptions,
) -> None:
    """The same load on every replication factor, consistency level and number of DCs that fit this machine."""
    require_own_nodes(contact_points, "a matrix")
    resolved = resolve_scenario(scenario, seed)  # before drivers and kernels are loaded: they take seconds
    from loadtests.matrix.cells import DCS_MAX, RF_MAX, WAN_MS_MAX, levels_of, numbers_of, require_distant

    rfs, levels, dc_counts = numbers_of(rf, "--rf", RF_MAX), levels_of(cl, "--cl"), numbers_of(dcs, "--dcs", DCS_MAX)
    distances_ms = () if wan_ms is None else numbers_of(wan_ms, "--wan-ms", WAN_MS_MAX, least=0)
    require_distant(dc_counts, distances_ms)
    if distances_ms:
        resolved = with_network(resolved)
    enter_sites(resolved, quiet=report.quiet)
    from meterstorm.display.matrix import print_matrix
    from meterstorm.jobs.matrix import Asked, matrix

    asked = Asked(
        rfs=rfs,
        levels=levels,
        dc_counts=dc_counts,
        distances_ms=distances_ms,
        repeats=repeats,
        seconds=seconds,
        rate_per_s=rate,
    )

    def job(folder: Path, progress: "Progress") -> "MatrixResults":
        return matrix(resolved, asked, folder, profile_folder=scenario.parent, progress=progress)

    exit_with_report(job, print_matrix, report, f"{scenario.stem}-matrix")
