"""gate.md: the answer as a comment on a pull request. Pure."""

from reports.drawing.markdown import code, escaped
from reports.gate.words import PLUS_IS_WORSE, change_text, error_sentence, headline, interval_text
from reports.results.gate import GateResults
from scenarios.gate_file import GateAnswer
from scenarios.texts import wording

SIGNS = {
    GateAnswer.PASS: "✅",
    GateAnswer.REGRESSION: "❌",
    GateAnswer.IMPROVEMENT: "🚀",
    GateAnswer.INCONCLUSIVE: "❔",
}


def markdown(results: GateResults) -> str:
    """The text, of plain Markdown with one table; all that comes from outside is escaped."""
    lines = [
        f"### {SIGNS[results.answer]} meterstorm gate: {escaped(headline(results))}",
        "",
        f"`{code(results.scenario)}`: baseline {escaped(results.baseline.told)}, candidate {escaped(results.candidate.told)}; "
        f"{wording.counted(results.pairs, 'pair')}",
        "",
        *(f"- {escaped(reason)}" for reason in results.reasons),
    ]
    if results.metrics:
        lines += [
            "",
            f"| metric | baseline | candidate | change ({PLUS_IS_WORSE}) | matters from | could have seen | answer |",
            "|---|--:|--:|--:|--:|--:|---|",
            *(
                f"| {escaped(each.name)} [{escaped(each.unit)}] | {wording.significant(each.baseline)} | "
                f"{wording.significant(each.candidate)} | {interval_text(each)} | {change_text(each.limit)} | "
                f"{change_text(each.smallest_seen)} | {each.answer} |"
                for each in results.metrics
            ),
        ]
    lines += ["", "<details><summary>What this gate could not have seen</summary>", ""]
    lines += [f"- {escaped(each)}" for each in (error_sentence(results), *results.not_seen)]
    return "\n".join([*lines, "", "</details>"]) + "\n"
