"""An exporter on loopback that tells what a test says, and can be gone: what Prometheus sees of a node or of a run."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class ToldMetrics:
    """Answers scrapes between entering and leaving; `stop` and `serve` are the death of the process and its return."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.serve()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def serve(self) -> None:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(told.text.encode())

            def log_message(self, *words: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
