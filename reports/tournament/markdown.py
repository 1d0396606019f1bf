"""tournament.md: the ranking as plain Markdown, for a wiki or a pull request. Pure."""

from reports.drawing.markdown import escaped
from reports.results.tournament import LateRanking, TournamentResults
from reports.tournament.words import (
    against_plain,
    change_text,
    cost_basis,
    cost_text,
    entrant_state,
    figure_text,
    headline,
    late_headline,
    not_seen,
    notes_of,
)
from scenarios.texts import wording


def markdown(results: TournamentResults) -> str:
    """The text; all that comes from outside is escaped."""
    lines = [
        f"### meterstorm, designs for {escaped(results.scenario)}: {escaped(headline(results))}",
        "",
        *(f"- {escaped(note)}" for note in notes_of(results)),
        f"- {wording.counted(results.rounds, 'round')}; change: plus is worse, a star: resolved",
        "",
        *_table(results),
    ]
    if results.prices is not None:
        lines += ["", escaped(cost_basis(results))]
    for ranking in results.late[1:]:  # the first one's is the table above
        lines += ["", f"#### {escaped(late_headline(ranking))}", "", *_table(results, ranking)]
    lines += ["", "<details><summary>What it can't have seen</summary>", ""]
    lines += [f"- {escaped(each)}" for each in not_seen(results)]
    return "\n".join([*lines, "", "</details>"]) + "\n"


def _table(results: TournamentResults, ranking: LateRanking | None = None) -> list[str]:
    entrants, unbeaten = (ranking or results).entrants, (ranking or results).unbeaten
    heads = ["design", f"{results.goal} [µs/operation]", "change", "on disk [B/write]", "state"]
    rows = [
        [
            each.name,
            figure_text(each.figures.get(results.goal)),
            change_text(against_plain(results, each, results.goal)),
            wording.NO_FIGURE if each.disk_bytes_per_write is None else wording.significant(each.disk_bytes_per_write),
            entrant_state(each, unbeaten),
        ]
        for each in entrants
    ]
    if results.prices is not None:
        heads.insert(-1, f"a year [{results.prices.currency}]")
        for row, each in zip(rows, entrants, strict=True):
            row.insert(-1, cost_text(each.cost))
    return [_row(heads), _row(["---"] * len(heads), is_plain=True), *(_row(row) for row in rows)]


def _row(cells: list[str], *, is_plain: bool = False) -> str:
    return f"| {' | '.join(cell if is_plain else escaped(cell) for cell in cells)} |"
