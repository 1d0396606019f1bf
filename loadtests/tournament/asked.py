"""Questions of a design, asked of its tables through each data centre, and what is wrong in the answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.tournament.half_hours import HalfHours
from loadtests.trials.facts import EXAMPLES_MAX, TableDifference
from loadtests.trials.load import SampleLoad
from scenarios.domain import Operation
from sim.estate.lookup import mpxn_of, split_meter
from sim.estate.model import EstateModel
from store.cassandra.session import Statements
from store.designs.columns import derived
from store.ports import Values
from store.rows import home_columns
from store.tables import Schema

ASKED_AT_ONCE = 2_000  # rows of answers that are held in memory are those of so many questions
Found = TypeVar("Found")


def answers_by_dc(
    cluster: LocalCluster,
    load: SampleLoad,
    schema: Schema,
    operation: Operation,
    questions: Sequence[Values],
    read: Callable[[Sequence[list[Any]], int], Found],
) -> dict[str, list[Found]]:
    """By DC what is read from the answers, some questions at a time. read: of the rows of each, and the first one's number.

    Raises StoreError when a question isn't answered.
    """
    found: dict[str, list[Found]] = {}
    for dc in load.scenario.topology.dcs:
        driver, session = connect(cluster.endpoint(dc.name))
        try:
            statements = Statements(session, schema, load.scenario.topology)
            found[dc.name] = [
                read(statements.run_many(operation, list(questions[first : first + ASKED_AT_ONCE])), first)
                for first in range(0, len(questions), ASKED_AT_ONCE)
            ]
        finally:
            driver.shutdown()
    return found


def bound_values(
    schema: Schema, operation: Operation, meter: NDArray[np.int64], day_start_us: NDArray[np.int64], estate: EstateModel
) -> list[Values]:
    """The bound values of the schema's question about each meter and UTC day, by name: int64[n], int64[n] [us]."""
    premises, is_gas = split_meter(estate, meter)
    columns: dict[str, NDArray[Any]] = dict(home_columns(premises, is_gas.astype(np.int8), day_start_us))
    columns["mpxn"] = mpxn_of(estate, meter)
    names = list(dict.fromkeys(bind.name for bind in schema.statement(operation).binds))
    columns |= derived(columns, set(names) - columns.keys(), estate.slot_us)
    values = zip(*(columns[name].tolist() for name in names), strict=True)
    return [dict(zip(names, each, strict=True)) for each in values]


def difference_of(
    table: str, dc: str, wanted: HalfHours, held: HalfHours, told: Callable[[int], str]
) -> TableDifference:
    """What is wrong in answers, value by value. Both are keyed alike; told: a key in words. Pure."""
    missing = np.setdiff1d(wanted.key, held.key)
    extra = np.setdiff1d(held.key, wanted.key)
    both, ours, theirs = np.intersect1d(wanted.key, held.key, return_indices=True)
    altered = both[wanted.wh[ours] != held.wh[theirs]]
    kinds: Mapping[str, NDArray[np.int64]] = {"missing": missing, "extra": extra, "altered": altered}
    return TableDifference(
        table=table,
        dc=dc,
        rows=len(wanted.key),
        missing=len(missing),
        extra=len(extra),
        altered=len(altered),
        examples=tuple(f"{word}: {told(int(keys[0]))}" for word, keys in kinds.items() if len(keys))[:EXAMPLES_MAX],
    )
