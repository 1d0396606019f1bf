"""The parts of a storm's wall time add up to it, also of one that ended early."""

import pytest

from loadtests.metrics.instruments import Instruments
from scenarios.file import shipped_scenarios


@pytest.mark.parametrize(
    ("zero_s", "sent_s", "expected"),
    [
        (None, None, {"senders_start": 90.0}),
        (20, None, {"senders_start": 10.0, "storm": 80.0}),
        (20, 70, {"senders_start": 10.0, "storm": 50.0, "last_work": 30.0}),
        (101, None, {"senders_start": 91.0, "storm": 0.0}),  # interrupted between the word to start and the start
    ],
)
def test_parts(zero_s: int | None, sent_s: int | None, expected: dict[str, float]) -> None:
    told = Instruments(shipped_scenarios()["smoke"])
    told.zero_ns, told.sent_ns = (None if one is None else one * 10**9 for one in (zero_s, sent_s))
    assert told.parts_of_storm(10 * 10**9, 100 * 10**9) == expected
