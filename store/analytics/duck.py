"""Jobs on a warehouse by DuckDB: in this process, without a JVM, spilling to a folder of its own where memory is short.

Left to itself DuckDB takes four fifths of the machine's memory, all its processors and nine tenths of its disk.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from scenarios.passing_folder import PassingFolder
from store.analytics.data_sets import DATED, SCHEMAS
from store.analytics.job import AnalyticsJob
from store.analytics.warehouse import HOMES, Manifest, WarehouseError, files_of, whole_warehouse

HEARD_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckLimits:
    """What a job may take of the machine, at most; by default what leaves room for nodes on it."""

    memory_mib: int = 2_048
    threads: int = 2
    spill_mib: int = 16_384  # on the disk of temporary files


BESIDE_NODES = DuckLimits()


def run_job(folder: Path, job: AnalyticsJob, limits: DuckLimits = BESIDE_NODES) -> pa.Table:
    """The rows of a job on the whole warehouse in `folder`, in the job's order; instants in UTC.

    Raises WarehouseError for a folder that is no whole warehouse, or where the job can't be done on it, within `limits`.
    """
    manifest = whole_warehouse(folder)
    with PassingFolder("duckdb") as spill, duckdb.connect() as connection:
        connection.execute("SET temp_directory = ?", [str(spill.path)])
        connection.execute("SET max_temp_directory_size = ?", [f"{limits.spill_mib}MiB"])
        connection.execute("SET memory_limit = ?", [f"{limits.memory_mib}MiB"])
        connection.execute("SET threads = ?", [limits.threads])
        connection.execute("SET TimeZone = 'UTC'")  # else that of the process
        try:
            return _asked(connection, folder, manifest, job)
        except duckdb.OutOfMemoryException as error:
            raise WarehouseError(
                f"{job.name} on {folder} takes more than {limits.memory_mib:,} MiB of memory and {limits.spill_mib:,} MiB of "
                "disk: do it where there is more of both, or by --engine spark"
            ) from error
        except duckdb.Error as error:
            raise WarehouseError(f"{job.name} can't be done on {folder}: {error}") from error


def _asked(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, job: AnalyticsJob) -> pa.Table:
    """The job's rows, asked for in a thread of its own: the main one waits where Ctrl-C reaches it.

    In the main thread DuckDB makes a RuntimeError of Ctrl-C, or nothing at all where it comes between two statements.
    """

    def ask() -> pa.Table:
        _create_views(connection, folder, manifest, job)
        return connection.sql(job.sql).to_arrow_table()

    with ThreadPoolExecutor(max_workers=1) as pool:
        asked: Future[pa.Table] | None = None
        try:
            asked = pool.submit(ask)
            while not wait([asked], timeout=HEARD_EVERY_S).done:
                pass
            return asked.result()
        finally:
            while asked is not None and not asked.done():  # once is not enough: it ends the statement under way alone
                connection.interrupt()
                wait([asked], timeout=HEARD_EVERY_S)


def _create_views(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, job: AnalyticsJob) -> None:
    """The files that the manifest names, and no others that may lie beside them."""
    for data_set in job.reads:
        files = [str(folder / one.path) for one in files_of(folder, manifest, data_set)]
        if files:
            connection.read_parquet(files, hive_partitioning=data_set in DATED).create_view(data_set)
        else:
            connection.register(data_set, SCHEMAS[data_set].empty_table())
    connection.read_parquet(str(folder / HOMES)).create_view("homes")
