"""One self-contained report.html of a gate: everything inside, nothing fetched, no script."""

from pathlib import Path

import numpy as np

from reports.drawing.page import page
from reports.gate.figures import draw_changes
from reports.gate.junit import gate_junit_xml
from reports.gate.markdown import markdown
from reports.gate.words import change_text, error_sentence, failures_sentence, headline, interval_text
from reports.results.gate import GateResults, load_gate
from reports.run.figures import NamedCurve, draw_percentile_curves
from reports.run.gallery import Picture, slug, wide_picture, write_page
from reports.run.latency import PercentileCurve
from reports.run.setting import made_on
from scenarios.texts import wording

MARKDOWN_NAME = "gate.md"
JUNIT_NAME = "junit.xml"
GATE_TERMS = (
    (
        "Pair",
        "One trial of each side: both closed loops, then both open ones. Which goes first changes from pair to pair.",
    ),
    (
        "Change",
        "Candidate against baseline, turned so that more is worse: the geometric mean over the pairs. Its interval is a "
        "confidence sequence: it may be looked at after every pair.",
    ),
    ("Matters from", "The change for the worse that gate.toml says matters. A pass shows that each is smaller."),
    (
        "Could have seen",
        "The change that would have been claimed with a probability of 90 %, by the noise and the number of these pairs.",
    ),
    (
        "Evidence",
        "Logarithm to base 10 of the e-value, adjusted for all metrics together; a change is claimed when it reaches that of "
        "1 over the false-alarm rate, 2 for 1 %.",
    ),
    ("Exact counter", "What is counted and not timed: the same each time, so one look is enough."),
)


def write_gate_report(folder: Path) -> None:
    """Write FOLDER/report.html, figures/, junit.xml and gate.md from its results.json.

    Raises ScenarioError naming what the folder lacks.
    """
    results = load_gate(folder)
    pictures = gate_pictures(results)
    write_page(folder, gate_html(results, pictures), pictures)
    (folder / MARKDOWN_NAME).write_text(markdown(results), encoding="utf-8")
    (folder / JUNIT_NAME).write_text(gate_junit_xml(results), encoding="utf-8")


def gate_html(results: GateResults, pictures: list[Picture]) -> str:
    """The page's text."""
    return page(
        "gate.html.j2",
        results=results,
        headline=headline(results),
        pictures=pictures,
        interval=interval_text,
        change=change_text,
        error_sentence=error_sentence(results),
        failing=failures_sentence(results.failures) if results.failures and results.failures.kinds else "",
        counters=[each for each in results.counters if each.baseline != each.candidate],
        took_s=(results.finished - results.started).total_seconds(),
        setting=made_on(results.machine, results.versions),
        terms=GATE_TERMS,
    )


def gate_pictures(results: GateResults) -> list[Picture]:
    """All pairs of all metrics, then the response times of both sides, a figure a group."""
    pictures = []
    if results.metrics:
        wide = wide_picture(
            lambda size: draw_changes(results.metrics, size.width_px),
            name="pairs",
            title="Every pair",
            caption="A tick is a pair, the dot their geometric mean, its line the interval; the upright bar is what matters.",
            alt=f"Dot plot of the change of {wording.counted(len(results.metrics), 'metric')} over "
            f"{wording.counted(results.pairs, 'pair')}.",
        )
        pictures.append(wide)
    pictures += [_curves(results, name) for name in results.curves]
    return pictures


def _curves(results: GateResults, name: str) -> Picture:
    curve = results.curves[name]
    nines = -np.log10(1 - np.minimum(np.array(curve.percentiles) / 100, 1 - 1e-9))
    curves = [
        NamedCurve(name=side, index=index, curve=PercentileCurve(nines=nines, value_ms=np.array(values)))
        for index, (side, values) in enumerate((("baseline", curve.baseline_ms), ("candidate", curve.candidate_ms)))
    ]
    return wide_picture(
        lambda size: draw_percentile_curves(curves, label="response time [ms]", size=size),
        name=f"response-{slug(name)}",
        title=f"Response times: {name}",
        caption="Of all pairs together, from when each operation was due, in the open loop.",
        alt=f"Percentile curves of the response times of {name}, baseline and candidate.",
    )
