"""Folders of past runs, and files of pytest-benchmark, with the values that a test asks for."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.stats.estimates import Floats
from reports.results.parts import Machine, TopologyResult, Verdict
from reports.results.run import Percentiles, Results
from scenarios.spec import parse_scenario
from tests.support.judged_run import AUDIT, GENERATOR, SCENARIO_TOML, operation

OPERATION = "ingest_reading"
FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)
MACHINE = Machine(cpu="x86-64, 2.6 GHz", cpu_count=2, memory_bytes=25 * 2**30, system="Linux 6.1.0-18 x86_64")
SWAY = (0.3, -0.8, 0.1, 0.9, -0.2, -0.6, 0.7, -0.4, 0.0)


def levels(*parts: tuple[int, float]) -> Floats:
    """(runs, level) each: runs that sway about a level by a hundredth of it, in an order without a trend."""
    return np.concatenate([level * (1 + 0.01 * np.resize(SWAY, runs)) for runs, level in parts])


def run_name(index: int) -> str:
    return f"nightly-{index:03}"


def write_run(folder: Path, index: int, p99_ms: float, **changes: Any) -> Path:
    """results.json of the index-th night, FOLDER/nightly-INDEX; its p50 and rate are the same every night."""
    dcs = parse_scenario(SCENARIO_TOML, "test").topology
    response = Percentiles(p50=1.0, p95=None, p99=p99_ms, p999=None, max=10 * p99_ms)
    fields: dict[str, Any] = {
        "scenario": "two data centres",
        "seed": 7,
        "digest": "5e1f" * 16,
        "started": FIRST + timedelta(days=index),
        "finished": FIRST + timedelta(days=index, minutes=2),
        "versions": {"meterstorm": "0.1.0", "cassandra": "5.0.8"},
        "machine": MACHINE,
        "topology": TopologyResult(**dcs.model_dump(), where="local"),
        "verdict": Verdict.PASS,
        "reasons": ("It held.",),
        "operations": {OPERATION: operation(rate_per_s=500.0, response_ms=response)},
        "generator": GENERATOR,
        "audit": AUDIT,
    }
    place = folder / run_name(index)
    place.mkdir(parents=True)
    Results(**(fields | changes)).write(place)
    return place


def write_runs(folder: Path, p99_ms: Sequence[float] | Floats) -> None:
    """A night each."""
    for index, value in enumerate(p99_ms):
        write_run(folder, index, float(value))


def write_benchmarks(folder: Path, median_s: Sequence[float] | Floats, cpu: str = "x86-64") -> None:
    """FOLDER/0001_unix.json and so on, as pytest-benchmark saves them: the fields that are read."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, value in enumerate(median_s):
        content = {
            "machine_info": {
                "system": "Linux",
                "release": "6.1.0",
                "machine": "x86_64",
                "python_version": "3.11.7",
                "cpu": {"brand_raw": cpu, "count": 2},
            },
            "commit_info": {"id": f"{index:040x}"},
            "datetime": (FIRST + timedelta(days=index)).isoformat(),
            "benchmarks": [
                {"fullname": "bench_x.py::test_it", "stats": {"median": float(value)}, "extra_info": {"ratio": 3.0}}
            ],
        }
        (folder / f"{index:04}_unix.json").write_text(json.dumps(content), encoding="utf-8")
