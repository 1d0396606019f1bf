"""Who takes part: the scenario's own design, and each variant of it, in a keyspace of its own. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.spec import Scenario, ScenarioError
from scenarios.texts.printable import shortened
from scenarios.variant_file import PLAIN, Variant
from store.schemas import schema_of

ENTRANTS_MAX = 12
_ORDER_DRAW = 0x70C1  # keeps these draws apart from others of the same seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """scenario: the tournament's, with this entrant's store and keyspace."""

    name: str
    title: str
    question: str
    scenario: Scenario


def entrants_of(scenario: Scenario, variants: Mapping[str, Variant]) -> dict[str, Entrant]:
    """By name, the scenario's own design first. Raises ScenarioError for none, too many, and for one that can't be made."""
    if not variants:
        raise ScenarioError("a tournament takes at least one variant: name some with --variants")
    if len(variants) + 1 > ENTRANTS_MAX:
        raise ScenarioError(f"{len(variants)} variants are too many at once: at most {ENTRANTS_MAX - 1}")
    plain = Entrant(
        name=PLAIN, title="The design as the scenario has it", question="", scenario=_with_keyspace(scenario, PLAIN)
    )
    entrants = {PLAIN: plain}
    for name, variant in variants.items():
        altered = scenario.model_copy(update={"store": variant.store})
        try:
            schema_of(altered)
        except ScenarioError as error:
            raise ScenarioError(f"variant {shortened(name)}: {error}") from error
        entrants[name] = Entrant(
            name=name, title=variant.title, question=variant.question, scenario=_with_keyspace(altered, name)
        )
    return entrants


def _with_keyspace(scenario: Scenario, name: str) -> Scenario:
    topology = scenario.topology.model_copy(update={"keyspace": f"variant_{name}"})
    return scenario.model_copy(update={"topology": topology})


def round_order(names: Sequence[str], number: int, seed: int) -> tuple[str, ...]:
    """The turns of a round: rounds 2k and 2k + 1 in opposite orders, the first of them drawn. What drifts favours none."""
    drawn = np.random.default_rng([_ORDER_DRAW, seed, number // 2]).permutation(len(names))
    order = tuple(names[int(each)] for each in drawn)
    return order[::-1] if number % 2 else order
