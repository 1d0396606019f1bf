"""report.html and junit.xml: self-contained, readable without sight of colour, and true to results.json."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtests.recording.history import HistoryWriter
from reports import write_comparison, write_report
from reports.comparison.page import distinct_names
from reports.drawing.palette import INKS
from reports.results.parts import Verdict
from reports.results.run import AlertResult, CommandsResult, MonitoringResult, Results, load_results
from reports.run.gallery import Gallery, run_gallery
from reports.run.page import read_run, report_html
from reports.run.setting import setting_of
from scenarios.spec import ScenarioError
from scenarios.texts import wording
from tests.support.synthetic_run import Story, write_synthetic_run

VOID = {"meta", "br", "path", "circle", "use", "rect"}


class Outline(HTMLParser):
    """Elements in order, whether tags are balanced, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "failed"
    write_synthetic_run(folder, story=Story.LOST, wall_s=20, nodes_per_dc=2)
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(failed: Path) -> str:
    return (failed / "report.html").read_text(encoding="utf-8")


def test_the_page_tells_the_drifts_that_were_mended_from_those_that_were_not(failed: Path, tmp_path: Path) -> None:
    commands = CommandsResult(
        states={"APPLIED": 70, "EXHAUSTED": 21, "REJECTED": 12},
        mending_states={"APPLIED": 10, "EXHAUSTED": 9, "REJECTED": 12},
        attempts=200,
        replays=97,
        late=0,
        repeats=0,
        drifts=33,
        behind_s_max=0.0,
        wall_s=50.0,
    )
    assert (commands.mended, commands.unmended) == (10, 23)  # for two, mending commands were issued in vain too often
    folder = tmp_path / "run"
    shutil.copytree(failed, folder)
    load_results(folder).model_copy(update={"commands": commands}).write(folder)
    write_report(folder)
    text = re.sub(r"\s+", " ", outline((folder / "report.html").read_text(encoding="utf-8")).text)
    told = (
        "drifts found by reconciliation33",
        "of them mended10",
        "of them not mended: refused again, or out of reach still23",
    )
    assert " ".join(told) in text


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    parsed = outline(page)
    assert {tag for tag, _ in parsed.elements} & {"script", "link", "img", "iframe", "object"} == set()
    for tag, attributes in parsed.elements:
        for name in ("href", "xlink:href", "src"):
            target = attributes.get(name)
            assert target is None or target.startswith("#"), f"<{tag} {name}={target}>"
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_verdict_and_reasons_stand_before_any_figure(failed: Path, page: str) -> None:
    results = load_results(failed)
    first_figure = page.index('<svg class="figure"')
    assert results.verdict is Verdict.FAIL
    assert page.index(">Fail<") < first_figure
    text = outline(page[:first_figure].rsplit("<figure>", 1)[0] + "</section></main></body></html>").text
    for reason in results.reasons:
        assert reason in text


def test_it_says_by_how_much_times_can_be_off_by_the_generator(failed: Path, page: str) -> None:
    section = page[page.index('<section id="generator">') : page.index('<section id="nodes">')]
    table = section[section.index("By how much response times can be too high") :]
    error = load_results(failed).operations["ingest_reading"].generator_error
    assert error is not None and error.p99 is not None
    row = re.search(r'<th scope="row">ingest_reading</th>(.*?)</tr>', table)
    assert row is not None
    cells = re.findall(r"<td>(.*?)</td>", row.group(1))
    assert (cells[0], cells[2]) == (wording.significant(error.p50.ms), wording.significant(error.p99.ms))
    assert (cells[4], cells[6]) == (wording.percent(error.p50.percent / 100), wording.percent(error.p99.percent / 100))


def test_it_says_what_the_results_say(failed: Path, page: str) -> None:
    results = load_results(failed)
    text = outline(page).text
    for operation in results.operations.values():
        assert f"{operation.ok:,}" in text
    assert results.audit is not None
    for example in results.audit.examples:
        assert str(example.mpxn) in text
    assert results.digest in text
    for check in results.checks:
        assert check.sentence in text


