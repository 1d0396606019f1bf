"""How a command ends: its exit code, and the one sentence of what went wrong."""

import errno
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn, Protocol

import typer

from meterstorm.display.terminal import PlainConsole
from scenarios.spec import NoBaseline, ScenarioError

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.parts import Verdict


class ExitCode(IntEnum):
    """What the command's exit status says; the verdict's own codes are in `reports.results.run`."""

    USAGE = 2
    HARNESS = 3
    NO_BASELINE = 5
    INTERRUPTED = 130


class HasVerdict(Protocol):
    """Results that end a command with their verdict."""

    @property
    def verdict(self) -> "Verdict": ...


def exit_with_verdict(job: "Callable[[Progress], HasVerdict]", quiet: bool) -> NoReturn:
    from meterstorm.display.progress import Silent
    from meterstorm.display.run import Display

    display = Display(PlainConsole(stderr=True))
    try:
        results = job(Silent() if quiet else display)
    finally:
        display.close()
    raise typer.Exit(results.verdict.exit_code)


def fail(error: BaseException) -> NoReturn:
    match error:
        case KeyboardInterrupt():
            message, code = "interrupted; nothing that it started is left running", ExitCode.INTERRUPTED
        case NoBaseline():
            message, code = str(error), ExitCode.NO_BASELINE
        case ScenarioError():
            message, code = str(error), ExitCode.USAGE
        case OSError() if error.errno == errno.ENOSPC:
            message = f"the disk is full ({error.filename or 'while writing'}): free some, or name another with --out"
            code = ExitCode.HARNESS
        case _:
            message, code = str(error), ExitCode.HARNESS
    PlainConsole(stderr=True).print(f"meterstorm: {message}", style="red", highlight=False, soft_wrap=True)
    sys.exit(code)
