"""What customers choose, what prices are, what was billed, and when a counter began again.

None of it is a fold of readings. Preferences and register changes are logs of their own; price lists and bills are written
once and never changed, by a compare-and-set: of two writers one wins, and the other is told so. Bills are agreed on in
the home's DC, through which alone they must be issued; price lists, which are of no home, by all DCs.
"""

from scenarios.domain import Operation
from scenarios.tariffs.text import TEXT_CHARS_MAX
from store.operations import AnyOperation, StoreOperation
from store.roles import TableRole
from store.schemas.home_months.readings import PREMISES
from store.tables import Bind, Bound, CqlType, Statement, Table, Write, write_of

_PREFERENCE_CHANGES_MAX = 1_000  # of a home
_BILLS_MAX = 1_000  # of a home
# A month of three fuels with a price list a day has 186 or, with a line a rate, more, as long as there is room; corrections that
# find none are on the next bill.
_BILL_LINES_MAX = 400
_REGISTER_CHANGES_MAX = 1_000  # of a home
_PREPAYMENTS_MAX = 10_000  # of a home: four payments a week for 48 years
_PREPAYMENT_NUMBERS_MAX = 500  # of an opening: friendly hours and holidays

_PRICE_LISTS_MAX = 10_000  # one a day for 27 years

_LEVELLED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}"
_HOME = ("premises",)
_PREFERENCE = Bind(name="preference", type=CqlType.TINYINT)
_EFFECTIVE_AT = Bind(name="effective_at", type=CqlType.TIMESTAMP)
_BOOK = Bind(name="book", type=CqlType.SMALLINT)

PREFERENCES_BY_HOME = Table(
    name="preferences_by_home",
    roles=(TableRole.PREFERENCES,),
    serves="all that a home's customer has chosen: read frequency, consent and tariff, with when it takes effect",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.preferences_by_home (
        premises bigint, preference tinyint, effective_at timestamp, changed_at timestamp, value int,
        PRIMARY KEY ((premises), preference, effective_at, changed_at)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        _PREFERENCE,
        _EFFECTIVE_AT,
        Bind(name="changed_at", type=CqlType.TIMESTAMP),
        Bind(name="value", type=CqlType.INT),
    ),
    partition_key=_HOME,
    queries=(
        Statement(
            operation=Operation.READ_PREFERENCES,
            cql="SELECT preference, effective_at, changed_at, value FROM {keyspace}.preferences_by_home WHERE premises = ?",
            binds=(PREMISES,),
            partition_key=_HOME,
            is_write=False,
        ),
    ),
    partition=Bound(rows=2 * _PREFERENCE_CHANGES_MAX, bytes_max=2 * _PREFERENCE_CHANGES_MAX * 60),
    entries_max=_PREFERENCE_CHANGES_MAX,
    reason="A few rows a home over decades, in different files: levelled compaction brings them together. No TTL: "
    "consent must be shown years later.",
)