def test_what_a_new_reader_tripped_over_is_told(failed: Path, page: str) -> None:
    """A day of readings arrives within 33 h here, replayed in some seconds; two limits of errors stood there without a word."""
    text, run = outline(page).text, read_run(failed)
    assert "1 day of readings from 2026-01-15" in text and "33 h 0 min, until the last of them has arrived" in text
    rows = dict(setting_of(run.results, run.scenario)[0].pairs)
    assert "Replayed" not in rows
    later = run.scenario.model_copy(update={"run": run.scenario.run.model_copy(update={"replay_from_h": 12.0})})
    assert dict(setting_of(run.results, later)[0].pairs)["Replayed"] == "what falls due from 12 h on"
    assert text.count("as fast as real time") == 1
    operations = page[page.index('<section id="operations">') : page.index('<section id="audit">')]
    assert f"a replay {wording.significant(run.scenario.speed_up)} times as fast as real time" in operations
    objectives = page[page.index('<section id="response">') : page.index('<section id="operations">')]
    assert (
        "Allowed by the objective" in objectives and "An operation without one may have 1.00 % of them." in objectives
    )


def test_what_holds_quarter_hours_is_told_so(failed: Path, page: str) -> None:
    run = read_run(failed)
    audit = run.results.audit
    assert audit is not None
    examples = tuple(one.model_copy(update={"slot_minutes": 15}) for one in audit.examples)
    results = run.results.model_copy(update={"audit": audit.model_copy(update={"examples": examples})})
    estate = run.scenario.estate.model_copy(update={"slots_per_hour": 4})
    quarters = replace(run, results=results, scenario=run.scenario.model_copy(update={"estate": estate}))
    assert "Half-hour from [local time]" in page and "% half-hourly" in page
    told = report_html(quarters, run_gallery(run.history, run.scenario))
    assert "Quarter-hour from [local time]" in told and "% quarter-hourly" in told
    assert "Half-hour from [local time]" not in told and "% half-hourly" not in told


def test_alerts_stand_beside_what_was_not_as_the_faults_declare(failed: Path, page: str) -> None:
    recorded = read_run(failed)
    told = MonitoringResult(
        alerts=(
            AlertResult(
                name="DataCentreUnavailable",
                severity="page",
                labels={"dc": "north", "action": "read"},
                fired_s=26.0,
                resolved_s=None,
                told=False,
            ),
        ),
        unexpected=("No fault explains <it>.",),
    )
    gallery = Gallery(load=None, curves=None, responses=(), lateness=None, nodes=())
    watched = outline(
        report_html(replace(recorded, results=recorded.results.model_copy(update={"monitoring": told})), gallery)
    )
    row = watched.text[watched.text.index("DataCentreUnavailable") :].split("\n")[0]
    assert row == "DataCentreUnavailablepagenorth, read26.0–muted by a planned fault"
    assert "No fault explains <it>." in watched.text and "Alerts" not in outline(page).text


def test_figures_have_words_and_tables_have_headers(page: str) -> None:
    parsed = outline(page)
    figures = [
        attributes for tag, attributes in parsed.elements if tag == "svg" and attributes.get("class") == "figure"
    ]
    assert len(figures) == 2 + 2 + 7 + 1 + 4  # load and curves twice (for phones), operations, lateness, nodes
    assert all(each["role"] == "img" and len(each["aria-label"] or "") > 40 for each in figures)
    headers = [attributes for tag, attributes in parsed.elements if tag == "th"]
    assert headers
    assert all("scope" in each for each in headers)


