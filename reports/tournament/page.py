"""One self-contained report.html of a tournament: everything inside, nothing fetched, no script."""

from pathlib import Path

from reports.drawing.dot_panels import Panel, draw_dot_panels
from reports.drawing.page import page
from reports.results.tournament import TournamentResults, load_tournament
from reports.run.gallery import Picture, wide_picture, write_page
from reports.run.setting import made_on
from reports.tournament.figures import Dot, draw_front, front_of
from reports.tournament.markdown import markdown
from reports.tournament.words import (
    against_plain,
    aggregate_text,
    bucket_text,
    change_text,
    cost_basis,
    cost_text,
    counter_sentence,
    dominance_text,
    entrant_state,
    figure_text,
    growth_text,
    headline,
    late_headline,
    not_seen,
    notes_of,
    partition_limits,
    reading_text,
)
from scenarios.texts import wording

MARKDOWN_NAME = "tournament.md"
TOURNAMENT_TERMS = (
    (
        "Design",
        "A way to make the tables. `plain` is the scenario's own; each variant changes one thing of it, or keeps half-hours in a "
        "table of its own.",
    ),
    (
        "Round",
        "One trial of each design, in an order drawn from the seed: a closed loop of the same operations, then an open loop with "
        "the same arrivals. What drifts on the machine favours none.",
    ),
    (
        "Server CPU",
        "Processor time of all nodes an operation of the closed loop, counted until all that was written is flushed and nothing "
        "is left to compact: no design looks good by putting work off.",
    ),
    (
        "Change",
        "Against the plain design in the same rounds: the geometric mean, positive for the worse. Its interval is a confidence "
        "sequence. A star: resolved.",
    ),
    (
        "Resolved",
        "One of two is shown to be better, by an e-value that is adjusted for all pairs of designs and all quantities: of such "
        "tournaments at most the stated share resolves anything where there is no difference.",
    ),
    ("Dominated", "Another design is shown to be better in something, and this one in nothing."),
    (
        "Partition at most",
        "What one partition of the table of half-hours holds within the years that were asked for, by the design's key and the "
        "widths of its columns, before compression; of the design that ships, its declared bound. Not measured.",
    ),
    (
        "Partition measured",
        "Of the table of half-hours: rows of this estate written to partitions of three sizes, and their bytes read off the "
        "files by Cassandra's own sstablepartitions, before compression. The largest is held out: its error is that of the "
        "prediction by the two smaller ones. A whole partition is projected from the largest two.",
    ),
    (
        "Next bucket",
        "The widest column of the trace by which a partition stays below 10 MiB and 100,000 rows, by the rows that take most; "
        "from how many days on it holds 2 MiB, and how many days are the most.",
    ),
    (
        "Rows and tombstones a read",
        "What a node looked at for a read of the table, by its own histograms after the last round: the upper end of a bucket of "
        "20 %, at least 1.",
    ),
    (
        "A reading",
        "A half-hour of a delivery. Its server CPU and bytes between data centres are those of a closed loop, questions and all, "
        "by the half-hours that it delivered, each round a value; its bytes on disk those of all tables, by half-hour stored.",
    ),
    (
        "Folded again",
        "The table of half-hours from the log, by one client that reads, folds and writes row by row, 64 at a time: readings a "
        "second over some parts of the home-months. What it wrote is proven after it.",
    ),
    (
        "Days of usage that are off",
        "Days in answers about months whose total is not what their half-hours come to, corrections and estimates with them: a "
        "stored total knows them only once the store has folded the day again, which a tournament does not send.",
    ),
    ("On disk", "Bytes of all files on all nodes by write of the sample, flushed and compacted into one file a table."),
)


def write_tournament_report(folder: Path) -> None:
    """Write FOLDER/report.html, tournament.md and figures/ from its results.json.

    Raises ScenarioError naming what the folder lacks."""
    results = load_tournament(folder)
    pictures = tournament_pictures(results)
    write_page(folder, tournament_html(results, pictures), pictures)
    (folder / MARKDOWN_NAME).write_text(markdown(results), encoding="utf-8")


def tournament_html(results: TournamentResults, pictures: list[Picture]) -> str:
    """The page's text."""
    return page(
        "tournament.html.j2",
        results=results,
        headline=headline(results),
        pictures=pictures,
        notes=notes_of(results),
        not_seen=not_seen(results),
        against_plain=against_plain,
        change=change_text,
        figure_text=figure_text,
        state=entrant_state,
        dominance=dominance_text,
        partition_limits=partition_limits,
        bucket_text=bucket_text,
        growth_text=growth_text,
        reading_text=reading_text,
        aggregate_text=aggregate_text,
        counters=counter_sentence(results),
        late_headline=late_headline,
        cost_text=cost_text,
        cost_basis=None if results.prices is None else cost_basis(results),
        took_s=(results.finished - results.started).total_seconds(),
        setting=made_on(results.machine, results.versions),
        terms=TOURNAMENT_TERMS,
    )


def tournament_pictures(results: TournamentResults) -> list[Picture]:
    """What writing costs against what is stored, then every quantity of every design."""
    measured = [each for each in results.entrants if each.rounds]
    if not measured:
        return []
    panels = [
        Panel(title=f"{each.name} [{each.unit}]", figures=tuple(one.figures.get(each.name) for one in measured))
        for each in results.quantities
    ]
    names = [each.name for each in measured]
    count = wording.counted(len(measured), "design")
    pictures = [
        wide_picture(
            lambda size: draw_dot_panels(names, [len(names)], panels, size.width_px),
            name="quantities",
            title="Every quantity",
            caption="A tick is a round, the dot their mean with its 95 % interval, each taken by itself.",
            alt=f"Dot plot of {wording.counted(len(panels), 'quantity', 'quantities')} of {count}.",
        )
    ]
    points = [
        (each, figure, each.disk_bytes_per_write)
        for each in measured
        if (figure := each.figures.get(results.goal)) is not None and each.disk_bytes_per_write is not None
    ]
    if len(points) < 2:
        return pictures
    fronts = front_of([(figure.mean, disk) for _, figure, disk in points])
    dots = [
        Dot(name=each.name, x=figure.mean, x_low=figure.low, x_high=figure.high, y=disk, is_front=is_front)
        for (each, figure, disk), is_front in zip(points, fronts, strict=True)
    ]
    pictures.insert(
        0,
        wide_picture(
            lambda size: draw_front(
                dots,
                x_label="server CPU [µs/operation]",
                y_label="on disk, compacted [bytes/write]",
                size=size,
            ),
            name="front",
            title="What it costs against what it stores",
            caption="Joined are the designs that none undercuts in both; lines are the 95 % intervals of the processor time.",
            alt=f"Scatter plot of {count}: server CPU an operation against bytes on disk a write.",
        ),
    )
    return pictures
