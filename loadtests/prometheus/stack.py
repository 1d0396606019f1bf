"""A Prometheus and an Alertmanager as child processes, on loopback, from files that are written before they start.

Rules that hold here: neither outlives the process that started it; a start that fails leaves nothing running; what they keep
while they run is in the folder and nowhere else.
"""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtests.cluster.tether import tied
from loadtests.errors import HarnessError, how_it_ended, last_words
from loadtests.grafana.provisioning import lay_out
from loadtests.grafana.victoria import lay_out_vmui
from loadtests.prometheus.alerts import Audience
from loadtests.prometheus.programs import MonitoringPrograms, find_victoria
from loadtests.prometheus.receiver import NotificationReceiver
from loadtests.prometheus.rules import duration, rules_yaml
from loadtests.prometheus.settings import (
    NODES_NAME,
    NODES_READ_S,
    RULES_NAME,
    SCRAPE_S,
    NodeTarget,
    alertmanager_yaml,
    nodes_json,
    prometheus_yaml,
)
from scenarios.spec import Scenario

HOST = "127.0.0.1"
READY_S_MAX = 60.0
END_S_MAX = 20.0
ASK_S_MAX = 10.0
POLL_S = 0.05
RETENTION = "15d"

# The kernel ties a child to the *thread* that forked it, so both are launched by this one, which lives till the end.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="monitoring-launcher")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPorts:
    """Where they listen, on loopback; 0 is any that is free. victoria None: there is no VictoriaMetrics."""

    prometheus: int = 0
    alertmanager: int = 0
    victoria: int | None = None


@dataclass(frozen=True, slots=True)
class MonitorFolder:
    """The files of a stack."""

    path: Path

    @property
    def notifications(self) -> Path:
        """Who was told what, a line of JSON each."""
        return self.path / "notifications.jsonl"

    @property
    def data(self) -> Path:
        """What the two keep while they run."""
        return self.path / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """One target as Prometheus last scraped it."""

    job: str
    node: str | None
    address: str
    trouble: str  # empty: it answers


