"""Who asks for a table asks by role: nobody outside a schema knows its tables' names."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from scenarios.domain import DAY_US, SettlementRunCode, TariffKind
from store.billing.records import Bill, Line, LineKind
from store.customers.port import Preference, RegisterChange, RegisterChangeKind
from store.customers.preferences import choose
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.memory.statements import MemoryStatements
from store.ports import Rejected
from store.readings.across import Projection
from store.readings.projector import Projector
from store.readings.receipts import HOUR_US, RowReceipts
from store.readings.store import HomeReadings
from store.readings.summaries import HOMES_MIN
from store.readings.summarise import project_cohorts, project_completeness
from store.readings.verify import verify
from store.rejections import Refused
from store.roles import DAY_VIEWS, TableRole
from store.schemas import SCHEMAS
from store.tables import Schema, kept_s
from store.tariffs import FIRST_PRICES, Book
from tests.regression.test_store_without_a_book import DAY_15_US, DEAR, day

ROOT = Path(__file__).parents[3]
ROOMS = ("loadtests/audit", "loadtests/storm", "loadtests/backend", "store/customers", "store/ingest", "store/readings")
SCHEMA = SCHEMAS["home_months"]
BOOK = Book(prices=(DEAR,), kind_of=lambda homes, _: np.full(len(homes), TariffKind.TIME_OF_USE, np.uint8))
USAGE, BILLING = (SCHEMA.table(role) for role in DAY_VIEWS)


def with_tables(**changed: tuple[TableRole, ...]) -> Schema:
    """The shipped schema, some tables of which have other roles; a table without any role is left out."""
    tables = [replace(table, roles=changed.get(table.name, table.roles)) for table in SCHEMA.tables]
    return Schema(name="other", version=1, tables=tuple(one for one in tables if one.roles), writes=())


def strings_of(tree: ast.Module) -> Iterator[ast.Constant]:
    """All strings of a module that are no docstring: of an f-string its parts."""
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_knows_a_tables_name(room: str) -> None:
    names = {table.name for schema in SCHEMAS.values() for table in schema.tables}
    paths = list((ROOT / room).rglob("*.py"))
    known = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        for path in paths
        for node in strings_of(ast.parse(path.read_text(encoding="utf-8")))
        for name in sorted(names)
        if name in str(node.value)
    ]
    assert paths and known == []


def test_each_role_has_its_table_in_the_shipped_schema() -> None:
    assert [SCHEMA.table(role).roles for role in TableRole] == [(role,) for role in TableRole]
    assert (USAGE.name, BILLING.name) == ("usage_by_fuel", "billing_by_home")
    assert USAGE.has_role(*DAY_VIEWS) and not USAGE.has_role(TableRole.EVENT_LOG, TableRole.DAILY_BILLING)


def test_one_table_may_serve_two_roles() -> None:
    schema = with_tables(usage_by_fuel=(), billing_by_home=DAY_VIEWS)
    assert schema.table(TableRole.DAILY_USAGE).name == "billing_by_home"
    assert [table.name for table in schema.tables_with(DAY_VIEWS)] == ["billing_by_home"]


def test_a_schema_may_lack_a_role() -> None:
    schema = with_tables(usage_by_fuel=())
    assert schema.find(TableRole.DAILY_USAGE) is None
    assert [table.name for table in schema.tables_with(DAY_VIEWS)] == ["billing_by_home"]
    with pytest.raises(KeyError, match="schema other has no table for the daily usage of a home"):
        schema.table(TableRole.DAILY_USAGE)


@pytest.mark.parametrize("roles", [DAY_VIEWS, DAY_VIEWS[::-1], (TableRole.DAILY_BILLING,)])
def test_days_are_held_against_the_log_whichever_roles_their_table_serves(roles: tuple[TableRole, ...]) -> None:
    tables = MemoryStatements(with_tables(usage_by_fuel=(), billing_by_home=roles))
    held = MemoryStatements(SCHEMA)
    HomeReadings(held, held, BOOK).append(day())
    days = tables.schema.table(roles[0])
    for to, role in ((tables.schema.table(TableRole.EVENT_LOG), TableRole.EVENT_LOG), (days, TableRole.DAILY_BILLING)):
        for row in held.all_rows(SCHEMA.table(role)):
            tables.put(to, row, DAY_15_US)
    assert list(verify(tables, tables.schema, days.name, BOOK)) == []
    (row,) = tables.all_rows(days)
    tables.put(days, row | {"cost_upence": row["cost_upence"] + 1}, DAY_15_US + 1)
    (told,) = verify(tables, tables.schema, days.name, BOOK)
    assert told.expected is not None and told.expected["cost_upence"] == row["cost_upence"]


@pytest.mark.parametrize("lacking", [TableRole.DAILY_USAGE, TableRole.COHORT_INSIGHTS, TableRole.COMPLETENESS])
def test_what_a_schema_has_no_table_for_is_not_projected(lacking: TableRole) -> None:
    held = MemoryStatements(SCHEMA)
    HomeReadings(held, held, BOOK).append(day())
    tables = MemoryStatements(with_tables(**{SCHEMA.table(lacking).name: ()}))
    for role in (TableRole.EVENT_LOG, TableRole.DAILY_USAGE):
        to = tables.schema.find(role)
        for row in held.all_rows(SCHEMA.table(role)) if to else ():
            for home in range(HOMES_MIN):  # a cohort of fewer is told nowhere
                tables.put(to, row | {"premises": home}, DAY_15_US)
    store = HomeReadings(tables, tables, BOOK)
    if lacking is TableRole.COMPLETENESS:
        assert project_completeness(store, 202601, np.zeros_like, {(0, 0): 1}, DAY_15_US + DAY_US) == 0
    else:
        assert project_cohorts(store, 202601, np.zeros_like, DAY_15_US + DAY_US) == 0


def test_no_role_is_served_by_two_tables() -> None:
    with pytest.raises(AssertionError, match="serves a role by two tables"):
        with_tables(usage_by_fuel=(TableRole.DAILY_BILLING,))


def other_schema(changed: Mapping[TableRole, Mapping[str, int]]) -> Schema:
    """The shipped schema with other shards, buckets or limits of some tables."""
    tables = [replace(table, **changed.get(table.roles[0], {})) for table in SCHEMA.tables]
    table_of = {table.name: table for table in tables}
    writes = [replace(one, tables=tuple(table_of[table.name] for table in one.tables)) for one in SCHEMA.writes]
    return Schema(name="other", version=1, tables=tuple(tables), writes=tuple(writes))


def test_a_schema_says_how_its_rows_are_spread() -> None:
    tables = MemoryStatements(
        other_schema(
            {
                TableRole.SETTLEMENT: {"shard_count": 3},
                TableRole.RECEIPTS: {"shard_count": 2},
                TableRole.REJECTIONS: {"shard_count": 5},
                TableRole.JOURNAL: {"bucket_size": 2},
            }
        )
    )
    store = HomeReadings(tables, tables, BOOK)
    projector = Projector(store, Projection(region_of=np.zeros_like), writer=1, started_us=DAY_15_US)
    projector.heal()
    meters = {7: 1_000_000_000_003, 8: 1_000_000_000_014}
    for premises, mpxn in meters.items():
        projector.deliver([replace(day(), premises=np.array([premises]), mpxn=np.array([mpxn]))])
    projector.deliver([day()])
    refused = [
        Rejected(received_at_us=DAY_15_US, mpxn=mpxn, interval_start_us=0, reason="", detail="") for mpxn in (7, 19)
    ]
    store.record_rejected(refused)

    def held(role: TableRole, column: str) -> set[int]:
        return {row[column] for row in tables.all_rows(tables.schema.table(role))}

    assert held(TableRole.SETTLEMENT, "shard") == {1, 0}  # the remainders by 3 of both numbers
    assert held(TableRole.RECEIPTS, "shard") == {1, 0}  # by 2
    assert held(TableRole.REJECTIONS, "shard") == {2, 4}  # by 5
    assert held(TableRole.JOURNAL, "bucket") == {0, 1}  # of two batches each
    assert store.rejected(DAY_15_US) == refused
    assert RowReceipts(tables).half_hours(0, (DAY_15_US + DAY_US) // HOUR_US) == 2 * 48
    assert len(list(projector.journalled())) == 3
    assert projector.settle(date(2026, 1, 15), SettlementRunCode.SF, DAY_15_US + 20 * DAY_US, 1) == 1


def bill(number: int, lines: int) -> Bill:
    one = Line(
        kind=LineKind.ADJUSTMENT,
        month=202601,
        fuel=0,
        tariff=TariffKind.FLAT,
        tariff_version=1,
        first_day=0,
        days=0,
        low_wh=0,
        standard_wh=0,
        peak_wh=0,
        cost_upence=1,
    )
    return Bill(premises=7, number=number, month=202601, issued_us=DAY_15_US, total_upence=1, lines=(one,) * lines)


def rolled_over(changed_us: int) -> RegisterChange:
    return RegisterChange(
        fuel=0, changed_us=changed_us, kind=RegisterChangeKind.ROLLED_OVER, before_wh=99_999_999, after_wh=1
    )


def test_a_schema_says_how_much_a_partition_takes() -> None:
    roles = (TableRole.PREFERENCES, TableRole.PRICE_LISTS, TableRole.REGISTER_CHANGES)
    limits = {role: {"entries_max": 1} for role in roles} | {TableRole.BILLS: {"entries_max": 1, "items_max": 2}}
    customers = HomeCustomers(MemoryOnce(other_schema(limits)))
    tomorrow_us = DAY_15_US + DAY_US

    def write(at_us: int, number: int) -> Iterator[Callable[[], object]]:
        prices = replace(FIRST_PRICES, version=number, effective_us=at_us)
        yield lambda: customers.publish(prices, at_us)
        yield lambda: customers.change_preference(7, choose(Preference.TARIFF, TariffKind.FLAT, at_us))
        yield lambda: customers.record_register_change(7, rolled_over(at_us))
        yield lambda: customers.issue(bill(number, lines=2))

    for one in write(DAY_15_US, 1):
        one()
    refusals = (
        "the book has 1 price lists",
        "its preferences 1 times",
        "began again 1 times",
        "is next, and 1 the last",
    )
    for one, refusal in zip(write(tomorrow_us, 2), refusals, strict=True):
        with pytest.raises(Refused, match=refusal):
            one()
    with pytest.raises(Refused, match="has 3 lines: at most 2"):
        customers.issue(bill(2, lines=3))


def test_a_table_says_how_long_its_rows_are_kept() -> None:
    schema = SCHEMAS["home_months"]
    assert kept_s(schema.table(TableRole.EVENT_LOG)) is None
    assert kept_s(schema.table(TableRole.JOURNAL)) == 35 * 86_400
    for table in schema.tables:
        assert (kept_s(table) is None) == ("time_to_live" not in table.create), table.name
