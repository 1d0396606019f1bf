"""A comparison says of the load what its own table shows: closed loops do as much as their run lets them."""

from pathlib import Path

import pytest

from reports.comparison.page import Comparison, NamedRun, compared, comparison_html
from reports.results.run import FleetResult, OfficeResult
from reports.run.page import RecordedRun, read_run
from scenarios.parts.pace import Shape
from tests.support.synthetic_run import write_synthetic_run


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRun:
    write_synthetic_run(tmp_path / "run")
    return read_run(tmp_path / "run")


def office(rounds: int, exported: int) -> OfficeResult:
    return OfficeResult(rounds=rounds, delivered=2 * exported, exported=exported, faulty=0, bills=0, behind_s_max=0.0)


def compare(run: RecordedRun, *updates: dict[str, object]) -> tuple[Comparison, str]:
    """The run once for each update of its results."""
    runs = [
        NamedRun(
            name=f"run {i}",
            run=RecordedRun(
                folder=run.folder,
                results=run.results.model_copy(update=update),
                scenario=run.scenario,
                scenario_text=run.scenario_text,
                history=run.history,
            ),
        )
        for i, update in enumerate(updates)
    ]
    return compared(runs), comparison_html(runs)


def test_where_back_offices_did_other_work_the_load_is_not_called_the_same(recorded: RecordedRun) -> None:
    told, page = compare(recorded, {"back_office": office(2, 1_100)}, {"back_office": office(12, 7_436)})
    said = " ".join(told.sameness)
    assert "the load was the same" not in said and "what its meters and customers send was the same" in said
    assert "2 | 12 rounds" in said and "1,100 | 7,436 days of export" in said and "2,200 | 14,872 runs" in said
    assert told.rows["Back office: rounds"] == ["2", "12"]
    assert told.rows["Back office: days of export"] == ["1,100", "7,436"]
    assert "2 | 12 rounds" in page


def test_back_offices_that_did_the_same_are_not_told_apart(recorded: RecordedRun) -> None:
    told, _ = compare(recorded, {"back_office": office(2, 1_100)}, {"back_office": office(2, 1_100)})
    assert "back office" not in " ".join(told.sameness)
    without, _ = compare(recorded, {}, {})
    assert not [name for name in without.rows if "office" in name]


def test_a_run_without_a_back_office_beside_one_with(recorded: RecordedRun) -> None:
    told, _ = compare(recorded, {}, {"back_office": office(12, 7_436)})
    assert "– | 12 rounds" in " ".join(told.sameness)


def test_customers_beside_the_trace_are_told(recorded: RecordedRun) -> None:
    told, _ = compare(recorded, {}, {"fleet": FleetResult(workers=2, customers=50)})
    assert "Locust's customers, who are beside the trace, were 0 | 50." in told.sameness


def test_one_trace_at_two_paces_is_told(recorded: RecordedRun) -> None:
    spiked = RecordedRun(
        folder=recorded.folder,
        results=recorded.results,
        scenario=recorded.scenario.with_shape(Shape.SPIKE),
        scenario_text=recorded.scenario_text,
        history=recorded.history,
    )
    told = compared([NamedRun(name="plain", run=recorded), NamedRun(name="spiked", run=spiked)])
    assert any("different paces, over 40 s (trace) | 40 s (spike)" in sentence for sentence in told.sameness)
