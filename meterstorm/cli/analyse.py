"""`meterstorm analyse`: facts into a warehouse of Parquet, and questions over all homes."""

import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.analytics_source import Engine, FromBusiness, Master, ReadDc, Source, Warehouse, opened_source
from meterstorm.cli.help_page import CommandGroup
from meterstorm.cli.insights import fuel_name, home_command, publish_command
from meterstorm.cli.listing import print_listing
from meterstorm.cli.options import AsJson, ConnectionOptions, Quiet, path_named, takes
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.analytics.analyse import JobEngine
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    import pyarrow as pa

    from store.analytics.changes import Renewed
    from store.analytics.warehouse import Manifest

SHOWN_ROWS = 20
WRONG_FOUND = 1  # as a verdict of fail has it

OutFile = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", parser=path_named, help="All rows, as .parquet or .csv; a file that is not there."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add it and its own subcommands to the command's list."""
    analyse = typer.Typer(
        cls=CommandGroup, no_args_is_help=True, help="Questions over all homes: a warehouse of Parquet, and jobs on it."
    )
    analyse.command(
        "export",
        epilog="Examples: `meterstorm analyse export runs/first --out warehouse --from-business` (of a run with --keep), "
        "`meterstorm analyse export first_utility --contact-points 10.0.0.1 --out warehouse`",
    )(export_command)
    analyse.command("jobs", epilog="Example: `meterstorm analyse jobs --json`")(jobs_command)
    analyse.command(
        "run",
        epilog="Examples: `meterstorm analyse run settlement warehouse`, "
        "`meterstorm analyse run profiles warehouse --out profiles.parquet`, "
        "`meterstorm analyse run peaks warehouse --engine spark`",
    )(run_command)
    analyse.command("replay", epilog="Example: `meterstorm analyse replay runs/first --view usage_by_fuel`")(
        replay_command
    )
    analyse.command(
        "mend",
        epilog="Example: `meterstorm analyse mend runs/first warehouse`, after `meterstorm analyse run reconcile warehouse`",
    )(mend_command)
    analyse.command("publish", epilog="Example: `meterstorm analyse publish runs/first warehouse --from-business`")(
        publish_command
    )
    analyse.command("home", epilog="Example: `meterstorm analyse home runs/first 17`")(home_command)
    analyse.command("verify", epilog="Example: `meterstorm analyse verify warehouse`")(verify_command)
    app.add_typer(analyse, name="analyse")


@takes(connection=ConnectionOptions)
def export_command(
    source: Source,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            parser=path_named,
            help="The warehouse: a new folder, or one to go on with or to renew.",
        ),
    ],
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help="Of a whole warehouse: read the days alone that the journal names since, and 6 h before, and all commands; what "
            "a storm sent is not in it, nor what a data centre gets later than that, and bills are left out.",
        ),
    ] = False,
    dc: ReadDc = None,
    from_business: FromBusiness = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Write every half-hour that the event log holds to Parquet, by settlement date, and every bill and command.

    It goes on where it was interrupted; over a whole warehouse it reads all of the log again, and writes what has changed.
    """
    from meterstorm.jobs.analytics.arguments import exports_to
    from meterstorm.jobs.analytics.export import export_source, renew_source
    from store.analytics.data_sets import BILLS, COMMANDS

    check = exports_to(out, source, is_renewal=changed)
    with opened_source(source, dc, connection, check, from_business=from_business, quiet=quiet) as (opened, progress):
        if changed:
            _tell_renewed(renew_source(opened, out, progress), out, as_json=as_json)
            return
        exported = export_source(opened, out, progress)
    manifest = exported.manifest
    if as_json:
        print(
            json.dumps(
                {
                    "warehouse": str(out),
                    "half_hours": manifest.rows_of(),
                    "bills": manifest.rows_of(BILLS),
                    "commands": manifest.rows_of(COMMANDS),
                    "files": len(manifest.files),
                    "bytes": sum(one.size for one in manifest.files),
                    "files_written": exported.files_written,
                    "files_unchanged": exported.files_unchanged,
                    "round": manifest.round,
                },
                indent=2,
            )
        )
        return
    PlainConsole().print(
        f"{out}: {_told(manifest)}; {exported.files_written:,} written, {exported.files_unchanged:,} as they were",
        highlight=False,
        soft_wrap=True,
    )


def _tell_renewed(done: "Renewed", out: Path, *, as_json: bool) -> None:
    from store.analytics.data_sets import COMMANDS

    held = {"half_hours": done.manifest.rows_of(), "commands": done.manifest.rows_of(COMMANDS)}
    if as_json:
        told = {name: getattr(done, name) for name in ("days", "rows_read", "parts", "files_written")}
        print(json.dumps({"warehouse": str(out), **held, **told}, indent=2))
        return
    PlainConsole().print(
        f"{out}: {held['half_hours']:,} half-hours, {held['commands']:,} commands; {done.days:,} days of meters had "
        f"changed, {done.rows_read:,} rows of the log read, {done.files_written:,} files written",
        highlight=False,
        soft_wrap=True,
    )


@takes(connection=ConnectionOptions)
def replay_command(
    source: Source,
    view: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="NAME", help="A view of homes, may be repeated; default each of them."),
    ] = None,
    out: OutFile = None,
    dc: ReadDc = None,
    from_business: FromBusiness = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Fold views of homes anew from the whole event log, and list where what is stored differs: then exit code 1."""
    from meterstorm.jobs.analytics.arguments import views_named
    from meterstorm.jobs.analytics.replay import cut_views, replay

    _require_new(out)
    with (
        opened_source(source, dc, connection, views_named(view or ()), from_business=from_business, quiet=quiet) as (
            opened,
            progress,
        ),
        opened.store() as store,
    ):
        rows = replay(store, view or (), progress.phase)
    _tell(rows, out, as_json=as_json)
    if rows.num_rows:
        told = f"replay: {rows.num_rows:,} rows differ from the log"
        if cut := cut_views(rows):
            told += f", and there may be more: {', '.join(cut)} was not read to its end, and is to be rebuilt"
        PlainConsole(stderr=True).print(told, highlight=False)
        raise typer.Exit(WRONG_FOUND)


