"""Apache Otava itself, installed from the package registry into an environment of its own, and asked."""

import sys
from pathlib import Path

import pytest

from loadtests.gate_history.otava import ask_otava, ready_otava
from tests.support.past_runs import levels


@pytest.mark.timeout(900)
def test_it_sees_a_step_and_leaves_our_packages_alone(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    steady, stepped = levels((40, 10.0)), levels((30, 10.0), (10, 11.0))
    assert ask_otava([steady, stepped], cache) == [[], [30]]
    assert "otava" not in sys.modules
    python = ready_otava(cache)
    assert python.is_relative_to(cache) and [each.name for each in (cache / "otava").iterdir()] == [
        python.parents[1].name
    ]
