"""Submitting: due order, the window, routing, and the line of those that wait."""

import numpy as np
import pytest

from loadtests.recording.ledger import SlotState
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.ring import NO_NODE, RingTable
from loadtests.sender.state import BlockProgress, CountColumn, EngineLimit, LinkField, LinkStatus, Total
from loadtests.sender.submit import ALL_FULL, FAR_US, NONE_OPEN, choose_link, hold_back, refuse_unsent
from tests.support.engine_state import FRAME_SIZE, THREE_NODES, new_bench, response


def test_only_what_is_due_is_sent_in_due_order() -> None:
    bench = new_bench([10, 20, 30, 40])
    assert bench.submit(5) == 10 and bench.sent() == []
    assert bench.submit(25) == 30
    assert [label for *_, label in sorted(bench.sent(), key=lambda found: found[2])] == [1, 2]
    assert bench.submit(100) == FAR_US
    assert bench.total(Total.OFFERED) == 4 and bench.total(Total.IN_FLIGHT) == 4


def test_load_is_spread_over_the_links_of_the_replicas_in_the_operations_dc() -> None:
    bench = new_bench([0] * 9, dcs=[0] * 8 + [1])
    bench.submit(0)
    sent = bench.sent()
    assert sorted(link for link, *_ in sent) == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert len({(link, stream) for link, stream, _ in sent}) == 9


def test_a_full_window_keeps_operations_in_line_and_counts_each_once() -> None:
    bench = new_bench([0, 1, 2, 3, 4], in_flight=2)
    bench.submit(10)
    assert bench.total(Total.ATTEMPTED) == 2 and bench.total(Total.OFFERED) == 5 and bench.total(Total.BLOCKED) == 3
    bench.submit(20)
    assert bench.total(Total.BLOCKED) == 3
    for link, stream, _ in bench.sent():
        bench.answer(link, response(stream), 30)
    bench.submit(30)
    assert [label for *_, label in sorted(bench.sent())] == [3, 4]
    assert bench.total(Total.BLOCKED) == 3 and bench.progress[BlockProgress.TAKEN_UP] == 4


def test_response_times_run_from_the_due_time_of_those_that_waited() -> None:
    bench = new_bench([0, 0], in_flight=1)
    bench.submit(100)
    for _ in range(2):
        [(link, stream, _)] = bench.sent()
        bench.answer(link, response(stream), 1_100)
        bench.submit(1_100)
    counted = np.flatnonzero(bench.state.recording.response[0])
    assert counted.tolist() == [1_100] and bench.state.recording.response[0, 1_100] == 2
    assert np.flatnonzero(bench.state.recording.service[0]).tolist() == [0, 1_000]
    assert np.flatnonzero(bench.state.recording.lateness).tolist() == [100]  # waiting is not being late


def test_operations_that_fell_due_while_others_stood_in_line_are_not_late() -> None:
    bench = new_bench([0, 0], in_flight=1)
    bench.submit(1_000)
    bench.submit(500_000)
    later = new_bench([400_000, 600_000])
    hold_back(bench.state, later.rows, later.progress, 700_000)
    late = np.flatnonzero(bench.state.recording.lateness)
    assert late[0] == 0  # the one that was due before the latest tick in which others were in line
    assert bench.total(Total.BLOCKED) == 1 + 2


def test_a_closed_link_is_not_used_and_a_broken_dc_is_no_reason_to_use_another() -> None:
    bench = new_bench([0] * 2, dcs=[0, 1])
    bench.state.links[[0, 1, 2, 4, 5], LinkField.STATUS] = LinkStatus.CLOSED
    assert choose_link(bench.state, 7, 0, FRAME_SIZE) == 3
    assert choose_link(bench.state, 7, 1, FRAME_SIZE) == NONE_OPEN
    bench.state.serving[1] = 0  # but for a failover that the scenario chose
    assert choose_link(bench.state, 7, 1, FRAME_SIZE) == 3


def test_any_node_of_the_dc_coordinates_when_no_replica_can_be_reached() -> None:
    ring = RingTable(
        addresses=THREE_NODES.addresses,
        dcs=THREE_NODES.dcs,
        node_dcs=THREE_NODES.node_dcs,
        ends=np.array([0, 100], dtype=np.int64),
        replicas=np.array([[[0], [2]], [[1], [NO_NODE]]], dtype=np.int16),
    )
    bench = new_bench([0], ring=ring)
    assert choose_link(bench.state, 0, 0, FRAME_SIZE) == 0
    assert choose_link(bench.state, 1, 0, FRAME_SIZE) == 2
    assert choose_link(bench.state, 101, 0, FRAME_SIZE) == 0
    bench.state.links[[2, 3], LinkField.STATUS] = LinkStatus.CLOSED
    assert choose_link(bench.state, 1, 0, FRAME_SIZE) == 0


@pytest.mark.parametrize("what", ["streams", "out buffer"])
def test_replicas_without_room_are_waited_for(what: str) -> None:
    bench = new_bench([0] * 5, streams=1) if what == "streams" else new_bench([0] * 5, out_bytes=FRAME_SIZE)
    bench.submit(0)
    assert bench.total(Total.ATTEMPTED) == 4 and choose_link(bench.state, 0, 0, FRAME_SIZE) == ALL_FULL


