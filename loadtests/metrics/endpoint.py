"""Where a scraper asks: a port of loopback, taken before anything of a run is started, served beside it, closed when it ends.

Rules that hold here: whoever asks, and however slowly, holds up nothing but their own answer: each has a thread, and a time-out.
An answer that can't be made is an error of that answer's, told in the log, and never one of the run's.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from loadtests.sender.scheduling import favour_thread
from scenarios.spec import ScenarioError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PATH = "/metrics"
HANDED_OVER = "METERSTORM_METRICS_SOCKET"  # in the environment of a command that starts itself again: its descriptor
ASKING_S_MAX = 10.0  # in which a request must be read, and its answer taken
_BACKLOG = 16


def listen(port: int) -> socket.socket:
    """Take a port of loopback. A command that started itself again takes the one that it had.

    Raises ScenarioError for one that can't be had.
    """
    if (held := os.environ.pop(HANDED_OVER, None)) is not None:
        return socket.socket(fileno=int(held))
    listener = socket.socket()
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # answered requests of a run before are in nobody's way
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ScenarioError(
            f"--metrics-port {port}: can't listen on {HOST}:{port} ({error.strerror}); does another run or exporter have it? "
            "Name another port"
        ) from error
    return listener


def hand_over(listener: socket.socket) -> None:
    """Have a command that this process becomes listen on: also from a network of its own, a socket stays in the one that it
    was made in."""
    listener.set_inheritable(True)
    os.environ[HANDED_OVER] = str(listener.fileno())


@contextlib.contextmanager
def serve(listener: socket.socket, collector: Collector) -> Iterator[str]:
    """Answer scrapers while the block runs; yields the address. The listener is closed at the end, however that comes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    listener.set_inheritable(False)  # nodes and senders must not hold it
    server = _Server(listener, registry)
    thread = threading.Thread(target=server.answer, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}{PATH}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread an asker; none of them keeps the process from ending."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, registry: CollectorRegistry) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.registry = registry
        self.has_failed = False

    def answer(self) -> None:
        """Until `shutdown`. On a machine that is busy with nodes a scrape would else wait for a core, and be given up."""
        favour_thread()  # and so the threads that answer, which it starts
        self.serve_forever(poll_interval=0.1)

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a scraper went away", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """GET /metrics, in the format that the asker prefers."""

    server: _Server
    server_version = "meterstorm"
    sys_version = ""
    timeout = ASKING_S_MAX

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"there is {PATH} alone")
            return
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        try:
            answer = encode(self.server.registry)
        except Exception:  # a fault of ours must not become the run's
            if not self.server.has_failed:  # told once: a scraper comes again each second
                log.exception("the metrics could not be made")
            self.server.has_failed = True
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("metrics %s", format % args)
