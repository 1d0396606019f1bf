"""A history looked at from its folder to its files, without the network: Otava's part is played."""

from pathlib import Path

import pytest
from rich.console import Console

from loadtests.gate_history.otava import OtavaMissing
from meterstorm.display.gate_history import print_gate_history
from meterstorm.jobs import gate_history as job
from meterstorm.jobs.gate_history import gate_history
from reports import write_report
from reports.results.gate_history import load_gate_history
from reports.results.parts import Verdict
from scenarios.spec import NoBaseline, ScenarioError
from tests.support.past_runs import levels, run_name, write_runs


@pytest.fixture
def otava_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otava that sees what is at run 20 of a series that steps."""
    monkeypatch.setattr(job, "ask_otava", lambda series: [[20] if values.std() > 0.5 else [] for values in series])


@pytest.fixture
def without_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else, and most tests look at results alone."""
    monkeypatch.setattr(job, "write_gate_history_report", lambda folder: None)


@pytest.mark.usefixtures("otava_sees")
def test_a_step_at_the_newest_end_fails_and_is_named_everywhere(tmp_path: Path) -> None:
    write_runs(tmp_path / "past", levels((20, 10.0), (12, 12.0)))
    results = gate_history(tmp_path / "past", tmp_path / "out")
    assert results.verdict is Verdict.FAIL and results.verdict.exit_code == 1
    assert load_gate_history(tmp_path / "out") == results
    page = (tmp_path / "out" / "report.html").read_text()
    assert run_name(20) in page and "ingest_reading p99" in page and "+20.0 %" in page and "<script" not in page
    assert len(list((tmp_path / "out" / "figures").glob("*.svg"))) == len(results.series)
    console = Console(width=100, record=True)
    print_gate_history(console, results, "report.html")
    shown = console.export_text()
    assert run_name(20) in shown and "fail" in shown and "at most 1.00 % of histories" in shown


@pytest.mark.usefixtures("otava_sees", "without_page")
def test_a_steady_history_passes(tmp_path: Path) -> None:
    write_runs(tmp_path / "past", levels((32, 10.0)))
    results = gate_history(tmp_path / "past", tmp_path / "out")
    assert results.verdict is Verdict.PASS and results.otava_missing is None
    assert [change for series in results.series for change in series.changes] == []


@pytest.mark.usefixtures("without_page")
def test_without_otava_it_says_so_and_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(series: object) -> None:
        raise OtavaMissing("uv is not there")

    monkeypatch.setattr(job, "ask_otava", missing)
    write_runs(tmp_path / "past", levels((20, 10.0), (12, 12.0)))
    results = gate_history(tmp_path / "past", tmp_path / "out")
    assert results.verdict is Verdict.INCONCLUSIVE and results.otava_missing == "uv is not there"
    assert "Only one detector voted. Otava did not: uv is not there." in results.reasons


@pytest.mark.usefixtures("without_page")
def test_otava_may_be_left_out(tmp_path: Path) -> None:
    write_runs(tmp_path / "past", levels((32, 10.0)))
    results = gate_history(tmp_path / "past", tmp_path / "out", with_otava=False)
    assert results.verdict is Verdict.PASS and results.otava_missing == "it was not to be asked"


@pytest.mark.usefixtures("otava_sees", "without_page")
def test_its_report_is_written_again(tmp_path: Path) -> None:
    write_runs(tmp_path / "past", levels((32, 10.0)))
    gate_history(tmp_path / "past", tmp_path / "out")
    write_report(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()


def test_what_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    write_runs(tmp_path / "past", [10.0])
    with pytest.raises(NoBaseline):
        gate_history(tmp_path / "past", tmp_path / "out")
    for wrong in ({"error": 0.0}, {"error": 0.9}, {"effect_min": -1.0}, {"newest": 0}):
        with pytest.raises(ScenarioError):
            gate_history(tmp_path / "past", tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
