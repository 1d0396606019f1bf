"""Shards of an estate on processes of this machine: the same result to the last bit, and clear words when there are none."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from loadtests.errors import HarnessError
from meterstorm.jobs.dask_walk import walk_on_workers
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from sim.virtual_time.tallies import walk

FILE = """title = "t"
[estate]
premises = {premises}
[topology]
dcs = [{{ name = "one", nodes = 1, rf = 1 }}]
[run]
wall_s = 60
days = {days}
"""
BUSY_S = 8.0  # processor time after which a worker has imported, or compiled, all that it needs
SCENARIO = Scenario.model_validate(
    {
        "title": "shards",
        "estate": {
            "premises": 700,
            "fuels": ["electricity", "gas"],
            "read_schedules": {"daily": 0.5, "half_hourly": 0.5},
        },
        "wan": {"outages": [{"at_h": 6.0, "for_h": 3.0}]},
        "campaigns": [{"name": "price", "kind": "update_price", "at_h": 4.0, "effective_h": 24.0}],
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 60},
    }
)


def test_two_processes_give_the_tallies_of_one_and_leave_nothing_running() -> None:
    estate = build_estate(SCENARIO)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    shares: list[float] = []
    sharded = walk_on_workers(estate, SCENARIO, process_count=2, progress=shares.append)
    for name, one, other in zip(sharded._fields, walk(estate), sharded, strict=True):
        assert (one == other).all(), name
    assert sharded.offered.sum() > 30_000 and sharded.states.sum() == 700
    assert shares == sorted(shares) and shares[-1] == 1.0
    left = {
        child.pid: child.cmdline() for child in psutil.Process().children(recursive=True) if child.pid not in before
    }
    # Python's own tracker of shared resources stays for the life of the process that first spawned another.
    assert [line for line in left.values() if "resource_tracker" not in " ".join(line)] == []


def test_a_worker_that_dies_has_its_shard_walked_again() -> None:
    scenario = SCENARIO.model_copy(update={"estate": SCENARIO.estate.model_copy(update={"premises": 60_000})})
    estate = build_estate(scenario)
    killed: list[int] = []

    def kill_one(_share: float) -> None:
        workers = [
            child for child in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(child.cmdline())
        ]
        if not killed:
            killed.append(workers[0].pid)
            workers[0].kill()

    sharded = walk_on_workers(estate, scenario, process_count=2, progress=kill_one)
    assert killed
    for name, one, other in zip(sharded._fields, walk(estate), sharded, strict=True):
        assert (one == other).all(), name


def test_workers_with_other_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterstorm.jobs.dask_walk.KERNELS_STATE", "another")
    with pytest.raises(HarnessError, match=r"another version of meterstorm.*tls://127.0.0.1"):
        walk_on_workers(build_estate(SCENARIO), SCENARIO, process_count=1)


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with pytest.raises(HarnessError, match=re.escape("tcp://127.0.0.1:9")):
        walk_on_workers(build_estate(SCENARIO), SCENARIO, scheduler="tcp://127.0.0.1:9")


def test_ctrl_c_ends_workers_and_folder_with_one_line(tmp_path) -> None:
    """As a terminal does it: the signal reaches every process of the group. The whole simulation would take an hour."""
    path, out = tmp_path / "large.toml", tmp_path / "new"
    path.write_text(FILE.format(premises=50_000_000, days=100))
    command = [sys.executable, "-m", "meterstorm.cli.app", "simulate", str(path), "--out", str(out), "--processes", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    give_up_s = time.monotonic() + 240
    while not any(child.cpu_times().user > BUSY_S for child in psutil.Process(process.pid).children(recursive=True)):
        assert process.poll() is None and time.monotonic() < give_up_s, "no worker came to work"
        time.sleep(0.2)
    group = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told.strip().splitlines()[-1].startswith("meterstorm: interrupted")
    assert not out.exists()
    assert psutil.wait_procs(group, timeout=30)[1] == []


def test_the_command_gives_the_same_digest_by_processes_and_by_threads(tmp_path) -> None:
    path = tmp_path / "shards.toml"
    path.write_text(FILE.format(premises=300, days=1))
    digests = set()
    for option in (("--threads", "1"), ("--processes", "2")):
        command = [sys.executable, "-m", "meterstorm.cli.app", "simulate", str(path), "--json", "--quiet", *option]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        digests.add(json.loads(done.stdout)["digest"])
    assert len(digests) == 1
