"""`meterstorm gate --history`: where past runs changed their level, and whether the newest ones are worse for it."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loadtests.gate_history.otava import VERSION, OtavaMissing, ask_otava
from loadtests.stats.change_points import change_points
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs.run_folder import new_folder
from meterstorm.outcomes.gate_history import HistoryRules, judge_history, judge_series, past_runs
from reports.gate_history.folder import read_past
from reports.gate_history.page import write_gate_history_report
from reports.gate_history.past import History
from reports.results.gate_history import GateHistoryResults
from scenarios.spec import ScenarioError
from scenarios.texts import wording

ERROR = 0.01
EFFECT_MIN = 0.05
NEWEST = 20


def gate_history(
    folder: Path,
    out: Path,
    *,
    error: float = ERROR,
    effect_min: float = EFFECT_MIN,
    newest: int = NEWEST,
    with_otava: bool = True,
    seed: int = 1,
    progress: Progress | None = None,
) -> GateHistoryResults:
    """Look back over the runs in `folder`, and write results.json, report.html and figures/ into the new folder `out`.

    error: the share of histories without a change in which the ranks may find one, in any metric. effect_min: the share by
    which a level must change to matter. newest: how many of the latest runs the verdict is about. seed: of the order of equal
    values. Raises NoBaseline without two runs to compare, ScenarioError for what can't be read, for runs of several machines or
    loads, and for an error or effect that is none.
    """
    if not 0 < error < 0.5:
        raise ScenarioError(f"error {error:g}: is the share of false alarms, above 0 and below 0.5")
    if effect_min < 0 or newest < 1:
        raise ScenarioError("the effect that matters is 0 or more, and the newest runs are 1 or more")
    progress = progress or Silent()
    started = datetime.now(UTC)
    progress.phase(f"Reading {folder}")
    history = read_past(folder)  # before anything is made: what it refuses leaves no folder behind
    with new_folder(out) as out:
        results = _results(
            folder,
            history,
            HistoryRules(error=error / max(len(history.series), 1), effect_min=effect_min, newest=newest),
            error,
            with_otava,
            seed,
            started,
            progress,
        )
        results.write(out)
    progress.phase("Writing the report")
    write_gate_history_report(out)
    return results


def _results(
    folder: Path,
    history: History,
    judged: HistoryRules,
    error: float,
    with_otava: bool,
    seed: int,
    started: datetime,
    progress: Progress,
) -> GateHistoryResults:
    progress.phase(f"Looking at {wording.counted(len(history.series), 'series', 'series')} of {len(history.runs)} runs")
    ranks = [change_points(each.values, error=judged.error, seed=seed) for each in history.series]
    otava, missing = None, None
    if not with_otava:
        missing = "it was not to be asked"
    else:
        progress.phase(f"Asking Apache Otava {VERSION}")
        try:
            otava = ask_otava([each.values for each in history.series])
        except OtavaMissing as error_of_otava:
            missing = str(error_of_otava)
    series = [
        judge_series(history, each, ranks[place], None if otava is None else otava[place], judged)
        for place, each in enumerate(history.series)
    ]
    verdict, reasons = judge_history(history, series, judged, missing)
    return GateHistoryResults(
        folder=str(folder),
        source=history.source,
        title=history.runs[-1].title,
        started=started,
        finished=datetime.now(UTC),
        versions={"meterstorm": version("meterstorm"), **({"apache-otava": VERSION} if otava is not None else {})},
        machine=history.runs[-1].machine,
        error=error,
        effect_min=judged.effect_min,
        newest=judged.newest,
        otava_missing=missing,
        runs=past_runs(history),
        series=tuple(series),
        notes=history.notes,
        verdict=verdict,
        reasons=reasons,
    )
