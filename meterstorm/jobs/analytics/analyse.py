"""Jobs on a warehouse, by DuckDB in this process or by Spark; no Cassandra is asked, and no driver is loaded."""

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.errors import HarnessError
from scenarios.spec import ScenarioError

if TYPE_CHECKING:  # tables of Arrow and prices take a while to load
    import pyarrow as pa

    from store.analytics.duck import DuckLimits
    from store.analytics.job import AnalyticsJob


class JobEngine(StrEnum):
    """Who works a job out."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def job_named(name: str) -> "AnalyticsJob":
    """Raises ScenarioError for one that there is not."""
    from store.analytics.jobs import JOBS

    if name not in JOBS:
        swapped = ": the job comes first, then the warehouse" if Path(name).is_dir() else ""
        raise ScenarioError(f"there is no job '{name}'{swapped}; there are {', '.join(JOBS)}")
    return JOBS[name]


def analyse(
    name: str, warehouse: Path, engine: JobEngine = JobEngine.DUCKDB, *, master: str = "local[*]"
) -> "pa.Table":
    """All rows of a job. master: Spark's, which must see the folder under the same name; of DuckDB nothing.

    Raises ScenarioError for a job that there is not, a folder that is no whole warehouse, and Spark that is not installed;
    HarnessError where it does not start.
    """
    job = job_named(name)
    from store.analytics.warehouse import WarehouseError, whole_warehouse

    try:
        if engine is JobEngine.SPARK:
            whole_warehouse(warehouse)  # before a JVM is started
            return _by_spark(job, warehouse, master)
        from store.analytics.duck import run_job

        return run_job(warehouse, job, _limits())
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error


def _limits() -> "DuckLimits":
    """Half of the memory and disk that are free when it begins, and never less than beside a storm; every processor."""
    from loadtests.cluster.machine import available_memory_mib, free_disk_mib, processor_count
    from store.analytics.duck import BESIDE_NODES, DuckLimits

    return DuckLimits(
        memory_mib=max(available_memory_mib() // 2, BESIDE_NODES.memory_mib),
        threads=processor_count(),
        spill_mib=max(free_disk_mib(Path(tempfile.gettempdir())) // 2, BESIDE_NODES.spill_mib),
    )


def _by_spark(job: "AnalyticsJob", warehouse: Path, master: str) -> "pa.Table":
    from meterstorm.jobs.analytics.spark import require_pyspark, spark_session

    require_pyspark()
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    from store.analytics.spark import of_warehouse, run_job, to_arrow

    with spark_session(master=master) as session:
        try:
            return to_arrow(run_job(session, of_warehouse(session, warehouse.absolute(), job), job))
        except (Py4JError, PySparkException) as error:
            raise HarnessError(f"Spark can't do {job.name}: {str(error).splitlines()[0]}") from error
