"""`meterstorm run`: the main job."""

import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.options import ConnectionOptions, ReportOptions, ScenarioPath, Seed, SettleS, takes
from meterstorm.cli.sites import enter_sites
from meterstorm.jobs.defaults import SETTLE_S
from scenarios.file import resolve_scenario
from scenarios.levels.nemesis import with_nemesis
from scenarios.parts.pace import Shape
from scenarios.spec import ScenarioError, require_reached
from scenarios.texts.outside import whole_number
from scenarios.texts.printable import shortened

if TYPE_CHECKING:
    from loadtests.locust_fleet.launch import FleetPlan
    from meterstorm.display.progress import Progress
    from reports.results.run import Results


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command("run", epilog="Example: `meterstorm run scenarios/smoke.toml --out runs/first --keep`")(run_command)


@takes(report=ReportOptions, connection=ConnectionOptions)
def run_command(
    scenario: ScenarioPath,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the nodes' data in the run's folder.")] = False,
    shape: Annotated[
        Shape | None,
        typer.Option("--shape", help="Instead of the scenario's: the trace squeezed and stretched to a ramp, say."),
    ] = None,
    shards: Annotated[int, typer.Option("--shards", min=1, max=64, help="Sender processes.")] = 1,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Send by so many Locust workers (docs/locust.md).")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Wait here for workers on other machines.")
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file", metavar="FILE", help="With --listen: its first line is the secret of the workers."
        ),
    ] = None,
    customers: Annotated[
        int, typer.Option("--customers", min=0, max=100_000, help="With --workers: customers beside the meters.")
    ] = 0,
    nemesis: Annotated[
        bool,
        typer.Option("--nemesis", help="Break nodes at random meanwhile, as far as the levels bear (docs/faults.md)."),
    ] = False,
    nemesis_seed: Annotated[
        int | None,
        typer.Option("--nemesis-seed", min=0, max=2**32 - 1, help="As --nemesis, by this seed instead of the run's."),
    ] = None,
    seed: Seed = None,
    settle_s: SettleS = SETTLE_S,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port",
            min=0,
            max=65_535,
            metavar="PORT",
            help="Answer Prometheus on this port of loopback meanwhile; 0: a free one (docs/monitoring.md).",
        ),
    ] = None,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Watch it with Prometheus; what alerts stands in the results.")
    ] = False,
    *,
    report: ReportOptions,
    connection: ConnectionOptions,
) -> None:
    """The main job: cluster, schema, simulate, storm, drain, audit, report."""
    checked = resolve_scenario(scenario, seed)  # before drivers and kernels are loaded: they take seconds
    shaped = checked if shape is None else checked.with_shape(shape)
    resolved = with_nemesis(shaped, nemesis_seed) if nemesis or nemesis_seed is not None else shaped
    fleet = fleet_of(workers, listen, customers, secret_file)
    endpoint = connection.endpoint(resolved)
    if listen is not None:
        require_reached(resolved)
    metrics = None if metrics_port is None else take_port(metrics_port)
    enter_sites(resolved, endpoint, quiet=report.quiet, listener=metrics, has_exporters=monitor)
    from meterstorm.display.run import print_results
    from meterstorm.jobs.run import run

    def job(folder: Path, progress: "Progress") -> "Results":
        with told_what_is_left(folder, keep=keep and endpoint is None):
            return run_in(folder, progress)

    def run_in(folder: Path, progress: "Progress") -> "Results":
        return run(
            resolved,
            folder,
            keep=keep,
            endpoint=endpoint,
            shard_count=shards,
            fleet=fleet,
            settle_s=settle_s,
            monitor=monitor,
            profile_folder=scenario.parent,
            metrics=metrics,
            progress=progress,
        )

    exit_with_report(job, print_results, report, scenario.stem)


@contextmanager
def told_what_is_left(folder: Path, *, keep: bool) -> Iterator[None]:
    """Of a run that was interrupted after its storm, whose nodes' data stay: how it is judged after all."""
    try:
        yield
    except KeyboardInterrupt as error:
        if keep and RunFolder(folder).results.exists():
            raise KeyboardInterrupt(f"its data are kept: meterstorm audit {shlex.quote(str(folder))}") from error
        raise


def take_port(port: int) -> socket.socket:
    """Listen on a port for scrapers, before anything is started. Raises ScenarioError for one that is taken."""
    from loadtests.metrics.endpoint import listen

    return listen(port)


def fleet_of(
    workers: int | None, listen: str | None, customers: int, secret_file: Path | None = None
) -> "FleetPlan | None":
    """The Locust workers that the options ask for, or None.

    Raises ScenarioError for options that go with others, and for a place that needs a secret and has none.
    """
    from loadtests.locust_fleet.launch import FleetPlan
    from loadtests.locust_fleet.secret import read_secret, require_secret

    if workers is None and (listen or customers):
        raise ScenarioError("--listen and --customers go with --workers")
    if listen is None and secret_file is not None:
        raise ScenarioError("--secret-file goes with --listen; workers of this machine share a secret by themselves")
    if workers is None:
        return None
    where, secret = None, None
    if listen is not None:
        host, _, digits = listen.rpartition(":")
        port = whole_number(digits)
        if not host or port is None or not 0 < port < 65_536:
            raise ScenarioError(f"--listen {shortened(listen)}: must be HOST:PORT, 0.0.0.0:5557 say")
        where, secret = (host, port), read_secret(secret_file)
        require_secret(secret, host, "--listen")
    return FleetPlan(worker_count=workers, customer_count=customers, listen=where, secret=secret)
