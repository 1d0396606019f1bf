"""A walk that was cut off goes on from its checkpoint and ends as one that was not; what is of another walk is refused."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenarios.spec import Scenario, ScenarioError
from sim.estate.model import build_estate
from sim.virtual_time import parallel
from sim.virtual_time.checkpoint import Checkpoint
from sim.virtual_time.tallies import Tallies, trace_digest, walk

SCENARIO = """
title = "a few homes"
[estate]
premises = 500
fuels = ["electricity", "gas"]
[estate.read_schedules]
daily = 0.5
half_hourly = 0.5
[topology]
dcs = [{ name = "one", nodes = 1, rf = 1 }]
[run]
wall_s = 60
days = 5
"""
# The command with chunks of ten homes and a checkpoint after each of them, which a small estate needs to be killed in its midst.
COMMAND = """
import sys
from sim.virtual_time import parallel
parallel.CHUNK_SIZE, parallel.KEEP_EVERY_S = 10, 0.0
from meterstorm.cli.app import main
main()
"""


class CutOff(Exception):
    pass


@pytest.fixture
def scenario() -> Scenario:
    return Scenario.model_validate(tomllib.loads(SCENARIO))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "CHUNK_SIZE", 50)
    monkeypatch.setattr(parallel, "KEEP_EVERY_S", 0.0)


def cut_off(scenario: Scenario, path: Path, at: float, threads: int = 1) -> Checkpoint:
    """A walk that ends with an error when it is so far."""
    estate = build_estate(scenario)
    checkpoint = Checkpoint.of(path, estate, scenario.title)

    def stop(share: float) -> None:
        if share >= at:
            raise CutOff

    with pytest.raises(CutOff):
        walk(estate, thread_count=threads, progress=stop, checkpoint=checkpoint)
    return checkpoint


def assert_equal(one: Tallies, other: Tallies) -> None:
    for name, a, b in zip(one._fields, one, other, strict=True):
        assert (a == b).all(), name


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.usefixtures("small_chunks")
def test_a_walk_goes_on_from_where_it_was_cut_off(scenario, tmp_path, threads):
    path = tmp_path / "walk"
    checkpoint = cut_off(scenario, path, 0.3, threads)
    cut_off(scenario, path, 0.7, threads)
    told: list[float] = []
    estate = build_estate(scenario)
    resumed = walk(estate, thread_count=threads, progress=told.append, checkpoint=checkpoint)
    assert told[0] > 0.5 and told[-1] == 1.0 and told == sorted(told)
    assert_equal(resumed, walk(estate))
    assert_equal(walk(estate, checkpoint=checkpoint), resumed)  # what is whole is not walked again


@pytest.mark.usefixtures("small_chunks")
def test_what_is_of_another_walk_is_refused_and_stays(scenario, tmp_path):
    path = tmp_path / "walk"
    checkpoint = cut_off(scenario, path, 0.5)
    kept = path.read_bytes()
    of_seed = scenario.model_copy(update={"run": scenario.run.model_copy(update={"seed": 9})})
    larger = scenario.model_copy(update={"estate": scenario.estate.model_copy(update={"premises": 501})})
    for other, saying in (
        (Checkpoint.of(path, build_estate(of_seed), "x"), f"is of seed {scenario.run.seed}, and this simulation has 9"),
        (Checkpoint.of(path, build_estate(larger), "x"), "is of another scenario or profile .'a few homes'."),
        (replace(checkpoint, kernels="others"), "by another version of meterstorm"),
    ):
        totals = (np.zeros(3, np.int64),)
        with pytest.raises(ScenarioError, match=saying):
            other.read(totals)
    with pytest.raises(ScenarioError, match="is of seed"):
        walk(build_estate(of_seed), checkpoint=Checkpoint.of(path, build_estate(of_seed), "x"))
    assert path.read_bytes() == kept


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("damage", ["a bit", "cut short", "longer", "of chunks"])
def test_a_damaged_checkpoint_is_refused(scenario, tmp_path, damage):
    path = tmp_path / "walk"
    checkpoint = cut_off(scenario, path, 0.5)
    kept = bytearray(path.read_bytes())
    header, _, rest = bytes(kept).partition(b"\n")
    if damage == "a bit":
        kept[len(kept) // 2] ^= 4
    elif damage == "cut short":
        kept = kept[:-1]
    elif damage == "longer":
        kept += b"\0"
    else:
        kept = bytearray(json.dumps(json.loads(header) | {"chunks": 1}).encode() + b"\n" + rest)
    path.write_bytes(kept)
    with pytest.raises(ScenarioError, match="is damaged; remove it to begin anew"):
        walk(build_estate(scenario), checkpoint=checkpoint)


def test_a_file_of_something_else_is_never_written_over(scenario, tmp_path):
    path = tmp_path / "letter"
    path.write_text("Dear\nSir")
    with pytest.raises(ScenarioError, match="is no checkpoint of this version; name another file"):
        walk(build_estate(scenario), checkpoint=Checkpoint.of(path, build_estate(scenario), "x"))
    assert path.read_text() == "Dear\nSir"


def test_the_command_goes_on_after_a_kill(scenario, tmp_path):
    file = tmp_path / "homes.toml"
    file.write_text(SCENARIO)
    kept, out = tmp_path / "walk", tmp_path / "out"
    arguments = ["simulate", str(file), "--json", "--threads", "1"]
    command = [sys.executable, "-c", COMMAND, *arguments, "--checkpoint", str(kept), "--out", str(out)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not kept.exists() and killed.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
    finally:
        killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not out.exists()
    chunks = json.loads(kept.read_bytes().partition(b"\n")[0])["chunks"]
    assert 0 < chunks < 50
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert f"going on from {kept}" in resumed.stderr
    assert json.loads(resumed.stdout)["digest"] == trace_digest(build_estate(scenario))
    assert json.loads((out / "results.json").read_text()) == json.loads(resumed.stdout)
    assert not kept.exists() and sorted(each.name for each in tmp_path.iterdir()) == ["homes.toml", "out"]


def test_a_full_disk_leaves_the_checkpoint_of_before_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoint(path=tmp_path / "walk", title="a few homes", seed=1, estate="e")
    kept.write(3, [np.arange(5)])
    before = kept.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sim.virtual_time.checkpoint.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        kept.write(4, [np.arange(5) + 1])
    assert kept.path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["walk"]
