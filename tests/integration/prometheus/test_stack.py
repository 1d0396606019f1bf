"""Real Prometheus and Alertmanager over exporters that tell what the test says. No Cassandra is started here."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from loadtests.cluster.background import BackgroundPhase
from loadtests.cluster.local import Node
from loadtests.cluster.supervisor import SupervisorState
from loadtests.errors import HarnessError
from loadtests.grafana.build import PAGES
from loadtests.prometheus import background
from loadtests.prometheus.episodes import AlertEpisode, episodes
from loadtests.prometheus.programs import find_victoria
from loadtests.prometheus.settings import NODES_READ_S, NodeTarget
from loadtests.prometheus.stack import MonitoringStack, MonitorPorts, ask, firing_at, targets_at
from meterstorm.cli import app as cli
from scenarios.spec import Scenario
from tests.support.exporters import ToldMetrics
from tests.support.programs import require_programs, said

SERVES = "cassandra_client_connections 3\n"
QUIET = (
    'meterstorm_fault_active{kind="kill",target="north-1"} 0\nmeterstorm_audit_dc_facts{dc="north",verdict="lost"} 0\n'
)
WAIT_S_MAX = 60.0
SCENARIO = Scenario.model_validate(
    {
        "title": "small",
        "estate": {"premises": 50},
        "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 300.0},
        "slo": [{"operation": "ingest_reading", "response_ms_max": 100.0}],
    }
)


def wait_until(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < deadline, f"not within {WAIT_S_MAX:.0f} s: {what}"
        time.sleep(0.1)


def notifications(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "notifications.jsonl").read_text().splitlines()]


def children() -> list[str]:
    return [" ".join(one.cmdline()) for one in psutil.Process().children() if "config" in " ".join(one.cmdline())]


@pytest.fixture
def node() -> Iterator[ToldMetrics]:
    with ToldMetrics(SERVES) as told:
        yield told


@pytest.fixture
def harness() -> Iterator[ToldMetrics]:
    with ToldMetrics(QUIET) as told:
        yield told


def target(node: ToldMetrics) -> NodeTarget:
    return NodeTarget(name="north-1", dc="north", address=node.address)


def test_a_dead_node_is_told_once_and_resolved_and_a_planned_fault_mutes_it_but_not_lost_facts(
    tmp_path: Path, node: ToldMetrics, harness: ToldMetrics
) -> None:
    require_programs("prometheus", "amtool", "promtool")
    began_s = time.time()
    with MonitoringStack.start(tmp_path, SCENARIO, [target(node)], harness.address) as stack:
        said("promtool", "check", "config", tmp_path / "prometheus.yml")
        said("amtool", "check-config", tmp_path / "alertmanager.yml")
        wait_until("both are scraped", lambda: stack.query("sum(up) == 2"))
        assert firing_at(stack.prometheus) == ()

        node.stop()
        wait_until("somebody is told", lambda: notifications(tmp_path))
        (told,) = notifications(tmp_path)
        assert (told["receiver"], told["status"], told["alert"]) == ("operational", "firing", "CassandraNodeDown")
        assert told["labels"]["node"] == "north-1"
        assert told["summary"] == "Node north-1 of data centre north does not serve."
        assert (Path(__file__).parents[3] / told["runbook"]).exists()
        assert "refused" in next(one.trouble for one in targets_at(stack.prometheus) if one.job == "cassandra")
        node.serve()
        wait_until("it is resolved", lambda: len(notifications(tmp_path)) == 2)
        assert notifications(tmp_path)[1]["status"] == "resolved"

        harness.text = QUIET.replace('"north-1"} 0', '"north-1"} 1').replace('"lost"} 0', '"lost"} 2')
        wait_until("lost facts are told", lambda: len(notifications(tmp_path)) == 3)
        assert (notifications(tmp_path)[2]["receiver"], notifications(tmp_path)[2]["alert"]) == (
            "business",
            "FactsLost",
        )
        node.stop()
        wait_until("it fires", lambda: any("CassandraNodeDown" in one for one in firing_at(stack.prometheus)))
        time.sleep(2.5)  # for as long as the first took from firing to being told, and longer

        first, lost, muted = episodes(stack, began_s)
        assert len(notifications(tmp_path)) == 3
    assert children() == []
    of_node = {"dc": "north", "instance": node.address, "job": "cassandra", "node": "north-1"}
    assert (first.name, first.severity, first.labels, first.is_told) == ("CassandraNodeDown", "page", of_node, True)
    assert first.resolved_s is not None and began_s < first.fired_s < first.resolved_s
    assert (lost.name, lost.is_told, lost.resolved_s) == ("FactsLost", True, None)
    assert muted == AlertEpisode(
        name="CassandraNodeDown",
        severity="page",
        labels=of_node,
        fired_s=muted.fired_s,
        resolved_s=None,
        is_told=False,
    )


def test_a_node_that_joins_is_scraped_and_one_that_has_left_is_missed_by_nobody(
    tmp_path: Path, node: ToldMetrics, harness: ToldMetrics
) -> None:
    require_programs("prometheus")

    def scraped(stack: MonitoringStack) -> set[str]:
        return {str(one.node) for one in targets_at(stack.prometheus) if one.job == "cassandra" and not one.trouble}

    with (
        ToldMetrics(SERVES) as another,
        MonitoringStack.start(tmp_path, SCENARIO, [target(node)], harness.address) as stack,
    ):
        wait_until("the first is scraped", lambda: scraped(stack) == {"north-1"})
        joined = NodeTarget(name="north-2", dc="north", address=another.address)
        stack.follow([target(node), joined])
        wait_until("both are scraped", lambda: scraped(stack) == {"north-1", "north-2"})
        stack.follow([joined])
        wait_until("the second alone is scraped", lambda: scraped(stack) == {"north-2"})
        node.stop()
        assert {one.node for one in targets_at(stack.prometheus)} == {None, "north-2"}
        wait_until("one serves", lambda: stack.query('count(up{job="cassandra"}) == 1'))
        another.stop()  # so that an alert would have come for the first as well
        wait_until("somebody is told", lambda: notifications(tmp_path))
        assert [one["labels"]["node"] for one in notifications(tmp_path)] == ["north-2"]


def test_a_port_that_is_taken_is_told_and_leaves_nothing(tmp_path: Path, node: ToldMetrics) -> None:
    require_programs("prometheus")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(HarnessError, match=rf"port {port} of 127.0.0.1, for prometheus.*--prometheus-port"):
            MonitoringStack.start(tmp_path, SCENARIO, [target(node)], "127.0.0.1:1", MonitorPorts(prometheus=port))
    assert children() == []


def test_a_machine_without_prometheus_is_told_how_to_get_it(
    tmp_path: Path, node: ToldMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    with pytest.raises(HarnessError, match="prometheus and prometheus-alertmanager can't be found; install them"):
        MonitoringStack.start(tmp_path, SCENARIO, [target(node)], "127.0.0.1:1")


def test_a_prometheus_that_refuses_its_files_is_told_in_its_words_and_leaves_nothing(
    tmp_path: Path, node: ToldMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_programs("prometheus")
    monkeypatch.setattr("loadtests.prometheus.stack.rules_yaml", lambda *_: "groups: 7\n")
    with pytest.raises(HarnessError, match=r"prometheus ended \(exit code \d+\), saying: .*error loading config"):
        MonitoringStack.start(tmp_path, SCENARIO, [target(node)], "127.0.0.1:1")
    assert children() == []


def test_victoriametrics_scrapes_the_same_and_shows_the_dashboards(
    tmp_path: Path, node: ToldMetrics, harness: ToldMetrics
) -> None:
    require_programs("prometheus")
    try:
        find_victoria()
    except HarnessError as error:
        pytest.skip(str(error))
    ports = MonitorPorts(victoria=0)
    with MonitoringStack.start(tmp_path, SCENARIO, [target(node)], harness.address, ports) as stack:

        def told(path: str) -> Any:
            return ask(stack.victoria, path)

        wait_until("both are scraped", lambda: told("/api/v1/query?query=up")["data"]["result"][1:])
        up = {one["metric"].get("node"): one["value"][1] for one in told("/api/v1/query?query=up")["data"]["result"]}
        assert up == {"north-1": "1", None: "1"}
        shown = told("/vmui/custom-dashboards")["dashboardsSettings"]
        assert [one["title"] for one in shown] == [page.title for page in PAGES.values()]
    assert children() == []


def test_without_victoriametrics_it_is_told_how_to_build_it(
    tmp_path: Path, node: ToldMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_programs("prometheus")
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    monkeypatch.setattr("loadtests.prometheus.programs.VICTORIA", ("no-such-victoria",))
    with pytest.raises(HarnessError, match=r"no-such-victoria can't be found; build it with Go.*victoria-metrics@v\d"):
        MonitoringStack.start(tmp_path, SCENARIO, [target(node)], "127.0.0.1:1", MonitorPorts(victoria=0))
    assert children() == []


def cluster_of(folder: Path, *nodes: ToldMetrics, metrics: bool) -> None:
    """What a background cluster's folder says; its supervisor is this process."""
    me = psutil.Process()
    SupervisorState(
        phase=BackgroundPhase.SERVING,
        topology=SCENARIO.topology,
        metrics=metrics,
        pid=me.pid,
        started_at=me.create_time(),
        nodes=tuple(
            Node(
                name=f"north-{number}",
                dc="north",
                address=f"127.42.0.{number}",
                pid=me.pid,
                folder=folder,
                metrics=node.address if metrics else None,
            )
            for number, node in enumerate(nodes, 1)
        ),
    ).write(folder)


