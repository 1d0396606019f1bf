"""junit.xml of a gate: a test case for each metric, for the facts and for the exact counters. Pure."""

from reports.gate.words import counters_sentence, facts_sentence, failures_sentence, metric_sentence
from reports.results.gate import GateResults
from reports.results.junit import Case, Suite, junit_text
from reports.results.parts import Verdict


def gate_junit_xml(results: GateResults) -> str:
    """The text of junit.xml."""
    suites = [
        Suite("gate.answer", [Case("the change", results.verdict, " ".join(results.reasons))]),
        Suite("gate.metrics", [Case(each.name, each.verdict, metric_sentence(each)) for each in results.metrics]),
        Suite("gate.failures", _failures(results)),
        Suite("gate.facts", _facts(results)),
        Suite("gate.counters", _counters(results)),
    ]
    return junit_text(results.scenario, results.started, results.finished, suites)


def _failures(results: GateResults) -> list[Case]:
    failures = results.failures
    return [] if failures is None else [Case("failed operations", failures.verdict, failures_sentence(failures))]


def _facts(results: GateResults) -> list[Case]:
    if not results.facts:
        return []
    differing = results.differing_facts
    sentence = facts_sentence(differing) if differing else "both sides hold the same rows in every table"
    return [Case("facts", Verdict.FAIL if differing else Verdict.PASS, sentence)]


def _counters(results: GateResults) -> list[Case]:
    if not results.counters:
        return []
    worse = [each for each in results.counters if each.is_worse]
    sentence = counters_sentence(worse) if worse else "no exact counter grew by more than is allowed"
    return [Case("exact counters", Verdict.FAIL if worse else Verdict.PASS, sentence)]
