"""`meterstorm gate`: did this change make it slower, or lose data?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.options import AsJson, OpenReport, Out, OwnNodes, Quiet, Seed, path_named, require_own_nodes
from scenarios.gate_file import GateSettings, load_gate_settings
from scenarios.spec import ScenarioError

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
    out: Out = None,
    open_report: OpenReport = False,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: OwnNodes = None,
) -> None:
    """Did this change make it slower, or lose data? Both sides in turns on one machine, until it is known."""
    require_own_nodes(contact_points, "a gate")
    if history is not None:
        if scenario is not None or baseline or candidate or config is not None or skip_same:
            raise ScenarioError(
                "--history looks at recorded runs alone: leave SCENARIO, sides, --config and --skip-same out"
            )
        _look_back(history, out, seed, as_json=as_json, quiet=quiet, open_report=open_report)
    if scenario is None:
        raise ScenarioError("name a scenario whose change is to be judged, or --history FOLDER")
    settings = _settings(config)
    from loadtests.gate.sides import SideName
    from meterstorm.jobs.gate_sides import require_same_kind, side_named

    sides = [
        side_named(name, words or [], scenario, seed)
        for name, words in ((SideName.BASELINE, baseline), (SideName.CANDIDATE, candidate))
    ]
    ours, theirs = require_same_kind(*sides)
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

    name = f"{scenario.stem}-gate"
    exit_with_report(job, print_gate, out=out, name=name, as_json=as_json, open_report=open_report, quiet=quiet)


def _look_back(
    history: Path, out: Path | None, seed: int | None, *, as_json: bool, quiet: bool, open_report: bool
) -> NoReturn:
    from meterstorm.display.gate_history import print_gate_history
    from meterstorm.jobs.gate_history import gate_history

    def job(folder: Path, progress: "Progress") -> "GateHistoryResults":
        return gate_history(history, folder, seed=1 if seed is None else seed, progress=progress)

    exit_with_report(
        job, print_gate_history, out=out, name="history", as_json=as_json, open_report=open_report, quiet=quiet
    )


def _settings(config: Path | None) -> GateSettings:
    if config is not None:
        return load_gate_settings(config)
    return load_gate_settings(DEFAULT_CONFIG) if DEFAULT_CONFIG.is_file() else GateSettings()
