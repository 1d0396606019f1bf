"""What a design's CQL says, and what of it is refused, with the line."""

import pytest

from store.designs.cql import CqlError, read_insert, read_select, read_tables


def test_a_table_is_read_with_its_key_and_its_options_as_they_stand() -> None:
    (table,) = read_tables(
        """-- half-hours
        CREATE TABLE IF NOT EXISTS Reads ( /* by meter */
            Meter_Id bigint, month int, at timestamp, wh frozen < list<int> >,
            PRIMARY KEY ((meter_id, month), at)
        ) WITH CLUSTERING ORDER BY (at DESC) AND compaction = {'class': 'It''s'};
        """
    )
    assert table.name == "reads" and table.partition_key == ("meter_id", "month") and table.clustering == ("at",)
    assert table.columns == {"meter_id": "bigint", "month": "int", "at": "timestamp", "wh": "frozen<list<int>>"}
    assert table.lines["wh"] == 3
    made = table.create.format(keyspace="k")
    assert made.startswith("CREATE TABLE IF NOT EXISTS k.reads (meter_id bigint, month int,")
    assert "PRIMARY KEY ((meter_id, month), at)) WITH CLUSTERING" in made and "{'class': 'It''s'}" in made


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "no CREATE TABLE"),
        ("CREATE TABLE t (a int)", 1, "t has no PRIMARY KEY"),
        ("CREATE TABLE t (\na int\nb int, PRIMARY KEY (a))", 3, r"\) is expected where 'b'"),
        ("CREATE TABLE t (a int, PRIMARY KEY (b))", 1, "which is none of its columns"),
        ("CREATE TABLE t (a int,\na int, PRIMARY KEY (a))", 2, "the column a twice"),
        ("CREATE TABLE k.t (a int PRIMARY KEY)", 1, "leave the keyspace k out"),
        ("CREATE TABLE t (a int PRIMARY KEY, b int STATIC)", 1, "b is static"),
        ('CREATE TABLE "T" (a int PRIMARY KEY)', 1, "no quoted one"),
        ("CREATE TABLE t (a int PRIMARY KEY) compact", 1, "comes WITH"),
        ("CREATE TABLE t (a int PRIMARY KEY);\nDROP TABLE t", 2, "CREATE is expected where 'drop'"),
        ("CREATE TABLE t (a int PRIMARY KEY);\n\x1b", 2, "has no meaning"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(CqlError, match=told) as refused:
        read_tables(text)
    assert refused.value.line == line and "\x1b" not in str(refused.value)


def test_statements_are_read() -> None:
    insert = read_insert("INSERT INTO t (a, b)\nVALUES (?, ?);")
    assert insert.table == "t" and insert.columns == ("a", "b")
    select = read_select("select * from t where a = ? and b >= ?\nORDER BY b DESC LIMIT 5")
    assert select.columns == () and select.rest == "ORDER BY b DESC LIMIT 5"
    assert [(each.column, each.operator) for each in select.conditions] == [("a", "="), ("b", ">=")]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("INSERT INTO t (a) VALUES (1)", 1, "every value is a"),
        ("INSERT INTO t (a, b)\nVALUES (?)", 1, "2 columns and gives 1 values"),
        ("INSERT INTO t (a, a) VALUES (?, ?)", 1, "a column twice"),
        ("INSERT INTO t (a)\nVALUES (?)\nUSING TTL 5", 3, "leave USING out"),
        ("INSERT INTO t (a) VALUES (?) IF NOT EXISTS", 1, "compare-and-set"),
        ("UPDATE t SET a = ?", 1, "INSERT is expected where 'update'"),
    ],
)
def test_a_write_that_is_none_is_refused(text: str, line: int, told: str) -> None:
    with pytest.raises(CqlError, match=told) as refused:
        read_insert(text)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("SELECT a FROM t", 1, "full scan of t"),
        ("SELECT a FROM t\nWHERE a = ?\nALLOW FILTERING", 3, "ALLOW FILTERING reads"),
        ("SELECT a FROM t WHERE a IN ?", 1, "no bound"),
        ("SELECT a FROM t WHERE a IN (?, ?)", 1, "several keys"),
        ("SELECT a FROM t WHERE token(a) > ?", 1, "range of partitions"),
        ("SELECT a FROM t WHERE a = 5", 1, "make it a"),
        ("SELECT sum(a) FROM t WHERE a = ?", 1, "functions of columns"),
        ("SELECT a FROM t WHERE a = ? LIMIT ?", 1, "no value can be bound"),
        ("SELECT a FROM t WHERE a = ?; SELECT b FROM t WHERE b = ?", 1, "nothing is expected"),
    ],
)
def test_a_question_that_no_partition_answers_is_refused(text: str, line: int, told: str) -> None:
    with pytest.raises(CqlError, match=told) as refused:
        read_select(text)
    assert refused.value.line == line
