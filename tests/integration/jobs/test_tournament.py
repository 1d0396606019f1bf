"""A tournament on a real node, of quarter-hours: who forgets or answers wrongly is disqualified, the others race."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from meterstorm.cli.app import app
from reports.results.tournament import load_tournament

pytestmark = pytest.mark.usefixtures("tables_unflushed")
SCENARIO = """
title = "A tournament's way"
[estate]
premises = 60
fuels = ["electricity"]
slots_per_hour = 4
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
[run.validity]
late_p99_ms_max = 60_000
stalled_share_max = 1.0
"""
FORGETFUL = """
title = "A log that forgets"
[store]
alterations = ["ALTER TABLE {keyspace}.events_by_home WITH default_time_to_live = 1"]
"""
MONTHS_TABLE = """
CREATE TABLE days_by_meter (meter bigint, month int, day tinyint, used bigint, late bigint, PRIMARY KEY ((meter, month), day));
"""
MONTHS_QUERIES = """
[write_days]
row = "day"
cql = "INSERT INTO days_by_meter (meter, month, day, used, late) VALUES (?, ?, ?, ?, ?)"
binds = ["mpxn", "month", "day", "usage_wh", "late_usage_wh"]
[read_usage_month]
cql = "SELECT day, used, late FROM days_by_meter WHERE meter = ? AND month = ?"
binds = ["mpxn", "month"]
"""


def wrong_by_one(folder: Path) -> Path:
    """A user's design, as `schemas new` writes it, that asks for what is after the start of a day instead of from it on.

    Its second table answers months of usage, rightly.
    """
    assert CliRunner().invoke(app, ["schemas", "new", str(folder)]).exit_code == 0
    queries = folder / "queries.toml"
    text = queries.read_text()
    assert text.count("interval_start >= ?") == 1
    queries.write_text(text.replace("interval_start >= ?", "interval_start > ?") + MONTHS_QUERIES)
    tables = folder / "tables.cql"
    compressed = " AND compression = {'class': 'ZstdCompressor'};"
    tables.write_text(tables.read_text().rstrip().removesuffix(";") + compressed + MONTHS_TABLE)
    return folder


def test_who_forgets_or_answers_wrongly_is_disqualified_and_the_others_race(tmp_path: Path) -> None:
    scenario, forgetful = tmp_path / "small.toml", tmp_path / "forgetful.toml"
    scenario.write_text(SCENARIO)
    forgetful.write_text(FORGETFUL)
    wrong = wrong_by_one(tmp_path / "wrong")
    out = tmp_path / "out"
    options = ["--rounds", "5", "--seconds", "0.2", "--warm-s", "0", "--out", str(out)]
    result = CliRunner().invoke(
        app, ["schemas", "compare", str(scenario), "--variants", f"{forgetful},{wrong},textbook", *options]
    )
    assert result.exit_code == 1, result.output
    results = load_tournament(out)
    assert results.entrant("forgetful").is_disqualified and results.entrant("forgetful").rounds == 0
    assert sum(each.missing for each in results.entrant("forgetful").facts) > 0
    # each day's first quarter-hour is not in its answers; all that it wrote is as it should be
    wrong_answers = [each for each in results.entrant("wrong").facts if not each.is_same]
    assert [each.table for each in wrong_answers] == ["answers to read_intervals_day"]
    assert wrong_answers[0].missing > 0 and not wrong_answers[0].extra and not wrong_answers[0].altered
    of_months = [each for each in results.entrant("wrong").facts if each.table == "answers to read_usage_month"]
    assert sum(each.rows for each in of_months) >= 60
    assert results.entrant("wrong").is_disqualified and results.entrant("wrong").rounds == 0
    assert results.entrant("textbook").rounds == results.entrant("plain").rounds == 5
    for name in ("textbook", "plain"):
        facts = results.entrant(name).facts
        assert all(each.is_same for each in facts)
        assert sum(each.rows for each in facts if each.table == "answers to read_intervals_day") > 1_000
    # A row for each half-hour takes more of the disk. The wrong design has the same table: what a flush compresses with LZ4 was
    # compacted, and so compressed as its table says.
    disk = {name: results.entrant(name).disk_bytes_per_write or 0 for name in ("plain", "wrong", "textbook")}
    assert disk["textbook"] > max(disk["plain"], disk["wrong"]), disk
    # Of partitions that are full the files say what they hold; the largest is predicted by the two smaller ones.
    for name, rows in (("plain", 31), ("textbook", 31 * 96)):
        partition = results.entrant(name).partition
        assert partition is not None and partition.rows_max == rows and partition.growth[0].rows[-1] == rows
        assert partition.error is not None and abs(partition.error) < 0.03, partition
        rebuilt = results.entrant(name).rebuild
        assert rebuilt is not None and rebuilt.readings_per_s.mean > 0 and rebuilt.rows >= rebuilt.readings / 96
        reading = results.entrant(name).reading
        assert reading is not None and reading.cpu_us is not None and (reading.disk_bytes or 0) > 0
    # the rows of days know no correction, and nothing corrects here
    errors = {name: results.entrant(name).aggregates for name in ("plain", "wrong", "textbook")}
    assert all(each is not None and each.days >= 60 and each.wrong_days == 0 for each in errors.values()), errors
    reads = {each.table: each for each in results.entrant("plain").reads}
    assert reads and all(each.rows_p99 >= each.rows_p50 >= 1 for each in reads.values()), reads
    assert results.unbeaten and not {"forgetful", "wrong"} & set(results.unbeaten)
    assert (out / "report.html").is_file()
