"""The log of readings, and the views of one home that its deliveries write: all keyed by (premises, month).

`interval_start` and `slot_count` name a run: consecutive half-hours of one delivery, a row, its values a frozen list; in a
keyspace of quarter-hours, those. A daily upload of 48 half-hours is one row, a half-hourly push a row of one: one cell a run
instead of one a half-hour.
"""

from scenarios.domain import Operation
from store.operations import StoreOperation
from store.roles import TableRole
from store.tables import Bind, Bound, CqlType, Statement, Table, write_of

_FUELS = 3  # electricity, gas, and what is given to the network
_MONTH_RUNS_MAX = 31 * 96 * _FUELS  # pushes of quarter-hours; of half-hours half as many
_REVISIONS_MAX = 8
_TIERED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}}"
_LEVELLED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}"

PREMISES = Bind(name="premises", type=CqlType.BIGINT)
MONTH = Bind(name="month", type=CqlType.INT)
HOME_MONTH = ("premises", "month")
_FUEL = Bind(name="fuel", type=CqlType.TINYINT)
_DAY = Bind(name="day", type=CqlType.TINYINT)
_INTERVAL_START = Bind(name="interval_start", type=CqlType.TIMESTAMP)
_SLOT_COUNT = Bind(name="slot_count", type=CqlType.SMALLINT)
_REVISION = Bind(name="revision", type=CqlType.INT)
_QUALITY = Bind(name="quality", type=CqlType.TINYINT)
_RECEIVED_AT = Bind(name="received_at", type=CqlType.TIMESTAMP)
_REGISTER = Bind(name="register_wh", type=CqlType.BIGINT)
_VALUES = Bind(name="values_wh", type=CqlType.INT_LIST)
_THROUGH = Bind(name="through", type=CqlType.TIMESTAMP)

EVENTS_BY_HOME = Table(
    name="events_by_home",
    roles=(TableRole.EVENT_LOG,),
    serves="the deliveries of a home's meters in one UTC month, in the order of what they are about: the event log",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.events_by_home (
        premises bigint, month int, fuel tinyint, interval_start timestamp, slot_count smallint, revision int,
        mpxn bigint, received_at timestamp, source tinyint, quality tinyint, register_wh bigint,
        values_wh frozen<list<int>>,
        PRIMARY KEY ((premises, month), fuel, interval_start, slot_count, revision)
    ) {_TIERED}""",
    columns=(
        PREMISES,
        MONTH,
        _FUEL,
        _INTERVAL_START,
        _SLOT_COUNT,
        _REVISION,
        Bind(name="mpxn", type=CqlType.BIGINT),
        _RECEIVED_AT,
        Bind(name="source", type=CqlType.TINYINT),
        _QUALITY,
        _REGISTER,
        _VALUES,
    ),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_EVENTS,
            cql="SELECT fuel, interval_start, slot_count, revision, mpxn, received_at, source, quality, register_wh, "
            "values_wh FROM {keyspace}.events_by_home WHERE premises = ? AND month = ?",
            binds=(PREMISES, MONTH),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=_MONTH_RUNS_MAX * _REVISIONS_MAX, bytes_max=_MONTH_RUNS_MAX * _REVISIONS_MAX * 120),
    reason="Insert-only, each row written once: tiered compaction rewrites least. No TTL: settlement revises old months.",
)

INTERVALS_BY_HOME = Table(
    name="intervals_by_home",
    roles=(TableRole.INTERVALS,),
    serves="the half-hours of one meter on one UTC day, or a month of them; of a run its latest revision",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.intervals_by_home (
        premises bigint, month int, fuel tinyint, interval_start timestamp, slot_count smallint,
        revision int, quality tinyint, values_wh frozen<list<int>>,
        PRIMARY KEY ((premises, month), fuel, interval_start, slot_count)
    ) {_TIERED}""",
    columns=(PREMISES, MONTH, _FUEL, _INTERVAL_START, _SLOT_COUNT, _REVISION, _QUALITY, _VALUES),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_INTERVALS_DAY,
            cql="SELECT interval_start, slot_count, revision, quality, values_wh FROM {keyspace}.intervals_by_home "
            "WHERE premises = ? AND month = ? AND fuel = ? AND interval_start >= ? AND interval_start < ?",
            binds=(
                PREMISES,
                MONTH,
                _FUEL,
                Bind(name="from", type=CqlType.TIMESTAMP),
                Bind(name="before", type=CqlType.TIMESTAMP),
            ),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=_MONTH_RUNS_MAX * 2, bytes_max=_MONTH_RUNS_MAX * 2 * 100),
    reason="Written once and rarely corrected: tiered compaction rewrites least. No TTL: customers compare years.",
)

