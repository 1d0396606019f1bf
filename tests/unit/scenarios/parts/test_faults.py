"""`[[faults]]` of a scenario: what each befalls, and what is refused with which words."""

from pathlib import Path

import pytest

from scenarios.file import load_scenario
from scenarios.parts.faults import (
    Fault,
    FaultKind,
    disks_of,
    down_together,
    joining,
    lost_dcs,
    need_orders,
    nodes_of,
    out_of_reach,
    peers_of,
)
from scenarios.spec import Dc, ScenarioError, parse_scenario

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


def test_of_a_rolling_restart_one_node_is_down_at_a_time() -> None:
    rolling, other = fault("restart", "south"), fault(target="north-1", at_s=25.0)
    assert down_together([rolling, other], DCS) == [
        {"south-1"},
        {"south-2"},
        {"north-1", "south-1"},
        {"north-1", "south-2"},
    ]


def test_slow_nodes_are_not_down_and_other_parts_are_no_nodes() -> None:
    others = [
        fault("schema_change", "events_by_home"),
        fault("kill_gateway", "north"),
        fault("kill_sender", "sender-1"),
        fault("kill_back_office", "back_office"),
        fault("late_tariffs", "back_office"),
        fault("garbage", "back_office"),
    ]
    assert down_together([fault("slow", "north"), *others, fault(target="south-1")], DCS) == [{"south-1"}]
    assert [nodes_of(one, DCS) for one in others] == [()] * 6


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([fault(target="east")], r"'east' is the name neither of .*there are north, south, north-1, .*, south-2"),
        ([fault(target="north-4")], "'north-4' is the name neither of a data centre nor of one of its nodes"),
        ([fault(at_s=55.0)], r"the kill of north-1 from 55 s for 10 s would be healed after .* run.wall_s 60 at most"),
        ([fault("kill_sender", "north-1")], "'north-1' names no sender; they are sender-1, sender-2"),
        (
            [fault("kill_gateway", "north-1")],
            "'north-1' is no data centre, each of which has one gateway; there are north, south",
        ),
        (
            [fault("late_tariffs", "north")],
            "kind 'late_tariffs' befalls the back office alone: target = \"back_office\"",
        ),
        (
            [fault("garbage", "back_office"), fault("garbage", "back_office", at_s=15.0)],
            "are both of back_office \\(garbage\\) at one time",
        ),
        (
            [fault("schema_change", "events_by_home"), fault("schema_change", "events_by_home", at_s=15.0)],
            "are both of events_by_home",
        ),
        (
            [fault("restart", "north", at_s=31.0)],
            r"at_s and for_s for each of its 3 nodes must add up to run.wall_s 60",
        ),
        (
            [fault("restart", "north"), fault(target="north-3", at_s=35.0)],
            "the kill of north-3 from 35 s for 10 s and the restart of north from 10 s for 10 s are both of north-3",
        ),
        (
            [fault(), fault("pause", "north", at_s=19.0)],
            r"faults\[1\]: the pause of north from 19 s for 10 s and the kill of north-1 from 10 s for 10 s are both of north-1",
        ),
    ],
)
def test_a_fault_that_can_not_be_is_refused_in_words(faults: list[Fault], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(in_toml(*faults), "broken")


def test_a_duty_is_of_slow_nodes_alone() -> None:
    slow = parse_scenario(in_toml(fault("slow")) + "duty = 0.25\n", "broken").faults[0]
    assert slow.run_share == 0.25 and fault("slow").run_share == 0.1
    with pytest.raises(ScenarioError, match="duty goes with kind 'slow', not with 'kill'; leave it out"):
        parse_scenario(in_toml(fault()) + "duty = 0.25\n", "broken")


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        ("clock_skew", "", "kind 'clock_skew' needs how far the clock is ahead: skew_s = 60.0"),
        ("clock_skew", "skew_s = -60.0", "skew_s = -60.0: must be at least 1"),
        ("upgrade", "", "kind 'upgrade' needs the release that nodes get: to_version = "),
        ("upgrade", 'to_version = "4.1.0"', r'faults\[0\].to_version = "4.1.0": must match'),
        ("pause", "skew_s = 60.0", "skew_s goes with kind 'clock_skew', not with 'pause'"),
        ("kill", "heap_share = 0.5", "heap_share goes with kind 'heap_pressure', not with 'kill'"),
        ("heap_pressure", "heap_share = 0.9", "heap_share = 0.9: must be at most 0.7"),
        ("sstable_bit_flip", "", "kind 'sstable_bit_flip' needs what brings back the rows .*: repair = true"),
        ("sstable_bit_flip", 'repair = true\ntable = "a b"', r'faults\[0\].table = "a b": must match'),
        ("bit_flip", 'table = "usage_by_fuel"', "table goes with kind 'sstable_bit_flip', not with 'bit_flip'"),
    ],
)
def test_what_a_node_does_to_itself_is_said_in_full(kind: str, line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "told.toml"
    path.write_text(in_toml_parted(line, kind=kind, target="north-1"))
    with pytest.raises(ScenarioError, match=said):
        load_scenario(path)


def test_nodes_that_run_with_another_clock_or_less_heap_are_not_down() -> None:
    ahead = parse_scenario(in_toml_parted("skew_s = 60.0", kind="clock_skew"), "ahead").faults
    assert nodes_of(ahead[0], DCS) == ("north-1", "north-2", "north-3") and down_together(ahead, DCS) == []
    taken = fault("heap_pressure")
    assert taken.held_share == 0.5 and down_together([taken], DCS) == []


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([fault("bootstrap", "north-1")], "a node joins a data centre; there are north, south"),
        ([fault("bootstrap", "east")], "a node joins a data centre; there are north, south"),
        ([fault("bootstrap", "north"), fault("bootstrap", "north", 30.0)], "a second node can't join north in one run"),
        ([fault("decommission", "north")], "one node at a time can decommission, north-1 say, not a whole data centre"),
        ([fault("decommission", "north-1")], "without north-1 north has 2 nodes for rf 3; give it another one"),
        (
            [fault("decommission", "south-2"), fault("decommission", "south-1", 30.0)],
            r"faults\[1\]: without south-1 and south-2 south has 0 nodes for rf 1; give it another one",
        ),
        ([fault("replace", "north")], "one node at a time can replace, north-1 say"),
        (
            [fault("decommission", "south-2"), fault("kill", "south", 30.0)],
            "south-2 has left by 30 s, and the kill of south from 30 s for 10 s can't befall it",
        ),
        (
            [fault("kill", "south-2", 30.0), fault("decommission", "south-2"), fault("pause", "south-2", 45.0)],
            "south-2 has left by 30 s, and the kill of south-2",
        ),
        ([fault("bootstrap", "north"), fault("kill", "south-1", 15.0)], "are both of south-1 at one time"),
    ],
)
def test_a_node_that_can_not_come_or_go_is_refused_in_words(faults: list[Fault], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(in_toml(*faults), "moving")


def test_nodes_may_leave_as_long_as_as_many_as_replicas_are_left() -> None:
    text = in_toml(fault("decommission", "north-4"), fault("decommission", "north-3", 30.0))
    assert len(parse_scenario(text.replace("nodes = 3", "nodes = 5"), "five").faults) == 2
    with pytest.raises(ScenarioError, match=r"without north-3 and north-4 north has 2 nodes for rf 3"):
        parse_scenario(text.replace("nodes = 3", "nodes = 4"), "four")


def upgraded(target: str, at_s: float = 25.0) -> str:
    return f'[[faults]]\nkind = "upgrade"\ntarget = "{target}"\nat_s = {at_s}\nfor_s = 5.0\nto_version = "5.0.9"\n'


@pytest.mark.parametrize(
    ("upgrade", "other", "said"),
    [
        (
            upgraded("north-1"),
            fault("replace", "north-1", 40.0),
            "node of the replace of north-1 from 40 s for 10 s would have the release from before the upgrade of north-1 from "
            "25 s for 5 s; replace it first, or leave one of them out",
        ),
        (
            upgraded("south"),
            fault("replace", "south-2", 40.0),
            "would have the release from before the upgrade of south",
        ),
        (
            upgraded("south"),
            fault("bootstrap", "south", 40.0),
            "upgrade of south from 25 s for 5 s; leave one of them out",
        ),
        (
            upgraded("south-2"),
            fault("bootstrap", "south"),
            "the bootstrap of south from 10 s .*; leave one of them out",
        ),
    ],
)
def test_a_node_that_would_come_with_the_old_release_is_refused(upgrade: str, other: Fault, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(in_toml(other) + upgrade, "mixed")
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(TEXT + upgrade + in_toml(other)[len(TEXT) :], "mixed")


def test_nodes_of_others_come_beside_an_upgrade_and_one_is_replaced_before_its_own() -> None:
    others = fault("replace", "north-1"), fault("bootstrap", "north", 40.0), fault("replace", "south-1", 50.0)
    assert len(parse_scenario(in_toml(*others) + upgraded("south-2"), "apart").faults) == 4
    assert len(parse_scenario(in_toml(fault("replace", "north-1")) + upgraded("north-1"), "first").faults) == 2


def test_the_only_replica_is_not_replaced() -> None:
    alone = TEXT.rpartition("[[topology.dcs]]")[0].replace("rf = 3", "rf = 1")
    with pytest.raises(ScenarioError, match="north-1 holds the only replica, which would be lost with it"):
        parse_scenario(alone + in_toml(fault("replace"))[len(TEXT) :], "alone")


def test_nodes_that_come_and_go_are_there_or_down_as_they_are() -> None:
    joins, leaves = fault("bootstrap", "south"), fault("decommission", "south-2", 30.0)
    replaced, upgraded = fault("replace"), in_toml_parted('to_version = "5.0.9"', kind="upgrade", target="south")
    assert nodes_of(joins, DCS) == ("south-3",) and joining([joins, leaves], DCS) == {"south": 1}
    assert down_together([joins, leaves], DCS) == []
    assert down_together([replaced], DCS) == [{"north-1"}]
    assert down_together(parse_scenario(upgraded, "up").faults, DCS) == [{"south-1"}, {"south-2"}]


def test_nodes_that_were_away_may_be_repaired_and_others_not() -> None:
    repaired = parse_scenario(in_toml_parted("repair = true", kind="stop"), "repaired").faults
    assert repaired[0].repair and need_orders(repaired) and not need_orders([fault("stop")])
    assert need_orders([fault("decommission", "south-2")])
    with pytest.raises(
        ScenarioError, match=r"repair goes with kind 'bit_flip' or 'kill' or .*'stop' or .*, not with 'slow'; leave"
    ):
        parse_scenario(in_toml_parted("repair = true", kind="slow"), "slow")


def rotten(target: str, text: str = TEXT) -> str:
    return text + in_toml_parted("repair = true", kind="sstable_bit_flip", target=target)[len(TEXT) :]


def test_a_node_with_a_broken_table_counts_as_down_and_is_no_lost_data_centre() -> None:
    (fault,) = parse_scenario(rotten("south"), "rotten").faults
    assert down_together([fault], DCS) == [{"south-1", "south-2"}] and need_orders([fault])
    assert lost_dcs(fault, DCS) == {} and lost_dcs(fault.model_copy(update={"kind": FaultKind.BIT_FLIP}), DCS) != {}


def test_not_all_replicas_of_a_row_are_damaged() -> None:
    alone = TEXT.rpartition("[[topology.dcs]]")[0]
    said = r"north holds all 3 replicas of some rows, and what is taken out there could come back from nobody"
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(rotten("north", alone), "alone")
    with pytest.raises(ScenarioError, match="north-1 holds all 1 replicas"):
        parse_scenario(rotten("north-1", alone.replace("rf = 3", "rf = 1")), "alone")
    for target, text in (("north-1", alone), ("north", TEXT)):
        assert parse_scenario(rotten(target, text), "others").faults[0].target == target


def test_faults_that_follow_each_other_or_befall_others_are_taken() -> None:
    scenario = parse_scenario(in_toml(fault(), fault("pause", at_s=20.0), fault("stop", "south")), "broken")
    assert [str(one) for one in scenario.faults] == [
        "kill of north-1 from 10 s for 10 s",
        "pause of north-1 from 20 s for 10 s",
        "stop of south from 10 s for 10 s",
    ]


def parted(**fields: object) -> Fault:
    return Fault.model_validate({"kind": "partition", "target": "north", "at_s": 10.0, "for_s": 10.0, **fields})


def test_a_target_is_parted_from_all_other_data_centres_unless_its_peers_are_named() -> None:
    assert peers_of(parted(), DCS) == ("south",)
    assert peers_of(parted(target="north-2"), DCS) == ("south",)
    assert peers_of(parted(peers=("south-1", "field")), DCS) == ("south-1", "field")
    assert (
        str(parted(peers=("south-1",), direction="out"))
        == "partition of north from south-1, out alone, from 10 s for 10 s"
    )


def test_each_side_of_a_partition_is_out_of_the_others_reach() -> None:
    assert out_of_reach(parted(), DCS, "north") == {"south-1", "south-2"}
    assert out_of_reach(parted(), DCS, "south") == {"north-1", "north-2", "north-3"}
    one = parted(target="south-2", peers=("north-1",), direction="in")
    assert out_of_reach(one, DCS, "south") == {"north-1"}
    assert out_of_reach(one, DCS, "north") == {"south-2"}
    assert out_of_reach(parted(target="south-2", peers=("field",)), DCS, "south") == {"south-2"}
    assert out_of_reach(parted(target="south-2", peers=("field",)), DCS, "north") == set()


def test_two_nodes_of_a_data_centre_are_parted_and_still_in_everybodys_reach() -> None:
    text = in_toml_parted('peers = ["north-2"]', 'direction = "out"', target="north-1")
    (apart,) = parse_scenario(text, "apart").faults
    assert (apart.target, apart.peers) == ("north-1", ("north-2",))
    assert out_of_reach(apart, DCS, "north") == out_of_reach(apart, DCS, "south") == set()
    both = apart.model_copy(update={"peers": ("north-2", "south-1")})
    assert out_of_reach(both, DCS, "north") == {"south-1"}


def in_toml_parted(*lines: str, kind: str = "partition", target: str = "north") -> str:
    return TEXT + "\n".join(
        ["[[faults]]", f'kind = "{kind}"', f'target = "{target}"', "at_s = 10.0", "for_s = 10.0", *lines, ""]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (in_toml_parted('peers = ["east"]'), "peer 'east' is not there; there are field, north, north-1"),
        (
            in_toml_parted('peers = ["north-1"]', target="north-1"),
            "north-1 and north-1 are one, or one is of the other",
        ),
        (in_toml_parted('peers = ["north-1"]'), "north-1 and north are one, or one is of the other; name two nodes"),
        (in_toml_parted('peers = ["north"]', target="north-1"), "north and north-1 are one, or one is of the other"),
        (in_toml_parted('direction = "up"'), "direction"),
        (
            in_toml_parted('peers = ["south"]', kind="kill"),
            "peers goes with kind 'link' or 'partition', not with 'kill'",
        ),
        (in_toml_parted('direction = "in"', kind="pause"), "direction goes with kind 'partition'"),
        (in_toml_parted(kind="link"), "kind 'link' needs what the link is meanwhile"),
        (
            in_toml_parted("link = { delay_ms = 9.0 }", kind="link", target="north-1"),
            "of whole data centres and the field",
        ),
        (
            in_toml(fault("partition", "north"), fault("partition", "north-1", at_s=15.0)),
            "the partition of north-1 from 15 s for 10 s and the partition of north from 10 s for 10 s are both of north-1",
        ),
        (
            in_toml(fault("partition", "north"), fault("partition", "south", at_s=15.0)),
            "the partition of south from 15 s for 10 s and the partition of north from 10 s for 10 s are both of north-1",
        ),
        (
            in_toml(fault("partition", "north"))
            + in_toml_parted('peers = ["north"]', "link = { delay_ms = 9.0 }", kind="link", target="south")[
                len(TEXT) :
            ],
            "are both of north-1 at one time",
        ),
        (in_toml_parted("link = {}", kind="link"), "the link of north from 10 s for 10 s changes nothing"),
        (
            in_toml_parted("link = { delay_ms = 20.0 }", kind="link") + "[topology.wan]\ndelay_ms = 20.0\n",
            "the link of north from 10 s for 10 s changes nothing",
        ),
        (
            in_toml_parted('peers = ["field"]').replace('name = "south"', 'name = "field"'),
            "a data centre can't be named 'field'",
        ),
    ],
)
def test_a_fault_of_the_network_that_can_not_be_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(text, "parted")


def test_two_data_centres_may_be_cut_from_the_field_at_one_time() -> None:
    faults = [in_toml_parted('peers = ["field"]', target=name)[len(TEXT) :] for name in ("north", "south")]
    assert len(parse_scenario(TEXT + "".join(faults), "both").faults) == 2


def test_a_link_that_changes_for_one_of_its_peers_is_taken() -> None:
    text = in_toml_parted('peers = ["field", "south"]', "link = { delay_ms = 20.0 }", kind="link")
    assert parse_scenario(text + "[topology.wan]\ndelay_ms = 20.0\n", "one").faults


def test_a_node_may_be_killed_while_its_network_is_cut() -> None:
    scenario = parse_scenario(in_toml(fault("partition", "north"), fault("kill", "north-1")), "both")
    assert down_together(scenario.faults, DCS) == [{"north-1"}]


def test_alone_a_data_centre_can_be_parted_from_the_field_only() -> None:
    alone = (
        TEXT.rpartition("[[topology.dcs]]")[0]
        + '[[faults]]\nkind = "partition"\ntarget = "north"\nat_s = 1.0\nfor_s = 5.0\n'
    )
    with pytest.raises(
        ScenarioError, match="there is no other data centre that north could be parted from; name field"
    ):
        parse_scenario(alone, "alone")
    assert parse_scenario(alone + 'peers = ["field"]\n', "alone").faults[0].peers == ("field",)


def test_nodes_whose_disk_is_to_be_full_have_one_of_their_own_of_the_least_size_that_is_asked_for() -> None:
    faults = [fault("disk_full", "south"), fault("disk_full", "north-1"), fault("kill", "north-2")]
    faults.append(faults[1].model_copy(update={"disk_mib": 300, "at_s": 30.0}))
    assert disks_of(faults, DCS) == {"south-1": 512, "south-2": 512, "north-1": 300}
    assert down_together(faults[:1], DCS) == [{"south-1", "south-2"}]
