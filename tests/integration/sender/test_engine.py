"""The engine against stub servers that are well, slow, silent, forgetful, full or gone."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from loadtests.errors import HarnessError
from loadtests.recording.histograms import UPPER_EDGES_US
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.sender.block import OperationBlock
from loadtests.sender.recorder import LIVE_SIZE, EngineReport, LiveField
from loadtests.stubs.scripted_node import Execute, ScriptedAnswer, StubServer, error_answer, unprepared_answer
from scenarios.parts.failover import Failover
from tests.support.steady_inserts import Snapshots, SteadySource, new_engine

OVERLOADED, WRITE_TIMEOUT = 0x1001, 0x1100


def check_identity(report: EngineReport) -> None:
    """Every operation that fell due has exactly one outcome."""
    assert report.offered == report.attempted == report.ok + report.failed + report.indeterminate


def values_of(server: StubServer) -> Counter[bytes]:
    """How often each value was received: the insert's last bind is the operation's number."""
    return Counter(execute.body[-4:] for execute in server.executes)


def at(start_ns: int, after_s: float, what: Callable[[], None]) -> None:
    threading.Timer(start_ns / 1e9 + after_s - time.perf_counter(), what).start()


def once_received(server: StubServer, count: int, what: Callable[[], object]) -> None:
    """Do `what` soon after the server has received `count` operations, however slow this machine starts."""

    def wait() -> None:
        give_up_s = time.monotonic() + 60
        while len(server.executes) < count:
            assert time.monotonic() < give_up_s, f"only {len(server.executes)} of {count} operations came"
            time.sleep(0.002)
        what()

    threading.Thread(target=wait, daemon=True).start()


@pytest.fixture(params=["compiled", "python"])
def ticks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to tick: in compiled code, and through Python as on systems without the system calls."""
    if request.param == "python":
        monkeypatch.setattr("loadtests.sender.connection_pool.HAS_SYSCALLS", False)


@pytest.mark.usefixtures("ticks")
def test_a_healthy_server() -> None:
    snapshots, live = Snapshots(), np.zeros(LIVE_SIZE, dtype=np.int64)
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=100, slot_count=15)
    with StubServer() as server, new_engine(server, ledger=ledger, live=live, on_interval=snapshots.append) as engine:
        report = engine.run(SteadySource(1_500, 1_000))
    check_identity(report)
    assert report.ok == len(server.executes) == 1_500 and report.retries == 0 and not report.was_stopped
    assert set(values_of(server).values()) == {1}
    assert ledger.counts(0)[SlotState.ACKNOWLEDGED] == 1_500
    assert [snapshot.second for snapshot in snapshots] == [0, 1]
    first, second = (snapshot.counts[0].offered for snapshot in snapshots)
    assert first + second == 1_500 and 0 < first <= 1_000  # counted at the tick that sees it: not before it is due
    assert sum(snapshot.counts[0].ok for snapshot in snapshots) == 1_500
    assert snapshots.response().sum() == snapshots.service().sum() == 1_500
    assert sum(snapshot.lateness.sum() for snapshot in snapshots) == 1_500
    assert live[LiveField.OK] == 1_500 and live[LiveField.IS_DONE] == 1 and live[LiveField.IN_FLIGHT] == 0
    assert report.wall_s > 1.4 and 0 < report.cpu_s < report.wall_s


@pytest.mark.parametrize("in_flight_max", [8_192, 40])
def test_a_pause_of_the_server_shows_in_the_response_time_of_every_operation_due_in_it(in_flight_max: int) -> None:
    """With room for all that falls due in the pause, and with room for a twentieth of it: nothing is left out."""
    pause_from_s, pause_s, rate_per_s = 0.5, 2.0, 400
    snapshots, source = Snapshots(), SteadySource(1_400, rate_per_s)
    with (
        StubServer() as server,
        new_engine(server, on_interval=snapshots.append, in_flight_max=in_flight_max) as engine,
    ):
        start_ns = time.perf_counter_ns() + 300_000_000
        at(start_ns, pause_from_s, lambda: server.pause(pause_s))
        report = engine.run(source, start_ns=start_ns)
    check_identity(report)
    assert report.ok == 1_400 and report.retries == 0
    due_s = source.due_us() / 1e6
    response, slack_s = snapshots.response(), 0.1
    for waited_s in np.arange(0.1, 2.0, 0.1):
        due_early_enough = (due_s >= pause_from_s + slack_s) & (due_s <= pause_from_s + pause_s - waited_s)
        slow = int(response[waited_s * 1e6 * 0.999 <= UPPER_EDGES_US].sum())
        assert slow >= due_early_enough.sum(), f"operations that must have waited {waited_s:.1f} s did not all show it"
    assert (report.blocked > 0) == (in_flight_max == 40)


