"""Reads past runs and pytest-benchmark's JSON files: one of them, or a folder of them as a history. Nothing is judged here."""

import json
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.recording.history import RunHistory, read_history
from loadtests.recording.run_folder import RESULTS_NAME, RunFolder
from reports.gate_history.past import ALL_OPERATIONS, History, Metric, Past, make_history
from reports.results.file import Kind, kind_of
from reports.results.gate_history import Better
from reports.results.parts import Machine
from reports.results.resolved import load_resolved
from reports.results.run import Results, load_results
from reports.run.summary import second_due_last, warm_up_seconds
from scenarios.spec import NoBaseline, Scenario, ScenarioError
from scenarios.texts import wording
from scenarios.texts.outside import UnreadableText, read_text, why_refused

FILES_MAX = 10_000
BENCHMARK_BYTES_MAX = 64 * 2**20
CPU = Metric(ALL_OPERATIONS, "server CPU", "µs/operation", Better.LOWER)
P50, P99, RATE, ERRORS, MEDIAN = "p50", "p99", "rate", "errors", "median"


def read_past(folder: Path) -> History:
    """The history that a folder holds: its runs, or where it has none, its files of pytest-benchmark.

    A folder that holds a results.json is one job's, and nothing below it is looked at. Raises NoBaseline when there are not two
    runs to compare, ScenarioError for files that can't be read and for runs of several machines or loads.
    """
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: is no folder; name one that holds past runs")
    jobs = list(_jobs(folder))
    if jobs:
        runs = [each for each in jobs if kind_of(each) is Kind.RUN]
        others = len(jobs) - len(runs)
        notes = [f"{wording.counted(others, 'folder')} of other jobs left out."] if others else []
        history = make_history(str(folder), "runs", [_run(each, _name(each, folder)) for each in runs], notes)
    else:
        files = sorted(folder.rglob("*.json"))
        _require_few(folder, len(files))
        history = make_history(
            str(folder), "pytest-benchmark", [_benchmarks(each, _name(each, folder)) for each in files]
        )
    why = f" ({' '.join(history.notes)})" if history.notes else ""
    if len(history.runs) < 2:
        can_be = f"{wording.counted(len(history.runs), 'run')} that can be judged{why}"
        raise NoBaseline(
            f"{folder}: holds {can_be}, so there is nothing to compare the newest with; keep each run's folder there, or "
            "pytest-benchmark's JSON files"
        )
    if not history.series:
        raise NoBaseline(f"{folder}: its {len(history.runs)} runs measured nothing that half of them have{why}")
    return history


def past_of(path: Path) -> Past:
    """One recorded run, by the name that it was given: a run's folder, or a JSON file of pytest-benchmark.

    Raises ScenarioError for what can't be read, or was not measured.
    """
    return _run(path, str(path)) if path.is_dir() else _benchmarks(path, str(path))


def _name(path: Path, home: Path) -> str:
    return str(path.relative_to(home))


def _jobs(folder: Path) -> Iterator[Path]:
    """The folders of jobs in a history; the history's own results.json is no part of it."""
    seen = 0
    waiting = [each for each in sorted(folder.iterdir()) if each.is_dir()]
    if not waiting and (folder / RESULTS_NAME).exists():
        yield folder
    while waiting:
        each = waiting.pop(0)
        seen += 1
        _require_few(folder, seen)
        if (each / RESULTS_NAME).exists():
            yield each
        else:
            waiting += [below for below in sorted(each.iterdir()) if below.is_dir() and not below.is_symlink()]


def _require_few(folder: Path, count: int) -> None:
    if count > FILES_MAX:
        raise ScenarioError(f"{folder}: holds more than {FILES_MAX:,} folders or files; name one with past runs alone")


# --- runs -------------------------------------------------------------------------------------------------------------


def _run(folder: Path, name: str) -> Past:
    results = load_results(folder)
    scenario = load_resolved(folder, "run") if RunFolder(folder).scenario.is_file() else None
    topology = results.topology
    load = {
        "seed": str(results.seed),
        "trace": f"digest {results.digest[:12]}",
        "topology": ", ".join(
            [
                *(f"{dc.name}: {wording.counted(dc.nodes, 'node')}, RF {dc.rf}" for dc in topology.dcs),
                f"{topology.consistency.default}",
                *(f"{name} {level}" for name, level in topology.consistency.operations.items()),
                topology.where,
            ]
        ),
    }
    if scenario is not None:
        pace = scenario.run
        stretches = f", stretches {_short_digest(str(pace.stretches))}" if pace.stretches else ""
        load["pace"] = f"{wording.duration(pace.wall_s)} of {pace.shape}{stretches}"
    audit = results.audit
    return Past(
        name=name,
        title=results.scenario,
        started=results.started,
        machine=results.machine,
        versions={**results.versions, "kernel": results.machine.system},
        load=load,
        values={**_operation_values(results), **_cpu(folder, scenario, results.closed_loop)},
        verdict=results.verdict,
        faulty_facts=0 if audit is None else audit.lost + audit.wrong + audit.phantom + audit.duplicate,
    )


