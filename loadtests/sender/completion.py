"""What becomes of an operation: kernels that count an attempt's end, retry it, or finish it for good."""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel
from loadtests.recording.histograms import HALF_BUCKET_BITS, VALUE_US_MAX
from loadtests.recording.ledger import SlotState, intend_run, mark_run, refuse_run
from loadtests.sender.outcomes import OUTCOME_BY_KIND, ErrorKind, RequestOutcome
from loadtests.sender.retries import backoff_us, earn_credit, is_retried
from loadtests.sender.state import (
    NO_TWIN,
    NOT_TOLD,
    PLACE_FREE,
    PLACE_IN_FLIGHT,
    PLACE_WAITING,
    SECOND_ROWS,
    STREAM_ABANDONED,
    STREAM_FREE,
    CountColumn,
    EngineLimit,
    LinkField,
    LinkStatus,
    LiveField,
    Total,
    WireState,
)

_SECOND_US = 1_000_000
_TYPICAL_BITS = 6


@borrowing_kernel
def count_value(counts: NDArray[np.int64], value_us: int) -> None:
    """Count one value [us] in int64[COUNTS_SIZE] of HdrHistogram's layout, clipped to 0 ... one hour.

    Source: HdrHistogram, for a unit magnitude of 0: the bucket is the power of two by which the value exceeds 2**11.
    """
    value = min(max(value_us, 0), VALUE_US_MAX)
    bucket = 0
    while (value >> bucket) >> (HALF_BUCKET_BITS + 1) != 0:
        bucket += 1
    counts[(bucket << HALF_BUCKET_BITS) + (value >> bucket)] += 1


