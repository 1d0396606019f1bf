"""`meterstorm schemas`: variants of a table design, and which of them wins."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.exits import exit_with_report
from meterstorm.cli.help_page import CommandGroup
from meterstorm.cli.late_shares import late_shares_of
from meterstorm.cli.listing import make_new_folder, print_listing, write_new_file
from meterstorm.cli.options import ReportOptions, ScenarioPath, Seed, path_named, takes
from meterstorm.display.terminal import PlainConsole
from scenarios.design_folder import YEARS, DesignFolder
from scenarios.file import resolve_scenario
from scenarios.server_prices import load_prices
from scenarios.spec import require_no_wan
from scenarios.variant_file import AnyVariant, new_variant, shipped_variants, variants_named

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.tournament import TournamentResults

Variants = Annotated[
    str,
    typer.Option(
        "--variants",
        metavar="NAME[,PATH]",
        help="Variants that ship, by name, and files and folders of your own; the scenario's own design always takes part.",
    ),
]
Years = Annotated[
    int,
    typer.Option(
        "--years",
        min=1,
        max=100,
        help="For which no partition may outgrow 100,000 rows or 100 MB, of designs with a table.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add it and its own subcommands to the command's list."""
    schemas = typer.Typer(
        cls=CommandGroup, no_args_is_help=True, help="Which table design wins for these queries? Variants on one load."
    )
    schemas.command(
        "compare",
        epilog="Examples: `meterstorm schemas compare smoke --variants zstd,uncompressed`, "
        "`meterstorm schemas compare storm.toml --variants lcs,mine.toml --minutes 20 --out runs/designs --json`, "
        "`meterstorm schemas compare month.toml --variants twcs,stcs,lcs --late 0,2,10`",
    )(compare_command)
    schemas.command("list", epilog="Example: `meterstorm schemas list --json`")(list_command)
    schemas.command(
        "check", epilog="Example: `meterstorm schemas check smoke --variants mine.toml,designs/wide --years 10`"
    )(check_command)
    schemas.command(
        "new", epilog="Examples: `meterstorm schemas new mine.toml`, `meterstorm schemas new designs/wide`"
    )(new_command)
    app.add_typer(schemas, name="schemas")


@takes(report=ReportOptions)
def compare_command(
    scenario: ScenarioPath,
    variants: Variants,
    rounds: Annotated[int, typer.Option("--rounds", min=5, max=10_000, help="At most so many.")] = 30,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, max=1_440, help="Of rounds, at most.")] = 10.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0.2, max=600, help="Of each loop of a trial.")] = 1.5,
    warm: Annotated[
        float, typer.Option("--warm-s", min=0, max=3_600, help="Of each design, before the rounds.")
    ] = 10.0,
    false_alarm: Annotated[
        float,
        typer.Option(
            "--false-alarm", min=0.0001, max=0.2, help="How often anything is resolved where nothing differs."
        ),
    ] = 0.01,
    years: Years = YEARS,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            parser=path_named,
            help="Your prices of cores, disk and network (TOML): then the report says what a million meters cost a year.",
        ),
    ] = None,
    late: Annotated[
        str,
        typer.Option(
            "--late",
            metavar="PERCENT[,PERCENT]",
            help="Shares of deliveries that come 1 to 7 days late, as in 0,2,10: a ranking each, all sent once and in order.",
        ),
    ] = "",
    seed: Seed = None,
    *,
    report: ReportOptions,
) -> None:
    """Variants of the table design on the identical load, in turns on the same nodes, until one is shown to win.

    Exit codes: 0 there is a winner, 1 a variant does not hold the same facts or answers wrongly, 4 not resolved or in doubt.
    """
    named = variants_named(variants)
    late_shares = late_shares_of(late)
    price_list = None if prices is None else load_prices(prices)
    resolved = resolve_scenario(scenario, seed)  # before drivers and kernels are loaded: they take seconds
    require_no_wan(resolved.topology, "a tournament")
    from loadtests.tournament.bench import TournamentEffort
    from meterstorm.display.tournament import print_tournament
    from meterstorm.jobs.tournament import tournament

    effort = TournamentEffort(
        rounds_max=rounds, minutes_max=minutes, seconds=seconds, warm_s=warm, false_alarm=false_alarm
    )

    def job(folder: Path, progress: "Progress") -> "TournamentResults":
        return tournament(
            resolved,
            named,
            folder,
            effort,
            years=years,
            prices=price_list,
            late=late_shares,
            profile_folder=scenario.parent,
            progress=progress,
        )

    exit_with_report(job, print_tournament, report, f"{scenario.stem}-schemas")


def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: name, title, question, statements.")] = False,
) -> None:
    """The variants that ship, each with the question that it asks."""
    rows = [
        {
            "name": name,
            "title": variant.title,
            "question": variant.question,
            "statements": list(variant.statements),
        }
        for name, variant in shipped_variants().items()
    ]
    print_listing(rows, {"name": "variant", "question": "question"}, as_json=as_json)


def check_command(scenario: ScenarioPath, variants: Variants, years: Years = YEARS) -> None:
    """Read variants as a tournament would, without any node: of alterations their kind and table alone.

    What only a node can refuse, it refuses in `compare`.
    """
    named = variants_named(variants)
    resolved = resolve_scenario(scenario)
    from loadtests.tournament.entrants import entrants_of

    for name, entrant in entrants_of(resolved, named, years).items():
        told = f"{name}: {entrant.title}"
        if entrant.design is not None:
            told += "".join(
                f"; a partition of {table} holds at most {size.rows:,} rows, {size.bytes_max / 1e6:,.1f} MB after {years} years"
                for table, size in entrant.design.partitions.items()
            )
        if name in named and (
            altered := alterations_of(named[name])
        ):  # `plain`, which takes part as well, has none of its own
            told += (
                f"; of its {len(altered)} alterations kind and table were checked, all else is for a node to say"
                if len(altered) > 1
                else "; of its alteration kind and table were checked, all else is for a node to say"
            )
        PlainConsole().print(told, highlight=False, soft_wrap=True)


def alterations_of(variant: AnyVariant) -> tuple[str, ...]:
    """The CQL by which a variant changes tables of the design that ships."""
    return variant.queries.alterations if isinstance(variant, DesignFolder) else variant.store.alterations


def new_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            parser=path_named,
            help="FILE.toml alters tables of the design that ships; any other path is a folder with a table and queries of its "
            "own. What is there is left alone.",
        ),
    ],
) -> None:
    """Write a commented variant to begin one's own with."""
    files = new_variant(path)
    if path not in files:
        make_new_folder(path)
    for file, text in files.items():
        write_new_file(file, text)
    print(f"wrote {path}; check it with: meterstorm schemas check smoke --variants {shlex.quote(str(path))}")