PRICE_LISTS = Table(
    name="price_lists",
    roles=(TableRole.PRICE_LISTS,),
    serves="all versions of a book of prices: which is in force at an instant, and what any old one said",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.price_lists (
        book smallint, version int, effective_at timestamp,
        upence_per_wh frozen<list<int>>, standing_upence frozen<list<int>>, tariffs text,
        PRIMARY KEY ((book), version)
    ) {_LEVELLED}""",
    columns=(
        _BOOK,
        Bind(name="version", type=CqlType.INT),
        _EFFECTIVE_AT,
        Bind(name="upence_per_wh", type=CqlType.INT_LIST),  # [TariffKind][fuel code][Rate], flat
        Bind(name="standing_upence", type=CqlType.INT_LIST),  # [fuel code]
        Bind(
            name="tariffs", type=CqlType.TEXT
        ),  # JSON of a list's own tariffs, which hold all prices; of the shipped ones empty
    ),
    partition_key=("book",),
    queries=(
        Statement(
            operation=Operation.READ_TARIFF,
            cql="SELECT version, effective_at, upence_per_wh, standing_upence, tariffs FROM {keyspace}.price_lists "
            "WHERE book = ?",
            binds=(_BOOK,),
            partition_key=("book",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_PRICE_LISTS_MAX, bytes_max=_PRICE_LISTS_MAX * (400 + TEXT_CHARS_MAX)),
    entries_max=_PRICE_LISTS_MAX,
    reason="A version is one row with all its prices, so that none is ever seen in part. It never changes: gateways keep "
    "what they have read, and one partition is enough. Few rows, read together: levelled. No TTL: old bills name them.",
)

BILLS_BY_HOME = Table(
    name="bills_by_home",
    roles=(TableRole.BILLS,),
    serves="the bills of a home, in their order, each with all its lines",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.bills_by_home (
        premises bigint, number int, month int, issued_at timestamp, total_upence bigint, lines frozen<list<bigint>>,
        account bigint,
        PRIMARY KEY ((premises), number)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        Bind(name="number", type=CqlType.INT),
        Bind(name="month", type=CqlType.INT),
        Bind(name="issued_at", type=CqlType.TIMESTAMP),
        Bind(name="total_upence", type=CqlType.BIGINT),
        Bind(name="lines", type=CqlType.BIGINT_LIST),  # as `store.customers.packing.packed` has them
        Bind(name="account", type=CqlType.BIGINT),
    ),
    partition_key=_HOME,
    queries=(
        Statement(
            operation=Operation.READ_BILLS,
            cql="SELECT number, month, issued_at, total_upence, lines, account FROM {keyspace}.bills_by_home "
            "WHERE premises = ?",
            binds=(PREMISES,),
            partition_key=_HOME,
            is_write=False,
        ),
    ),
    partition=Bound(rows=_BILLS_MAX, bytes_max=_BILLS_MAX * _BILL_LINES_MAX * 168),
    entries_max=_BILLS_MAX,
    items_max=_BILL_LINES_MAX,
    reason="A bill is one row, written once: seen whole or not at all. Numbers count a home's bills, so that two who issue "
    "at once in its home's DC can't both adjust for the same correction. Read together: levelled. No TTL: bills are kept.",
)

REGISTER_CHANGES_BY_HOME = Table(
    name="register_changes_by_home",
    roles=(TableRole.REGISTER_CHANGES,),
    serves="when a counter of a home began again, by rolling over or with another meter: why a display may fall",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.register_changes_by_home (
        premises bigint, fuel tinyint, changed_at timestamp, kind tinyint, before_wh bigint, after_wh bigint,
        PRIMARY KEY ((premises), fuel, changed_at, kind)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        Bind(name="fuel", type=CqlType.TINYINT),
        Bind(name="changed_at", type=CqlType.TIMESTAMP),
        Bind(name="kind", type=CqlType.TINYINT),
        Bind(name="before_wh", type=CqlType.BIGINT),
        Bind(name="after_wh", type=CqlType.BIGINT),
    ),
    partition_key=_HOME,
    queries=(
        Statement(
            operation=StoreOperation.READ_REGISTER_CHANGES,
            cql="SELECT fuel, changed_at, kind, before_wh, after_wh FROM {keyspace}.register_changes_by_home "
            "WHERE premises = ?",
            binds=(PREMISES,),
            partition_key=_HOME,
            is_write=False,
        ),
    ),
    partition=Bound(rows=2 * _REGISTER_CHANGES_MAX, bytes_max=2 * _REGISTER_CHANGES_MAX * 80),
    entries_max=_REGISTER_CHANGES_MAX,
    reason="A handful of rows in a home's life, read together: levelled. No TTL: registers are compared over years.",
)


PREPAYMENT_BY_HOME = Table(
    name="prepayment_by_home",
    roles=(TableRole.PREPAYMENT,),
    serves="what a home's prepaid accounts are made from: when each was opened on what terms, and what was paid in",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.prepayment_by_home (
        premises bigint, fuel tinyint, at timestamp, kind tinyint, reference bigint, amounts frozen<list<bigint>>,
        PRIMARY KEY ((premises), fuel, at, kind, reference)
    ) {_LEVELLED}""",
    columns=(
        PREMISES,
        Bind(name="fuel", type=CqlType.TINYINT),
        Bind(name="at", type=CqlType.TIMESTAMP),
        Bind(name="kind", type=CqlType.TINYINT),
        Bind(name="reference", type=CqlType.BIGINT),
        # [upence]; of an opening as `store.billing.prepaid.packed_opening` has it
        Bind(name="amounts", type=CqlType.BIGINT_LIST),
    ),
    partition_key=_HOME,
    queries=(
        Statement(
            operation=StoreOperation.READ_PREPAYMENT,
            cql="SELECT fuel, at, kind, reference, amounts FROM {keyspace}.prepayment_by_home WHERE premises = ?",
            binds=(PREMISES,),
            partition_key=_HOME,
            is_write=False,
        ),
    ),
    partition=Bound(
        rows=2 * _PREPAYMENTS_MAX, bytes_max=2 * _PREPAYMENTS_MAX * 100 + 100 * _PREPAYMENT_NUMBERS_MAX * 12
    ),
    entries_max=_PREPAYMENTS_MAX,
    items_max=_PREPAYMENT_NUMBERS_MAX,
    reason="A log: a payment that is sent again is the same row, and a balance is folded from all of it, so none can be counted "
    "twice. Some rows a month, read together: levelled. No TTL: accounts are settled over years.",
)


def _insert_once(operation: AnyOperation, table: Table, *, has_home_dc: bool) -> Write:
    """A row that is written only where there is none: its own timestamp is the compare-and-set's."""
    statement = Statement(
        operation=operation,
        cql=f"{table.insert} IF NOT EXISTS",
        binds=table.columns,
        partition_key=table.partition_key,
        is_write=True,
        is_idempotent=False,
        is_conditional=True,
        has_home_dc=has_home_dc,
    )
    return Write(statement=statement, tables=(table,))


TABLES = (PREFERENCES_BY_HOME, PRICE_LISTS, BILLS_BY_HOME, REGISTER_CHANGES_BY_HOME, PREPAYMENT_BY_HOME)
WRITES = (
    write_of(Operation.CHANGE_PREFERENCE, PREFERENCES_BY_HOME),
    _insert_once(Operation.WRITE_TARIFF, PRICE_LISTS, has_home_dc=False),
    _insert_once(Operation.ISSUE_BILL, BILLS_BY_HOME, has_home_dc=True),
    write_of(StoreOperation.RECORD_REGISTER_CHANGE, REGISTER_CHANGES_BY_HOME),
    write_of(StoreOperation.RECORD_PREPAYMENT, PREPAYMENT_BY_HOME),
)
