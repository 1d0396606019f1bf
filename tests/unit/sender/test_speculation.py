"""Reads that a second replica is asked for: which, when, and what becomes of both requests."""

import numpy as np
import pytest

from loadtests.recording.histograms import counts_of
from loadtests.sender.completion import end_all, expire, lose_link
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.state import EngineLimit, LinkField, Total
from tests.support.engine_state import TIMEOUT_US, Bench, error, new_bench, response

READ_TIMEOUT = 0x1200
AFTER_US = 5_000
Request = tuple[int, int, int]  # link, stream, label


def asked_twice(*, attempts: int = 1) -> tuple[Bench, Request, Request]:
    """A read that was not answered in time, with its two requests."""
    bench = new_bench([0], attempts=attempts)
    bench.state.is_read[0] = 1
    bench.state.limits[EngineLimit.SPECULATE_US] = AFTER_US
    bench.submit(0)
    [first] = bench.sent()
    bench.submit(AFTER_US - 1)
    assert bench.sent() == []
    bench.submit(2 * AFTER_US)
    [second] = bench.sent()
    return bench, first, second


def in_flight(bench: Bench) -> int:
    return int(bench.state.links[:, LinkField.IN_FLIGHT].sum())


def all_streams_free(bench: Bench) -> bool:
    return bool((bench.state.links[:, LinkField.FREE_COUNT] == bench.state.free_streams.shape[1]).all())


def test_the_second_request_goes_to_another_replica_and_the_first_answer_counts() -> None:
    bench, first, second = asked_twice()
    assert first[2] == second[2] and bench.link(first[0], LinkField.NODE) != bench.link(second[0], LinkField.NODE)
    bench.answer(second[0], response(second[1]), 12_000)
    assert bench.total(Total.OK) == 1 and bench.total(Total.SPECULATED) == bench.total(Total.SPECULATION_WON) == 1
    assert (bench.state.recording.response[0] == counts_of([12_000])).all()
    assert (bench.state.recording.service[0] == counts_of([2_000])).all()
    assert bench.link(first[0], LinkField.ABANDONED) == 1 and in_flight(bench) == 0
    bench.answer(first[0], response(first[1]), 13_000)
    assert bench.total(Total.OK) == 1 and bench.total(Total.LATE_ANSWERS) == 1 and all_streams_free(bench)


def test_the_first_replica_may_answer_first_all_the_same() -> None:
    bench, first, second = asked_twice()
    bench.answer(first[0], response(first[1]), 12_000)
    assert bench.total(Total.OK) == 1 and bench.total(Total.SPECULATION_WON) == 0
    assert (bench.state.recording.service[0] == counts_of([12_000])).all()
    bench.answer(second[0], response(second[1]), 13_000)
    assert bench.total(Total.LATE_ANSWERS) == 1 and all_streams_free(bench)


def test_an_error_of_one_ends_nothing_while_the_other_is_out() -> None:
    for failing, answering in ((0, 1), (1, 0)):
        bench, *requests = asked_twice()
        bench.answer(requests[failing][0], error(requests[failing][1], READ_TIMEOUT), 12_000)
        assert bench.total(Total.IN_FLIGHT) == 1 and bench.total(Total.INDETERMINATE) == 0
        bench.submit(60_000)
        assert bench.sent() == []  # an attempt has two requests at the most
        bench.answer(requests[answering][0], response(requests[answering][1]), 61_000)
        assert bench.total(Total.OK) == 1 and all_streams_free(bench)
        assert bench.state.attempt_errors[0, ErrorKind.READ_TIMEOUT] == 1


def test_errors_of_both_end_the_attempt_once() -> None:
    bench, first, second = asked_twice()
    bench.answer(first[0], error(first[1], READ_TIMEOUT), 12_000)
    bench.answer(second[0], error(second[1], READ_TIMEOUT), 13_000)
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.READ_TIMEOUT) == 1
    assert bench.total(Total.IN_FLIGHT) == 0 and all_streams_free(bench)


def test_a_lost_connection_takes_its_own_request_alone() -> None:
    for lost, left in ((0, 1), (1, 0)):
        bench, *requests = asked_twice()
        lose_link(bench.state, requests[lost][0], 12_000)
        assert bench.total(Total.IN_FLIGHT) == 1
        bench.answer(requests[left][0], response(requests[left][1]), 13_000)
        assert bench.total(Total.OK) == 1 and in_flight(bench) == 0


def test_time_outs_and_the_end_of_the_run_give_both_up() -> None:
    bench, first, second = asked_twice(attempts=2)
    expire(bench.state, TIMEOUT_US)
    assert bench.total(Total.WAITING) == 1 and in_flight(bench) == 0
    assert [bench.link(link, LinkField.ABANDONED) for link, *_ in (first, second)] == [1, 1]
    bench.submit(TIMEOUT_US + 10_000)
    [_] = bench.sent()
    bench.submit(TIMEOUT_US + 20_000)
    [_] = bench.sent()  # a new attempt may be asked twice again
    end_all(bench.state, TIMEOUT_US + 30_000)
    assert bench.total(Total.INDETERMINATE) == 1 and in_flight(bench) == 0
    assert bench.state.links[:, LinkField.ABANDONED].sum() == 4


def test_writes_lone_replicas_and_spent_credit_are_asked_once() -> None:
    for dcs, is_read, credit in (([0], 0, None), ([1], 1, None), ([0], 1, 999)):
        bench = new_bench([0], dcs=dcs)
        bench.state.is_read[0] = is_read
        bench.state.limits[EngineLimit.SPECULATE_US] = AFTER_US
        if credit is not None:
            bench.state.limits[EngineLimit.RETRY_PER_MILLE], bench.state.totals[Total.RETRY_CREDIT] = 100, credit
        bench.submit(0)
        bench.sent()
        bench.submit(2 * AFTER_US)
        assert bench.sent() == [] and bench.total(Total.SPECULATED) == 0


@pytest.mark.parametrize(("after_us", "every_us"), [(100, 1_000), (8_000, 2_000), (200_000, 10_000)])
def test_places_are_looked_through_each_quarter_of_the_wait_within_bounds(after_us: int, every_us: int) -> None:
    bench = new_bench([0])
    bench.state.is_read[0] = 1
    bench.state.limits[EngineLimit.SPECULATE_US] = after_us
    bench.submit(0)
    looked_us = after_us - 1 if after_us > every_us else 0
    bench.submit(looked_us)
    bench.sent()
    bench.submit(looked_us + every_us - 1)
    assert bench.sent() == []
    bench.submit(looked_us + every_us)
    assert len(bench.sent()) == 1


def test_without_the_scenarios_word_nobody_is_asked_twice() -> None:
    bench = new_bench([0])
    bench.state.is_read[0] = 1
    bench.submit(0)
    bench.sent()
    bench.submit(TIMEOUT_US - 1)
    assert bench.sent() == [] and np.count_nonzero(bench.state.places["twin_sent_us"]) == 0
