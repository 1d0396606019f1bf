"""A program in the background: started by a command that ends, held by a process of its own, told of by a file in its folder.

Until it serves, the process hangs on the command by a pipe, so a command that is interrupted or killed leaves nothing behind.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import ClassVar, NoReturn, Self, TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.errors import HarnessError, how_it_ended, last_words
from scenarios.texts.outside import UnreadableText, read_text, why_refused
from scenarios.texts.printable import printable

POLL_S = 0.1

Progress = Callable[[str], None]
State = TypeVar("State", bound="BackgroundState")


class BackgroundPhase(StrEnum):
    """Where it stands."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPED = "stopped"  # by `down`
    FAILED = "failed"  # did not come up, or ended by itself; `message` says why
    GONE = "gone"  # its process was killed, and all that it held with it


class BackgroundState(BaseModel):
    """What the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    FILE: ClassVar[str]
    LOG: ClassVar[str]
    NOUN: ClassVar[str]  # what it is: a background cluster
    UP: ClassVar[str]  # the command that starts one, without its options
    WITH_IT: ClassVar[str]  # what ends with its process

    phase: BackgroundPhase
    pid: int = 0
    started_at: float = 0.0  # of the process [s since the epoch], since a process id alone may have been used again
    message: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises HarnessError where there is none, or it can't be read."""
        path = folder / cls.FILE
        try:
            return cls.model_validate_json(read_text(path))
        except FileNotFoundError:
            raise HarnessError(
                f"{folder} holds no {cls.NOUN}; start one with: {cls.UP} --out {shlex.quote(str(folder))}"
            ) from None
        except (OSError, UnreadableText, ValidationError) as error:
            raise HarnessError(f"{path} can't be read: {why_refused(error)}; remove it and start again") from error

    @classmethod
    def status(cls, folder: Path) -> Self:
        """How it stands by now. Raises as `read`."""
        state = cls.read(folder)
        if state.phase in (BackgroundPhase.STARTING, BackgroundPhase.SERVING) and not state.is_running():
            told = f"its process was killed, and {cls.WITH_IT} with it"
            return state.model_copy(update={"phase": BackgroundPhase.GONE, "message": told})
        return state

    def told(self) -> str:
        """Its phase, and why."""
        return f"{self.phase.value}: {printable(self.message)}" if self.message else self.phase.value

    def write(self, folder: Path) -> None:
        draft = folder / f"{self.FILE}.draft"
        draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / self.FILE)

    def is_running(self) -> bool:
        """Whether its process is there."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started_at) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, ValueError):
            return False

    def held_by_us(self, folder: Path) -> Self:
        """The same with our process as the one that holds it, written.

        From now on SIGTERM, Ctrl-C and the death of the starting command raise SystemExit in the main thread.
        """
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        me = psutil.Process()
        state = self.model_copy(update={"pid": me.pid, "started_at": me.create_time()})
        state.write(folder)
        threading.Thread(target=_leave_with_starter, daemon=True).start()
        return state


def start(state: BackgroundState, module: str, folder: Path, progress: Progress, end_s_max: float) -> BackgroundState:
    """Run `python -m module folder` until it serves, and let it go on alone; returns its state.

    state: what it starts from. Raises HarnessError when it does not come up, with nothing left running.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state.write(folder)
        log = (folder / state.LOG).open("wb")
    except OSError as error:
        raise HarnessError(f"folder {folder} can't be written: {error}; name another with --out") from error
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        served = _await_serving(type(state), process, folder, progress, end_s_max)
        assert process.stdin
        process.stdin.write(b"go on alone\n")
        process.stdin.close()
        return served
    except BaseException:
        process.terminate()
        process.wait(end_s_max)
        left = type(state).read(folder)
        if left.phase in (BackgroundPhase.STARTING, BackgroundPhase.SERVING):  # ended before it could hear of the end
            stopped(left).write(folder)
        raise


def stopped(state: State) -> State:
    """The same, of a process that is no longer there."""
    return state.model_copy(update={"phase": BackgroundPhase.STOPPED, "message": ""})


def end(state: BackgroundState, folder: Path, end_s_max: float) -> None:
    """End its process, and wait till it is gone. Raises HarnessError when it does not end."""
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + end_s_max
    while state.is_running():
        if time.monotonic() > deadline:
            raise HarnessError(f"process {state.pid} does not end; see {folder / state.LOG}, then kill it")
        time.sleep(POLL_S)


def say(words: str) -> None:
    """Tell the command that waits for us."""
    print(words, flush=True)


def _await_serving(
    kind: type[BackgroundState],
    process: subprocess.Popen[bytes],
    folder: Path,
    progress: Progress,
    end_s_max: float,
) -> BackgroundState:
    """Pass the process' words on to `progress` until it serves."""
    log = folder / kind.LOG
    with log.open(encoding="utf-8", errors="replace") as words:
        while True:
            ended = process.poll() is not None
            for line in words:
                progress(line.rstrip())
            state = kind.read(folder)
            if state.phase is BackgroundPhase.SERVING:
                return state
            if state.phase is BackgroundPhase.FAILED:
                process.wait(end_s_max)
                raise HarnessError(state.message)
            if ended:
                last = last_words(log)
                said = f", saying: {last}" if last else ""
                raise HarnessError(f"its process ended ({how_it_ended(process.returncode)}){said}; see {log}")
            time.sleep(POLL_S)


def _leave_with_starter() -> None:
    """Read what the starting command says on the pipe; a pipe that ends without a word is a command that died."""
    if sys.stdin.buffer.readline() == b"":
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit
