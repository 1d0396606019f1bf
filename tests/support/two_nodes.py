"""Two nodes of a local cluster, as far as looking at their processes and files goes: processes that do nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from loadtests.cluster.local import Node

NODES = {"north": "127.0.0.1", "south": "127.0.0.2"}  # by DC, which has this one
IDLE = "import sys; sys.stdin.read()"  # until it is killed, or we are gone


class TwoNodes:
    """One node in `north` and one in `south`; their folders are below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._processes = {dc: subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE) for dc in NODES}
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.communicate()

    @property
    def nodes(self) -> list[Node]:
        return [
            Node(name=f"{dc}-1", dc=dc, address=address, pid=self._processes[dc].pid, folder=self._folder / dc)
            for dc, address in NODES.items()
        ]

    def kill(self, dc: str) -> None:
        """End a node's process, and leave it to others to ask for its exit code."""
        self._processes[dc].kill()
        os.waitid(os.P_PID, self._processes[dc].pid, os.WEXITED | os.WNOWAIT)

    def collect(self, dc: str) -> None:
        """Ask for the exit code of a node that was killed."""
        self._processes[dc].wait()