def _short_digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def _operation_values(results: Results) -> dict[Metric, float]:
    values: dict[Metric, float | None] = {}
    for name, operation in results.operations.items():
        response = operation.response_ms
        values[Metric(name, P50, "ms", Better.LOWER)] = None if response is None else response.p50
        values[Metric(name, P99, "ms", Better.LOWER)] = None if response is None else response.p99
        values[Metric(name, RATE, "operations/s", Better.HIGHER)] = operation.rate_per_s
        values[Metric(name, ERRORS, "of judged", Better.LOWER)] = operation.error_share
    return {metric: value for metric, value in values.items() if value is not None}


def _cpu(folder: Path, scenario: Scenario | None, closed_loop: Container[str]) -> dict[Metric, float]:
    """Processor time of all nodes by acknowledged operation, without warm-up and drain; none where nodes were not sampled."""
    recorded = RunFolder(folder).history
    if scenario is None or not (recorded / "intervals.csv").exists():
        return {}
    cost = server_cpu_us(read_history(recorded), warm_up_seconds(scenario), closed_loop)
    return {} if cost is None else {CPU: cost}


def server_cpu_us(history: RunHistory, first: int, closed_loop: Container[str] = ()) -> float | None:
    """Processor time of all nodes by acknowledged operation [µs], from second `first` until nothing fell due any more.

    The nodes' mean load by the rate of acknowledgements. None: no node was sampled then, or nothing acknowledged.
    """
    last = second_due_last(history, closed_loop)
    by_node: dict[str, list[float]] = {}
    for sample in history.nodes:
        if first <= sample.second <= last:
            by_node.setdefault(sample.node, []).append(sample.cpu_share)
    ok = sum(int(counts["ok"][first : last + 1].sum()) for counts in history.counts.values())
    if not by_node or not ok:
        return None
    cores = sum(float(np.mean(shares)) for shares in by_node.values())
    return 1e6 * cores * (last + 1 - first) / ok


# --- pytest-benchmark -------------------------------------------------------------------------------------------------


def _benchmarks(path: Path, name: str) -> Past:
    """One JSON file of pytest-benchmark: medians, and the numbers that benchmarks put into `extra_info`."""
    try:
        if path.stat().st_size > BENCHMARK_BYTES_MAX:
            raise ScenarioError(
                f"{path}: has more than {BENCHMARK_BYTES_MAX // 2**20} MiB, too much for a file of pytest-benchmark"
            )
        content = json.loads(read_text(path))
        machine, commit = content["machine_info"], content.get("commit_info") or {}
        cpu = machine.get("cpu") or {}
        values: dict[Metric, float] = {}
        for benchmark in content["benchmarks"]:
            measured = str(benchmark["fullname"])
            values[Metric(measured, MEDIAN, "s", Better.LOWER)] = _median_s(
                path, measured, benchmark["stats"]["median"]
            )
            for figure, value in (benchmark.get("extra_info") or {}).items():
                if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
                    values[Metric(measured, str(figure), "", Better.UNKNOWN)] = float(value)
        started = datetime.fromisoformat(str(content["datetime"]))
        return Past(
            name=name,
            title="benchmarks",
            started=started if started.tzinfo else started.replace(tzinfo=UTC),
            machine=_benchmark_machine(machine, cpu),
            versions={
                "commit": str(commit.get("id", ""))[:12] or "unknown",
                "python": str(machine.get("python_version", "unknown")),
                "kernel": str(machine.get("release", "unknown")),
            },
            load={},
            values=values,
        )
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read: {why_refused(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScenarioError(
            f"{path}: is neither a run's results.json nor a JSON file of pytest-benchmark ({type(error).__name__}: "
            f"{why_refused(error) if isinstance(error, ValueError) else error}); take it out of the history's folder"
        ) from error


def _median_s(path: Path, measured: str, told: Any) -> float:
    """A median as a time [s]; ScenarioError for one that no clock has measured."""
    median = float(told)
    if not (np.isfinite(median) and median > 0):
        raise ScenarioError(
            f"{path}: {measured} has a median of {median:g} s, which is no time that was measured; take the file out, or measure "
            "it again"
        )
    return median


def _benchmark_machine(machine: dict[str, Any], cpu: dict[str, Any]) -> Machine:
    return Machine(
        cpu=str(cpu.get("brand_raw") or machine.get("processor") or "unknown"),
        cpu_count=int(cpu.get("count") or 0),
        memory_bytes=0,  # pytest-benchmark does not record it
        system=f"{machine.get('system', '')} {machine.get('release', '')} {machine.get('machine', 'unknown')}".strip(),
    )
