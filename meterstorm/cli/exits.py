"""How a command ends: with its results told and its exit code, or with the one sentence of what went wrong."""

import errno
import sys
import webbrowser
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import typer

from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.options import ReportOptions
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.run_folder import named_folder
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

    def model_dump_json(self, *, indent: int) -> str: ...


Answer = TypeVar("Answer", bound=HasVerdict)
Show = Callable[[PlainConsole, Answer, str], None]  # results on a console, and the path of their report


def exit_with_report(
    job: "Callable[[Path, Progress], Answer]",
    show: Show[Answer],
    report: ReportOptions,
    name: str,
) -> NoReturn:
    """Do a job in a folder of its own, --out or one under runs/ that begins with `name`; tell its results and end with them."""

    def reported(progress: "Progress") -> Answer:
        with named_folder(report.out, name) as folder:
            results = job(folder, progress)
            tell_results(results, show, folder, as_json=report.as_json)
            if report.open_report:
                webbrowser.open(RunFolder(folder).report.absolute().as_uri())
            return results

    exit_with_verdict(reported, report.quiet)


def tell_results(results: Answer, show: Show[Answer], folder: Path, *, as_json: bool) -> None:
    """Results as JSON on stdout, or shown."""
    if as_json:
        print(results.model_dump_json(indent=2))
    else:
        show(PlainConsole(), results, str(RunFolder(folder).report))


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
            left = "interrupted; nothing that it started is left running"
            message, code = "; ".join([left, *([str(error)] if str(error) else [])]), ExitCode.INTERRUPTED
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
