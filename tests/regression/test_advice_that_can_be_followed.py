"""Reports and commands advise only what can be done: an audit once more takes data that are still there."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.cluster.record import ClusterRecord
from meterstorm.cli.app import app
from meterstorm.jobs.recover import RunStart, recover
from meterstorm.jobs.run_folder import LOCAL_NODES
from reports.results.parts import Verdict
from reports.results.run import Results, Undone, load_results
from reports.verdict.auditable import StoredData
from reports.verdict.run import audit_checks
from scenarios.spec import load_scenario
from tests.support.synthetic_run import write_synthetic_run

STARTED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
GONE = "the nodes' data are gone with the run (they stay only with --keep), so only another run can tell"


@pytest.fixture
def ended(tmp_path: Path) -> tuple[Path, Results]:
    """The folder of a run that an error ended after 4 min 51 s, before it had results; and those that it would have had."""
    folder = tmp_path / "run"
    results = write_synthetic_run(folder, wall_s=16)
    (folder / "results.json").unlink()
    start = RunStart(
        pid=os.getpid(),
        pid_created_s=1.0,
        started=STARTED,
        digest="5e1f",
        versions={},
        where=LOCAL_NODES,
        nodes_die_with_it=False,
        has_ended=True,
        profile=None,
        fleet=None,
    )
    start.write(folder)
    for path in folder.rglob("*"):
        os.utime(path, (STARTED.timestamp() + 291, STARTED.timestamp() + 291))
    return folder, results


def with_nodes(folder: Path, *, are_data_kept: bool) -> None:
    """The folder of the run's nodes, as it is when they are stopped."""
    record = ClusterRecord(
        cassandra="5.0.9", topology=load_scenario(folder / "scenario.resolved.toml").topology, block=7
    )
    record.write(folder / "cluster")
    for name in record.node_names:
        (folder / "cluster" / name / ("data" if are_data_kept else "conf")).mkdir(parents=True)


def test_a_run_without_results_took_as_long_as_it_wrote(ended: tuple[Path, Results]) -> None:
    folder, _ = ended
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    results = load_results(folder)
    assert (results.finished - results.started).total_seconds() == pytest.approx(291, abs=1)
    assert "Took <b>4 min 51 s</b>" in (folder / "report.html").read_text()


def test_an_end_that_is_told_again_is_the_same(ended: tuple[Path, Results]) -> None:
    folder, _ = ended
    parts = folder / "history" / "shard-0"
    parts.mkdir()
    for path in [path for path in (folder / "history").iterdir() if path.is_file()]:
        path.rename(parts / path.name)  # the merge of the senders' parts was still to be made
    for _ in range(2):
        recover(folder)
        results = load_results(folder)
        assert (results.finished - results.started).total_seconds() == pytest.approx(291, abs=1)
        (folder / "results.json").unlink()


def test_an_audit_that_was_made_is_taken_up(ended: tuple[Path, Results]) -> None:
    folder, whole = ended
    assert whole.audit is not None
    (folder / "audits").mkdir()
    for number, lost in ((1, 0), (2, 5)):
        audit = whole.audit.model_copy(update={"number": number, "lost": lost})
        (folder / "audits" / f"{number:04d}.json").write_text(audit.model_dump_json())
    recover(folder)
    results = load_results(folder)
    assert results.audit is not None and (results.audit.number, results.audit.lost) == (2, 5)
    assert results.verdict is Verdict.FAIL  # five lost, by the later audit
    assert not any("Nothing was read back" in reason for reason in results.reasons)


@pytest.mark.parametrize(
    ("data", "advised"),
    [
        (StoredData.KEPT, "can't be judged; `meterstorm audit` on the run's folder does it and judges again."),
        (
            StoredData.EXISTING_CLUSTER,
            "`meterstorm audit` on the run's folder, with the cluster's --contact-points, does it and judges again.",
        ),
        (StoredData.GONE, f"can't be judged; {GONE}."),
    ],
)
def test_an_audit_is_advised_where_it_can_be_made(ended: tuple[Path, Results], data: StoredData, advised: str) -> None:
    folder, whole = ended
    scenario = load_scenario(folder / "scenario.resolved.toml")
    assert whole.audit is not None
    fold = audit_checks(whole.audit, scenario, ("usage_by_fuel",), data)[-1].sentence
    assert fold.endswith(advised)
    partly = whole.audit.model_copy(update={"verified": whole.audit.verified - 9})
    behind = whole.audit.model_copy(
        update={"per_dc": {**whole.audit.per_dc, "south": whole.audit.per_dc["south"].model_copy(update={"lost": 9})}}
    )
    for audit in (partly, behind):
        said = " ".join(check.sentence for check in audit_checks(audit, scenario, (), data))
        assert ("`meterstorm audit`" in said) == (data is not StoredData.GONE)
        assert (GONE in said) == (data is StoredData.GONE)
        assert ("--contact-points" in said) == (data is StoredData.EXISTING_CLUSTER)


@pytest.mark.parametrize("are_data_kept", [True, False])
def test_the_report_of_a_run_without_results_looks_whether_its_data_are_there(
    ended: tuple[Path, Results], are_data_kept: bool
) -> None:
    folder, _ = ended
    with_nodes(folder, are_data_kept=are_data_kept)
    path = folder / "scenario.resolved.toml"
    path.write_text(
        path.read_text() + "\n[reads]\ngap_share = 0.01\n"
    )  # there are revisions, whose days are folded anew
    recover(folder)
    results = load_results(folder)
    assert Undone.FOLD in results.undone
    assert any(GONE in reason for reason in results.reasons) != are_data_kept
    assert any("`meterstorm audit`" in reason for reason in results.reasons) == are_data_kept


def test_an_audit_without_data_is_refused_before_anything_starts(ended: tuple[Path, Results]) -> None:
    folder, whole = ended
    whole.model_copy(update={"topology": whole.topology.model_copy(update={"where": LOCAL_NODES})}).write(folder)
    with_nodes(folder, are_data_kept=False)
    for command in (["audit"], ["cluster", "up"]):
        result = CliRunner().invoke(app, [*command, str(folder)])
        assert result.exit_code == 2, result.output
        assert "--keep" in result.output and "Starting" not in result.output
        assert re.search(r"nodes are gone with the\s+run", result.output)
    assert not (folder / "cluster" / "supervisor.json").exists()


def test_an_audit_of_a_run_of_an_existing_cluster_asks_for_it(ended: tuple[Path, Results]) -> None:
    folder, whole = ended
    whole.model_copy(update={"topology": whole.topology.model_copy(update={"where": "10.0.0.7"})}).write(folder)
    result = CliRunner().invoke(app, ["audit", str(folder)])
    assert result.exit_code == 2, result.output
    assert "10.0.0.7" in result.output and "--contact-points" in result.output and "Starting" not in result.output
