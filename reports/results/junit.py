"""The format of junit.xml: suites of cases, each with its outcome and its sentence. Pure.

A failed check is a <failure>. An inconclusive one is an <error>, the format's word for a test that could not be carried out:
CI then shows red, which is right, since it is never a pass.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reports.results.parts import Verdict
from scenarios.texts.printable import printable


class Case(NamedTuple):
    """One check."""

    name: str
    outcome: Verdict
    sentence: str


class Suite(NamedTuple):
    """Checks of one kind; without any it is left out."""

    name: str
    cases: Sequence[Case]


def junit_text(title: str, started: datetime, finished: datetime, suites: Sequence[Suite]) -> str:
    """The file's text."""
    root = Element("testsuites", name=f"meterstorm: {title}", time=f"{(finished - started).total_seconds():.3f}")
    _count(root, [case for suite in suites for case in suite.cases])
    for suite in suites:
        if suite.cases:
            timestamp = started.isoformat(timespec="seconds")
            element = SubElement(root, "testsuite", name=f"meterstorm.{suite.name}", timestamp=timestamp, time="0")
            _count(element, suite.cases)
            for case in suite.cases:
                _add(element, case, suite.name)
    for (
        element
    ) in root.iter():  # a server's words may hold what XML has no place for, and then nobody can read the file
        for name, value in element.items():
            element.set(name, printable(value))
        if element.text is not None:
            element.text = printable(element.text, keep="\n")
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _count(element: Element, cases: Sequence[Case]) -> None:
    outcomes = [case.outcome for case in cases]
    element.set("tests", str(len(outcomes)))
    element.set("failures", str(outcomes.count(Verdict.FAIL)))
    element.set("errors", str(outcomes.count(Verdict.INCONCLUSIVE)))


def _add(suite: Element, case: Case, name: str) -> None:
    element = SubElement(suite, "testcase", classname=f"meterstorm.{name}", name=case.name, time="0")
    match case.outcome:
        case Verdict.FAIL:
            SubElement(element, "failure", message=case.sentence, type="fail").text = case.sentence
        case Verdict.INCONCLUSIVE:
            SubElement(element, "error", message=case.sentence, type="inconclusive").text = case.sentence
        case Verdict.PASS:
            SubElement(element, "system-out").text = case.sentence
