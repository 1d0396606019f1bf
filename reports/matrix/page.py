"""One self-contained report.html of a replication matrix: everything inside, nothing fetched, no script."""

from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from reports.drawing.dot_panels import Panel, draw_dot_panels
from reports.drawing.page import page
from reports.drawing.svg import render
from reports.results.matrix import CellResult, Figure, MatrixResults, OutcomeCounts, StalenessResult, load_matrix
from reports.run.figures import NARROW, WIDE
from reports.run.gallery import Picture, picture, write_page
from reports.run.setting import made_on
from scenarios.texts import wording

MATRIX_TERMS = (
    ("Cell", "One number of data centres, one replication factor in each of them, one consistency level."),
    ("Distance", "The delay of every packet one way between every two data centres; clients are near all of them."),
    ("Block", "All cells of one cluster, measured once, in an order drawn from the seed: drift favours no cell."),
    (
        "Interval",
        "Student's, of the mean over blocks; of such intervals 95 in 100 hold the true mean, each taken by itself.",
    ),
    ("Throughput", "Acknowledged operations a second while so many are always in flight: a closed loop."),
    (
        "Response time",
        "From the instant at which an operation was due, in an open loop: Poisson arrivals at the set rate, the same instants "
        "for every cell.",
    ),
    ("Server CPU", "Processor time of all nodes, until none was at work on what was sent, by acknowledged operation."),
    (
        "Between DCs",
        "Bytes that nodes sent to nodes of other data centres, by Cassandra's own count of whole messages, gossip among them.",
    ),
    (
        "On disk",
        "Bytes of the tables' files on all nodes together once everything was flushed, by write of the sample.",
    ),
    (
        "Stale",
        "A row written in the first data centre and asked for in the last one at LOCAL_ONE, over and over: from the "
        "acknowledgement until the last question that did not find it. A level that waits for that DC must show 0.",
    ),
    ("Unavailable", "Refused at once, with nothing done: too few replicas were live for the level."),
)


class OutageRow(NamedTuple):
    """One cell while something was down."""

    name: str
    down: str
    writes: str
    reads: str
    is_bad: bool
    after: str


class DistanceRow(NamedTuple):
    """One level at one replication factor; of each distance in their order: write p50, read p50 [ms], throughput [1/s]."""

    name: str
    figures: tuple[str, ...]


def may_be_as_high(best: Figure | None, other: Figure | None) -> bool:
    """Do two figures' intervals overlap, or has either none?"""
    if best is None or other is None:
        return False
    return best.low is None or other.high is None or other.high >= best.low


def write_matrix_report(folder: Path) -> None:
    """Write FOLDER/report.html from its results.json, and FOLDER/figures/ with its figure as SVG and PNG.

    Raises ScenarioError naming what the folder lacks.
    """
    results = load_matrix(folder)
    figure = matrix_picture(results)
    write_page(folder, matrix_html(results, figure), [] if figure is None else [figure])


def matrix_html(results: MatrixResults, figure: Picture | None) -> str:
    """The page's text."""
    return page(
        "matrix.html.j2",
        results=results,
        figure=figure,
        estimate=estimate_text,
        stale=stale_text,
        outages=outage_rows(results),
        distances_ms=distances_of(results),
        by_distance=distance_rows(results),
        notes=notes_of(results),
        doubts=[(cell.name, doubt) for cell in results.cells for doubt in cell.doubts],
        errors=[(cell.name, errors_text(cell)) for cell in results.cells if cell.errors],
        took_s=(results.finished - results.started).total_seconds(),
        setting=made_on(results.machine, results.versions),
        terms=MATRIX_TERMS,
    )


def matrix_picture(results: MatrixResults) -> Picture | None:
    """The figure; None when no cell was measured."""
    cells = [cell for cell in results.cells if cell.trials]
    if not cells:
        return None
    panels = [
        Panel(title=title, figures=figures)
        for title, name in (
            ("throughput [operations/s]", "throughput_per_s"),
            ("write p99 [ms]", "write_p99_ms"),
            ("read p99 [ms]", "read_p99_ms"),
            ("server CPU [µs/operation]", "cpu_us_per_operation"),
            ("between DCs [bytes/operation]", "wan_bytes_per_operation"),
        )
        if any(figures := tuple(getattr(cell, name) for cell in cells))
    ]
    if not panels:
        return None
    names = [cell.name for cell in cells]
    sizes = [len(list(group)) for _, group in groupby(cells, key=lambda cell: (cell.dcs, cell.rf))]
    best = max(cells, key=lambda cell: cell.throughput_per_s.mean if cell.throughput_per_s else 0.0)
    finding = f"The most throughput: {best.name}, {estimate_text(best.throughput_per_s)} operations/s."
    if any(may_be_as_high(best.throughput_per_s, cell.throughput_per_s) for cell in cells if cell is not best):
        finding = (
            "No cell has certainly the most throughput: intervals overlap; more --repeats and --seconds narrow them."
        )
    alt = f"Dot plot of {wording.counted(len(cells), 'cell')} of a replication matrix. {finding}"
    wide = picture(
        draw_dot_panels(names, sizes, panels, WIDE.width_px),
        name="matrix",
        title="Every cell",
        caption=f"{finding} A dot is the mean, its line the 95 % interval, a tick one trial.",
        alt=alt,
    )
    return replace(
        wide, narrow=render(draw_dot_panels(names, sizes, panels, NARROW.width_px), name="matrix-narrow", alt=alt)
    )


