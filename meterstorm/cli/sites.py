"""Which commands start themselves again in namespaces of their own: those whose scenario has a distance between its sites."""

import socket
import sys
from typing import TYPE_CHECKING

from scenarios.spec import Scenario, needs_enclosure, require_own_sites

if TYPE_CHECKING:
    from loadtests.cluster.connect import Endpoint


def enter_sites(
    scenario: Scenario,
    endpoint: "Endpoint | None" = None,
    *,
    quiet: bool = False,
    listener: socket.socket | None = None,
    has_exporters: bool = False,
) -> None:
    """Start this command again inside where it needs that, and is not there yet; all that needs a network is fetched before.

    listener: a socket of the network outside that the command goes on to listen on.
    has_exporters: its nodes have the JMX exporter.

    Raises ScenarioError for the sites of an existing cluster, which are where they are, and HarnessError where the machine
    forbids it.
    """
    topology = scenario.topology
    require_own_sites(topology, is_local=endpoint is None)
    if endpoint is not None or not needs_enclosure(
        scenario
    ):  # faults of an existing cluster's network are refused by the job
        return
    from loadtests.sites.enclosure import is_inside, start_again_inside

    if is_inside():
        return
    from loadtests.cluster.jars import locked_jars, ready_jars
    from loadtests.cluster.jmx_exporter import locked_exporter

    versions = {topology.cassandra_version, *(fault.to_version for fault in scenario.faults if fault.to_version)}
    for version in versions:
        ready_jars(locked_jars(version), lambda said: None if quiet else print(said, file=sys.stderr))
    if has_exporters:
        ready_jars([locked_exporter()], lambda said: None if quiet else print(said, file=sys.stderr))
    if listener is not None:
        from loadtests.metrics.endpoint import hand_over

        hand_over(listener)
    start_again_inside([sys.executable, *sys.orig_argv[1:]])
