"""The response scan: one pass over all that the links received, from bytes to outcomes."""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel, copy_bytes
from loadtests.wire.completion import acknowledge, count_value, end_attempt, release_stream
from loadtests.wire.outcomes import ErrorKind, kind_of_code
from loadtests.wire.protocol import CONTROL_STREAM, HEADER_SIZE, HeaderFlag, Opcode, ResultKind
from loadtests.wire.state import (
    ERROR_SAMPLE_SIZE,
    STREAM_ABANDONED,
    STREAM_FREE,
    LinkField,
    LinkStatus,
    Total,
    WireState,
)

ANSWERED = -1  # `classify` says: as an EXECUTE should be


@borrowing_kernel
def scan_responses(state: WireState, now_us: int) -> int:
    """Account every whole frame in the links' in buffers, and keep what is left of a partial one.

    now_us: when the bytes were received [us since the start]. Returns the number of answers.
    """
    answer_count = 0
    for link in range(state.links.shape[0]):
        end = state.links[link, LinkField.IN_END]
        if end == 0:
            continue
        state.links[link, LinkField.HEARD_US] = now_us
        data = state.in_bytes[link]
        position = min(state.links[link, LinkField.SKIP], end)
        state.links[link, LinkField.SKIP] -= position
        while end - position >= HEADER_SIZE:
            stream = short_at(data, position + 2)
            frame_size = HEADER_SIZE + int_at(data, position + 5)
            if data[position] & 0x80 == 0 or frame_size < HEADER_SIZE:
                state.links[link, LinkField.STATUS] = LinkStatus.LOST  # not a response: the bytes are out of step
                position = end
                break
            if frame_size > end - position:
                if frame_size <= data.size or end < data.size:
                    break
                # Larger than the buffer: its kind stands at its beginning, the rest of it is passed over as it comes.
                state.links[link, LinkField.SKIP] = frame_size - (end - position)
                frame_size = end - position
            _answer(state, link, stream, data[position : position + frame_size], now_us)
            answer_count += 1
            position += frame_size
        copy_bytes(data, position, data, 0, end - position)
        state.links[link, LinkField.IN_END] = end - position
    return answer_count


@borrowing_kernel
def classify(frame: NDArray[np.uint8]) -> int:
    """ANSWERED for a RESULT that is void or rows, else the ErrorKind. frame: uint8[size], a response or its beginning."""
    opcode = frame[4]
    body = body_start(frame)
    if opcode == Opcode.RESULT and body + 4 <= frame.size:
        result = int_at(frame, body)
        if result == ResultKind.VOID or result == ResultKind.ROWS:
            return ANSWERED
    elif opcode == Opcode.ERROR and body + 4 <= frame.size:
        return int(kind_of_code(int_at(frame, body)))
    return ErrorKind.UNEXPECTED_ANSWER


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
def _answer(state: WireState, link: int, stream: int, frame: NDArray[np.uint8], now_us: int) -> None:
    """One response. frame: uint8[size], whole or the beginning of one that is larger than the buffer."""
    if stream == CONTROL_STREAM:
        return
    if stream >= state.stream_places.shape[1]:  # also an event, whose stream is -1: none was asked for
        state.totals[Total.STRAY_ANSWERS] += 1
        return
    place = state.stream_places[link, stream]
    if place == STREAM_ABANDONED:
        state.totals[Total.LATE_ANSWERS] += 1
        state.links[link, LinkField.ABANDONED] -= 1
        release_stream(state, link, stream)
        return
    if place == STREAM_FREE:
        state.totals[Total.STRAY_ANSWERS] += 1
        return
    release_stream(state, link, stream)
    state.links[link, LinkField.IN_FLIGHT] -= 1
    row = state.places[place]
    count_value(state.recording.service[row["operation"]], now_us - row["sent_us"])
    kind = classify(frame)
    if kind == ANSWERED:
        acknowledge(state, place, now_us)
        return
    _keep_sample(state, kind, frame)
    if kind == ErrorKind.UNPREPARED:
        state.links[link, LinkField.NEEDS_PREPARE] = 1
    end_attempt(state, place, kind, now_us)


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
