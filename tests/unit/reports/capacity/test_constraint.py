"""What is named as binding, and on which evidence."""

import pytest

from loadtests.recording.history import NodeSample
from reports.capacity.constraint import Use, binding, evidence_of
from reports.results.capacity import Resource


def node(name: str = "north-1", **given: float) -> NodeSample:
    fields = {"cpu_share": 0.2, "gc_pause_ms": 5.0, "gc_count": 1, "sstable_count": 0} | given
    return NodeSample(second=1, node=name, dc="north", rss_bytes=1, disk_bytes=1, **fields)  # type: ignore[arg-type]


def use(*nodes: NodeSample, **given: object) -> Use:
    fields: dict[str, object] = {
        "client_cpu_share": 0.1,
        "is_limit": True,
        "is_client_limited": False,
        "machine_cores": 0.6,
        "disk_busy_share": 0.1,
        "cores": 2,
        "nodes": nodes or (node(),),
    }
    return Use(**(fields | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "resource"),
    [
        (use(), None),
        (use(node(cpu_share=0.9), node("south-1", cpu_share=0.9), machine_cores=1.98), Resource.NODE_CPU),
        (use(machine_cores=1.98), None),  # strangers' use
        (use(node(gc_pause_ms=300.0)), Resource.GC),
        (use(disk_busy_share=0.95), None),  # perhaps by strangers
        (use(node(sstable_count=4_000)), None),
        (use(is_client_limited=True, client_cpu_share=0.97), Resource.CLIENT_CPU),
    ],
)
def test_what_has_reached_its_limit_binds(measured: Use, resource: Resource | None) -> None:
    assert binding(evidence_of(measured)) is resource


def test_a_busy_sender_that_kept_time_does_not_bind() -> None:
    assert binding(evidence_of(use(client_cpu_share=0.95))) is None


def test_what_cannot_be_looked_into_is_not_guessed() -> None:
    evidence = {each.resource: each for each in evidence_of(use(nodes=(), disk_busy_share=None))}
    for resource in (Resource.NODE_CPU, Resource.GC, Resource.DISK):
        assert evidence[resource].of_limit is None and "Not measured" in evidence[resource].sentence
    assert evidence[Resource.WAN].of_limit is None


def test_a_distance_that_is_emulated_is_not_denied() -> None:
    """`find-max` said that no WAN was emulated, whatever its scenario said."""
    told = {far: evidence_of(use(is_wan_emulated=far))[-1] for far in (False, True)}
    assert all(each.resource is Resource.WAN and each.of_limit is None for each in told.values())
    assert (
        told[False].sentence.startswith("No WAN is emulated") and "as far apart as the scenario" in told[True].sentence
    )


def test_figures_are_means_over_the_seconds_by_node_and_told() -> None:
    samples = (node(gc_pause_ms=0.0), node(gc_pause_ms=400.0), node("south-1"))
    evidence = {each.resource: each for each in evidence_of(use(*samples))}
    assert evidence[Resource.GC].of_limit == pytest.approx(2.0)
    assert "20.0 % of the time north-1 paused" in evidence[Resource.GC].sentence
    assert "at most 400 ms" in evidence[Resource.GC].sentence


def test_what_others_took_is_told_without_nodes_and_sender() -> None:
    samples = (node(cpu_share=0.4), node(cpu_share=0.6), node("south-1", cpu_share=0.3))
    evidence = {each.resource: each for each in evidence_of(use(*samples, machine_cores=1.9, client_cpu_share=0.2))}
    told = evidence[Resource.OTHERS]
    assert told.of_limit is None
    assert "Other programs took 0.900 of this machine's cores" in told.sentence  # 1.9 - (0.5 + 0.3) - 0.2
    unknown = {each.resource: each for each in evidence_of(use(machine_cores=None))}[Resource.OTHERS]
    assert "Not measured" in unknown.sentence


def test_nodes_that_may_run_here_unseen_are_not_called_other_programs() -> None:
    told = evidence_of(use(nodes=(), machine_cores=1.9, client_cpu_share=0.2))[2]
    assert told.resource is Resource.OTHERS and "ther programs" not in told.sentence
    assert "This machine's cores were busy by 1.70 beside the load generator" in told.sentence
    assert "the cluster's nodes are among them where they run here" in told.sentence


@pytest.mark.parametrize("nodes", [(), (node(),)])
def test_only_where_a_rate_was_not_reached_others_may_be_why(nodes: tuple[NodeSample, ...]) -> None:
    for is_limit in (True, False):
        told = evidence_of(use(nodes=nodes, is_limit=is_limit))[2]
        assert ("may be why" in told.sentence) is is_limit


def test_compaction_is_told_and_not_judged() -> None:
    """`thread_pools` reads 1 active, 0 pending while 20 are due, so "16 waiting compactions" could never bind."""
    evidence = {
        each.resource: each for each in evidence_of(use(node(sstable_count=7), node("south-1", sstable_count=4_000)))
    }
    told = evidence[Resource.COMPACTION]
    assert told.of_limit is None
    assert "Not judged" in told.sentence and "south-1 had 4000 SSTables" in told.sentence
