"""`meterstorm monitor`: Prometheus and Alertmanager beside a background cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.prometheus.settings import HARNESS_PORT
from meterstorm.cli.cluster import CLUSTER_FOLDER, background_lines
from meterstorm.cli.exits import ExitCode
from meterstorm.cli.help_page import CommandGroup
from meterstorm.cli.options import AsJson, ConnectionOptions, Quiet, path_named, takes
from scenarios.file import resolve_scenario
from scenarios.texts.printable import printable

if TYPE_CHECKING:
    from loadtests.prometheus.background import MonitorState

MonitorOut = Annotated[
    Path, typer.Option("--out", metavar="DIR", parser=path_named, help="The folder of the monitoring.")
]
MONITOR_FOLDER = Path("runs") / "monitor"


def add_to(app: typer.Typer) -> None:
    """Add the three to the command's list."""
    monitor_app = typer.Typer(
        cls=CommandGroup, no_args_is_help=True, help="Prometheus and Alertmanager beside a cluster."
    )
    app.add_typer(monitor_app, name="monitor")
    monitor_app.command("up", epilog="Example: `meterstorm cluster up smoke --metrics && meterstorm monitor up smoke`")(
        monitor_up_command
    )
    monitor_app.command("status", epilog="Example: `meterstorm monitor status`")(monitor_status_command)
    monitor_app.command("down", epilog="Example: `meterstorm monitor down`")(monitor_down_command)


@takes(connection=ConnectionOptions)
def monitor_up_command(
    scenario: Annotated[
        Path, typer.Argument(metavar="[SCENARIO]", parser=path_named, help="Whose objectives and limits alert.")
    ] = Path("smoke"),
    cluster: Annotated[
        Path,
        typer.Option(
            "--cluster", metavar="DIR", parser=path_named, help="The cluster's folder: `cluster up --metrics`."
        ),
    ] = CLUSTER_FOLDER,
    prometheus_port: Annotated[
        int, typer.Option("--prometheus-port", min=0, max=65535, help="On loopback; 0: any that is free.")
    ] = 9090,
    alertmanager_port: Annotated[
        int, typer.Option("--alertmanager-port", min=0, max=65535, help="On loopback; 0: any that is free.")
    ] = 9093,
    victoria: Annotated[
        bool, typer.Option("--victoria", help="VictoriaMetrics beside them, which shows the dashboards itself.")
    ] = False,
    victoria_port: Annotated[
        int, typer.Option("--victoria-port", min=0, max=65535, help="On loopback; 0: any that is free.")
    ] = 8428,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=1, max=65535, help="Where a run tells metrics of itself.")
    ] = HARNESS_PORT,
    out: MonitorOut = MONITOR_FOLDER,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Start Prometheus and Alertmanager beside a background cluster, or an existing one whose nodes are asked through CQL, with
    rules and alerts; until `monitor down`."""
    from loadtests.prometheus import background
    from loadtests.prometheus.stack import MonitorPorts

    resolved = resolve_scenario(scenario)
    ports = MonitorPorts(
        prometheus=prometheus_port, alertmanager=alertmanager_port, victoria=victoria_port if victoria else None
    )
    endpoint = connection.endpoint(resolved)
    with background_lines(quiet) as tell:
        state = background.up(resolved, out, cluster, tell, ports, metrics_port, endpoint, connection.password_file)
    _tell(state, out, as_json)


def monitor_status_command(out: MonitorOut = MONITOR_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """What is scraped, what fails, which alerts fire; exit code 0 when it serves, else 3."""
    from loadtests.cluster.background import BackgroundPhase
    from loadtests.prometheus import background
    from loadtests.prometheus.stack import firing_at, targets_at

    state = background.status(out)
    if not quiet or as_json:
        _tell(state, out, as_json)
    if state.phase is not BackgroundPhase.SERVING:
        raise typer.Exit(ExitCode.HARNESS)
    if quiet or as_json:
        return
    for target in targets_at(state.prometheus):
        name = target.node or "a run's own metrics"
        print(f"  {name} at {target.address}: {printable(target.trouble) or 'answers'}")
    for told in firing_at(state.prometheus):
        print(f"  fires: {printable(told)}")


def monitor_down_command(out: MonitorOut = MONITOR_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """End both, and remove what they have scraped; rules and notifications stay in the folder."""
    from loadtests.prometheus import background

    state = background.down(out)
    if not quiet or as_json:
        _tell(state, out, as_json)


def _tell(state: "MonitorState", folder: Path, as_json: bool) -> None:
    if as_json:
        print(state.model_dump_json(indent=2, exclude={"scenario"}))
        return
    print(f"monitoring {folder}: {state.told()}")
    if state.phase.value == "serving":
        print(f"  Prometheus http://{state.prometheus}, Alertmanager http://{state.alertmanager}")
        if state.victoria:
            print(f"  dashboards http://{state.victoria}/vmui/#/dashboards")
