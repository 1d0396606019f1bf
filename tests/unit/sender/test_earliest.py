"""What of a response time may have been the generator's doing: late sends, answers that lay unread, and what is not its doing."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from loadtests.recording.histograms import counts_of
from loadtests.sender.completion import expire, lose_link
from loadtests.sender.connection import stamp_arrivals
from loadtests.sender.event_loop import needs_python
from loadtests.sender.state import MESSAGE_SIZE, EngineLimit, LinkField, LinkStatus
from loadtests.sender.syscalls import clock_ns, is_credible, realtime_offset_ns, receive_all, receive_stamped
from tests.support.engine_state import TIMEOUT_US, Bench, error, new_bench, response


def end_tick(bench: Bench, now_us: int) -> list[tuple[int, int, int]]:
    """All that was submitted leaves by `now_us`; (link, stream, label) of it."""
    needs_python(bench.state, len(bench.rows), bench.progress, False, now_us)
    return bench.sent()


def came(bench: Bench, link: int, *, by_us: int, not_before_us: int, last_not_before_us: int) -> None:
    bench.state.links[link, [LinkField.CAME_US, LinkField.NOT_BEFORE_US, LinkField.LAST_NOT_BEFORE_US]] = (
        by_us,
        not_before_us,
        last_not_before_us,
    )


def check(bench: Bench, *, response_us: list[int], earliest_us: list[int]) -> None:
    assert (bench.state.recording.response[0] == counts_of(response_us)).all()
    assert (bench.state.recording.earliest[0] == counts_of(earliest_us)).all()


def test_until_it_has_left_an_operation_is_late_by_the_generators_doing() -> None:
    bench = new_bench([100])
    bench.submit(300)
    [(link, stream, _)] = end_tick(bench, 350)
    came(bench, link, by_us=1_100, not_before_us=900, last_not_before_us=1_100)
    bench.answer(link, response(stream), 1_500)
    check(bench, response_us=[1_000], earliest_us=[750])
    assert (bench.state.recording.service[0] == counts_of([800])).all()  # from the submission: no answer came sooner


def test_an_answer_without_a_stamp_may_have_lain_there_since_its_link_was_empty() -> None:
    bench = new_bench([0])
    bench.submit(0)
    [(link, stream, _)] = end_tick(bench, 0)
    bench.state.links[link, LinkField.EMPTY_US] = 600
    bench.answer(link, response(stream), 1_000)
    check(bench, response_us=[1_000], earliest_us=[600])


def test_it_has_not_lain_there_since_before_it_was_asked_for() -> None:
    bench = new_bench([700])
    bench.submit(700)
    [(link, stream, _)] = end_tick(bench, 700)
    bench.state.links[link, LinkField.EMPTY_US] = 100
    bench.answer(link, response(stream), 1_000)
    check(bench, response_us=[300], earliest_us=[0])


def test_of_what_is_read_at_once_the_stamp_tells_of_the_last_alone() -> None:
    bench = new_bench([0, 0, 0, 0, 0])
    bench.submit(0)
    streams = [stream for link, stream, _ in end_tick(bench, 0) if link == 0]
    assert len(streams) == 2
    came(bench, 0, by_us=1_000, not_before_us=400, last_not_before_us=1_000)
    bench.answer(0, response(streams[0]) + response(streams[1]), 1_200)
    check(bench, response_us=[1_000, 1_000], earliest_us=[400, 1_000])


def test_what_is_followed_by_a_part_of_another_is_not_the_last() -> None:
    bench = new_bench([0, 0, 0, 0, 0])
    bench.submit(0)
    streams = [stream for link, stream, _ in end_tick(bench, 0) if link == 0]
    came(bench, 0, by_us=1_000, not_before_us=400, last_not_before_us=1_000)
    bench.answer(0, response(streams[0]) + response(streams[1])[:4], 1_200)
    came(bench, 0, by_us=2_000, not_before_us=1_200, last_not_before_us=2_000)
    bench.answer(0, response(streams[1])[4:], 2_100)
    check(bench, response_us=[1_000, 2_000], earliest_us=[400, 2_000])


def test_a_wait_for_room_is_not_the_generators_doing() -> None:
    bench = new_bench([0, 0], in_flight=1)
    bench.submit(0)
    [(link, stream, _)] = end_tick(bench, 0)
    came(bench, link, by_us=1_000, not_before_us=1_000, last_not_before_us=1_000)
    bench.answer(link, response(stream), 1_000)
    bench.submit(1_000)
    [(link, stream, _)] = end_tick(bench, 1_010)
    came(bench, link, by_us=3_000, not_before_us=3_000, last_not_before_us=3_000)
    bench.answer(link, response(stream), 3_000)
    check(bench, response_us=[1_000, 3_000], earliest_us=[1_000, 2_990])


def test_each_attempts_delays_add_up() -> None:
    bench = new_bench([0])
    bench.submit(100)
    [(link, stream, _)] = end_tick(bench, 100)
    came(bench, link, by_us=1_000, not_before_us=950, last_not_before_us=950)
    bench.answer(link, error(stream, 0x1001), 1_000)
    planned_us = int(bench.state.places[0]["sent_us"])
    bench.submit(planned_us + 70)
    [(link, stream, _)] = end_tick(bench, planned_us + 75)
    came(bench, link, by_us=9_000, not_before_us=8_990, last_not_before_us=8_990)
    bench.answer(link, response(stream), 9_000)
    check(bench, response_us=[9_000], earliest_us=[9_000 - 100 - 50 - 75 - 10])


def test_a_time_out_that_is_seen_late_is_late_by_the_generators_doing() -> None:
    bench = new_bench([0], attempts=1)
    bench.submit(0)
    end_tick(bench, 0)
    expire(bench.state, TIMEOUT_US + 90_000)
    check(bench, response_us=[TIMEOUT_US + 90_000], earliest_us=[TIMEOUT_US])


def test_a_lost_connection_may_have_been_lost_since_it_was_last_seen_alive() -> None:
    bench = new_bench([0], attempts=1)
    bench.submit(0)
    [(link, _, _)] = end_tick(bench, 0)
    bench.state.links[link, LinkField.EMPTY_US] = 1_500
    lose_link(bench.state, link, 2_000)
    check(bench, response_us=[2_000], earliest_us=[1_500])


def test_a_closed_loop_has_no_late_sends() -> None:
    bench = new_bench([0])
    bench.state.limits[EngineLimit.IS_CLOSED_LOOP] = 1
    bench.submit(5_000)
    [(link, stream, _)] = end_tick(bench, 5_020)
    came(bench, link, by_us=6_000, not_before_us=6_000, last_not_before_us=6_000)
    bench.answer(link, response(stream), 6_000)
    check(bench, response_us=[1_000], earliest_us=[980])


def test_the_kernel_tells_when_bytes_came() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as one:
        other, _ = listener.accept()
        with other:
            stamp_arrivals(other)
            timespec, message = np.zeros(2, np.int64), np.zeros(MESSAGE_SIZE, np.int64)
            data = np.zeros(100, np.uint8)
            before_ns = time.perf_counter_ns()
            one.sendall(b"answer")
            other.recv(100, socket.MSG_PEEK)  # they are there
            there_ns = time.perf_counter_ns()
            time.sleep(0.02)
            offset_ns = realtime_offset_ns(timespec)
            size, stamp_ns = receive_stamped(other.fileno(), data.ctypes.data, data.size, message)
            assert data[:size].tobytes() == b"answer"
            assert before_ns - 100_000 <= stamp_ns - offset_ns <= there_ns + 100_000
            assert receive_stamped(other.fileno(), data.ctypes.data, data.size, message)[0] == -1
    assert abs(clock_ns(timespec) - time.perf_counter_ns()) < 10**9


def test_the_clocks_offset_is_never_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([100, 9_000, 20_000, 20_900])  # the first two enclose an interruption

    def read_realtime(_: int, address: int) -> int:
        return 0

    monkeypatch.setattr("loadtests.sender.syscalls.clock_ns", lambda _: next(readings))
    monkeypatch.setattr("loadtests.sender.syscalls._clock_gettime", read_realtime)
    assert realtime_offset_ns.py_func(np.array([5, 0])) == 5_000_000_000 - 20_900  # type: ignore[attr-defined]


@contextmanager
def sent_and_read_later(empty_us: int) -> Iterator[tuple[Bench, int, int, int]]:
    """Bytes that lie unread for 20 ms on a link that was empty at `empty_us`: by when they had left, were read from and to."""
    bench = new_bench([0])
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as one:
        other, _ = listener.accept()
        with other:
            stamp_arrivals(other)
            bench.state.links[1:, LinkField.STATUS] = LinkStatus.CLOSED
            bench.state.links[0, [LinkField.FD, LinkField.EMPTY_US]] = other.fileno(), empty_us
            receive_all(bench.state, time.perf_counter_ns())  # compiled by now; nothing is there
            bench.state.links[0, LinkField.EMPTY_US] = empty_us
            start_ns = time.perf_counter_ns()
            one.sendall(b"answer")
            other.recv(100, socket.MSG_PEEK)
            there_us = (time.perf_counter_ns() - start_ns) // 1_000
            time.sleep(0.02)
            from_us = (time.perf_counter_ns() - start_ns) // 1_000
            receive_all(bench.state, start_ns)
            yield bench, there_us, from_us, (time.perf_counter_ns() - start_ns) // 1_000


def test_what_lay_unread_came_when_the_kernel_says_so() -> None:
    with sent_and_read_later(empty_us=-10) as (bench, there_us, _, _):
        assert bench.link(0, LinkField.IN_END) == 6
        assert -10 <= bench.link(0, LinkField.CAME_US) <= there_us + 100
        assert bench.link(0, LinkField.LAST_NOT_BEFORE_US) == bench.link(0, LinkField.CAME_US)
        assert bench.link(0, LinkField.NOT_BEFORE_US) == -10


def test_a_stamp_from_long_before_the_link_was_empty_counts_as_none() -> None:
    with sent_and_read_later(empty_us=18_000) as (bench, _, from_us, to_us):
        assert from_us <= bench.link(0, LinkField.CAME_US) <= to_us
        assert bench.link(0, LinkField.LAST_NOT_BEFORE_US) == bench.link(0, LinkField.NOT_BEFORE_US) == 18_000


def test_a_stamp_may_be_off_by_what_a_busy_machine_is_late_and_no_more() -> None:
    assert is_credible(5_000, 10_000, 11_000) and is_credible(16_000, 10_000, 11_000)
    assert not is_credible(4_999, 10_000, 11_000) and not is_credible(16_001, 10_000, 11_000)
