"""A sender that dies before its first message is told by its own words, not as a broken pipe."""

import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError, last_words
from loadtests.metrics.instruments import Instruments
from loadtests.recording.run_folder import RunFolder
from loadtests.storm import coordinator
from loadtests.workload.experiment import Experiment
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate

SCENARIO = parse_scenario(
    """
title = "small"
[estate]
premises = 4
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
""",
    "small",
)


@pytest.mark.parametrize("is_gone", [True, False], ids=["before it is given its plan", "after"])
def test_a_sender_that_dies_at_once_is_told_by_its_last_words(
    is_gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(log_path: Path) -> tuple["subprocess.Popen[bytes]", Connection]:
        ours, theirs = socket.socketpair()
        dying = "import time; time.sleep(0.5); raise RuntimeError('cannot cache function: no locator available')"
        with theirs, log_path.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", dying], pass_fds=[theirs.fileno()], stderr=log)
        if is_gone:
            process.wait()
        return process, Connection(ours.detach())

    monkeypatch.setattr(coordinator, "start_shard", start)
    endpoint = Endpoint(contact_points=("127.0.0.1",), local_dc="north")
    experiment = Experiment(scenario=SCENARIO, estate=build_estate(SCENARIO), endpoint=endpoint)
    with (
        pytest.raises(HarnessError) as told,
        coordinator._Shards(experiment, RunFolder(tmp_path), 1, Instruments(SCENARIO)) as shards,
    ):
        shards.launch()
        shards._await_ready()
    log = tmp_path / "logs" / "shard-0.log"
    assert str(told.value) == (
        "sender 0 ended (exit code 1) before the trace did, saying: RuntimeError: cannot cache function: no locator "
        f"available; see {log}"
    )


def test_what_a_sender_only_noted_before_it_was_killed_is_not_told_as_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "shard-0.log"
    log.write_text("2026-11-29 15:52:37,555 INFO cassandra.cluster New Cassandra host <Host> discovered\n")
    assert last_words(log) == ""
    with log.open("a") as more:
        more.write(
            "2026-11-29 15:52:37,601 WARNING loadtests.sender node lost\n2026-11-29 INFO cassandra.pool closed\n\n"
        )
    assert last_words(log) == "2026-11-29 15:52:37,601 WARNING loadtests.sender node lost"
