"""`[[faults]]` of a scenario: what is refused with which words, and which levels nobody can serve meanwhile."""

import pytest

from scenarios.parts.faults import Fault, FaultKind, down_together, nodes_of
from scenarios.served_levels import is_served, must_fail
from scenarios.spec import Dc, ScenarioError, Topology, parse_scenario

DCS = (Dc(name="north", nodes=3, rf=3), Dc(name="south", nodes=2, rf=1))
TEXT = """
title = "t"
[estate]
premises = 10
[run]
wall_s = 60
[[topology.dcs]]
name = "north"
nodes = 3
rf = 3
[[topology.dcs]]
name = "south"
nodes = 2
rf = 1
"""


def fault(kind: str = "kill", target: str = "north-1", at_s: float = 10.0, for_s: float = 10.0) -> Fault:
    return Fault(kind=FaultKind(kind), target=target, at_s=at_s, for_s=for_s)


def in_toml(*faults: Fault) -> str:
    return TEXT + "".join(
        f'[[faults]]\nkind = "{one.kind}"\ntarget = "{one.target}"\nat_s = {one.at_s}\nfor_s = {one.for_s}\n'
        for one in faults
    )


def test_a_target_is_a_node_or_all_nodes_of_a_data_centre() -> None:
    assert nodes_of(fault(target="north-2"), DCS) == ("north-2",)
    assert nodes_of(fault(target="south"), DCS) == ("south-1", "south-2")
    assert nodes_of(fault(target="south-3"), DCS) == ()


def test_what_is_down_at_one_time_is_told_from_each_beginning_on() -> None:
    one, other, later = fault(), fault(target="south", at_s=15.0), fault(target="north-2", at_s=20.0)
    assert down_together([later, other, one], DCS) == [
        {"north-1"},
        {"north-1", "south-1", "south-2"},
        {"north-2", "south-1", "south-2"},  # the first was healed in that instant
    ]


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([fault(target="east")], r"'east' is the name neither of .*there are north, south, north-1, .*, south-2"),
        ([fault(target="north-4")], "'north-4' is the name neither of a data centre nor of one of its nodes"),
        ([fault(at_s=55.0)], r"the kill of north-1 from 55 s for 10 s would be healed after .* run.wall_s 60 at most"),
        (
            [fault(), fault("pause", "north", at_s=19.0)],
            r"faults\[1\]: the pause of north from 19 s for 10 s and the kill of north-1 from 10 s for 10 s are both of north-1",
        ),
    ],
)
def test_a_fault_that_can_not_be_is_refused_in_words(faults: list[Fault], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(in_toml(*faults), "broken")


def test_faults_that_follow_each_other_or_befall_others_are_taken() -> None:
    scenario = parse_scenario(in_toml(fault(), fault("pause", at_s=20.0), fault("stop", "south")), "broken")
    assert [str(one) for one in scenario.faults] == [
        "kill of north-1 from 10 s for 10 s",
        "pause of north-1 from 20 s for 10 s",
        "stop of south from 10 s for 10 s",
    ]


@pytest.mark.parametrize(
    ("level", "down", "through_north", "through_south"),
    [
        ("LOCAL_QUORUM", {"north-1"}, True, True),
        ("LOCAL_QUORUM", {"north-1", "north-2"}, False, True),
        ("LOCAL_ONE", {"north-1", "north-2"}, True, True),
        ("LOCAL_ONE", {"north-1", "north-2", "north-3"}, False, True),
        ("ONE", {"north-1", "north-2", "north-3"}, False, True),  # in north nobody coordinates
        ("LOCAL_QUORUM", {"south-1"}, True, False),  # of one replica: some rows lie on that node alone
        ("QUORUM", {"south-1", "south-2"}, True, False),  # 3 of 4 replicas
        ("QUORUM", {"south-1", "north-1"}, False, False),
        ("EACH_QUORUM", {"south-1"}, False, False),
        ("EACH_QUORUM", {"north-1"}, True, True),
        ("ALL", {"north-1"}, False, False),
        ("THREE", {"north-1"}, True, True),
    ],
)
def test_which_levels_are_served_without_some_nodes(
    level: str, down: set[str], through_north: bool, through_south: bool
) -> None:
    topology = Topology.model_validate({"dcs": DCS, "consistency": {"default": level}})
    found = [is_served(topology, dc, topology.consistency.default, down) for dc in DCS]
    assert found == [through_north, through_south]


def test_what_must_fail_is_said_before_anything_starts() -> None:
    assert must_fail(parse_scenario(in_toml(fault()), "survived")) == []
    assert must_fail(parse_scenario(in_toml(fault(), fault(target="south", at_s=15.0)), "broken")) == [
        "While north-1, south-1, south-2 are down, operations of south's homes at LOCAL_QUORUM must fail."
    ]
