"""Words of our own stopped an engineer: each is replaced, or explained where it first stands."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.audit.rules.customers import UPENCE, check_bills, check_views
from meterstorm.display.run import print_results
from meterstorm.jobs.run import FOLDING
from reports.results.run import Results, Undone
from reports.run.page import write_report
from reports.run.terms import FACT_TOLD, fact_told
from store.roles import DAY_VIEWS
from store.schemas.home_months import SCHEMA
from tests.support.synthetic_run import Story, write_synthetic_run
from tests.unit.audit.rules.test_customers import PRICES, billed
from tests.unit.reports.verdict.test_run import judged, operation

STOPPING = re.compile(r"\b(books?|folds?|folded|folding|planes?)\b", re.IGNORECASE)


def sentences() -> Iterator[str]:
    views = [table.name for table in SCHEMA.tables_with(DAY_VIEWS)]
    lost_count = {"ingest_reading": operation(offered=1_000, attempted=1_000, ok=990)}
    for result in (judged(undone=[Undone.FOLD], unfolded=views), judged(operations=lost_count), judged()):
        for check in result.checks:
            yield check.name.replace("_", " ")
            yield check.sentence
    yield FOLDING
    yield check_views("usage_by_fuel", 1, [], UTC).check


def test_no_check_and_no_phase_has_such_a_word() -> None:
    assert [each for each in sentences() if STOPPING.search(each)] == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("words") / "run"
    results = write_synthetic_run(folder, story=Story.LOST, wall_s=16)
    write_report(folder)
    return folder, results


def test_a_fact_is_explained_beside_the_reasons(run: tuple[Path, Results]) -> None:
    folder, results = run
    page = unescape((folder / "report.html").read_text(encoding="utf-8"))
    verdict = page.index('class="verdict')
    assert FACT_TOLD in page[verdict : page.index('class="tiles"')]
    console = Console(record=True, width=300)
    print_results(console, results, "r.html")
    assert FACT_TOLD in console.export_text().split("report:")[0]


def test_verified_half_hours_that_their_table_no_longer_holds_are_explained_above_it(run: tuple[Path, Results]) -> None:
    page = (run[0] / "report.html").read_text(encoding="utf-8")
    caption = page[page.index("<caption>By table") : page.index("</caption>", page.index("<caption>By table"))]
    assert "a revision of a half-hour that a later one has replaced is verified by the later one" in caption


def test_where_no_fact_is_told_none_is_explained() -> None:
    assert fact_told(["p99 of read_state was 3 ms."]) == ""
    assert fact_told(["3 facts are lost."]) == fact_told(["1 fact is lost."]) == FACT_TOLD


def test_the_unit_of_costs_is_explained_where_a_fault_is_told() -> None:
    assert UPENCE == "upence (millionths of a penny)"
    bills, held = billed()
    wrong = replace(bills[2], total_upence=bills[2].total_upence + 1)
    (told,) = check_bills([*bills[:2], wrong, bills[3]], held, PRICES, UTC).examples
    assert f"total of {wrong.total_upence} {UPENCE} is not that of its lines" in told
