"""A matrix's cell was told as "2.81 ± 12.2 ms": an interval below zero, of a time."""

from reports.matrix.page import estimate_text
from reports.results.matrix import figure_of


def test_no_interval_is_below_zero() -> None:
    wide = figure_of([2.0, 3.62])
    assert wide is not None and wide.low == 0 and wide.high is not None
    assert round(wide.mean, 2) == 2.81 and wide.high > 2 * wide.mean  # Student's, of two visits: 12.7 standard errors
    assert estimate_text(wide) == "2.81 (0 to 13.1)"


def test_an_interval_above_zero_is_told_by_its_half_width() -> None:
    narrow = figure_of([100.0, 101.0])
    assert narrow is not None and narrow.low is not None and narrow.low > 0
    assert estimate_text(narrow) == "100 ± 6.35"


def test_what_is_always_zero_is_zero() -> None:
    assert estimate_text(figure_of([0.0, 0.0])) == "0 ± 0"
