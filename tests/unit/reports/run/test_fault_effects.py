"""What operations showed of a fault, worked by hand from a history of a few seconds; bands and table in figures and page."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtests.recording.history import DcOutcomes, HistoryWriter, RunHistory, SecondCounts, counts_of, read_history
from loadtests.storm.analytics import AnalyticsRound
from meterstorm.outcomes.run import analytics_result
from reports.results.parts import Verdict
from reports.results.replication import Ages, LossResult, ReplicationResult, VisibilityCourse
from reports.results.run import DcEffect, FaultResult, HomesMovedResult
from reports.run.fault_effects import with_effects
from reports.run.gallery import analytics_bands, fault_bands, run_gallery, unserved_seconds
from reports.run.page import read_run, report_html
from reports.verdict.run import judge
from scenarios.parts.faults import Fault, FaultKind
from tests.support.synthetic_run import write_synthetic_run

SECONDS = 20
ERRORS: Mapping[int, tuple[int, int]] = {5: (0, 3), 6: (2, 0), 9: (1, 1), 16: (4, 0)}  # failed, indeterminate
SOUTH: Mapping[int, tuple[int, int, int]] = {5: (97, 0, 3), 6: (0, 2, 0), 9: (0, 1, 1), 16: (96, 4, 0)}


def fault(begun_s: float | None, back_s: float | None, target: str = "north-1") -> FaultResult:
    healed_s = None if begun_s is None else begun_s + 3
    return FaultResult(
        kind=FaultKind.KILL,
        target=target,
        nodes=(target,),
        at_s=5.0,
        for_s=3.0,
        begun_s=begun_s,
        effective_s=begun_s,
        healed_s=healed_s,
        back_s=back_s,
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> RunHistory:
    """200 reads a second: of 1 ms, of 50 ms while a node is gone (5 to 8), of 2 ms afterwards; errors as in ERRORS."""
    folder = tmp_path_factory.mktemp("history")
    with HistoryWriter(folder, ["read_state", "bill"]) as writer:
        for second in range(SECONDS):
            failed, indeterminate = ERRORS.get(second, (0, 0))
            count = SecondCounts(200, 200, 200 - failed - indeterminate, failed, indeterminate, 0)
            took_us = 1_000.0 if second < 5 else 50_000.0 if second < 9 else 2_000.0
            times = {"read_state": counts_of(np.full(200, took_us))}
            by_dc = {
                "read_state": {
                    "north": DcOutcomes(100, 0, 0),
                    "south": DcOutcomes(*SOUTH.get(second, (100, 0, 0))),
                }
            }
            writer.write_second(second, {"read_state": count, "bill": count}, times, times, counts_of([10]), by_dc)
        writer.write_errors([])
    return read_history(folder)


def test_errors_and_response_times_are_told_before_during_and_after(history: RunHistory) -> None:
    (found,) = with_effects([fault(5.2, 9.0)], history, warm_up_s=1.0, closed_loop=["bill"])
    assert list(found.effects) == ["read_state"]
    effect = found.effects["read_state"]
    assert (effect.failed, effect.indeterminate) == (7, 4)
    assert (effect.first_error_s, effect.last_error_s, effect.error_seconds) == (5, 16, 4)
    times = (effect.p99_before_ms, effect.p99_during_ms, effect.p99_after_ms)
    assert times == pytest.approx((1.0, 50.0, 2.0), rel=1e-3)


def test_it_is_told_whose_homes_were_not_served_and_for_how_long(history: RunHistory) -> None:
    (found,) = with_effects([fault(5.2, 9.0)], history, warm_up_s=1.0, closed_loop=["bill"])
    dcs = found.effects["read_state"].dcs
    assert dcs["north"] == DcEffect(
        failed=0, indeterminate=0, error_seconds=0, unavailable_seconds=0, served_again_s=None
    )
    assert dcs["south"] == DcEffect(
        failed=7, indeterminate=4, error_seconds=4, unavailable_seconds=2, served_again_s=17
    )
    first, last = with_effects([fault(5.0, 9.0), fault(16.0, None)], history, warm_up_s=0, closed_loop=())
    assert first.effects["read_state"].dcs["south"].served_again_s == 10
    assert last.effects["read_state"].dcs["south"].failed == 4


def test_homes_that_are_not_served_again_to_the_end_are_told_so(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, ["read_state"]) as writer:
        for second in range(4):
            by_dc = {"read_state": {"south": DcOutcomes(0, int(second >= 2), 0)}}
            writer.write_second(second, {"read_state": SecondCounts(1, 1, 0, 1, 0, 0)}, {}, {}, counts_of([1]), by_dc)
    (found,) = with_effects([fault(1.0, None)], read_history(tmp_path), warm_up_s=0, closed_loop=())
    south = found.effects["read_state"].dcs["south"]
    assert (south.unavailable_seconds, south.served_again_s) == (2, None)


def test_a_fault_has_the_errors_up_to_the_next_one(history: RunHistory) -> None:
    first, second = with_effects([fault(5.0, 9.0), fault(15.5, None)], history, warm_up_s=0, closed_loop=())
    assert (first.effects["read_state"].failed, second.effects["read_state"].failed) == (3, 4)
    assert first.effects["read_state"].last_error_s == 9
    assert second.effects["read_state"].p99_after_ms is None  # its nodes never came back
    before_ms = second.effects["read_state"].p99_before_ms
    assert before_ms == pytest.approx(2.0, rel=1e-3)  # without the slow seconds of the first fault


def test_a_fault_that_never_began_has_no_effects_and_no_band(history: RunHistory) -> None:
    (found,) = with_effects([fault(None, None)], history, warm_up_s=0, closed_loop=())
    assert found.effects == {}
    assert fault_bands([found], SECONDS) == ()


def test_a_band_ends_when_the_nodes_are_back_or_with_the_storm() -> None:
    bands = fault_bands([fault(5.0, 8.5), fault(15.0, None), fault(16.0, 40.0, "south"), fault(25.0, 26.0)], SECONDS)
    assert [(band.name, band.from_s, band.until_s) for band in bands] == [
        ("kill north-1", 5.0, 8.5),
        ("kill north-1", 15.0, 20),
        ("kill south", 16.0, 20),
    ]


@pytest.mark.parametrize(("is_broken", "outcome"), [(True, Verdict.PASS), (False, Verdict.INCONCLUSIVE)])
def test_a_run_that_cuts_connections_itself_is_not_in_doubt_for_it(
    is_broken: bool, outcome: Verdict, tmp_path: Path
) -> None:
    results = write_synthetic_run(tmp_path / "run", wall_s=20)
    scenario = read_run(tmp_path / "run").scenario
    cut = Fault(kind=FaultKind.KILL, target="south", at_s=5.0, for_s=5.0)
    judged = judge(
        operations=results.operations,
        objectives=results.objectives,
        generator=results.generator.model_copy(update={"network_errors": 900, "network_error_share": 0.3}),
        audit=results.audit,
        scenario=scenario.model_copy(update={"faults": (cut,) if is_broken else ()}),
    )
    assert next(check.outcome for check in judged.checks if check.name == "network") is outcome


def test_page_and_figures_show_the_faults(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "run", wall_s=20)
    run = read_run(tmp_path / "run")
    faults = with_effects([fault(5.0, 12.0, "south")], run.history, warm_up_s=2, closed_loop=())
    moved = (HomesMovedResult(sender=1, dc="south", to="north", moved_s=7.25, back_s=17.5),)
    asked = (
        analytics_result(
            AnalyticsRound(
                job="settlement",
                dc="warehouse",
                begun_s=2.0,
                exported_s=8.12345,
                ended_s=9.5,
                half_hours=4_321,
                rows=97,
            )
        ),
        analytics_result(AnalyticsRound(job="peaks", dc="warehouse", begun_s=19.0, trouble="the node is gone")),
    )
    update = {"faults": faults, "homes_moved": moved, "analytics": asked}
    run = replace(run, results=run.results.model_copy(update=update))
    effect = next(iter(faults[0].effects.values()))
    effect.dcs["south"] = DcEffect(
        failed=77, indeterminate=0, error_seconds=5, unavailable_seconds=3, served_again_s=19
    )
    gallery = run_gallery(run.history, run.scenario, faults=faults, analytics=asked)
    page = report_html(run, gallery)
    assert (
        'href="#analytics"' in page and "4,321" in page and "the node is gone" in page and asked[0].exported_s == 8.123
    )
    assert [(one.from_s, one.until_s) for one in analytics_bands(asked, 15)] == [(2.0, 9.5)]
    assert gallery.lateness is not None and "settlement" in gallery.lateness.rendered.svg
    assert "Whose homes felt it" in page and "<td>3</td><td>19.0</td>" in page
    assert 'href="#faults"' in page and "kill south" in page
    assert "Homes served by another data centre" in page and "7.25" in page and "17.5" in page
    assert gallery.load is not None and "kill south" in gallery.load.rendered.svg
    calm = read_run(tmp_path / "run")
    told = report_html(calm, run_gallery(calm.history, calm.scenario))
    assert "#faults" not in told and "#analytics" not in told


def test_page_and_figure_show_what_a_lost_data_centre_alone_had(tmp_path: Path, history: RunHistory) -> None:
    write_synthetic_run(tmp_path / "run", wall_s=20)
    run = read_run(tmp_path / "run")
    behind = [None, 0.0, *(1_000.0 * second for second in range(18))]
    replication = ReplicationResult(
        courses=(
            VisibilityCourse(
                from_dc="south", to_dc="north", probes=190, unseen=3, lag_ms=None, behind_ms=tuple(behind)
            ),
            VisibilityCourse(from_dc="north", to_dc="south", probes=0, unseen=0, lag_ms=None, behind_ms=(None,) * 20),
        ),
        losses=(
            LossResult(
                kind=FaultKind.KILL,
                dc="south",
                other="north",
                lost_s=5.25,
                probes=52,
                unseen=7,
                age_ms=Ages(p50=41.0, p90=77.0, max=83.0),
                only_there=6,
                lag_ms=Ages(p50=21.5, p90=22.0, max=83.0),
                acknowledged_per_s=1_234.0,
                estimated=26.5,
            ),
        ),
    )
    results = run.results.model_copy(update={"faults": (fault(5.0, 12.0, "south"),), "replication": replication})
    run = replace(run, results=results, history=history)
    gallery = run_gallery(run.history, run.scenario, faults=results.faults, replication=replication)
    page = report_html(run, gallery)
    assert "had acknowledged and another had not seen" in page
    for told in ("<td>52</td><td>7</td><td>41.0</td><td>83.0</td><td>6</td>", "<td>1,234</td><td>26.5</td>"):
        assert told in page
    assert gallery.visibility is not None and gallery.visibility in gallery.all()
    assert "At most 17.0 s behind: what south had acknowledged and north had not seen, at 0:19." in page
    assert "2 seconds of south" in page  # 6 and 9: of its homes nothing was acknowledged
    assert "south unserved" in gallery.visibility.rendered.svg and "kill south" in gallery.visibility.rendered.svg
    calm = run_gallery(run.history, run.scenario, replication=ReplicationResult(courses=(), losses=()))
    assert calm.visibility is None


def test_seconds_of_gateways_are_no_outage_of_homes(history: RunHistory) -> None:
    assert np.flatnonzero(unserved_seconds(history, ())["south"]).tolist() == [6, 9]
    assert unserved_seconds(history, ("read_state",)) == {}
