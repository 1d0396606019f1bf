"""Which consistency levels nobody can serve while nodes are down, and how a run says so."""

import pytest

from scenarios.levels.served import is_served, must_fail
from scenarios.spec import Topology, parse_scenario
from tests.unit.scenarios.parts.test_faults import DCS, fault, in_toml


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


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("LOCAL_QUORUM", []),
        (
            "QUORUM",
            ["During the partition of north from 10 s for 10 s, operations of south's homes at QUORUM must fail."],
        ),
        (
            "EACH_QUORUM",
            [
                f"During the partition of north from 10 s for 10 s, operations of {dc}'s homes at EACH_QUORUM must fail."
                for dc in ("north", "south")
            ],
        ),
    ],
)
def test_what_must_fail_of_a_partition_is_what_asks_for_the_other_side(level: str, said: list[str]) -> None:
    text = in_toml(fault("partition", "north")).replace(
        "[[topology.dcs]]", f'[topology.consistency]\ndefault = "{level}"\n[[topology.dcs]]', 1
    )
    assert must_fail(parse_scenario(text, "parted")) == said


FAILOVER = '[run.failover]\nto = { south = "north" }\nafter_s = 3.0\n'


def test_what_a_stand_in_serves_must_fail_until_homes_have_moved() -> None:
    def said(text: str) -> list[str]:
        return must_fail(parse_scenario(text.replace("[run]", FAILOVER + "[run]"), "moved"))

    until = (
        "operations of south's homes at LOCAL_QUORUM must fail until north serves them, 3 s after their senders' last "
        "connection to south is lost."
    )
    assert said(in_toml(fault(target="south"))) == [f"While south-1, south-2 are down, {until}"]
    assert said(in_toml(fault(target="south-1"))) == [  # south has a node yet: its homes stay
        "While south-1 is down, operations of south's homes at LOCAL_QUORUM must fail."
    ]
    both = said(in_toml(fault(target="south"), fault(target="north", at_s=15.0)))
    assert both[1:] == [
        f"While north-1, north-2, north-3, south-1, south-2 are down, operations of {dc}'s homes at LOCAL_QUORUM must fail."
        for dc in ("north", "south")
    ]
    off_the_field = in_toml(fault("partition", "south")) + 'peers = ["field"]\n'
    assert said(off_the_field) == [f"During the partition of south from field from 10 s for 10 s, {until}"]
    each = in_toml(fault(target="south")).replace(
        "[[topology.dcs]]", '[topology.consistency]\ndefault = "EACH_QUORUM"\n[[topology.dcs]]', 1
    )
    assert "must fail until" not in " ".join(said(each))  # north serves none of its own either