class MonitoringStack:
    """The two and the receiver of their notifications; as a context manager all end with the block. Made by `start`."""

    def __init__(self, folder: MonitorFolder, receiver: NotificationReceiver) -> None:
        self.folder = folder
        self.prometheus = ""  # HOST:PORT
        self.alertmanager = ""
        self.victoria = ""  # empty: there is none
        self._receiver = receiver
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._nodes: tuple[NodeTarget, ...] | None = None  # as the file has them

    @classmethod
    def start(
        cls,
        folder: Path,
        scenario: Scenario,
        nodes: Sequence[NodeTarget],
        harness: str,
        ports: MonitorPorts | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Both serve when it returns. harness: HOST:PORT of a run's own metrics, there or not. progress: told what is awaited.

        Raises HarnessError, with nothing left running, when a program is missing, a port is taken or one does not come up.
        """
        programs = MonitoringPrograms.find()
        asked = ports or MonitorPorts()
        victoria_program = None if asked.victoria is None else find_victoria()
        prometheus, alertmanager, *victoria = _free_addresses(asked)
        where = MonitorFolder(folder.absolute())
        shutil.rmtree(where.data, ignore_errors=True)  # of a stack that was killed
        with contextlib.ExitStack() as undone:
            try:
                where.data.mkdir(parents=True, exist_ok=True)
                stack = cls(where, NotificationReceiver(where.notifications))
                undone.callback(stack.stop)
                stack.prometheus, stack.alertmanager, stack.victoria = prometheus, alertmanager, "".join(victoria)
                stack._write(scenario, nodes, harness)
            except OSError as error:
                raise HarnessError(f"folder {folder} can't be written: {error}; name another with --out") from error
            stack._receiver.start()
            stack._launch(programs, victoria_program, progress)
            undone.pop_all()
        return stack

    def _write(self, scenario: Scenario, nodes: Sequence[NodeTarget], harness: str) -> None:
        webhooks = {audience: [self._receiver.url(audience)] for audience in Audience}
        texts = {
            "prometheus.yml": prometheus_yaml(harness, self.alertmanager),
            RULES_NAME: rules_yaml(scenario, SCRAPE_S),
            "alertmanager.yml": alertmanager_yaml(webhooks),
        }
        for name, text in texts.items():
            (self.folder.path / name).write_text(text, encoding="utf-8")
        self.follow(nodes)
        lay_out(self.folder.path / "grafana", f"http://{self.prometheus}")
        if self.victoria:
            lay_out_vmui(self.folder.path / "victoria")
        self.folder.notifications.touch()

    def follow(self, nodes: Sequence[NodeTarget]) -> None:
        """Scrape these nodes from now on, and no others. Raises OSError."""
        if self._nodes == (told := tuple(nodes)):
            return
        draft = self.folder.path / f"{NODES_NAME}.draft"
        draft.write_text(nodes_json(told), encoding="utf-8")
        draft.replace(self.folder.path / NODES_NAME)
        self._nodes = told

    def _launch(self, programs: MonitoringPrograms, victoria: Path | None, progress: Callable[[str], None]) -> None:
        data, path = self.folder.data, self.folder.path
        commands = {
            "alertmanager": [
                str(programs.alertmanager),
                f"--config.file={path / 'alertmanager.yml'}",
                f"--storage.path={data / 'alertmanager'}",
                f"--web.listen-address={self.alertmanager}",
                "--cluster.listen-address=",  # alone: no port for others of its kind
            ],
            "prometheus": [
                str(programs.prometheus),
                f"--config.file={path / 'prometheus.yml'}",
                f"--storage.tsdb.path={data / 'prometheus'}",
                f"--storage.tsdb.retention.time={RETENTION}",
                f"--web.listen-address={self.prometheus}",
            ],
        }
        if victoria is not None:
            commands["victoria"] = [
                str(victoria),
                f"-promscrape.config={path / 'prometheus.yml'}",
                "-promscrape.config.strictParse=false",  # rules and Alertmanager are Prometheus' alone
                f"-promscrape.fileSDCheckInterval={duration(NODES_READ_S)}",
                f"-storageDataPath={data / 'victoria'}",
                f"-retentionPeriod={RETENTION}",
                f"-httpListenAddr={self.victoria}",
                f"-search.latencyOffset={duration(SCRAPE_S)}",  # else it shows nothing of the last half minute
                f"-vmui.customDashboardsPath={path / 'victoria'}",
            ]
        for name, command in commands.items():
            self._processes[name] = _launcher.submit(self._launch_one, name, command).result()
        addresses = {"alertmanager": self.alertmanager, "prometheus": self.prometheus, "victoria": self.victoria}
        for name in commands:
            progress(f"waiting for {name} at {addresses[name]}")
            self._await_ready(name, addresses[name])

    def _launch_one(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            with self._log(name).open("wb") as log:
                return subprocess.Popen(
                    tied(command), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            raise HarnessError(f"{command[0]} can't be started: {error}") from error

    def _await_ready(self, name: str, address: str) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while not _answers(f"http://{address}/-/ready"):
            self._require_alive(name)
            if time.monotonic() > deadline:
                raise HarnessError(f"{name} is not ready {READY_S_MAX:.0f} s after its start; see {self._log(name)}")
            time.sleep(POLL_S)
        self._require_alive(name)  # and it is ours that answers

    def require_alive(self) -> None:
        """Raises HarnessError when one has ended by itself."""
        for name in self._processes:
            self._require_alive(name)

    def _require_alive(self, name: str) -> None:
        status = self._processes[name].poll()
        if status is not None:
            log = self._log(name)
            raise HarnessError(f"{name} ended ({how_it_ended(status)}), saying: {last_words(log)}; its log is {log}")

    def _log(self, name: str) -> Path:
        return self.folder.path / f"{name}.log"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers now, as its HTTP API has it. Raises HarnessError."""
        answer = ask(self.prometheus, f"/api/v1/query?query={urllib.parse.quote(expression)}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def stop(self) -> None:
        """End both and the receiver; a second call does nothing. What they have scraped stays in the folder."""
        try:
            for process in self._processes.values():
                process.terminate()
            deadline = time.monotonic() + END_S_MAX
            for process in self._processes.values():
                try:
                    process.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    continue
        finally:
            for process in self._processes.values():
                process.kill()
                process.wait()
                if process.stdin:
                    process.stdin.close()
            self._receiver.stop()
            self._processes = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ask(address: str, path: str) -> dict[str, Any]:
    """The JSON that a program at HOST:PORT answers. Raises HarnessError."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=ASK_S_MAX) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise HarnessError(f"{address} does not answer {path.partition('?')[0]}: {error}") from error


def targets_at(prometheus: str) -> tuple[TargetHealth, ...]:
    """Every target of the Prometheus at HOST:PORT, and why its last scrape failed. Raises HarnessError."""
    found = ask(prometheus, "/api/v1/targets?state=active")["data"]["activeTargets"]
    return tuple(
        TargetHealth(
            job=one["labels"]["job"],
            node=one["labels"].get("node"),
            address=one["labels"]["instance"],
            trouble="" if one["health"] == "up" else one["lastError"] or "not scraped yet",
        )
        for one in found
    )


def firing_at(prometheus: str) -> tuple[str, ...]:
    """The alerts that fire now, by their summaries. Raises HarnessError."""
    found = ask(prometheus, "/api/v1/alerts")["data"]["alerts"]
    return tuple(
        f"{one['labels']['alertname']} ({one['labels']['severity']}): {one['annotations']['summary']}"
        for one in found
        if one["state"] == "firing"
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def require_startable(ports: MonitorPorts) -> None:
    """Raises HarnessError, with the mend, when a program is missing or a port is taken."""
    MonitoringPrograms.find()
    if ports.victoria is not None:
        find_victoria()
    _free_addresses(ports)


def _free_addresses(asked: MonitorPorts) -> list[str]:
    """HOST:PORT of Prometheus, Alertmanager and, where asked, VictoriaMetrics; raises HarnessError when one is taken."""
    ports = {"prometheus": asked.prometheus, "alertmanager": asked.alertmanager}
    if asked.victoria is not None:
        ports["victoria"] = asked.victoria
    with contextlib.ExitStack() as held:  # all at once, so that no two get the same
        found = []
        for name, port in ports.items():
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise HarnessError(
                    f"port {port} of {HOST}, for {name}, can't be had: {error.strerror}; end the program that has it, or "
                    f"name another with --{name}-port"
                ) from error
            found.append(f"{HOST}:{probe.getsockname()[1]}")
        return found
