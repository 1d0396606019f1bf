"""The audit's counts on the terminal and on the page: facts in doubt are told in both, and no column is all zeros."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from meterstorm.display.run import print_results
from reports.results.run import AuditResult, DcAudit, Results, TableAudit, load_results
from reports.run.audit_columns import audit_columns
from reports.run.gallery import Gallery
from reports.run.page import write_report
from scenarios.texts.wording import NO_FIGURE
from tests.support.synthetic_run import write_synthetic_run

COUNTS = {"acknowledged": 90, "verified": 90, "lost": 0, "wrong": 0, "phantom": 0, "duplicate": 0}
ALWAYS = ["Acknowledged", "Verified", "Lost", "Wrong", "Phantom"]


def audit(**given: int) -> AuditResult:
    """An audit of one DC and one table, which have what the total has."""
    part = COUNTS | {"attempted": 100, "indeterminate": 0} | given
    dc, table = DcAudit.model_validate(part | {"coordinated": 90}), TableAudit.model_validate(part)
    return AuditResult.model_validate(part | {"per_dc": {"north": dc}, "tables": {"events": table}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "run"
    write_synthetic_run(folder)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's tables are looked at: figures take seconds to draw."""
    nothing = Gallery(load=None, curves=None, responses=(), lateness=None, nodes=())
    monkeypatch.setattr("reports.run.page.run_gallery", lambda *_: nothing)


def shown(folder: Path, audited: AuditResult) -> tuple[list[list[str]], list[list[str]]]:
    """The rows of the audit's table as the terminal has them, and of both tables as the page that `report` writes has them."""
    results: Results = load_results(folder).model_copy(update={"audit": audited})
    results.write(folder)
    console = Console(record=True, width=300)
    print_results(console, results, "r.html")
    told = console.export_text().split("Audit (facts")[1].splitlines()
    rows = [re.split(r"\s{2,}|\s(?=\d)", line.strip()) for line in told if re.match(r"\s*(north|every DC)", line)]
    heading = next(line for line in told if "acknowledged" in line)
    write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    tables = [
        page[(at := page.index(caption)) : page.index("</table>", at)] for caption in ("By data centre", "By table")
    ]
    return [[heading], *rows], [re.findall(r"<th[^>]*>([^<]*)</th>|<td[^>]*>([^<]*)</td>", each) for each in tables]


def test_facts_in_doubt_stand_on_terminal_and_page(folder: Path) -> None:
    audited = audit(indeterminate=7)
    terminal, (by_dc, by_table) = shown(folder, audited)
    assert "indeterminate" in terminal[0][0]
    assert [row[-1] for row in terminal[1:]] == ["7", "7"]
    for table in (by_dc, by_table):
        cells = [heading or cell for heading, cell in table]
        assert "Indeterminate" in cells and "7" in cells[cells.index("Indeterminate") :]


@pytest.mark.parametrize(
    ("field", "heading"), [("indeterminate", "Indeterminate"), ("not_judged", "Not judged"), ("duplicate", "Duplicate")]
)
def test_a_column_that_most_runs_fill_with_zeros_is_there_where_it_tells_something(
    folder: Path, field: str, heading: str
) -> None:
    assert [column.heading for column in audit_columns(audit())] == ALWAYS
    assert [column.heading for column in audit_columns(audit(**{field: 3}))] == [*ALWAYS, heading]
    terminal, tables = shown(folder, audit())
    assert heading.lower() not in terminal[0][0]
    assert all(heading not in [each for each, _ in table] for table in tables)


def test_a_count_that_one_part_alone_has_is_shown(folder: Path) -> None:
    one = audit()
    south = DcAudit.model_validate(COUNTS | {"coordinated": 0, "indeterminate": 2})
    assert (
        audit_columns(one.model_copy(update={"per_dc": one.per_dc | {"south": south}}))[-1].heading == "Indeterminate"
    )


def test_of_an_older_record_what_it_does_not_tell_is_a_dash(folder: Path) -> None:
    older = DcAudit.model_validate(COUNTS | {"coordinated": 90})
    terminal, _ = shown(folder, audit(indeterminate=7).model_copy(update={"per_dc": {"north": older}}))
    assert [row[-1].split()[-1] for row in terminal[1:]] == [NO_FIGURE, "7"]
