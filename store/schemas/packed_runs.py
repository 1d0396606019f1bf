"""`packed_runs`: consecutive half-hours of one delivery are one row, a frozen list.

A daily upload of 48 half-hours is one row; a half-hourly push is a row of one. One cell a run instead of one a
half-hour: five times the readings a second of 48 rows in an unlogged batch (2 cores, 2026-11).
"""

from scenarios.domain import Operation
from store.tables import Bind, Bound, CqlType, Schema, Statement, Table

_MONTH_RUNS_MAX = 31 * 48

_MPXN = Bind(name="mpxn", type=CqlType.BIGINT)
_MONTH = Bind(name="month", type=CqlType.INT)
_INTERVAL_START = Bind(name="interval_start", type=CqlType.TIMESTAMP)
_REVISION = Bind(name="revision", type=CqlType.INT)
_QUALITY = Bind(name="quality", type=CqlType.TINYINT)
_RECEIVED_AT = Bind(name="received_at", type=CqlType.TIMESTAMP)
_REGISTER = Bind(name="register_wh", type=CqlType.BIGINT)
_VALUES = Bind(name="values_wh", type=CqlType.INT_LIST)
_PREMISES = Bind(name="premises", type=CqlType.BIGINT)
_WRITE_US = Bind(name="write_us", type=CqlType.BIGINT)

EVENTS_BY_METER = Table(
    name="events_by_meter",
    serves="the deliveries of one meter in one UTC month, in the order of what they are about: the event log",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.events_by_meter (
        mpxn bigint, month int, interval_start timestamp, revision int,
        received_at timestamp, source tinyint, quality tinyint, register_wh bigint, values_wh frozen<list<int>>,
        PRIMARY KEY ((mpxn, month), interval_start, revision)
    ) WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}}""",
    statements={
        Operation.APPEND_EVENT: Statement(
            operation=Operation.APPEND_EVENT,
            cql="INSERT INTO {keyspace}.events_by_meter (mpxn, month, interval_start, revision, received_at, source, "
            "quality, register_wh, values_wh) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            binds=(
                _MPXN,
                _MONTH,
                _INTERVAL_START,
                _REVISION,
                _RECEIVED_AT,
                Bind(name="source", type=CqlType.TINYINT),
                _QUALITY,
                _REGISTER,
                _VALUES,
                _WRITE_US,
            ),
            partition_key=("mpxn", "month"),
            is_write=True,
        )
    },
    partition=Bound(rows=_MONTH_RUNS_MAX * 4, bytes_max=_MONTH_RUNS_MAX * 4 * 120),
    reason="Insert-only, each row written once: tiered compaction rewrites least. No TTL: settlement revises old months.",
)

INTERVALS_BY_METER = Table(
    name="intervals_by_meter",
    serves="the half-hours of one meter on one UTC day, or a month of them",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.intervals_by_meter (
        mpxn bigint, month int, interval_start timestamp,
        revision int, quality tinyint, values_wh frozen<list<int>>,
        PRIMARY KEY ((mpxn, month), interval_start)
    ) WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}}""",
    statements={
        Operation.WRITE_INTERVALS: Statement(
            operation=Operation.WRITE_INTERVALS,
            cql="INSERT INTO {keyspace}.intervals_by_meter (mpxn, month, interval_start, revision, quality, values_wh) "
            "VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            binds=(_MPXN, _MONTH, _INTERVAL_START, _REVISION, _QUALITY, _VALUES, _WRITE_US),
            partition_key=("mpxn", "month"),
            is_write=True,
        ),
        Operation.READ_INTERVALS_DAY: Statement(
            operation=Operation.READ_INTERVALS_DAY,
            cql="SELECT interval_start, revision, quality, values_wh FROM {keyspace}.intervals_by_meter "
            "WHERE mpxn = ? AND month = ? AND interval_start >= ? AND interval_start < ?",
            binds=(
                _MPXN,
                _MONTH,
                Bind(name="from", type=CqlType.TIMESTAMP),
                Bind(name="before", type=CqlType.TIMESTAMP),
            ),
            partition_key=("mpxn", "month"),
            is_write=False,
        ),
    },
    partition=Bound(rows=_MONTH_RUNS_MAX, bytes_max=_MONTH_RUNS_MAX * 100),
    reason="Written once and rarely corrected: tiered compaction rewrites least. No TTL: customers compare years.",
)

USAGE_BY_PREMISES_MONTH = Table(
    name="usage_by_premises_month",
    serves="what a premises used on each UTC day of a month, by fuel",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.usage_by_premises_month (
        premises bigint, month int, day tinyint, fuel tinyint,
        usage_wh bigint, through timestamp,
        PRIMARY KEY ((premises, month), day, fuel)
    ) WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}""",
    statements={
        Operation.UPDATE_USAGE: Statement(
            operation=Operation.UPDATE_USAGE,
            cql="INSERT INTO {keyspace}.usage_by_premises_month (premises, month, day, fuel, usage_wh, through) "
            "VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            binds=(
                _PREMISES,
                _MONTH,
                Bind(name="day", type=CqlType.TINYINT),
                Bind(name="fuel", type=CqlType.TINYINT),
                Bind(name="usage_wh", type=CqlType.BIGINT),
                Bind(name="through", type=CqlType.TIMESTAMP),
                _WRITE_US,
            ),
            partition_key=("premises", "month"),
            is_write=True,
        ),
        Operation.READ_USAGE_MONTH: Statement(
            operation=Operation.READ_USAGE_MONTH,
            cql="SELECT day, fuel, usage_wh, through FROM {keyspace}.usage_by_premises_month "
            "WHERE premises = ? AND month = ?",
            binds=(_PREMISES, _MONTH),
            partition_key=("premises", "month"),
            is_write=False,
        ),
    },
    partition=Bound(rows=31 * 2, bytes_max=31 * 2 * 80),
    reason="A row is overwritten up to 48 times a day and read by customers: levelled compaction keeps reads to few files.",
)

METER_STATE = Table(
    name="meter_state",
    serves="the latest register of one meter and the instant up to which it is read",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.meter_state (
        mpxn bigint PRIMARY KEY, register_wh bigint, read_through timestamp, received_at timestamp
    ) WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}""",
    statements={
        Operation.UPDATE_STATE: Statement(
            operation=Operation.UPDATE_STATE,
            cql="INSERT INTO {keyspace}.meter_state (mpxn, register_wh, read_through, received_at) "
            "VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            binds=(_MPXN, _REGISTER, Bind(name="read_through", type=CqlType.TIMESTAMP), _RECEIVED_AT, _WRITE_US),
            partition_key=("mpxn",),
            is_write=True,
        ),
        Operation.READ_STATE: Statement(
            operation=Operation.READ_STATE,
            cql="SELECT register_wh, read_through, received_at FROM {keyspace}.meter_state WHERE mpxn = ?",
            binds=(_MPXN,),
            partition_key=("mpxn",),
            is_write=False,
        ),
    },
    partition=Bound(rows=1, bytes_max=200),
    reason="One row a meter, overwritten by each delivery: levelled compaction bounds the stale copies.",
)

SCHEMA = Schema(
    name="packed_runs",
    tables=(EVENTS_BY_METER, INTERVALS_BY_METER, USAGE_BY_PREMISES_MONTH, METER_STATE),
)
