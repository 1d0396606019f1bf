"""A run that was killed: what it had acknowledged is audited, and its report is written, from what was on the disk."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

import meterstorm
from loadtests.audit.data_loss.row_counts import RowCounts, Sent, phantoms_of
from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster
from loadtests.recording.history import HistoryWriter
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.recording.run_folder import RunFolder
from loadtests.workload.experiment import Experiment
from meterstorm.cli.app import app
from meterstorm.jobs import run as jobs
from meterstorm.jobs.recover import DIED, RunStart, recover
from meterstorm.jobs.run_folder import CLAIM_NAME, LOCAL_NODES, START_NAME, read_resolved
from meterstorm.outcomes.run import judge_again
from reports.results.parts import Verdict
from reports.results.run import FleetResult, Results, Undone, load_results
from reports.verdict.auditable import StoredData
from scenarios.spec import ScenarioError
from tests.support.synthetic_run import write_synthetic_run

SMALL = """
title = "A small day"
[estate]
premises = 400
upload_window_h = 9.0
[estate.read_schedules]
daily = 0.5
half_hourly = 0.5
[topology]
keyspace = "{keyspace}"
dcs = [{{ name = "north", nodes = 1, rf = 1 }}, {{ name = "south", nodes = 1, rf = 1 }}]
[run]
wall_s = 60
warm_up_s = 1
warm_nodes_s = 0
"""


def started_by(pid: int, created_s: float, **changes: object) -> RunStart:
    fields = {
        "pid": pid,
        "pid_created_s": created_s,
        "started": datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
        "digest": "5e1f",
        "versions": {"cassandra": "5.0.9"},
        "where": "local nodes",
        "nodes_die_with_it": True,
        "profile": None,
        "fleet": None,
    }
    return RunStart.model_validate(fields | changes)


@pytest.fixture
def dead(tmp_path: Path) -> tuple[Path, Results]:
    """A folder as SIGKILL of the parent leaves it, and the results that it would have had."""
    folder = tmp_path / "run"
    results = write_synthetic_run(folder, wall_s=16)
    (folder / "results.json").unlink()
    parts = folder / "history" / "shard-0"
    parts.mkdir()
    for path in [path for path in (folder / "history").iterdir() if path.is_file()]:
        path.rename(parts / path.name)
    started_by(os.getpid(), 1.0).write(folder)  # the number is another process's by now
    return folder, results


def test_the_report_of_a_killed_run_is_written_from_its_history(dead: tuple[Path, Results]) -> None:
    folder, whole = dead
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    assert (folder / "report.html").stat().st_size > 0 and not (folder / "history" / "shard-0").exists()
    recovered = load_results(folder)
    assert recovered.verdict is Verdict.INCONCLUSIVE and recovered.reasons[0] == DIED
    assert set(recovered.undone) == {Undone.STORM, Undone.NODES}
    assert {name: each.ok for name, each in recovered.operations.items()} == {
        name: each.ok for name, each in whole.operations.items()
    }
    assert (recovered.generator.queued_share, recovered.generator.network_error_share) == (None, None)


def test_a_merge_that_was_cut_off_is_made_again(dead: tuple[Path, Results]) -> None:
    folder, whole = dead
    (folder / "history" / "intervals.csv").write_text(
        "second,operation,offered,attempted,ok,failed,indeterminate,retries\n"
    )
    recover(folder)
    assert sum(each.ok for each in load_results(folder).operations.values()) == sum(
        each.ok for each in whole.operations.values()
    )


def test_a_run_that_goes_on_is_left_alone(dead: tuple[Path, Results]) -> None:
    folder, _ = dead
    started_by(os.getpid(), psutil.Process().create_time()).write(folder)
    with pytest.raises(ScenarioError, match="still going on"):
        meterstorm.audit(folder)
    assert (folder / "history" / "shard-0").exists()


def test_a_run_that_an_error_ended_is_judged_by_the_process_that_called_it(dead: tuple[Path, Results]) -> None:
    folder, _ = dead
    started_by(os.getpid(), psutil.Process().create_time(), has_ended=True).write(folder)
    recover(folder)
    assert load_results(folder).verdict is Verdict.INCONCLUSIVE


def test_a_run_that_died_before_its_storm_says_so(dead: tuple[Path, Results]) -> None:
    folder, _ = dead
    (folder / "history" / "shard-0").rename(folder / "elsewhere")
    with pytest.raises(ScenarioError, match="died before it sent anything"):
        meterstorm.audit(folder)


@pytest.mark.parametrize("warm_nodes_s", [0, 5])
def test_a_run_that_died_before_it_sent_anything_says_what_it_left_on_a_cluster(
    dead: tuple[Path, Results], warm_nodes_s: int
) -> None:
    folder, _ = dead
    (folder / "history" / "shard-0").rename(folder / "elsewhere")
    warm(folder, warm_nodes_s)
    started_by(os.getpid(), 1.0, where=LOCAL_NODES).write(folder)
    with pytest.raises(ScenarioError) as refused:
        meterstorm.audit(folder)
    assert "dropped" not in str(refused.value)  # local nodes: they are in its folder
    started_by(os.getpid(), 1.0, where="192.0.2.1").write(folder)
    with pytest.raises(ScenarioError) as refused:
        meterstorm.audit(folder)
    warming = " and meterstorm_warming" if warm_nodes_s else ""
    assert str(refused.value).endswith(f"what it made on 192.0.2.1 can be dropped: keyspace meterstorm{warming}")


@pytest.mark.parametrize("has_died", [False, True])
def test_what_a_killed_run_left_of_its_warming_is_removed_by_its_audit(
    dead: tuple[Path, Results], has_died: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = dead
    warm(folder, 5)
    if not has_died:
        (folder / START_NAME).unlink()
        whole.write(folder)
        for path in (folder / "history" / "shard-0").iterdir():
            path.rename(folder / "history" / path.name)
    dropped: list[str] = []
    monkeypatch.setattr(jobs, "read_profile", lambda _: None)
    monkeypatch.setattr(jobs, "build_estate", lambda *_: None)
    monkeypatch.setattr(Experiment, "session", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(jobs, "drop_warming_schema", lambda _, topology: dropped.append(topology.keyspace))
    monkeypatch.setattr(jobs, "write_report", lambda _: None)
    monkeypatch.setattr(jobs, "_fold_or_trouble", lambda recorded, *_: (recorded, []))
    monkeypatch.setattr(jobs.proof, "audit", lambda *_, **__: whole.audit)
    endpoint = Endpoint(contact_points=("192.0.2.1",), local_dc="north")
    meterstorm.audit(folder, endpoint=endpoint)
    assert dropped == ["meterstorm"] * has_died


def warm(folder: Path, warm_nodes_s: int) -> None:
    """Have the run's scenario warm its nodes so long."""
    path = RunFolder(folder).scenario
    text = path.read_text(encoding="utf-8")
    assert re.search(r"(?m)^\[run\]$", text) is not None
    text = re.sub(r"(?m)^warm_nodes_s = .*\n", "", text)
    path.write_text(re.sub(r"(?m)^\[run\]$", f"[run]\nwarm_nodes_s = {warm_nodes_s}", text), encoding="utf-8")