def test_errors_are_retried_until_acknowledged() -> None:
    def answer(execute: Execute) -> ScriptedAnswer:
        is_first = sum(seen.body == execute.body for seen in server.executes) == 1
        if is_first and execute.body[-1] % 4 == 0:
            return error_answer(OVERLOADED if execute.body[-1] % 8 else WRITE_TIMEOUT)
        return ScriptedAnswer()

    ledger = Ledger.create(None, ["ingest_reading"], meter_count=100, slot_count=5)
    with StubServer(answer=answer) as server, new_engine(server, ledger=ledger) as engine:
        report = engine.run(SteadySource(400, 1_000))
    check_identity(report)
    assert report.ok == 400 and report.retries == 100 and len(server.executes) == 500
    assert {(tally.outcome, tally.kind): tally.count for tally in report.errors} == {
        (None, "overloaded"): 50,
        (None, "write_timeout"): 50,
    }
    assert report.error_messages == {"overloaded": "by plan", "write_timeout": "by plan"}
    assert ledger.counts(0)[SlotState.ACKNOWLEDGED] == 400


@pytest.mark.usefixtures("ticks")
def test_refused_and_unanswered_operations_end_as_what_they_are() -> None:
    """Of 300: a third is always refused (failed), a third never answered (indeterminate), a third ok."""

    def answer(execute: Execute) -> ScriptedAnswer | None:
        match int.from_bytes(execute.body[-4:]) % 3:
            case 0:
                return error_answer(OVERLOADED)
            case 1:
                return None
        return ScriptedAnswer()

    ledger = Ledger.create(None, ["ingest_reading"], meter_count=100, slot_count=3)
    with (
        StubServer(answer=answer) as server,
        new_engine(server, ledger=ledger, attempts_max=2, operation_timeout_s=0.3) as engine,
    ):
        report = engine.run(SteadySource(300, 1_000))
    check_identity(report)
    assert (report.ok, report.failed, report.indeterminate, report.retries) == (100, 100, 100, 200)
    assert set(values_of(server).values()) == {1, 2}
    counts = ledger.counts(0)
    assert counts[SlotState.ACKNOWLEDGED] == counts[SlotState.FAILED] == counts[SlotState.INTENT] == 100
    final = {(tally.outcome, tally.kind): tally.count for tally in report.errors if tally.outcome}
    assert final == {("failed", "overloaded"): 100, ("indeterminate", "client_timeout"): 100}


@pytest.mark.usefixtures("ticks")
def test_a_server_that_never_answers_does_not_hold_the_run_up() -> None:
    """The window of 20 fills, 180 wait in line; the run ends with its drain, and every operation has its outcome."""
    with StubServer(answer=lambda _: None) as server, new_engine(server, in_flight_max=20, drain_s_max=0.5) as engine:
        begin_s = time.monotonic()
        report = engine.run(SteadySource(200, 1_000, block_size=30), end_us=200_000)
    assert time.monotonic() - begin_s < 10
    check_identity(report)
    assert report.indeterminate == len(server.executes) == 20 and report.failed == 180 and report.blocked == 180
    assert {tally.kind for tally in report.errors if tally.outcome} == {"not_drained", "not_sent"}


def test_late_answers_of_a_slow_server_make_no_second_outcome() -> None:
    with (
        StubServer(service_time_s=0.5) as server,
        new_engine(server, operation_timeout_s=0.2, attempts_max=2, drain_s_max=2.0) as engine,
    ):
        once_received(server, 500, lambda: setattr(server, "service_time_s", 0.0))
        report = engine.run(SteadySource(1_000, 1_000))
    check_identity(report)
    assert report.late_answers > 0 and report.indeterminate > 0 and report.ok > 0 and report.stray_answers == 0


@pytest.mark.usefixtures("ticks")
def test_a_lost_connection_is_opened_again_and_its_operations_are_retried() -> None:
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=100, slot_count=10)
    with StubServer(service_time_s=0.02) as server, new_engine(server, ledger=ledger, backoff_ms=100.0) as engine:
        once_received(server, 300, server.drop_connections)
        report = engine.run(SteadySource(1_000, 1_000))
    check_identity(report)
    assert report.ok == 1_000 and report.reopened == 2 and server.accepted_count == 4
    kinds = {tally.kind for tally in report.errors}
    assert "connection_lost" in kinds and kinds <= {"connection_lost", "no_connection"}
    assert ledger.counts(0)[SlotState.ACKNOWLEDGED] == 1_000


def test_when_one_of_two_nodes_dies_the_other_takes_over() -> None:
    with StubServer() as dying, StubServer() as living, new_engine(dying, living) as engine:
        once_received(dying, 100, dying.close)
        report = engine.run(SteadySource(1_000, 1_000))
    check_identity(report)
    assert report.ok == 1_000 and report.reopened == 0
    assert values_of(dying).total() > 0 and values_of(living).total() > 500


def test_when_every_node_dies_operations_fail_and_the_run_ends() -> None:
    with StubServer() as server, new_engine(server, attempts_max=2) as engine:
        once_received(server, 200, server.close)
        report = engine.run(SteadySource(1_200, 1_000), end_us=1_200_000)
    check_identity(report)
    assert report.ok > 0 and report.failed > 200
    assert "no_connection" in {tally.kind for tally in report.errors if tally.outcome == "failed"}


