"""`meterstorm gate`: did this change make it slower, or lose data?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.options import OwnNodes, ReportOptions, Seed, path_named, require_own_nodes, takes
from scenarios.gate_file import GateSettings, load_gate_settings
from scenarios.spec import ScenarioError, require_no_wan

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.gate import GateResults
    from reports.results.gate_history import GateHistoryResults

GateScenario = Annotated[
    Path | None,
    typer.Argument(
        metavar="SCENARIO",
        parser=path_named,
        help="A scenario file, or the name of one that ships; none with --history.",
    ),
]
DEFAULT_CONFIG = Path("gate.toml")


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command(
        "gate",
        epilog="Examples: `meterstorm gate storm.toml --baseline origin/main` (the working tree against a revision), "
        "`meterstorm gate smoke --candidate topology.commit_log_sync=batch`, "
        "`meterstorm gate storm.toml --baseline v1.2 --candidate HEAD --config gate.toml --out gate --json`, "
        "`meterstorm gate --history runs`",
    )(gate_command)


@takes(report=ReportOptions)
def gate_command(
    scenario: GateScenario = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline",
            metavar="SIDE",
            help="A git revision of the scenario's file, another file, FIELD=VALUE (may be repeated), or recorded runs "
            "(folders, or files of pytest-benchmark, with commas); default the scenario as it is.",
        ),
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", metavar="SIDE", help="Likewise; default the scenario as it is.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            parser=path_named,
            help="The changes that matter, the errors allowed, the effort; default ./gate.toml, if there is one.",
        ),
    ] = None,
    skip_same: Annotated[
        bool,
        typer.Option(
            "--skip-same",
            help="Where both sides are the same scenario, measure nothing and pass: for pull requests that leave it alone.",
        ),
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history",
            metavar="FOLDER",
            parser=path_named,
            help="Instead of two sides: where did the runs in this folder change their level? (docs/gate-history.md)",
        ),
    ] = None,
    seed: Seed = None,
    contact_points: OwnNodes = None,
    *,
    report: ReportOptions,
) -> None:
    """Did this change make it slower, or lose data? Both sides in turns on one machine, until it is known."""
    require_own_nodes(contact_points, "a gate")
    if history is not None:
        if scenario is not None or baseline or candidate or config is not None or skip_same:
            raise ScenarioError(
                "--history looks at recorded runs alone: leave SCENARIO, sides, --config and --skip-same out"
            )
        _look_back(history, seed, report)
    if scenario is None:
        raise ScenarioError("name a scenario whose change is to be judged, or --history FOLDER")
    settings = _settings(config)
    from loadtests.gate.sides import GateSide, SideName
    from meterstorm.jobs.gate_sides import require_same_kind, side_named

    sides = [
        side_named(name, words or [], scenario, seed)
        for name, words in ((SideName.BASELINE, baseline), (SideName.CANDIDATE, candidate))
    ]
    ours, theirs = require_same_kind(*sides)
    if isinstance(ours, GateSide):
        require_no_wan(ours.scenario.topology, "a gate")
    from meterstorm.display.gate import print_gate
    from meterstorm.jobs.gate import gate

    def job(folder: Path, progress: "Progress") -> "GateResults":
        return gate(
            ours,
            theirs,
            settings,
            folder,
            skip_same=skip_same,
            profile_folder=scenario.parent,
            progress=progress,
        )

    exit_with_report(job, print_gate, report, f"{scenario.stem}-gate")


def _look_back(history: Path, seed: int | None, report: ReportOptions) -> NoReturn:
    from meterstorm.display.gate_history import print_gate_history
    from meterstorm.jobs.gate_history import gate_history

    def job(folder: Path, progress: "Progress") -> "GateHistoryResults":
        return gate_history(history, folder, seed=1 if seed is None else seed, progress=progress)

    exit_with_report(job, print_gate_history, report, "history")


def _settings(config: Path | None) -> GateSettings:
    if config is not None:
        return load_gate_settings(config)
    return load_gate_settings(DEFAULT_CONFIG) if DEFAULT_CONFIG.is_file() else GateSettings()
