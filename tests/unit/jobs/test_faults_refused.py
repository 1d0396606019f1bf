"""Where a scenario's faults can't be made they are refused in words, before anything is started."""

import contextlib
from argparse import Namespace
from pathlib import Path

import pytest

import meterstorm
from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.locust_fleet.launch import FleetPlan
from loadtests.locust_fleet.options import fleet_options
from meterstorm.jobs.refusals import require_faults_carried, require_prices_held
from scenarios.domain import CommandKind
from scenarios.file import shipped_file, shipped_scenarios
from scenarios.parts.failover import Failover
from scenarios.parts.faults import OFFICE_KINDS, Fault, FaultKind
from scenarios.parts.site_wan import SiteWan
from scenarios.spec import Scenario, ScenarioError, parse_scenario
from sim.estate.model import build_estate

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


def test_a_table_that_there_is_not_can_not_be_damaged() -> None:
    fault = Fault(kind=FaultKind.SSTABLE_BIT_FLIP, target="north-1", at_s=1.0, for_s=1.0, repair=True, table="readings")
    with pytest.raises(ScenarioError, match=r"faults\[0\]: there is no table 'readings'; there are .*events_by_home"):
        require_faults_carried(BROKEN.model_copy(update={"faults": (fault,)}), None, None)


@pytest.mark.parametrize(
    ("fleet", "said"),
    [
        (FleetPlan(worker_count=1), r"faults\[0\]: there is no sender-2: --workers 1 has so many"),
        (FleetPlan(worker_count=2, listen=("127.0.0.1", 5557)), r"faults\[0\]: sender-2 may run on another machine"),
        (FleetPlan(worker_count=2), None),
    ],
)
def test_a_worker_that_is_to_be_killed_is_one_of_this_machine(fleet: FleetPlan, said: str | None) -> None:
    fault = Fault(kind=FaultKind.KILL_SENDER, target="sender-2", at_s=1.0, for_s=1.0)
    scenario = BROKEN.model_copy(update={"faults": (fault,)})
    with contextlib.nullcontext() if said is None else pytest.raises(ScenarioError, match=said):
        require_faults_carried(scenario, None, fleet)


@pytest.mark.parametrize("kind", OFFICE_KINDS)
def test_a_run_without_a_back_office_has_none_that_a_fault_could_befall(tmp_path: Path, kind: FaultKind) -> None:
    fault = Fault(kind=kind, target="back_office", at_s=1.0, for_s=1.0)
    alone = BROKEN.run.model_copy(update={"back_office": False})
    scenario = BROKEN.model_copy(update={"faults": (fault,), "run": alone})
    with pytest.raises(ScenarioError, match=r"faults\[0\]: run.back_office is false, and there is no back office"):
        meterstorm.run(scenario, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("at_s", "is_held"), [(16.0, False), (5.0, False), (14.0, True), (15.0, True)])
def test_prices_that_are_to_be_late_come_into_force_meanwhile(at_s: float, is_held: bool) -> None:
    """Noon of the first of two days that are replayed in a minute."""
    fault = Fault(kind=FaultKind.LATE_TARIFFS, target="back_office", at_s=at_s, for_s=5.0)
    shipped = shipped_scenarios()["gateway_killed"]
    priced = shipped.campaigns[0].model_copy(update={"kind": CommandKind.UPDATE_PRICE, "effective_h": 12.0})
    scenario = shipped.model_copy(update={"faults": (fault,), "campaigns": (priced,)})
    refused = pytest.raises(
        ScenarioError, match=rf"faults\[0\]: no price list comes into force from {at_s:g} to .*; there is 15.0 s"
    )
    with contextlib.nullcontext() if is_held else refused:
        require_prices_held(scenario, build_estate(scenario))


FAR = BROKEN.model_copy(
    update={"faults": (), "topology": BROKEN.topology.model_copy(update={"wan": SiteWan(delay_ms=20.0)})}
)
PARTED = BROKEN.model_copy(
    update={"faults": (Fault(kind=FaultKind.PARTITION, target="north", peers=("field",), at_s=1.0, for_s=1.0),)}
)
ELSEWHERE_TOO = FleetPlan(worker_count=1, listen=("127.0.0.1", 5557))


