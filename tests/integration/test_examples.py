"""The scripts of examples/, run as their first lines say, against the cluster of the tests."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from loadtests.cluster.local import LocalCluster
from tests.integration.jobs.test_run import small_text

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long  # a whole run each


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(small_text(f"example_{uuid.uuid4().hex[:12]}"))
    return path


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ | {"UV_NO_SYNC": "1"}
    )


def reached(cluster: LocalCluster) -> list[str]:
    return ["--contact-points", cluster.endpoint("north").contact_points[0], "--local-dc", "north"]


def test_own_cluster_storms_audits_and_audits_again(
    two_dc_cluster: LocalCluster, scenario: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("bash", "examples/own_cluster.sh", scenario, out, *reached(two_dc_cluster))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first verdict: exit code 0" in done.stdout
    assert len(list((out / "audits").iterdir())) == 2


def test_ci_job_says_pass_and_leaves_its_test_results(
    two_dc_cluster: LocalCluster, scenario: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run("bash", "examples/ci_job.sh", scenario, out, *reached(two_dc_cluster))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "pass" and (out / "junit.xml").exists()


def test_ci_job_fails_the_build_when_an_objective_is_broken(
    two_dc_cluster: LocalCluster, scenario: Path, tmp_path: Path
) -> None:
    scenario.write_text(scenario.read_text().replace("response_ms_max = 20000", "response_ms_max = 0.001"))
    done = run("bash", "examples/ci_job.sh", scenario, tmp_path / "out", *reached(two_dc_cluster))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fail: an objective is broken" in done.stdout


def test_the_library_script_tells_the_verdict_of_its_run(
    two_dc_cluster: LocalCluster, scenario: Path, tmp_path: Path
) -> None:
    out, contact_point = tmp_path / "out", two_dc_cluster.endpoint("north").contact_points[0]
    done = run(sys.executable, "examples/library.py", scenario, out, contact_point, "north")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: pass" in done.stdout and "read back with their exact value" in done.stdout
    assert json.loads((out / "results.json").read_text())["seed"] == 7
