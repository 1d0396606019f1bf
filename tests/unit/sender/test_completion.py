"""Outcomes: retries, time-outs and lost connections; the histogram kernel; and that no operation is lost or doubled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.recording.histograms import COUNTS_SIZE, counts_of
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.sender.completion import count_in_second, count_value, end_all, expire, lose_link
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.state import SECOND_ROWS, CountColumn, EngineLimit, LinkField, LinkStatus, Total
from loadtests.sender.submit import refuse_unsent
from tests.support.engine_state import TIMEOUT_US, Bench, error, new_bench, response

OVERLOADED, WRITE_TIMEOUT, INVALID = 0x1001, 0x1100, 0x2200
OK = 0


def play(bench: Bench, answers: list[int]) -> list[int]:
    """Answer each attempt of the only operation with the next code (OK or an error's); the labels that were sent."""
    labels = []
    now_us = 0
    for code in answers:
        bench.submit(now_us)
        [(link, stream, label)] = bench.sent()
        labels.append(label)
        bench.answer(link, error(stream, code) if code else response(stream), now_us + 10)
        now_us += 10_000
    bench.submit(now_us)
    assert bench.sent() == []
    return labels


@pytest.mark.parametrize(
    ("answers", "outcome", "slot"),
    [
        ([OK], RequestOutcome.OK, SlotState.ACKNOWLEDGED),
        ([OVERLOADED, OK], RequestOutcome.OK, SlotState.ACKNOWLEDGED),
        ([WRITE_TIMEOUT, OVERLOADED, OK], RequestOutcome.OK, SlotState.ACKNOWLEDGED),
        ([OVERLOADED] * 3, RequestOutcome.FAILED, SlotState.FAILED),
        ([WRITE_TIMEOUT] * 3, RequestOutcome.INDETERMINATE, SlotState.INTENT),
        ([WRITE_TIMEOUT, OVERLOADED, OVERLOADED], RequestOutcome.INDETERMINATE, SlotState.INTENT),
        ([OVERLOADED, OVERLOADED, WRITE_TIMEOUT], RequestOutcome.INDETERMINATE, SlotState.INTENT),
        ([INVALID], RequestOutcome.FAILED, SlotState.FAILED),
        ([WRITE_TIMEOUT, INVALID], RequestOutcome.INDETERMINATE, SlotState.INTENT),
    ],
)
def test_the_outcome_of_an_operation_is_that_of_all_its_attempts(
    answers: list[int], outcome: RequestOutcome, slot: SlotState
) -> None:
    bench = new_bench([0], attempts=3)
    assert play(bench, answers) == [1] * len(answers)  # a retry sends the very same bytes
    totals = {
        RequestOutcome.OK: Total.OK,
        RequestOutcome.FAILED: Total.FAILED,
        RequestOutcome.INDETERMINATE: Total.INDETERMINATE,
    }
    assert [bench.total(total) for total in totals.values()] == [int(o is outcome) for o in totals]
    assert bench.ledger.slots(0, 0, 1)[0, 0] == slot
    assert bench.total(Total.RETRIES) == len(answers) - 1 and bench.total(Total.ATTEMPTED) == 1
    assert bench.state.attempt_errors.sum() == sum(code != OK for code in answers)


def test_what_must_not_be_applied_twice_is_not_repeated_once_it_may_have_been() -> None:
    bench = new_bench([0], attempts=3)
    bench.state.is_idempotent[0] = 0
    play(bench, [OVERLOADED, WRITE_TIMEOUT])
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.WRITE_TIMEOUT) == 1


def test_a_retry_waits_longer_each_time_up_to_the_maximum() -> None:
    bench = new_bench([0], attempts=4)
    bench.state.limits[EngineLimit.BACKOFF_US] = 100_000
    bench.state.limits[EngineLimit.BACKOFF_US_MAX] = 250_000
    now_us = 0
    waits = []
    for _ in range(3):
        bench.submit(now_us)
        [(link, stream, _)] = bench.sent()
        bench.answer(link, error(stream, OVERLOADED), now_us)
        ready_us = int(bench.state.places["sent_us"][0])
        waits.append(ready_us - now_us)
        bench.submit(ready_us - 1)
        assert bench.sent() == []
        now_us = ready_us
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, (100_000, 200_000, 250_000), strict=True))


