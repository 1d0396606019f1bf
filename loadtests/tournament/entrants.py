"""Who takes part: the scenario's own design, and each variant of it, in a keyspace of its own. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.design_folder import QUERIES_FILE, YEARS, DesignFolder
from scenarios.domain import Operation
from scenarios.spec import Scenario, ScenarioError
from scenarios.texts.printable import shortened
from scenarios.variant_file import PLAIN, AnyVariant
from store.designs.checks import WriteText
from store.designs.design import OWN_ANSWERS, Answer, Design, design_of, own_write
from store.schemas import SCHEMAS, require_altered_tables, schema_of
from store.tables import Schema

ENTRANTS_MAX = 12
_ORDER_DRAW = 0x70C1  # keeps these draws apart from others of the same seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """scenario: the tournament's, with this entrant's store and keyspace. changes: what it changes of the plain design, as CQL.

    design: of one that has a table of its own; None: it alters the scenario's schema, or is it.
    """

    name: str
    title: str
    question: str
    scenario: Scenario
    changes: tuple[str, ...]
    design: Design | None = None

    @property
    def schema(self) -> Schema:
        return SCHEMAS[self.scenario.store.schema_name] if self.design is None else self.design.schema

    @property
    def write(self) -> WriteText:
        """What a row of its half-hours is."""
        return own_write(self.schema) if self.design is None else self.design.write

    @property
    def answers(self) -> Mapping[Operation, Answer]:
        """What the columns of its answers hold, of each question that is its own to answer."""
        return OWN_ANSWERS if self.design is None else self.design.answers


def entrants_of(scenario: Scenario, variants: Mapping[str, AnyVariant], years: int = YEARS) -> dict[str, Entrant]:
    """By name, the scenario's own design first. years: for how many of them the partitions of designs must keep to their bound.

    Raises ScenarioError for none, too many, and for one that can't be made.
    """
    if not variants:
        raise ScenarioError("a tournament takes at least one variant: name some with --variants")
    if len(variants) + 1 > ENTRANTS_MAX:
        raise ScenarioError(f"{len(variants)} variants are too many at once: at most {ENTRANTS_MAX - 1}")
    plain = Entrant(
        name=PLAIN,
        title="The design as the scenario has it",
        question="",
        scenario=_with_keyspace(scenario, PLAIN),
        changes=scenario.store.alterations,
    )
    return {PLAIN: plain} | {name: _entrant(name, variant, scenario, years) for name, variant in variants.items()}


def _entrant(name: str, variant: AnyVariant, scenario: Scenario, years: int) -> Entrant:
    if isinstance(variant, DesignFolder):
        design, of_own = design_of(name, variant, scenario, years), variant.queries.alterations
        require_altered_tables(design.schema, of_own, "the design", where=f"{variant.path / QUERIES_FILE}: alterations")
        store = scenario.store.model_copy(update={"alterations": (*scenario.store.alterations, *of_own)})
        return Entrant(
            name=name,
            title=variant.title,
            question=variant.question,
            scenario=_with_keyspace(scenario.model_copy(update={"store": store}), name),
            changes=variant.statements,
            design=design,
        )
    altered = scenario.model_copy(update={"store": variant.store})
    try:
        schema_of(altered)
    except ScenarioError as error:
        raise ScenarioError(f"variant {shortened(name)}: {error}") from error
    return Entrant(
        name=name,
        title=variant.title,
        question=variant.question,
        scenario=_with_keyspace(altered, name),
        changes=altered.store.alterations,
    )


def _with_keyspace(scenario: Scenario, name: str) -> Scenario:
    topology = scenario.topology.model_copy(update={"keyspace": f"variant_{name}"})
    return scenario.model_copy(update={"topology": topology})


def round_order(names: Sequence[str], number: int, seed: int) -> tuple[str, ...]:
    """The turns of a round: rounds 2k and 2k + 1 in opposite orders, the first of them drawn. What drifts favours none."""
    drawn = np.random.default_rng([_ORDER_DRAW, seed, number // 2]).permutation(len(names))
    order = tuple(names[int(each)] for each in drawn)
    return order[::-1] if number % 2 else order
