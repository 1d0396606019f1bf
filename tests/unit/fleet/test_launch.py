"""Locust as a child process: whatever becomes of it, nothing of its group is left."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.fleet import launch

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    worker = subprocess.Popen([sys.executable, __file__, "worker"])
    print(worker.pid, flush=True)
    {then}
time.sleep(600)
"""


@pytest.mark.parametrize("then", ["pass", "sys.exit(0)"])  # it hangs; it ends, and its worker outlives it
def test_what_does_not_hear_ctrl_c_is_killed_with_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(launch, "STOP_S_MAX", 0.5)
    program = tmp_path / "stubborn.py"
    program.write_text(STUBBORN.format(then=then))
    process = launch._start([sys.executable, str(program)], tmp_path)
    log = tmp_path / "logs" / "locust.log"
    deadline = time.monotonic() + 60
    while not log.read_text().strip():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.05)
    worker = psutil.Process(int(log.read_text()))
    launch._end(process)
    assert process.returncode is not None
    _, alive = psutil.wait_procs([worker], timeout=10)
    assert alive == []
