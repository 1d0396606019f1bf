"""Dask runs the code that it is sent: on loopback a local user could send it some, and on a network everybody."""

import socket
import ssl

import pytest
from distributed import default_client

from meterstorm.jobs.dask_walk import walk_on_workers
from scenarios.spec import Scenario, ScenarioError
from sim.estate.model import build_estate

SCENARIO = Scenario.model_validate(
    {
        "title": "shards",
        "estate": {"premises": 50, "fuels": ["electricity"]},
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 60},
    }
)


def test_nobody_without_the_certificate_is_served_by_the_processes_of_a_simulation() -> None:
    answers: dict[str, tuple[bool, bool]] = {}

    def try_every_port(_share: float) -> None:
        if answers:
            return
        client = default_client()
        info = client.scheduler_info(n_workers=-1)
        for address in (
            client.scheduler.address,
            *info["workers"],
            *(each["nanny"] for each in info["workers"].values()),
        ):
            answers[address] = (is_answered(address, has_tls=False), is_answered(address, has_tls=True))

    walk_on_workers(build_estate(SCENARIO), SCENARIO, process_count=1, progress=try_every_port)
    assert len(answers) == 3  # scheduler, worker and the worker's nanny
    assert all(address.startswith("tls://127.0.0.1:") for address in answers)
    assert set(answers.values()) == {(False, False)}


def is_answered(address: str, *, has_tls: bool) -> bool:
    """Whether a stranger's connection is spoken to, plain or with TLS but no certificate of the walk's."""
    host, _, port = address.removeprefix("tls://").removeprefix("tcp://").rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, int(port)), timeout=5) as plain:
            connection = context.wrap_socket(plain) if has_tls else plain
            return connection.recv(1) != b""  # Dask's side speaks first, TLS's side waits
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://scheduler:8786", "10.0.0.1:8786", "http://127.0.0.1:1", "tls:"]
)
def test_a_scheduler_beyond_this_machine_needs_tls(address: str) -> None:
    with pytest.raises(ScenarioError, match="tls://HOST:PORT"):
        walk_on_workers(build_estate(SCENARIO), SCENARIO, scheduler=address)
