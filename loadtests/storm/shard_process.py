"""Starting a process that is spoken to over a socket: a shard of the storm, whoever its parent is, or what goes on beside it."""

import mmap
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.recorder import LIVE_SIZE


def start_shard(log_path: Path) -> tuple["subprocess.Popen[bytes]", Connection]:
    """Start a process that waits for its `ShardPlan` on the connection, and ends when that does."""
    return start_process("loadtests.storm.shard", log_path)


def start_process(module: str, log_path: Path) -> tuple["subprocess.Popen[bytes]", Connection]:
    """Start a module's process, which waits for its plan on the connection."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        os.set_blocking(end.fileno(), True)  # under Locust's gevent they are not, and a Connection expects it
    with theirs, log_path.open("ab") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C is the parent's to hear; the socket's end tells a shard of its death
        )
    return process, Connection(ours.detach())


def new_live_counts(path: Path) -> NDArray[np.int64]:
    """A file of counters that the shard writes and the parent reads: int64[LIVE_SIZE]."""
    path.write_bytes(bytes(LIVE_SIZE * 8))
    with path.open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), LIVE_SIZE * 8), np.int64)
