"""The response scan: one pass over all that the links received, from bytes to outcomes."""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel, copy_bytes
from loadtests.sender.completion import (
    abandon_stream,
    acknowledge,
    count_value,
    end_request,
    end_unacknowledged,
    release_stream,
)
from loadtests.sender.outcomes import ErrorKind, kind_of_code
from loadtests.sender.protocol import (
    CONTROL_STREAM,
    FRAME_BYTES_MAX,
    HEADER_SIZE,
    VERSION_RESPONSE,
    HeaderFlag,
    Opcode,
    ResultKind,
)
from loadtests.sender.state import (
    ERROR_SAMPLE_SIZE,
    NOT_TOLD,
    STREAM_ABANDONED,
    STREAM_FREE,
    LinkField,
    LinkStatus,
    Total,
    WireState,
)

ANSWERED = -1  # `classify` says: as an EXECUTE should be
BROKEN = -2  # `classify` says: a frame that the protocol does not allow here

# What may stand before a response's body. Compression was not asked for, so a compressed frame breaks the protocol.
_UNKNOWN_FLAGS = 0xFF & ~(HeaderFlag.TRACING | HeaderFlag.CUSTOM_PAYLOAD | HeaderFlag.WARNING)
_EVENT_STREAM = 0xFFFF  # -1
_UNEXPECTED_ANSWER = int(ErrorKind.UNEXPECTED_ANSWER)


@borrowing_kernel
def scan_responses(state: WireState, now_us: int) -> int:
    """Account every whole frame in the links' in buffers, and keep what is left of a partial one.

    now_us: when the bytes were received [us since the start], unless the link's fields tell better when they came. Returns the
    number of answers. A link with bytes that break the protocol is LOST: what it said before them counts, what it owes is in
    doubt, as of any link that is lost.
    """
    answer_count = 0
    for link in range(state.links.shape[0]):
        end = state.links[link, LinkField.IN_END]
        if end == state.links[link, LinkField.IN_SCANNED]:
            continue  # nothing came: a partial frame that lies there is no sign of life
        state.links[link, LinkField.HEARD_US] = now_us
        came_us = state.links[link, LinkField.CAME_US]
        not_before_us = state.links[link, LinkField.NOT_BEFORE_US]
        last_not_before_us = state.links[link, LinkField.LAST_NOT_BEFORE_US]
        if came_us == NOT_TOLD:
            came_us = now_us
            not_before_us = last_not_before_us = state.links[link, LinkField.EMPTY_US]
        state.links[link, LinkField.CAME_US] = NOT_TOLD
        data = state.in_bytes[link]
        position = 0
        has_skipped = False  # the last byte of a frame that was larger than the buffer has come
        if state.links[link, LinkField.SKIP] > 0:
            position = min(state.links[link, LinkField.SKIP], end)
            state.links[link, LinkField.SKIP] -= position
            has_skipped = state.links[link, LinkField.SKIP] == 0
        # Each part below is called at one place only: a call that the compiler does not inline copies the whole state, and
        # made an answer cost 0.6 us more (November 2026).
        while has_skipped or end - position >= HEADER_SIZE:
            if has_skipped:
                stream = state.links[link, LinkField.SKIP_STREAM]
                kind = state.links[link, LinkField.SKIP_KIND]
                has_skipped = False
            else:
                body_size = int_at(data, position + 5)
                if (
                    data[position] != VERSION_RESPONSE
                    or data[position + 1] & _UNKNOWN_FLAGS != 0
                    or body_size < 0
                    or body_size > FRAME_BYTES_MAX
                ):
                    _break_link(state.links, link)
                    break
                stream = short_at(data, position + 2)
                frame_size = HEADER_SIZE + body_size
                is_whole = frame_size <= end - position
                if not is_whole and (frame_size <= data.size or end < data.size):
                    break
                size = min(frame_size, end - position)
                # A bare RESULT void, which nearly every write gets, is told from its bytes here: the calls below cost a sender
                # 3 to 4 % of its operations a CPU second (2026-11-28).
                is_void = (
                    body_size == 4
                    and stream < CONTROL_STREAM
                    and data[position + 1] == 0
                    and data[position + 4] == Opcode.RESULT
                    and int_at(data, position + HEADER_SIZE) == ResultKind.VOID
                )
                kind = ANSWERED
                if not is_void:
                    frame = data[position : position + size]
                    kind = _kind_on(stream, frame, frame_size)
                    if kind >= 0:
                        _keep_sample(state, kind, frame)
                position += size
                if not is_whole:
                    # Its kind stands at its beginning, the rest of it is passed over as it comes.
                    state.links[link, LinkField.SKIP] = frame_size - size
                    state.links[link, LinkField.SKIP_STREAM] = stream
                    state.links[link, LinkField.SKIP_KIND] = kind
                    break
            _answer(state, link, stream, kind, came_us, last_not_before_us if position == end else not_before_us)
            answer_count += 1
            if state.links[link, LinkField.STATUS] == LinkStatus.LOST:
                break
        copy_bytes(data, position, data, 0, end - position)
        state.links[link, LinkField.IN_END] = end - position
        state.links[link, LinkField.IN_SCANNED] = end - position
    return answer_count


