"""Facts and exact counters held against each other: values worked by hand."""

import numpy as np
import pytest

from loadtests.gate.exact import counters_of
from loadtests.gate.facts import difference
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


def test_counters_of_both_sides_stand_side_by_side_and_one_that_a_side_lacks_is_none() -> None:
    found = counters_of({("a", "requests"): 10, ("b", "bytes"): 5}, {("a", "requests"): 11, ("c", "writes"): 1})
    assert [(each.name, each.baseline, each.candidate) for each in found] == [("a", 10, 11), ("b", 5, 0), ("c", 0, 1)]
    assert [each.increase for each in found] == [pytest.approx(0.1), -1.0, np.inf]
    (same,) = counters_of({("a", "requests"): 0}, {("a", "requests"): 0})
    assert same.increase == 0.0
