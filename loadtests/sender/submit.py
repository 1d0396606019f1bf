"""Sending: one pass over what is due, from the block to the links' out buffers.

No operation that is due is ever skipped: without room it stays queued, and the wait is part of its response time. Where the
scenario bounds that wait, one that is over it ends as failed (SHED), in its turn and without being sent.
"""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel, copy_bytes
from loadtests.sender.completion import count_in_second, count_outcome, count_value, end_attempt, intend_in_ledger
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.retries import take_credit
from loadtests.sender.state import (
    NO_TWIN,
    PLACE_IN_FLIGHT,
    PLACE_WAITING,
    BlockProgress,
    CountColumn,
    EngineLimit,
    LinkField,
    LinkStatus,
    Total,
    WireState,
)

NONE_OPEN = -1  # no node of the data centre can be sent to
ALL_FULL = -2  # one could, once it has room
NO_NODE = -1
FAR_US = 2**62
# Between two looks for reads that are not answered in time, each of which goes through all places.
SPECULATE_EVERY_US = 1_000
SPECULATE_EVERY_US_MAX = 10_000


@borrowing_kernel
def submit_due(
    state: WireState, rows: NDArray[np.void], frames: NDArray[np.uint8], progress: NDArray[np.int64], now_us: int
) -> int:
    """Send retries that are ready, then the block's operations that are due, as far as there is room.

    rows: OPERATION[n]; frames: uint8[total]; progress: int64[Progress], moved on. Returns when the next row is due
    [us], or FAR_US when no row is left that is not due yet.
    """
    state.totals[Total.SENT_COUNT] = 0
    if state.limits[EngineLimit.IS_STOPPING] == 1:
        return FAR_US
    if state.totals[Total.WAITING] > 0:
        _resend(state, now_us)
    if state.limits[EngineLimit.SPECULATE_US] > 0:
        _speculate(state, now_us)
    is_closed = state.limits[EngineLimit.IS_CLOSED_LOOP] == 1
    noticed_before = progress[BlockProgress.NOTICED]
    next_due_us = FAR_US
    if not is_closed:
        next_due_us = notice_due(state, rows, progress, now_us)
    end = len(rows) if is_closed else progress[BlockProgress.NOTICED]
    # One loop for both: `_take_up` is called at one place, see `scan_responses`.
    while progress[BlockProgress.TAKEN_UP] < end:
        row = rows[progress[BlockProgress.TAKEN_UP]]
        due_us = now_us if is_closed else row["due_us"]
        if now_us - due_us > state.shed_after_us[row["operation"]]:
            _refuse(state, row, ErrorKind.SHED, now_us)
        elif not _take_up(state, row, frames, due_us, now_us):
            if not is_closed:
                state.totals[Total.BLOCKED_AT_US] = now_us
            break
        progress[BlockProgress.TAKEN_UP] += 1
        if is_closed:  # due is when there is room
            state.totals[Total.OFFERED] += 1
            count_value(state.recording.lateness, 0)
            count_in_second(state, now_us, row["operation"], CountColumn.OFFERED)
    if is_closed:
        progress[BlockProgress.NOTICED] = progress[BlockProgress.TAKEN_UP]
        return FAR_US
    state.totals[Total.BLOCKED] += progress[BlockProgress.NOTICED] - max(
        noticed_before, progress[BlockProgress.TAKEN_UP]
    )
    return int(next_due_us)


@borrowing_kernel
def hold_back(state: WireState, rows: NDArray[np.void], progress: NDArray[np.int64], now_us: int) -> None:
    """Notice what is due of a block that is queued behind another one; its operations are blocked."""
    noticed_before = progress[BlockProgress.NOTICED]
    notice_due(state, rows, progress, now_us)
    state.totals[Total.BLOCKED] += progress[BlockProgress.NOTICED] - noticed_before