def test_an_existing_cluster_has_no_distance_of_ours(tmp_path: Path) -> None:
    refused = pytest.raises(ScenarioError, match=r"distance is emulated between local nodes alone")
    with refused:
        meterstorm.run(FAR, tmp_path / "run", endpoint=ELSEWHERE)
    with refused:
        meterstorm.find_max(FAR, tmp_path / "run", endpoint=ELSEWHERE)
    assert not (tmp_path / "run").exists()


def test_what_compares_has_no_distance(tmp_path: Path) -> None:
    far = tmp_path / "far.toml"
    far.write_text(shipped_file(Path("smoke")).read_text() + "[topology.wan]\ndelay_ms = 20.0\n")
    with pytest.raises(
        ScenarioError, match=r"topology.wan: a gate can't have it, as its sides are compared without distance"
    ):
        meterstorm.gate(far, tmp_path / "run")
    with pytest.raises(
        ScenarioError, match=r"topology.wan: a tournament can't have it, as designs are compared without"
    ):
        meterstorm.compare_schemas(FAR, tmp_path / "run", variants=["zstd"])


@pytest.mark.parametrize("scenario", [FAR, PARTED])
def test_workers_on_other_machines_are_not_asked_for_where_they_can_not_reach_the_nodes(
    tmp_path: Path, scenario: Scenario
) -> None:
    with pytest.raises(ScenarioError, match=r"--listen can't have it, as workers on other machines don't reach"):
        meterstorm.run(scenario, tmp_path / "run", fleet=ELSEWHERE_TOO)


def test_from_python_a_network_of_its_own_is_not_made(tmp_path: Path) -> None:
    for scenario in (FAR, PARTED):
        with pytest.raises(HarnessError, match=r"in which run, audit, find-max and matrix start themselves again"):
            meterstorm.run(scenario, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_homes_are_moved_by_the_senders_of_a_run_alone(tmp_path: Path) -> None:
    moving = FAR.run.model_copy(update={"failover": Failover(to={"south": "north"})})
    scenario = BROKEN.model_copy(update={"faults": (), "run": moving})
    with pytest.raises(
        ScenarioError, match=r"run.failover: a search moves no homes to another data centre; leave it out"
    ):
        meterstorm.find_max(scenario, tmp_path / "run")
    with pytest.raises(ScenarioError, match=r"run.failover: Locust's workers don't tell when they moved homes"):
        meterstorm.run(scenario, tmp_path / "run", fleet=FleetPlan(worker_count=1))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ('south = "west"', "'west' is no business data centre, which alone have homes; there are north, south"),
        ('lab = "north"', "'lab' is no business data centre"),
        ('south = "south"', "south can't stand in for itself"),
        ("", "should have at least 1 item"),
    ],
)
def test_homes_go_to_another_data_centre_with_homes(to: str, said: str) -> None:
    dcs = ", ".join(
        f'{{ name = "{name}", role = "{role}", nodes = 1, rf = 1 }}'
        for name, role in (("north", "business"), ("south", "business"), ("lab", "analytics"))
    )
    text = f'title = "t"\n[estate]\npremises = 10\n[topology]\ndcs = [{dcs}]\n[run]\nwall_s = 60\n'
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(f"{text}[run.failover]\nto = {{ {to} }}\n", "moved")


UPGRADED = Fault(kind=FaultKind.UPGRADE, target="north", at_s=1.0, for_s=1.0, to_version="5.0.9")


def test_an_upgrade_is_to_another_release_that_there_is_a_lock_of(tmp_path: Path) -> None:
    def refused(said: str, *faults: Fault, version: str | None = "5.0.8", keep: bool = False) -> None:
        topology = BROKEN.topology.model_copy(update={"cassandra_version": version})
        with pytest.raises(ScenarioError, match=said):
            meterstorm.run(
                BROKEN.model_copy(update={"faults": faults, "topology": topology}), tmp_path / "run", keep=keep
            )

    refused(r"faults\[0\]: the nodes run Cassandra 5.0.9 already; give \[topology\] an older", UPGRADED, version=None)
    unknown = UPGRADED.model_copy(update={"to_version": "5.0.1"})
    refused(r"no lock of Cassandra 5.0.1's jars; there are 5.0.9, 5.0.8", unknown)
    back = UPGRADED.model_copy(update={"to_version": "5.0.8"})
    refused(r"faults\[0\]: nodes are upgraded to one release in one run", UPGRADED, back)
    refused(
        "keep: after the upgrade of north from 1 s for 1 s the nodes are not those of the scenario", UPGRADED, keep=True
    )
    assert not (tmp_path / "run").exists()
