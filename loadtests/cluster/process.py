"""One node as a child process: written out, launched on its tether, watched, stopped."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from loadtests.cluster import node_config
from loadtests.cluster.control.orders import Orders
from loadtests.cluster.java import without_warnings
from loadtests.cluster.jmx_exporter import RULES_NAME, NodeExporter, agent_option
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.node_config import ClientSecurity
from loadtests.cluster.sizing import NodeSize
from loadtests.cluster.tether import tied
from loadtests.errors import HarnessError, how_it_ended
from scenarios.domain import CommitLogSync

DRAIN_S_MAX = 60.0
KILL_S_MAX = 20.0
ERROR_LINE_COUNT_MAX = 3
LOG_READ_BYTES_MAX = 256 * 1024

# The kernel ties a child to the *thread* that forked it, so all are launched by this one, which lives till the end.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="node-launcher")


class NodeProcess:
    """The process of one node, from its first launch; `folder` holds all that it reads and writes."""

    def __init__(self, spec: NodeSpec, folder: Path, namespace: int | None = None) -> None:
        """namespace: a file descriptor of the network namespace that it runs in; by default ours."""
        self.spec = spec
        self._namespace = namespace
        self.folder = folder
        self.orders: Orders | None = None
        self._launch: Future[subprocess.Popen[bytes]] | None = None
        self._log_start = 0  # where this launch begins in system.log, which goes on from a former one

    def write_files(
        self,
        *,
        jars: Sequence[Path],
        seeds: Sequence[str],
        size: NodeSize,
        processors: int,
        security: ClientSecurity,
        sync: CommitLogSync = CommitLogSync.PERIODIC,
        cassandra_options: Mapping[str, Any] | None = None,
        joins: bool = False,
        special: Sequence[str] = (),
        control: Path | None = None,
        exporter: NodeExporter | None = None,
    ) -> None:
        """Write what the node starts from; data of a former start stays. Raises HarnessError on a disk that is full.

        joins: a ring that has data. special: options of Java for it alone. control: the folder of the class that heeds `orders`;
        None: it gets none. exporter: by which it tells Prometheus of itself; None: it does not.
        """
        self.orders = None if control is None else Orders(self.spec.name, self.folder)
        conf = self.folder / "conf"
        if exporter is not None:
            special = [*special, agent_option(exporter.jar, self.spec.address, conf / RULES_NAME)]
        options = node_config.jvm_options(
            self.folder, jars, size=size, processors=processors, special=special, control=control
        )
        texts = {
            "cassandra.yaml": node_config.cassandra_yaml(
                self.spec,
                self.folder,
                seeds=seeds,
                size=size,
                security=security,
                sync=sync,
                options=cassandra_options,
                joins=joins,
            ),
            "cassandra-rackdc.properties": node_config.rack_properties(self.spec),
            "logback.xml": node_config.logback_xml(),
            "java.options": node_config.argument_file(options),
        }
        if exporter is not None:
            texts[RULES_NAME] = exporter.rules
        try:
            for part in (conf, self.folder / "tmp"):
                part.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (conf / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise HarnessError(
                f"node folder {self.folder} can't be written: {error}; name another with --out"
            ) from error

    def launch(self, java: Path) -> None:
        """Start the node, tied to this process; returns at once. Raises HarnessError when the system refuses."""
        self._log_start = _size(self.folder / "system.log")
        if self.orders is not None:
            self.orders.clear()
        self._launch = _launcher.submit(self._launch_now, java)
        try:
            self._launch.result()
        except OSError as error:
            self._launch = None
            raise HarnessError(f"node {self.spec.name} can't be launched: {error}; see `meterstorm doctor`") from error

    def _launch_now(self, java: Path) -> subprocess.Popen[bytes]:
        options = self.folder / "conf" / "java.options"
        with (self.folder / "out.log").open("wb") as out:
            # A session of its own: Ctrl-C on the terminal reaches us alone, and we stop the nodes in order.
            # The pipe on standard input is the tether of systems whose kernel does not tie processes.
            return subprocess.Popen(
                tied([str(java), f"@{options}"], self._namespace),
                pass_fds=() if self._namespace is None else (self._namespace,),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the node's JVM."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._launch is not None and self._process.poll() is None

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self._launch is not None, "the node was never launched"
        return self._launch.result()

    def require_alive(self) -> None:
        """Raise HarnessError, with the last errors of its log, when the node is gone."""
        if self.is_alive:
            return
        how = how_it_ended(self._process.returncode)
        errors = self.last_errors()
        said = f", saying: {' | '.join(errors)}" if errors else ""
        raise HarnessError(f"node {self.spec.name} died ({how}){said}; its logs are in {self.folder}")

    def last_errors(self) -> list[str]:
        """The last lines that tell why a node died: ERROR lines of its log, else the end of what it printed but for warnings."""
        lines = _lines(self.folder / "system.log", self._log_start)
        errors = [line for line in lines if line.startswith(("ERROR", "FATAL"))]
        return (errors or without_warnings(_lines(self.folder / "out.log")))[-ERROR_LINE_COUNT_MAX:]

    def ask_to_stop(self) -> None:
        """SIGTERM: Cassandra's own hook drains the node, so that its data and log are whole on disk."""
        if self.is_alive:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, without waiting."""
        if self.is_alive:
            self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: its connections stay open, and nothing is answered until `resume`."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT; of a node that is gone nothing."""
        if self.is_alive:
            self._process.send_signal(signal.SIGCONT)

    def wait_gone(self, timeout_s: float) -> bool:
        """Whether the process has ended within `timeout_s` [s]; its ending is collected."""
        if self._launch is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdin:
            self._process.stdin.close()
        return True


def stop_all(nodes: Sequence[NodeProcess], *, drain: bool) -> None:
    """End every node and wait till all are gone; with `drain`, first let them write out, for a bounded time."""
    try:
        if drain:
            for node in nodes:
                node.ask_to_stop()
            deadline = time.monotonic() + DRAIN_S_MAX
            for node in nodes:
                node.wait_gone(max(0.0, deadline - time.monotonic()))
    finally:  # a second Ctrl-C while draining still leaves no node behind
        for node in nodes:
            node.kill()
        lingering = [node.spec.name for node in nodes if not node.wait_gone(KILL_S_MAX)]
    if lingering:
        raise HarnessError(f"nodes {', '.join(lingering)} do not end even after SIGKILL; the machine needs a look")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _lines(path: Path, start: int = 0) -> list[str]:
    """The lines of a log from `start` [bytes] on, the last LOG_READ_BYTES_MAX at most; none if there is no log."""
    size = _size(path)
    try:
        with path.open("rb") as file:
            file.seek(max(start if start <= size else 0, size - LOG_READ_BYTES_MAX))
            return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return []