@pytest.mark.parametrize(("is_last_alone", "marked"), [(0, range(48, 96)), (1, range(95, 96))])
@pytest.mark.parametrize(("code", "state"), [(OK, SlotState.ACKNOWLEDGED), (INVALID, SlotState.FAILED)])
def test_a_second_days_write_marks_its_own_slots(
    is_last_alone: int, marked: range, code: int, state: SlotState
) -> None:
    """Slots 48 to 95 of meter 0: each of them, or for a register, which is of the day's end, the last alone."""
    bench = new_bench([0, *[10**9] * 99], attempts=1)
    bench.rows["first_slot"][0], bench.rows["slot_count"][0] = 48, 48
    bench.state.planes[0] = 0, is_last_alone
    bench.submit(0)
    [(link, stream, _)] = bench.sent()
    slots = [SlotState.INTENT if slot in marked else SlotState.NONE for slot in range(bench.ledger.slot_count)]
    assert bench.ledger.slots(0, 0, 1)[0].tolist() == slots
    bench.answer(link, error(stream, code) if code else response(stream), 10)
    slots = [state if slot in marked else SlotState.NONE for slot in range(bench.ledger.slot_count)]
    assert bench.ledger.slots(0, 0, 1)[0].tolist() == slots


@pytest.mark.parametrize(("plane", "marked"), [(-1, set()), (0, {0}), (1, {1})])
@pytest.mark.parametrize("code", [OK, INVALID, WRITE_TIMEOUT])
def test_a_write_is_marked_in_its_own_plane_and_what_has_none_in_no_plane(
    plane: int, marked: set[int], code: int
) -> None:
    bench = new_bench([0], attempts=1)
    ledger = Ledger.create(None, ["ingest_reading", "ingest_register"], meter_count=1, slot_count=5)
    bench.state = bench.state._replace(ledger=ledger.states, unresolved=np.zeros_like(ledger.states))
    bench.state.planes[0] = plane, 0
    bench.submit(0)
    assert set(np.flatnonzero(ledger.states.any(axis=(1, 2)))) == marked
    [(link, stream, _)] = bench.sent()
    bench.answer(link, error(stream, code) if code else response(stream), 10)
    assert set(np.flatnonzero(ledger.states.any(axis=(1, 2)))) == marked


def test_retries_of_many_meters_spread_over_the_half_of_the_wait() -> None:
    """A node that refused everybody at once isn't asked again by everybody at once."""
    bench = new_bench([0] * 64, attempts=2)
    bench.state.limits[EngineLimit.BACKOFF_US] = bench.state.limits[EngineLimit.BACKOFF_US_MAX] = 100_000
    bench.submit(0)
    for link, stream, _ in bench.sent():
        bench.answer(link, error(stream, OVERLOADED), 0)
    waits = bench.state.places["sent_us"][:64]
    in_quarters, _ = np.histogram(waits, bins=4, range=(50_000, 100_000))
    assert in_quarters.sum() == 64 and in_quarters.min() >= 64 // 8


def test_response_time_counts_from_the_due_time_and_service_time_from_each_send() -> None:
    """Due at 1 ms, sent at 5 ms and refused at 6 ms; sent again at 20 ms and answered at 23 ms."""
    bench = new_bench([1_000], attempts=2)
    bench.submit(5_000)
    [(link, stream, _)] = bench.sent()
    bench.answer(link, error(stream, OVERLOADED), 6_000)
    assert bench.state.recording.response.sum() == 0  # it has not ended
    bench.submit(20_000)
    [(link, stream, _)] = bench.sent()
    bench.answer(link, response(stream), 23_000)
    assert (bench.state.recording.service[0] == counts_of([1_000, 3_000])).all()
    assert (bench.state.recording.response[0] == counts_of([22_000])).all()


def test_what_ends_without_an_acknowledgement_has_a_response_time_too() -> None:
    bench = new_bench([1_000, 2_000], attempts=1)
    bench.submit(5_000)
    (link, stream, _), (lost, *_) = bench.sent()
    bench.answer(link, error(stream, INVALID), 6_000)
    lose_link(bench.state, lost, 9_000)
    assert (bench.state.recording.response[0] == counts_of([5_000, 7_000])).all()
    assert (bench.state.recording.service[0] == counts_of([1_000])).all()  # a lost connection has answered nothing