def monitor(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["monitor", *arguments])
    return result.exit_code, result.output + result.stderr


def test_monitoring_beside_a_cluster_goes_up_tells_of_it_and_goes_down(tmp_path: Path, node: ToldMetrics) -> None:
    require_programs("prometheus")
    cluster, out = tmp_path / "cluster", tmp_path / "monitor"
    cluster.mkdir()
    cluster_of(cluster, node, metrics=True)
    where = ["--out", str(out)]
    free = ["--prometheus-port", "0", "--alertmanager-port", "0"]
    code, words = monitor("up", "smoke", "--cluster", str(cluster), *where, *free)
    try:
        assert code == 0 and "serving" in words, words
        assert {path.name for path in (out / "grafana" / "dashboards").iterdir()} == {
            "operational.json",
            "business.json",
        }
        wait_until("the node is scraped", lambda: "north-1 at" in monitor("status", *where)[1])
        wait_until("the node answers", lambda: f"north-1 at {node.address}: answers" in monitor("status", *where)[1])
        wait_until("no run tells metrics", lambda: "own metrics at 127.0.0.1:9464: Get" in monitor("status", *where)[1])
        with ToldMetrics(SERVES) as joined:
            cluster_of(cluster, node, joined, metrics=True)
            wait_until(
                "the new node answers", lambda: f"north-2 at {joined.address}: answers" in monitor("status", *where)[1]
            )
            (cluster / SupervisorState.FILE).unlink()  # it can't be read: its nodes are missed, and not forgotten
            time.sleep(2 * background.CHECK_S + NODES_READ_S)
            assert "north-2 at" in monitor("status", *where)[1]
            cluster_of(cluster, node, metrics=True)
            wait_until("it has left", lambda: "north-2 at" not in monitor("status", *where)[1])
        again = monitor("up", "smoke", "--cluster", str(cluster), *where, *free)
        assert again[0] == 3 and "already runs; stop it with: meterstorm monitor down" in again[1]
        state = json.loads(monitor("status", "--json", *where)[1])
    finally:
        code, words = monitor("down", *where)
    assert code == 0 and "stopped" in words
    assert not background.status(out).is_running() and not (out / "data").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(state["prometheus"].rpartition(":")[2]))) != 0
    assert monitor("status", *where)[0] == 3


