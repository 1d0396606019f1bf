"""The alert matrix, row by row: whole runs on real nodes, watched by real Prometheus and Alertmanager."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import meterstorm
from reports.results.run import MonitoringResult
from tests.support.programs import require_programs

RUN_S_MAX = 900

# The scenarios that ship, and the alert that each must raise; None: a clean run, of which nobody hears.
MUST_RAISE = {
    "smoke": None,
    "node_killed": "CassandraNodeDown",
    "node_paused": "CassandraNodeDown",
    "disk_full": "DiskFull",
    "dc_partition": "DataCentresApart",
    "clock_skew": "ClockSkew",
    "hint_window": "CassandraNodeDown",
    "gateway_killed": None,
    "back_office_killed": "BackOfficeStopped",
    "tariffs_late": "PriceStale",
    "meters_garbage": "RejectedShare",
}


def watched(scenario: str, folder: Path) -> MonitoringResult:
    """As a user runs it: some start themselves again in namespaces of their own."""
    ended = subprocess.run(
        [sys.executable, "-m", "meterstorm.cli.app", "run", scenario, "--monitor", "--json", "--quiet", "--out", "out"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(meterstorm.__file__).parent.parent)},
    )
    assert ended.stdout, ended.stderr
    return MonitoringResult.model_validate(json.loads(ended.stdout)["monitoring"])


@pytest.mark.long
@pytest.mark.timeout(RUN_S_MAX + 60)
@pytest.mark.parametrize("scenario", MUST_RAISE)
def test_a_run_raises_what_its_fault_must_and_nothing_else_pages(scenario: str, tmp_path: Path) -> None:
    require_programs("prometheus")
    found = watched(scenario, tmp_path)
    assert (found.trouble, found.missing, found.unexpected) == (None, (), ())
    fired = {one.name for one in found.alerts if one.severity == "page" or one.name in MUST_RAISE.values()}
    alert = MUST_RAISE[scenario]
    assert alert in fired if alert else not fired
    # What a planned fault explains wakes nobody.
    assert not [one for one in found.alerts if one.name == alert and one.told]
