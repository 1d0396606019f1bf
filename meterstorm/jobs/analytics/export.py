"""Half-hours, bills and commands out of a cluster into a warehouse."""

import time
from pathlib import Path

from loadtests.workload.warehouse import export_through, renew_through
from meterstorm.display.progress import Progress
from meterstorm.jobs.analytics.source import AnalyticsSource
from scenarios.spec import ScenarioError
from store.analytics.changes import Renewed
from store.analytics.export import Exported
from store.analytics.warehouse import WarehouseError


def export_source(source: AnalyticsSource, out: Path, progress: Progress) -> Exported:
    """Export what a cluster holds into the warehouse `out`.

    Raises ScenarioError for what the user can mend, HarnessError or StoreError for a cluster that does not answer; what was
    exported until then is gone on from.
    """
    progress.phase(f"Exporting from {source.dc} at {source.topology.consistency.default}")

    def told(done: int, of: int, rows: int) -> None:
        progress.detail(f"{done} of {of} parts of the ring, {rows:,} half-hours")

    try:
        return export_through(source.experiment, source.dc, out, as_of_us=time.time_ns() // 1_000, progress=told)
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error


def renew_source(source: AnalyticsSource, out: Path, progress: Progress) -> Renewed:
    """Read the days alone that the journal names since the warehouse `out` was written. Raises as `export_source`."""
    progress.phase(f"Renewing from {source.dc} at {source.topology.consistency.default}")

    def told(done: int, of: int) -> None:
        progress.detail(f"{done} of {of} parts of the ring are as of now")

    try:
        return renew_through(source.experiment, source.dc, out, as_of_us=time.time_ns() // 1_000, progress=told)
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error
