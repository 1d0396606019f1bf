"""How numbers read."""

from datetime import UTC, datetime

import pytest

from scenarios.texts import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.4, "0.400"),
        (1.005, "1.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.96, "100"),
        (12_345.6, "12,346"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert wording.significant(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0, "0 %"),
        (1, "100 %"),
        (0.0125, "1.25 %"),
        (0.99999, "99.999 %"),
        (0.9999999, "99.99999 %"),
        (1e-7, "0.0000100 %"),
    ],
)
def test_nearly_all_is_not_all_and_nearly_nothing_is_not_nothing(share: float | None, text: str) -> None:
    assert wording.percent(share) == text


def test_units_that_fit() -> None:
    assert wording.milliseconds(12.345) == "12.3 ms"
    assert wording.milliseconds(12_345) == "12.3 s"
    assert wording.size(2_400_000_000) == "2.40 GB"
    assert wording.size(12) == "12 B"
    assert [wording.duration(each) for each in (5, 0.4, 75, 10_805)] == ["5 s", "0.400 s", "1 min 15 s", "3 h 0 min"]
    assert [wording.clock(each) for each in (0, 90, 3_700)] == ["0:00", "1:30", "1:01:40"]
    assert wording.rate(1_234.6) == "1,235/s"


def test_words() -> None:
    assert wording.count(1_234_567) == "1,234,567"
    assert [wording.counted(each, "slot") for each in (1, 1_200)] == ["1 slot", "1,200 slots"]
    assert [wording.change(each) for each in (0.123, -0.05, 0, 4)] == ["+12.3 %", "−5.00 %", "0 %", "× 5.00"]
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert [wording.percentile_name(each) for each in (99.0, 99.9)] == ["p99", "p99.9"]
    assert wording.moment(datetime(2026, 1, 15, 14, 3, 22, tzinfo=UTC)) == "15 January 2026, 14:03:22 UTC"
