"""What the subcommands of `analyse` take: which warehouse, which cluster and data centre of it, which engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.options import ConnectionOptions, path_named
from meterstorm.cli.sites import enter_sites
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.analytics.analyse import JobEngine
from meterstorm.jobs.run_folder import read_resolved
from scenarios.file import resolve_scenario

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from meterstorm.jobs.analytics.arguments import Check
    from meterstorm.jobs.analytics.source import AnalyticsSource

Warehouse = Annotated[Path, typer.Argument(metavar="WAREHOUSE", parser=path_named, help="The folder of an export.")]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        parser=path_named,
        help="The folder of a run whose nodes were kept (`run --keep`), or with --contact-points a scenario.",
    ),
]
ReadDc = Annotated[
    str | None,
    typer.Option("--dc", metavar="NAME", help="The data centre to read; default the first for analytics."),
]
FromBusiness = Annotated[
    bool, typer.Option("--from-business", help="Read a business data centre, in the way of its customers.")
]
Engine = Annotated[
    JobEngine, typer.Option("--engine", help="DuckDB in this process, or Spark 3.5 (`uv sync --extra spark`).")
]
Master = Annotated[
    str, typer.Option("--master", metavar="URL", help="Spark's, which must see the warehouse under the same name.")
]


@contextmanager
def opened_source(
    source: Path,
    dc: str | None,
    connection: ConnectionOptions,
    check: "Check",
    *,
    from_business: bool,
    quiet: bool,
) -> "Iterator[tuple[AnalyticsSource, Progress]]":
    """The cluster that a job reads, and where it tells how far it is. check: of its scenario, before anything is started."""
    from meterstorm.display.progress import Silent
    from meterstorm.display.run import Display
    from meterstorm.jobs.analytics.source import source_of_cluster, source_of_run

    display = Display(PlainConsole(stderr=True))
    progress: Progress = Silent() if quiet else display
    with ExitStack() as cleanup:
        cleanup.callback(display.close)
        if connection.contact_points is None:
            recorded = read_resolved(source)
            check(recorded)
            enter_sites(recorded, connection.endpoint(recorded), quiet=quiet)
            opened = cleanup.enter_context(source_of_run(source, dc, from_business=from_business, progress=progress))
        else:
            scenario = resolve_scenario(source, None)
            check(scenario)
            endpoint = connection.endpoint(scenario)
            assert endpoint is not None, "contact points were given"
            opened = source_of_cluster(
                scenario, endpoint, dc, from_business=from_business, profile_folder=source.parent
            )
        yield opened, progress
