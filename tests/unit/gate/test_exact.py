"""Facts and exact counters held against each other: values worked by hand."""

import numpy as np
import pytest

from loadtests.gate.exact import Chance, countable, counters_of
from loadtests.trials.facts import difference
from store.schemas import SCHEMAS

TABLE = next(table for table in SCHEMAS["home_months"].tables if table.name == "latest_by_home")


def test_rows_are_missing_extra_or_altered() -> None:
    ours = {(1, 202601, 0): ("a", [1, 2]), (2, 202601, 0): ("b", [3]), (3, 202601, 0): ("c", None)}
    theirs = {(1, 202601, 0): ("a", [1, 2]), (2, 202601, 0): ("b", [4]), (4, 202601, 0): ("d", None)}
    found = difference(TABLE, "north", ours, theirs)
    assert (found.rows, found.missing, found.extra, found.altered) == (3, 1, 1, 1)
    assert not found.is_same
    assert [each.split(":")[0] for each in found.examples] == ["missing", "extra", "altered"]
    assert "premises 3" in found.examples[0]
    assert difference(TABLE, "north", ours, dict(reversed(ours.items()))).is_same
    more = {**ours, (9, 202601, 0): ("e", None)}
    other = {**ours, (1, 202601, 0): ("a", [1, 3])}
    for held, compared in ((ours, more), (more, ours), (ours, other)):  # extra, missing, altered: each by itself
        assert not difference(TABLE, "north", held, compared).is_same


def test_counters_of_both_sides_stand_side_by_side_and_one_that_a_side_lacks_is_none() -> None:
    found = counters_of({("a", "requests"): 10, ("b", "bytes"): 5}, {("a", "requests"): 11, ("c", "writes"): 1})
    assert [(each.name, each.baseline, each.candidate) for each in found] == [("a", 10, 11), ("b", 5, 0), ("c", 0, 1)]
    assert [each.increase for each in found] == [pytest.approx(0.1), -1.0, np.inf]
    (same,) = counters_of({("a", "requests"): 0}, {("a", "requests"): 0})
    assert same.increase == 0.0


REQUESTS, WRITES, READS = (
    ("a: requests", "requests"),
    ("t: writes by replicas", "writes"),
    ("t: reads by replicas", "reads"),
)


@pytest.mark.parametrize(
    ("replicas", "was_sent_once", "writes", "touched"),
    [
        ((1, 1), True, (7, 8), [None, None, None]),
        ((1, 1), False, (7, 8), [None, Chance.SENT_AGAIN, Chance.SENT_AGAIN]),
        ((3, 3), True, (21, 24), [None, Chance.WHO_ANSWERS, None]),
        ((1, 3), True, (7, 21), [None, Chance.WHO_ANSWERS, None]),  # of one replica and of three
        (
            (3, 3),
            True,
            (20, 21),
            [None, Chance.WHO_ANSWERS, Chance.MISSED],
        ),  # the baseline's replica missed one of seven
        ((3, 3), True, (21, 22), [None, Chance.WHO_ANSWERS, Chance.MISSED]),
        ((3, 3), False, (21, 21), [None, Chance.SENT_AGAIN, Chance.SENT_AGAIN]),
    ],
)
def test_what_chance_touches_is_no_evidence(
    replicas: tuple[int, int], was_sent_once: bool, writes: tuple[int, int], touched: list[Chance | None]
) -> None:
    found = counters_of({REQUESTS: 9, WRITES: writes[0], READS: 5}, {REQUESTS: 9, WRITES: writes[1], READS: 6})
    counted = countable(found, replicas, was_sent_once=was_sent_once, were_traced=True)
    assert [each.name for each in counted] == ["a: requests", "t: reads by replicas", "t: writes by replicas"]
    assert [each.chance for each in counted] == touched
    assert [(each.baseline, each.candidate) for each in counted] == [
        (9, 9),
        (5, 6),
        writes,
    ]  # kept as they were counted


@pytest.mark.parametrize("was_sent_once", [True, False])
def test_rows_that_traces_tell_are_exact_where_all_reads_were_traced(was_sent_once: bool) -> None:
    """Sent again, a write writes the same rows."""
    found = counters_of({("a: rows read", "rows"): 480}, {("a: rows read", "rows"): 960, ("a: t", "tombstones"): 1})
    for were_traced, chance in ((True, None), (False, Chance.UNTRACED)):
        counted = countable(found, (1, 1), was_sent_once=was_sent_once, were_traced=were_traced)
        assert [each.chance for each in counted] == [chance, chance]
