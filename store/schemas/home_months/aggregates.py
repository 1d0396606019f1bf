"""Views across homes, projected from the log: settlement, cohorts, receipts, completeness; and the journal that drives it.

Their keys are not a home's, so they can't be part of a delivery's mutation. A journal row names the days of meters that a
batch of deliveries touches before the log is written; the watermark follows when everything across homes is projected.
"""

from scenarios.domain import Operation
from store.operations import StoreOperation
from store.roles import TableRole
from store.tables import Bind, Bound, CqlType, Statement, Table, Write, write_of

_SETTLEMENT_SHARDS = 512  # of a settlement date and run, of at most 100,000 meters each
_RECEIPT_SHARDS = 64  # of what one region receives in one hour, of at most 100,000 deliveries each
_BUCKET_BATCHES = 1_024
_PERIODS_MAX = 100  # quarter-hours of a day on which the clocks go back

_TIERED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}}"
_LEVELLED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}"
_MONTH_S = 35 * 86_400

_SETTLEMENT_DATE = Bind(name="settlement_date", type=CqlType.INT)  # days since 1970-01-01
_RUN = Bind(name="run", type=CqlType.TINYINT)
_SHARD = Bind(name="shard", type=CqlType.SMALLINT)
_MPXN = Bind(name="mpxn", type=CqlType.BIGINT)
_FUEL = Bind(name="fuel", type=CqlType.TINYINT)
_PREMISES = Bind(name="premises", type=CqlType.BIGINT)
_SETTLEMENT_KEY = ("settlement_date", "run", "shard")

