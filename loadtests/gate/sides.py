"""What a gate compares: two scenarios that send the same operations and differ in the store beneath them. Pure.

Words: a *side* is the baseline or the candidate. A *pair* is one trial of each: both closed loops, then both
open ones. Which goes first is drawn from the seed, and the next pair has them the other way round (ABBA): what drifts favours
none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from scenarios.spec import Scenario, ScenarioError, Topology
from scenarios.texts.printable import shortened

_ORDER_DRAW = 0x6A7E  # keeps these draws apart from others of the same seed
WORDS = ("title", "question", "published")  # about a scenario: nothing of them is sent, stored or measured
# Parts of a scenario that no operation depends on: all else must be alike.
_OF_THE_STORE = (*WORDS, "store", "topology", "slo")
_OF_THE_BENCH = ("wall_s", "warm_nodes_s", "warm_up_s", "drain_s_max", "back_office", "validity", "evidence")
# Settings of the driver: how long an attempt may take, and how many there are. What they cost or save is what a gate measures.
_OF_THE_DRIVER = ("operation_timeout_s", "attempts_max")
_KEYSPACE_SIZE_MAX = 31


class SideName(StrEnum):
    """Which of the two."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSide:
    """told: where it comes from, in words: 'main (3f2c01a)', 'topology.consistency.default = QUORUM'."""

    name: SideName
    told: str
    scenario: Scenario


def require_comparable(baseline: Scenario, candidate: Scenario) -> None:
    """Raises ScenarioError unless both send the same operations: a difference would be one of the load."""
    if baseline.run.seed != candidate.run.seed:
        raise ScenarioError(
            f"the sides have different seeds ({baseline.run.seed} and {candidate.run.seed}): their loads differ; give both the "
            "same with --seed"
        )
    differing = _differing(_load_of(baseline), _load_of(candidate))
    if differing:
        raise ScenarioError(
            f"the sides send different loads: {', '.join(differing[:5])} {'differs' if len(differing) == 1 else 'differ'}; a "
            f"gate compares what is beneath one load, the store and its nodes ([store], [topology]), and how the driver "
            "asks ([run] operation_timeout_s, attempts_max)"
        )
    ours, theirs = ([dc.name for dc in one.topology.dcs] for one in (baseline, candidate))
    if ours != theirs:
        raise ScenarioError(
            f"the sides have different data centres ({', '.join(ours)} and {', '.join(theirs)}): homes are spread over them, so "
            "their loads differ; `meterstorm matrix` compares numbers of data centres"
        )


def is_same(baseline: Scenario, candidate: Scenario) -> bool:
    """Is there nothing between them but words about them?"""
    ours, theirs = (one.model_dump(exclude=set(WORDS)) for one in (baseline, candidate))
    return ours == theirs


def _load_of(scenario: Scenario) -> Mapping[str, object]:
    data = scenario.model_dump(mode="json", exclude=set(_OF_THE_STORE))
    data["run"] = {name: value for name, value in data["run"].items() if name not in _OF_THE_BENCH + _OF_THE_DRIVER}
    return data


def _differing(a: object, b: object, path: str = "") -> list[str]:
    """Dotted names of the fields in which two dumps differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted(a.keys() | b.keys())
        return [found for name in names for found in _differing(a.get(name), b.get(name), f"{path}.{name}".lstrip("."))]
    return [] if a == b else [path]


def with_keyspace(side: GateSide) -> GateSide:
    """The side in a keyspace of its own, named after both."""
    name = f"{side.scenario.topology.keyspace}_{side.name}"
    if len(name) > _KEYSPACE_SIZE_MAX:
        name = f"gate_{side.name}"
    topology = side.scenario.topology.model_copy(update={"keyspace": name})
    return GateSide(name=side.name, told=side.told, scenario=side.scenario.model_copy(update={"topology": topology}))


def shares_nodes(baseline: Topology, candidate: Topology) -> bool:
    """Can both be keyspaces of one cluster? Not where what the nodes are started with differs."""
    return _started_with(baseline) == _started_with(candidate)


def _started_with(topology: Topology) -> object:
    dcs = [(dc.name, dc.nodes) for dc in topology.dcs]
    return (dcs, topology.commit_log_sync, topology.cassandra_version, topology.cassandra)


def pair_order(pair: int, seed: int) -> tuple[SideName, SideName]:
    """Which side pair number `pair` measures first: pairs 2k and 2k + 1 in opposite orders, the first of them drawn."""
    turned = bool(np.random.default_rng([_ORDER_DRAW, seed, pair // 2]).integers(2)) ^ bool(pair % 2)
    return (SideName.CANDIDATE, SideName.BASELINE) if turned else (SideName.BASELINE, SideName.CANDIDATE)


def overridden(data: Mapping[str, object], assignments: Sequence[tuple[str, object]]) -> dict[str, object]:
    """A scenario's TOML data with fields set by their dotted names; raises ScenarioError for a way that is none."""
    changed: dict[str, object] = dict(data)
    for name, value in assignments:
        place = changed
        *way, last = name.split(".")
        for step in way:
            inner = place.get(step, {})
            if not isinstance(inner, dict):
                raise ScenarioError(
                    f"'{shortened(name)}': {step} is no table of the scenario, so nothing in it can be set"
                )
            place[step] = inner = dict(inner)
            place = inner
        place[last] = value
    return changed