def test_a_run_that_died_before_it_began_its_storm_says_so(dead: tuple[Path, Results]) -> None:
    folder, _ = dead
    (folder / START_NAME).unlink()
    (folder / CLAIM_NAME).touch()
    with pytest.raises(ScenarioError, match="ended before it sent anything"):
        meterstorm.audit(folder)


def test_a_run_that_died_between_its_storm_and_its_audit_took_its_nodes_with_it(dead: tuple[Path, Results]) -> None:
    """What they acknowledged last was called lost: the bench's own kill, blamed on the cluster."""
    folder, whole = dead
    unread = whole.model_copy(update={"audit": None})
    unread.write(folder)
    recover(folder)
    assert load_results(folder).undone == (*unread.undone, Undone.NODES)
    assert whole.audit is not None
    lost = whole.audit.model_copy(update={"lost": 3, "verified": whole.audit.verified - 3})
    judged = judge_again(load_results(folder), read_resolved(folder), lost, (), data=StoredData.KEPT)
    assert judged.verdict is Verdict.INCONCLUSIVE
    for ended in (
        unread.model_copy(update={"audit": whole.audit}),  # it died when all had been read back
        unread,
    ):
        ended.write(folder)
        started_by(os.getpid(), 1.0, nodes_die_with_it=ended is not unread).write(folder)
        recover(folder)
        assert load_results(folder).undone == unread.undone


def test_a_run_that_still_audits_is_left_alone(dead: tuple[Path, Results]) -> None:
    folder, whole = dead
    whole.model_copy(update={"audit": None}).write(folder)
    started_by(os.getpid(), psutil.Process().create_time()).write(folder)
    for again in (meterstorm.audit, meterstorm.report):
        with pytest.raises(ScenarioError, match="still going on"):
            again(folder)


