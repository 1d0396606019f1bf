"""What leaves the engine: seconds to the history, also after a stall; scheduling that falls back; blocks that come."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from loadtests.errors import HarnessError
from loadtests.sender import scheduling as realtime
from loadtests.sender.completion import lose_link
from loadtests.sender.outcomes import RequestOutcome
from loadtests.sender.producer import Producer
from loadtests.sender.recorder import EngineReport, IntervalSnapshot, Recorder, tally_errors
from loadtests.sender.state import LinkField, LinkStatus, LiveField
from tests.support.engine_state import error, new_bench, response

EMPTY_REPORT = EngineReport(
    **dict.fromkeys(
        (
            "offered",
            "attempted",
            "ok",
            "failed",
            "indeterminate",
            "retries",
            "blocked",
            "late_answers",
            "stray_answers",
        ),
        0,
    ),
    **dict.fromkeys(("reopened", "stalls", "producer_starved"), 0),
    **dict.fromkeys(("wall_s", "cpu_s", "stalled_s", "stall_ms_max", "late_p50_ms", "late_p99_ms", "late_max_ms"), 0.0),
    was_stopped=False,
    scheduling="plain",
    errors=(),
    error_messages={},
)


def test_each_second_is_handed_over_once_and_measurements_go_to_the_latest() -> None:
    """The sender stalls from 0.9 s to 3.1 s: three seconds are due at once."""
    seen: list[IntervalSnapshot] = []
    bench = new_bench([100_000, 2_500_000, 3_050_000])
    recorder = Recorder(bench.state, seen.append)
    recorder.start()
    bench.submit(3_100_000)
    for link, stream, _ in bench.sent():
        bench.answer(link, response(stream), 3_100_000)
    state = recorder.hand_over(bench.state, 3_100_000)
    assert state.recording.response.sum() == 0  # the next second has an empty recording
    recorder.hand_over(state, 3_200_000, is_last=True)
    recorder.stop()
    recorder.stop()
    recorder.raise_failure()
    assert [snapshot.second for snapshot in seen] == [0, 1, 2, 3]
    assert [snapshot.counts[0].offered for snapshot in seen] == [1, 0, 1, 1]
    assert [snapshot.counts[0].ok for snapshot in seen] == [0, 0, 0, 3]
    assert [snapshot.by_dc[0, 0, RequestOutcome.OK] for snapshot in seen] == [0, 0, 0, 3]
    assert [int(snapshot.by_dc.sum()) for snapshot in seen] == [0, 0, 0, 3] and not bench.state.dc_counts.any()
    assert [int(snapshot.response.sum()) for snapshot in seen] == [0, 0, 3, 0]
    assert recorder.lateness.sum() == 3 and bench.state.live[LiveField.LATE_US_MAX] == 0  # of the last second: none


def test_counts_of_a_second_that_was_handed_over_go_to_the_next() -> None:
    seen: list[IntervalSnapshot] = []
    bench = new_bench([900_000])
    recorder = Recorder(bench.state, seen.append)
    recorder.start()
    state = recorder.hand_over(bench.state, 1_000_000)
    bench.state = state
    bench.submit(1_000_100)  # it was due in second 0, whose counts have left
    recorder.hand_over(state, 1_000_100, is_last=True)
    recorder.stop()
    assert [(snapshot.second, snapshot.counts[0].offered) for snapshot in seen] == [(0, 0), (1, 1)]


def test_a_history_that_falls_behind_is_no_reason_to_wait() -> None:
    held = threading.Event()
    bench = new_bench([0])
    recorder = Recorder(bench.state, lambda _: held.wait() and None)
    recorder.start()
    recorder.hand_over(bench.state, 60_000_000)
    held.set()
    recorder.stop()
    with pytest.raises(HarnessError, match="more than 30 seconds behind"):
        recorder.raise_failure()


def test_scheduling_falls_back_and_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.sched_setscheduler", refused)
    calls: list[int] = []
    monkeypatch.setattr("os.setpriority", lambda _which, _who, nice: calls.append(nice))
    with realtime.on_time(is_open_loop=True) as scheduling:
        assert scheduling == "nice -15"
    assert calls[0] == -15 and len(calls) == 2
    monkeypatch.setattr("os.setpriority", refused)
    with realtime.on_time(is_open_loop=True) as scheduling:
        assert scheduling == "plain"


def test_a_closed_loop_never_takes_a_real_time_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a sender that never rests would keep its own process off the core")

    monkeypatch.setattr("os.sched_setscheduler", refused)
    with realtime.on_time(is_open_loop=False) as scheduling:
        assert scheduling in ("nice -15", "plain")


def test_a_producer_that_is_stopped_leaves_no_thread() -> None:
    class Endless:
        def next_block(self) -> object:
            class Block:
                def __len__(self) -> int:
                    return 1

            return Block()

    producer = Producer(Endless())  # type: ignore[arg-type]
    producer.start()
    assert producer.take(timeout_s=5) is not None
    producer.stop()
    producer.stop()
    assert producer.is_exhausted and producer.take() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "wire-producer"]


def test_connections_lost_and_connections_not_found_are_network_errors_counted_by_attempt() -> None:
    """An operation that lost two connections and ended in doubt is two of them; other errors are none."""
    bench = new_bench([0] * 3, attempts=2)
    bench.submit(0)
    (first, stream, _), *_ = bench.sent()
    bench.answer(first, error(stream, 0x1001), 5)
    for link in range(1, 3):
        lose_link(bench.state, link, 10)
    bench.state.links[:, LinkField.STATUS] = LinkStatus.CLOSED
    bench.submit(50_000)
    tallies = tally_errors(bench.state, ("ingest_reading",))
    assert {tally.kind: tally.count for tally in tallies if tally.outcome is None} == {
        "overloaded": 1,
        "connection_lost": 2,
        "no_connection": 3,
    }
    assert replace(EMPTY_REPORT, errors=tallies).network_errors == 5


def test_the_layout_of_a_snapshot() -> None:
    seen: list[IntervalSnapshot] = []
    bench = new_bench([0])
    recorder = Recorder(bench.state, seen.append)
    recorder.start()
    recorder.hand_over(bench.state, 1_000_000)
    recorder.stop()
    assert seen[0].response.shape == seen[0].service.shape == (1, seen[0].lateness.size)
    assert seen[0].response.dtype == np.int64
