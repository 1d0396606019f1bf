"""junit.xml of a run for CI: a test case for each objective, audit check and validity check. Pure."""

from reports.results.junit import Case, Suite, junit_text
from reports.results.run import Results

SUITES = {"objective": "objectives", "audit": "audit", "validity": "validity"}


def junit_xml(results: Results) -> str:
    """The text of junit.xml."""
    suites = [
        Suite(
            name,
            [Case(check.name, check.outcome, check.sentence) for check in results.checks if check.group == group],
        )
        for group, name in SUITES.items()
    ]
    return junit_text(results.scenario, results.started, results.finished, suites)