@takes(connection=ConnectionOptions)
def mend_command(
    source: Source,
    warehouse: Warehouse,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Issue commands for the devices that `reconcile` shows as drifted, as they are now, through their home data centres."""
    from meterstorm.jobs.analytics.arguments import mends
    from meterstorm.jobs.analytics.mend import mend

    with opened_source(source, None, connection, mends(warehouse), from_business=True, quiet=quiet) as (
        opened,
        progress,
    ):
        done = mend(opened, warehouse, progress)
    if as_json:
        print(json.dumps(asdict(done), indent=2))
        return
    PlainConsole().print(
        f"{done.devices:,} devices had drifted, {done.drifts:,} values still have: {done.issued:,} commands issued, "
        f"{done.given_up:,} given up",
        highlight=False,
        soft_wrap=True,
    )


def jobs_command(as_json: AsJson = False) -> None:
    """The jobs that there are, with what they answer."""
    from store.analytics.jobs import JOBS

    rows = [{"job": job.name, "answers": job.answers} for job in JOBS.values()]
    print_listing(rows, {"job": "Job", "answers": "What it answers"}, as_json=as_json)


def run_command(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name; `meterstorm analyse jobs` lists them.")],
    warehouse: Warehouse,
    out: OutFile = None,
    engine: Engine = JobEngine.DUCKDB,
    master: Master = "local[*]",
    as_json: AsJson = False,
) -> None:
    """Do a job on a warehouse; without --out the first rows are shown. A check that finds something wrong ends with 1."""
    from meterstorm.jobs.analytics.analyse import analyse, job_named

    asked = job_named(job)
    _require_new(out)
    rows = analyse(job, warehouse, engine, master=master)
    _tell(rows, out, as_json=as_json)
    if wrong := asked.wrong_count(rows):
        PlainConsole(stderr=True).print(f"{job}: {wrong:,} of {rows.num_rows:,} rows are wrong", highlight=False)
        raise typer.Exit(WRONG_FOUND)


def _require_new(out: Path | None) -> None:
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ScenarioError(f"--out {out}: its name must end with .parquet or .csv")
    if out is not None and out.exists():
        raise ScenarioError(f"--out {out} is there already; name a new file")
    if out is not None and not out.absolute().parent.is_dir():
        raise ScenarioError(
            f"--out {out}: there is no folder {out.parent}; make it first, or name a file in another one"
        )


def _tell(rows: "pa.Table", out: Path | None, *, as_json: bool) -> None:
    """Write all rows where that is asked, and print them all or the first of them."""
    if out is not None:
        _write(rows, out)
    if as_json:
        print(json.dumps(rows.to_pylist(), default=str))
    else:
        _show(rows)


def _show(rows: "pa.Table") -> None:
    """The first rows, tab-separated, for people: fuels by their names."""
    shown = csv.writer(sys.stdout, lineterminator="\n", delimiter="\t")
    shown.writerow(rows.column_names)
    for row in rows.slice(0, SHOWN_ROWS).to_pylist():
        shown.writerow(fuel_name(value) if name == "fuel" else value for name, value in row.items())
    if rows.num_rows > SHOWN_ROWS:
        PlainConsole(stderr=True).print(
            f"{rows.num_rows - SHOWN_ROWS:,} rows more: --out FILE or --json has them all", highlight=False
        )


def verify_command(warehouse: Warehouse) -> None:
    """Read every file of a warehouse, and hold it against the checksum that its manifest has: exit code 1 where one differs.

    2 where there is no whole warehouse.
    """
    from store.analytics.warehouse import ChangedFile, WarehouseError, whole_warehouse

    try:
        manifest = whole_warehouse(warehouse, verify=True)
    except ChangedFile as error:
        PlainConsole(stderr=True).print(f"verify: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(WRONG_FOUND) from error
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error
    PlainConsole().print(
        f"{warehouse}: whole, {_told(manifest)}, each as it was exported",
        highlight=False,
        soft_wrap=True,
    )


def _told(manifest: "Manifest") -> str:
    from store.analytics.data_sets import BILLS, COMMANDS

    return (
        f"{manifest.rows_of():,} half-hours, {manifest.rows_of(BILLS):,} bills and {manifest.rows_of(COMMANDS):,} commands in "
        f"{len(manifest.files):,} files"
    )


def _write(rows: "pa.Table", out: Path) -> None:
    """Whole or not at all."""
    import pyarrow.csv
    import pyarrow.parquet

    draft = out.with_name(out.name + ".partial")
    try:
        if out.suffix == ".csv":
            pyarrow.csv.write_csv(rows, draft)
        else:
            pyarrow.parquet.write_table(rows, draft, compression="zstd")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
