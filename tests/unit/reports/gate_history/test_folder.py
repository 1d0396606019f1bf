"""Which folders are a history, and which are refused; the page and the schema of what is said of one."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from loadtests.recording.history import NodeSample, RunHistory
from reports.gate_history.folder import CPU, P99, read_past, server_cpu_us
from reports.gate_history.past import History
from reports.results.file import schema_text
from reports.results.gate_history import GateHistoryResults
from reports.results.parts import Verdict
from scenarios.spec import NoBaseline, ScenarioError
from tests.support.judged_run import operation
from tests.support.past_runs import FIRST, MACHINE, OPERATION, levels, run_name, write_benchmarks, write_run, write_runs
from tests.support.synthetic_run import write_synthetic_run


def values(history: History, name: str) -> list[float]:
    (series,) = [each for each in history.series if each.metric.name == name]
    return series.values.tolist()


def test_the_published_schema_is_the_models() -> None:
    published = (Path(__file__).parents[4] / "docs" / "gate-history.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(GateHistoryResults), (
        "uv run python -m reports.results.gate_history > docs/gate-history.schema.json"
    )


def test_runs_stand_in_the_order_in_which_they_were_started(tmp_path: Path) -> None:
    write_run(tmp_path / "b", 1, 12.0, started=FIRST)
    write_run(tmp_path / "a", 0, 10.0, started=FIRST + timedelta(days=9))
    history = read_past(tmp_path)
    assert [run.name for run in history.runs] == ["b/nightly-001", "a/nightly-000"]
    assert values(history, P99) == [12.0, 10.0]
    assert {(each.metric.operation, each.metric.name) for each in history.series} == {
        (OPERATION, name) for name in ("p50", "p99", "rate", "errors")
    }


def test_what_lies_below_a_run_is_part_of_it(tmp_path: Path) -> None:
    write_runs(tmp_path, [10.0, 11.0])
    write_run(tmp_path / run_name(0) / "cluster", 7, 99.0)
    assert len(read_past(tmp_path).runs) == 2


def test_inconclusive_runs_and_other_jobs_are_left_out_and_told(tmp_path: Path) -> None:
    write_runs(tmp_path, [10.0, 11.0])
    write_run(tmp_path, 2, 50.0, verdict=Verdict.INCONCLUSIVE)
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "results.json").write_text('{"kind": "search"}')
    history = read_past(tmp_path)
    assert [run.name for run in history.runs] == [run_name(0), run_name(1)]
    assert history.newest_left_out == run_name(2)
    assert any("1 folder of other jobs" in note for note in history.notes)
    assert any(f"{run_name(2)}: inconclusive" in note for note in history.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"machine": MACHINE.model_copy(update={"cpu": "another"})},
            "differ in their machine.*another.*machine a folder",
        ),
        ({"machine": MACHINE.model_copy(update={"cpu_count": 4})}, "differ in their machine.*4 cores"),
        ({"digest": "aa" * 32}, "differ in their trace.*aaaa"),
        ({"seed": 8}, "differ in their seed.*load a folder"),
    ],
    ids=["CPU", "cores", "trace", "seed"],
)
def test_a_history_of_several_machines_or_loads_is_refused(tmp_path: Path, changes: dict, said: str) -> None:
    write_runs(tmp_path, [10.0, 11.0])
    write_run(tmp_path, 2, 12.0, **changes)
    with pytest.raises(ScenarioError, match=said):
        read_past(tmp_path)


def test_a_new_kernel_is_the_same_machine_and_told_as_a_version(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 10.0)
    write_run(tmp_path, 1, 10.0, machine=MACHINE.model_copy(update={"system": "Linux 6.1.0-22 x86_64"}))
    assert [run.versions["kernel"][-9:-7] for run in read_past(tmp_path).runs] == ["18", "22"]


def test_a_file_that_can_not_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    write_runs(tmp_path, [10.0, 11.0])
    (tmp_path / run_name(0) / "results.json").write_text('{"kind": "run", "verd')
    with pytest.raises(ScenarioError, match=rf"{run_name(0)}/results\.json"):
        read_past(tmp_path)


@pytest.mark.parametrize("nights", [0, 1])
def test_nothing_to_compare_with_is_no_baseline(tmp_path: Path, nights: int) -> None:
    write_runs(tmp_path, [10.0] * nights)
    with pytest.raises(NoBaseline, match="nothing to compare the newest with"):
        read_past(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is no folder"):
        read_past(tmp_path / "nowhere")


def test_a_metric_of_few_runs_is_left_out_and_told(tmp_path: Path) -> None:
    write_runs(tmp_path, levels((9, 10.0)))
    for index in range(9, 20):
        write_run(tmp_path, index, 10.0, operations={"read_state": operation()})
    history = read_past(tmp_path)
    assert {each.metric.operation for each in history.series} == {"read_state"}
    assert any(f"{OPERATION} p99" in note for note in history.notes)


def test_runs_that_measured_nothing_are_no_baseline(tmp_path: Path) -> None:
    for index in range(9):
        write_run(tmp_path, index, 10.0, operations={})
    with pytest.raises(NoBaseline, match="9 runs measured nothing"):
        read_past(tmp_path)


def test_pytest_benchmarks_files_are_a_history_too(tmp_path: Path) -> None:
    write_benchmarks(tmp_path / "Linux-CPython-3.11-64bit", [0.1, 0.2])
    history = read_past(tmp_path)
    assert history.source == "pytest-benchmark" and values(history, "median") == [0.1, 0.2]
    assert values(history, "ratio") == [3.0, 3.0]
    assert [run.versions["commit"] for run in history.runs] == ["000000000000", "000000000000"]


def test_benchmarks_of_several_machines_are_refused(tmp_path: Path) -> None:
    write_benchmarks(tmp_path / "a", [0.1, 0.2])
    write_benchmarks(tmp_path / "b", [0.1], cpu="another")
    with pytest.raises(ScenarioError, match="differ in their machine"):
        read_past(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"benchmarks": []}', '{"machine_info": 3, "benchmarks": []}'])
def test_other_json_files_are_refused_by_their_name(tmp_path: Path, text: str) -> None:
    write_benchmarks(tmp_path, [0.1, 0.2])
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ScenarioError, match=r"other\.json: is neither"):
        read_past(tmp_path)


def test_server_cpu_by_hand() -> None:
    """Two nodes at half a core and a core for ten seconds, 3,000 acknowledged: 15 s of 3,000 are 5 ms each."""

    def sample(second: int, node: str, share: float) -> NodeSample:
        return NodeSample(
            second=second, node=node, dc="north", cpu_share=share, rss_bytes=0, disk_bytes=0, gc_pause_ms=0, gc_count=0,
            sstable_count=None,
        )  # fmt: skip

    seconds = np.arange(12)
    ok = np.where(seconds < 2, 9_999, 300)
    history = RunHistory(
        folder=Path(),
        seconds=seconds,
        operations=("ingest",),
        counts={"ingest": {"ok": ok, "offered": np.full(12, 300)}},
        nodes=[
            sample(s, node, share) for s in range(12) for node, share in (("a", 0.5), ("b", 1.0 if s >= 2 else 9.0))
        ],
        errors=[],
    )
    assert server_cpu_us(history, 2) == pytest.approx(5_000)
    assert server_cpu_us(history, 12) is None
    office = {"ok": np.zeros(14, np.int64), "offered": np.ones(14, np.int64)}
    longer = replace(
        history,
        seconds=np.arange(14),
        operations=("ingest", "record_receipt"),
        counts={
            "ingest": {name: np.append(one, [0, 0]) for name, one in history.counts["ingest"].items()},
            "record_receipt": office,
        },
    )
    assert server_cpu_us(longer, 2, {"record_receipt"}) == pytest.approx(
        5_000
    )  # what goes on after the storm is no part of it


def test_server_cpu_is_read_of_runs_that_kept_their_seconds(tmp_path: Path) -> None:
    for index in range(2):
        results = write_synthetic_run(tmp_path / run_name(index), wall_s=10)
        results.model_copy(update={"verdict": Verdict.PASS}).write(tmp_path / run_name(index))
    history = read_past(tmp_path)
    (series,) = [each for each in history.series if each.metric == CPU]
    assert len(series.values) == 2 and (series.values > 0).all()
    assert "pace" in history.runs[0].load
