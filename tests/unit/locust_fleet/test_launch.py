"""Locust as a child process: whatever becomes of it, nothing of its group is left."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.locust_fleet import launch
from loadtests.locust_fleet.record import StormRecord
from loadtests.locust_fleet.secret import SECRET_VARIABLE, read_secret
from loadtests.metrics.instruments import Instruments
from loadtests.recording.history import HistoryWriter
from loadtests.recording.run_folder import RunFolder
from meterstorm.cli.run import fleet_of
from scenarios.file import shipped_scenarios
from scenarios.spec import ScenarioError

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
    process = launch._start([sys.executable, str(program)], RunFolder(tmp_path))
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


FORKING = """
import os, subprocess, sys, time
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
workers = [os.fork(), 0]
if workers[0]:
    workers[1] = os.fork()
if all(workers):
    print(*workers, flush=True)
time.sleep(600)
"""


def test_workers_are_what_locust_has_forked_and_can_be_killed_one_by_one(tmp_path: Path) -> None:
    program = tmp_path / "forking.py"
    program.write_text(FORKING)
    process = launch._start([sys.executable, str(program)], RunFolder(tmp_path))
    try:
        log = tmp_path / "logs" / "locust.log"
        deadline = time.monotonic() + 60
        while not log.read_text().strip():
            assert time.monotonic() < deadline, "it did not start"
            time.sleep(0.05)
        first, second = workers = launch.local_workers(process.pid)
        assert sorted(map(int, log.read_text().split())) == [one._process.pid for one in workers]
        assert first.poll() is None is second.poll()
        first.kill()
        while first.poll() is None:  # its parent never asks after it
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert second.poll() is None
        first.kill()  # does nothing
    finally:
        launch._end(process)
    assert second.poll() is not None and launch.local_workers(process.pid) == []


def test_a_fleet_has_ended_when_all_that_was_killed_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill takes effect when the kernel comes to it: of a busy machine some were still there a moment later."""
    program = tmp_path / "forking.py"
    program.write_text(FORKING)
    process = launch._start([sys.executable, str(program)], RunFolder(tmp_path))
    log, deadline = tmp_path / "logs" / "locust.log", time.monotonic() + 60
    while not log.read_text().strip():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.05)
    poll, asked = launch.WorkerProcess.poll, list[int]()

    def late(worker: launch.WorkerProcess) -> int | None:
        asked.append(worker._process.pid)
        return None if len(asked) < 4 else poll(worker)

    monkeypatch.setattr(launch.WorkerProcess, "poll", late)
    launch._end(process)
    assert len(asked) >= 4


def test_a_second_ctrl_c_while_locust_ends_leaves_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(STUBBORN.format(then="pass"))
    process = launch._start([sys.executable, str(program)], RunFolder(tmp_path))
    wait = process.wait

    def interrupted(timeout: float | None = None) -> int:
        if timeout == launch.STOP_S_MAX:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(process, "wait", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            launch._end(process)
        assert process.poll() is not None
    finally:
        process.kill()
        wait()


@pytest.mark.parametrize("is_gone", [True, False])  # reaped before Ctrl-C, or between the look and the signal
def test_ctrl_c_after_locust_has_ended_interrupts_what_goes_on_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    monkeypatch.setattr(launch, "_await_start", lambda *_: StormRecord(zero_ns=time.monotonic_ns()))
    process = launch._start([sys.executable, "-c", ""], RunFolder(tmp_path))
    process.wait()
    if not is_gone:
        monkeypatch.setattr(process, "poll", iter([0, None]).__next__)

    class Beside:
        stops = 0

        def start(self, zero_ns: int) -> None:
            pass

        def wait(self) -> None:
            raise KeyboardInterrupt

        def stop(self) -> None:
            self.stops += 1

    beside = Beside()
    is_interrupted = launch._follow(
        process,
        beside,  # type: ignore[arg-type]
        RunFolder(tmp_path),
        lambda _: (),
        HistoryWriter(tmp_path / "history", ()),
        lambda _: None,
        Instruments(shipped_scenarios()["smoke"]),
        None,
    )
    assert is_interrupted and beside.stops == 1


def test_the_secret_is_in_a_file_of_ours_and_not_on_the_command_line(tmp_path: Path) -> None:
    secret = "known to nobody else"
    plan = launch.FleetPlan(worker_count=2, listen=("0.0.0.0", 5557), secret=secret)
    endpoint = Endpoint(contact_points=("127.0.0.1",), local_dc="north", port=9042)
    command = launch._command(plan, endpoint, RunFolder(tmp_path), tmp_path)
    assert secret not in " ".join(command) and secret not in repr(plan)
    path = Path(command[command.index("--secret-file") + 1])
    assert read_secret(path) == secret  # which refuses one that others may read


@pytest.mark.parametrize("listen", ["0.0.0.0:5557", "10.0.0.5:5557", "[::]:5557"])
def test_listening_beyond_loopback_needs_a_secret(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(ScenarioError, match="share a secret"):
        fleet_of(2, listen, 0)
    monkeypatch.setenv(SECRET_VARIABLE, "long enough to be one")
    plan = fleet_of(2, listen, 0)
    assert plan is not None and plan.secret == "long enough to be one"


def test_on_loopback_it_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    plan = fleet_of(2, "127.0.0.1:5557", 0)
    assert plan is not None and plan.secret is None
    with pytest.raises(ScenarioError, match="goes with --listen"):
        fleet_of(2, None, 0, Path("secret"))
