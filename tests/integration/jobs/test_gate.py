"""The gate of examples/gate, as a user's repository has it: a commit that loses data, and one that does not matter."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from meterstorm.cli.app import app
from reports.gate.page import write_gate_report
from reports.results.gate import load_gate
from scenarios.gate_file import GateAnswer

pytestmark = pytest.mark.usefixtures("tables_unflushed")
EXAMPLE = Path(__file__).parents[3] / "examples" / "gate"
# Short, and wide enough for any machine: what is tested is the way, from commits to files, not this machine's noise.
# A trial of 0.3 s had once too few responses for any quantile, beside whatever else ran.
CONFIG = """
[limits]
throughput = 10.0
server_cpu = 10.0
response = 10.0
response_p99 = 10.0
[effort]
pairs_max = 60
seconds = 0.6
warm_s = 2.0
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example in a repository of its own, small, and committed as it is."""
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLE, folder)
    text = (folder / "storm.toml").read_text()
    small = text.replace("premises = 2_000", "premises = 200")
    # of a busy machine too: whether its generator was late is told by other tests
    (folder / "storm.toml").write_text(f"{small}\n[run.validity]\nlate_p99_ms_max = 60_000\nstalled_share_max = 1.0\n")
    (folder / "gate.toml").write_text(CONFIG)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as it was")
    return folder


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, timeout=60)


def commit(folder: Path, alteration: str) -> None:
    path = folder / "storm.toml"
    path.write_text(
        path.read_text().replace('schema = "home_months"', f'schema = "home_months"\nalterations = ["{alteration}"]')
    )
    git(folder, "commit", "-q", "-a", "-m", "a change of the table design")


def test_a_commit_whose_table_forgets_is_a_regression_however_fast_it_is(repository: Path) -> None:
    commit(repository, "ALTER TABLE {keyspace}.events_by_home WITH default_time_to_live = 1")
    out = repository / "out"
    result = CliRunner().invoke(
        app,
        [
            *("gate", str(repository / "storm.toml"), "--baseline", "HEAD~1"),
            *("--config", str(repository / "gate.toml"), "--out", str(out)),
        ],
    )
    assert result.exit_code == 1, result.output
    found = load_gate(out)
    assert (
        found.answer is GateAnswer.REGRESSION
    )  # after the filling, or after the last pair where the machine is that fast
    (differing,) = found.differing_facts
    assert differing.table == "events_by_home" and 0 < differing.missing <= differing.rows
    assert differing.extra == differing.altered == 0
    assert re.search(r"events_by_home in DC north: of [\d,]+ rows [\d,]+ missing", " ".join(found.reasons))
    junit = ElementTree.parse(out / "junit.xml").getroot()
    failed = {case.get("name") for case in junit.iter("testcase") if case.find("failure") is not None}
    assert {"the change", "facts"} <= failed
    assert "alterations" in (out / "report.html").read_text()


def test_a_commit_that_does_not_matter_passes_with_all_its_pairs(repository: Path) -> None:
    commit(repository, "ALTER TABLE {keyspace}.events_by_home WITH comment = 'reads as they came'")
    out = repository / "out"
    result = CliRunner().invoke(
        app,
        [
            *(
                "gate",
                str(repository / "storm.toml"),
                "--baseline",
                "HEAD~1",
                "--candidate",
                "HEAD",
                "--json",
                "--quiet",
            ),
            *("--config", str(repository / "gate.toml"), "--out", str(out)),
        ],
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    found = load_gate(out)
    assert told["answer"] == found.answer and found.answer in (GateAnswer.PASS, GateAnswer.IMPROVEMENT)
    assert found.candidate.told.startswith("HEAD (") and list(found.candidate.differs) == ["store.alterations"]
    names = [each.name for each in found.metrics]
    assert names[:2] == ["throughput", "server CPU"] and any(name.startswith("writes p") for name in names)
    assert all(len(each.changes) == found.pairs > 5 for each in found.metrics)
    assert all(each.low is not None and each.low < (each.change or 0.0) < (each.high or 0.0) for each in found.metrics)
    assert found.facts and found.facts_compared == "after the last pair" and not found.differing_facts
    counted = {each.name: (each.baseline, each.candidate) for each in found.counters if not each.chance}
    assert any(name.endswith(": rows read") and ours > 0 for name, (ours, _) in counted.items())
    assert counted["events_by_home: writes by replicas"][0] > 0
    assert all(ours == theirs for ours, theirs in counted.values())
    assert {"writes", "reads"} <= set(found.curves)
    assert not any((out / "cluster").rglob("*.db"))  # the nodes' data went with them
    page = (out / "report.html").read_text()
    write_gate_report(out)
    assert (out / "report.html").read_text() == page
    assert "meterstorm gate: pass" in (out / "gate.md").read_text() or found.answer is GateAnswer.IMPROVEMENT
