"""junit.xml for CI: a test case for each objective, audit check and validity check. Pure.

A failed check is a <failure>. An inconclusive one is an <error>, the format's word for a test that could not be carried out:
CI then shows red, which is right, since such a run is never a pass.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reports.results.parts import Check, Verdict
from reports.results.run import Results
from scenarios.printable import printable

SUITES = {"objective": "objectives", "audit": "audit", "validity": "validity"}


def junit_xml(results: Results) -> str:
    """The text of junit.xml."""
    took_s = (results.finished - results.started).total_seconds()
    root = Element("testsuites", name=f"meterstorm: {results.scenario}", time=f"{took_s:.3f}")
    _count(root, results.checks)
    for group, name in SUITES.items():
        checks = [check for check in results.checks if check.group == group]
        if checks:
            started = results.started.isoformat(timespec="seconds")
            suite = SubElement(root, "testsuite", name=f"meterstorm.{name}", timestamp=started, time="0")
            _count(suite, checks)
            for check in checks:
                _case(suite, check, name)
    for (
        element
    ) in root.iter():  # a server's words may hold what XML has no place for, and then nobody can read the file
        for name, value in element.items():
            element.set(name, printable(value))
        if element.text is not None:
            element.text = printable(element.text, keep="\n")
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _count(element: Element, checks: tuple[Check, ...] | list[Check]) -> None:
    outcomes = [check.outcome for check in checks]
    element.set("tests", str(len(outcomes)))
    element.set("failures", str(outcomes.count(Verdict.FAIL)))
    element.set("errors", str(outcomes.count(Verdict.INCONCLUSIVE)))


def _case(suite: Element, check: Check, name: str) -> None:
    case = SubElement(suite, "testcase", classname=f"meterstorm.{name}", name=check.name, time="0")
    match check.outcome:
        case Verdict.FAIL:
            SubElement(case, "failure", message=check.sentence, type="fail").text = check.sentence
        case Verdict.INCONCLUSIVE:
            SubElement(case, "error", message=check.sentence, type="inconclusive").text = check.sentence
        case Verdict.PASS:
            SubElement(case, "system-out").text = check.sentence
