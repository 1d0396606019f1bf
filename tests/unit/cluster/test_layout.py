from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.cluster.layout import (
    TOKEN_MIN,
    TOKENS_PER_NODE,
    joining_tokens,
    lay_out,
    lay_out_joining,
    tokens_of,
)
from loadtests.cluster.sizing import HEAP_MIB_MAX, HEAP_MIB_MIN, RESERVED_MIB, size_nodes, stage_threads
from loadtests.errors import HarnessError
from scenarios.spec import Dc, Topology

TWO_BY_TWO = Topology(dcs=(Dc(name="north", nodes=2, rf=2), Dc(name="south", nodes=1, rf=1)))


def test_nodes_are_named_for_their_dc_and_its_first_is_a_seed() -> None:
    nodes = lay_out(TWO_BY_TWO, ("127.42.0.1", "127.42.0.2", "127.42.0.3"))

    assert [(node.name, node.dc, node.address, node.is_seed) for node in nodes] == [
        ("north-1", "north", "127.42.0.1", True),
        ("north-2", "north", "127.42.0.2", False),
        ("south-1", "south", "127.42.0.3", True),
    ]


def test_the_only_node_of_a_dc_holds_every_eighth_of_the_ring() -> None:
    shift = 2**20
    assert tokens_of(0, 1, 0)[:3] == (-(2**63) + shift, -(2**63) + 2**61 + shift, -(2**62) + shift)
    assert tokens_of(0, 1, 1)[0] == -(2**63) + 2 * shift  # the next DC's ring


@given(st.lists(st.integers(1, 32), min_size=1, max_size=8))
def test_no_two_nodes_hold_a_token_and_all_lie_in_the_ring(node_counts: list[int]) -> None:
    tokens = [
        token
        for dc_index, count in enumerate(node_counts)
        for index in range(count)
        for token in tokens_of(index, count, dc_index)
    ]

    assert len(set(tokens)) == TOKENS_PER_NODE * sum(node_counts)
    assert min(tokens) > TOKEN_MIN
    assert max(tokens) < 2**63


@given(st.integers(1, 32))
def test_every_node_of_a_dc_owns_the_same_share(count: int) -> None:
    ring = sorted((token, index) for index in range(count) for token in tokens_of(index, count, 0))
    owned = [0] * count
    for (before, _), (token, index) in pairwise(ring):
        owned[index] += token - before
    owned[ring[0][1]] += ring[0][0] + 2**64 - ring[-1][0]  # the range that wraps round

    assert max(owned) - min(owned) <= TOKENS_PER_NODE * count


@given(st.integers(1, 31))
def test_a_node_that_joins_halves_ranges_all_over_the_ring_and_of_every_node_that_can_be(count: int) -> None:
    dc = Dc(name="north", nodes=count, rf=1)
    of_others = {token: index for index in range(count) for token in tokens_of(index, count, 0)}
    new = joining_tokens(dc, 0)
    assert len(set(new)) == TOKENS_PER_NODE and not set(new) & set(of_others)
    ring = sorted(of_others)
    next_up = [next(token for token in [*ring, *ring] if token > each or each > ring[-1]) for each in new]
    assert len({of_others[token] for token in next_up}) == min(count, TOKENS_PER_NODE)  # whose ranges they take from
    gaps = {(later - one) % 2**64 for one, later in pairwise([*sorted(new), sorted(new)[0]])}
    assert max(gaps) <= 2 * 2**64 // TOKENS_PER_NODE


def test_a_node_that_joins_is_the_next_of_its_dc_and_no_seed() -> None:
    (node,) = lay_out_joining(TWO_BY_TWO, {"south": 1}, {"south": "127.42.0.4"})
    assert (node.name, node.dc, node.address, node.is_seed) == ("south-2", "south", "127.42.0.4", False)
    assert len(node.tokens) == TOKENS_PER_NODE and not set(node.tokens) & set(tokens_of(0, 1, 1))


def test_much_memory_gives_the_largest_heap_and_no_more() -> None:
    assert size_nodes(2, 23_000).heap_mib == HEAP_MIB_MAX


def test_six_nodes_share_what_twelve_gigabytes_leave() -> None:
    # (12,288 - 1,536) / 6 = 1,792 MiB a node; 2/3 of it, less overhead, is a heap of 1,024 MiB
    assert size_nodes(6, 12_288).heap_mib == 1024
    # (8,192 - 1,536) / 6 = 1,109; (1,109 - 256) x 2/3 = 568, down to a multiple of 64
    assert size_nodes(6, 8_192).heap_mib == 512


@given(st.integers(1, 64), st.integers(0, 2**20))
def test_what_is_promised_fits(node_count: int, available_mib: int) -> None:
    try:
        size = size_nodes(node_count, available_mib)
    except HarnessError:
        least_mib = node_count * (HEAP_MIB_MIN * 3 // 2 + 256) + RESERVED_MIB
        assert available_mib < least_mib
    else:
        assert node_count * size.resident_mib + RESERVED_MIB <= available_mib


def test_too_little_memory_is_refused_with_the_numbers() -> None:
    with pytest.raises(HarnessError, match=r"6 nodes need 5952 MiB .* this machine has 4000 MiB free"):
        size_nodes(6, 4_000)


def test_stage_threads_are_eight_a_core_of_a_nodes_share() -> None:
    assert stage_threads(2, 4) == 16
    assert stage_threads(1, 64) == 32  # as Cassandra ships it
    assert stage_threads(6, 2) == 4  # 16 / 6, but never so few that reads wait for each other
    assert size_nodes(2, 23_000, core_count=2).stage_threads == 8
