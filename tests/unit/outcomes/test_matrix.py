"""From raw measurements to results.json and its page: worked by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.matrix.cells import Cell, MatrixPlan, Room, plan_matrix
from loadtests.matrix.group import LoadedCell, MatrixMeasurements
from loadtests.matrix.outage import Down, OutageEffect, Outcomes
from loadtests.matrix.trial import Trial
from loadtests.monitoring.staleness import Probe
from loadtests.recording.histograms import counts_of
from meterstorm.display.matrix import print_matrix
from meterstorm.jobs.matrix import Asked, matrix_results
from meterstorm.outcomes.matrix import cell_results, refused_cells, staleness_of
from reports.matrix.page import (
    distance_rows,
    estimate_text,
    matrix_html,
    matrix_picture,
    may_be_as_high,
    notes_of,
    write_matrix_report,
)
from reports.results.file import schema_text
from reports.results.matrix import MatrixResults, figure_of, load_matrix
from reports.results.parts import Machine, Verdict
from scenarios.domain import ConsistencyLevel
from scenarios.parts.site_wan import SiteWan
from scenarios.spec import Validity, parse_scenario

LEVEL = ConsistencyLevel.EACH_QUORUM
CELL = Cell(dcs=2, rf=1, level=LEVEL)
PLAN = plan_matrix((1, 9), (LEVEL,), (1, 2), Room(processors=2, memory_mib=24_000))
ALL_OK = Outcomes(ok=10, unavailable=0, timed_out=0, other=0)


def trial_of(throughput_per_s: float, *, repeat: int = 0, cell: Cell = CELL, **given: float) -> Trial:
    sound = Trial(
        cell=cell,
        repeat=repeat,
        throughput_per_s=throughput_per_s,
        cpu_us_per_operation=400.0,
        wan_bytes_per_operation=560.0,
        write_response=counts_of([1_000] * 99 + [50_000]),
        read_response=counts_of([]),
        offered=100,
        ok=100,
        errors={"write_timeout": 2},
        late_p99_ms=1.0,
        stalled_share=0.0,
        cpu_share=0.2,
        probes=(Probe(acknowledged_us=1_000, readable_us=3_000, missed_us=2_000, asked=4, asking_us=3_000),),
    )
    return replace(sound, **given)  # type: ignore[arg-type]


def measured_of(*trials: Trial) -> MatrixMeasurements:
    return MatrixMeasurements(
        loaded=[LoadedCell(cell=CELL, operations=30, writes=20, disk_bytes=10_000)],
        trials=list(trials),
        outages=[
            OutageEffect(
                cell=CELL,
                down=Down.DC,
                after=None,
                writes=Outcomes(ok=0, unavailable=8, timed_out=1, other=1),
                reads=ALL_OK,
            ),
            OutageEffect(cell=CELL, down=Down.NOTHING, after=Down.DC, writes=ALL_OK, reads=ALL_OK),
        ],
        cassandra="5.0",
    )


def results_of(
    measured: MatrixMeasurements, *, plan: MatrixPlan = PLAN, is_partial: bool = False, rate_per_s: float = 500.0
) -> MatrixResults:
    return MatrixResults(
        scenario="A <b>bold</b> title",
        seed=1,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        finished=datetime(2026, 1, 1, 0, 5, tzinfo=UTC),
        versions={"meterstorm": "0"},
        machine=Machine(cpu="x", cpu_count=2, memory_bytes=1, system="Linux"),
        rate_per_s=rate_per_s,
        seconds=5,
        repeats=2,
        in_flight=256,
        heap_mib=512,
        is_partial=is_partial,
        trouble=("The matrix was interrupted.",) if is_partial else (),
        cells=cell_results(plan, measured, rate_per_s=rate_per_s, validity=Validity()),
        refused=refused_cells(plan),
    )


def test_the_cell_of_two_trials_has_means_with_student_intervals() -> None:
    (cell,) = results_of(measured_of(trial_of(1_000.0), trial_of(1_200.0, repeat=1))).cells
    assert cell.throughput_per_s is not None and cell.throughput_per_s.mean == 1_100
    # two values: 12.706 (t, one degree of freedom) x 141.42 / sqrt(2)
    assert cell.throughput_per_s.high == pytest.approx(1_100 + 1_270.6, rel=1e-4)
    assert cell.write_p50_ms is not None and cell.write_p50_ms.mean == pytest.approx(1.0, rel=1e-3)
    assert cell.write_p999_ms is not None and cell.write_p999_ms.mean == pytest.approx(50.0, rel=1e-3)
    assert cell.read_p50_ms is None  # nothing was read
    assert (cell.write_level, cell.read_level) == ("EACH_QUORUM", "LOCAL_QUORUM")
    assert cell.disk_bytes_per_write == 500
    assert cell.errors == {"write_timeout": 4}
    (outage,) = cell.outages
    assert (outage.down, outage.writes.unavailable, outage.writes.count, outage.writes_after.ok) == ("dc", 8, 10, 10)


def test_one_trial_has_no_interval_and_none_no_figure() -> None:
    assert figure_of([]) is None
    one = figure_of([5.0])
    assert one is not None and one.low is None and estimate_text(one) == "5.00"


def test_an_outage_without_its_end_is_left_out() -> None:
    measured = measured_of(trial_of(1_000.0))
    measured.outages.pop()
    assert results_of(measured).cells[0].outages == ()


def test_cells_that_were_never_loaded_are_not_told() -> None:
    assert results_of(MatrixMeasurements()).cells == ()


def test_staleness_counts_from_the_acknowledgement() -> None:
    found = staleness_of(
        [
            Probe(acknowledged_us=1_000, readable_us=3_500, missed_us=3_000, asked=3, asking_us=3_000),
            # the question that missed it was on its way when the write was acknowledged: that proves nothing
            Probe(acknowledged_us=2_000, readable_us=3_000, missed_us=1_900, asked=1, asking_us=500),
            Probe(acknowledged_us=9_000, readable_us=2_000, missed_us=None, asked=0, asking_us=500),
            Probe(
                acknowledged_us=None, readable_us=2_000, missed_us=None, asked=1, asking_us=1_000
            ),  # refused, yet there
            Probe(acknowledged_us=500, readable_us=None, missed_us=5_000, asked=5, asking_us=5_000),
        ]
    )
    assert found is not None and found.stale_ms is not None
    assert (found.probes, found.unseen) == (5, 2) and found.stale_share == pytest.approx(1 / 3)
    assert found.stale_ms.p50 == 0 and found.stale_ms.max == pytest.approx(2.0, rel=1e-3)
    assert found.resolution_ms == 1.0
    assert staleness_of([]) is None


def test_an_overload_and_a_late_generator_are_in_doubt() -> None:
    over = results_of(measured_of(trial_of(400.0)))
    assert "more than the cell carries (400/s)" in over.cells[0].doubts[0] and over.verdict is Verdict.INCONCLUSIVE
    late = results_of(measured_of(trial_of(1_000.0), trial_of(1_000.0, late_p99_ms=101.0)))
    assert "was late: p99 101 ms, 100 ms allowed" in late.cells[0].doubts[0] and late.verdict is Verdict.INCONCLUSIVE
    stalled = results_of(measured_of(trial_of(1_000.0, stalled_share=0.11)))
    assert (
        "stood still for 11.0 % of the time" in stalled.cells[0].doubts[0] and stalled.verdict is Verdict.INCONCLUSIVE
    )
    busy = results_of(measured_of(trial_of(1_000.0, cpu_share=0.91)))
    assert "took 91.0 % of a core" in busy.cells[0].doubts[0] and busy.verdict is Verdict.INCONCLUSIVE
    failing = results_of(measured_of(trial_of(1_000.0, ok=98)))
    assert "2.00 % of the open loop's operations were not acknowledged" in failing.cells[0].doubts[0]
    assert failing.verdict is Verdict.INCONCLUSIVE
    assert results_of(measured_of(trial_of(1_000.0))).verdict is Verdict.PASS
    assert results_of(measured_of(trial_of(1_000.0)), is_partial=True).verdict is Verdict.INCONCLUSIVE


def test_the_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    results = results_of(measured_of(trial_of(1_000.0)))
    results.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert load_matrix(tmp_path) == results


def test_a_file_that_calls_its_trials_visits_is_read_too(tmp_path: Path) -> None:
    results = results_of(measured_of(trial_of(1_000.0)))
    results.write(tmp_path)
    path = tmp_path / "results.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"trials":', '"visits":'), encoding="utf-8")
    assert load_matrix(tmp_path) == results


def test_the_page_has_every_part_and_escapes_what_is_given(tmp_path: Path) -> None:
    results = results_of(measured_of(trial_of(1_000.0), trial_of(1_200.0)), is_partial=True)
    results.write(tmp_path)
    write_matrix_report(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "&lt;b&gt;bold" in text and "<b>bold" not in text
    assert "2 DC · RF 1 · EACH_QUORUM" in text
    assert "8 unavailable, 1 timed out, 1 otherwise failed" in text
    assert "reads of such a cell are at LOCAL_QUORUM" in text
    assert "This is a part of what was asked for" in text
    assert "RF 9 needs 9 nodes a DC, and 18 nodes are too many" in text
    assert "<svg" in text and "http://" not in text.replace("http://www.w3.org", "")
    assert (tmp_path / "figures" / "matrix.svg").exists()


def test_a_page_without_any_trial_still_stands() -> None:
    results = results_of(measured_of())
    assert matrix_picture(results) is None
    assert "not measured: it takes two data centres" in matrix_html(results, None)


def test_notes_tell_of_single_trials_and_of_the_loopback() -> None:
    results = results_of(measured_of(trial_of(1_000.0))).model_copy(update={"repeats": 1})
    notes = notes_of(results)
    assert any("no distance between them is emulated" in note for note in notes)
    assert any("measured once" in note for note in notes)


@pytest.mark.parametrize("wan", [None, SiteWan(delay_ms=20.0)])
def test_a_matrix_at_a_distance_does_not_say_that_there_is_none(wan: SiteWan | None) -> None:
    dcs = 'dcs = [{ name = "north", nodes = 1, rf = 1 }]'
    text = f'title = "t"\n[estate]\npremises = 10\n[topology]\n{dcs}\n[run]\nwall_s = 10\n'
    scenario = parse_scenario(text, "t")
    far = scenario.model_copy(update={"topology": scenario.topology.model_copy(update={"wan": wan})})
    asked = Asked(rfs=(1,), levels=(), dc_counts=(2,), repeats=2, seconds=5.0, rate_per_s=500.0)
    started = datetime(2026, 1, 1, tzinfo=UTC)
    results = matrix_results(far, asked, PLAN, measured_of(trial_of(1_000.0)), started, (), is_partial=False)
    assert results.wan_emulated is (wan is not None)
    assert any("no distance between them" in note for note in notes_of(results)) is (wan is None)


def test_levels_stand_side_by_side_at_each_distance_that_was_measured(tmp_path: Path) -> None:
    plan = plan_matrix((1,), (LEVEL,), (2,), Room(processors=2, memory_mib=24_000), (20, 80, 150))
    near, far, never = plan.groups[0].cells
    measured = measured_of(trial_of(2_000.0, cell=near), trial_of(900.0, cell=far))
    measured.outages = [replace(outage, cell=far) for outage in measured.outages]
    results = results_of(measured, plan=plan).model_copy(
        update={"wan_emulated": True, "wan_cost": "0.07 ms added one way"}
    )
    assert [(cell.name, cell.trials, len(cell.outages)) for cell in results.cells] == [
        ("2 DC · RF 1 · EACH_QUORUM · 20 ms", 1, 0),
        ("2 DC · RF 1 · EACH_QUORUM · 80 ms", 1, 1),
        ("2 DC · RF 1 · EACH_QUORUM · 150 ms", 0, 0),
    ]
    assert {cell.disk_bytes_per_write for cell in results.cells} == {500}  # of the tables that they share
    (row,) = distance_rows(results)
    assert row.name == "2 DC · RF 1 · EACH_QUORUM"
    assert row.figures == ("1.00", "1.00", "–", "–", "–", "–", "2,000", "900", "–")
    (told,) = [note for note in notes_of(results) if "apart one way" in note]
    assert "were 20, 80, 150 ms apart one way, on the same nodes in turns" in told and "0.07 ms added" in told
    results.write(tmp_path)
    write_matrix_report(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "What a level costs by distance" in text and "Throughput, 150 ms" in text
    assert never.name == "2 DCs, RF 1, EACH_QUORUM, 150 ms"
    assert "What a level costs by distance" not in matrix_html(results_of(measured_of(trial_of(1.0))), None)


def test_the_published_schema_is_the_models() -> None:
    published = (Path(__file__).parents[3] / "docs" / "matrix.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(MatrixResults), "uv run python -m reports.results.matrix > docs/matrix.schema.json"


def test_the_terminal_table_has_the_cells_and_the_refused() -> None:
    console = Console(record=True, width=200)
    print_matrix(console, results_of(measured_of(trial_of(1_000.0))), "r.html")
    text = console.export_text()
    assert "2 DC · RF 1 · EACH_QUORUM" in text and "8 unavailable" in text and "not hosted: 1 DC · RF 9" in text
    assert "errors: 2 DC · RF 1 · EACH_QUORUM: 2 write_timeout" in text


def test_no_name_and_no_number_is_broken_at_80_columns() -> None:
    """`LOCAL_ONE` stood as `LOCAL_ON` and `E`."""
    levels = (ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.EACH_QUORUM)
    cells = [replace(CELL, level=level) for level in levels]
    measured = measured_of(*(trial_of(rate, cell=cell) for cell in cells for rate in (12_345.0, 13_123.0)))
    measured.loaded = [replace(measured.loaded[0], cell=cell, disk_bytes=1_234_567_890) for cell in cells]
    measured.outages = [replace(outage, cell=cell) for cell in cells for outage in measured.outages]
    results = results_of(measured, plan=plan_matrix((1,), levels, (2,), Room(processors=2, memory_mib=24_000)))
    for width in (80, 200):
        console = Console(record=True, width=width)
        print_matrix(console, results, "r.html")
        text = console.export_text()
        assert max(map(len, text.split("errors:")[0].splitlines())) <= width and "…" not in text
        for cell in results.cells:
            for part in (cell.name, estimate_text(cell.throughput_per_s), estimate_text(cell.wan_bytes_per_operation)):
                assert part in text, (width, part)
            assert text.count(f" {cell.name} ") >= 2, (width, cell.name)  # in the cells' table and in the outages'
        for word in ("unavailable", "61,728,394", " p99 ms ", " p50 / p99 ", " B/write "):
            assert word in text, (width, word)


def test_cells_without_any_figure_have_no_picture() -> None:
    figures = ("throughput_per_s", "cpu_us_per_operation", "wan_bytes_per_operation", "write_p99_ms", "read_p99_ms")
    nothing = dict.fromkeys(figures)
    results = results_of(measured_of(trial_of(1_000.0)))
    bare = results.model_copy(update={"cells": (results.cells[0].model_copy(update=nothing),)})
    assert matrix_picture(bare) is None


def test_a_cell_has_the_most_only_where_its_interval_stands_apart() -> None:
    best, near, far, once = (figure_of(values) for values in ([900, 1_100], [800, 1_000], [10, 11], [700]))
    assert may_be_as_high(best, near) and may_be_as_high(best, once)
    narrow = figure_of([1_000, 1_001])
    assert not may_be_as_high(narrow, far) and not may_be_as_high(narrow, None)