SETTLEMENT_BY_DATE = Table(
    name="settlement_by_date",
    roles=(TableRole.SETTLEMENT,),
    serves="what each meter of a shard used in each settlement period of a settlement date, as a settlement run knew it",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.settlement_by_date (
        settlement_date int, run tinyint, shard smallint, mpxn bigint, fuel tinyint,
        premises bigint, known_at timestamp, estimated_count smallint, values_wh frozen<list<int>>,
        PRIMARY KEY ((settlement_date, run, shard), mpxn, fuel)
    ) {_TIERED}""",
    columns=(
        _SETTLEMENT_DATE,
        _RUN,
        _SHARD,
        _MPXN,
        _FUEL,
        _PREMISES,
        Bind(name="known_at", type=CqlType.TIMESTAMP),
        Bind(name="estimated_count", type=CqlType.SMALLINT),
        Bind(name="values_wh", type=CqlType.INT_LIST),
    ),
    partition_key=_SETTLEMENT_KEY,
    queries=(
        Statement(
            operation=Operation.READ_SETTLEMENT,
            cql="SELECT mpxn, fuel, premises, known_at, estimated_count, values_wh FROM {keyspace}.settlement_by_date "
            "WHERE settlement_date = ? AND run = ? AND shard = ?",
            binds=(_SETTLEMENT_DATE, _RUN, _SHARD),
            partition_key=_SETTLEMENT_KEY,
            is_write=False,
        ),
    ),
    partition=Bound(rows=100_000, bytes_max=100_000 * (_PERIODS_MAX * 8 + 80)),
    shard_count=_SETTLEMENT_SHARDS,
    reason="A run's rows are written once, the live ones some times within days: tiered compaction rewrites least. No TTL: the "
    "last run of a date comes 14 months after it, and disputes later.",
)

_COHORT = Bind(name="cohort", type=CqlType.INT)
_MONTH = Bind(name="month", type=CqlType.INT)

INSIGHTS_BY_COHORT = Table(
    name="insights_by_cohort",
    roles=(TableRole.COHORT_INSIGHTS,),
    serves="what similar homes used on each local day of a month, and in the month (day 0): how many, the mean, percentiles",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.insights_by_cohort (
        cohort int, month int, day tinyint, fuel tinyint,
        home_count int, mean_wh bigint, percentiles_wh frozen<list<int>>,
        PRIMARY KEY ((cohort, month), day, fuel)
    ) {_LEVELLED}""",
    columns=(
        _COHORT,
        _MONTH,
        Bind(name="day", type=CqlType.TINYINT),
        _FUEL,
        Bind(name="home_count", type=CqlType.INT),
        Bind(name="mean_wh", type=CqlType.BIGINT),
        Bind(name="percentiles_wh", type=CqlType.INT_LIST),
    ),
    partition_key=("cohort", "month"),
    queries=(
        Statement(
            operation=Operation.READ_COMPARISON,
            cql="SELECT day, fuel, home_count, mean_wh, percentiles_wh FROM {keyspace}.insights_by_cohort "
            "WHERE cohort = ? AND month = ?",
            binds=(_COHORT, _MONTH),
            partition_key=("cohort", "month"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=32 * 3, bytes_max=32 * 3 * 900),
    reason="Overwritten by each projection and read by every customer of the cohort: levelled compaction keeps reads short.",
)

_EPOCH_HOUR = Bind(name="epoch_hour", type=CqlType.INT)
_REGION = Bind(name="region", type=CqlType.SMALLINT)
_RECEIPT_KEY = ("epoch_hour", "region", "shard")

RECEIPTS_BY_HOUR = Table(
    name="receipts_by_hour",
    roles=(TableRole.RECEIPTS,),
    serves="how much a region's meters delivered in an hour, a row a delivery: a duplicate of its key, counted on reading",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.receipts_by_hour (
        epoch_hour int, region smallint, shard smallint, mpxn bigint, interval_start timestamp, slot_count smallint,
        revision int, known_count smallint,
        PRIMARY KEY ((epoch_hour, region, shard), mpxn, interval_start, slot_count, revision)
    ) WITH compaction = {{{{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
        'compaction_window_size': 1}}}} AND default_time_to_live = {_MONTH_S}""",
    columns=(
        _EPOCH_HOUR,
        _REGION,
        _SHARD,
        _MPXN,
        Bind(name="interval_start", type=CqlType.TIMESTAMP),
        Bind(name="slot_count", type=CqlType.SMALLINT),
        Bind(name="revision", type=CqlType.INT),
        Bind(name="known_count", type=CqlType.SMALLINT),
    ),
    partition_key=_RECEIPT_KEY,
    queries=(
        Statement(
            operation=Operation.READ_RECEIPTS,
            cql="SELECT mpxn, interval_start, slot_count, revision, known_count FROM {keyspace}.receipts_by_hour "
            "WHERE epoch_hour = ? AND region = ? AND shard = ?",
            binds=(_EPOCH_HOUR, _REGION, _SHARD),
            partition_key=_RECEIPT_KEY,
            is_write=False,
        ),
    ),
    partition=Bound(rows=100_000, bytes_max=100_000 * 60),
    shard_count=_RECEIPT_SHARDS,
    reason="Insert-only, of one hour and gone after 35 days: windows of a day are dropped whole.",
)

RECEIPT_COUNTS = Table(
    name="receipt_counts",
    roles=(TableRole.RECEIPT_COUNTERS,),
    serves="the same by counters: one small row an hour and region, which counts a repeated delivery twice",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.receipt_counts (
        region smallint, epoch_day int, epoch_hour int, half_hours counter,
        PRIMARY KEY ((region, epoch_day), epoch_hour)
    )""",
    columns=(
        _REGION,
        Bind(name="epoch_day", type=CqlType.INT),
        _EPOCH_HOUR,
        Bind(name="half_hours", type=CqlType.COUNTER),
    ),
    partition_key=("region", "epoch_day"),
    queries=(
        Statement(
            operation=Operation.READ_RECEIPT_COUNT,
            cql="SELECT epoch_hour, half_hours FROM {keyspace}.receipt_counts WHERE region = ? AND epoch_day = ?",
            binds=(_REGION, Bind(name="epoch_day", type=CqlType.INT)),
            partition_key=("region", "epoch_day"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=24, bytes_max=24 * 60),
    reason="A few rows a day: the default compaction does. Counters can't expire.",
)

COUNT_RECEIPT = Write(
    statement=Statement(
        operation=StoreOperation.COUNT_RECEIPT,
        cql="UPDATE {keyspace}.receipt_counts SET half_hours = half_hours + ? "
        "WHERE region = ? AND epoch_day = ? AND epoch_hour = ?",
        binds=(
            Bind(name="half_hours", type=CqlType.BIGINT),
            _REGION,
            Bind(name="epoch_day", type=CqlType.INT),
            _EPOCH_HOUR,
        ),
        partition_key=("region", "epoch_day"),
        is_write=True,
        is_idempotent=False,
    ),
    tables=(RECEIPT_COUNTS,),
)

_EPOCH_DAY = Bind(name="epoch_day", type=CqlType.INT)

COMPLETENESS_BY_DAY = Table(
    name="completeness_by_day",
    roles=(TableRole.COMPLETENESS,),
    serves="of each half-hour (or quarter-hour) of a UTC day, how many readings each region and fuel should have sent and how "
    "many are known",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.completeness_by_day (
        epoch_day int, region smallint, fuel tinyint, expected int, known_counts frozen<list<int>>,
        PRIMARY KEY ((epoch_day), region, fuel)
    ) {_LEVELLED}""",
    columns=(
        _EPOCH_DAY,
        _REGION,
        _FUEL,
        Bind(name="expected", type=CqlType.INT),
        Bind(name="known_counts", type=CqlType.INT_LIST),
    ),
    partition_key=("epoch_day",),
    queries=(
        Statement(
            operation=Operation.READ_COMPLETENESS,
            cql="SELECT region, fuel, expected, known_counts FROM {keyspace}.completeness_by_day WHERE epoch_day = ?",
            binds=(_EPOCH_DAY,),
            partition_key=("epoch_day",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=64 * 3, bytes_max=64 * 3 * 900),
    reason="Overwritten by each projection of its day: levelled compaction bounds the stale copies.",
)

_WRITER = Bind(name="writer", type=CqlType.SMALLINT)
_BUCKET = Bind(name="bucket", type=CqlType.BIGINT)
_BATCH = Bind(name="batch_number", type=CqlType.BIGINT)

JOURNAL_BY_WRITER = Table(
    name="journal_by_writer",
    roles=(TableRole.JOURNAL,),
    serves="the days of meters that a writer's batches touch, in the order of the batches",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.journal_by_writer (
        writer smallint, bucket bigint, batch_number bigint, started_at timestamp,
        meters frozen<list<int>>, epoch_days frozen<list<int>>,
        PRIMARY KEY ((writer, bucket), batch_number, started_at)
    ) {_TIERED} AND default_time_to_live = {_MONTH_S}""",
    columns=(
        _WRITER,
        _BUCKET,
        _BATCH,
        Bind(name="started_at", type=CqlType.TIMESTAMP),
        Bind(name="meters", type=CqlType.INT_LIST),
        Bind(name="epoch_days", type=CqlType.INT_LIST),
    ),
    partition_key=("writer", "bucket"),
    queries=(
        Statement(
            operation=StoreOperation.READ_JOURNAL,
            cql="SELECT batch_number, meters, epoch_days FROM {keyspace}.journal_by_writer "
            "WHERE writer = ? AND bucket = ? AND batch_number >= ?",
            binds=(_WRITER, _BUCKET, _BATCH),
            partition_key=("writer", "bucket"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_BUCKET_BATCHES * 2, bytes_max=_BUCKET_BATCHES * 2 * 40_000),
    bucket_size=_BUCKET_BATCHES,
    reason="Insert-only; read after a crash, and to renew a warehouse. What is not projected for "
    f"{_MONTH_S // 86_400} days has to be rebuilt from the log.",
)

WATERMARK_BY_WRITER = Table(
    name="watermark_by_writer",
    roles=(TableRole.WATERMARK,),
    serves="the first batch of a writer that is not projected yet",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.watermark_by_writer (
        writer smallint, batch_number bigint,
        PRIMARY KEY ((writer))
    ) {_LEVELLED}""",
    columns=(_WRITER, _BATCH),
    partition_key=("writer",),
    queries=(
        Statement(
            operation=StoreOperation.READ_WATERMARK,
            cql="SELECT batch_number FROM {keyspace}.watermark_by_writer WHERE writer = ?",
            binds=(_WRITER,),
            partition_key=("writer",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=1, bytes_max=100),
    reason="One row a writer, overwritten by each batch.",
)

TABLES = (
    SETTLEMENT_BY_DATE,
    INSIGHTS_BY_COHORT,
    RECEIPTS_BY_HOUR,
    RECEIPT_COUNTS,
    COMPLETENESS_BY_DAY,
    JOURNAL_BY_WRITER,
    WATERMARK_BY_WRITER,
)
WRITES = (
    write_of(StoreOperation.WRITE_SETTLEMENT, SETTLEMENT_BY_DATE),
    write_of(StoreOperation.WRITE_COHORT, INSIGHTS_BY_COHORT),
    write_of(StoreOperation.RECORD_RECEIPT, RECEIPTS_BY_HOUR),
    COUNT_RECEIPT,
    write_of(StoreOperation.WRITE_COMPLETENESS, COMPLETENESS_BY_DAY),
    write_of(StoreOperation.JOURNAL_BATCH, JOURNAL_BY_WRITER),
    write_of(StoreOperation.MOVE_WATERMARK, WATERMARK_BY_WRITER),
)
