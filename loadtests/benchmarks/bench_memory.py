"""What a smoke's own processes hold at once: the parent and its senders, without the nodes, against the build of before.

Run: METERSTORM_BEFORE=/path/to/a/worktree uv run pytest loadtests/benchmarks/bench_memory.py --benchmark-only

`METERSTORM_BEFORE` is a worktree of the commit 93f91de with an environment of its own (`uv sync`). Both sides run the same
scenario (`METERSTORM_BENCH_SCENARIO`, the smoke), whole processes, in turns: before, now, now, before. A figure is the most that
all of them held at one instant, by `smaps_rollup`: of a page that several processes map each counts its share (Pss).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from loadtests.cluster.machine import fingerprint

HERE = Path(__file__).parents[2]
SCENARIO = Path(os.environ.get("METERSTORM_BENCH_SCENARIO", HERE / "scenarios" / "smoke.toml"))
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
LOOK_S = 0.5
MIB = 2**20


@dataclass(slots=True, kw_only=True)
class Held:
    """What was held while a command ran [bytes]; `by_process` names the parent `run` and others by their module."""

    pss_peak: int = 0
    anonymous_peak: int = 0
    by_process: dict[str, int] = field(default_factory=dict)  # the most that each held, whenever
    course: list[tuple[float, int]] = field(default_factory=list)  # (seconds since the start, Pss of all)


def watch(command: list[str], environment: Mapping[str, str], *, folder: Path | None = None) -> Held:
    """Run a command in a folder and look at it and all its descendants but Java's."""
    held, started = Held(), time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=said, stderr=said)
        while process.poll() is None:
            pss = anonymous = 0
            for each in _own(process.pid):
                figures = _rollup(each.pid)
                pss, anonymous = pss + figures.get("Pss", 0), anonymous + figures.get("Pss_Anon", 0)
                name = "run" if each.pid == process.pid else _module_of(each)
                held.by_process[name] = max(held.by_process.get(name, 0), figures.get("Pss", 0))
            held.pss_peak, held.anonymous_peak = max(held.pss_peak, pss), max(held.anonymous_peak, anonymous)
            held.course.append((time.monotonic() - started, pss))
            time.sleep(LOOK_S)
        said.seek(0)
        if process.returncode not in (0, 1, 4):  # failed and inconclusive runs have held as much
            pytest.fail(f"{' '.join(command)} ended with {process.returncode}: {said.read().decode()[-2_000:]}")
    return held


def _own(pid: int) -> list[psutil.Process]:
    """A process and its descendants, without nodes and what else is not Python."""
    try:
        parent = psutil.Process(pid)
        return [parent, *(one for one in parent.children(recursive=True) if _is_python(one))]
    except psutil.NoSuchProcess:
        return []


def _is_python(process: psutil.Process) -> bool:
    try:
        return "python" in process.name()
    except psutil.NoSuchProcess:
        return False


def _module_of(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return "gone"
    return words[words.index("-m") + 1] if "-m" in words[:-1] else "other"


def _rollup(pid: int) -> dict[str, int]:
    """`smaps_rollup` of a process [bytes]; empty of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}


def run_in(tree: Path, scenario: Path, folder: Path) -> Held:
    """A worktree's `meterstorm run`, in its own environment."""
    command = [str(tree / ".venv" / "bin" / "meterstorm"), "run", str(scenario), "--out", str(folder), "--quiet"]
    return watch(command, {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"})


@pytest.mark.timeout(7_200)
@pytest.mark.skipif(sys.platform != "linux", reason="smaps_rollup is Linux's")
def test_memory_of_a_smoke(benchmark: Any, tmp_path: Path) -> None:
    """`memory_vs_before`: the median of the pairs' ratios of what all own processes held at once."""
    if "METERSTORM_BEFORE" not in os.environ:
        pytest.skip("METERSTORM_BEFORE names no worktree")
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    found: dict[str, list[Held]] = {side: [] for side in trees}

    def pair(number: int) -> None:
        for side in ("before", "now") if number % 2 == 0 else ("now", "before"):
            found[side].append(run_in(trees[side], SCENARIO, tmp_path / f"{side}_{number}"))

    numbers = iter(range(PAIRS))
    benchmark.pedantic(lambda: pair(next(numbers)), rounds=PAIRS, iterations=1)
    ratios = [now.pss_peak / before.pss_peak for before, now in zip(found["before"], found["now"], strict=True)]
    benchmark.extra_info.update(
        memory_vs_before=round(median(ratios), 3),
        memory_vs_before_all=[round(one, 3) for one in ratios],
        **{
            f"memory_{side}_mib": {
                "pss": [round(one.pss_peak / MIB, 1) for one in runs],
                "anonymous": [round(one.anonymous_peak / MIB, 1) for one in runs],
                "by_process": {name: round(size / MIB, 1) for name, size in runs[-1].by_process.items()},
            }
            for side, runs in found.items()
        },
        **fingerprint(),
    )
    courses = {side: [one.course for one in runs] for side, runs in found.items()}
    (tmp_path / "courses.json").write_text(json.dumps(courses), encoding="utf-8")
