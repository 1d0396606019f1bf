"""A folder's design becomes a schema, or is refused with file, query, line and reason."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scenarios.design_folder import load_design
from scenarios.domain import Operation
from scenarios.spec import Scenario, ScenarioError, parse_scenario
from scenarios.variant_file import SHIPPED, new_variant
from store.designs.columns import derived
from store.designs.cql import read_tables
from store.designs.design import Design, design_of
from store.roles import TableRole
from store.schemas import DEFAULT_SCHEMA
from store.tables import CqlType


def scenario_of(estate: str = "") -> Scenario:
    return parse_scenario(
        f"""
title = "small"
[estate]
premises = 10
fuels = ["electricity", "gas"]
{estate}
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
wall_s = 10
""",
        "test",
    )


SMALL = scenario_of()
TABLES = """CREATE TABLE mine (
    home bigint, month int, fuel tinyint, at timestamp, revision int, wh int,
    PRIMARY KEY ((home, month), fuel, at)
);
"""
QUERIES = '''title = "mine"
[write_intervals]
row = "half_hour"
cql = "INSERT INTO mine (home, month, fuel, at, revision, wh) VALUES (?, ?, ?, ?, ?, ?)"
binds = ["premises", "month", "fuel", "interval_start", "revision", "wh"]
[read_intervals_day]
cql = """
SELECT at, revision, wh FROM mine
WHERE home = ? AND month = ? AND fuel = ? AND at >= ? AND at < ?"""
binds = ["premises", "month", "fuel", "from", "before"]
'''


def made(folder: Path, tables: str = TABLES, queries: str = QUERIES, years: int = 5) -> Design:
    (folder / "tables.cql").write_text(tables)
    (folder / "queries.toml").write_text(queries)
    return design_of("mine", load_design(folder), SMALL, years)


def test_it_replaces_the_view_of_half_hours_and_leaves_all_else(tmp_path: Path) -> None:
    design = made(tmp_path)
    schema = design.schema
    assert design.answer == {"at": "interval_start", "revision": "revision", "wh": "wh"}
    own = schema.table(TableRole.INTERVALS)
    assert own.name == "mine" and own.partition_key == ("home", "month")
    assert [table for table in schema.tables if table != own] == [
        table for table in DEFAULT_SCHEMA.tables if table != DEFAULT_SCHEMA.table(TableRole.INTERVALS)
    ]
    day = schema.statement(Operation.INGEST_READING, 48)
    assert day.cql.count("INTO {keyspace}.mine ") == 48 and day.cql.count("INTO {keyspace}.events_by_home") == 1
    assert day.partition_key == ("premises", "month")  # a delivery is still sent to the home's nodes
    assert {"wh.0", "wh.47", "interval_start.47", "write_us.47"} <= {bind.name for bind in day.binds}
    assert schema.statement(Operation.INGEST_READING, 1).cql.count("INTO {keyspace}.mine ") == 1
    assert len(schema.statements_of(Operation.INGEST_REVISION)) == 3
    assert schema.statement(Operation.INGEST_REGISTER) == DEFAULT_SCHEMA.statement(Operation.INGEST_REGISTER)
    asked = schema.statement(Operation.READ_INTERVALS_DAY)
    assert asked.partition_key == ("premises", "month")
    assert [bind.type for bind in asked.binds][-2:] == [CqlType.TIMESTAMP] * 2


def test_all_that_ship_and_the_one_to_begin_with_are_designs(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    for file, text in new_variant(begun).items():
        file.write_text(text)
    folders = [begun, *sorted(path.parent for path in SHIPPED.glob("*/queries.toml"))]
    assert len(folders) >= 9
    for folder in folders:
        design = design_of(folder.name, load_design(folder), SMALL, 5)
        assert folder == begun or load_design(folder).question.endswith("?")
        assert 0 < design.partition.rows <= 100_000


def test_the_page_shows_the_one_to_begin_with(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "schemas.md").read_text(encoding="utf-8")
    shown = re.findall(r"```(sql|toml)\n(.*?)```", page, re.DOTALL)
    tables = next(text for kind, text in shown if kind == "sql")
    queries = next(text for _, text in shown if "[write_intervals]" in text)
    begun = new_variant(Path("wide"))
    assert tomllib.loads(queries) == tomllib.loads(begun[Path("wide") / "queries.toml"])
    (ours,), (theirs,) = read_tables(tables), read_tables(begun[Path("wide") / "tables.cql"])
    assert ours.create == theirs.create


def altered(before: str, after: str, *, queries: bool = True) -> dict[str, str]:
    text = QUERIES if queries else TABLES
    assert before in text
    return {"queries" if queries else "tables": text.replace(before, after)}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"queries": QUERIES[: QUERIES.index("[read")]}, r"queries.toml: read_intervals_day: is missing"),
        (
            {"queries": QUERIES + '\n[read_usage_month]\ncql = "SELECT wh FROM mine"\nbinds = []\n'},
            r"queries.toml: \[read_usage_month\]: a design has two statements, \[write_intervals\] and \[read_intervals_day\]",
        ),
        ({"queries": QUERIES.replace("[read_intervals_day]", "[read_interval_day]")}, r"\[read_interval_day\]: a design has two"),
        (altered("INTO mine", "INTO other"), r"write_intervals, line 4: there is no table other: the design's is mine"),
        (altered('"wh"]', '"kwh"]'), r"write_intervals, line 4: the trace has no column 'kwh' for a half-hour; it has .*wh"),
        (altered(', "wh"]', "]"), r"line 4: it has 6 \? and binds names 5 columns"),
        (altered('"revision", "wh"', '"wh", "interval_start"'), r"wh of mine is int, and interval_start needs timestamp"),
        (altered("(home, month, fuel", "(home, mnth, fuel"), r"mine has no column mnth; did you mean month\?"),
        (altered('["premises", "month", "fuel", "interval', '["mpxn", "month", "fuel", "interval'),
         r"read_intervals_day, line 9: home holds mpxn as it is written, and is asked for premises: no row"),
        (altered("home = ? AND month = ? AND fuel = ? AND", "month = ? AND home = ? AND fuel = ? AND"),
         r"line 9: month of mine is int, and premises needs"),
        (altered("WHERE home = ? AND month = ? AND fuel = ? AND at >= ? AND at < ?", ""),
         r"read_intervals_day, line 8: it is a full scan"),
        (altered("home = ? AND month = ? AND ", ""), r"line 8: it has 3 \? and binds names 5"),
        (altered(" AND at < ?", " AND at < ? ALLOW FILTERING"), r"read_intervals_day, line 9: ALLOW FILTERING"),
        (altered("home = ?", "home IN ?"), r"line 9: IN \? has no bound"),
        (altered("SELECT at, revision, wh", "SELECT revision, wh"), r"don't say which half-hour"),
        (altered("SELECT at, revision, wh", "SELECT at, revision"), r"don't say how much"),
        (altered("FROM mine\nWHERE", "FRM mine\nWHERE"), r"line 8: it does not parse: FROM is expected where 'frm'"),
        (altered("month), fuel, at)", "month), at, fuel)", queries=False),
         r"line 9: fuel can't be asked for without ALLOW FILTERING: at"),
        (altered("wh int", "wh text", queries=False), r"tables.cql, line 2: wh of mine is text, which the sender can't write"),
        (altered("fuel tinyint", "fuel tinyint, more int", queries=False), r"more of mine would never be written"),
        (altered("mine (", "events_by_home (", queries=False), r"the store has another table events_by_home"),
        (altered("fuel, at)", "fuel)", queries=False), r"line 9: at is not in the key of mine"),
        ({"tables": TABLES + "CREATE TABLE more (a int PRIMARY KEY);"}, r"tables.cql, line 5: no query writes more"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, given: dict[str, str], told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        made(tmp_path, **given)


def keyed(key: str, *, columns: str = "", write: str = "", read: str = "") -> dict[str, str]:
    """The design with another partition key than (home, month)."""
    queries = QUERIES.replace("home, month, fuel", f"{columns}fuel").replace(
        '"premises", "month", "fuel", "int', f'{write}"fuel", "int'
    )
    queries = queries.replace("home = ? AND month = ? AND", read).replace(
        '"premises", "month", "fuel", "from', f'{write}"fuel", "from'
    )
    queries = queries.replace("?, ?, ?, ?, ?, ?", ", ".join("?" * (4 + columns.count(","))))
    tables = TABLES.replace("home bigint, month int", key).replace("(home, month)", f"({columns.rstrip(', ')})")
    return {"queries": queries, "tables": tables}


def test_partitions_keep_to_their_bound_for_the_years_asked(tmp_path: Path) -> None:
    unbounded = keyed("home bigint", columns="home, ", write='"premises", ', read="home = ? AND")
    assert made(tmp_path, **unbounded, years=1).partition.rows == 366 * 2 * 48
    with pytest.raises(
        ScenarioError, match=r"tables.cql, line 1: a partition of mine would hold 175,680 rows after 5 years"
    ):
        made(tmp_path, **unbounded)
    week = keyed(
        "home bigint, week int",
        columns="home, week, ",
        write='"premises", "epoch_week", ',
        read="home = ? AND week = ? AND",
    )
    assert made(tmp_path, **week, years=100).partition.rows == 7 * 2 * 48
    of_all = keyed("day int", columns="day, ", write='"epoch_day", ', read="day = ? AND")
    with pytest.raises(ScenarioError, match=r"line 4: mine is keyed by no home or meter"):
        made(tmp_path, **of_all)


@pytest.mark.parametrize(
    ("kept", "told"),
    [("tables.cql", "queries.toml: there is no such file"), ("queries.toml", "tables.cql: there is no such file")],
)
def test_half_a_folder_is_none(tmp_path: Path, kept: str, told: str) -> None:
    made(tmp_path)
    for name in ("tables.cql", "queries.toml"):
        if name != kept:
            (tmp_path / name).unlink()
    with pytest.raises(ScenarioError, match=told):
        load_design(tmp_path)


def test_a_question_without_a_part_of_the_routing_key_is_refused(tmp_path: Path) -> None:
    queries = QUERIES.replace("home = ? AND month = ? AND fuel", "home = ? AND fuel").replace(
        '"premises", "month", "fuel", "from"', '"premises", "fuel", "from"'
    )
    told = r"the routing key does not match: mine is keyed by \(home, month\), and month = \? is missing"
    with pytest.raises(ScenarioError, match=told):
        made(tmp_path, queries=queries)


def test_of_several_rows_of_a_half_hour_the_question_says_which_is_later(tmp_path: Path) -> None:
    tables = TABLES.replace("fuel, at)", "fuel, at, revision)")
    assert made(tmp_path, tables).answer["revision"] == "revision"
    with pytest.raises(ScenarioError, match="nothing says which is later"):
        made(tmp_path, tables, QUERIES.replace("SELECT at, revision, wh", "SELECT at, wh"))


def test_buckets_hold_what_the_page_says() -> None:
    start = datetime(2026, 3, 29, 13, 30, tzinfo=UTC)
    columns = {"from": np.array([int(start.timestamp()) * 1_000]), "month": np.array([202603])}
    days = (start - datetime(1970, 1, 1, tzinfo=UTC)).days
    expected = {"epoch_day": days, "epoch_week": days // 7, "year": 2026, "day": 29, "slot": 27}
    found = derived(columns, expected, 1_800_000_000)
    assert {name: values.tolist() for name, values in found.items()} == {
        name: [value] for name, value in expected.items()
    }
