"""Faults drawn at random: by the seed alone, never more nodes down at a time than the budget, and refused in words."""

from pathlib import Path

import pytest

from scenarios.file import resolve_scenario
from scenarios.levels.nemesis import BACK_S, SEEN_S, WAIT_S_MAX, borne_by, with_drawn_faults, with_nemesis
from scenarios.levels.served import serves_parted
from scenarios.parts.faults import DOWN_KINDS, Fault, FaultKind, nodes_of
from scenarios.parts.nemesis import DRAWN_KINDS
from scenarios.spec import Scenario, ScenarioError, parse_scenario

TEXT = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{dcs}]
[run]
wall_s = {wall_s}
[nemesis]
{nemesis}
"""
THREE = '{ name = "north", nodes = 3, rf = 3 }'
ONE = '{ name = "north", nodes = 1, rf = 1 }'


def scenario(dcs: str = THREE, wall_s: int = 1_800, nemesis: str = "") -> Scenario:
    return parse_scenario(TEXT.format(dcs=dcs, wall_s=wall_s, nemesis=nemesis), "drawn")


def drawn(seed: int, **options: object) -> tuple[Fault, ...]:
    return with_drawn_faults(with_nemesis(scenario(**options), seed)).faults  # type: ignore[arg-type]


def held_until(fault: Fault) -> float:
    back_s = {FaultKind.PAUSE: 0.0, FaultKind.SLOW: 0.0, FaultKind.PARTITION: SEEN_S}.get(fault.kind, BACK_S)
    nodes = 3 if fault.kind is FaultKind.RESTART else 1
    return fault.at_s + nodes * (fault.for_s + back_s)


def test_the_same_seed_is_the_same_schedule_and_another_is_another() -> None:
    first = drawn(1)
    assert first == drawn(1) and first != drawn(2)
    assert [str(one) for one in drawn(4, wall_s=80)] == [  # on any machine, with any Python
        "stop of north-3 from 8.5 s for 3.8 s",
        "slow of north-1 from 9.6 s for 19.3 s",
        "pause of north-2 from 21.6 s for 3 s",
        "slow of north-1 from 35.7 s for 2.8 s",
    ]


def test_all_kinds_come_and_only_those_that_are_asked_for() -> None:
    assert {one.kind for seed in range(10) for one in drawn(seed)} == set(DRAWN_KINDS)
    assert {one.kind for seed in range(10) for one in drawn(seed, nemesis='kinds = ["kill", "slow"]')} == {
        "kill",
        "slow",
    }


@pytest.mark.parametrize("dcs", [THREE, f'{THREE}, {{ name = "south", nodes = 2, rf = 2 }}', ONE])
def test_never_more_is_down_than_the_levels_are_served_without(dcs: str) -> None:
    made = scenario(dcs)
    bears, topology = borne_by(made), made.topology.dcs
    for seed in range(20):
        faults = with_drawn_faults(with_nemesis(made, seed)).faults
        downing = [one for one in faults if one.kind is not FaultKind.SLOW and not is_short(one)]
        for one in downing:
            together = [other for other in downing if other.at_s <= one.at_s < held_until(other)]
            assert bears(frozenset(name for other in together for name in of_one_time(other, topology))), seed
        for one in faults:  # what is on its way back is left alone
            others = [other for other in faults if other is not one and other.at_s <= one.at_s < held_until(other)]
            assert not any(set(nodes_of(one, topology)) & set(nodes_of(other, topology)) for other in others), seed


def is_short(fault: Fault) -> bool:
    return fault.kind is FaultKind.PAUSE and fault.for_s <= WAIT_S_MAX


def of_one_time(fault: Fault, dcs: object) -> tuple[str, ...]:
    return nodes_of(fault, dcs)[: 1 if fault.kind is FaultKind.RESTART else None]  # type: ignore[arg-type]


def test_a_single_replica_is_paused_for_a_moment_or_slowed_by_half_alone() -> None:
    faults = [one for seed in range(20) for one in drawn(seed, dcs=ONE)]
    assert {one.kind for one in faults} == {FaultKind.PAUSE, FaultKind.SLOW}
    assert all(is_short(one) for one in faults if one.kind is FaultKind.PAUSE)
    assert all(one.run_share >= 0.5 for one in faults if one.kind is FaultKind.SLOW)


def test_a_budget_of_ones_own_is_kept_whatever_fails_then() -> None:
    faults = drawn(3, dcs=ONE, nemesis='kinds = ["kill"]\ndown_max = 1\nmean_between_s = 30.0')
    assert len(faults) > 3 and {one.kind for one in faults} == {FaultKind.KILL}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"dcs": ONE, "nemesis": 'kinds = ["kill", "restart"]'},
            "no node may be down, .* three nodes and rf = 3, .* 'pause' and 'slow', .* or say with nemesis.down_max",
        ),
        ({"wall_s": 7}, "a storm of 7 s has no room for a fault every 10 s"),
        ({"nemesis": "down_max = 0\nkinds = ['stop']"}, "no node may be down, as nemesis.down_max is 0; give it 1"),
        (
            {"nemesis": "kinds = ['boom']"},
            "'boom' can't be drawn; there are kill, stop, pause, slow, restart, partition$",
        ),
        ({"nemesis": "kinds = ['link']"}, "'link' can't be drawn; there are kill, stop"),
    ],
)
def test_a_nemesis_that_can_do_nothing_is_refused_in_words(options: dict[str, object], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        drawn(1, **options)


def test_what_a_run_leaves_replays_the_same_faults() -> None:
    left = with_drawn_faults(with_nemesis(scenario(), 5))
    assert left.nemesis is not None and left.nemesis.is_drawn and left.nemesis.seed == 5
    again = Scenario.model_validate(left.model_dump())
    assert with_drawn_faults(again) == again == left
    with pytest.raises(ScenarioError, match=r"drawn already, .* leave out --nemesis"):
        with_nemesis(again)


def test_the_faults_that_a_scenario_has_are_kept_and_left_alone() -> None:
    own = '[[faults]]\nkind = "kill"\ntarget = "north-1"\nat_s = 10.0\nfor_s = 1700.0'
    faults = drawn(1, nemesis=own)
    assert str(faults[0]) == "kill of north-1 from 10 s for 1700 s" and len(faults) > 3
    assert all(one.target != "north-1" for one in faults[1:])
    assert all(one.kind is FaultKind.SLOW or is_short(one) for one in faults[1:])  # one of three is down already


def test_a_shipped_scenario_of_single_replicas_has_a_nemesis_that_it_lives_through() -> None:
    smoke = resolve_scenario(Path("smoke"))
    assert len(with_drawn_faults(with_nemesis(smoke)).faults) > 2


NEAR = f"{THREE}, {THREE.replace('north', 'south')}"
WAN = "[topology.wan]\ndelay_ms = 10.0\n"


def test_data_centres_are_parted_where_there_is_a_distance_between_them_and_each_side_is_served_alone() -> None:
    made = scenario(NEAR, nemesis=WAN)
    serves = serves_parted(made)
    count = 0
    for seed in range(10):
        of_seed = drawn(seed, dcs=NEAR, nemesis=WAN)
        parted = [one for one in of_seed if one.kind is FaultKind.PARTITION]
        count += len(parted)
        for one in parted:
            others = [other for other in of_seed if other.at_s < one.until_s and one.at_s < held_until(other)]
            downing = [other for other in others if other.kind in DOWN_KINDS and not is_short(other)]
            instants = [max(one.at_s, other.at_s) for other in downing]
            for at_s in instants:
                together = [other for other in downing if other.at_s <= at_s < held_until(other)]
                down = {name for other in together for name in of_one_time(other, made.topology.dcs)}
                assert serves(one, down), (seed, str(one))
            assert sum(other.kind is FaultKind.PARTITION for other in others) == 1
    assert count > 15
    assert not any(one.kind is FaultKind.PARTITION for one in drawn(1, dcs=NEAR))


def test_a_partition_that_the_levels_are_not_served_in_is_never_drawn() -> None:
    each = '[topology.consistency]\ndefault = "EACH_QUORUM"\n'
    assert not any(
        one.kind is FaultKind.PARTITION for seed in range(10) for one in drawn(seed, dcs=NEAR, nemesis=WAN + each)
    )


@pytest.mark.parametrize("peer", ["south", "field"])
def test_no_partition_is_drawn_beside_a_fault_of_the_network_so_that_what_a_run_leaves_replays(peer: str) -> None:
    own = (
        f'[[faults]]\nkind = "link"\ntarget = "north"\npeers = ["{peer}"]\nat_s = 10.0\nfor_s = 900.0\n'
        "link = { delay_ms = 90.0 }\n"
    )
    left = with_drawn_faults(scenario(NEAR, nemesis='kinds = ["partition"]\n' + own + WAN))
    assert len(left.faults) > 3 and all(one.at_s > 910.0 for one in left.faults[1:])
    assert Scenario.model_validate(left.model_dump()) == left


def test_where_no_partition_is_served_a_nemesis_of_partitions_alone_is_refused_in_words() -> None:
    each = '[topology.consistency]\ndefault = "EACH_QUORUM"\n'
    with pytest.raises(
        ScenarioError, match=r"no data centres may be parted, since .* by each side alone; give .*LOCAL_QUORUM"
    ):
        drawn(1, dcs=NEAR, nemesis='kinds = ["partition"]\n' + WAN + each)


@pytest.mark.parametrize("options", [{"dcs": NEAR}, {"nemesis": WAN}])
def test_partitions_that_can_not_be_are_refused_in_words(options: dict[str, str]) -> None:
    nemesis = 'kinds = ["partition"]\n' + options.get("nemesis", "")
    with pytest.raises(ScenarioError, match="a partition is drawn between data centres with a distance between them"):
        drawn(1, dcs=options.get("dcs", THREE), nemesis=nemesis)
