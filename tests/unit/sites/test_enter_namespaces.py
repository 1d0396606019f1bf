"""A command in namespaces of its own: it ends as it would outside, hears signals, and leaves nothing however we end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from loadtests.errors import HarnessError
from loadtests.sites.enclosure import ENTER, OUTSIDE, is_inside, obstacle, outer_process, require_inside

ENTERING = [sys.executable, "-I", "-S", str(ENTER)]


@pytest.fixture(autouse=True, scope="module")
def machine() -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")


def inside(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*ENTERING, sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def started(code: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*ENTERING, sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def until(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_has_processes_and_a_network_of_its_own_and_ends_as_the_command_does() -> None:
    told = inside("import os; print(os.getpid(), sorted(os.listdir('/sys/class/net')) and 1); raise SystemExit(7)")
    assert told.returncode == 7
    assert told.stdout == "2 1\n"
    network = inside("import socket; print([name for _, name in socket.if_nameindex()])")
    assert network.stdout == "['lo']\n"


def test_a_command_that_a_signal_ends_is_told_as_a_shell_tells_it() -> None:
    assert inside("import os; os.kill(os.getpid(), 9)").returncode == 128 + signal.SIGKILL


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    tried = subprocess.run([*ENTERING, "/no/such"], capture_output=True, text=True, timeout=60, check=False)
    assert (tried.returncode, tried.stderr) == (125, "No such file or directory\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_us_alone_reaches_the_command(number: signal.Signals) -> None:
    code = (
        "import signal, time\n"
        "def end(*_): raise SystemExit(5)\n"
        f"signal.signal({int(number)}, end); print('up', flush=True); time.sleep(60)"
    )
    process = started(code)
    process.send_signal(number)
    assert process.wait(20) == 5


def test_what_the_command_left_running_ends_with_it_also_after_sigkill() -> None:
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(61)'], start_new_session=True)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    process = started(code)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 3  # the first process inside, the command, and its child
    process.kill()
    process.wait(20)
    assert until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))


def test_outside_no_network_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OUTSIDE, raising=False)
    assert not is_inside()
    assert outer_process() is None
    with pytest.raises(HarnessError, match="needs a network of its own"):
        require_inside()


def test_inside_we_know_who_we_are_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OUTSIDE, f"{os.getpid()} 12.25")
    assert is_inside()
    assert outer_process() == (os.getpid(), 12.25)
