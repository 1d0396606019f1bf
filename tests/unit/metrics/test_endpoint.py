"""The address that scrapers ask: taken early or refused with a sentence, in nobody's way, and gone at the end."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typer.testing import CliRunner

from loadtests.metrics.endpoint import HOST, listen, serve
from meterstorm.cli import app as cli
from meterstorm.cli.exits import ExitCode
from scenarios.spec import ScenarioError


class Answer(Collector):
    """One gauge; the first scrape can be held up, or can fail."""

    def __init__(self, wait: threading.Event | None = None, *, fails: bool = False) -> None:
        self.wait, self.fails = wait, fails
        self.asked = threading.Event()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        wait, self.wait = self.wait, None
        self.asked.set()
        if wait is not None:
            wait.wait(10)
        if self.fails:
            raise RuntimeError("planted")
        yield GaugeMetricFamily("answer", "Of all.", value=42)


def asked(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def test_a_scraper_is_answered_and_nothing_listens_afterwards() -> None:
    listener = listen(0)
    port = listener.getsockname()[1]
    with serve(listener, Answer()) as url:
        assert url == f"http://127.0.0.1:{port}/metrics"
        assert "answer 42.0\n" in asked(url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            asked(f"http://127.0.0.1:{port}/")
    assert not is_listening(port)
    listen(port).close()


def test_nothing_listens_either_after_a_failure_or_ctrl_c() -> None:
    listener = listen(0)
    port = listener.getsockname()[1]
    with pytest.raises(KeyboardInterrupt), serve(listener, Answer()):
        raise KeyboardInterrupt
    assert not is_listening(port)


def test_a_port_that_is_taken_is_refused_with_what_to_do() -> None:
    with listen(0) as held:
        port = held.getsockname()[1]
        with pytest.raises(ScenarioError, match=rf"--metrics-port {port}: .*in use.*Name another port"):
            listen(port)


def test_the_command_refuses_a_taken_port_before_anything_is_started(tmp_path: Path) -> None:
    with listen(0) as held:
        port = held.getsockname()[1]
        result = CliRunner().invoke(
            cli.app, ["run", "smoke", "--metrics-port", str(port), "--out", str(tmp_path / "run")]
        )
    said = " ".join(result.output.split())
    assert result.exit_code == ExitCode.USAGE and f"--metrics-port {port}: can't listen" in said
    assert not (tmp_path / "run").exists()


def test_who_hangs_holds_up_nobody_else() -> None:
    """One that never sends its request, one that asks and does not read, and one whose answer takes long."""
    going_on = threading.Event()
    answer = Answer(going_on)
    listener = listen(0)
    port = listener.getsockname()[1]
    started = time.monotonic()
    with socket.socket() as silent, socket.socket() as deaf, serve(listener, answer) as url:
        silent.connect((HOST, port))
        deaf.connect((HOST, port))
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.asked.wait(5)
        assert "answer 42.0\n" in asked(url)
    assert time.monotonic() - started < 5, "the end waited for somebody"
    going_on.set()


def test_an_answer_that_fails_is_an_error_of_that_scrape_alone() -> None:
    answer = Answer(fails=True)
    with serve(listen(0), answer) as url:
        with pytest.raises(urllib.error.HTTPError, match="500"):
            asked(url)
        answer.fails = False
        assert "answer 42.0\n" in asked(url)


BECOMES_ANOTHER = """
import os, sys
from loadtests.metrics.endpoint import hand_over, listen, HANDED_OVER
listener = listen(int(sys.argv[1]))
if len(sys.argv) == 2:
    hand_over(listener)
    os.execv(sys.executable, [sys.executable, "-c", os.environ["PROGRAM"], sys.argv[1], "again"])
print(listener.getsockname()[1], HANDED_OVER in os.environ)
"""


def test_a_command_that_starts_itself_again_keeps_its_port() -> None:
    with listen(0) as free:
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-c", BECOMES_ANOTHER, str(port)],
        env={**os.environ, "PROGRAM": BECOMES_ANOTHER},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [str(port), "False"]
