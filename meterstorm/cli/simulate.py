"""`meterstorm simulate`: virtual time alone."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.options import AsJson, Quiet, ScenarioPath, Seed, path_named
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.scheduler_address import require_tls
from scenarios.file import resolve_scenario
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    pass


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "simulate",
        epilog="Examples: `meterstorm simulate regional_outage --out runs/outage --open`, "
        "`meterstorm simulate regional_outage --replications 10`",
    )(simulate_command)


def simulate_command(
    scenario: ScenarioPath,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            parser=path_named,
            help="A new folder for report, results and Parquet; default: none written.",
        ),
    ] = None,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser; with --out.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", parser=path_named, help="Write the trace's events to a new Parquet file."
        ),
    ] = None,
    from_h: Annotated[float | None, typer.Option("--from-h", min=0, help="Export from this simulated hour on.")] = None,
    until_h: Annotated[
        float | None, typer.Option("--until-h", min=0, help="Export what is due before this simulated hour.")
    ] = None,
    meter: Annotated[
        int | None, typer.Option("--meter", min=0, metavar="INDEX|MPXN", help="Export one meter's events.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=256, help="Default: one a processor. Results are the same.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, max=256, help="Processes of one thread instead of threads.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="tls://HOST:PORT", help="The workers of a running Dask scheduler instead."),
    ] = None,
    replications: Annotated[
        int | None,
        typer.Option(
            "--replications",
            metavar="N",
            help="Simulate N times, with the seeds from the scenario's on, for means with 95 % intervals.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="SCENARIO",
            parser=path_named,
            help="Replicate this one too, with the same seeds, and tell the differences.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            parser=path_named,
            help="Keep what is done in FILE each minute; the same command goes on from it after a kill. Removed at the end.",
        ),
    ] = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Virtual time alone: what the estate sends and is sent, when, how commands end, and the digest of the trace."""
    if export is None and (from_h is not None or until_h is not None or meter is not None):
        raise ScenarioError("--from-h, --until-h and --meter go with --export")
    if sum(option is not None for option in (threads, processes, scheduler)) > 1:
        raise ScenarioError("--threads, --processes and --scheduler exclude each other")
    if checkpoint is not None and (processes is not None or scheduler is not None or replications is not None):
        raise ScenarioError(
            "--checkpoint keeps one walk on threads: without --processes, --scheduler and --replications"
        )
    if open_report and out is None:
        raise ScenarioError("--open goes with --out, which says where the report is written")
    if scheduler is not None:
        require_tls(scheduler)
    if against is not None and replications is None:
        raise ScenarioError("--against goes with --replications, which says how many pairs to simulate")
    resolved = resolve_scenario(scenario, seed)
    other = None if against is None else resolve_scenario(against)
    # Now that all is checked: figures and kernels take seconds to load.
    from meterstorm.display.simulation import print_simulation
    from meterstorm.jobs.replicate import Replications, Workers
    from meterstorm.jobs.simulate import Export, simulate

    repeated = None
    if replications is not None:
        repeated = Replications(count=replications, against=other, against_folder=against.parent if against else None)
    console = PlainConsole(stderr=True, quiet=quiet)
    done = simulate(
        resolved,
        console,
        out=out,
        export=None if export is None else Export(path=export, from_h=from_h, until_h=until_h, meter=meter),
        thread_count=threads,
        workers=Workers(process_count=processes or 1, scheduler=scheduler) if processes or scheduler else None,
        profile_folder=scenario.parent,
        replications=repeated,
        checkpoint=checkpoint,
    )
    told = console if as_json else PlainConsole()
    print(done.results.model_dump_json(indent=2)) if as_json else print_simulation(told, done.results)
    if done.exported is not None:
        told.print(f"exported: {done.exported:,} events to {export}", highlight=False, soft_wrap=True)
    if out is not None:
        page = RunFolder(out).report
        told.print(f"report: {page}", highlight=False, soft_wrap=True)
        if open_report:
            webbrowser.open(page.absolute().as_uri())
