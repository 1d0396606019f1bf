"""Nodes of an existing cluster, which have no agent: each is asked through CQL when Prometheus scrapes it, on loopback, here.

Rules that hold here: a node that does not answer is an answer of 503 with the reason, by which Prometheus takes it for down;
whoever asks, and however slowly, has a thread and a time-out.
"""

import contextlib
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cassandra.cluster import Session
from cassandra.pool import Host
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from loadtests.cluster.connect import Endpoint, connect_to_every_node
from loadtests.prometheus.settings import NodeTarget
from loadtests.prometheus.virtual_tables import node_families, read_tables
from store.cassandra.session import FAILURES

HOST = "127.0.0.1"
PATH = "/nodes/"  # and a node's address
ASKING_S_MAX = 10.0


class CqlNodes:
    """Answers scrapes of every node of a cluster from entering the block to leaving it.

    keyspace: whose reads and writes are told. Entering raises HarnessError for a cluster that can't be reached.
    """

    def __init__(self, endpoint: Endpoint, keyspace: str) -> None:
        self._endpoint, self._keyspace = endpoint, keyspace
        self._driver: Any = None
        self._session: Session | None = None
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._driver, self._session = connect_to_every_node(self._endpoint)
        try:
            self._server = _Server(self)
        except OSError:
            self._driver.shutdown()
            raise
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="cql-nodes", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._driver.shutdown()

    def targets(self) -> tuple[NodeTarget, ...]:
        """Every node that the cluster has now, whether it answers or not; each is called by its address."""
        assert self._server is not None, "entered"
        return tuple(
            NodeTarget(
                name=str(host.address),
                dc=str(host.datacenter),
                address=f"{HOST}:{self._server.server_port}",
                path=f"{PATH}{host.address}",
            )
            for host in sorted(self._hosts(), key=lambda one: str(one.address))
        )

    def tables_of(self, address: str) -> list[Family] | None:
        """What a node tells; None where there is none of that address. Raises what the driver raises."""
        assert self._session is not None, "entered"
        host = next((one for one in self._hosts() if str(one.address) == address), None)
        return None if host is None else list(node_families(read_tables(self._session, host), self._keyspace))

    def _hosts(self) -> list[Host]:
        hosts: list[Host] = self._driver.metadata.all_hosts()
        return hosts


class _Server(ThreadingHTTPServer):
    """A thread an asker; none of them keeps the process from ending."""

    daemon_threads = True

    def __init__(self, nodes: CqlNodes) -> None:
        super().__init__((HOST, 0), _Handler)
        self.nodes = nodes

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a scraper went away."""


class _Told(Collector):
    """Families that are known already."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


class _Handler(BaseHTTPRequestHandler):
    """GET /nodes/ADDRESS, in the format that the asker prefers."""

    server: _Server
    server_version = "meterstorm"
    sys_version = ""
    timeout = ASKING_S_MAX

    def do_GET(self) -> None:
        address = self.path.removeprefix(PATH)
        try:
            families = self.server.nodes.tables_of(address) if self.path.startswith(PATH) else None
        except FAILURES as error:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"{address} does not answer: {type(error).__name__}")
            return
        if families is None:
            self.send_error(HTTPStatus.NOT_FOUND, f"there is {PATH}ADDRESS of each node alone")
            return
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told(families))
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        answer = encode(registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: Prometheus tells what fails."""
