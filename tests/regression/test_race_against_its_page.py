"""A race left designs out that its page then called unbeaten: each adjusted its evidence for another family of comparisons."""

import numpy as np
import pytest

from loadtests.tournament import ranking
from loadtests.tournament.ranking import Quantity, contests, left_behind, unbeaten
from tests.unit.tournament.test_ranking import CPU, FALSE_ALARM, rounds_of


def test_who_is_left_behind_is_so_at_the_end_whatever_else_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = rounds_of({"plain": 1.0, "small": 1.0, "wide": 1.0, "dear": 1.5}, count=12)
    monkeypatch.setattr(ranking, "log_e_value", lambda observed: 8.0 if abs(observed.mean()) > 0.2 else 0.0)
    assert left_behind(CPU, cpu, FALSE_ALARM) == {"dear"}
    cpu_to_the_end = {name: values.copy() for name, values in cpu.items()} | {
        "dear": np.append(cpu["dear"][:8], [np.nan] * 4)
    }
    others = {
        Quantity(name=f"read {number}", unit="ms"): rounds_of(dict.fromkeys(cpu, 1.0), seed=number)
        for number in range(12)
    }
    held = contests({CPU: cpu_to_the_end} | others, FALSE_ALARM)
    assert unbeaten(held, CPU, list(cpu)) == ("plain", "small", "wide")