def test_a_time_out_is_retried_and_its_late_answer_only_frees_the_stream() -> None:
    bench = new_bench([0], attempts=2)
    bench.submit(0)
    [(link, stream, _)] = bench.sent()
    bench.state.links[link, LinkField.HEARD_US] = 1  # the link is alive
    expire(bench.state, TIMEOUT_US - 1)
    assert bench.total(Total.WAITING) == 0
    expire(bench.state, TIMEOUT_US)
    assert bench.total(Total.WAITING) == 1 and bench.link(link, LinkField.ABANDONED) == 1
    assert bench.link(link, LinkField.STATUS) == LinkStatus.OPEN
    bench.submit(TIMEOUT_US + 10_000)
    [(link_2, stream_2, _)] = bench.sent()
    assert (link_2, stream_2) != (link, stream)
    bench.answer(link, response(stream), TIMEOUT_US + 11_000)
    assert bench.total(Total.LATE_ANSWERS) == 1 and bench.total(Total.OK) == 0
    assert bench.link(link, LinkField.ABANDONED) == 0
    bench.answer(link_2, response(stream_2), TIMEOUT_US + 12_000)
    assert bench.total(Total.OK) == 1


def test_repeated_attempts_are_paid_for_by_acknowledged_operations() -> None:
    bench = new_bench([0, 0, 0, 0, 200_000], attempts=9)
    bench.state.limits[EngineLimit.RETRY_PER_MILLE] = 500
    bench.state.limits[EngineLimit.RETRY_CREDIT] = bench.state.totals[Total.RETRY_CREDIT] = 1_000
    bench.submit(0)
    first, second, *others = bench.sent()
    bench.answer(first[0], error(first[1], OVERLOADED), 10)
    bench.answer(second[0], error(second[1], OVERLOADED), 20)  # there was credit for one
    assert bench.total(Total.WAITING) == 1 and bench.errors(RequestOutcome.FAILED, ErrorKind.OVERLOADED) == 1
    saved = []
    for link, stream, _ in others:
        bench.answer(link, response(stream), 30)
        saved.append(bench.total(Total.RETRY_CREDIT))
    assert saved == [500, 1_000]  # two acknowledged ones earn another
    bench.submit(200_000)
    repeated, last = bench.sent()
    bench.answer(last[0], response(last[1]), 200_010)
    assert bench.total(Total.RETRY_CREDIT) == 1_000  # no more is saved than that
    bench.answer(repeated[0], error(repeated[1], OVERLOADED), 200_020)
    assert bench.total(Total.WAITING) == 1 and bench.total(Total.RETRY_CREDIT) == 0


def test_a_link_that_owes_answers_and_says_nothing_is_given_up() -> None:
    bench = new_bench([0, 100], attempts=1)
    bench.state.limits[EngineLimit.TIMEOUT_US] = 3 * TIMEOUT_US
    bench.submit(100)
    (silent, *_), (alive, *_) = bench.sent()
    bench.state.links[alive, LinkField.HEARD_US] = 200
    expire(bench.state, 100 + 3 * TIMEOUT_US)
    assert bench.link(silent, LinkField.STATUS) == LinkStatus.LOST
    assert bench.link(alive, LinkField.STATUS) == LinkStatus.OPEN


def test_a_lull_is_no_silence() -> None:
    bench = new_bench([100 * TIMEOUT_US], attempts=1)
    bench.submit(100 * TIMEOUT_US)
    [(link, *_)] = bench.sent()
    expire(bench.state, 101 * TIMEOUT_US)
    assert bench.total(Total.INDETERMINATE) == 1 and bench.link(link, LinkField.STATUS) == LinkStatus.OPEN


def test_a_link_whose_streams_are_a_quarter_abandoned_is_given_up() -> None:
    bench = new_bench([0] * 16, streams=8)
    bench.submit(0)
    bench.state.links[:, LinkField.HEARD_US] = 1
    expire(bench.state, TIMEOUT_US)
    assert bench.link(0, LinkField.ABANDONED) == 4 and bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def test_operations_of_a_lost_link_are_indeterminate_attempts_and_go_elsewhere() -> None:
    bench = new_bench([0] * 4, attempts=2)
    bench.submit(0)
    bench.sent()
    lose_link(bench.state, 0, 50)
    assert bench.link(0, LinkField.STATUS) == LinkStatus.CLOSED and bench.link(0, LinkField.IN_FLIGHT) == 0
    assert bench.state.attempt_errors[0, ErrorKind.CONNECTION_LOST] == 1 and bench.total(Total.WAITING) == 1
    bench.submit(10_000)
    [(link, _, label)] = bench.sent()
    assert link != 0 and label == 1


def test_the_end_of_a_run_leaves_nothing_without_an_outcome() -> None:
    bench = new_bench([0, 0], attempts=3)
    bench.submit(0)
    (link, stream, _), _ = bench.sent()
    bench.answer(link, error(stream, OVERLOADED), 5)
    end_all(bench.state, 100)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.OVERLOADED) == 1
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.NOT_DRAINED) == 1
    assert bench.total(Total.IN_FLIGHT) == bench.total(Total.WAITING) == 0


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(st.integers(-5, 2**33), max_size=50))
def test_values_are_counted_in_the_layout_of_the_history(values_us: list[int]) -> None:
    counts = np.zeros(COUNTS_SIZE, dtype=np.int64)
    for value_us in values_us:
        count_value(counts, value_us)
    assert (counts == counts_of(np.array(values_us, dtype=np.int64))).all()