@pytest.mark.parametrize("are_workers_elsewhere", [False, True])
def test_what_a_killed_run_of_locust_has_recorded_is_brought_together(
    dead: tuple[Path, Results], are_workers_elsewhere: bool
) -> None:
    folder, whole = dead
    of_locust = folder / "locust"
    of_locust.mkdir()
    (folder / "history").rename(of_locust / "history")
    ledger = Ledger.create(of_locust / "ledger", ("ingest_reading",), 3, 8)
    mark_run(ledger.states, 0, 1, 2, 3, SlotState.ACKNOWLEDGED)
    before = ledger.states.copy()
    HistoryWriter(of_locust / "history" / "nodes", ()).close()
    fleet = FleetResult(workers=2, customers=0)
    started_by(os.getpid(), 1.0, fleet=fleet, are_workers_elsewhere=are_workers_elsewhere).write(folder)
    recover(folder)
    recovered = load_results(folder)
    assert recovered.verdict is Verdict.INCONCLUSIVE and recovered.reasons[0] == DIED
    assert {name: each.ok for name, each in recovered.operations.items()} == {
        name: each.ok for name, each in whole.operations.items()
    }
    assert list(of_locust.iterdir()) == []
    found = Ledger.open(folder / "ledger")
    assert found.counts(0)[SlotState.ACKNOWLEDGED] == 3
    assert np.array_equal(found.states, before) != are_workers_elsewhere
    assert (found.counts(0)[SlotState.NONE] == 0) == are_workers_elsewhere  # what has no mark may have been sent


def test_rows_of_which_a_cut_history_does_not_know_are_no_phantoms() -> None:
    rows = RowCounts(right=120, wrong=0, phantom=2)
    assert phantoms_of(Sent(attempted=100, acknowledged=100, indeterminate=5), rows) == 17
    assert phantoms_of(Sent(attempted=100, acknowledged=100, indeterminate=5, is_whole=False), rows) == 2


@pytest.mark.timeout(900)  # the kernels may be compiled first, on whatever machine
@pytest.mark.long
@pytest.mark.parametrize("victim", ["parent", "sender", "parent of Locust"])
def test_what_a_killed_run_had_acknowledged_is_audited(
    two_dc_cluster: LocalCluster, tmp_path: Path, victim: str
) -> None:
    endpoint = two_dc_cluster.endpoint("north")
    (tmp_path / "small.toml").write_text(SMALL.format(keyspace=f"run_{uuid.uuid4().hex[:12]}"))
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "meterstorm.cli.app", "run", "small.toml", "--out", "out", "--local-dc", "north"),
            *("--contact-points", ",".join(endpoint.contact_points), "--port", str(endpoint.port)),
            *(("--workers", "1") if "Locust" in victim else ()),
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(meterstorm.__file__).parent.parent)},
    )
    folder = tmp_path / "out"
    storm = folder / "locust" if "Locust" in victim else folder
    parts = storm / "history" / "shard-0" / "ingest_reading.response.hlog"
    deadline = time.monotonic() + 600
    while not parts.exists() or len(parts.read_text().splitlines()) < 8:
        assert run.poll() is None and time.monotonic() < deadline, run.stderr and run.stderr.read()
        time.sleep(0.2)
    senders = psutil.Process(run.pid).children(recursive=True)
    if victim != "sender":
        run.send_signal(signal.SIGKILL)
        run.communicate()
    else:
        next(one for one in senders if "loadtests.storm.shard" in one.cmdline()).kill()
        _, said = run.communicate(timeout=120)
        assert run.returncode == 3 and "sender 0 ended (signal SIGKILL) before the trace did" in said
    _, alive = psutil.wait_procs(senders, timeout=90)  # a worker hears that its master is gone within a minute
    assert alive == []
    assert not (folder / "results.json").exists()
    audited = meterstorm.audit(folder, endpoint=endpoint, settle_s=5)
    assert audited.verdict is Verdict.INCONCLUSIVE, audited.reasons
    assert audited.audit is not None and audited.audit.acknowledged > 0
    assert (audited.audit.lost, audited.audit.wrong, audited.audit.phantom) == (0, 0, 0)
    assert audited.audit.verified == audited.audit.acknowledged
    assert (folder / "report.html").stat().st_size > 0
