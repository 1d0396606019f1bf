"""The closing summary on a terminal says what a reader has to know; the report has the rest."""

import io
from pathlib import Path

import pytest

from meterstorm.display.run import print_results, rule_lines
from meterstorm.display.terminal import PlainConsole
from reports.results.run import Results, RuleCheck
from reports.run.page import read_run
from tests.support.synthetic_run import write_synthetic_run


def rule(name: str, counted: int, faults: int = 0) -> RuleCheck:
    return RuleCheck(rule=name, counted=counted, faults=faults)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    write_synthetic_run(folder, wall_s=10)
    return read_run(folder).results


def printed(results: Results) -> str:
    out = io.StringIO()
    print_results(PlainConsole(file=out, width=120), results, str(Path("report.html")))
    return out.getvalue()


def test_requests_beside_the_load_are_told_in_one_line_until_one_of_them_fails(results: Results) -> None:
    load = next(iter(results.operations.values()))
    fine = load.model_copy(update={"is_open_loop": False, "ok": 1_200, "failed": 0, "indeterminate": 0})
    office = {"record_receipt": fine, "read_journal": fine.model_copy(update={"ok": 3})}
    told = printed(results.model_copy(update={"operations": {**results.operations, **office}}))
    assert "beside them 1,203 requests of gateways and back office, of 2 kinds: none failed" in told
    assert "record_receipt" not in told and all(name in told for name in results.operations)
    office["read_journal"] = fine.model_copy(update={"indeterminate": 1})
    told = printed(results.model_copy(update={"operations": {**results.operations, **office}}))
    assert "read_journal *" in told and "1,200 requests of gateways and back office, of 1 kind" in told
    assert "beside them" not in printed(results.model_copy(update={"operations": {"ingest_reading": load}}))


def test_what_rates_are_of_is_told_once(results: Results) -> None:
    assert results.speed_up is None and "real time" not in printed(results)  # of an older file nobody knows
    told = printed(results.model_copy(update={"speed_up": 2_880.4}))
    assert told.count("real time") == 1 and "Rates are of a replay 2,880 times as fast as real time: divided" in told
    assert "Rates are of a replay in real time." in printed(results.model_copy(update={"speed_up": 1.0004}))


def test_rules_that_hold_are_counted_and_the_others_are_named() -> None:
    assert rule_lines([rule("a", 5), rule("b", 7, faults=2), rule("c", 0), rule("d", 1)]) == [
        "  b: 2 faults in 7 cases",
        "  c: not checked, nothing was there",
        "  2 rules of what is stored: true of all that was checked; the report has each",
    ]
    assert rule_lines([]) == []