def distances_of(results: MatrixResults) -> list[int]:
    """The distances that were measured, in the order in which they were asked for [ms]; none of a single one."""
    return list(dict.fromkeys(cell.wan_ms for cell in results.cells if cell.wan_ms is not None))


def distance_rows(results: MatrixResults) -> list[DistanceRow]:
    """What a level costs at each distance: a row for each DC count, replication factor and level that was measured at any."""
    distances, found = distances_of(results), dict[tuple[int, int, str], dict[int, CellResult]]()
    for cell in results.cells:
        if cell.wan_ms is not None:
            found.setdefault((cell.dcs, cell.rf, cell.write_level), {})[cell.wan_ms] = cell
    return [
        DistanceRow(
            name=f"{dcs} DC · RF {rf} · {level}",
            figures=tuple(
                estimate_text(getattr(cells[distance], name) if distance in cells else None)
                for name in ("write_p50_ms", "read_p50_ms", "throughput_per_s")
                for distance in distances
            ),
        )
        for (dcs, rf, level), cells in found.items()
    ]


def estimate_text(figure: Figure | None) -> str:
    """'1,234 ± 56'; '2.81 (0 to 15.0)' where the interval ends at zero; without one the value alone."""
    if figure is None:
        return wording.NO_FIGURE
    if figure.high is None:
        return wording.significant(figure.mean)
    if figure.low == 0 and figure.high > 0:
        return f"{wording.significant(figure.mean)} (0 to {wording.significant(figure.high)})"
    return f"{wording.significant(figure.mean)} ± {wording.significant(figure.high - figure.mean)}"


def stale_text(staleness: StalenessResult | None) -> str:
    """'0.31 / 4.2': p50 and p99 of the staleness [ms]."""
    if staleness is None or staleness.stale_ms is None:
        return wording.NO_FIGURE
    p99 = staleness.stale_ms.p99
    return f"{wording.significant(staleness.stale_ms.p50)} / {wording.NO_FIGURE if p99 is None else wording.significant(p99)}"


def outcome_text(counts: OutcomeCounts) -> str:
    """'675 ok' or '400 ok, 275 unavailable'; '–' when there were none."""
    named = (
        ("ok", counts.ok),
        ("unavailable", counts.unavailable),
        ("timed out", counts.timed_out),
        ("otherwise failed", counts.other),
    )
    return ", ".join(f"{wording.count(count)} {name}" for name, count in named if count) or wording.NO_FIGURE


def errors_text(cell: CellResult) -> str:
    """'3 write_timeout, 1 overloaded'; empty without any."""
    return ", ".join(f"{wording.count(count)} {kind}" for kind, count in cell.errors.items())


def outage_rows(results: MatrixResults) -> list[OutageRow]:
    """A row a cell and outage."""
    return [
        OutageRow(
            name=cell.name,
            down="one node" if outage.down == "node" else "the last DC",
            writes=outcome_text(outage.writes),
            reads=outcome_text(outage.reads),
            is_bad=outage.writes.ok < outage.writes.count or outage.reads.ok < outage.reads.count,
            after=_after_text(outage.writes_after, outage.reads_after),
        )
        for cell in results.cells
        for outage in cell.outages
    ]


def _after_text(writes: OutcomeCounts, reads: OutcomeCounts) -> str:
    if writes.ok == writes.count and reads.ok == reads.count:
        return "all ok"
    return f"writes {outcome_text(writes)}; reads {outcome_text(reads)}"


def notes_of(results: MatrixResults) -> list[str]:
    """What a reader must know before the figures, sentences."""
    notes = list(results.trouble)
    if results.is_partial:
        notes.append("This is a part of what was asked for: the figures stand on what was measured until then.")
    if any(cell.write_level != cell.read_level for cell in results.cells):
        notes.append("EACH_QUORUM is for writes only: reads of such a cell are at LOCAL_QUORUM.")
    if distances := distances_of(results):
        apart = ", ".join(str(each) for each in distances)
        notes.append(
            f"The data centres were {apart} ms apart one way, on the same nodes in turns: a round trip takes twice as long. "
            f"The emulation itself: {results.wan_cost or 'not measured'}."
        )
    if not results.wan_emulated and any(cell.dcs > 1 for cell in results.cells):
        notes.append("The data centres are as near as the machine's loopback: no distance between them is emulated.")
    if len({(cell.dcs, cell.nodes_per_dc) for cell in results.cells}) > 1:
        notes.append(
            "Cells of one cluster were measured in turns; clusters one after the other, so compare those with care."
        )
    if results.repeats == 1:
        notes.append("Each cell was measured once: there are no intervals, and a difference may be chance.")
    return notes
