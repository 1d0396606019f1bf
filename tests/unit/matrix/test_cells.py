"""Which cells of a matrix are hosted, on which nodes, and in which order: pure, with values worked by hand."""

import pytest

from loadtests.errors import HarnessError
from loadtests.matrix.cells import (
    Cell,
    Group,
    Room,
    block_order,
    dc_names,
    group_order,
    levels_of,
    numbers_of,
    plan_matrix,
    scenario_of,
)
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.parts.site_wan import SiteLink, SiteWan
from scenarios.spec import Dc, ScenarioError, Topology, parse_scenario, with_network

LARGE = Room(processors=64, memory_mib=1_000_000)
SMALL = Room(processors=2, memory_mib=24_000)
QUORUM, LOCAL_ONE, EACH_QUORUM, THREE = (ConsistencyLevel(n) for n in ("QUORUM", "LOCAL_ONE", "EACH_QUORUM", "THREE"))
SCENARIO = parse_scenario(
    """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
""",
    "test",
)


def test_a_small_machine_hosts_six_nodes_and_says_what_it_can_not() -> None:
    plan = plan_matrix((1, 3), (LOCAL_ONE,), (1, 2, 3), SMALL)
    assert [(group.dcs, group.nodes_per_dc, len(group.cells)) for group in plan.groups] == [
        (1, 3, 2),
        (2, 3, 2),
        (3, 1, 1),
    ]
    (refused,) = plan.refused
    assert refused.cell == Cell(dcs=3, rf=3, level=LOCAL_ONE)
    assert refused.reason == (
        "RF 3 needs 3 nodes a DC, and 9 nodes are too many for 2 processors, which host 6 at most (3 each)"
    )


def test_memory_refuses_too_and_sizes_all_nodes_alike() -> None:
    # 6 nodes of the least heap take 6 x 736 + 1,536 MiB = 5,952 MiB.
    room = Room(processors=64, memory_mib=5_951)
    plan = plan_matrix((1, 3), (LOCAL_ONE,), (2,), room)
    assert [group.nodes_per_dc for group in plan.groups] == [1]
    assert "6 nodes need 5952 MiB of memory" in plan.refused[0].reason
    # both groups get the heap that fits the larger: (5,952 - 1,536) / 6 = 736 a node
    both = plan_matrix((3,), (LOCAL_ONE,), (1, 2), Room(processors=64, memory_mib=5_952))
    assert both.heap_mib == 320 and len(both.groups) == 2


def test_a_level_needs_its_replicas() -> None:
    plan = plan_matrix((1,), (QUORUM, THREE), (2,), LARGE)
    assert [cell.level for cell in plan.groups[0].cells] == [QUORUM]
    assert plan.refused[0].reason == "THREE needs 3 replicas, and there are 2"


