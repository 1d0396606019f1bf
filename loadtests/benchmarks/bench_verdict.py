"""How long a verdict takes beyond the storm itself, against the build of before.

Run: METERSTORM_BEFORE=/path/to/a/worktree uv run pytest loadtests/benchmarks/bench_verdict.py --benchmark-only

`METERSTORM_BEFORE` is a worktree of the commit 93f91de with an environment of its own (`uv sync`). Both sides run the same
scenario (`METERSTORM_BENCH_SCENARIO`, by default the smoke), whole processes on nodes of their own, in turns: before, now, now,
before ... (`METERSTORM_BENCH_PAIRS`, 5). `verdict_overhead_warm` is the median ratio of what is left of the wall time without
the storm's own seconds (`wall_s` and `warm_nodes_s`), with jars, kernels and whatever else a side keeps in its cache;
`verdict_overhead_cold` the same where each run has an empty cache, so that it fetches and compiles all.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from loadtests.cluster.machine import fingerprint
from scenarios.file import load_scenario

HERE = Path(__file__).parents[2]
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
SCENARIO = Path(os.environ.get("METERSTORM_BENCH_SCENARIO", HERE / "scenarios" / "smoke.toml")).absolute()
RUN_S_MAX = 900.0


def one_run(tree: Path, cache: Path) -> tuple[float, dict[str, float]]:
    """Wall time of a whole run [s], and that of its phases. It must pass: what is slow or wrong has no time to a verdict."""
    with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
        command: list[str | Path] = [
            tree / ".venv" / "bin" / "python",
            "-m",
            "meterstorm.cli.app",
            "run",
            SCENARIO,
            "--quiet",
        ]
        started = time.monotonic()
        ended = subprocess.run(
            [*command, "--out", Path(folder) / "run"],
            cwd=tree,
            env={**os.environ, "METERSTORM_CACHE": str(cache)},
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
        )
        took_s = time.monotonic() - started
        assert ended.returncode == 0, ended.stdout + ended.stderr
        results = json.loads((Path(folder) / "run" / "results.json").read_text(encoding="utf-8"))
        return took_s, results["phases_s"]


@pytest.mark.parametrize("caches", ["warm", "cold"])
def test_verdict_overhead(benchmark: Any, tmp_path: Path, caches: str) -> None:
    if "METERSTORM_BEFORE" not in os.environ:
        pytest.skip("METERSTORM_BEFORE names no worktree")
    run = load_scenario(SCENARIO).run
    own_s = run.wall_s + run.warm_nodes_s
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    found: dict[str, list[tuple[float, dict[str, float]]]] = {side: [] for side in trees}
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
    ratios = [(now[0] - own_s) / (before[0] - own_s) for before, now in zip(found["before"], found["now"], strict=True)]
    benchmark.extra_info.update(
        {
            f"verdict_overhead_{caches}": round(median(ratios), 3),
            f"verdict_overhead_{caches}_all": [round(one, 3) for one in ratios],
            "own_s": own_s,
            "wall_s": {name: [round(took_s, 1) for took_s, _ in runs] for name, runs in found.items()},
            "phases_s": {
                name: {phase: round(median(of_run[phase] for _, of_run in runs), 1) for phase in runs[0][1]}
                for name, runs in found.items()
            },
        },
        **fingerprint(),
    )