USAGE_BY_FUEL = Table(
    name="usage_by_fuel",
    roles=(TableRole.DAILY_USAGE,),
    serves="what a home used of one fuel, or of each, on each UTC day of a month, before and after the local midnight within it",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.usage_by_fuel (
        premises bigint, month int, fuel tinyint, day tinyint,
        usage_wh bigint, late_usage_wh bigint, through timestamp,
        PRIMARY KEY ((premises, month), fuel, day)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        MONTH,
        _FUEL,
        _DAY,
        Bind(name="usage_wh", type=CqlType.BIGINT),
        Bind(name="late_usage_wh", type=CqlType.BIGINT),
        _THROUGH,
    ),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_USAGE_MONTH,
            cql="SELECT day, usage_wh, late_usage_wh, through FROM {keyspace}.usage_by_fuel "
            "WHERE premises = ? AND month = ? AND fuel = ?",
            binds=(PREMISES, MONTH, _FUEL),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=31 * _FUELS, bytes_max=31 * _FUELS * 100),
    reason="A row is overwritten up to 48 times a day (96 with quarter-hours) and read by customers: levelled compaction keeps "
    "reads to few files.",
)

_PRICED = tuple(
    Bind(name=f"{part}{name}", type=CqlType.INT if name == "tariff_version" else CqlType.BIGINT)
    for part in ("", "late_")
    for name in ("tariff_version", "low_wh", "standard_wh", "peak_wh", "cost_upence")
)
_PRICED_NAMES = ", ".join(one.name for one in _PRICED)

BILLING_BY_HOME = Table(
    name="billing_by_home",
    roles=(TableRole.DAILY_BILLING,),
    serves="the billable quantities of a home on each UTC day of a month, by fuel and rate, and their cost, before and after the "
    "local midnight within it; the display's today is its latest rows",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.billing_by_home (
        premises bigint, month int, day tinyint, fuel tinyint,
        tariff_version int, low_wh bigint, standard_wh bigint, peak_wh bigint, cost_upence bigint,
        late_tariff_version int, late_low_wh bigint, late_standard_wh bigint, late_peak_wh bigint, late_cost_upence bigint,
        through timestamp,
        PRIMARY KEY ((premises, month), day, fuel)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        MONTH,
        _DAY,
        _FUEL,
        *_PRICED,
        _THROUGH,
    ),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_BILLING_MONTH,
            cql=f"SELECT day, fuel, {_PRICED_NAMES}, through "
            "FROM {keyspace}.billing_by_home WHERE premises = ? AND month = ?",
            binds=(PREMISES, MONTH),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
        Statement(
            operation=Operation.REFRESH_IHD,
            cql=f"SELECT fuel, {_PRICED_NAMES}, through "
            "FROM {keyspace}.billing_by_home WHERE premises = ? AND month = ? AND day = ?",
            binds=(PREMISES, MONTH, _DAY),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=31 * _FUELS, bytes_max=31 * _FUELS * 190),
    reason="As the usage view.",
)

