"""One self-contained report.html of a look back over past runs: everything inside, nothing fetched, no script."""

from pathlib import Path
from typing import NamedTuple

from reports.drawing.page import page
from reports.gate_history.figures import draw_series
from reports.gate_history.words import shift_words
from reports.results.gate_history import GateHistoryResults, HistorySeries, Meaning, Vote, load_gate_history
from reports.run.gallery import Picture, picture, slug, write_page
from reports.run.setting import made_on
from scenarios.texts import wording

FIGURES_MAX = 60  # series with changes first; results.json has them all

GATE_HISTORY_TERMS = (
    ("Change", "Both detectors see a new level begin within three runs of each other."),
    (
        "Suspected",
        "One of the two sees it. What Apache Otava alone suspects never moves the verdict: it states no error of a history.",
    ),
    (
        "Ranks",
        "Our own detector: exact rank-sum tests over every place at which a series can be split, whose critical value is "
        "simulated. It looks at the order of runs alone, and a level must last three runs: a spike is none. Runs that "
        "depend on each other count for fewer. Its error is of the whole history, shared out over the series.",
    ),
    ("Otava", "Apache Otava: E-divisive means with a t test at p 0.001, in an environment of its own."),
    (
        "Size",
        "The median of all differences between runs of the two levels (Hodges and Lehmann), with its exact interval; of "
        "logarithms, so a ratio, where all values are above zero.",
    ),
    (
        "Newest end",
        "The shaded runs. The verdict is about a series' latest change, if it lies there and is large enough to matter.",
    ),
    ("Could be seen", "About what change the ranks find with power 0.8 once half of the newest runs have it."),
)


class ChangeRow(NamedTuple):
    """One change, in words."""

    series: str
    run: str
    started: str
    meaning: str
    is_bad: bool
    size: str
    seen_by: str
    around: str
    beside: str


def write_gate_history_report(folder: Path) -> None:
    """Write FOLDER/report.html from its results.json, and FOLDER/figures/ with its figures as SVG and PNG.

    Raises ScenarioError naming what the folder lacks.
    """
    results = load_gate_history(folder)
    pictures = gate_history_pictures(results)
    write_page(folder, gate_history_html(results, pictures), pictures)


def gate_history_html(results: GateHistoryResults, pictures: list[Picture]) -> str:
    """The page's text."""
    return page(
        "gate_history.html.j2",
        results=results,
        pictures=pictures,
        changes=change_rows(results),
        seen=[(series, seen_words(series)) for series in results.series],
        left_out=len(results.series) - len(pictures),
        setting=made_on(results.machine, results.versions, "Machine of all runs"),
        terms=GATE_HISTORY_TERMS,
    )


def gate_history_pictures(results: GateHistoryResults) -> list[Picture]:
    """A figure a series, those with changes first."""
    run_count = len(results.runs)
    newest_from = max(run_count - results.newest, 0)
    shown = sorted(results.series, key=lambda series: not series.changes)[:FIGURES_MAX]
    return [
        picture(
            draw_series(series, newest_from, run_count),
            name=f"series-{place}-{slug(series.name)}"[:80],
            title=series.name,
            caption=_caption(series),
            alt=f"Dots of {wording.counted(len(series.values), 'run')}: {_caption(series)}",
        )
        for place, series in enumerate(shown, 1)
    ]


def change_rows(results: GateHistoryResults) -> list[ChangeRow]:
    """A row a change: those that decide first, then the newest first."""
    found = [(series, change) for series in results.series for change in series.changes]
    found.sort(
        key=lambda each: (each[1].is_newest and each[1].is_relevant, each[1].vote is Vote.CHANGE, each[1].started),
        reverse=True,
    )
    return [
        ChangeRow(
            series=series.name,
            run=change.run,
            started=wording.moment(change.started),
            meaning=change.meaning.value if change.meaning is not Meaning.UNKNOWN else "changed",
            is_bad=change.meaning is Meaning.WORSE and change.is_newest and change.is_relevant,
            size=f"{shift_words(change.shift, series.unit)}, at {wording.percent(change.shift.confidence)}",
            seen_by=" and ".join(change.voters),
            around=f"{', '.join(change.before)} | {', '.join((change.run, *change.after))}",
            beside=", ".join(change.other_versions) or wording.NO_FIGURE,
        )
        for series, change in found
    ]


def seen_words(series: HistorySeries) -> str:
    """'12.3 %, once it has lasted 4 runs'; what the ranks could have seen."""
    if series.earliest_seen is None:
        return "nothing: too few runs"
    if series.smallest_share is None:
        return f"no size surely; none that has lasted fewer than {series.earliest_seen} runs"
    return f"{wording.percent(series.smallest_share)}; none that has lasted fewer than {series.earliest_seen} runs"


def _caption(series: HistorySeries) -> str:
    if not series.changes:
        return "No change."
    return " ".join(
        f"{change.vote.value.capitalize()} at {change.run}: {shift_words(change.shift, series.unit)}."
        for change in series.changes
    )
