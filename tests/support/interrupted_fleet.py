"""Cases of `tests/regression/test_folders_of_an_interrupted_fleet.py`, which runs them in a process that Locust has patched.

Each step is a fork of its own: it becomes a master or a worker as the locustfile makes one, is sent a signal as it comes to
its nth line of ours, and ends as Python ends a program. With n = 1, 2, 3 ... every line is one at which the signal came.
"""

import atexit
import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import numpy.ma  # noqa: F401  NumPy loads it at its first use: here, and not in every fork
import pytest
from locust.event import Events

import loadtests
from loadtests import interrupts, locustfile
from loadtests.cluster.connect import Endpoint
from loadtests.locust_fleet import worker as fleet_worker
from loadtests.locust_fleet.messages import Given
from loadtests.locust_fleet.options import FleetOptions
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate

TEXT = """
title = "t"
[estate]
premises = 20
fuels = ["electricity"]
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 8
"""
SCENARIO = parse_scenario(TEXT, "test")
ESTATE = build_estate(SCENARIO)
STEPPED = (str(Path(loadtests.__file__).parent), contextlib.__file__)  # whose lines are counted
STEPS_MAX = 2_000
PAST_THE_END, STRANGE = 100, 101  # exit codes of a fork: it has no nth line; it did not end as it should
Make = Callable[[Path], Any]
When = Callable[[Make, Path, int, int], int]


def signalled(number: int, step: int, act: Callable[[], Any]) -> int:
    """Act and end as a program does, with a signal at the nth line of ours; how many lines there were."""
    lines = [0]

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(STEPPED):
            return None
        if event == "line":
            lines[0] += 1
            if lines[0] == step:
                os.kill(os.getpid(), number)
        return trace

    sys.settrace(trace)
    try:  # noqa: SIM105  the lines of `suppress` would be stepped through
        act()
    except KeyboardInterrupt:
        pass
    atexit._run_exitfuncs()
    sys.settrace(None)
    return lines[0]


def options_of(folder: Path, out: Path | None) -> FleetOptions:
    return FleetOptions(
        scenario=SCENARIO,
        scenario_folder=folder,
        stored_profile=None,
        endpoint=Endpoint(contact_points=("127.0.0.1",), local_dc="north", port=9042),
        out=out,
        shard_count=1,
        closed_in_flight=None,
        has_tables=True,
        keeps_own_ledger=False,
    )


def environment_of() -> Any:
    runner = SimpleNamespace(
        register_message=lambda *_: None, send_message=lambda *_: None, is_sealed=True, state="ready"
    )
    given = SimpleNamespace(num_users=None, spawn_rate=None)
    return SimpleNamespace(
        runner=runner, events=Events(), parsed_options=given, web_ui=None, user_classes=[locustfile.FleetUser]
    )


def named_master(folder: Path) -> Any:
    environment = environment_of()
    locustfile._become_master(environment, environment.runner, options_of(folder, folder / "run"), ESTATE)
    return environment


def unnamed_master(folder: Path) -> Any:
    environment = environment_of()
    locustfile._become_master(environment, environment.runner, options_of(folder, None), ESTATE)
    return environment


def started_master(folder: Path) -> Any:
    """*Start* was pressed, and no shard is ready yet; one has begun its log."""
    environment = named_master(folder)
    environment.events.test_start.fire(environment=environment)
    gevent.sleep(0)  # it begins to watch
    (folder / "run" / "logs").mkdir()
    (folder / "run" / "logs" / "shard-0.log").touch()
    return environment


def worker(folder: Path) -> Any:
    environment = environment_of()
    locustfile._become_worker(environment, environment.runner, options_of(folder, None), ESTATE)
    return environment


def while_it_is_made(make: Make, folder: Path, number: int, step: int) -> int:
    """A signal at the nth line of its making, or of Python's ending of it."""
    return signalled(number, step, lambda: make(folder))


def while_it_is_cleaned_up(make: Make, folder: Path, number: int, step: int) -> int:
    """It waits, a signal ends it, and a second one comes at the nth line of Python's ending of it."""
    make(folder)
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    return signalled(number, step, lambda: None)


def while_locust_quits(make: Make, folder: Path, number: int, step: int) -> int:
    """Locust tells that it quits, and a signal comes at the nth line of what is done then."""
    environment = make(folder)
    return signalled(number, step, lambda: environment.events.quitting.fire(environment=environment, reverse=True))


def a_fork_has_the_line(when: When, make: Make, folder: Path, number: int, step: int) -> bool:
    """Run one step in a fork; whether there was an nth line."""
    child = gevent.fork()
    if child == 0:
        code = STRANGE
        try:
            atexit._clear()
            interrupts.APART_S = 0.0  # two signals at once are two
            os.chdir(folder)
            tempfile.tempdir = str(folder)
            code = 0 if when(make, folder, number, step) >= step else PAST_THE_END
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, PAST_THE_END), f"step {step}: it ended with {code}"
    return code == 0


@pytest.mark.parametrize(
    ("when", "make", "number"),
    [
        (while_it_is_made, named_master, signal.SIGINT),
        (while_it_is_made, unnamed_master, signal.SIGTERM),
        (while_it_is_made, worker, signal.SIGTERM),
        (while_it_is_cleaned_up, named_master, signal.SIGTERM),
        (while_it_is_cleaned_up, worker, signal.SIGINT),
        (while_locust_quits, named_master, signal.SIGINT),
        (while_it_is_cleaned_up, started_master, signal.SIGINT),
        (while_locust_quits, started_master, signal.SIGTERM),
        (while_locust_quits, worker, signal.SIGTERM),
    ],
)
def test_at_no_line_a_signal_leaves_a_folder(when: When, make: Make, number: int, tmp_path: Path) -> None:
    step = 1
    while a_fork_has_the_line(when, make, tmp_path, number, step):
        left = [path for path in tmp_path.rglob("*") if path.name != "runs"]
        assert not left, f"at step {step}"
        step += 1
        assert step < STEPS_MAX
    assert step > 5  # else nothing was stepped through


def test_a_shard_that_is_given_to_a_worker_that_has_stopped_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was made anew after it had been taken away, and nobody ended its process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stopped = worker(tmp_path).fleet_worker
    stopped.stop()
    given = Given(shard=0, shard_count=1, closed_in_flight=None, has_customers=False, ledger_folder=None)
    with gevent.Timeout(20, False):
        stopped._host(given)
    assert stopped._shards[0].process is None
    assert list(tmp_path.iterdir()) == []


def test_the_next_worker_takes_away_the_folder_of_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = gevent.fork()
    if child == 0:
        worker(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    following = worker(tmp_path).fleet_worker
    (found,) = tmp_path.iterdir()
    assert found != left
    following.stop()
    assert list(tmp_path.iterdir()) == []


def test_no_signal_is_lost_while_a_shard_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops what is raised in a hook of a fork: Ctrl-C was lost, and logging's lock kept for good."""
    heard: list[str] = []

    def start_shard(_log: Path) -> tuple[Any, Any]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            heard.append("in the fork")
        return SimpleNamespace(), SimpleNamespace(send=heard.append)

    monkeypatch.setattr(fleet_worker, "start_shard", start_shard)
    monkeypatch.setattr(interrupts, "APART_S", 0.0)
    given = Given(shard=0, shard_count=1, closed_in_flight=None, has_customers=False, ledger_folder=None)
    shard = fleet_worker._HostedShard(given, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        shard.start(options_of(tmp_path, None), ESTATE)
    assert shard.process is not None and heard == []
