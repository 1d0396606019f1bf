"""In 80 columns "19,136.2" was told as "19,136…"; reasons that fail and reasons of doubt stood side by side unmarked."""

import io
from pathlib import Path

import pytest
from rich.table import Table

from meterstorm.display.run import print_results
from meterstorm.display.table import print_table
from meterstorm.display.terminal import PlainConsole
from reports.results.parts import Check, Verdict
from reports.results.run import CommandsResult, Percentiles, Results
from reports.run.gallery import run_gallery
from reports.run.page import read_run, report_html
from reports.verdict.run import marked_reasons
from tests.support.synthetic_run import Story, write_synthetic_run

LONG = Percentiles(p50=6_612.4, p95=15_000, p99=19_136.2, p999=None, max=1_234_567.8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slow") / "run"
    write_synthetic_run(folder, story=Story.LOST)
    return folder


def told(results: Results, width: int) -> str:
    out = io.StringIO()
    print_results(PlainConsole(file=out, width=width), results, "report.html")
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_number_is_cut_however_narrow_the_terminal(folder: Path, width: int) -> None:
    results = read_run(folder).results
    huge = {
        name: each.model_copy(update={"ok": 1_234_567_890, "failed": 987_654_321, "response_ms": LONG})
        for name, each in results.operations.items()
    }
    commands = CommandsResult(
        states={"APPLIED": 1_234_567_890},
        mending_states={},
        attempts=2_345_678_901,
        replays=0,
        late=0,
        repeats=0,
        drifts=0,
        behind_s_max=0,
        wall_s=1,
    )
    text = told(results.model_copy(update={"operations": huge, "commands": commands}), width)
    assert "…" not in text
    for number in ("1,234,567,890", "987,654,321", "2,345,678,901", "6,612 ms", "19.1 s", "1,235 s", "960,000"):
        assert number in text
    assert "indeterminate" in text and "in doubt" not in text


def test_a_table_of_names_and_numbers_is_whole_in_any_width() -> None:
    table = Table(title="Numbers")
    table.add_column("name of something")
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("while it was away")
    table.add_row("ingest a reading of the night", "12,345.6 to 23,456.7", "1,234,567 of 2,345,678 refused")
    for width in (10, 40, 80, 160):
        out = io.StringIO()
        print_table(PlainConsole(file=out, width=width), table)
        assert "12,345.6 to 23,456.7" in out.getvalue() and "…" not in out.getvalue()
        for word in ("ingest", "something", "1,234,567", "2,345,678"):
            assert word in out.getvalue()


def test_reasons_say_whether_they_fail_or_leave_in_doubt(folder: Path) -> None:
    run = read_run(folder)
    checks = tuple(
        Check(name=name, group="validity", outcome=outcome, sentence=f"Told of {name}.")
        for name, outcome in (("a", Verdict.FAIL), ("b", Verdict.INCONCLUSIVE), ("c", Verdict.PASS))
    )
    reasons = tuple(check.sentence for check in checks)
    results = run.results.model_copy(update={"checks": checks, "reasons": (*reasons, "Of an older record.")})
    marked = marked_reasons(results)
    assert [reason.outcome for reason in marked] == [Verdict.FAIL, Verdict.INCONCLUSIVE, None, None]
    text = told(results, 80)
    assert "- fail: Told of a." in text and "- inconclusive: Told of b." in text
    assert "- Told of c." in text and "- Of an older record." in text


def test_the_page_marks_its_reasons_and_calls_its_column_what_it_is(folder: Path) -> None:
    run = read_run(folder)
    page = report_html(run, run_gallery(run.history, run.scenario, run.results.closed_loop))
    first = page[(at := page.index("<ul>", page.index('class="word"'))) : page.index("</ul>", at)]
    assert first.count("<li>") == len(run.results.reasons)
    assert first.count('class="outcome tone-fail"') >= 1
    assert "Indet." not in page and '<th scope="col">Indeterminate</th>' in page
