"""The receiver of notifications: an HTTP server on loopback that Alertmanager calls, and a line of JSON for each alert told."""

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loadtests.prometheus.alerts import Audience

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 4 << 20
SILENT_S_MAX = 10.0  # then a caller that says no more is left


class NotificationReceiver:
    """Takes notifications between `start` and `stop`, and appends them to a file as they come."""

    def __init__(self, file: Path) -> None:
        """file: JSON lines with the keys at (Unix time [s]), receiver, status, alert, severity, summary, runbook, labels."""
        self._lock = threading.Lock()
        self._file = file

        take = self._take

        class Handler(BaseHTTPRequestHandler):
            timeout = SILENT_S_MAX

            def do_POST(self) -> None:
                size = _size(self.headers.get("content-length", "0"))
                self.send_response(400 if size is None else take(self.path.strip("/"), self.rfile.read(size)))
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nothing: every notification stands in the file."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="notification-receiver", daemon=True)

    def url(self, audience: Audience) -> str:
        """The webhook of an audience."""
        return f"http://127.0.0.1:{self._server.server_port}/{audience.value}"

    def start(self) -> None:
        """Take notifications from now on, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take none any more; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _take(self, receiver: str, body: bytes) -> int:
        """Write one notification's alerts down; returns the HTTP status."""
        try:
            told = json.loads(body)["alerts"]
            lines = [_line(receiver, one) for one in told]
        except (ValueError, KeyError, TypeError) as error:
            log.warning("a notification can't be read: %s", error)
            return 400
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.writelines(lines)
        return 200


def _size(told: str) -> int | None:
    """Of a body as its header tells it, 0 to BODY_BYTES_MAX; None for what is no number."""
    try:
        return max(0, min(int(told), BODY_BYTES_MAX))
    except ValueError:
        return None


def _line(receiver: str, alert: dict[str, Any]) -> str:
    labels, annotations = alert["labels"], alert["annotations"]
    told = {
        "at": round(time.time(), 3),
        "receiver": receiver,
        "status": alert["status"],
        "alert": labels["alertname"],
        "severity": labels["severity"],
        "summary": annotations["summary"],
        "runbook": annotations["runbook"],
        "labels": {name: value for name, value in labels.items() if name not in ("alertname", "severity")},
    }
    return json.dumps(told) + "\n"
