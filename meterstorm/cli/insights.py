"""`meterstorm analyse publish` and `home`: what a warehouse says of homes, written back into the cluster, and looked at."""

import csv
import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from meterstorm.cli.analytics_source import Engine, FromBusiness, Master, ReadDc, Source, Warehouse, opened_source
from meterstorm.cli.options import AsJson, ConnectionOptions, Quiet, takes
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.analytics.analyse import JobEngine
from scenarios.tariffs.model import FUELS


@takes(connection=ConnectionOptions)
def publish_command(
    source: Source,
    warehouse: Warehouse,
    engine: Engine = JobEngine.DUCKDB,
    master: Master = "local[*]",
    dc: ReadDc = None,
    from_business: FromBusiness = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Write what a warehouse says of similar homes and of each home back into the cluster. Repeating it changes nothing."""
    from meterstorm.jobs.analytics.arguments import publishes
    from meterstorm.jobs.analytics.publish import publish_insights

    check = publishes(warehouse, engine)
    with opened_source(source, dc, connection, check, from_business=from_business, quiet=quiet) as (opened, progress):
        done = publish_insights(opened, warehouse, engine, progress, master=master)
    if as_json:
        print(json.dumps(asdict(done), indent=2))
        return
    PlainConsole().print(
        f"{done.bands:,} bands of cohorts and {done.homes:,} meters of homes written; {done.untold:,} bands are of cohorts too "
        "small to be told",
        highlight=False,
        soft_wrap=True,
    )


@takes(connection=ConnectionOptions)
def home_command(
    source: Source,
    premises: Annotated[int, typer.Argument(metavar="PREMISES", help="The home's number, from 0.")],
    dc: Annotated[
        str | None, typer.Option("--dc", metavar="NAME", help="The data centre to read; default the first of business.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """What was published of a home, and what similar homes use in each settlement period: some partitions, in nobody's way."""
    from meterstorm.jobs.analytics.arguments import home_named
    from meterstorm.jobs.analytics.publish import look_at_home
    from store.analytics.jobs import PERCENTILES

    check = home_named(premises)
    with opened_source(source, dc, connection, check, from_business=True, quiet=quiet) as (opened, _):
        home = look_at_home(opened, premises)
    if as_json:
        print(json.dumps(asdict(home), indent=2, default=str))
        return
    for one in home.insights:
        origin = f"as of {one.provenance.as_of:%Y-%m-%d %H:%M} UTC, warehouse {one.provenance.warehouse}"
        PlainConsole().print(
            f"home {premises}, {fuel_name(one.fuel)} ({origin}): {one.used_wh:,} Wh in {one.half_hours:,} half-hours; base load "
            f"{one.base_wh:,} Wh a half-hour, highest {one.highest_wh:,} Wh; {one.peak_wh:,} Wh in the evening's peak, of which "
            f"{one.shift_wh:,} Wh could move",
            highlight=False,
            soft_wrap=True,
        )
    shown = csv.writer(sys.stdout, lineterminator="\n", delimiter="\t")
    shown.writerow(("fuel", "settlement_period", "homes", "mean_wh", *(f"p{one}_wh" for one in PERCENTILES)))
    shown.writerows(
        (fuel_name(one.fuel), one.settlement_period, one.home_count, one.mean_wh, *one.percentiles_wh)
        for one in home.similar
    )


def fuel_name(code: int | None) -> str | None:
    """A fuel as people call it; None for a row that is of no one fuel."""
    return None if code is None else FUELS[code]
