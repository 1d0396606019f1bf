"""Which way a keyspace may go from the version that it is at, and what is refused."""

from dataclasses import replace

import pytest

from store.migrations import MIGRATIONS, HeldVersion, Migration, migrations_to, views_to_rebuild
from store.ports import StoreError
from store.schemas import SCHEMAS

SCHEMA = replace(SCHEMAS["home_months"], version=3)
WAY = tuple(
    Migration(to_version=number, why="a test", statements=(), rebuilt_views=views)
    for number, views in ((2, ("usage_by_fuel",)), (3, ("billing_by_home",)))
)


def held(version: int, schema: str = "home_months", views: tuple[str, ...] = ()) -> HeldVersion:
    return HeldVersion(schema=schema, version=version, views_to_rebuild=views)


@pytest.mark.parametrize(("version", "steps"), [(1, [2, 3]), (2, [3]), (3, [])])
def test_every_step_from_the_held_version_is_taken_in_order(version: int, steps: list[int]) -> None:
    way = migrations_to(SCHEMA, held(version), "storm", {"home_months": WAY})
    assert [one.to_version for one in way] == steps


@pytest.mark.parametrize(
    ("what", "match"),
    [
        (held(4), r"storm is at version 4 .* knows versions up to 3: use a newer meterstorm, or name another keyspace"),
        (held(0), r"storm is at version 0 .* no way from it to version 3"),
        (held(3, "other"), r"storm holds schema other, not home_months"),
    ],
)
def test_what_can_not_be_migrated_is_refused_with_the_reason(what: HeldVersion, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        migrations_to(SCHEMA, what, "storm", {"home_months": WAY})


def test_a_way_with_a_gap_is_none() -> None:
    with pytest.raises(StoreError, match="no way"):
        migrations_to(SCHEMA, held(1), "storm", {"home_months": WAY[1:]})


def test_views_that_were_left_from_before_are_still_rebuilt() -> None:
    assert views_to_rebuild(held(2, views=("usage_by_fuel",)), WAY[1:]) == ("billing_by_home", "usage_by_fuel")
    assert views_to_rebuild(held(3), ()) == ()


def test_every_schema_has_a_way_from_its_first_version() -> None:
    for schema in SCHEMAS.values():
        way = migrations_to(schema, held(1, schema.name), "storm")
        assert [one.to_version for one in way] == list(range(2, schema.version + 1))
        names = {table.name for table in schema.tables}
        assert {view for one in MIGRATIONS.get(schema.name, ()) for view in one.rebuilt_views} <= names


def test_a_statement_that_can_not_be_repeated_is_no_migration() -> None:
    with pytest.raises(AssertionError, match="can't be repeated"):
        Migration(to_version=2, why="a test", statements=("ALTER TABLE {keyspace}.a ADD b int",))
