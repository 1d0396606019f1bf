"""`meterstorm scenarios` and `meterstorm new-scenario`: what ships, and a file to begin one's own with."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from meterstorm.display.terminal import PlainConsole
from scenarios.file import new_scenario_text, shipped_scenarios
from scenarios.spec import ScenarioError


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
    shipped = shipped_scenarios()
    if as_json:
        rows = [
            {
                "name": name,
                "title": scenario.title,
                "question": scenario.question,
                "premises": scenario.estate.premises,
                "days": scenario.run.days,
            }
            for name, scenario in shipped.items()
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("homes", justify="right", no_wrap=True)
    table.add_column("question")
    for name, scenario in shipped.items():
        table.add_row(name, f"{scenario.estate.premises:,}", scenario.question)
    PlainConsole().print(table)


def new_scenario_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; one that is there is left alone.")],
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Begin with this shipped scenario instead.")
    ] = None,
) -> None:
    """Write a commented scenario file to begin one's own with."""
    text = new_scenario_text(path.stem, shipped)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ScenarioError(f"{path}: is there already and is left as it is; name another file") from None
    except FileNotFoundError:
        raise ScenarioError(f"{path}: the folder {path.parent} is not there; make it, or name another") from None
    print(f"wrote {path}; look at it with: meterstorm simulate {shlex.quote(str(path))}")
