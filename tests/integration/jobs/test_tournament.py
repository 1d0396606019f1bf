"""A tournament on a real node: who forgets rows is disqualified, and the others are measured in rounds."""

from pathlib import Path

from typer.testing import CliRunner

from meterstorm.cli.app import app
from reports.results.tournament import load_tournament

SCENARIO = """
title = "A tournament's way"
[estate]
premises = 100
fuels = ["electricity"]
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


def test_a_design_that_forgets_is_disqualified_and_the_others_race(tmp_path: Path) -> None:
    scenario, forgetful = tmp_path / "small.toml", tmp_path / "forgetful.toml"
    scenario.write_text(SCENARIO)
    forgetful.write_text(FORGETFUL)
    out = tmp_path / "out"
    options = ["--rounds", "5", "--seconds", "0.2", "--warm-s", "0", "--out", str(out)]
    result = CliRunner().invoke(
        app, ["schemas", "compare", str(scenario), "--variants", f"{forgetful},uncompressed", *options]
    )
    assert result.exit_code == 1, result.output
    results = load_tournament(out)
    assert results.entrant("forgetful").is_disqualified and results.entrant("forgetful").rounds == 0
    assert sum(each.missing for each in results.entrant("forgetful").facts) > 0
    assert results.entrant("uncompressed").rounds == results.entrant("plain").rounds == 5
    assert all(each.is_same for each in results.entrant("uncompressed").facts)
    # stored without compression the same rows take more of the disk
    assert (results.entrant("uncompressed").disk_bytes_per_write or 0) > (
        results.entrant("plain").disk_bytes_per_write or 0
    )
    assert results.unbeaten and "forgetful" not in results.unbeaten
    assert (out / "report.html").is_file()
