"""The receiver of notifications against callers that break its protocol, and files that are being written."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadtests.errors import HarnessError
from loadtests.prometheus import receiver, stack
from loadtests.prometheus.alerts import Audience
from loadtests.prometheus.episodes import told_alerts
from loadtests.prometheus.programs import MonitoringPrograms
from loadtests.prometheus.receiver import NotificationReceiver
from loadtests.prometheus.stack import MonitoringStack
from scenarios.file import resolve_scenario

ALERT = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "severity": "page", "node": "north-1"},
    "annotations": {"summary": "It is full.", "runbook": "docs/runbooks/disk-full.md"},
}
BODY = json.dumps({"alerts": [ALERT]})


@pytest.fixture
def receiving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotificationReceiver]:
    monkeypatch.setattr(receiver, "SILENT_S_MAX", 0.2)
    started = NotificationReceiver(tmp_path / "notifications.jsonl")
    started.start()
    yield started
    started.stop()


def answered(to: NotificationReceiver, length: str, body: str = "") -> bytes:
    """The first line of the answer to a request with such a header, on a connection that stays open; empty: it was closed."""
    address = urlsplit(to.url(Audience.OPERATIONAL))
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=5) as caller:
        caller.sendall(f"POST {address.path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}".encode())
        return caller.makefile("rb").readline().strip()


def test_what_is_told_is_written_down(receiving: NotificationReceiver, tmp_path: Path) -> None:
    assert answered(receiving, str(len(BODY)), BODY) == b"HTTP/1.0 200 OK"
    (told,) = told_alerts(tmp_path / "notifications.jsonl")
    assert (told.name, told.labels) == ("DiskFull", {"node": "north-1"})


@pytest.mark.parametrize("length", ["-1", "many", ""])
def test_a_length_that_is_none_is_answered_at_once(receiving: NotificationReceiver, length: str) -> None:
    assert answered(receiving, length, BODY) == b"HTTP/1.0 400 Bad Request"


def test_a_caller_that_says_no_more_is_left(receiving: NotificationReceiver) -> None:
    assert answered(receiving, "100", "{") == b""


def test_a_line_that_is_being_written_still_is_left_out(receiving: NotificationReceiver, tmp_path: Path) -> None:
    answered(receiving, str(len(BODY)), BODY)
    file = tmp_path / "notifications.jsonl"
    file.write_text(file.read_text() + '{"at": 17')
    assert [one.name for one in told_alerts(file)] == ["DiskFull"]


def test_a_stack_whose_folder_can_not_be_written_leaves_no_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Noted(NotificationReceiver):
        def __init__(self, file: Path) -> None:
            super().__init__(file)
            made.append(self.url(Audience.OPERATIONAL))

    monkeypatch.setattr(stack, "NotificationReceiver", Noted)
    nowhere = MonitoringPrograms(prometheus=tmp_path, alertmanager=tmp_path)
    monkeypatch.setattr(MonitoringPrograms, "find", lambda: nowhere)
    (tmp_path / "prometheus.yml").mkdir()
    with pytest.raises(HarnessError, match="can't be written"):
        MonitoringStack.start(tmp_path, resolve_scenario(Path("smoke")), [], "127.0.0.1:1")
    (url,) = made
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(urlsplit(url).hostname), int(urlsplit(url).port or 0)), timeout=5)
