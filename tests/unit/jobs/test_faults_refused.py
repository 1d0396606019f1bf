"""Where a scenario's faults can't be made they are refused in words, before anything is started."""

from argparse import Namespace
from pathlib import Path

import pytest

import meterstorm
from loadtests.cluster.connect import Endpoint
from loadtests.locust_fleet.options import fleet_options
from scenarios.file import shipped_scenarios
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import ScenarioError

BROKEN = shipped_scenarios()["node_killed"]
ELSEWHERE = Endpoint(contact_points=("203.0.113.1",), local_dc="north")


def test_an_existing_clusters_nodes_are_not_broken(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"on local nodes alone.*leave out --contact-points"):
        meterstorm.run(BROKEN, tmp_path / "run", endpoint=ELSEWHERE)
    assert not (tmp_path / "run").exists()


def test_what_compares_or_searches_is_of_an_unbroken_cluster(tmp_path: Path) -> None:
    refused = pytest.raises(ScenarioError, match=r"is of an unbroken cluster; leave out \[\[faults\]\]")
    with refused:
        meterstorm.find_max(BROKEN, tmp_path / "run")
    with refused:
        meterstorm.matrix(BROKEN, tmp_path / "run")
    with refused:
        fleet_options(Namespace(scenario="node_killed", stored_profile=""))
    with refused:
        meterstorm.find_max(shipped_scenarios()["nemesis"], tmp_path / "run")


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("schema_change", "readings", r"faults\[0\]: there is no table 'readings'; there are .*events_by_home"),
        ("kill_gateway", "north", r"faults\[0\]: a scenario without \[\[campaigns\]\] has no gateway"),
        ("kill_sender", "sender-2", r"faults\[0\]: there is no sender-2: --shards 1 has so many"),
    ],
)
def test_what_a_run_does_not_have_can_not_break(tmp_path: Path, kind: str, target: str, said: str) -> None:
    fault = Fault(kind=FaultKind(kind), target=target, at_s=1.0, for_s=1.0)
    scenario = BROKEN.model_copy(update={"faults": (fault,)})
    for endpoint in (None, ELSEWHERE):
        with pytest.raises(ScenarioError, match=said):
            meterstorm.run(scenario, tmp_path / "run", endpoint=endpoint)
    assert not (tmp_path / "run").exists()
