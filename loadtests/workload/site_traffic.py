"""What a scenario's load sends through the emulated WAN, reckoned from its operations before anything is started.

Rules that hold here: what is reckoned is less than what is sent in truth. A write's own bytes are counted from the field to its
data centre and once more to each other one, where a node hands them on to its neighbours; a question's own bytes once. Answers,
headers, gossip, hints and repeated attempts are left out. So a run that is refused could not have been carried.
"""

from dataclasses import dataclass

import numpy as np

from loadtests.errors import HarnessError
from loadtests.sites.cost import NetworkCost
from loadtests.workload.operations import lanes_of
from loadtests.workload.sample import SAMPLE_MAX, shard_count
from loadtests.workload.trace_source import TraceSource, make_templates
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel
from store.schemas import schema_of

PREPARED_ID = bytes(16)  # as long as those that nodes give
STRETCH_OPERATIONS_MIN = (
    1_000  # of the sample in the busiest stretch, so that no chance heap of a few is taken for a peak
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTraffic:
    """The least that goes through the WAN in the busiest stretch of a replay, of `stretch_s` of wall time."""

    bytes_per_s: float
    operations_per_s: float
    stretch_s: float


def site_traffic(scenario: Scenario, estate: EstateModel) -> SiteTraffic:
    """By up to SAMPLE_MAX operations, of some of the homes: they speak for all. Commands and the back office are left out."""
    schema = schema_of(scenario)
    statements = [one for operation in operations_of(scenario) for one in schema.statements_of(operation)]
    templates = make_templates(scenario, schema, {one.cql: PREPARED_ID for one in statements})
    ways = np.array(
        [len(scenario.topology.dcs) if schema.statement(lane.operation).is_write else 1 for lane in lanes_of(scenario)]
    )
    parts = shard_count(estate, SAMPLE_MAX)
    source = TraceSource(scenario, estate, templates, shard=0, shard_count=parts)
    due_us, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while (block := source.next_block()) is not None:
        due_us.append(block.rows["due_us"])
        sizes.append(block.rows["frame_size"] * ways[block.rows["operation"]])
    due_s, weights = np.concatenate(due_us) / 1e6, np.concatenate(sizes)
    wall_s = scenario.run.wall_s
    stretches = max(min(int(wall_s), len(due_s) // STRETCH_OPERATIONS_MIN), 1)
    counts, edges = np.histogram(due_s, stretches, (0.0, wall_s))
    sent_bytes, _ = np.histogram(due_s, edges, weights=weights)
    busiest, stretch_s = int(sent_bytes.argmax()), wall_s / stretches
    return SiteTraffic(
        bytes_per_s=float(sent_bytes[busiest]) * parts / stretch_s,
        operations_per_s=float(counts[busiest]) * parts / stretch_s,
        stretch_s=stretch_s,
    )


def require_bandwidth(traffic: SiteTraffic, cost: NetworkCost) -> None:
    """Raises HarnessError for more than the emulated WAN was measured to carry: the run would be of the emulator's queue."""
    needed_mb_per_s = traffic.bytes_per_s / 1e6
    if needed_mb_per_s > cost.carried_mb_per_s:
        raise HarnessError(
            f"the emulated WAN carries {cost.carried_mb_per_s:,.0f} MB/s on this machine, and the run would send at least "
            f"{needed_mb_per_s:,.0f} MB/s through it in its busiest {traffic.stretch_s:.3g} s "
            f"({traffic.operations_per_s:,.0f} operations/s, each write to every data centre); give it a longer run.wall_s, "
            "fewer premises, or leave out [topology.wan]"
        )
