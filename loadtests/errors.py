"""Trouble that is not the scenario's: the environment or the harness itself."""

import signal
from pathlib import Path

LOG_END_BYTES = 16 * 1024


class HarnessError(Exception):
    """The machine, the cluster or the generator can't do what was asked; the message names the thing and the mend."""


def how_it_ended(status: int) -> str:
    """A process' return code in words: 'exit code 1', 'signal SIGKILL'."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"


def last_words(log: Path) -> str:
    """The last line that a process left in its log, of a traceback the error; empty when it left none.

    What it only noted is no word about its end: a sender that was killed had met a node, and was told to have died saying so.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_END_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip() and " INFO " not in line), "")
