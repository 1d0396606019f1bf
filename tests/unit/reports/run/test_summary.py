"""From a small history to figures, worked by hand: what the warm-up leaves out, and what it must not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtests.recording.history import ErrorCount, HistoryWriter, RunHistory, SecondCounts, counts_of, read_history
from loadtests.sender.outcomes import ErrorKind
from reports.results.parts import Verdict
from reports.results.run import CUT_OFF_KINDS
from reports.run.summary import (
    Stalls,
    second_due_last,
    storm_seconds,
    summarise_generator,
    summarise_objectives,
    summarise_operations,
)
from scenarios.spec import Scenario, parse_scenario

SCENARIO: Scenario = parse_scenario(
    """
    title = "small"
    estate = { premises = 10 }
    topology = { dcs = [{ name = "north", nodes = 1, rf = 1 }] }
    run = { wall_s = 30, warm_up_s = 1, validity = { late_p99_ms_max = 10, cpu_share_max = 0.9 } }
    slo = [
        { operation = "ingest_reading", percentile = 50, response_ms_max = 100, error_share_max = 0.5 },
        { operation = "read_state", percentile = 99, response_ms_max = 100 },
    ]
    """,
    "test",
)


@pytest.fixture
def history(tmp_path: Path) -> RunHistory:
    """Second 0 is warm-up, load falls due in seconds 0 to 2, second 3 is the drain; service takes a third of each response."""
    with HistoryWriter(tmp_path, ["ingest_reading"]) as writer:
        rows = [
            (0, SecondCounts(10, 10, 10, 0, 0, 0), [1_000_000] * 10, [50_000]),
            (1, SecondCounts(10, 8, 8, 0, 0, 0), [1_000] * 8, [1_000]),
            (2, SecondCounts(10, 9, 6, 1, 2, 4), [2_000] * 9, [2_000]),
            (3, SecondCounts(0, 3, 3, 0, 0, 0), [500_000] * 3, []),
        ]
        for second, counts, response_us, late_us in rows:
            writer.write_second(
                second,
                {"ingest_reading": counts},
                {"ingest_reading": counts_of(response_us)},
                {"ingest_reading": counts_of([us // 3 for us in response_us])},
                counts_of(late_us),
                earliest_counts={"ingest_reading": counts_of([us - 100 for us in response_us])},
            )
        writer.write_errors(
            [
                ErrorCount(operation="ingest_reading", outcome="failed", kind="Unavailable", count=1),
                ErrorCount(operation="ingest_reading", outcome="indeterminate", kind="client_timeout", count=2),
            ]
        )
    return read_history(tmp_path)


def test_counts_are_of_the_whole_run_times_are_not(history: RunHistory) -> None:
    result = summarise_operations(history, SCENARIO)["ingest_reading"]
    assert (result.offered, result.attempted, result.ok) == (30, 30, 27)
    assert (result.failed, result.indeterminate, result.retries) == (1, 2, 4)
    assert result.response_ms is not None
    assert result.response_ms.p50 == 2.0  # of 20 values: 8 of 1 ms, 9 of 2 ms, 3 of 500 ms
    assert result.response_ms.max == pytest.approx(500, rel=1e-3)
    assert result.service_ms is not None and result.service_ms.p50 == pytest.approx(0.666, rel=1e-3)
    assert result.generator_error is not None and result.generator_error.p99 is None
    assert result.generator_error.p50.ms == pytest.approx(0.1) and result.generator_error.p50.percent == pytest.approx(
        5
    )
    assert result.errors == {"client_timeout": 2, "Unavailable": 1}
    assert (result.cut_off, result.error_share) == (0, 3 / 30)


def test_rate_is_of_the_seconds_in_which_load_fell_due(history: RunHistory) -> None:
    assert second_due_last(history) == 2
    assert summarise_operations(history, SCENARIO)["ingest_reading"].rate_per_s == 7.0  # (8 + 6) / 2, not the drain


def test_figures_show_the_storm_and_its_last_answers_and_no_back_office_after_it(history: RunHistory) -> None:
    office = {column: np.array([1, 1, 1, 1, 1, 1]) for column in SecondCounts._fields}
    load = {column: np.append(values, [0, 0]) for column, values in history.counts["ingest_reading"].items()}
    both = replace(history, seconds=np.arange(6), counts={"ingest_reading": load, "record_receipt": office})

    def shown(wall_s: float, closed_loop: set[str]) -> int:
        run = SCENARIO.run.model_copy(update={"wall_s": wall_s})
        return storm_seconds(both, SCENARIO.model_copy(update={"run": run}), closed_loop)

    assert shown(2.0, {"record_receipt"}) == 4  # the last answer came in second 3
    assert shown(4.5, {"record_receipt"}) == 5
    assert shown(2.0, set()) == 6
    assert shown(60.0, {"record_receipt"}) == 6  # interrupted: there is no more


def test_a_back_office_that_outlasts_the_storm_lengthens_no_seconds(history: RunHistory) -> None:
    """Its last work may take a fifth as long as the storm: rates would come out a fifth too low."""
    beside = np.array([1, 1, 1, 1])
    kinds = ("offered", "attempted", "ok", "failed", "indeterminate", "retries")
    office = {kind: beside if kind in kinds[:3] else np.zeros(4, np.int64) for kind in kinds}
    both = replace(
        history,
        operations=(*history.operations, "record_receipt"),
        counts={**history.counts, "record_receipt": office},
    )
    assert second_due_last(both) == 3 and second_due_last(both, {"record_receipt"}) == 2
    rates = {name: one.rate_per_s for name, one in summarise_operations(both, SCENARIO, {"record_receipt"}).items()}
    assert rates == {"ingest_reading": 7.0, "record_receipt": 1.0}


def test_objectives(history: RunHistory) -> None:
    append, read = summarise_objectives(history, SCENARIO)
    assert (append.response_ms, append.response_count) == (2.0, 20)
    assert append.error_share == pytest.approx(3 / 30)
    assert (read.response_ms, read.response_count, read.error_share) == (None, 0, None)


def test_an_objective_is_judged_by_response_time_which_begins_when_the_operation_was_due(history: RunHistory) -> None:
    """0.67 ms is what the cluster took at the median, 2 ms what the meters felt: an objective of 1 ms is missed."""
    strict = SCENARIO.model_copy(update={"slo": (SCENARIO.slo[0].model_copy(update={"response_ms_max": 1.0}),)})
    (result,) = summarise_objectives(history, strict)
    assert result.response_ms is not None and result.response_ms > result.response_ms_max


def test_what_the_bench_cut_off_is_in_no_share(tmp_path: Path) -> None:
    """Of 100, 90 were not drained or sent, and of the ten that were answered two failed: 20 %, and not 92."""
    with HistoryWriter(tmp_path, ["ingest_reading", "customer_usage"]) as writer:
        counts = {
            "ingest_reading": SecondCounts(100, 100, 8, 32, 60, 0),
            "customer_usage": SecondCounts(20, 20, 10, 0, 10, 0),
        }
        # Ten pages were asked for and not answered: the storm's end took four of them from their customers.
        response = {"ingest_reading": counts_of([9_000] * 100), "customer_usage": counts_of([9_000] * 16)}
        writer.write_second(0, counts, response, {}, counts_of([]))
        rows = [("failed", "not_sent", 30), ("indeterminate", "not_drained", 60), ("failed", "unavailable", 2)]
        writer.write_errors(
            ErrorCount(operation="ingest_reading", outcome=outcome, kind=kind, count=count)
            for outcome, kind, count in rows
        )
    cut = read_history(tmp_path)
    operations = summarise_operations(cut, SCENARIO)
    ingest, page = operations["ingest_reading"], operations["customer_usage"]
    assert (ingest.cut_off, ingest.judged, ingest.bad, ingest.error_share) == (90, 10, 2, 0.2)
    assert (page.cut_off, page.judged, page.bad, page.error_share) == (4, 16, 6, 6 / 16)
    assert summarise_objectives(cut, SCENARIO)[0].error_share == 0.2


def test_the_kinds_by_which_the_bench_ends_an_operation_are_the_engines() -> None:
    assert set(CUT_OFF_KINDS) == {ErrorKind.NOT_DRAINED.label, ErrorKind.NOT_SENT.label}


def test_the_shares_of_the_certificate_are_of_what_fell_due_and_of_all_attempts(history: RunHistory) -> None:
    result = summarise_generator(
        history, SCENARIO, scheduling="nice", blocked=3, cpu_s=0.5, cpu_share=0.2, network_errors=6
    )
    assert (result.queued_share, result.network_error_share) == (3 / 30, 6 / 34)  # 30 operations and 4 retries
    rows = {row.name: row for row in result.certificate}
    assert (rows["queueing"].measured, rows["network"].measured) == (0.1, 6 / 34)
    assert rows["network"].outcome is Verdict.INCONCLUSIVE  # 1 % allowed
    assert "17.6 % of the attempts met a lost connection" in rows["network"].sentence.replace("\N{NO-BREAK SPACE}", " ")


def test_the_shares_of_the_certificate_leave_out_what_no_sender_sent(tmp_path: Path) -> None:
    """Of 100 operations of the trace 60 went out, ten of them twice. A gateway's and a customer's are sent by others."""
    with HistoryWriter(tmp_path, ["ingest_reading", "poll_inbox", "customer_usage"]) as writer:
        counts = {
            "ingest_reading": SecondCounts(100, 100, 60, 40, 0, 10),
            "poll_inbox": SecondCounts(900, 900, 900, 0, 0, 0),
            "customer_usage": SecondCounts(200, 200, 200, 0, 0, 0),
        }
        writer.write_second(0, counts, {}, {}, counts_of([]))
        writer.write_errors([ErrorCount(operation="ingest_reading", outcome="failed", kind="not_sent", count=40)])
    result = summarise_generator(
        read_history(tmp_path),
        SCENARIO,
        scheduling="plain",
        blocked=25,
        cpu_s=3.0,
        cpu_share=0.1,
        network_errors=7,
        closed_loop={"poll_inbox"},
    )
    assert (result.queued_share, result.network_error_share, result.ops_per_cpu_s) == (25 / 100, 7 / 70, 300 / 3.0)


def test_generator(history: RunHistory) -> None:
    result = summarise_generator(
        history,
        SCENARIO,
        scheduling="nice",
        blocked=3,
        cpu_s=0.5,
        cpu_share=0.2,
        sender_count=2,
        stalls=Stalls(count=0, share=0.0, ms_max=0.0),
    )
    assert result.valid
    assert result.late_ms is not None
    assert (result.late_ms.p50, result.late_ms.max) == (1.0, 2.0)  # the 50 ms were in the warm-up
    assert (result.scheduling, result.blocked, result.sender_count, result.ops_per_cpu_s) == ("nice", 3, 2, 60.0)


def test_a_saturated_sender_is_not_valid(history: RunHistory) -> None:
    assert not summarise_generator(history, SCENARIO, scheduling="plain", blocked=0, cpu_s=1, cpu_share=0.95).valid


def test_a_late_sender_is_not_valid(history: RunHistory) -> None:
    strict = SCENARIO.model_copy(
        update={
            "run": SCENARIO.run.model_copy(
                update={"validity": SCENARIO.run.validity.model_copy(update={"late_p99_ms_max": 1.5})}
            )
        }
    )
    assert not summarise_generator(history, strict, scheduling="plain", blocked=0, cpu_s=1, cpu_share=None).valid


def test_an_empty_history_has_no_figures(tmp_path: Path) -> None:
    HistoryWriter(tmp_path, ["ingest_reading"]).close()
    empty = read_history(tmp_path)
    assert summarise_operations(empty, SCENARIO) == {}
    result = summarise_generator(empty, SCENARIO, scheduling="plain", blocked=0, cpu_s=0, cpu_share=None)
    assert (result.valid, result.late_ms, result.ops_per_cpu_s) == (False, None, None)
