"""`meterstorm scenarios`, `scenarios show` and `new-scenario`: what ships, each whole, and a file to begin one's own with."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from meterstorm.cli.help_page import CommandGroup
from meterstorm.cli.listing import print_listing, print_rows, write_new_file
from meterstorm.cli.options import ScenarioPath
from scenarios.file import load_scenario, new_scenario_text, scenario_file, shipped_names, shipped_scenarios
from scenarios.texts.outside import read_text
from scenarios.texts.printable import printable

GROUPS = {"load": "Load, commands and tariffs", "faults": "Faults: what is broken meanwhile"}
COLUMNS = {"name": "scenario", "premises": "homes", "here": "nodes", "question": "question"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command's list."""
    scenarios = typer.Typer(cls=CommandGroup)
    scenarios.callback(
        invoke_without_command=True,
        epilog="Examples: `meterstorm scenarios`, `meterstorm scenarios --json`, `meterstorm scenarios show smoke`",
    )(scenarios_command)
    scenarios.command(
        "show",
        epilog="Examples: `meterstorm scenarios show smoke`, `meterstorm scenarios show mine.toml --resolved`",
    )(show_command)
    app.add_typer(scenarios, name="scenarios")
    app.command(
        "new-scenario",
        epilog="Examples: `meterstorm new-scenario mine.toml`, `meterstorm new-scenario mine.toml --from regional_outage`",
    )(new_scenario_command)


def scenarios_command(
    ctx: typer.Context,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="As JSON, with title and days, and why the nodes can't be started here where they can't.",
        ),
    ] = False,
) -> None:
    """The scenarios that ship, each with the question that it answers; `show NAME` prints one."""
    if ctx.invoked_subcommand is not None:
        return
    from meterstorm.jobs.nodes_here import node_count_of, why_not_here

    group_of = {name: group for group, names in shipped_names().items() for name in names}
    why_not = why_not_here()
    rows = [
        {
            "name": name,
            "group": group_of[name],
            "title": scenario.title,
            "question": scenario.question,
            "premises": scenario.estate.premises,
            "days": scenario.run.days,
            "nodes": node_count_of(scenario),
            "not_here": why_not(scenario),
        }
        for name, scenario in shipped_scenarios().items()
    ]
    if as_json:
        print_listing(rows, COLUMNS, as_json=as_json)
        return
    for group, heading in GROUPS.items():
        told = [
            {**row, "here": f"{row['nodes']}: {row['not_here']}" if row["not_here"] else row["nodes"]}
            for row in rows
            if row["group"] == group
        ]
        print(heading)
        print_rows(told, COLUMNS)
        print()
    print(
        "Nodes: so many are started by `meterstorm run NAME`, which needs a machine that is fast enough for the homes;\n"
        "`meterstorm simulate NAME` needs none."
    )


def show_command(
    scenario: ScenarioPath,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With every default filled in, as a run keeps it; without its comments.")
    ] = False,
) -> None:
    """Print a scenario's file: TOML, with its comments."""
    path = scenario_file(scenario)
    loaded, text = load_scenario(path), read_text(path).replace("\r\n", "\n")
    if resolved:
        from meterstorm.jobs.run_folder import resolved_text

        text = resolved_text(loaded)
    sys.stdout.write(printable(text, keep="\n\t"))


def new_scenario_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; one that is there is left alone.")],
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Begin with this shipped scenario instead.")
    ] = None,
) -> None:
    """Write a commented scenario file to begin one's own with."""
    write_new_file(path, new_scenario_text(path.stem, shipped))
    print(f"wrote {path}; look at it with: meterstorm simulate {shlex.quote(str(path))}")