@borrowing_kernel
def classify(frame: NDArray[np.uint8], frame_size: int) -> int:
    """ANSWERED for a RESULT that is void or rows, the ErrorKind of an ERROR, BROKEN for what answers no EXECUTE of ours.

    frame: uint8[size], a response of `frame_size` bytes, or its beginning.
    """
    opcode = frame[4]
    if opcode != Opcode.RESULT and opcode != Opcode.ERROR:
        return BROKEN
    body = body_start(frame)
    if body + 4 > frame.size:
        return BROKEN
    if opcode == Opcode.ERROR:
        return int(kind_of_code(int_at(frame, body)))
    result = int_at(frame, body)
    if result == ResultKind.ROWS or (result == ResultKind.VOID and body + 4 == frame_size):
        return ANSWERED
    return BROKEN


@borrowing_kernel
def body_start(frame: NDArray[np.uint8]) -> int:
    """Where the body proper begins, behind a tracing id, warnings and a custom payload. frame: uint8[size]."""
    flags = frame[1]
    position = HEADER_SIZE
    if flags & HeaderFlag.TRACING:
        position += 16
    if flags & HeaderFlag.WARNING:  # [string list]
        count = short_at(frame, position)
        position += 2
        for _ in range(count):
            position += 2 + short_at(frame, position)
    if flags & HeaderFlag.CUSTOM_PAYLOAD:  # [bytes map]
        count = short_at(frame, position)
        position += 2
        for _ in range(count):
            position += 2 + short_at(frame, position)
            position += 4 + max(int_at(frame, position), 0)
    return position


@borrowing_kernel
def int_at(data: NDArray[np.uint8], position: int) -> int:
    """The signed [int] at `position`; -1 beyond the end of `data`."""
    if position + 4 > data.size:
        return -1
    high = np.int64(np.int8(data[position]))
    return int(high << 24 | short_at(data, position + 1) << 8 | np.int64(data[position + 3]))


@borrowing_kernel
def short_at(data: NDArray[np.uint8], position: int) -> int:
    """The [short] at `position`; 0 beyond the end of `data`."""
    if position + 2 > data.size:
        return 0
    return int(np.int64(data[position]) << 8 | np.int64(data[position + 1]))


@borrowing_kernel
def _kind_on(stream: int, frame: NDArray[np.uint8], frame_size: int) -> int:
    """What a frame says to the request of its stream: see `classify`; ANSWERED if it may stand on a stream without an EXECUTE."""
    opcode = frame[4]
    if stream < CONTROL_STREAM:
        return classify(frame, frame_size)
    if stream == CONTROL_STREAM:
        return ANSWERED if opcode == Opcode.RESULT or opcode == Opcode.ERROR else BROKEN
    return ANSWERED if stream == _EVENT_STREAM and opcode == Opcode.EVENT else BROKEN


@borrowing_kernel
def _answer(state: WireState, link: int, stream: int, kind: int, now_us: int, not_before_us: int) -> None:
    """One response has come in whole, by `now_us` and not before `not_before_us`. kind: ANSWERED, BROKEN or an ErrorKind."""
    if stream >= CONTROL_STREAM:
        state.totals[Total.STRAY_ANSWERS] += stream > CONTROL_STREAM  # an event: none was asked for
        if kind == BROKEN:
            _break_link(state.links, link)
        return
    if stream >= state.stream_places.shape[1] or state.stream_places[link, stream] == STREAM_FREE:
        # Nothing was asked there. Were it a second answer, the next could be taken for that of another operation.
        state.totals[Total.STRAY_ANSWERS] += 1
        _break_link(state.links, link)
        return
    place = state.stream_places[link, stream]
    if place == STREAM_ABANDONED:
        state.totals[Total.LATE_ANSWERS] += 1
        state.links[link, LinkField.ABANDONED] -= 1
        release_stream(state, link, stream)
        if kind == BROKEN:
            _break_link(state.links, link)
        return
    release_stream(state, link, stream)
    state.links[link, LinkField.IN_FLIGHT] -= 1
    row = state.places[place]
    is_twin = row["twin_stream"] == stream and row["twin_link"] == link
    sent_us = row["twin_sent_us"] if is_twin else row["sent_us"]
    count_value(state.recording.service[row["operation"]], now_us - sent_us)
    row["delay_us"] += now_us - max(not_before_us, sent_us)
    if kind == ANSWERED:
        state.totals[Total.SPECULATION_WON] += is_twin
        if not end_request(state, place, link, stream):
            abandon_stream(state, row["link"], row["stream"])
        acknowledge(state, place, now_us)
        return
    reason = kind
    if kind == BROKEN:
        _break_link(state.links, link)
        reason = _UNEXPECTED_ANSWER
    elif kind == ErrorKind.UNPREPARED:
        state.links[link, LinkField.NEEDS_PREPARE] = 1
    end_unacknowledged(state, place, link, stream, reason, now_us)


@borrowing_kernel
def _break_link(links: NDArray[np.int64], link: int) -> None:
    """The other side broke the protocol: none of what follows can be believed. links: as in `WireState`, changed."""
    links[link, LinkField.STATUS] = LinkStatus.LOST
    links[link, LinkField.HAS_BROKEN] = 1


@borrowing_kernel
def _keep_sample(state: WireState, kind: int, frame: NDArray[np.uint8]) -> None:
    """Keep the first error body of each kind: its message tells a person more than a count does."""
    if state.error_sample_sizes[kind] > 0:
        return
    start = body_start(frame)
    size = min(max(frame.size - start, 0), ERROR_SAMPLE_SIZE)
    for i in range(size):
        state.error_samples[kind, i] = frame[start + i]
    state.error_sample_sizes[kind] = size
