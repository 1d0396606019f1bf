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
    assert design.answers[Operation.READ_INTERVALS_DAY] == {"at": "interval_start", "revision": "revision", "wh": "wh"}
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
        assert all(0 < each.rows <= 100_000 for each in design.partitions.values())


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
        ({"queries": QUERIES + '\n[read_state]\ncql = "SELECT wh FROM mine"\nbinds = []\n'},
         r"\[read_state\]: a design writes with \[write_intervals\] and further \[write_NAME\], a table each"),
        ({"queries": QUERIES.replace("[read_intervals_day]", "[read_interval_day]")}, r"\[read_interval_day\]: a design writes"),
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
    assert made(tmp_path, **unbounded, years=1).partitions["mine"].rows == 366 * 2 * 48
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
    assert made(tmp_path, **week, years=100).partitions["mine"].rows == 7 * 2 * 48
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


@pytest.mark.parametrize(
    ("above", "below", "told"),
    [
        ('alterations = "text"', "", r"queries.toml: alterations: must be a list: \[ ... \], or \[\[headings\]\]$"),
        ("alterations = [1]", "", r"queries.toml: alterations\[0\] = 1: must be text in quotes$"),
        ("", "alterations = []", "alterations: alterations belongs above the first .heading. of the file$"),
    ],
)
def test_a_field_of_another_kind_or_place_is_told_in_plain_words(
    tmp_path: Path, above: str, below: str, told: str
) -> None:
    with pytest.raises(ScenarioError, match=told):
        made(tmp_path, queries=f"{above}\n{QUERIES.rstrip()}\n{below}\n")


def test_the_one_to_begin_with_tells_where_alterations_go_and_what_further_writes_are_called(tmp_path: Path) -> None:
    tables, text = (new_variant(tmp_path / "wide")[tmp_path / "wide" / name] for name in ("tables.cql", "queries.toml"))
    assert "[write_NAME]" in text and text.startswith("#") and 'title = "wide: what is different"' in text
    altered = text.replace("# alterations = ", "alterations = ")
    assert altered != text
    made(tmp_path, tables, altered)
    assert len(load_design(tmp_path).queries.alterations) == 1


def test_a_question_without_a_part_of_the_routing_key_is_refused(tmp_path: Path) -> None:
    queries = QUERIES.replace("home = ? AND month = ? AND fuel", "home = ? AND fuel").replace(
        '"premises", "month", "fuel", "from"', '"premises", "fuel", "from"'
    )
    told = r"the routing key does not match: mine is keyed by \(home, month\), and month = \? is missing"
    with pytest.raises(ScenarioError, match=told):
        made(tmp_path, queries=queries)


def test_of_several_rows_of_a_half_hour_the_question_says_which_is_later(tmp_path: Path) -> None:
    tables = TABLES.replace("fuel, at)", "fuel, at, revision)")
    assert made(tmp_path, tables).answers[Operation.READ_INTERVALS_DAY]["revision"] == "revision"
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


MONTHS_TABLE = """CREATE TABLE days (
    home bigint, month int, fuel tinyint, day tinyint, used bigint, late bigint,
    PRIMARY KEY ((home, month), fuel, day)
);
"""
MONTHS_QUERIES = """
[write_days]
row = "day"
cql = "INSERT INTO days (home, month, fuel, day, used, late) VALUES (?, ?, ?, ?, ?, ?)"
binds = ["premises", "month", "fuel", "day", "usage_wh", "late_usage_wh"]
[read_usage_month]
cql = "SELECT day, used, late FROM days WHERE home = ? AND month = ? AND fuel = ?"
binds = ["premises", "month", "fuel"]
"""


def test_a_table_for_each_question_takes_the_place_of_both_views(tmp_path: Path) -> None:
    design = made(tmp_path, TABLES + MONTHS_TABLE, QUERIES + MONTHS_QUERIES)
    schema = design.schema
    assert schema.table(TableRole.DAILY_USAGE).name == "days" and schema.table(TableRole.INTERVALS).name == "mine"
    assert not {"usage_by_fuel", "intervals_by_home"} & {table.name for table in schema.tables}
    assert design.answers[Operation.READ_USAGE_MONTH] == {"day": "day", "used": "usage_wh", "late": "late_usage_wh"}
    assert design.partitions["days"].rows == 31 * 2
    day = schema.statement(Operation.INGEST_READING, 48)
    assert day.cql.count("INTO {keyspace}.mine ") == 48 and day.cql.count("INTO {keyspace}.days ") == 1
    # a correction knows half-hours, and not what its day adds up to
    assert "{keyspace}.days " not in schema.statement(Operation.INGEST_REVISION, 1).cql
    assert schema.statement(Operation.READ_USAGE_MONTH).partition_key == ("premises", "month")


def test_one_table_may_answer_both_questions_and_be_folded_by_who_asks(tmp_path: Path) -> None:
    asked = """
[read_usage_month]
cql = "SELECT at, revision, wh FROM mine WHERE home = ? AND month = ? AND fuel = ? AND at >= ? AND at < ?"
binds = ["premises", "month", "fuel", "month_from", "month_before"]
"""
    design = made(tmp_path, queries=QUERIES + asked)
    assert design.schema.table(TableRole.DAILY_USAGE) == design.schema.table(TableRole.INTERVALS)
    assert design.answers[Operation.READ_USAGE_MONTH]["wh"] == "wh"
    bound = derived({"from": np.array([0]), "month": np.array([202612])}, ["month_from", "month_before"], 1)
    starts = [int(datetime(*start, tzinfo=UTC).timestamp()) * 1_000 for start in ((2026, 12, 1), (2027, 1, 1))]
    assert [bound[name].tolist() for name in ("month_from", "month_before")] == [[each] for each in starts]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("[read_usage_month]", "[read_usage]", r"\[read_usage\]: a design writes"),
        ("INTO days", "INTO day", r"write_days, line 14: there is no table day: the design's are mine, days"),
        ("INTO days (home", "INTO mine (home", r"line 14: mine is written by write_intervals already"),
        ('"usage_wh"', '"wh"', r"line 14: the trace has no column 'wh' for a day; it has .*usage_wh"),
        ("SELECT day, used, late", "SELECT day, used", r"read_usage_month, line 17: .*late_usage_wh too"),
        ("SELECT day, used", "SELECT used", r"don't say which day they are of"),
        ("FROM days WHERE", "FROM mine WHERE", r"don't say which half-hour|has no column"),
        ('"premises", "month", "fuel"]', '"premises", "epoch_day", "fuel"]',
         r"line 17: the trace has no column 'epoch_day' for a question about a meter's UTC month"),
    ],
)  # fmt: skip
def test_of_several_tables_and_questions_each_fault_has_its_place(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in MONTHS_QUERIES
    with pytest.raises(ScenarioError, match=told):
        made(tmp_path, TABLES + MONTHS_TABLE, QUERIES + MONTHS_QUERIES.replace(before, after))


def test_a_table_that_nothing_writes_or_asks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"tables.cql, line 5: no query writes days"):
        made(tmp_path, TABLES + MONTHS_TABLE)
    written = MONTHS_QUERIES[: MONTHS_QUERIES.index("[read")]
    with pytest.raises(ScenarioError, match=r"tables.cql, line 5: no question asks days"):
        made(tmp_path, TABLES + MONTHS_TABLE, QUERIES + written)
    many = "".join(MONTHS_QUERIES.replace("write_days", f"write_{n}").split("[read")[0] for n in "abcdefgh")
    with pytest.raises(ScenarioError, match="at most 8 tables"):
        made(tmp_path, queries=QUERIES + many)
