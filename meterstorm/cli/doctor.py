"""`meterstorm doctor`: what this machine can do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterstorm.cli.exits import ExitCode
from meterstorm.cli.options import AsJson, path_named
from meterstorm.display.terminal import PlainConsole

if TYPE_CHECKING:
    pass


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command("doctor", epilog="Example: `meterstorm doctor --nodes 6`")(doctor_command)


def doctor_command(
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=32, help="For so many local nodes.")] = 2,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", parser=path_named, help="Where runs will be written.")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what needs mending.")] = False,
) -> None:
    """What this machine can and can't do, and how to mend it."""
    from loadtests.cluster.doctor import Grade, examine
    from loadtests.prometheus.programs import examine_programs
    from meterstorm.display.run import print_checks

    checks = (*examine(nodes, out), examine_programs())
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        print_checks(PlainConsole(), checks, only_trouble=quiet)
    if any(check.grade is Grade.FAIL for check in checks):
        raise typer.Exit(ExitCode.HARNESS)