@pytest.mark.usefixtures("ticks")
def test_homes_of_a_lost_data_centre_are_served_by_the_other_one_until_it_is_back() -> None:
    failover = Failover(to={"south": "north"}, after_s=0.2, back_after_s=0.3)
    returned: list[StubServer] = []

    def come_back(port: int) -> None:
        returned.append(StubServer(port=port).__enter__())

    with (
        StubServer() as north,
        StubServer() as south,
        new_engine(north, south, dcs=["north", "south"], failover=failover, backoff_ms=400.0) as engine,
    ):
        once_received(south, 200, south.close)
        once_received(north, 900, lambda: come_back(south.address[1]))
        report = engine.run(SteadySource(3_000, 1_000, dcs=2))
        for server in returned:
            server.close()
    check_identity(report)
    assert report.ok == 3_000 and report.retries > 0  # what fell due before homes moved was sent again after they had
    (move,) = report.homes_moved
    assert (move.dc, move.to) == ("south", "north") and move.back_s is not None and move.moved_s + 0.3 < move.back_s
    served = [values_of(server).total() for server in (north, south, *returned)]
    assert served[0] > 1_500 and served[1] >= 200 and served[2] > 0  # north's own homes, and the others meanwhile


def test_a_forgotten_statement_is_prepared_again() -> None:
    forgets_at = 50
    prepares_known: set[int] = set()

    def answer(execute: Execute) -> ScriptedAnswer:
        if execute.number >= forgets_at and server.prepare_count == prepared_at_start:
            prepares_known.add(execute.connection)
            return unprepared_answer(execute.prepared_id)
        return ScriptedAnswer()

    with StubServer(answer=answer) as server, new_engine(server) as engine:
        prepared_at_start = server.prepare_count
        report = engine.run(SteadySource(300, 1_000))
    check_identity(report)
    assert report.ok == 300 and report.retries >= 1 and server.prepare_count > prepared_at_start
    assert {tally.kind for tally in report.errors} == {"unprepared"}


@pytest.mark.usefixtures("ticks")
def test_stop_ends_a_run_soon_and_says_so() -> None:
    with StubServer() as server, new_engine(server) as engine:
        once_received(server, 200, engine.stop)
        begin_s = time.monotonic()
        report = engine.run(SteadySource(60_000, 1_000))
    assert time.monotonic() - begin_s < 10 and report.was_stopped
    check_identity(report)
    assert 0 < report.ok <= len(server.executes) < 3_000


def test_stop_waits_two_seconds_at_most_for_answers() -> None:
    with StubServer(answer=lambda _: None) as server, new_engine(server) as engine:
        stopped_s: list[float] = []
        once_received(server, 100, lambda: (stopped_s.append(time.monotonic()), engine.stop()))
        report = engine.run(SteadySource(60_000, 1_000))
    assert 2 < time.monotonic() - stopped_s[0] < 10
    check_identity(report)
    assert report.indeterminate > 0 and report.failed < 10  # the latter fell due just before the stop was seen


@pytest.mark.usefixtures("ticks")
def test_a_closed_loop_keeps_its_window_full_and_no_fuller() -> None:
    with StubServer(service_time_s=0.02) as server, new_engine(server) as engine:
        report = engine.run(SteadySource(640, 1.0), closed_in_flight=64)
    check_identity(report)
    assert report.ok == 640 and report.wall_s < 5
    arrivals = np.array([execute.at_s for execute in server.executes])
    in_20_ms = np.searchsorted(arrivals, arrivals + 0.019) - np.arange(len(arrivals))
    assert in_20_ms.max() <= 64


def test_trouble_of_the_source_and_of_the_history_surfaces_and_leaves_no_thread() -> None:
    class BrokenSource(SteadySource):
        def next_block(self) -> None:
            raise ValueError("no such meter")

    def broken_writer(_: object) -> None:
        raise OSError(28, "No space left on device")

    with StubServer() as server:
        with new_engine(server) as engine, pytest.raises(ValueError, match="no such meter"):
            engine.run(BrokenSource(1, 1))
        with (
            new_engine(server, on_interval=broken_writer) as engine,
            pytest.raises(HarnessError, match="No space left"),
        ):
            engine.run(SteadySource(100, 1_000))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("wire-", "open-link"))]


def test_a_sender_that_waits_for_its_source_leaves_the_core_to_it() -> None:
    """With nothing in flight a spinning sender, at its priority, would keep the source from the core that they share."""
    pause_s, pauses = 0.3, 3

    class SlowSource(SteadySource):
        def next_block(self) -> OperationBlock | None:
            if self.made:
                time.sleep(pause_s)
            return super().next_block()

    with StubServer() as server, new_engine(server) as engine:
        report = engine.run(SlowSource(600, 1e6, block_size=200), closed_in_flight=64)
    check_identity(report)
    assert report.ok == 600
    assert (
        0 < report.producer_starved < pauses * pause_s / 0.002 + 100
    )  # one look in 2 ms, and a spin takes microseconds


def test_operations_of_a_source_without_any() -> None:
    with StubServer() as server, new_engine(server) as engine:
        report = engine.run(SteadySource(0, 1))
    assert report.offered == 0 and report.ops_per_cpu_s == 0 and report.late_max_ms == 0
