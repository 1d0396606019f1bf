"""A comparison's rate is of what the report's is, and machines get what the page shows; rules are called what they are."""

import json
from pathlib import Path

from typer.testing import CliRunner

from meterstorm.cli.app import app
from reports.results.run import RuleCheck
from reports.run.page import read_run
from reports.verdict.run import rule_name
from tests.support.synthetic_run import write_synthetic_run


def test_a_comparison_holds_for_machines_what_its_page_shows(tmp_path: Path) -> None:
    for name in ("before", "after"):
        write_synthetic_run(tmp_path / name)
    folders = [str(tmp_path / name) for name in ("before", "after")]
    told = json.loads(CliRunner().invoke(app, ["report", *folders, "--out", str(tmp_path / "both"), "--json"]).stdout)
    results = read_run(tmp_path / "before").results
    assert told["runs"] == ["before", "after"] and told["verdicts"] == [results.verdict.value] * 2
    assert set(told["operations"]) == set(results.operations)
    for name, cells in told["operations"].items():
        assert [cell["rate_per_s"] for cell in cells] == [results.operations[name].rate_per_s] * 2
    assert any("same trace" in sentence for sentence in told["sameness"])
    assert not any("gate" in sentence for sentence in told["sameness"])


def test_a_rule_is_called_what_it_says() -> None:
    rule = RuleCheck(rule="No command is sent more often than its limit", counted=1, faults=0)
    assert rule_name(rule) == "rule_no_command_is_sent_more_often_than_its_limit"
