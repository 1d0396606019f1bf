"""When homes of a lost data centre move, and when they go back: by the links of one sender, at instants worked by hand."""

import numpy as np

from loadtests.sender.failover import HomesMoved, HomesServed
from loadtests.sender.state import LinkField, LinkStatus
from scenarios.parts.failover import Failover
from tests.support.engine_state import THREE_NODES, Bench, new_bench

NORTH, SOUTH = 0, 1


def served(bench: Bench, **to: str) -> HomesServed:
    return HomesServed(bench.state, THREE_NODES, Failover(to=to, after_s=2.0, back_after_s=1.0), links_per_node=2)


def set_links(bench: Bench, links: list[int], status: LinkStatus) -> None:
    bench.state.links[links, LinkField.STATUS] = status


def test_homes_move_when_no_link_was_there_for_so_long_and_go_back_when_all_nodes_were() -> None:
    bench = new_bench([0])
    homes = served(bench, north="south")

    def seen(*at_us: int) -> list[int]:
        found = []
        for each in at_us:
            homes.look(each)
            found.append(int(bench.state.serving[NORTH]))
        return found

    set_links(bench, [0, 1, 2], LinkStatus.LOST)
    assert seen(1_000_000, 9_000_000) == [NORTH, NORTH]  # one link of node 1 is there
    set_links(bench, [3], LinkStatus.LOST)
    assert seen(10_000_000, 11_999_999, 12_000_000) == [NORTH, NORTH, SOUTH]
    set_links(bench, [0], LinkStatus.OPEN)
    assert seen(13_000_000, 15_000_000) == [SOUTH, SOUTH]  # node 1 is away
    set_links(bench, [2], LinkStatus.OPEN)
    assert seen(16_000_000, 16_999_999) == [SOUTH, SOUTH]
    set_links(bench, [2], LinkStatus.LOST)
    assert seen(17_000_000) == [SOUTH]
    set_links(bench, [2], LinkStatus.OPEN)
    assert seen(18_000_000, 18_999_999, 19_000_000) == [SOUTH, SOUTH, NORTH]
    assert homes.moves == [HomesMoved(dc="north", to="south", moved_s=12.0, back_s=19.0)]
    set_links(bench, [0, 2], LinkStatus.LOST)
    assert seen(20_000_000, 22_000_000) == [NORTH, SOUTH]
    assert homes.moves[1:] == [HomesMoved(dc="north", to="south", moved_s=22.0)]


def test_homes_of_others_stay_and_nobody_moves_two_steps() -> None:
    bench = new_bench([0])
    homes = served(bench, north="south")
    set_links(bench, list(range(6)), LinkStatus.LOST)
    homes.look(0)
    homes.look(5_000_000)
    assert bench.state.serving.tolist() == [SOUTH, SOUTH]
    both = new_bench([0])
    homes = served(both, north="south", south="north")
    set_links(both, list(range(6)), LinkStatus.LOST)
    homes.look(0)
    homes.look(5_000_000)
    assert np.array_equal(both.state.serving, [SOUTH, NORTH])
