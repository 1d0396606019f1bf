"""What keeps the rate from being higher: each resource's use against what there is of it, and the nearest to its limit. Pure.

Rules that hold here:
- The evidence is of the lowest rate that broke the objective, or of the highest that held when none did: at the limit.
- A resource binds when its use reaches its limit, in a step that broke or that the generator could not send. When none does, none
  is named, with the same evidence. A queue inside the cluster (a stage with few threads, a lock) looks like that, and so does a
  machine that others keep busy.
- Only what the nodes and the generator take themselves can bind: other programs' processors and the machine's disk, which may be
  at work for anybody, are told and never named.
- What was not measured is not guessed: an existing cluster's nodes can't be looked into from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.recording.history import NodeSample
from reports.results.capacity import Resource
from scenarios.texts.wording import percent, significant

NODE_CPU_LIMIT = 0.8  # of the cores that nodes may use: from there on requests wait for a core more than they run
GC_LIMIT = 0.1  # of the time in pauses: more than the 1 % that p99 leaves room for, many times over
CLIENT_CPU_LIMIT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Means over a step's seconds; None where it was not measured."""

    client_cpu_share: float | None  # of one core, by the sender
    is_limit: bool  # the rate broke, or the generator could not send it
    is_client_limited: bool  # the step was judged so
    machine_cores: float | None  # that were busy, whoever kept them so
    disk_busy_share: float | None
    cores: int
    nodes: tuple[NodeSample, ...]  # of all kept seconds
    is_wan_emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceEvidence:
    """One resource. of_limit: its use over its limit, 1 or more binds; None when not measured, or never named."""

    resource: Resource
    of_limit: float | None
    sentence: str


def evidence_of(use: Use) -> tuple[ResourceEvidence, ...]:
    """Every resource's use, in the order in which a tie is told."""
    return (
        _client(use),
        _node_cpu(use),
        _others(use),
        _gc(use),
        _disk(use),
        _compaction(use),
        _wan(use),
    )


def binding(evidence: Sequence[ResourceEvidence]) -> Resource | None:
    """The resource farthest beyond its limit; None when none has reached it."""
    reached = [each for each in evidence if each.of_limit is not None and each.of_limit >= 1]
    return max(reached, key=lambda each: each.of_limit or 0.0).resource if reached else None


def _wan(use: Use) -> ResourceEvidence:
    if use.is_wan_emulated:
        sentence = "Data centres are as far apart as the scenario says; how much of their links this rate took is not measured."
    else:
        sentence = "No WAN is emulated: data centres are on one local network."
    return ResourceEvidence(resource=Resource.WAN, of_limit=None, sentence=sentence)


def _client(use: Use) -> ResourceEvidence:
    share = use.client_cpu_share
    told = "was not measured" if share is None else f"took {percent(share)} of a core"
    if use.is_client_limited:
        sentence = f"The load generator could not send this rate in time; it {told}."
        return ResourceEvidence(resource=Resource.CLIENT_CPU, of_limit=1.0, sentence=sentence)
    of_limit = None if share is None else min(share / CLIENT_CPU_LIMIT, 0.99)  # it kept time, so it does not bind
    return ResourceEvidence(
        resource=Resource.CLIENT_CPU, of_limit=of_limit, sentence=f"The load generator kept time; it {told}."
    )


def _others(use: Use) -> ResourceEvidence:
    """What was busy beyond nodes and sender; an existing cluster's nodes are not seen, but may run on this machine."""
    why = ", though it may be why this rate did not hold" if use.is_limit else ""
    if use.machine_cores is None or use.client_cpu_share is None:
        sentence = "Not measured: the processors that other programs took."
    else:
        cores = max(use.machine_cores - sum(_by_node(use, "cpu_share").values()) - use.client_cpu_share, 0.0)
        sentence = (
            f"Other programs took {significant(cores)} of this machine's cores; that never is the cluster's limit{why}."
            if use.nodes
            else f"This machine's cores were busy by {significant(cores)} beside the load generator; the cluster's nodes are "
            f"among them where they run here. That is not told apart, and never named as the limit{why}."
        )
    return ResourceEvidence(resource=Resource.OTHERS, of_limit=None, sentence=sentence)


def _disk(use: Use) -> ResourceEvidence:
    share = use.disk_busy_share
    sentence = (
        "Not measured: what share of the time this machine's busiest disk was at work."
        if share is None
        else f"Not judged: {percent(share)} of the time this machine's busiest disk was at work, for whomever."
    )
    return ResourceEvidence(resource=Resource.DISK, of_limit=None, sentence=sentence)


def _by_node(use: Use, field: str) -> dict[str, float]:
    names = dict.fromkeys(sample.node for sample in use.nodes)
    return {
        name: float(np.mean([getattr(sample, field) for sample in use.nodes if sample.node == name])) for name in names
    }


def _node_cpu(use: Use) -> ResourceEvidence:
    by_node = _by_node(use, "cpu_share")
    if not by_node:
        return ResourceEvidence(
            resource=Resource.NODE_CPU, of_limit=None, sentence="Not measured: the nodes' processors."
        )
    total = sum(by_node.values())
    sentence = (
        f"The nodes took {significant(total)} of {use.cores} cores together; "
        f"{significant(NODE_CPU_LIMIT * use.cores)} would bind."
    )
    return ResourceEvidence(resource=Resource.NODE_CPU, of_limit=total / use.cores / NODE_CPU_LIMIT, sentence=sentence)


def _gc(use: Use) -> ResourceEvidence:
    by_node = _by_node(use, "gc_pause_ms")
    if not by_node:
        return ResourceEvidence(resource=Resource.GC, of_limit=None, sentence="Not measured: garbage collections.")
    node, pause_ms = max(by_node.items(), key=lambda each: each[1])
    longest_ms = max(sample.gc_pause_ms for sample in use.nodes)
    sentence = (
        f"{percent(pause_ms / 1e3)} of the time {node} paused for garbage collection, at most {significant(longest_ms)} ms "
        f"in a second; {percent(GC_LIMIT)} would bind."
    )
    return ResourceEvidence(resource=Resource.GC, of_limit=pause_ms / 1e3 / GC_LIMIT, sentence=sentence)


def _compaction(use: Use) -> ResourceEvidence:
    counts = {sample.node: sample.sstable_count for sample in use.nodes if sample.sstable_count is not None}
    sentence = "Not judged: no table of Cassandra tells how many compactions wait"
    if counts:
        node, count = max(counts.items(), key=lambda each: each[1])
        sentence += f"; {node} had {count} SSTables at the end of the step"
    return ResourceEvidence(resource=Resource.COMPACTION, of_limit=None, sentence=f"{sentence}.")
