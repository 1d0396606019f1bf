"""`meterstorm scenarios` and `meterstorm new-scenario`: what ships, and a file to begin one's own with."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from meterstorm.cli.listing import print_listing, write_new_file
from scenarios.file import new_scenario_text, shipped_scenarios


def add_to(app: typer.Typer) -> None:
    """Add both commands to the command's list."""
    app.command("scenarios", epilog="Example: `meterstorm scenarios --json`")(scenarios_command)
    app.command(
        "new-scenario",
        epilog="Examples: `meterstorm new-scenario mine.toml`, `meterstorm new-scenario mine.toml --from regional_outage`",
    )(new_scenario_command)


def scenarios_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: name, title, question, premises, days.")] = False,
) -> None:
    """The scenarios that ship, each with the question that it answers."""
    rows = [
        {
            "name": name,
            "title": scenario.title,
            "question": scenario.question,
            "premises": scenario.estate.premises,
            "days": scenario.run.days,
        }
        for name, scenario in shipped_scenarios().items()
    ]
    print_listing(rows, {"name": "scenario", "premises": "homes", "question": "question"}, as_json=as_json)


def new_scenario_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; one that is there is left alone.")],
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Begin with this shipped scenario instead.")
    ] = None,
) -> None:
    """Write a commented scenario file to begin one's own with."""
    write_new_file(path, new_scenario_text(path.stem, shipped))
    print(f"wrote {path}; look at it with: meterstorm simulate {shlex.quote(str(path))}")
