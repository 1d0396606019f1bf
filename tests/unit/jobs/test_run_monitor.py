from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.errors import HarnessError
from loadtests.prometheus.stack import MonitorFolder, MonitoringStack
from meterstorm.cli import app as cli
from meterstorm.jobs.run_monitor import RunMonitor, require_monitor


class SilentStack(MonitoringStack):
    """Its Prometheus has died."""

    def __init__(self, folder: Path) -> None:
        self.folder = MonitorFolder(folder)
        self.prometheus = "127.0.0.1:1"


def test_nodes_that_are_not_ours_get_no_exporter() -> None:
    ended = CliRunner().invoke(cli.app, ["run", "smoke", "--monitor", "--contact-points", "192.0.2.1"])
    assert ended.exit_code == 2 and "--monitor is of a run with nodes of its own" in ended.stderr


def test_a_run_without_prometheus_is_refused_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    with pytest.raises(HarnessError, match="apt-get install prometheus"):
        require_monitor(is_local=True)


def test_a_prometheus_that_dies_is_told_in_the_results_and_ends_no_run(tmp_path: Path) -> None:
    told = RunMonitor(SilentStack(tmp_path)).result([], None)
    assert told.alerts == () and told.trouble is not None
    assert told.trouble.startswith("127.0.0.1:1 does not answer /api/v1/query: ")
