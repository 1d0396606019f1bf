"""The tether alone, with `sleep` in a node's place; tests/integration/cluster/test_life.py has real nodes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.cluster.tether import TETHER, run_tied

# A parent that starts a tethered child, tells the child's process id, and waits to be killed.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), "/bin/sleep", "60"],
                         stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(60)
"""
# One that runs such a child to its end.
RUNNING_PARENT = """
import sys
from loadtests.cluster.tether import run_tied
run_tied(["/bin/sh", "-c", f"echo $$ >{sys.argv[1]}; exec sleep 60"], 60)
"""
GONE_S_MAX = 10.0


def is_gone_soon(pid: int) -> bool:
    deadline = time.monotonic() + GONE_S_MAX
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("by_watcher", [False, True], ids=["kernel", "watcher"])
def test_a_child_dies_with_its_killed_parent(by_watcher: bool) -> None:
    environment = {**os.environ, **({"METERSTORM_TETHER_WATCHER": "1"} if by_watcher else {})}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(TETHER)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout
        child_pid = int(parent.stdout.readline())
        deadline = time.monotonic() + GONE_S_MAX
        while psutil.Process(child_pid).name() != "sleep":  # the tether has become the command
            assert time.monotonic() < deadline
            time.sleep(0.01)

        parent.send_signal(signal.SIGKILL)

    assert is_gone_soon(child_pid)


@pytest.mark.parametrize("by_watcher", [False, True], ids=["kernel", "watcher"])
def test_a_child_that_is_waited_for_dies_with_its_killed_parent(by_watcher: bool, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    environment = {**os.environ, **({"METERSTORM_TETHER_WATCHER": "1"} if by_watcher else {})}
    with subprocess.Popen([sys.executable, "-c", RUNNING_PARENT, str(told)], env=environment) as parent:
        child_pid = int(told.read_text())
        assert psutil.pid_exists(child_pid)
        parent.send_signal(signal.SIGKILL)
    assert is_gone_soon(child_pid)


@pytest.mark.parametrize("by_watcher", [False, True], ids=["kernel", "watcher"])
def test_a_tied_child_may_take_its_time_up_to_a_limit(by_watcher: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if by_watcher:
        monkeypatch.setenv("METERSTORM_TETHER_WATCHER", "1")
    done = run_tied(["/bin/sh", "-c", "sleep 0.1; echo out; echo err >&2; exit 3"], 60)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    with pytest.raises(subprocess.TimeoutExpired):
        run_tied(["/bin/sleep", "60"], 0.1)


def test_the_watcher_ends_with_its_child() -> None:
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", TETHER, str(os.getpid()), "/bin/sleep", "60"],
        stdin=subprocess.PIPE,
        env={**os.environ, "METERSTORM_TETHER_WATCHER": "1"},
    )
    watchers: list[psutil.Process] = []
    deadline = time.monotonic() + GONE_S_MAX
    while not watchers and time.monotonic() < deadline:
        watchers = psutil.Process(child.pid).children()

    child.kill()
    child.wait()
    assert child.stdin
    child.stdin.close()

    assert watchers
    assert all(is_gone_soon(watcher.pid) for watcher in watchers)


def test_a_child_whose_parent_has_gone_before_it_could_ask_does_not_start() -> None:
    nobody = psutil.Process(os.getpid()).ppid()
    run = subprocess.run(
        [sys.executable, "-I", "-S", TETHER, str(nobody), "/bin/echo", "started"],
        stdin=subprocess.PIPE,
        capture_output=True,
    )

    assert run.stdout == b""
    assert run.returncode == -signal.SIGKILL
