"""The same jobs by Apache Spark 3.5: on a warehouse, or on the event log itself through the Spark Cassandra Connector.

Plain functions over DataFrames, for a session that the caller made: a local one, or one of a cluster. `pyspark` is an optional
extra.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from scenarios.calendar import Calendar
from store.analytics.data_sets import SCHEMAS
from store.analytics.job import AnalyticsJob
from store.analytics.warehouse import HOMES, files_of, whole_warehouse
from store.readings.settlement import market_calendar
from store.tariffs import MISSING_WH

FORMAT = "org.apache.spark.sql.cassandra"
_TYPES = {
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.timestamp("ms", "UTC"): "timestamp",
}


def run_job(session: SparkSession, views: Mapping[str, DataFrame], job: AnalyticsJob) -> DataFrame:
    """The rows of a job, in its order. views: `homes` and what the job reads, by name, with the columns of a warehouse's."""
    for name in (*job.reads, "homes"):
        views[name].createOrReplaceTempView(name)
    return session.sql(job.sql)


def to_arrow(rows: DataFrame) -> pa.Table:
    """All rows of a job, in this process; instants in UTC, whatever zone the process has."""
    types = {"string": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC")}
    types |= {"tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64()}
    schema = pa.schema([(name, types[kind]) for name, kind in rows.dtypes])
    # What Spark hands to Python as a datetime has no zone, and the process's clock on the wall.
    plain = rows.select(
        *(f.unix_micros(name).alias(name) if kind == "timestamp" else name for name, kind in rows.dtypes)
    )
    return pa.Table.from_pylist([row.asDict() for row in plain.collect()], schema=schema)


def of_warehouse(session: SparkSession, folder: Path, job: AnalyticsJob) -> dict[str, DataFrame]:
    """What a job reads of a warehouse, by name. Raises WarehouseError for a folder that is no whole one."""
    manifest = whole_warehouse(folder)
    views = {"homes": session.read.parquet(str(folder / HOMES))}
    for data_set in job.reads:
        files = [str(folder / one.path) for one in files_of(folder, manifest, data_set)]
        reader = session.read.option("basePath", str(folder / data_set))
        columns = ", ".join(f"{each.name} {_TYPES[each.type]}" for each in SCHEMAS[data_set])
        views[data_set] = reader.parquet(*files) if files else session.createDataFrame([], columns)
    return views


def event_log(session: SparkSession, keyspace: str, table: str) -> DataFrame:
    """The event log in Cassandra, through the data centre that the session's connector is pinned to."""
    return session.read.format(FORMAT).options(keyspace=keyspace, table=table).load()


def half_hours_of(log: DataFrame, calendar: Calendar) -> DataFrame:
    """Each half-hour of each meter once, as `store.analytics.half_hours` has it: the fold of the log, in Spark.

    calendar: of the keyspace. Of a half-hour the highest revision counts, of equal ones the shorter delivery; what a meter has
    lost is no value. The session's time zone must be UTC.
    """
    clock = market_calendar(calendar)
    runs = log.where(f.col("slot_count") > 0)
    each = runs.select(
        "premises",
        "mpxn",
        "fuel",
        "interval_start",
        "slot_count",
        "revision",
        "quality",
        f.posexplode("values_wh").alias("at", "wh"),
    ).where(f.col("wh") != MISSING_WH)
    start_us = f.unix_micros("interval_start") + f.col("at").cast("bigint") * f.lit(calendar.slot_us)
    best = f.max_by(
        f.struct("mpxn", "wh", "quality"), f.struct(f.col("revision"), (-f.col("slot_count")).alias("shorter"))
    )
    latest = (
        each.withColumn("start", f.timestamp_micros(start_us))
        .groupBy("premises", "fuel", "start")
        .agg(best.alias("best"))
    )
    local_day = f.to_date(f.from_utc_timestamp("start", clock.zone))
    day_start = f.to_utc_timestamp(local_day.cast("timestamp"), clock.zone)
    local = f.from_utc_timestamp("start", clock.zone)
    period = ((f.unix_micros("start") - f.unix_micros(day_start)) / f.lit(clock.slot_us)).cast("int") + 1
    return latest.select(
        local_day.alias("settlement_date"),
        "premises",
        f.col("best.mpxn").alias("mpxn"),
        "fuel",
        period.cast("smallint").alias("settlement_period"),
        (f.hour(local) * 60 + f.minute(local)).cast("smallint").alias("local_minute"),
        "start",
        f.col("best.wh").alias("wh"),
        f.col("best.quality").alias("quality"),
    )