def test_a_cluster_that_tells_nothing_or_is_not_there_is_told_with_the_mend(tmp_path: Path, node: ToldMetrics) -> None:
    out = ["--out", str(tmp_path / "monitor")]
    code, words = monitor("up", "smoke", "--cluster", str(tmp_path), *out)
    assert code == 3 and "meterstorm cluster up" in words
    cluster_of(tmp_path, node, metrics=False)
    code, words = monitor("up", "smoke", "--cluster", str(tmp_path), *out)
    assert code == 3 and "they have no exporter" in words and "cluster up SCENARIO --metrics" in " ".join(words.split())
    (tmp_path / "mine" / "data").mkdir(parents=True)
    code, words = monitor("up", "smoke", "--cluster", str(tmp_path), "--out", str(tmp_path / "mine"))
    assert code == 3 and "already holds something" in words and (tmp_path / "mine" / "data").exists()
    code, words = monitor("status", *out)
    assert code == 3 and "holds no monitoring; start one with: meterstorm monitor up" in words
    code, words = monitor("down", *out)
    assert code == 3 and "holds no monitoring" in words


def test_an_existing_cluster_that_does_not_answer_is_told_and_its_password_is_written_nowhere(tmp_path: Path) -> None:
    require_programs("prometheus")
    secret, out = tmp_path / "secret", tmp_path / "monitor"
    secret.write_text("s3cret-of-mine\n")
    secret.chmod(0o600)
    with socket.socket() as holder:  # taken, and nobody listens
        holder.bind(("127.0.0.1", 0))
        place = ["--contact-points", "127.0.0.1", "--port", str(holder.getsockname()[1])]
        login = ["--username", "me", "--password-file", str(secret)]
        code, words = monitor("up", "smoke", *place, *login, "--out", str(out))
    assert code == 3 and "127.0.0.1" in words and "s3cret-of-mine" not in words
    state = background.status(out)
    assert state.phase is BackgroundPhase.FAILED and not state.is_running()
    assert state.endpoint is not None and state.endpoint.username == "me" and state.password_file == secret
    assert not [path for path in out.rglob("*") if path.is_file() and "s3cret-of-mine" in path.read_text()]
    assert children() == []
    code, words = monitor("up", "smoke", "--username", "me", "--out", str(out))
    assert code == 2 and "go with" in words
