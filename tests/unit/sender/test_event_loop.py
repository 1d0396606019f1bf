"""When a stretch of ticks ends, how long a tick sleeps, and the caches of the compiled tick."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from loadtests.sender.connection_pool import HAS_SYSCALLS
from loadtests.sender.event_loop import ask_for_answers, needs_python, wait_us
from loadtests.sender.state import BlockProgress, EngineLimit, LinkField, LinkStatus, LiveField, Total
from loadtests.sender.syscalls import receive_all, wait_for_bytes
from tests.support.engine_state import TIMEOUT_US, Bench, new_bench, response

native = pytest.mark.skipif(not HAS_SYSCALLS, reason="sockets are Python's here")


def asks(bench: Bench, *, was_all_due: bool = False, now_us: int = 0) -> bool:
    return bool(needs_python(bench.state, len(bench.rows), bench.progress, was_all_due, now_us))


def test_a_stretch_goes_on_while_operations_are_to_come() -> None:
    bench = new_bench([0, 100])
    bench.submit(0)
    assert not asks(bench)


def test_it_ends_with_the_block() -> None:
    bench = new_bench([0, 100])
    bench.submit(100)
    assert asks(bench)


def test_it_ends_once_when_the_whole_block_is_due_and_waits_for_room() -> None:
    bench = new_bench([0, 100], in_flight=1)
    bench.submit(100)
    assert bench.progress[BlockProgress.NOTICED] == 2 and bench.progress[BlockProgress.TAKEN_UP] == 1
    assert asks(bench) and not asks(bench, was_all_due=True)


@pytest.mark.parametrize(("column", "value"), [(LinkField.STATUS, LinkStatus.LOST), (LinkField.NEEDS_PREPARE, 1)])
def test_it_ends_for_a_link_that_needs_care(column: LinkField, value: int) -> None:
    bench = new_bench([0, 100])
    bench.state.links[3, column] = value
    assert asks(bench)


def test_without_a_block_it_ends_when_all_is_answered() -> None:
    bench = new_bench([0])
    bench.submit(0)
    [(link, stream, _)] = bench.sent()
    bench.rows, bench.progress = bench.rows[:0], bench.progress * 0
    assert not asks(bench)
    bench.answer(link, response(stream), 5)
    assert asks(bench)


def test_it_ends_when_told_to_stop_and_then_when_nothing_is_in_flight_but_retries() -> None:
    bench = new_bench([0, 100])
    bench.submit(0)
    bench.state.limits[EngineLimit.STOP_ASKED] = 1
    assert asks(bench)
    bench.state.limits[EngineLimit.IS_STOPPING] = 1
    bench.rows, bench.progress = bench.rows[:0], bench.progress * 0
    assert not asks(bench)
    bench.state.totals[Total.WAITING] = 1
    assert asks(bench)


def test_it_looks_for_time_outs_and_tells_the_display_every_100_ms() -> None:
    bench = new_bench([0, TIMEOUT_US * 9])
    bench.submit(0)
    bench.state.links[:, LinkField.HEARD_US] = TIMEOUT_US
    asks(bench, now_us=50_000)
    assert bench.state.live[LiveField.ELAPSED_US] == 50_000 and bench.state.live[LiveField.LINKS_OPEN] == 6
    asks(bench, now_us=149_999)
    assert bench.state.live[LiveField.ELAPSED_US] == 50_000
    asks(bench, now_us=TIMEOUT_US)
    assert bench.total(Total.WAITING) == 1 and bench.state.live[LiveField.IN_FLIGHT] == 1


def one_at_a_time() -> Bench:
    """Two operations, of which one is in flight at most; ticks of 25 to 500 us."""
    bench = new_bench([0] * 2_000, in_flight=1, attempts=1, operations=2)
    bench.state.limits[[EngineLimit.TICK_US, EngineLimit.REST_US]] = 500, 25
    return bench


def begin_one(bench: Bench, operation: int) -> None:
    bench.rows["operation"] = operation
    bench.state.totals[Total.BLOCKED_AT_US] = -1
    bench.progress[BlockProgress.NOTICED] = bench.progress[BlockProgress.TAKEN_UP] + 1
    bench.submit(-1)


def run_one(bench: Bench, operation: int, response_us: int) -> int:
    """Send one operation that is answered after `response_us`; the length of a tick after it."""
    begin_one(bench, operation)
    [(link, stream, _)] = bench.sent()
    bench.answer(link, response(stream), response_us)
    asks(bench, now_us=int(bench.state.totals[Total.HOUSEKEEPING_AT_US]))
    return bench.total(Total.REST_US)


def test_an_open_loop_sleeps_for_the_rest_of_its_tick_and_longer_when_idle() -> None:
    bench = new_bench([0])
    bench.state.limits[EngineLimit.TICK_US] = 500
    bench.state.totals[Total.REST_US] = 170
    assert wait_us(bench.state, 100, 10**9, 0) == 2_000  # nothing is in flight and nothing due: no more than 2 ms
    assert wait_us(bench.state, 100, 1_500, 0) == 1_500
    assert wait_us(bench.state, 100, 80, 0) == 80  # it is awake when the next one falls due
    bench.submit(0)
    assert wait_us(bench.state, 100, 80, 0) == 80
    assert wait_us(bench.state, 100, 10**9, 0) == 400
    assert wait_us(bench.state, 900, 10**9, 0) == 20  # others get the core, however late the tick is
    assert wait_us(bench.state, 100, 30, 0) == 70  # what falls due so soon is sent together
    assert wait_us(bench.state, 100, -30, 0) == 70
    bench.state.totals[Total.REST_US] = 50
    assert wait_us(bench.state, 10, 10**9, 0) == 240  # so that few answers are read at once


def test_an_open_loops_tick_is_a_hundredth_of_what_its_fastest_operation_takes() -> None:
    bench = one_at_a_time()
    found = [run_one(bench, 0, response_us) for response_us in [9_000] * 400 + [70_000] * 400 + [1_000] * 800]
    assert 88 <= found[0] <= 90  # the first response is the best guess
    assert 85 <= found[399] <= 95
    assert found[799] == 500  # as a tick is at most
    assert found[1_599] == 25  # a hundredth would be 10


def test_few_responses_of_another_operation_shorten_the_tick_by_no_more_than_they_are_faster() -> None:
    bench = one_at_a_time()
    for _ in range(10):
        run_one(bench, 1, 30_000)
    for _ in range(100):
        run_one(bench, 0, 9_000)
    assert 85 <= bench.total(Total.REST_US) <= 95
    for _ in range(10):
        run_one(bench, 1, 4_000)
    assert 85 <= bench.total(Total.REST_US) <= 95


def test_operations_that_fail_at_once_do_not_shorten_the_tick() -> None:
    bench = one_at_a_time()
    run_one(bench, 0, 9_000)
    bench.state.links[:, LinkField.STATUS] = LinkStatus.CLOSED
    for operation in (0, 1) * 100:
        begin_one(bench, operation)
    assert bench.total(Total.FAILED) == 200
    bench.state.links[:, LinkField.STATUS] = LinkStatus.OPEN
    assert 85 <= run_one(bench, 0, 9_000) <= 95


def test_a_closed_loop_finds_the_tick_in_which_three_quarters_of_its_window_are_answered() -> None:
    bench = new_bench([0])
    bench.state.limits[[EngineLimit.IS_CLOSED_LOOP, EngineLimit.IN_FLIGHT]] = 1, 64
    tick_us, per_ms = 1_000, 10
    for _ in range(200):
        tick_us = wait_us(bench.state, 0, 0, tick_us * per_ms // 1_000)
    assert 0.6 < tick_us * per_ms / 1_000 / 64 < 0.9
    for _ in range(200):
        wait_us(bench.state, 0, 0, 0)
    assert wait_us(bench.state, 0, 0, 0) == 20_000


@contextmanager
def closed_loop(*owed: int) -> Iterator[tuple[Bench, list[socket.socket]]]:
    """A closed loop whose first links owe so many answers, the others are closed; and the nodes' ends of their sockets."""
    bench = new_bench([0], in_bytes=100_000)
    bench.state.limits[EngineLimit.IS_CLOSED_LOOP] = 1
    bench.state.links[len(owed) :, LinkField.STATUS] = LinkStatus.CLOSED
    with ExitStack() as stack:
        nodes = []
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for link, count in enumerate(owed):
            ours = stack.enter_context(socket.create_connection(listener.getsockname()))
            nodes.append(stack.enter_context(listener.accept()[0]))
            nodes[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            bench.state.links[link, [LinkField.FD, LinkField.IN_FLIGHT]] = ours.fileno(), count
        yield bench, nodes


@native
def test_a_closed_loop_wakes_once_a_link_has_three_quarters_of_the_answers_that_it_owes() -> None:
    with closed_loop(64, 32) as (bench, nodes):
        ask_for_answers(bench.state, 0)
        nodes[0].sendall(response(0) * 47)
        nodes[1].sendall(response(0) * 23)
        assert not wait_for_bytes(bench.state, 20_000)
        nodes[1].sendall(response(0))
        assert wait_for_bytes(bench.state, 999_999)
        receive_all(bench.state, 0)
        assert bench.total(Total.RECEIVED_BYTES) == 13 * (47 + 24)
        assert not wait_for_bytes(bench.state, 20_000)
        bench.state.links[:2, LinkField.IN_FLIGHT] = 17, 8
        ask_for_answers(bench.state, 71)
        nodes[1].sendall(response(0) * 6)
        assert wait_for_bytes(bench.state, 999_999)


@native
def test_it_wakes_when_a_node_hangs_up_and_where_no_link_is_open() -> None:
    with closed_loop(64) as (bench, nodes):
        ask_for_answers(bench.state, 0)
        assert not wait_for_bytes(bench.state, 20_000)
        nodes[0].close()
        assert wait_for_bytes(bench.state, 999_999)
        bench.state.links[0, LinkField.STATUS] = LinkStatus.CLOSED
        assert not wait_for_bytes(bench.state, 20_000)


@native
def test_it_waits_for_the_bytes_of_the_smaller_answers() -> None:
    with closed_loop(100) as (bench, _):
        wanted = []
        for received, answers in [(10_000, 100), (10_000, 100), (1_300, 100), (0, 0), (50_000, 100)]:
            bench.state.totals[Total.RECEIVED_BYTES] = received
            ask_for_answers(bench.state, answers)
            wanted.append(bench.link(0, LinkField.LOW_BYTES))
        assert wanted == [75 * 15, 75 * 17, 75 * 13, 75 * 13, 75 * 15]
        bench.state.totals[Total.ANSWER_BYTES] = 10**6
        ask_for_answers(bench.state, 0)
        assert bench.link(0, LinkField.LOW_BYTES) == 50_000  # no more than half of the buffer


def stalls(bench: Bench) -> tuple[int, int, int]:
    return tuple(bench.total(total) for total in (Total.STALLS, Total.STALLED_US, Total.STALL_US_MAX))  # type: ignore[return-value]


def test_a_tick_that_comes_more_than_10_ms_after_the_one_before_is_a_stall() -> None:
    bench = new_bench([0, 10**9])
    for now_us in (70_000, 80_000, 90_001, 90_500, 140_500):  # the first has none before it, 10 ms are allowed
        asks(bench, now_us=now_us)
    assert stalls(bench) == (2, 60_001, 50_000)


def test_the_time_before_the_start_and_a_closed_loop_know_no_stalls() -> None:
    bench = new_bench([0, 10**9])
    for now_us in (-500_000, -1, 5_000):
        asks(bench, now_us=now_us)
    assert stalls(bench) == (0, 0, 0)
    bench.state.limits[EngineLimit.IS_CLOSED_LOOP] = 1
    asks(bench, now_us=600_000)
    assert stalls(bench) == (0, 0, 0)
