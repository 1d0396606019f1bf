"""The command `meterstorm`: its list of subcommands, a file each, and how all of them fail.

A new subcommand is a module here with a function `add_to(app)`, named in SUBCOMMANDS.
"""

import atexit
import gc
import logging
from importlib.metadata import version
from typing import Annotated, Any

import typer

from loadtests import interrupts
from loadtests.errors import HarnessError
from loadtests.storm.allocator import give_memory_back
from meterstorm.cli import (
    analyse,
    audit,
    cluster,
    doctor,
    find_max,
    gate,
    matrix,
    monitor,
    report,
    run,
    scenarios,
    schemas,
    simulate,
)
from meterstorm.cli.exits import fail
from meterstorm.cli.help_page import SETTINGS, CommandGroup
from scenarios.spec import ScenarioError
from store.ports import StoreError

# In the order of the help. Drivers and kernels take seconds to load: each command loads what it needs, and --help nothing.
SUBCOMMANDS = (
    run,
    simulate,
    find_max,
    matrix,
    gate,
    schemas,
    audit,
    analyse,
    report,
    scenarios,
    cluster,
    monitor,
    doctor,
)


class _Commands(CommandGroup):
    """The commands, each ending with one clear sentence when it fails: typer itself is silent about Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ScenarioError, HarnessError, StoreError, OSError, KeyboardInterrupt) as error:
            fail(error)
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("typer", "click"):  # wrong usage, and the way out
                raise
            logging.getLogger(__name__).exception("unexpected")  # exit code 1 would say that data was lost
            fail(HarnessError(f"{type(error).__name__}: {error}; this is a defect of meterstorm: please report it"))


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        print(f"meterstorm {version('meterstorm')}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
    pretty_exceptions_enable=False,
    help="Storm a real multi-data-centre Cassandra with a simulated nation of smart meters, "
    "and prove that nothing acknowledged was lost.",
    epilog="Exit codes: 0 pass, 1 fail, 2 wrong usage or scenario, 3 environment or harness error, 4 inconclusive, "
    "5 no baseline, 130 interrupted.",
)


@app.callback()
def _of_all(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and end.")
    ] = False,
) -> None:
    """What goes before a subcommand."""


for subcommand in SUBCOMMANDS:
    subcommand.add_to(app)


def main() -> None:
    """The entry point."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.WARNING)
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # what matters of it comes back as an exception
    give_memory_back()
    interrupts.listen()  # `kill` cleans up like Ctrl-C does
    atexit.register(
        gc.freeze
    )  # Python ends with a search for cycles, through all of Numba's objects: 0.3 s of a command's 2
    app()


if __name__ == "__main__":
    main()
