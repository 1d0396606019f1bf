"""Locust processes for tests, forked from one that has imported what Locust imports: as Locust's own `--processes` makes them.

A start of Python that imports Locust, the locustfile's modules and Numba costs 2 s of the processor, a fork of one that did so
0.3 s. From there on it is what `python -m locust` is: the same main, in a session of its own, with its own end and exit code.

Run as `python -m tests.support.forked_locust`. For each process to start it reads a line of JSON (`arguments`, `environment`,
`log`) and prints its id; how it ended is written beside the log. It ends when its standard input does.
"""

import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from types import TracebackType
from typing import Any, Self

SCENARIO = """
title = "t"
[estate]
premises = 1
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 8
"""


class ForkedLocust:
    """One Locust process. As a `subprocess.Popen`, of which tests use this much."""

    def __init__(self, pid: int, ended: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        if self.returncode is None and self._ended.exists():
            self.returncode = int(self._ended.read_text(encoding="ascii"))
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutExpired("locust", timeout)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


class LocustForks:
    """The process that is forked, as a context manager."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.forked_locust"]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, arguments: list[str], environment: dict[str, str], log: Path) -> ForkedLocust:
        """`locust ARGUMENTS`, with what it prints in `log`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        log.touch()
        asked = {"arguments": arguments, "environment": environment, "log": str(log)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return ForkedLocust(int(self._process.stdout.readline()), _ended(log))


def _ended(log: Path) -> Path:
    return log.with_name(f"{log.name}.ended")


def _serve() -> dict[str, Any] | None:
    """Fork as asked; in a fork what was asked of it, and in the process itself None at the end."""
    from gevent import monkey

    fork, wait = monkey.get_original("os", "fork"), monkey.get_original("os", "waitpid")
    ready, read = monkey.get_original("select", "select"), os.read
    logs: dict[int, Path] = {}
    text = b""
    while True:
        if ready([0], [], [], 0.1)[0]:
            got = read(0, 1 << 16)
            if not got:
                return None
            text += got
        while b"\n" in text:
            line, _, text = text.partition(b"\n")
            asked: dict[str, Any] = json.loads(line)
            child = fork()
            if child == 0:
                return asked
            logs[child] = Path(asked["log"])
            os.write(1, f"{child}\n".encode())
        while logs:
            child, status = wait(-1, os.WNOHANG)
            if not child:
                break
            ended = _ended(logs.pop(child))
            ended.with_suffix(".new").write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")
            ended.with_suffix(".new").replace(ended)


def _become(asked: dict[str, Any]) -> None:
    """What a shell does before it gives a process to a program."""
    os.setsid()
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(asked["log"], os.O_WRONLY | os.O_APPEND)
    for theirs, ours in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(theirs, ours)
        os.set_inheritable(ours, True)
    os.environ |= asked["environment"]
    tempfile.tempdir = None  # by its own environment
    sys.argv = ["locust", *asked["arguments"]]


if __name__ == "__main__":
    import gevent
    import locust.main

    # isort: split
    import loadtests.locust_fleet.master
    import loadtests.locust_fleet.runners
    import loadtests.locust_fleet.worker
    import loadtests.storm.tables  # noqa: F401
    from scenarios.spec import parse_scenario
    from sim.estate.model import build_estate

    build_estate(parse_scenario(SCENARIO, "forks"))  # loads kernels
    gc.collect()
    gc.freeze()  # as Locust does before it forks
    asked = _serve()
    if asked is not None:
        gevent.reinit()  # as after a fork of gevent's own
        _become(asked)
        locust.main.main()