def test_a_machine_that_hosts_nothing_is_refused_with_the_reason() -> None:
    with pytest.raises(
        HarnessError, match="can host none of the cells: RF 1 needs 1 node a DC, and 1 nodes need 2272 MiB"
    ):
        plan_matrix((1,), (QUORUM,), (1,), Room(processors=2, memory_mib=1_000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "'0' is not a whole number from 1 to 32"),
        ("33", "'33' is not"),
        ("1.5", "'1.5' is not"),
        ("-1", "'-1' is not"),
        ("\u00b2", "is not a whole number"),
        ("", "--rf '' is empty"),
        ("1,,3", "empty place"),
        ("1,3,1", "names 1 twice"),
    ],
)
def test_numbers_that_can_not_be_meant(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        numbers_of(text, "--rf", 32)


def test_numbers_and_levels_as_people_write_them() -> None:
    assert numbers_of(" 1, 3", "--rf", 32) == (1, 3)
    assert numbers_of("0,150", "--wan-ms", 2_000, least=0) == (0, 150)
    assert levels_of("local_one, QUORUM", "--cl") == (LOCAL_ONE, QUORUM)
    with pytest.raises(ScenarioError, match="--cl MOST: there is no level 'MOST'; there are ONE, "):
        levels_of("MOST", "--cl")


def test_each_block_holds_every_cell_once_in_an_order_of_its_own() -> None:
    cells = tuple(Cell(dcs=2, rf=rf, level=level) for rf in (1, 3) for level in ConsistencyLevel)
    group = Group(dcs=2, nodes_per_dc=3, cells=cells)
    blocks = [block_order(group, repeat, seed=7) for repeat in range(20)]
    assert all(sorted(block) == sorted(cells) for block in blocks)
    assert len(set(blocks)) > 15  # of 16! orders
    assert blocks == [block_order(group, repeat, seed=7) for repeat in range(20)]
    assert blocks[0] != block_order(group, 0, seed=8)
    firsts = {block[0] for block in blocks}
    assert len(firsts) > 5  # no cell has the first place to itself


def test_each_cell_of_several_data_centres_is_measured_at_every_distance_on_the_same_tables() -> None:
    plan = plan_matrix((1,), (LOCAL_ONE, QUORUM), (1, 2), LARGE, (20, 150))
    one, two = plan.groups
    assert [cell.wan_ms for cell in one.cells] == [None, None]  # nothing is between the data centres of one
    assert [(cell.level, cell.wan_ms) for cell in two.cells] == [
        (LOCAL_ONE, 20),
        (LOCAL_ONE, 150),
        (QUORUM, 20),
        (QUORUM, 150),
    ]
    assert two.stored == (Cell(dcs=2, rf=1, level=LOCAL_ONE), Cell(dcs=2, rf=1, level=QUORUM))
    assert len({cell.keyspace for cell in two.cells}) == 2
    assert two.cells[3].name == "2 DCs, RF 1, QUORUM, 150 ms"
    blocks = [block_order(two, repeat, seed=7) for repeat in range(20)]
    assert all(sorted(block) == sorted(two.cells) for block in blocks)
    assert len({block[0].wan_ms for block in blocks}) == 2  # no distance has the first place to itself


def test_what_can_not_be_hosted_is_told_once_whatever_the_distances() -> None:
    plan = plan_matrix((1, 3), (LOCAL_ONE,), (3,), SMALL, (20, 80, 150))
    assert [unfit.cell for unfit in plan.refused] == [Cell(dcs=3, rf=3, level=LOCAL_ONE)]


def test_a_network_is_given_to_a_scenario_that_has_none_and_left_to_one_that_has() -> None:
    assert with_network(SCENARIO).topology.wan == SiteWan()
    far = SCENARIO.model_copy(
        update={"topology": SCENARIO.topology.model_copy(update={"wan": SiteWan(delay_ms=20.0, loss=0.01)})}
    )
    assert with_network(far) is far
    dcs = (SCENARIO.topology.dcs[0].model_copy(update={"name": "field"}),)
    named = SCENARIO.model_copy(update={"topology": SCENARIO.topology.model_copy(update={"dcs": dcs})})
    with pytest.raises(ScenarioError, match=r"topology\.dcs: a data centre can't be named 'field'"):
        with_network(named)


def test_groups_are_drawn_too() -> None:
    plan = plan_matrix((1,), (QUORUM,), (1, 2, 3, 4), LARGE)
    assert {group_order(plan, seed)[0].dcs for seed in range(30)} == {1, 2, 3, 4}


def test_reads_of_each_quorum_are_local_quorum_and_others_are_the_cells() -> None:
    assert Cell(dcs=2, rf=1, level=EACH_QUORUM).read_level is ConsistencyLevel.LOCAL_QUORUM
    assert Cell(dcs=2, rf=1, level=QUORUM).read_level is QUORUM
    group = Group(dcs=2, nodes_per_dc=3, cells=())
    topology = scenario_of(SCENARIO, group, Cell(dcs=2, rf=1, level=EACH_QUORUM), [Operation.READ_STATE]).topology
    assert topology.consistency.of(Operation.INGEST_READING) is EACH_QUORUM
    assert topology.consistency.of(Operation.READ_STATE) is ConsistencyLevel.LOCAL_QUORUM
    assert [(dc.name, dc.nodes, dc.rf) for dc in topology.dcs] == [("north", 3, 1), ("dc2", 3, 1)]
    assert topology.keyspace == "matrix_rf1_each_quorum"
    Topology.model_validate(topology.model_dump())  # a keyspace's name of a legal length, among others


def test_every_keyspace_has_a_legal_name() -> None:
    longest = Cell(dcs=8, rf=32, level=ConsistencyLevel.LOCAL_QUORUM)
    assert len(longest.keyspace) <= 31


def test_dc_names_never_meet() -> None:
    dc3 = SCENARIO.topology.dcs[0].model_copy(update={"name": "dc3"})
    scenario = SCENARIO.model_copy(update={"topology": SCENARIO.topology.model_copy(update={"dcs": (dc3,)})})
    assert dc_names(scenario, 3) == ("dc3", "dc2", "dc4")


def test_a_cells_data_centres_are_as_far_from_each_other_as_the_scenarios() -> None:
    links = (SiteLink(between=("north", "south"), delay_ms=80.0), SiteLink(between=("north", "field"), delay_ms=2.0))
    wan = SiteWan(delay_ms=20.0, links=links)
    dcs = tuple(Dc(name=name, nodes=1, rf=1) for name in ("north", "south"))
    far = SCENARIO.model_copy(update={"topology": Topology(dcs=dcs, wan=wan)})
    groups = {group.dcs: group for group in plan_matrix((1,), (LOCAL_ONE,), (1, 2, 3), LARGE).groups}
    found = {count: scenario_of(far, group, group.cells[0], []).topology.wan for count, group in groups.items()}
    assert found[1] is not None and found[1].links == links[1:]
    assert found[2] == wan
    assert found[3] is not None and found[3].between("dc3", "north").delay_ms == 20.0