@borrowing_kernel
def notice_due(state: WireState, rows: NDArray[np.void], progress: NDArray[np.int64], now_us: int) -> int:
    """Count the rows (OPERATION[n]) that have fallen due since they were last looked at, each with how late that is.

    Returns when the next row is due [us], FAR_US after the last one. An operation that fell due while others were
    queued is not late, whenever it was looked at: it waits for room, and so does its response time.
    """
    noticed = progress[BlockProgress.NOTICED]
    blocked_at_us = state.totals[Total.BLOCKED_AT_US]
    while noticed < len(rows) and rows[noticed]["due_us"] <= now_us:
        due_us = rows[noticed]["due_us"]
        count_value(state.recording.lateness, now_us - due_us if due_us > blocked_at_us else 0)
        count_in_second(state, due_us, rows[noticed]["operation"], CountColumn.OFFERED)
        noticed += 1
    state.totals[Total.OFFERED] += noticed - progress[BlockProgress.NOTICED]
    progress[BlockProgress.NOTICED] = noticed
    return int(rows[noticed]["due_us"]) if noticed < len(rows) else FAR_US


@borrowing_kernel
def refuse_unsent(state: WireState, rows: NDArray[np.void], progress: NDArray[np.int64], now_us: int) -> None:
    """The run is over: rows (OPERATION[n]) that fell due and were never sent are failed operations (NOT_SENT)."""
    notice_due(state, rows, progress, now_us)
    for index in range(progress[BlockProgress.TAKEN_UP], progress[BlockProgress.NOTICED]):
        _refuse(state, rows[index], ErrorKind.NOT_SENT, now_us)
    progress[BlockProgress.TAKEN_UP] = progress[BlockProgress.NOTICED]


@borrowing_kernel
def _refuse(state: WireState, row: np.void, kind: int, now_us: int) -> None:
    """An operation (OPERATION) that fell due ends without being sent, for the reason `kind` (ErrorKind): it has failed."""
    operation = row["operation"]
    state.attempt_errors[operation, kind] += 1
    state.final_errors[operation, RequestOutcome.FAILED, kind] += 1
    state.totals[Total.ATTEMPTED] += 1
    state.totals[Total.FAILED] += 1
    count_value(state.recording.response[operation], now_us - row["due_us"])
    count_value(state.recording.earliest[operation], now_us - row["due_us"])
    count_in_second(state, now_us, operation, CountColumn.ATTEMPTED)
    count_in_second(state, now_us, operation, CountColumn.FAILED)
    count_outcome(state, now_us, operation, row["dc"], RequestOutcome.FAILED)


@borrowing_kernel
def _take_up(state: WireState, row: np.void, frames: NDArray[np.uint8], due_us: int, now_us: int) -> bool:
    """Send an operation (OPERATION) for the first time; False, and nothing is done, when there is no room for it."""
    if state.totals[Total.IN_FLIGHT] >= state.limits[EngineLimit.IN_FLIGHT]:
        return False
    link = choose_link(state, row["token"], row["dc"], row["frame_size"])
    if link == ALL_FULL:
        return False
    place = _take_place(state, row, frames, due_us, now_us)
    if link == NONE_OPEN:
        state.places[place]["attempt_count"] += 1
        end_attempt(state, place, ErrorKind.NO_CONNECTION, now_us)
    else:
        _send(state, place, link, now_us)
    return True


@borrowing_kernel
def choose_link(state: WireState, token: int, dc: int, frame_size: int) -> int:
    """The least loaded open link to a replica of `token` in the data centre that serves the homes of `dc`, or NONE_OPEN,
    or ALL_FULL.

    When no replica there can be reached, any node of that data centre may coordinate. One of another never does, unless
    the scenario moves homes (`failover`): that would change what LOCAL_QUORUM means. Streams whose answer is overdue count
    as load.
    """
    serving = state.serving[dc]
    best = choose_replica(state, token, serving, frame_size, NO_NODE)
    if best == NONE_OPEN:
        best_load = FAR_US
        for node in range(state.node_dcs.size):
            if state.node_dcs[node] == serving:
                best, best_load = _least_loaded(state, node, frame_size, best, best_load)
    return best


