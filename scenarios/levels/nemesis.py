"""Faults drawn at random for a scenario: the same scenario and seed give the same ones, on any machine. Pure.

Rules that hold here: a draw is keyed by seed, number of the fault and purpose; nodes that are down, or on their way back, are
never more than the budget; a fault that the budget has no room for is left out.
"""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

from scenarios.levels.served import serves_all, serves_parted
from scenarios.parts.faults import DOWN_KINDS, FAULTS_MAX, NETWORK_KINDS, Fault, FaultKind, end_s, node_names, nodes_of
from scenarios.parts.nemesis import DRAWN_AT_SITES, DRAWN_KINDS, Nemesis
from scenarios.spec import Dc, Scenario, ScenarioError

Choice = TypeVar("Choice")
Bears = Callable[[frozenset[str]], bool]
"""May these nodes be down at one time?"""
BearsParted = Callable[[Fault, frozenset[str]], bool]
"""May this partition be while these nodes are down?"""

BACK_S = 60.0  # from the healing of a node that ended until all see it again: 12 to 55 s were measured
SEEN_S = 20.0  # from the healing of a partition until all see one another: 1 to 2 s were measured
RESUME_S = 5.0  # the same of one that was held
TRIES_MAX = 8 * FAULTS_MAX
WAIT_S_MIN, WAIT_S_MAX = 2.0, 3.0  # of a pause that a single replica lives through: requests wait, and are answered
DUTIES = (0.1, 0.2, 0.3, 0.5)
DUTY_ALONE_MIN = 0.5  # of a node that nobody can stand in for


def with_nemesis(scenario: Scenario, seed: int | None = None) -> Scenario:
    """The scenario with its own nemesis, or the default one; `seed` replaces its seed. Raises ScenarioError for one whose
    faults are drawn already."""
    nemesis = scenario.nemesis or Nemesis()
    if nemesis.is_drawn:
        raise ScenarioError(
            "nemesis: the faults of this scenario are drawn already, by a run that it was left by; leave out --nemesis and "
            "--nemesis-seed to replay them"
        )
    return scenario.model_copy(
        update={"nemesis": nemesis if seed is None else nemesis.model_copy(update={"seed": seed})}
    )


def with_drawn_faults(scenario: Scenario) -> Scenario:
    """The scenario with the faults that its nemesis draws, beside its own. Raises ScenarioError when there can be none."""
    nemesis = scenario.nemesis
    if nemesis is None or nemesis.is_drawn:
        return scenario
    topology, bears = scenario.topology, borne_by(scenario)
    may_part = topology.wan is not None and len(topology.dcs) > 1
    if FaultKind.PARTITION in nemesis.kinds and not may_part:
        raise ScenarioError(
            "nemesis.kinds: a partition is drawn between data centres with a distance between them alone; give the scenario two "
            "of them and [topology.wan] (delay_ms = 0.0 is one), or leave it out"
        )
    seed = scenario.run.seed if nemesis.seed is None else nemesis.seed
    drawn = draw_faults(
        seed,
        nemesis,
        topology.dcs,
        own=scenario.faults,
        from_s=scenario.run.warm_up_s,
        until_s=scenario.run.wall_s,
        may_wait=scenario.run.operation_timeout_s >= 2 * WAIT_S_MAX,
        bears=bears,
        bears_parted=serves_parted(scenario),
        may_part=may_part,
    )
    if not drawn:
        raise ScenarioError(why_none(scenario, nemesis, bears))
    faults = (*scenario.faults, *drawn)
    update = {"faults": faults, "nemesis": nemesis.model_copy(update={"seed": seed, "is_drawn": True})}
    return scenario.model_copy(update=update)


def borne_by(scenario: Scenario) -> Bears:
    """Which nodes may be down at one time while the scenario's nemesis is at work."""
    down_max = None if scenario.nemesis is None else scenario.nemesis.down_max
    return serves_all(scenario) if down_max is None else lambda down: len(down) <= down_max


def draw_faults(
    seed: int,
    nemesis: Nemesis,
    dcs: Sequence[Dc],
    *,
    own: Sequence[Fault] = (),
    from_s: float,
    until_s: float,
    may_wait: bool,
    bears: Bears,
    bears_parted: BearsParted,
    may_part: bool,
) -> list[Fault]:
    """Faults of a storm between two instants of its wall time [s], in order of their beginnings.

    own: of the scenario itself, which nothing that is drawn touches. may_part: data centres may be parted. may_wait: requests
    outlast a pause of WAIT_S_MAX, so that one needs no room in the budget.
    """
    draws, possible = _Draws(seed), DRAWN_AT_SITES if may_part else DRAWN_KINDS
    drawn: list[Fault] = []
    at_s = from_s
    for number in range(TRIES_MAX):
        at_s += draws.exponential(nemesis.mean_between_s, number, "between")
        if at_s + WAIT_S_MIN > until_s or len(own) + len(drawn) == FAULTS_MAX:
            break
        for_s = max(draws.exponential(nemesis.mean_for_s, number, "for"), WAIT_S_MIN)
        duty = draws.one_of(DUTIES, number, "duty")
        borne = [
            fault
            for kind in nemesis.kinds or possible
            for target in _targets(kind, dcs)
            if (fault := _fitting(kind, target, at_s, for_s, duty, may_wait, [*own, *drawn], dcs, bears, bears_parted))
            and _ends_s(fault, dcs) <= until_s
        ]
        kinds = sorted({fault.kind for fault in borne})
        if kinds:  # first the kind: there are more nodes than data centres
            kind = draws.one_of(kinds, number, "kind")
            drawn.append(draws.one_of([fault for fault in borne if fault.kind == kind], number, "target"))
    return drawn