def test_unsent_bytes_move_to_the_front_when_the_end_of_the_buffer_is_reached() -> None:
    bench = new_bench([0] * 8 + [9] * 4, out_bytes=3 * FRAME_SIZE)
    bench.submit(0)
    bench.state.links[:4, LinkField.OUT_START] = FRAME_SIZE  # the first frame of each link has left
    bench.submit(10)
    assert [label for *_, label in sorted(bench.sent(), key=lambda found: found[2])] == [5, 6, 7, 8, 9, 10, 11, 12]


def test_without_any_connection_an_operation_fails_after_its_attempts() -> None:
    bench = new_bench([0], attempts=2)
    bench.state.links[:, LinkField.STATUS] = LinkStatus.CLOSED
    bench.submit(0)
    assert bench.total(Total.WAITING) == 1 and bench.ledger.slots(0, 0, 1)[0, 0] == SlotState.INTENT
    bench.submit(10_000)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.NO_CONNECTION) == 1
    assert bench.total(Total.IN_FLIGHT) == bench.total(Total.WAITING) == 0
    assert bench.ledger.slots(0, 0, 1)[0, :3].tolist() == [SlotState.FAILED, SlotState.FAILED, SlotState.NONE]


def test_the_intent_stands_before_the_send_and_the_acknowledgement_after_the_answer() -> None:
    bench = new_bench([0, 0])
    bench.submit(0)
    assert bench.ledger.slots(0, 1, 2)[0].tolist() == [0, 1, 1, 0, 0, 0]
    for link, stream, _ in bench.sent():
        bench.answer(link, response(stream), 5)
    assert bench.ledger.slots(0, 0, 2).tolist() == [[3, 3, 0, 0, 0, 0], [0, 3, 3, 0, 0, 0]]


def test_some_planes_hold_the_last_slot_of_a_run_alone() -> None:
    bench = new_bench([0])
    bench.state.planes[0] = 0, 1
    bench.submit(0)
    assert bench.ledger.slots(0, 0, 1)[0].tolist() == [0, 1, 0, 0, 0]


def test_in_a_closed_loop_operations_are_due_when_there_is_room() -> None:
    bench = new_bench([0] * 5, in_flight=2)
    bench.state.limits[EngineLimit.IS_CLOSED_LOOP] = 1
    bench.submit(1_000)
    assert bench.total(Total.OFFERED) == 2 and bench.total(Total.BLOCKED) == 0
    for link, stream, _ in bench.sent():
        bench.answer(link, response(stream), 1_300)
    bench.submit(1_300)
    assert np.flatnonzero(bench.state.recording.response[0]).tolist() == [300]
    assert bench.total(Total.OFFERED) == 4


def test_what_was_due_and_never_sent_fails_at_the_end() -> None:
    bench = new_bench([0, 5, 6, 100], in_flight=1)
    bench.submit(10)
    refuse_unsent(bench.state, bench.rows, bench.progress, 50)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.NOT_SENT) == 2 and bench.total(Total.OFFERED) == 3
    assert bench.total(Total.ATTEMPTED) == 3 and not bench.ledger.slots(0, 1, 4).any()
    # They were waited for as well: percentiles without them would be those of a load that was served.
    assert np.flatnonzero(bench.state.recording.response[0]).tolist() == [44, 45]


def test_what_has_waited_too_long_for_room_fails_in_its_turn_and_is_never_sent() -> None:
    bench = new_bench([0, 5, 6, 100], in_flight=1)
    bench.state.shed_after_us[0] = 50
    bench.submit(40)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.SHED) == 0  # the second stands in line since 5, for no longer
    bench.submit(110)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.SHED) == 2
    assert np.flatnonzero(bench.state.recording.response[0]).tolist() == [104, 105]
    assert not bench.ledger.slots(0, 1, 2)[:, 1:3].any()
    [(link, stream, label)] = bench.sent()
    assert label == 1 and bench.total(Total.OFFERED) == 4 and bench.total(Total.ATTEMPTED) == 3
    bench.answer(link, response(stream), 120)
    bench.submit(130)
    assert [label for *_, label in bench.sent()] == [4]  # one that fell due later is not held up by them


def test_what_may_wait_for_ever_is_not_shed() -> None:
    bench = new_bench([0, 5], in_flight=1)
    bench.submit(10_000_000)
    assert bench.total(Total.FAILED) == 0 and bench.progress[BlockProgress.TAKEN_UP] == 1


def test_offered_counts_in_the_second_of_the_due_time_and_the_rest_when_it_happens() -> None:
    bench = new_bench([900_000, 1_100_000])
    bench.submit(1_200_000)
    for link, stream, _ in bench.sent():
        bench.answer(link, response(stream), 2_000_000)
    assert [bench.second(second, CountColumn.OFFERED) for second in range(3)] == [1, 1, 0]
    assert [bench.second(second, CountColumn.ATTEMPTED) for second in range(3)] == [0, 2, 0]
    assert [bench.second(second, CountColumn.OK) for second in range(3)] == [0, 0, 2]
