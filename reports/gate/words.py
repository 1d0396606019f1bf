"""A gate in words: what it found, metric by metric, and what it could not have seen. Pure."""

from collections.abc import Sequence

from reports.results.gate import CounterResult, FailuresResult, GateResults, MetricResult, TableFacts
from scenarios.gate_file import GateAnswer
from scenarios.texts import wording

NAMED_MAX = 5
PLUS_IS_WORSE = "plus is worse"  # of throughput too: a change is turned that way


def change_text(change: float | None) -> str:
    """0.123 -> '+12.3 %'."""
    return wording.change(change)


def interval_text(metric: MetricResult) -> str:
    """'+2.1 % (−0.4 % to +4.9 %)'; without an interval where there were too few pairs."""
    if metric.change is None:
        return wording.NO_FIGURE
    if metric.low is None or metric.high is None:
        return change_text(metric.change)
    return f"{change_text(metric.change)} ({change_text(metric.low)} to {change_text(metric.high)})"


def metric_sentence(metric: MetricResult) -> str:
    """One metric: 'server CPU +12 % (+9 % to +15 %); plus is worse, and 10 % matters'."""
    return f"{metric.name} {interval_text(metric)}; {PLUS_IS_WORSE}, and {wording.percent(metric.limit)} matters"


def failures_sentence(failures: FailuresResult) -> str:
    """How many operations were not acknowledged, and in how many pairs it was which side's."""
    kinds = f" ({', '.join(failures.kinds)})" if failures.kinds else ""
    return (
        f"operations were not acknowledged: {wording.percent(failures.baseline)} of the baseline's and "
        f"{wording.percent(failures.candidate)} of the candidate's{kinds}, {wording.percent(failures.allowed)} allowed; the "
        f"candidate failed more beyond that in {wording.counted(failures.worse_pairs, 'pair')}, the baseline in "
        f"{wording.count(failures.better_pairs)}"
    )


def facts_sentence(facts: Sequence[TableFacts]) -> str:
    """Tables that differ, the worst first."""
    worst = sorted(facts, key=lambda each: -(each.missing + each.altered + each.extra))
    told = []
    for each in worst[:NAMED_MAX]:
        counts = [(each.missing, "missing"), (each.altered, "altered"), (each.extra, "extra")]
        words = ", ".join(f"{wording.count(count)} {word}" for count, word in counts if count)
        example = f" ({each.examples[0]})" if each.examples else ""
        told.append(f"{each.table} in DC {each.dc}: of {wording.counted(each.rows, 'row')} {words}{example}")
    more = f"; and {len(worst) - NAMED_MAX} more" if len(worst) > NAMED_MAX else ""
    return f"the candidate does not hold the facts that the baseline holds: {'; '.join(told)}{more}"


def counters_sentence(counters: Sequence[CounterResult]) -> str:
    """Counters that grew."""
    told = [
        f"{each.name} {wording.count(each.baseline)} -> {wording.count(each.candidate)}"
        for each in counters[:NAMED_MAX]
    ]
    more = f"; and {len(counters) - NAMED_MAX} more" if len(counters) > NAMED_MAX else ""
    return f"the same operations cost more, by exact counts: {'; '.join(told)}{more}"


def headline(results: GateResults) -> str:
    """The first line of everything."""
    if results.is_skipped:
        return f"{results.answer}: nothing changed"
    words = {
        GateAnswer.PASS: "no change of the size that matters",
        GateAnswer.REGRESSION: "the candidate is worse",
        GateAnswer.IMPROVEMENT: "the candidate is better, and nothing is worse by what matters",
        GateAnswer.INCONCLUSIVE: "it can't be told",
    }
    return f"{results.answer}: {words[results.answer]}"


def error_sentence(results: GateResults) -> str:
    """The rates of error that the answer stands on."""
    errors = results.settings.errors
    if not results.metrics:
        return "No metric was judged: nothing is said of the speed."
    failing = ", operations that fail," if results.failures is not None else ""
    return (
        f"By construction at most {wording.percent(errors.false_alarm)} of gates claim a change where there is none, over all "
        f"{wording.counted(len(results.metrics), 'metric')}{failing} and all looks together, and at most "
        f"{wording.percent(errors.false_pass)} call a change that matters none."
    )
