"""What a tournament of table designs takes, and what it finds: real nodes, the designs that ship, by the command itself.

    uv run pytest loadtests/benchmarks/bench_tournament.py --benchmark-only --benchmark-json=tournament.json

`tournament_minutes`: a tournament of four designs over the queries of SCENARIO, with all that goes before the rounds.
`best_vs_textbook_cpu`: server CPU an operation of the text-books' design over the best one's, on the same trace, each proven;
with whether that is resolved. `partition_size_error`: the largest error of a partition's predicted bytes, of a size held out.
`race_regret`: by how much the design that racing picks after a quarter of the trials is worse than the best of all of them, by
replaying the recorded rounds; none where a design was left out, as nothing exhaustive is known then.
METERSTORM_BENCH_SCENARIO, METERSTORM_BENCH_MINUTES: another scenario than smoke, other minutes of rounds than 6.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.cluster.machine import fingerprint
from loadtests.tournament.bench import GOAL
from loadtests.tournament.replay import race_regret

SCENARIO = os.environ.get("METERSTORM_BENCH_SCENARIO", "smoke")
MINUTES = os.environ.get("METERSTORM_BENCH_MINUTES", "6")
VARIANTS = "textbook,half_hours,lean"  # and the scenario's own design
TEXTBOOK = "textbook"
HOUR_S = 3_600
ENDINGS = (0, 4)  # a winner, and not resolved


def compared(out: Path) -> Mapping[str, Any]:
    """The results.json of a tournament in the new folder `out`."""
    command = [sys.executable, "-m", "meterstorm.cli.app", "schemas", "compare", SCENARIO, "--variants", VARIANTS]
    options = ["--minutes", MINUTES, "--rounds", "60", "--seconds", "1", "--warm-s", "6", "--json", "--quiet"]
    done = subprocess.run([*command, *options, "--out", str(out)], stdout=subprocess.PIPE, timeout=HOUR_S, check=False)
    assert done.returncode in ENDINGS, f"the tournament ended with exit code {done.returncode}"
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def regret_of(results: Mapping[str, Any]) -> float | None:
    """Of the recorded rounds; None where not all took part to the end."""
    values = {
        each["name"]: np.array(each["figures"][GOAL.name]["values"])
        for each in results["entrants"]
        if GOAL.name in each["figures"]
    }
    if len(values) < 2 or {len(each) for each in values.values()} != {results["rounds"]}:
        return None
    return race_regret(GOAL, values, results["false_alarm"])


@pytest.mark.timeout(2 * HOUR_S)
def test_tournament(benchmark: Any, tmp_path: Path) -> None:
    results = benchmark.pedantic(lambda: compared(tmp_path / "out"), rounds=1)
    entrants = {each["name"]: each for each in results["entrants"]}
    best, textbook = results["entrants"][0]["name"], entrants[TEXTBOOK]
    against = [
        one for one in textbook["comparisons"] if (one["against"], one["quantity"]) == (best, GOAL.name)
    ]  # none where the text-books' design is the best
    errors = [
        abs(growth["error"])
        for each in entrants.values()
        for growth in each["partition"]["growth"]
        if growth["error"] is not None
    ]
    benchmark.extra_info |= {
        "scenario": SCENARIO,
        "tournament_minutes": benchmark.stats.stats.max / 60,
        "rounds": results["rounds"],
        "best": best,
        "best_vs_textbook_cpu": 1 + against[0]["change"] if against else 1.0,
        "best_vs_textbook_resolved": bool(against) and against[0]["resolved"],
        "partition_size_error": max(errors),
        "race_regret": regret_of(results),
        "cpu_us_per_operation": {name: each["figures"].get(GOAL.name) for name, each in entrants.items()},
        "disk_bytes_per_write": {name: each["disk_bytes_per_write"] for name, each in entrants.items()},
        "doubts": results["doubts"],
        "machine": fingerprint(),
    }