def test_seconds_outside_of_the_ring_go_to_its_edges() -> None:
    bench = new_bench([0])
    bench.state.totals[Total.FIRST_SECOND] = 100
    for at_us in (5, 100_000_000, 10**12):
        count_in_second(bench.state, at_us, 0, CountColumn.OK)
    assert bench.second(100 % SECOND_ROWS, CountColumn.OK) == 2
    assert bench.second((100 + SECOND_ROWS - 1) % SECOND_ROWS, CountColumn.OK) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from([OK, OK, OVERLOADED, WRITE_TIMEOUT, 0x2500, INVALID])),
        st.tuples(st.sampled_from(["wait", "lose", "reopen", "late"]), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 12), st.integers(1, 3))
def test_every_operation_ends_once_whatever_happens(plan: list[tuple[str, int]], in_flight: int, attempts: int) -> None:
    """Conservation: offered = ok + failed + indeterminate + in flight + in line, at every step, and nothing is left."""
    bench = new_bench(list(range(0, 3_000_000, 100_000)), in_flight=in_flight, attempts=attempts, streams=6)
    state, now_us = bench.state, 0
    unanswered: list[tuple[int, int]] = []
    for what, how in plan:
        now_us += 60_000
        bench.submit(now_us)
        unanswered += [(link, stream) for link, stream, _ in bench.sent()]
        if what == "answer" and unanswered:
            link, stream = unanswered.pop(0)
            bench.answer(link, error(stream, how) if how else response(stream), now_us)
        elif what == "wait":
            now_us += TIMEOUT_US * how // 4
            expire(state, now_us)
        elif what in ("lose", "reopen"):
            if state.links[how, LinkField.STATUS] != LinkStatus.CLOSED:
                lose_link(state, how, now_us)
                unanswered = [(link, stream) for link, stream in unanswered if link != how]
            if what == "reopen":
                state.links[how, [LinkField.STATUS, LinkField.HEARD_US]] = LinkStatus.OPEN, now_us
        check_conservation(bench, in_flight)
    end_all(state, now_us)
    check_conservation(bench, in_flight)
    assert bench.total(Total.IN_FLIGHT) == 0
    assert bench.total(Total.STRAY_ANSWERS) == 0


def check_conservation(bench: Bench, place_count: int) -> None:
    ended = sum(bench.total(total) for total in (Total.OK, Total.FAILED, Total.INDETERMINATE))
    held = bench.state.places["status"] != 0
    assert bench.total(Total.ATTEMPTED) == ended + bench.total(Total.IN_FLIGHT)
    assert held.sum() == bench.total(Total.IN_FLIGHT) == place_count - bench.total(Total.FREE_PLACES)
    assert bench.state.recording.response.sum() == ended
    in_flight = (bench.state.places["status"] == 1).sum()
    streams = bench.state.links[:, [LinkField.IN_FLIGHT, LinkField.ABANDONED, LinkField.FREE_COUNT]]
    assert (streams.sum(axis=1) == bench.state.stream_places.shape[1]).all()
    assert streams[:, 0].sum() == in_flight
    acknowledged = sum(bool((slots == SlotState.ACKNOWLEDGED).any()) for slots in bench.ledger.slots(0, 0, 30))
    assert acknowledged == bench.total(Total.OK)


def test_outcomes_are_counted_by_the_homes_data_centre_whoever_served_them() -> None:
    bench = new_bench([0, 0, 0, 0], dcs=[0, 1, 1, 1], attempts=1)
    bench.state.serving[1] = 0
    bench.submit(0)
    for (link, stream, label), code in zip(
        sorted(bench.sent(), key=lambda one: one[2]), (OK, OK, INVALID, WRITE_TIMEOUT), strict=True
    ):
        assert link < 4 and label > 0
        bench.answer(link, error(stream, code) if code else response(stream), 10)
    assert bench.state.dc_counts[0, 0].tolist() == [[1, 0, 0], [1, 1, 1]]
    late = new_bench([0, 0], dcs=[0, 1], in_flight=0)
    late.submit(5)
    refuse_unsent(late.state, late.rows, late.progress, 1_000_000)
    assert late.state.dc_counts[1, 0].tolist() == [[0, 1, 0], [0, 1, 0]]
