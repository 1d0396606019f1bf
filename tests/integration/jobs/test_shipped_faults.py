"""Shipped scenarios of faults by which nodes come and go, homes move and clocks are wrong, whole, on nodes of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

import meterstorm
from reports.results.parts import Verdict
from reports.results.run import Results
from scenarios.file import shipped_scenarios


def homes_went_and_came_back(results: Results) -> None:
    (move,) = results.homes_moved
    (fault,) = results.faults
    assert (move.dc, move.to) == ("south", "north") and fault.begun_s is not None and fault.back_s is not None
    assert fault.begun_s < move.moved_s < fault.begun_s + 10 < fault.back_s and move.back_s is not None
    for name, effect in fault.effects.items():
        north, south = (effect.dcs[dc] for dc in ("north", "south"))
        assert north.error_seconds == 0, name
        assert south.served_again_s is None or south.served_again_s <= fault.begun_s + 10, name


def nothing_failed(results: Results) -> None:
    assert all(one.failed == one.indeterminate == 0 for one in results.operations.values() if one.is_open_loop)


def told_and_mended(results: Results) -> None:
    nothing_failed(results)
    told = results.faults[0].told or ""
    assert "corruption detected, chunk at" in told and "served no more" in told and told.endswith("without them.")
    assert "did not come back" not in told


def upgraded(results: Results) -> None:
    nothing_failed(results)
    assert results.versions["cassandra"] == "5.0.8"  # at first; each node was asked when it was back


@pytest.mark.long
@pytest.mark.parametrize("mode", ["batch", "group", "periodic"])
def test_a_power_cut_takes_what_was_acknowledged_before_it_was_synced(mode: str, tmp_path: Path) -> None:
    results = meterstorm.run(shipped_scenarios()[f"power_cut_{mode}"], tmp_path / "run")
    (fault,) = results.faults
    assert fault.effective_s is not None and fault.back_s is not None
    assert results.audit is not None and results.audit.acknowledged > 50_000
    north, south = (results.audit.per_dc[dc] for dc in ("north", "south"))
    assert (north.lost, north.wrong, south.wrong, south.duplicate) == (0, 0, 0, 0)
    if mode == "periodic":
        assert results.verdict is Verdict.FAIL
        assert 0 < south.lost < south.acknowledged * 11 / (fault.begun_s or 1.0)  # of the last ten seconds, and no more
    else:
        assert results.verdict is Verdict.PASS, results.reasons
        assert south.verified == south.acknowledged


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("dc_lost_failover", homes_went_and_came_back),
        ("hint_window", homes_went_and_came_back),
        ("clock_skew", nothing_failed),
        ("heap_pressure", nothing_failed),
        ("node_joins", nothing_failed),
        ("node_leaves", nothing_failed),
        ("node_replaced", nothing_failed),
        ("rolling_upgrade", upgraded),
        ("sstable_bit_flipped", told_and_mended),
    ],
)
def test_a_shipped_fault_is_real_and_lived_through(name: str, shows: Callable[[Results], None], tmp_path: Path) -> None:
    results = meterstorm.run(shipped_scenarios()[name], tmp_path / "run")
    assert results.verdict is Verdict.PASS, results.reasons
    assert all(fault.effective_s is not None and fault.back_s is not None for fault in results.faults)
    assert results.audit is not None and results.audit.acknowledged == results.audit.verified > 50_000
    shows(results)
