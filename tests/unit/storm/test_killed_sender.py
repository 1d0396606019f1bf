"""A sender that a fault of the scenario killed is told, and the storm goes on without it; one that died by itself ends it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from loadtests import interrupts
from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.faults.acts import ForeignNodes
from loadtests.faults.injection import FaultInjection
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
ENDPOINT = Endpoint(contact_points=("127.0.0.1",), local_dc="north")


def start(log_path: Path) -> tuple["subprocess.Popen[bytes]", Connection]:
    """A sender that listens, and says and does nothing."""
    ours, theirs = socket.socketpair()
    with theirs:
        listening = "import os, sys\nwhile os.read(int(sys.argv[1]), 1 << 20): pass"
        process = subprocess.Popen([sys.executable, "-c", listening, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    return process, Connection(ours.detach())


@pytest.mark.parametrize("is_by_fault", [True, False])
def test_a_killed_sender_ends_no_storm_if_a_fault_did_it(
    is_by_fault: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "start_shard", start)
    experiment = Experiment(scenario=SCENARIO, estate=build_estate(SCENARIO), endpoint=ENDPOINT)
    faults = FaultInjection([], SCENARIO.topology.dcs, ForeignNodes(ENDPOINT))
    with coordinator._Shards(experiment, RunFolder(tmp_path), 1, Instruments(SCENARIO)) as shards:
        shards.launch()
        shards.are_befallen_by(faults)
        (process,) = shards._processes
        if is_by_fault:
            faults.parts.kill_sender(0)
            shards._watch(lambda _: None)
            assert list(shards._killed.values()) == [
                "A fault of the scenario killed sender 1: what it had still to send was not sent, and what was under way "
                "is in doubt."
            ]
        else:
            process.kill()
            with pytest.raises(HarnessError, match=r"sender 0 ended \(signal SIGKILL\) before the trace did"):
                shards._watch(lambda _: None)
    assert process.poll() is not None


def test_an_interrupt_tears_no_message_of_a_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "start_shard", start)
    monkeypatch.setattr(interrupts._interrupt, "_last_s", 0.0)
    experiment = Experiment(scenario=SCENARIO, estate=build_estate(SCENARIO), endpoint=ENDPOINT)
    taken: list[object] = []

    def receive(_: Connection) -> str:
        os.kill(os.getpid(), signal.SIGINT)  # another thread may be given it
        time.sleep(0.05)
        return "a whole message"

    over = threading.Event()
    beside = threading.Thread(target=over.wait)
    with coordinator._Shards(experiment, RunFolder(tmp_path), 1, Instruments(SCENARIO)) as shards:
        shards.launch()
        monkeypatch.setattr(coordinator, "wait", lambda connections, timeout: connections)
        monkeypatch.setattr(shards, "_receive", receive)
        monkeypatch.setattr(shards, "_take", lambda shard, message: taken.append((shard, message)))
        beside.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                shards._watch(lambda _: None)
        finally:
            over.set()
            beside.join()
    assert taken == [(0, "a whole message")]
