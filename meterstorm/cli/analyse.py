"""`meterstorm analyse`: facts into a warehouse of Parquet, and questions over all homes."""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.listing import print_listing
from meterstorm.cli.options import AsJson, ConnectionOptions, Quiet, path_named, takes
from meterstorm.cli.sites import enter_sites
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.analyse import JobEngine
from meterstorm.jobs.run_folder import read_resolved
from scenarios.file import resolve_scenario
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_ROWS = 20
WRONG_FOUND = 1  # as a verdict of fail has it

Warehouse = Annotated[Path, typer.Argument(metavar="WAREHOUSE", parser=path_named, help="The folder of an export.")]


def add_to(app: typer.Typer) -> None:
    """Add it and its own subcommands to the command's list."""
    analyse = typer.Typer(
        no_args_is_help=True, help="Questions over all homes: a warehouse of Parquet, and jobs on it."
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
    analyse.command("verify", epilog="Example: `meterstorm analyse verify warehouse`")(verify_command)
    app.add_typer(analyse, name="analyse")


@takes(connection=ConnectionOptions)
def export_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            parser=path_named,
            help="The folder of a run whose nodes were kept (`run --keep`), or with --contact-points a scenario.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            parser=path_named,
            help="The warehouse: a new folder, or one to go on with or to renew.",
        ),
    ],
    dc: Annotated[
        str | None,
        typer.Option("--dc", metavar="NAME", help="The data centre to read; default the first for analytics."),
    ] = None,
    from_business: Annotated[
        bool, typer.Option("--from-business", help="Read a business data centre, in the way of its customers.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Write every half-hour that the event log holds to Parquet, by settlement date, and every bill.

    It goes on where it was interrupted; over a whole warehouse it reads all of the log again, and writes what has changed.
    """
    from meterstorm.display.progress import Silent
    from meterstorm.display.run import Display
    from meterstorm.jobs.export_half_hours import export_cluster, export_run
    from store.analytics.data_sets import BILLS

    display = Display(PlainConsole(stderr=True))
    progress = Silent() if quiet else display
    try:
        if connection.contact_points is None:
            recorded = read_resolved(source)
            enter_sites(recorded, connection.endpoint(recorded), quiet=quiet)
            exported = export_run(source, out, dc, from_business=from_business, progress=progress)
        else:
            scenario = resolve_scenario(source, None)
            endpoint = connection.endpoint(scenario)
            assert endpoint is not None, "contact points were given"
            exported = export_cluster(
                scenario,
                endpoint,
                out,
                dc,
                from_business=from_business,
                profile_folder=source.parent,
                progress=progress,
            )
    finally:
        display.close()
    manifest = exported.manifest
    if as_json:
        print(
            json.dumps(
                {
                    "warehouse": str(out),
                    "half_hours": manifest.rows_of(),
                    "bills": manifest.rows_of(BILLS),
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
        f"{out}: {manifest.rows_of():,} half-hours and {manifest.rows_of(BILLS):,} bills in {len(manifest.files):,} files; "
        f"{exported.files_written:,} written, "
        f"{exported.files_unchanged:,} as they were",
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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", parser=path_named, help="All rows, as .parquet or .csv; a file that is not there."
        ),
    ] = None,
    engine: Annotated[
        JobEngine, typer.Option("--engine", help="DuckDB in this process, or Spark 3.5 (`uv sync --extra spark`).")
    ] = JobEngine.DUCKDB,
    master: Annotated[
        str, typer.Option("--master", metavar="URL", help="Spark's, which must see the warehouse under the same name.")
    ] = "local[*]",
    as_json: AsJson = False,
) -> None:
    """Do a job on a warehouse; without --out the first rows are shown. A check that finds something wrong ends with 1."""
    from meterstorm.jobs.analyse import analyse, job_named, wrong_count

    asked = job_named(job)
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ScenarioError(f"--out {out}: its name must end with .parquet or .csv")
    if out is not None and out.exists():
        raise ScenarioError(f"--out {out} is there already; name a new file")
    rows = analyse(job, warehouse, engine, master=master)
    if out is not None:
        _write(rows, out)
    wrong = wrong_count(asked, rows)
    if as_json:
        print(json.dumps(rows.to_pylist(), default=str))
    else:
        _show(rows)
    if wrong:
        PlainConsole(stderr=True).print(f"{job}: {wrong:,} of {rows.num_rows:,} rows are wrong", highlight=False)
        raise typer.Exit(WRONG_FOUND)


def _show(rows: "pa.Table") -> None:
    """The first rows, tab-separated."""
    shown = csv.writer(sys.stdout, lineterminator="\n", delimiter="\t")
    shown.writerow(rows.column_names)
    shown.writerows(row.values() for row in rows.slice(0, SHOWN_ROWS).to_pylist())
    if rows.num_rows > SHOWN_ROWS:
        PlainConsole(stderr=True).print(
            f"{rows.num_rows - SHOWN_ROWS:,} rows more: --out FILE or --json has them all", highlight=False
        )


def verify_command(warehouse: Warehouse) -> None:
    """Read every file of a warehouse, and hold it against the checksum that its manifest has."""
    from store.analytics.data_sets import BILLS
    from store.analytics.warehouse import WarehouseError, whole_warehouse

    try:
        manifest = whole_warehouse(warehouse, verify=True)
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error
    PlainConsole().print(
        f"{warehouse}: whole, {manifest.rows_of():,} half-hours and {manifest.rows_of(BILLS):,} bills in "
        f"{len(manifest.files):,} files, each as it was exported",
        highlight=False,
        soft_wrap=True,
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
