"""`meterstorm matrix`: replication factors, levels and data centres side by side."""

import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.exits import exit_with_verdict
from meterstorm.cli.options import AsJson, Out, Quiet, ScenarioPath, Seed
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.run_folder import named_folder
from scenarios.file import resolve_scenario
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.matrix import MatrixResults


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "matrix",
        epilog="Examples: `meterstorm matrix smoke --dcs 1,2 --rf 1 --cl LOCAL_ONE,QUORUM --out runs/matrix`, "
        "`meterstorm matrix smoke --rf 1,3 --repeats 5 --seconds 10 --rate 300`",
    )(matrix_command)


def matrix_command(
    scenario: ScenarioPath,
    rf: Annotated[str, typer.Option("--rf", metavar="N[,N]", help="Replication factors, in each DC.")] = "1,3",
    cl: Annotated[
        str, typer.Option("--cl", metavar="LEVEL[,LEVEL]", help="Consistency levels.")
    ] = "LOCAL_ONE,LOCAL_QUORUM,QUORUM,EACH_QUORUM",
    dcs: Annotated[str, typer.Option("--dcs", metavar="N[,N]", help="Numbers of data centres.")] = "1,2,3",
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=1_000, help="How often each cell is measured.")] = 3,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=3_600, help="Of each loop of a trial.")] = 5.0,
    rate: Annotated[float, typer.Option("--rate", min=1, max=1_000_000, help="Operations/s of the open loop.")] = 500.0,
    out: Out = None,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: Annotated[
        str | None, typer.Option("--contact-points", hidden=True, help="Refused: a matrix has nodes of its own.")
    ] = None,
) -> None:
    """The same load on every replication factor, consistency level and number of DCs that fit this machine."""
    if contact_points is not None:
        raise ScenarioError("--contact-points: a matrix starts and stops nodes of its own; leave it out")
    resolved = resolve_scenario(scenario, seed)  # before drivers and kernels are loaded: they take seconds
    from loadtests.matrix.cells import DCS_MAX, RF_MAX, levels_of, numbers_of
    from meterstorm.display.matrix import print_matrix
    from meterstorm.jobs.matrix import Asked, matrix

    asked = Asked(
        rfs=numbers_of(rf, "--rf", RF_MAX),
        levels=levels_of(cl, "--cl"),
        dc_counts=numbers_of(dcs, "--dcs", DCS_MAX),
        repeats=repeats,
        seconds=seconds,
        rate_per_s=rate,
    )

    def job(progress: "Progress") -> "MatrixResults":
        with named_folder(out, f"{scenario.stem}-matrix") as folder:
            results = matrix(resolved, asked, folder, profile_folder=scenario.parent, progress=progress)
            page = RunFolder(folder).report
            print(results.model_dump_json(indent=2)) if as_json else print_matrix(PlainConsole(), results, str(page))
            if open_report:
                webbrowser.open(page.absolute().as_uri())
            return results

    exit_with_verdict(job, quiet)
