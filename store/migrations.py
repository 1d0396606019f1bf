"""How a loaded keyspace comes from an older version of a schema to this one: forward only, or refused with the reason. Pure.

A migration is a few statements that may be run again after a crash in between, and the views that the log then fills anew.
Tables that a version adds need no statement: `store.cassandra.create_schema` creates whatever table is missing. What a
migration may not do: drop or rename a column that an older program still writes, or change the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scenarios.calendar import UTC_CALENDAR, Calendar
from store.ports import StoreError
from store.tables import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """From version `to_version` - 1."""

    to_version: int
    why: str
    statements: tuple[str, ...]  # CQL with {keyspace} to be filled in, each of which may be repeated
    rebuilt_views: tuple[str, ...] = ()  # of the views of a home, which a rebuild fills afterwards

    def __post_init__(self) -> None:
        for statement in self.statements:
            assert "IF NOT EXISTS" in statement, f"can't be repeated: {statement}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVersion:
    """The version row of a keyspace."""

    schema: str
    version: int
    views_to_rebuild: tuple[str, ...]  # what migrations before have asked for and nobody has done yet
    calendar: Calendar = UTC_CALENDAR  # by whose midnights the views divide days, in slots of whose length the log is


MIGRATIONS: Mapping[str, tuple[Migration, ...]] = {
    "home_months": (
        Migration(
            to_version=2,
            why="a bill says up to which half-hour it counts; views across homes, customers and commands have tables",
            statements=("ALTER TABLE {keyspace}.billing_by_home ADD IF NOT EXISTS through timestamp",),
            rebuilt_views=("billing_by_home",),
        ),
        Migration(
            to_version=3,
            why="usage is asked of one fuel, half the rows: usage_by_fuel takes the place of usage_by_home, which may be dropped",
            statements=(),
            rebuilt_views=("usage_by_fuel",),
        ),
        Migration(
            to_version=4,
            why="customers' days: a row of usage and billing tells what of its UTC day lies before and after the local midnight",
            statements=(
                "ALTER TABLE {keyspace}.usage_by_fuel ADD IF NOT EXISTS late_usage_wh bigint",
                *(
                    f"ALTER TABLE {{keyspace}}.billing_by_home ADD IF NOT EXISTS {column}"
                    for column in (
                        "late_tariff_version int",
                        "late_low_wh bigint",
                        "late_standard_wh bigint",
                        "late_peak_wh bigint",
                        "late_cost_upence bigint",
                    )
                ),
            ),
            rebuilt_views=("billing_by_home", "usage_by_fuel"),
        ),
        Migration(
            to_version=5,
            why="tariffs are data: a price list holds them with their bands, rates and prices",
            statements=("ALTER TABLE {keyspace}.price_lists ADD IF NOT EXISTS tariffs text",),
        ),
        Migration(
            to_version=6,
            why="a bill names the account that pays it: tenants of one home have bills of their own",
            statements=("ALTER TABLE {keyspace}.bills_by_home ADD IF NOT EXISTS account bigint",),
        ),
        Migration(to_version=7, why="prepaid accounts have a table", statements=()),
        Migration(to_version=8, why="insights that are written back from a warehouse have tables", statements=()),
    ),
}
"""Schema name -> its migrations, in order."""


def migrations_to(
    schema: Schema, held: HeldVersion, keyspace: str, known: Mapping[str, Sequence[Migration]] = MIGRATIONS
) -> list[Migration]:
    """The migrations that bring what is held to `schema`, in order; none when it is there already.

    Raises StoreError for another schema, a version that is newer than this program, or one with no way from it.
    """
    another = "or name another keyspace in [topology] keyspace"
    if held.schema != schema.name:
        raise StoreError(f"keyspace {keyspace} holds schema {held.schema}, not {schema.name}: ask for that, {another}")
    if held.version > schema.version:
        raise StoreError(
            f"keyspace {keyspace} is at version {held.version} of schema {schema.name}, and this meterstorm knows versions up "
            f"to {schema.version}: use a newer meterstorm, {another}"
        )
    way = [one for one in known.get(schema.name, ()) if held.version < one.to_version <= schema.version]
    if [one.to_version for one in way] != list(range(held.version + 1, schema.version + 1)):
        raise StoreError(
            f"keyspace {keyspace} is at version {held.version} of schema {schema.name}, and there is no way from it to "
            f"version {schema.version}: migrate it with an older meterstorm first, {another}"
        )
    return way


def check_calendar(held: HeldVersion, calendar: Calendar, keyspace: str) -> None:
    """Raises StoreError where a keyspace is of another calendar: its views would be of both, and of neither."""
    another = "or name another keyspace in [topology] keyspace"
    if held.calendar.zone != calendar.zone:
        raise StoreError(
            f"keyspace {keyspace} has its customers' days by {held.calendar.zone}, not by {calendar.zone}: ask for that "
            f"([estate] time_zone), {another}"
        )
    if held.calendar.slots_per_hour != calendar.slots_per_hour:
        raise StoreError(
            f"keyspace {keyspace} holds {held.calendar.slots_are}, not {calendar.slots_are}: ask for that "
            f"([estate] slots_per_hour = {held.calendar.slots_per_hour}), {another}"
        )


def views_to_rebuild(held: HeldVersion, way: Sequence[Migration]) -> tuple[str, ...]:
    """What is to be rebuilt once the migrations are done: theirs, and what was left from before."""
    return tuple(sorted({*held.views_to_rebuild, *(view for one in way for view in one.rebuilt_views)}))