@borrowing_kernel
def choose_replica(state: WireState, token: int, serving: int, frame_size: int, avoided: int) -> int:
    """The least loaded open link to a replica of `token` in a data centre, but the node `avoided`; else as `choose_link`."""
    entry = int(np.searchsorted(state.ring_ends, token))
    if entry == state.ring_ends.size:
        entry = 0
    best, best_load = NONE_OPEN, FAR_US
    for i in range(state.replicas.shape[2]):
        node = state.replicas[entry, serving, i]
        if node != NO_NODE and node != avoided:
            best, best_load = _least_loaded(state, node, frame_size, best, best_load)
    return best


@borrowing_kernel
def _least_loaded(state: WireState, node: int, frame_size: int, best: int, best_load: int) -> tuple[int, int]:
    """The better of `best` and the open links of `node`, with its load [requests]."""
    per_node = state.limits[EngineLimit.LINKS_PER_NODE]
    for link in range(node * per_node, (node + 1) * per_node):
        row = state.links[link]
        if row[LinkField.STATUS] != LinkStatus.OPEN:
            continue
        room = state.out_bytes.shape[1] - (row[LinkField.OUT_END] - row[LinkField.OUT_START])
        if row[LinkField.FREE_COUNT] == 0 or room < frame_size:
            if best == NONE_OPEN:
                best = ALL_FULL
            continue
        load = row[LinkField.IN_FLIGHT] + row[LinkField.ABANDONED]
        if load < best_load:
            best, best_load = link, load
    return best, best_load


@borrowing_kernel
def _take_place(state: WireState, row: np.void, frames: NDArray[np.uint8], due_us: int, now_us: int) -> int:
    """Take a row of the block (OPERATION) up: a place, its frame's bytes, its intent. There must be a free place."""
    totals = state.totals
    totals[Total.FREE_PLACES] -= 1
    place = state.free_places[totals[Total.FREE_PLACES]]
    totals[Total.IN_FLIGHT] += 1
    totals[Total.PLACE_HIGH_WATER] = max(totals[Total.PLACE_HIGH_WATER], place + 1)
    held = state.places[place]
    held["due_us"] = due_us
    held["token"] = row["token"]
    held["meter"] = row["meter"]
    held["first_slot"] = row["first_slot"]
    held["slot_count"] = row["slot_count"]
    held["frame_size"] = row["frame_size"]
    held["operation"] = row["operation"]
    held["dc"] = row["dc"]
    held["attempt_count"] = 0
    # One that fell due while others were queued waited for room: that is not the generator's doing.
    held["delay_us"] = now_us - due_us if due_us > totals[Total.BLOCKED_AT_US] else 0
    held["may_be_applied"] = 0
    copy_bytes(frames, row["frame_offset"], state.place_frames[place], 0, row["frame_size"])
    intend_in_ledger(state, row["operation"], row["meter"], row["first_slot"], row["slot_count"])
    totals[Total.ATTEMPTED] += 1
    count_in_second(state, now_us, row["operation"], CountColumn.ATTEMPTED)
    return int(place)


@borrowing_kernel
def _send(state: WireState, place: int, link: int, now_us: int) -> None:
    """Send a place's frame on a link as a new attempt; there must be room for it."""
    stream = _append(state, place, link, now_us)
    held = state.places[place]
    held["status"] = PLACE_IN_FLIGHT
    held["sent_us"] = now_us
    held["link"] = link
    held["stream"] = stream
    held["twin_sent_us"] = 0
    held["twin_stream"] = NO_TWIN
    held["attempt_count"] += 1
    state.sent_places[state.totals[Total.SENT_COUNT]] = place
    state.totals[Total.SENT_COUNT] += 1


