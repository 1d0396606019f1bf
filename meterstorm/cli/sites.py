"""Which commands start themselves again in namespaces of their own: those whose scenario has a distance between its sites."""

import sys
from typing import TYPE_CHECKING

from scenarios.parts.faults import ENCLOSED_KINDS
from scenarios.spec import Scenario, ScenarioError, Topology

if TYPE_CHECKING:
    from loadtests.cluster.connect import Endpoint


def enter_sites(scenario: Scenario, endpoint: "Endpoint | None" = None, *, quiet: bool = False) -> None:
    """Start this command again inside where it needs that, and is not there yet; all that needs a network is fetched before.

    Raises ScenarioError for the sites of an existing cluster, which are where they are, and HarnessError where the machine
    forbids it.
    """
    topology = scenario.topology
    if topology.wan is None and not any(fault.kind in ENCLOSED_KINDS for fault in scenario.faults):
        return
    if topology.wan is not None and endpoint is not None:
        raise ScenarioError(
            "topology.wan: distance is emulated between local nodes alone, and these are an existing cluster's; leave out "
            "--contact-points, or [topology.wan]"
        )
    if endpoint is not None:
        return  # faults of the network there are refused by the job
    from loadtests.sites.enclosure import is_inside, start_again_inside

    if is_inside():
        return
    from loadtests.cluster.jars import locked_jars, ready_jars

    ready_jars(locked_jars(topology.cassandra_version), lambda said: None if quiet else print(said, file=sys.stderr))
    start_again_inside([sys.executable, *sys.orig_argv[1:]])


def refuse_sites(topology: Topology, job: str, why: str) -> None:
    """Raises ScenarioError for a job that can't have distance between its sites."""
    if topology.wan is not None:
        raise ScenarioError(f"topology.wan: {job} can't have it, as {why}; leave it out")
