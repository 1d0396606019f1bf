"""Percentiles from counts against a plain sort, and what must hold of any figure's labels."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadtests.recording.history import VALUE_US_MAX, counts_of, percentiles_us
from reports.drawing.axes import pushed_apart

values = st.lists(st.integers(min_value=0, max_value=VALUE_US_MAX), min_size=1, max_size=200)


@given(values, st.integers(min_value=0, max_value=1_000))
def test_percentile_is_the_sorted_lists_to_a_thousandth(values_us: list[int], permille: int) -> None:
    rank = max(-(-permille * len(values_us) // 1_000), 1)
    exact = sorted(values_us)[rank - 1]
    found = int(percentiles_us(counts_of(values_us), [permille / 10])[0])
    assert exact <= found <= exact * 1.001 + 1


@given(values, values)
def test_merging_loses_nothing(left: list[int], right: list[int]) -> None:
    assert np.array_equal(counts_of(left) + counts_of(right), counts_of(left + right))


@given(values)
def test_percentiles_never_fall(values_us: list[int]) -> None:
    found = percentiles_us(counts_of(values_us), np.arange(0, 101))
    assert (np.diff(found) >= 0).all()


@given(st.lists(st.floats(min_value=0, max_value=200), max_size=5).map(sorted))
def test_labels_never_overlap_nor_leave_the_figure(heights: list[float]) -> None:
    placed = pushed_apart(heights, gap=12.5, highest=200)
    assert all(upper - lower >= 12.5 - 1e-6 for lower, upper in pairwise(placed))
    assert all(at <= 200 for at in placed)
