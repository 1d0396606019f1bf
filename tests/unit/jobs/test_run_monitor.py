import http.server
import inspect
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loadtests.errors import HarnessError
from loadtests.faults.injection import FaultCourse
from loadtests.prometheus.settings import NodeTarget
from loadtests.prometheus.stack import MonitorFolder, MonitoringStack, ask
from meterstorm.cli import app as cli
from meterstorm.jobs import run
from meterstorm.jobs.run_monitor import CUT_SHORT, RunMonitor, with_alerts
from reports.results.run import MonitoringResult, load_results
from scenarios.parts.faults import Fault, FaultKind
from tests.support.synthetic_run import write_synthetic_run


class SilentStack(MonitoringStack):
    """Its Prometheus has died."""

    def __init__(self, folder: Path) -> None:
        self.folder = MonitorFolder(folder)
        self.prometheus = "127.0.0.1:1"


class BrokenStack(SilentStack):
    """Its Prometheus answers something."""

    def __init__(self, folder: Path, answer: Exception | list[dict[str, Any]]) -> None:
        super().__init__(folder)
        self._answer = answer
        self.is_stopped = False

    def query(self, expression: str) -> list[dict[str, Any]]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def stop(self) -> None:
        self.is_stopped = True


def test_every_phase_that_a_run_goes_through_is_told() -> None:
    begun = re.findall(r'phases\.(?:phase|begin)\("(\w+)"', inspect.getsource(run))
    assert {*begun, run.STORM} == set(run.PHASES)


def test_a_run_without_prometheus_is_refused_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    for where in ([], ["--contact-points", "192.0.2.1"]):
        ended = CliRunner().invoke(cli.app, ["run", "smoke", "--monitor", "--out", str(tmp_path / "run"), *where])
        assert ended.exit_code == 3 and "apt-get install prometheus" in ended.stderr
    assert not (tmp_path / "run").exists()


def test_nodes_that_join_or_leave_are_followed_and_a_folder_that_can_not_be_written_ends_no_run(tmp_path: Path) -> None:
    stack, there = SilentStack(tmp_path), [[NodeTarget(name="a", dc="north", address="a:1")]]
    stack._nodes = None
    monitor = RunMonitor(stack, 15.0, lambda: tuple(there[0]))
    monitor.follow()
    assert '"a:1"' in (tmp_path / "nodes.json").read_text()
    there[0] = [NodeTarget(name="b", dc="north", address="127.0.0.1:2", path="/nodes/b")]
    monitor.follow()
    (group,) = json.loads((tmp_path / "nodes.json").read_text())
    labels = {"node": "b", "dc": "north", "instance": "b", "__metrics_path__": "/nodes/b"}
    assert group == {"targets": ["127.0.0.1:2"], "labels": labels}
    stack.folder = MonitorFolder(tmp_path / "gone")
    there[0] = []
    monitor.follow()


def test_a_prometheus_that_dies_is_told_in_the_results_and_ends_no_run(tmp_path: Path) -> None:
    told = RunMonitor(SilentStack(tmp_path), 15.0).result([], None)
    assert told.alerts == () and told.trouble is not None
    assert told.trouble.startswith("127.0.0.1:1 does not answer /api/v1/query: ")


@pytest.mark.parametrize("notifications", [None, "no JSON\n", "{}\n"])
def test_notifications_that_can_not_be_read_are_told_and_end_no_run(tmp_path: Path, notifications: str | None) -> None:
    stack = BrokenStack(tmp_path, [])
    if notifications is not None:
        stack.folder.notifications.write_text(notifications)
    told = RunMonitor(stack, 15.0).result([], None)
    assert told.trouble is not None and told.trouble.startswith("what was told of alerts can't be read: ")


def test_an_answer_without_what_it_should_have_ends_no_run(tmp_path: Path) -> None:
    stack = BrokenStack(tmp_path, [{"metric": {}}])
    stack.folder.notifications.touch()
    assert RunMonitor(stack, 15.0).result([], None) == MonitoringResult(
        trouble="what was told of alerts can't be read: KeyError: 'alertname'."
    )


def test_a_prometheus_that_dies_in_the_middle_of_its_answer_is_one_that_does_not_answer() -> None:
    class HalfAnswer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"{")

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), HalfAnswer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(HarnessError, match="does not answer /api/v1/query"):
            ask(f"127.0.0.1:{server.server_port}", "/api/v1/query?query=up")
        thread.join()


def test_who_does_not_wait_for_alerts_has_audit_and_verdict(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "run", wall_s=10)
    results = load_results(tmp_path / "run")
    assert results.audit is not None
    stormed = results.model_copy(update={"audit": None})
    stormed.write(tmp_path / "run")

    class Interrupted(RunMonitor):
        def result(self, courses: object, storm_s: float | None) -> MonitoringResult:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_alerts(results, tmp_path / "run", Interrupted(SilentStack(tmp_path), 15.0), [], None)
    assert load_results(tmp_path / "run") == results


@pytest.mark.parametrize("is_asked", [True, False])
def test_ctrl_c_while_alerts_are_waited_for_keeps_what_fired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_asked: bool
) -> None:
    """A rejected share is of the last minute: the run would wait for as long."""
    now_s = time.time()
    labels = {"alertname": "RejectedShare", "severity": "warn", "alertstate": "firing"}
    stack = BrokenStack(tmp_path, [{"metric": labels, "values": [[now_s - 2, "1"], [now_s - 1, "1"], [now_s, "1"]]}])
    stack.folder.notifications.touch()
    garbage = Fault(kind=FaultKind.GARBAGE, target="back_office", at_s=5.0, for_s=50.0)
    healed = FaultCourse(garbage, (), begun_s=5.0, effective_s=6.0, healed_s=55.0, back_s=55.0)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("meterstorm.jobs.run_monitor.time.sleep", (lambda _: None) if is_asked else interrupted)
    if is_asked:  # once it has answered
        answers = iter([stack.query("")])
        monkeypatch.setattr(stack, "query", lambda expression: next(answers, None) or interrupted(expression))
    told = RunMonitor(stack, 15.0).result([healed], 30.0)
    assert [one.name for one in told.alerts] == ["RejectedShare"] and told.trouble is None
    assert told.missing == (
        "RejectedShare did not resolve after the garbage of back_office at 5 s, which was over at 55 s.",
        CUT_SHORT,
    )


def test_what_fired_is_added_to_the_results_and_nothing_is_watched_any_more(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "run", wall_s=10)
    results = load_results(tmp_path / "run")
    stack = BrokenStack(tmp_path, HarnessError("it is gone"))
    told = with_alerts(results, tmp_path / "run", RunMonitor(stack, 15.0), [], None)
    assert told == results.model_copy(update={"monitoring": MonitoringResult(trouble="it is gone.")})
    assert stack.is_stopped