@borrowing_kernel
def count_in_second(state: WireState, at_us: int, operation: int, column: int) -> None:
    """Add one to a column of the second in which `at_us` lies, or of the first one that is not handed over yet."""
    first = state.totals[Total.FIRST_SECOND]
    second = min(max(at_us // _SECOND_US, first), first + SECOND_ROWS - 1)
    state.second_counts[second % SECOND_ROWS, operation, column] += 1


@borrowing_kernel
def count_outcome(state: WireState, at_us: int, operation: int, dc: int, outcome: int) -> None:
    """Count an operation that was completed, by its homes' data centre; seconds as `count_in_second` has them."""
    first = state.totals[Total.FIRST_SECOND]
    second = min(max(at_us // _SECOND_US, first), first + SECOND_ROWS - 1)
    state.dc_counts[second % SECOND_ROWS, operation, dc, outcome] += 1


@borrowing_kernel
def _first_marked(state: WireState, operation: int, first_slot: int, slot_count: int) -> int:
    """The first slot of a write that the ledger marks: some operations are known by their last slot alone."""
    return int(first_slot + slot_count - 1 if state.planes[operation, 1] == 1 else first_slot)


@borrowing_kernel
def intend_in_ledger(state: WireState, operation: int, meter: int, first_slot: int, slot_count: int) -> None:
    """Mark a write that is about to be sent; operations without a plane are not in the ledger."""
    plane = state.planes[operation, 0]
    if plane >= 0:
        first = _first_marked(state, operation, first_slot, slot_count)
        intend_run(state.ledger, state.unresolved, plane, meter, first, first_slot + slot_count - first)


@borrowing_kernel
def _end_in_ledger(state: WireState, place: int, mark: int) -> None:
    """Mark what became of a place's write: ACKNOWLEDGED or FAILED; in doubt it stays as it is."""
    row = state.places[place]
    plane = state.planes[row["operation"], 0]
    if plane < 0:
        return
    first = _first_marked(state, row["operation"], row["first_slot"], row["slot_count"])
    count = row["first_slot"] + row["slot_count"] - first
    if mark == SlotState.ACKNOWLEDGED:
        mark_run(state.ledger, plane, row["meter"], first, count, mark)
    else:
        refuse_run(state.ledger, state.unresolved, plane, row["meter"], first, count)


@borrowing_kernel
def release_stream(state: WireState, link: int, stream: int) -> None:
    """Put a stream number back on its link's stack."""
    state.stream_places[link, stream] = STREAM_FREE
    count = state.links[link, LinkField.FREE_COUNT]
    state.free_streams[link, count] = stream
    state.links[link, LinkField.FREE_COUNT] = count + 1


@borrowing_kernel
def acknowledge(state: WireState, place: int, now_us: int) -> None:
    """The operation of a place was answered as it should be: it is ok, whatever its earlier attempts were."""
    _end_in_ledger(state, place, SlotState.ACKNOWLEDGED)
    earn_credit(state)
    _finish(state, place, RequestOutcome.OK, CountColumn.OK, Total.OK, now_us)


@borrowing_kernel
def end_request(state: WireState, place: int, link: int, stream: int) -> bool:
    """One of an attempt's requests has ended: was it the only one? If not, the other is the attempt's now."""
    row = state.places[place]
    if row["twin_stream"] == NO_TWIN:
        return True
    if row["link"] == link and row["stream"] == stream:
        row["link"], row["stream"], row["sent_us"] = row["twin_link"], row["twin_stream"], row["twin_sent_us"]
    row["twin_stream"] = NO_TWIN
    return False


@borrowing_kernel
def end_unacknowledged(state: WireState, place: int, link: int, stream: int, kind: int, now_us: int) -> None:
    """A request ended for the reason `kind` (ErrorKind): so does its attempt, unless it has another one out."""
    if end_request(state, place, link, stream):
        end_attempt(state, place, kind, now_us)
        return
    row = state.places[place]
    state.attempt_errors[row["operation"], kind] += 1
    if OUTCOME_BY_KIND[kind] == RequestOutcome.INDETERMINATE:
        row["may_be_applied"] = 1


@borrowing_kernel
def end_attempt(state: WireState, place: int, kind: int, now_us: int) -> None:
    """An attempt ended without an acknowledgement, for the reason `kind` (ErrorKind): retry it later, or finish it."""
    row = state.places[place]
    operation = row["operation"]
    state.attempt_errors[operation, kind] += 1
    is_indeterminate = OUTCOME_BY_KIND[kind] == RequestOutcome.INDETERMINATE
    if is_indeterminate:
        row["may_be_applied"] = 1
    if is_retried(state, place, kind):
        row["status"] = PLACE_WAITING
        row["last_kind"] = kind
        row["sent_us"] = now_us + backoff_us(state, row["meter"], row["attempt_count"])
        state.totals[Total.WAITING] += 1
    else:
        _give_up(state, place, kind, now_us)


@borrowing_kernel
def _give_up(state: WireState, place: int, kind: int, now_us: int) -> None:
    """Finish an operation that no attempt of was acknowledged; `kind` (ErrorKind) is why the last one was not."""
    row = state.places[place]
    operation = row["operation"]
    if row["may_be_applied"] == 1:
        state.final_errors[operation, RequestOutcome.INDETERMINATE, kind] += 1
        _finish(state, place, RequestOutcome.INDETERMINATE, CountColumn.INDETERMINATE, Total.INDETERMINATE, now_us)
    else:
        state.final_errors[operation, RequestOutcome.FAILED, kind] += 1
        _end_in_ledger(state, place, SlotState.FAILED)
        _finish(state, place, RequestOutcome.FAILED, CountColumn.FAILED, Total.FAILED, now_us)


@borrowing_kernel
def _finish(state: WireState, place: int, outcome: int, column: int, total: int, now_us: int) -> None:
    """Count an operation's outcome and its response time from its due time, and free its place."""
    row = state.places[place]
    operation = row["operation"]
    response_us = now_us - row["due_us"]
    if outcome == RequestOutcome.OK:
        _note_typical(state, operation, response_us)
    count_value(state.recording.response[operation], response_us)
    count_value(state.recording.earliest[operation], now_us - row["due_us"] - row["delay_us"])
    count_in_second(state, now_us, operation, column)
    count_outcome(state, now_us, operation, row["dc"], outcome)
    state.totals[total] += 1
    row["status"] = PLACE_FREE
    state.totals[Total.IN_FLIGHT] -= 1
    count = state.totals[Total.FREE_PLACES]
    state.free_places[count] = place
    state.totals[Total.FREE_PLACES] = count + 1


@borrowing_kernel
def _note_typical(state: WireState, operation: int, response_us: int) -> None:
    """An operation was acknowledged: half of its latest response times are above `typical_us`, which begins with the first.

    What fails takes no typical time: without a connection it would take none at all.
    """
    typical_us = state.typical_us[operation]
    if typical_us == 0:
        typical_us = response_us
    step_us = 1 + (typical_us >> _TYPICAL_BITS)
    state.typical_us[operation] = typical_us + step_us if response_us > typical_us else max(typical_us - step_us, 1)


@borrowing_kernel
def abandon_stream(state: WireState, link: int, stream: int) -> None:
    """Give an unanswered request up; its stream stays taken until the answer comes, if it ever does.

    A link with more than a quarter of its streams given up is lost.
    """
    state.stream_places[link, stream] = STREAM_ABANDONED
    state.links[link, LinkField.IN_FLIGHT] -= 1
    state.links[link, LinkField.ABANDONED] += 1
    if state.links[link, LinkField.ABANDONED] > state.stream_places.shape[1] // 4:
        state.links[link, LinkField.STATUS] = LinkStatus.LOST


@borrowing_kernel
def _abandon_requests(state: WireState, place: int) -> None:
    """Give up all that an attempt still waits for."""
    row = state.places[place]
    abandon_stream(state, row["link"], row["stream"])
    if row["twin_stream"] != NO_TWIN:
        abandon_stream(state, row["twin_link"], row["twin_stream"])
        row["twin_stream"] = NO_TWIN


@borrowing_kernel
def expire(state: WireState, now_us: int) -> None:
    """End every attempt that has waited longer than the client's time-out; its stream stays taken.

    A link that owes answers and sent no byte for `SILENCE_US` is given up, as is one with more than a quarter of its
    streams taken so.
    """
    _give_up_silent(state, now_us)
    oldest_us = now_us - state.limits[EngineLimit.TIMEOUT_US]
    for place in range(state.totals[Total.PLACE_HIGH_WATER]):
        row = state.places[place]
        if row["status"] != PLACE_IN_FLIGHT or row["sent_us"] > oldest_us:
            continue
        row["delay_us"] += oldest_us - row["sent_us"]
        _abandon_requests(state, place)
        end_attempt(state, place, ErrorKind.CLIENT_TIMEOUT, now_us)


@borrowing_kernel
def _give_up_silent(state: WireState, now_us: int) -> None:
    """Mark as LOST every open link that owes answers, overdue ones too, and sent nothing for `SILENCE_US`.

    By link and not by operation: all that it still owes may be overdue, and nothing is sent to it any more.
    """
    for link in range(state.links.shape[0]):
        row = state.links[link]
        owed = row[LinkField.IN_FLIGHT] + row[LinkField.ABANDONED] if row[LinkField.STATUS] == LinkStatus.OPEN else 0
        if owed > 0 and now_us - row[LinkField.HEARD_US] >= state.limits[EngineLimit.SILENCE_US]:
            row[LinkField.STATUS] = LinkStatus.LOST


@borrowing_kernel
def update_live(state: WireState, now_us: int) -> None:
    """Write the counts so far into the display's array; LATE_US_MAX and IS_DONE are for Python to write."""
    live, totals = state.live, state.totals
    live[LiveField.ELAPSED_US] = now_us
    live[LiveField.OFFERED] = totals[Total.OFFERED]
    live[LiveField.ATTEMPTED] = totals[Total.ATTEMPTED]
    live[LiveField.OK] = totals[Total.OK]
    live[LiveField.FAILED] = totals[Total.FAILED]
    live[LiveField.INDETERMINATE] = totals[Total.INDETERMINATE]
    live[LiveField.RETRIES] = totals[Total.RETRIES]
    live[LiveField.IN_FLIGHT] = totals[Total.IN_FLIGHT]
    live[LiveField.BLOCKED] = totals[Total.BLOCKED]
    live[LiveField.REOPENED] = totals[Total.REOPENED]
    open_count = 0
    for link in range(state.links.shape[0]):
        open_count += state.links[link, LinkField.STATUS] == LinkStatus.OPEN
    live[LiveField.LINKS_OPEN] = open_count


@borrowing_kernel
def lose_link(state: WireState, link: int, now_us: int) -> None:
    """A link is gone: its operations in flight end as indeterminate attempts, its streams and buffers are new again."""
    for place in range(state.totals[Total.PLACE_HIGH_WATER]):
        row = state.places[place]
        if row["status"] != PLACE_IN_FLIGHT:
            continue
        if row["twin_stream"] != NO_TWIN and row["twin_link"] == link:
            end_unacknowledged(state, place, link, row["twin_stream"], ErrorKind.CONNECTION_LOST, now_us)
        if row["link"] == link:
            row["delay_us"] += now_us - max(state.links[link, LinkField.EMPTY_US], row["sent_us"])
            end_unacknowledged(state, place, link, row["stream"], ErrorKind.CONNECTION_LOST, now_us)
    stream_count = state.stream_places.shape[1]
    for stream in range(stream_count):
        state.stream_places[link, stream] = STREAM_FREE
        state.free_streams[link, stream] = stream_count - 1 - stream
    node = state.links[link, LinkField.NODE]
    state.links[link, :] = 0
    state.links[link, LinkField.NODE] = node
    state.links[link, LinkField.FREE_COUNT] = stream_count
    state.links[link, LinkField.CAME_US] = NOT_TOLD


@borrowing_kernel
def end_all(state: WireState, now_us: int) -> None:
    """The run is over: what is unanswered is indeterminate, what waits for a retry ends as its attempts so far say."""
    state.limits[EngineLimit.IS_STOPPING] = 1
    for place in range(state.totals[Total.PLACE_HIGH_WATER]):
        row = state.places[place]
        if row["status"] == PLACE_IN_FLIGHT:
            _abandon_requests(state, place)
            end_attempt(state, place, ErrorKind.NOT_DRAINED, now_us)
        elif row["status"] == PLACE_WAITING:
            state.totals[Total.WAITING] -= 1
            _give_up(state, place, row["last_kind"], now_us)
