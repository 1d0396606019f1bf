"""How long a verdict takes beyond the storm itself, and what its processes hold meanwhile, against the build of before.

Run: METERSTORM_BEFORE=/path/to/a/worktree uv run pytest loadtests/benchmarks/bench_verdict.py --benchmark-only

`METERSTORM_BEFORE` is a worktree of the commit 93f91de with an environment of its own (`uv sync`). Both sides run the same
scenario (`METERSTORM_BENCH_SCENARIO`, by default the smoke), whole processes on nodes of their own, in turns: before, now, now,
before ... (`METERSTORM_BENCH_PAIRS`, 5). `verdict_overhead_warm` is the median ratio of what is left of the wall time without
the storm's own seconds (`wall_s` and `warm_nodes_s`), with jars, kernels and whatever else a side keeps in its cache;
`verdict_overhead_cold` the same where each run has an empty cache, so that it fetches and compiles all.
`memory_vs_before` is of the same runs, as `bench_memory` has it: it looks at both sides alike, twice a second.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from loadtests.benchmarks.bench_memory import MIB, watch
from loadtests.cluster.machine import fingerprint
from scenarios.file import load_scenario

HERE = Path(__file__).parents[2]
LEFT_OUT = ("PYTHONDONTWRITEBYTECODE",)  # else each process of both sides compiles all its imports, for some 7 s
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
SCENARIO = Path(os.environ.get("METERSTORM_BENCH_SCENARIO", HERE / "scenarios" / "smoke.toml")).absolute()


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRun:
    """A whole run: its wall time [s], that of its phases [s], and the most that its own processes held at once [bytes]."""

    took_s: float
    phases_s: dict[str, float]
    pss_peak: int


def one_run(tree: Path, cache: Path) -> OneRun:
    """It must pass: what is slow or wrong has no time to a verdict."""
    with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
        out = Path(folder) / "run"
        python = str(tree / ".venv" / "bin" / "python")
        command = [python, "-m", "meterstorm.cli.app", "run", str(SCENARIO), "--quiet", "--out", str(out)]
        started = time.monotonic()
        environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        held = watch(command, environment | {"METERSTORM_CACHE": str(cache)}, folder=tree)
        took_s = time.monotonic() - started
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        assert results["verdict"] == "pass", results["reasons"]
        return OneRun(took_s=took_s, phases_s=results["phases_s"], pss_peak=held.pss_peak)


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("caches", ["warm", "cold"])
def test_verdict_overhead(benchmark: Any, tmp_path: Path, caches: str) -> None:
    if "METERSTORM_BEFORE" not in os.environ:
        pytest.skip("METERSTORM_BEFORE names no worktree")
    run = load_scenario(SCENARIO).run
    own_s = run.wall_s + run.warm_nodes_s
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    found: dict[str, list[OneRun]] = {side: [] for side in trees}
    fresh = iter(range(sys.maxsize))

    def side(name: str) -> None:
        cache = tmp_path / (name if caches == "warm" else f"{name}-{next(fresh)}")
        found[name].append(one_run(trees[name], cache))

    def pair(number: int) -> None:
        for name in ("before", "now") if number % 2 == 0 else ("now", "before"):
            side(name)

    if caches == "warm":
        for name in trees:
            side(name)
        for runs in found.values():
            runs.clear()
    numbers = iter(range(PAIRS))
    benchmark.pedantic(lambda: pair(next(numbers)), rounds=PAIRS, iterations=1)
    pairs = list(zip(found["before"], found["now"], strict=True))
    ratios = [(now.took_s - own_s) / (before.took_s - own_s) for before, now in pairs]
    benchmark.extra_info.update(
        {
            f"verdict_overhead_{caches}": round(median(ratios), 3),
            f"verdict_overhead_{caches}_all": [round(one, 3) for one in ratios],
            "own_s": own_s,
            "memory_vs_before": round(median(now.pss_peak / before.pss_peak for before, now in pairs), 3),
            "memory_mib": {name: [round(one.pss_peak / MIB) for one in runs] for name, runs in found.items()},
            "wall_s": {name: [round(one.took_s, 1) for one in runs] for name, runs in found.items()},
            "phases_s": {
                name: {phase: round(median(one.phases_s[phase] for one in runs), 1) for phase in runs[0].phases_s}
                for name, runs in found.items()
            },
        },
        **fingerprint(),
    )
