"""Dask runs the code that it is sent: on loopback a local user could send it some, and on a network everybody."""

import psutil
import pytest
from distributed import Client

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


def test_nobody_else_is_served_by_the_processes_of_a_simulation() -> None:
    tried: dict[int, str] = {}

    def try_every_port(_share: float) -> None:
        if tried:
            return
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            for each in process.net_connections():
                if each.status == psutil.CONN_LISTEN:
                    assert each.laddr.ip == "127.0.0.1"
                    tried[each.laddr.port] = answer_of(each.laddr.port)

    walk_on_workers(build_estate(SCENARIO), SCENARIO, process_count=1, progress=try_every_port)
    assert len(tried) >= 2  # scheduler and worker at the least
    assert set(tried.values()) == {"refused"}


def answer_of(port: int) -> str:
    """What a client of another user gets, who knows no certificate."""
    try:
        with Client(f"tcp://127.0.0.1:{port}", timeout=1, set_as_default=False) as client:
            return str(client.scheduler_info(n_workers=0)["type"])
    except (OSError, TimeoutError):
        return "refused"


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://scheduler:8786", "10.0.0.1:8786", "http://127.0.0.1:1", "tls:"]
)
def test_a_scheduler_beyond_this_machine_needs_tls(address: str) -> None:
    with pytest.raises(ScenarioError, match="tls://HOST:PORT"):
        walk_on_workers(build_estate(SCENARIO), SCENARIO, scheduler=address)