def test_identifiers_are_unique_and_found(page: str) -> None:
    identifiers = [attributes["id"] for _, attributes in outline(page).elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(identifiers)


def test_figures_take_their_colours_from_the_page(page: str) -> None:
    drawings = re.findall(r'<svg class="figure".*?</svg>', page, flags=re.DOTALL)
    for drawing in drawings:
        assert re.findall(r"#[0-9a-f]{6}\b", drawing) == []
        assert "DejaVu" not in drawing
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", page))
    assert used - {"tone", "tint"} <= set(INKS)


def test_every_ink_of_a_figure_is_its_own() -> None:
    assert len({ink.light for ink in INKS.values()}) == len(INKS)


def test_figures_lie_beside_the_report(failed: Path) -> None:
    names = {path.stem for path in (failed / "figures").glob("*.svg")}
    assert names == {path.stem for path in (failed / "figures").glob("*.png")}
    assert {"load", "percentiles", "response-ingest_reading", "lateness", "nodes-cpu", "nodes-disk"} <= names
    for path in (failed / "figures").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_run_gives_the_same_page(failed: Path, page: str) -> None:
    run = read_run(failed)
    assert report_html(run, run_gallery(run.history, run.scenario)) == page


def test_what_a_user_named_is_escaped(failed: Path, tmp_path: Path) -> None:
    run = read_run(failed)
    results = run.results.model_copy(update={"scenario": "<script>alert(1)</script>"})
    shutil.copytree(failed, tmp_path / "run")
    results.write(tmp_path / "run")
    nothing_drawn = Gallery(load=None, curves=None, responses=(), lateness=None, nodes=())
    page = report_html(read_run(tmp_path / "run"), nothing_drawn)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_run_that_recorded_nothing_still_gets_a_report(failed: Path, tmp_path: Path) -> None:
    results = load_results(failed).model_copy(update={"audit": None, "operations": {}, "objectives": (), "checks": ()})
    shutil.copy(failed / "scenario.resolved.toml", tmp_path)
    results.write(tmp_path)
    HistoryWriter(tmp_path / "history", []).close()
    write_report(tmp_path)
    assert "Nothing was read back" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("missing", ["results.json", "scenario.resolved.toml", "history"])
def test_what_a_folder_lacks_is_named(failed: Path, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(failed, folder)
    if missing == "history":
        shutil.rmtree(folder / missing)
    else:
        (folder / missing).unlink()
    with pytest.raises(ScenarioError, match=re.escape(missing)):
        write_report(folder)


def test_junit_has_a_case_a_check(failed: Path) -> None:
    results = load_results(failed)
    root = ElementTree.parse(failed / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (str(len(results.checks)), "4", "1")
    assert {suite.get("name") for suite in root} == {"meterstorm.objectives", "meterstorm.audit", "meterstorm.validity"}
    failures = {
        case.get("name"): case.find("failure") for case in root.iter("testcase") if case.find("failure") is not None
    }
    assert set(failures) == {"lost", "wrong", "read_back", "ingest_reading_p99"}
    lost = failures["lost"]
    assert lost is not None
    assert (lost.get("message") or "").startswith("2 facts are lost")


def test_junit_calls_inconclusive_an_error(tmp_path: Path) -> None:
    results: Results = write_synthetic_run(tmp_path, story=Story.LATE, wall_s=20)
    from reports.run.junit import junit_xml

    root = ElementTree.fromstring(junit_xml(results))
    errors = {case.get("name") for case in root.iter("testcase") if case.find("error") is not None}
    assert errors == {"lateness", "cpu"}
    assert (root.get("failures"), root.get("errors")) == ("0", "2")


def test_several_runs_side_by_side(failed: Path, tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "calm", wall_s=10)
    write_comparison([tmp_path / "calm", failed], tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    text = outline(page).text
    assert "All replayed the same trace" in text
    assert "Their topologies or consistency levels differ." in text
    assert text.count("calm") > 3
    assert "×" in text  # ingest_reading of the failed run is many times as slow
    identifiers = [attributes["id"] for _, attributes in outline(page).elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_one_run_is_no_comparison(failed: Path, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="2 to 8"):
        write_comparison([failed], tmp_path / "compare.html")


def test_runs_of_the_same_folder_name_are_told_apart(tmp_path: Path) -> None:
    assert distinct_names([tmp_path / "monday" / "run", tmp_path / "tuesday" / "run"]) == ["monday/run", "tuesday/run"]
    assert distinct_names([tmp_path / "run", tmp_path / "run"]) == ["1: run", "2: run"]
