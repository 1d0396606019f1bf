"""Jobs on a warehouse, in this process; no cluster is asked, and no driver is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.spec import ScenarioError
from store.analytics.jobs import JOBS, AnalyticsJob

if TYPE_CHECKING:
    import pyarrow as pa


def job_named(name: str) -> AnalyticsJob:
    """Raises ScenarioError for one that there is not."""
    if name not in JOBS:
        raise ScenarioError(f"there is no job '{name}'; there are {', '.join(JOBS)}")
    return JOBS[name]


def analyse(name: str, warehouse: Path) -> "pa.Table":
    """All rows of a job, by DuckDB. Raises ScenarioError for a job that there is not, and a folder that is no whole warehouse."""
    job = job_named(name)
    from store.analytics.duck import run_job
    from store.analytics.warehouse import WarehouseError

    try:
        return run_job(warehouse, job)
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error
