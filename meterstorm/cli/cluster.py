"""`meterstorm cluster`: the local cluster alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.exits import ExitCode
from meterstorm.cli.help_page import CommandGroup
from meterstorm.cli.options import AsJson, Quiet, path_named
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.run_folder import read_resolved, require_nodes_data
from scenarios.file import resolve_scenario
from scenarios.spec import ScenarioError, require_no_wan

if TYPE_CHECKING:
    from loadtests.cluster.supervisor import SupervisorState


ClusterOut = Annotated[Path, typer.Option("--out", metavar="DIR", parser=path_named, help="The cluster's folder.")]
CLUSTER_FOLDER = Path("runs") / "cluster"


def add_to(app: typer.Typer) -> None:
    """Add the three to the command's list."""
    cluster_app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="The local cluster alone: up, status, down.")
    app.add_typer(cluster_app, name="cluster")
    cluster_app.command("up", epilog="Examples: `meterstorm cluster up smoke`, `meterstorm cluster up runs/first`")(
        cluster_up_command
    )
    cluster_app.command("status", epilog="Example: `meterstorm cluster status --out runs/first/cluster`")(
        cluster_status_command
    )
    cluster_app.command("down", epilog="Example: `meterstorm cluster down --out runs/first/cluster`")(
        cluster_down_command
    )


def cluster_up_command(
    scenario: Annotated[
        Path,
        typer.Argument(
            metavar="[SCENARIO|RUN]",
            parser=path_named,
            help="Whose topology; of a run with --keep, its nodes and data.",
        ),
    ] = Path("smoke"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", parser=path_named, help="The cluster's folder; default runs/cluster, or the run's."
        ),
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Nodes tell Prometheus of themselves (docs/monitoring.md).")
    ] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="With --metrics: and of each table of the keyspace.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Start a local cluster in the background; it serves until `cluster down`."""
    from loadtests.cluster import supervisor

    if tables and not metrics:
        raise ScenarioError("--tables goes with --metrics")
    is_run = scenario.is_dir()
    topology = (read_resolved(scenario) if is_run else resolve_scenario(scenario)).topology
    require_no_wan(topology, "a cluster in the background")
    folder = out or (RunFolder(scenario).cluster if is_run else CLUSTER_FOLDER)
    if is_run and out is None:
        require_nodes_data(scenario)
    with background_lines(quiet) as tell:
        state = supervisor.up(topology, folder, tell, metrics=metrics, table_metrics=tables)
    _tell_cluster(state, folder, as_json)


def cluster_status_command(out: ClusterOut = CLUSTER_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """How a background cluster stands; exit code 0 when it serves, else 3."""
    from loadtests.cluster import supervisor
    from loadtests.cluster.background import BackgroundPhase

    state = supervisor.status(out)
    if not quiet or as_json:
        _tell_cluster(state, out, as_json)
    if state.phase is not BackgroundPhase.SERVING:
        raise typer.Exit(ExitCode.HARNESS)


def cluster_down_command(out: ClusterOut = CLUSTER_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Stop a background cluster; its data stays in its folder."""
    from loadtests.cluster import supervisor

    with background_lines(quiet) as tell:
        state = supervisor.down(out, tell)
    _tell_cluster(state, out, as_json)


@contextmanager
def background_lines(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Where the steps of a start or a stop are told, until it has ended."""
    from meterstorm.display.run import Display

    display = Display(PlainConsole(stderr=True))
    try:
        yield (lambda _: None) if quiet else display.detail
    finally:
        display.close()


def _tell_cluster(state: "SupervisorState", folder: Path, as_json: bool) -> None:
    if as_json:
        print(state.model_dump_json(indent=2))
        return
    print(f"cluster {folder}: {state.told()}")
    for node in state.nodes:
        told = f", metrics at http://{node.metrics}/metrics" if node.metrics else ""
        print(f"  {node.name} in {node.dc}: {node.address}, process {node.pid}{told}")
