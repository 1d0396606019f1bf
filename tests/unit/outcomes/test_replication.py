"""What a lost data centre had acknowledged and another one had not seen: worked by hand from a few rows."""

from pathlib import Path

import numpy as np
import pytest

from loadtests.faults.injection import FaultCourse
from loadtests.monitoring.visibility import VisibilityProbe
from loadtests.recording.history import RunHistory
from meterstorm.outcomes.replication import ages_of, behind_ms, replication_result
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Scenario, parse_scenario

ZERO_NS = 7_000_000_000_000
SCENARIO = parse_scenario(
    """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
[run]
wall_s = 60
""",
    "t",
)


def at_ns(second: float) -> int:
    return ZERO_NS + round(second * 1e9)


def probe(acknowledged_s: float, seen_s: float | None) -> VisibilityProbe:
    seen_ns = None if seen_s is None else at_ns(seen_s)
    return VisibilityProbe(at_ns(acknowledged_s) - 1_000, at_ns(acknowledged_s), seen_ns)


def history_of(seconds: int, **south_ok: int) -> RunHistory:
    by_dc = {
        name: {"south": {"ok": np.full(seconds, ok), "failed": np.zeros(seconds), "indeterminate": np.zeros(seconds)}}
        for name, ok in south_ok.items()
    }
    return RunHistory(
        folder=Path(),
        seconds=np.arange(seconds),
        operations=tuple(south_ok),
        counts={},
        nodes=[],
        errors=[],
        by_dc=by_dc,
    )


def course(kind: FaultKind = FaultKind.KILL, **times: float) -> FaultCourse:
    fault = Fault(kind=kind, target="south", at_s=20.0, for_s=10.0)
    return FaultCourse(fault, ("south-1",), **times)  # type: ignore[arg-type]


KILLED = course(begun_s=20.0, effective_s=20.2, healed_s=30.0, back_s=40.0)
PROBES = (
    probe(10.0, 10.5),
    probe(16.0, 16.1),  # in the last five seconds: 100 ms
    probe(19.0, 19.3),  # 300 ms
    probe(19.5, 20.3),  # on its way: 550 ms old at the loss
    probe(19.9, 41.0),  # only there: 150 ms old
    probe(20.05, None),  # the last one that it acknowledged, while it died; never seen
    probe(45.0, 45.1),
)


def result(*courses: FaultCourse, scenario: Scenario = SCENARIO, history: RunHistory | None = None) -> object:
    history = history or history_of(60, ingest_reading=40, read_state=1_000)
    return replication_result({("south", "north"): PROBES}, courses, scenario, history, ZERO_NS)


def test_what_was_not_seen_at_the_loss_is_counted_with_its_age() -> None:
    found = result(KILLED)
    (loss,) = found.losses  # type: ignore[attr-defined]
    assert (loss.kind, loss.dc, loss.other, loss.lost_s) == ("kill", "south", "north", 20.05)
    assert (loss.probes, loss.unseen, loss.only_there) == (6, 3, 2)
    assert loss.age_ms.model_dump() == pytest.approx({"p50": 150.0, "p90": 550.0, "max": 550.0})
    # of the last five seconds before it: 100, 300, 550, 150 and 0 ms, as far as they were known then
    assert loss.lag_ms.model_dump() == pytest.approx({"p50": 150.0, "p90": 550.0, "max": 550.0})
    assert loss.acknowledged_per_s == 40.0  # writes alone
    assert loss.estimated == pytest.approx(40.0 * 0.22)  # times the mean of the five lags


def test_a_parted_data_centre_is_lost_in_the_instant_of_the_cut_and_goes_on_acknowledging() -> None:
    found = result(course(FaultKind.PARTITION, begun_s=20.0, effective_s=20.2, healed_s=40.9, back_s=41.5))
    (loss,) = found.losses  # type: ignore[attr-defined]
    assert (loss.lost_s, loss.probes, loss.unseen, loss.only_there) == (20.0, 5, 2, 1)


def test_a_fault_that_did_not_come_or_takes_no_data_centre_has_no_loss() -> None:
    assert result(course()).losses == ()  # type: ignore[attr-defined]
    assert result(course(FaultKind.SLOW, begun_s=20.0)).losses == ()  # type: ignore[attr-defined]
    assert replication_result({}, [KILLED], SCENARIO, history_of(60), ZERO_NS) is None


def test_where_operations_are_not_told_by_data_centre_nothing_is_estimated() -> None:
    (loss,) = result(KILLED, history=history_of(60)).losses  # type: ignore[attr-defined]
    assert loss.acknowledged_per_s is None and loss.estimated is None and loss.unseen == 3


def test_a_data_centre_is_as_far_behind_as_the_oldest_row_that_it_has_not_shown() -> None:
    rows = (probe(1.5, 1.7), probe(2.9, 5.25), probe(4.0, 4.0005), probe(7.5, None))
    assert behind_ms(rows, 9, ZERO_NS) == pytest.approx(
        [None, 200.0, 100.0, 1_100.0, 2_100.0, 2_350.0, 0.0, 500.0, 1_500.0], abs=0.01
    )
    assert behind_ms([probe(1.0, 0.999)], 3, ZERO_NS) == [None, 0.0, 0.0]  # there before its acknowledgement
    assert behind_ms([], 2, ZERO_NS) == [None, None]


def test_the_course_of_a_pair_tells_its_lags_and_what_never_came() -> None:
    (told,) = result(KILLED).courses  # type: ignore[attr-defined]
    assert (told.from_dc, told.to_dc, told.probes, told.unseen) == ("south", "north", 7, 1)
    assert told.lag_ms.max == pytest.approx(21_100.0) and len(told.behind_ms) == 60
    assert told.behind_ms[59] == pytest.approx((60 - 20.05) * 1e3)
    assert ages_of([]) is None
