"""A server's words with control characters and markup in them: JUnit, page and terminal stay whole."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from meterstorm.display.run import Display, print_results
from meterstorm.display.terminal import PlainConsole
from reports.results.parts import Check, Verdict
from reports.results.run import load_results
from reports.run.page import write_report
from tests.support.synthetic_run import Story, write_synthetic_run

WORDS = "the node said \x00\x08\x1b[2J\x1b]0;owned\x07 \ufffe \u202e [/red] ]]> <script>"
SHOWN = r"the node said \x00\x08\x1b[2J\x1b]0;owned\x07 \ufffe \u202e [/red] ]]>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_synthetic_run(tmp_path, story=Story.LATE, wall_s=20)
    results = load_results(tmp_path)
    check = Check(group="audit", name=WORDS, outcome=Verdict.FAIL, sentence=WORDS)
    results.model_copy(update={"reasons": (WORDS,), "checks": (check,), "trouble": (WORDS,)}).write(tmp_path)
    return tmp_path


def test_junit_can_be_read(folder: Path) -> None:
    write_report(folder)
    root = ElementTree.parse(folder / "junit.xml").getroot()
    (failure,) = root.iter("failure")
    assert (failure.get("message") or "").startswith(SHOWN)
    assert (failure.text or "").startswith(SHOWN)


def test_the_page_holds_no_control_character(folder: Path) -> None:
    write_report(folder)
    page = (folder / "report.html").read_text()
    assert not {character for character in page if ord(character) < 32} - {"\n", "\t"}
    assert "<script>" not in page


def test_the_terminal_obeys_no_words_of_others(folder: Path) -> None:
    out = io.StringIO()
    console = PlainConsole(file=out, force_terminal=True, width=400)
    print_results(console, load_results(folder), "report.html")
    display = Display(console)
    display.detail(WORDS)
    display.phase(WORDS)
    display.close()
    said = out.getvalue()
    assert said.count(SHOWN) == 3
    assert "\x1b[2J" not in said and "\x07" not in said and "\u202e" not in said