def why_none(scenario: Scenario, nemesis: Nemesis, bears: Bears) -> str:
    """Why nothing was drawn, in a sentence with the mend."""
    names = [name for of_dc in node_names(scenario.topology.dcs).values() for name in of_dc]
    if set(nemesis.kinds) == {FaultKind.PARTITION} and not _may_be_parted(scenario):
        return (
            "nemesis: no data centres may be parted, since operations of the scenario are not served by each side alone; give "
            "topology.consistency levels that are (LOCAL_QUORUM say), or let nemesis.kinds have others"
        )
    if nemesis.down_max == 0:
        return "nemesis: no node may be down, as nemesis.down_max is 0; give it 1, or let nemesis.kinds have 'pause' and 'slow'"
    if any(bears(frozenset([name])) for name in names):
        return (
            f"nemesis: a storm of {scenario.run.wall_s:g} s has no room for a fault every {nemesis.mean_between_s:g} s in the "
            "mean; make run.wall_s longer, or nemesis.mean_between_s and mean_for_s shorter"
        )
    return (
        "nemesis: no node may be down, since for each there are operations that are not served without it; give a data centre "
        "three nodes and rf = 3, let nemesis.kinds have 'pause' and 'slow', which a single replica lives through, or say "
        "with nemesis.down_max how many nodes may be down whatever fails then"
    )


def _may_be_parted(scenario: Scenario) -> bool:
    """Is there a data centre that may be parted from all others while no node is down?"""
    serves = serves_parted(scenario)
    partitions = [
        Fault(kind=FaultKind.PARTITION, target=dc.name, at_s=0.0, for_s=WAIT_S_MIN) for dc in scenario.topology.dcs
    ]
    return any(serves(one, ()) for one in partitions)


def _targets(kind: FaultKind, dcs: Sequence[Dc]) -> list[str]:
    """A rolling restart and a partition are of a whole data centre, everything else of a node."""
    if kind is FaultKind.PARTITION:
        return [dc.name for dc in dcs]
    if kind is FaultKind.RESTART:
        return [dc.name for dc in dcs if dc.nodes > 1]
    return [name for names in node_names(dcs).values() for name in names]


def _fitting(
    kind: FaultKind,
    target: str,
    at_s: float,
    for_s: float,
    duty: float,
    may_wait: bool,
    others: Sequence[Fault],
    dcs: Sequence[Dc],
    bears: Bears,
    bears_parted: BearsParted,
) -> Fault | None:
    """The fault as the budget has room for it beside the others, or None."""
    fault = Fault(
        kind=kind,
        target=target,
        at_s=round(at_s, 1),
        for_s=round(for_s, 1),
        duty=duty if kind is FaultKind.SLOW else None,
    )
    nodes = set(nodes_of(fault, dcs))
    beside = [one for one in others if one.at_s < _back_s(fault, dcs) and fault.at_s < _back_s(one, dcs)]
    if kind is not FaultKind.PARTITION and any(nodes & _held_alone(one, dcs) for one in beside):
        return None
    held = {name for one in beside if one.kind in DOWN_KINDS for name in nodes_of(one, dcs)}
    parted = [one for one in beside if one.kind is FaultKind.PARTITION]
    if kind is FaultKind.PARTITION:  # it is of all data centres' networks, of each of which one fault may be at a time
        is_free = not any(one.kind in NETWORK_KINDS for one in beside)
        return fault if is_free and bears_parted(fault, frozenset(held)) else None

    def may_be_down(more: set[str]) -> bool:
        down = frozenset(held | more)
        return bears(down) and all(bears_parted(one, down) for one in parted)

    if kind is FaultKind.SLOW:
        is_spare = may_be_down(nodes)
        return fault if is_spare else fault.model_copy(update={"duty": max(duty, DUTY_ALONE_MIN)})
    stages = [{name} for name in nodes] if kind is FaultKind.RESTART else [nodes]
    if all(may_be_down(stage) for stage in stages):
        return fault
    if kind is FaultKind.PAUSE and may_wait:
        return fault.model_copy(update={"for_s": min(fault.for_s, WAIT_S_MAX)})
    return None


def _held_alone(fault: Fault, dcs: Sequence[Dc]) -> set[str]:
    """The nodes that nothing else may befall meanwhile: what befalls a network befalls no node."""
    return set() if fault.kind in NETWORK_KINDS else set(nodes_of(fault, dcs))


def _ends_s(fault: Fault, dcs: Sequence[Dc]) -> float:
    """When it must be over: a node may come back after the storm, but the next one of a restart waits for it."""
    return _back_s(fault, dcs) if fault.kind is FaultKind.RESTART else fault.until_s


def _back_s(fault: Fault, dcs: Sequence[Dc]) -> float:
    """When its nodes are back at the latest, as far as is known beforehand."""
    if fault.kind in (FaultKind.PAUSE, FaultKind.SLOW):
        return fault.until_s + RESUME_S
    if fault.kind in NETWORK_KINDS:
        return fault.until_s + SEEN_S
    count = len(nodes_of(fault, dcs)) if fault.kind is FaultKind.RESTART else 1
    return end_s(fault, dcs) + count * BACK_S


class _Draws:
    """Uniform draws in [0, 1), each a function of the seed and its key."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def uniform(self, number: int, purpose: str) -> float:
        digest = blake2b(f"nemesis/{self._seed}/{number}/{purpose}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) * 2.0**-53

    def exponential(self, mean: float, number: int, purpose: str) -> float:
        return -mean * math.log1p(-self.uniform(number, purpose))

    def one_of(self, options: Sequence[Choice], number: int, purpose: str) -> Choice:
        return options[int(self.uniform(number, purpose) * len(options))]
