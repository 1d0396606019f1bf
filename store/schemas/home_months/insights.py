"""What questions over all homes have answered, written back where customers are served: similar homes, and each home itself.

None of it is a fold that the store makes by itself: `store.analytics.insights` writes it from a warehouse, and says from which.
"""

from store.operations import StoreOperation
from store.roles import TableRole
from store.schemas.home_months.readings import PREMISES
from store.tables import Bind, Bound, CqlType, Statement, Table, write_of

_FUELS = 3
_PERIODS_MAX = 100  # quarter-hours of a day on which the clocks go back

_LEVELLED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}"
_REASON = (
    "Overwritten by each publication and read by customers: levelled compaction keeps reads short. No TTL: each row says as of "
    "when it is."
)
_FUEL = Bind(name="fuel", type=CqlType.TINYINT)
_COHORT = Bind(name="cohort", type=CqlType.INT)
_AS_OF = Bind(name="as_of", type=CqlType.TIMESTAMP)
_WAREHOUSE = Bind(name="warehouse", type=CqlType.TEXT)  # a digest of what it held

PROFILES_BY_COHORT = Table(
    name="profiles_by_cohort",
    roles=(TableRole.COHORT_PROFILES,),
    serves="what similar homes use in each settlement period of the day: the mean, and percentiles over homes and days",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.profiles_by_cohort (
        cohort int, fuel tinyint, settlement_period smallint,
        home_count int, half_hours bigint, mean_wh int, percentiles_wh frozen<list<int>>, as_of timestamp, warehouse text,
        PRIMARY KEY ((cohort), fuel, settlement_period)
    ) {_LEVELLED}""",
    columns=(
        _COHORT,
        _FUEL,
        Bind(name="settlement_period", type=CqlType.SMALLINT),
        Bind(name="home_count", type=CqlType.INT),
        Bind(name="half_hours", type=CqlType.BIGINT),
        Bind(name="mean_wh", type=CqlType.INT),
        Bind(name="percentiles_wh", type=CqlType.INT_LIST),  # of store.analytics.jobs.PERCENTILES
        _AS_OF,
        _WAREHOUSE,
    ),
    partition_key=("cohort",),
    queries=(
        Statement(
            operation=StoreOperation.READ_PROFILES,
            cql="SELECT fuel, settlement_period, home_count, half_hours, mean_wh, percentiles_wh, as_of, warehouse "
            "FROM {keyspace}.profiles_by_cohort WHERE cohort = ?",
            binds=(_COHORT,),
            partition_key=("cohort",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_FUELS * _PERIODS_MAX, bytes_max=_FUELS * _PERIODS_MAX * 200),
    reason=_REASON,
)

INSIGHTS_BY_HOME = Table(
    name="insights_by_home",
    roles=(TableRole.HOME_INSIGHTS,),
    serves="of a home and fuel: its base load, its highest half-hour, what falls into the evening's peak, what of that can move",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.insights_by_home (
        premises bigint, fuel tinyint,
        cohort int, half_hours bigint, used_wh bigint, base_wh int, highest_wh int, peak_wh bigint, shift_wh bigint,
        as_of timestamp, warehouse text,
        PRIMARY KEY ((premises), fuel)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        _FUEL,
        _COHORT,
        Bind(name="half_hours", type=CqlType.BIGINT),
        Bind(name="used_wh", type=CqlType.BIGINT),
        Bind(name="base_wh", type=CqlType.INT),
        Bind(name="highest_wh", type=CqlType.INT),
        Bind(name="peak_wh", type=CqlType.BIGINT),
        Bind(name="shift_wh", type=CqlType.BIGINT),
        _AS_OF,
        _WAREHOUSE,
    ),
    partition_key=("premises",),
    queries=(
        Statement(
            operation=StoreOperation.READ_HOME_INSIGHTS,
            cql="SELECT fuel, cohort, half_hours, used_wh, base_wh, highest_wh, peak_wh, shift_wh, as_of, warehouse "
            "FROM {keyspace}.insights_by_home WHERE premises = ?",
            binds=(PREMISES,),
            partition_key=("premises",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_FUELS, bytes_max=_FUELS * 200),
    reason=_REASON,
)

TABLES = (PROFILES_BY_COHORT, INSIGHTS_BY_HOME)
WRITES = (
    write_of(StoreOperation.WRITE_PROFILE, PROFILES_BY_COHORT),
    write_of(StoreOperation.WRITE_HOME_INSIGHT, INSIGHTS_BY_HOME),
)
