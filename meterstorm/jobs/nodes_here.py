"""Which scenarios' nodes this machine can start: is there room for them, and a network of their own where they need one?"""

from collections.abc import Callable

from loadtests.cluster.machine import available_memory_mib
from loadtests.cluster.sizing import size_nodes
from loadtests.errors import HarnessError
from loadtests.sites.enclosure import obstacle
from scenarios.parts.faults import joining
from scenarios.spec import Scenario, needs_enclosure

NO_ROOM = "too little memory"
NO_NETWORK = "no network of its own"


def node_count_of(scenario: Scenario) -> int:
    """The local nodes that a run of it starts, those that join it meanwhile included."""
    return scenario.topology.node_count + sum(joining(scenario.faults, scenario.topology.dcs).values())


def why_not_here() -> Callable[[Scenario], str | None]:
    """Asks the machine once; what it gives tells of a scenario why its nodes can't be started here, or None.

    It says nothing of whether the machine is fast enough for the scenario's homes.
    """
    free_mib, no_network = available_memory_mib(), obstacle() is not None

    def told(scenario: Scenario) -> str | None:
        try:
            size_nodes(node_count_of(scenario), free_mib)
        except HarnessError:
            return NO_ROOM
        return NO_NETWORK if no_network and needs_enclosure(scenario) else None

    return told