LATEST_BY_HOME = Table(
    name="latest_by_home",
    roles=(TableRole.LATEST_REGISTER,),
    serves="the latest register of each meter of a home in a month, and the instant up to which it is read",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.latest_by_home (
        premises bigint, month int, fuel tinyint, register_wh bigint, read_through timestamp, received_at timestamp,
        PRIMARY KEY ((premises, month), fuel)
    ) {_LEVELLED}""",
    columns=(PREMISES, MONTH, _FUEL, _REGISTER, Bind(name="read_through", type=CqlType.TIMESTAMP), _RECEIVED_AT),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_STATE,
            cql="SELECT fuel, register_wh, read_through, received_at FROM {keyspace}.latest_by_home "
            "WHERE premises = ? AND month = ?",
            binds=(PREMISES, MONTH),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=_FUELS, bytes_max=_FUELS * 100),
    reason="One row a meter and month, overwritten by each delivery: levelled compaction bounds the stale copies.",
)

_EPOCH_DAY = Bind(name="epoch_day", type=CqlType.INT)
_TICK = Bind(name="tick", type=CqlType.SMALLINT)

TEN_SECONDS_BY_HOME = Table(
    name="ten_seconds_by_home",
    roles=(TableRole.TEN_SECONDS,),
    serves="the 10-second consumption of a home on one UTC day",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.ten_seconds_by_home (
        premises bigint, epoch_day int, fuel tinyint, tick smallint, wh int,
        PRIMARY KEY ((premises, epoch_day), fuel, tick)
    ) WITH compaction = {{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
        'compaction_window_size': 1}} AND default_time_to_live = 2678400""",
    columns=(PREMISES, _EPOCH_DAY, _FUEL, _TICK, Bind(name="wh", type=CqlType.INT)),
    partition_key=("premises", "epoch_day"),
    queries=(
        Statement(
            operation=Operation.READ_TEN_SECOND,
            cql="SELECT fuel, tick, wh FROM {keyspace}.ten_seconds_by_home WHERE premises = ? AND epoch_day = ? "
            "AND fuel = ? AND tick >= ? AND tick < ?",
            binds=(
                PREMISES,
                _EPOCH_DAY,
                _FUEL,
                Bind(name="from", type=CqlType.SMALLINT),
                Bind(name="before", type=CqlType.SMALLINT),
            ),
            partition_key=("premises", "epoch_day"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=8_640 * _FUELS, bytes_max=8_640 * _FUELS * 40),
    reason="Never revised and gone after 31 days: windows of a day are dropped whole, without tombstones.",
)

REJECTED_BY_DAY = Table(
    name="rejected_by_day",
    roles=(TableRole.REJECTIONS,),
    serves="the readings that were refused on a UTC day, with the reason; a shard of them at a time",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.rejected_by_day (
        epoch_day int, shard smallint, received_at timestamp, mpxn bigint, interval_start timestamp,
        reason text, detail text,
        PRIMARY KEY ((epoch_day, shard), received_at, mpxn, interval_start, reason)
    ) {_TIERED} AND default_time_to_live = 34214400""",
    columns=(
        _EPOCH_DAY,
        Bind(name="shard", type=CqlType.SMALLINT),
        _RECEIVED_AT,
        Bind(name="mpxn", type=CqlType.BIGINT),
        _INTERVAL_START,
        Bind(name="reason", type=CqlType.TEXT),
        Bind(name="detail", type=CqlType.TEXT),
    ),
    partition_key=("epoch_day", "shard"),
    queries=(
        Statement(
            operation=Operation.READ_REJECTED,
            cql="SELECT received_at, mpxn, interval_start, reason, detail FROM {keyspace}.rejected_by_day "
            "WHERE epoch_day = ? AND shard = ?",
            binds=(_EPOCH_DAY, Bind(name="shard", type=CqlType.SMALLINT)),
            partition_key=("epoch_day", "shard"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=100_000, bytes_max=100_000 * 400),
    shard_count=16,
    reason="Insert-only and read by people who look for a cause: kept 13 months, as long as a meter keeps half-hours.",
)

ALERTS_BY_HOME = Table(
    name="alerts_by_home",
    roles=(TableRole.ALERTS,),
    serves="the alerts of a home in one UTC month",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.alerts_by_home (
        premises bigint, month int, raised_at timestamp, number int, received_at timestamp,
        PRIMARY KEY ((premises, month), raised_at, number)
    ) {_TIERED} AND default_time_to_live = 34214400""",
    columns=(
        PREMISES,
        MONTH,
        Bind(name="raised_at", type=CqlType.TIMESTAMP),
        Bind(name="number", type=CqlType.INT),
        _RECEIVED_AT,
    ),
    partition_key=HOME_MONTH,
    queries=(
        Statement(
            operation=Operation.READ_ALERTS,
            cql="SELECT raised_at, number, received_at FROM {keyspace}.alerts_by_home WHERE premises = ? AND month = ?",
            binds=(PREMISES, MONTH),
            partition_key=HOME_MONTH,
            is_write=False,
        ),
    ),
    partition=Bound(rows=31 * 300, bytes_max=31 * 300 * 60),
    reason="Insert-only; kept 13 months.",
)

HOME_VIEWS = (INTERVALS_BY_HOME, USAGE_BY_FUEL, BILLING_BY_HOME, LATEST_BY_HOME)
TABLES = (EVENTS_BY_HOME, *HOME_VIEWS, TEN_SECONDS_BY_HOME, REJECTED_BY_DAY, ALERTS_BY_HOME)
WRITES = (
    write_of(Operation.INGEST_READING, EVENTS_BY_HOME, *HOME_VIEWS),
    write_of(Operation.INGEST_REVISION, EVENTS_BY_HOME, INTERVALS_BY_HOME),
    write_of(Operation.INGEST_REGISTER, EVENTS_BY_HOME, LATEST_BY_HOME),
    write_of(StoreOperation.REFOLD_DAY, USAGE_BY_FUEL, BILLING_BY_HOME),
    write_of(Operation.INGEST_TEN_SECOND, TEN_SECONDS_BY_HOME),
    write_of(Operation.RECORD_REJECTED, REJECTED_BY_DAY),
    write_of(Operation.RECORD_ALERT, ALERTS_BY_HOME),
)