@borrowing_kernel
def note_sent(state: WireState, now_us: int) -> None:
    """What was submitted in this tick has left by now: until then it was late by the generator's own doing."""
    for index in range(state.totals[Total.SENT_COUNT]):
        held = state.places[state.sent_places[index]]
        held["delay_us"] += now_us - held["sent_us"]
    state.totals[Total.SENT_COUNT] = 0


@borrowing_kernel
def _append(state: WireState, place: int, link: int, now_us: int) -> int:
    """Append a place's frame to a link's out buffer; returns the stream that it took. There must be room for it."""
    links = state.links
    links[link, LinkField.FREE_COUNT] -= 1
    stream = state.free_streams[link, links[link, LinkField.FREE_COUNT]]
    state.stream_places[link, stream] = place
    if links[link, LinkField.IN_FLIGHT] + links[link, LinkField.ABANDONED] == 0:
        links[link, LinkField.HEARD_US] = now_us
    links[link, LinkField.IN_FLIGHT] += 1
    size = state.places[place]["frame_size"]
    out = state.out_bytes[link]
    if links[link, LinkField.OUT_END] + size > out.size:
        _compact(state, link)
    end = links[link, LinkField.OUT_END]
    copy_bytes(state.place_frames[place], 0, out, end, size)
    out[end + 2] = stream >> 8
    out[end + 3] = stream & 0xFF
    links[link, LinkField.OUT_END] = end + size
    return int(stream)


@borrowing_kernel
def _compact(state: WireState, link: int) -> None:
    """Move a link's unsent bytes to the front of its out buffer."""
    start = state.links[link, LinkField.OUT_START]
    size = state.links[link, LinkField.OUT_END] - start
    copy_bytes(state.out_bytes[link], start, state.out_bytes[link], 0, size)
    state.links[link, LinkField.OUT_START] = 0
    state.links[link, LinkField.OUT_END] = size


@borrowing_kernel
def _resend(state: WireState, now_us: int) -> None:
    """Send the retries whose time has come; one without room waits for the next tick."""
    for place in range(state.totals[Total.PLACE_HIGH_WATER]):
        held = state.places[place]
        if held["status"] != PLACE_WAITING or held["sent_us"] > now_us:
            continue
        link = choose_link(state, held["token"], held["dc"], held["frame_size"])
        if link == ALL_FULL:
            continue
        held["delay_us"] += now_us - held["sent_us"]
        state.totals[Total.WAITING] -= 1
        state.totals[Total.RETRIES] += 1
        count_in_second(state, now_us, held["operation"], CountColumn.RETRIES)
        if link == NONE_OPEN:
            held["attempt_count"] += 1
            end_attempt(state, place, ErrorKind.NO_CONNECTION, now_us)
        else:
            _send(state, place, link, now_us)


@borrowing_kernel
def _speculate(state: WireState, now_us: int) -> None:
    """Ask a second replica for each read that the first has not answered in time, once an attempt; the first answer counts.

    A repeated attempt's credit is taken for it. What no other replica can be asked for, waits.
    """
    if now_us < state.totals[Total.SPECULATE_AT_US]:
        return
    after_us = state.limits[EngineLimit.SPECULATE_US]
    every_us = max(SPECULATE_EVERY_US, min(after_us // 4, SPECULATE_EVERY_US_MAX))
    state.totals[Total.SPECULATE_AT_US] = now_us + every_us
    overdue_us = now_us - after_us
    for place in range(state.totals[Total.PLACE_HIGH_WATER]):
        held = state.places[place]
        if held["status"] != PLACE_IN_FLIGHT or held["sent_us"] > overdue_us or held["twin_sent_us"] != 0:
            continue
        if state.is_read[held["operation"]] == 0:
            continue
        first_node = state.links[held["link"], LinkField.NODE]
        link = choose_replica(state, held["token"], state.serving[held["dc"]], held["frame_size"], first_node)
        if link < 0 or not take_credit(state):
            continue
        held["twin_stream"] = _append(state, place, link, now_us)
        held["twin_link"] = link
        held["twin_sent_us"] = now_us
        state.totals[Total.SPECULATED] += 1
