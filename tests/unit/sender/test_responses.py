"""The response scan: any cut of the bytes, any header flags, every error code, and bytes that should not be there."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.sender.outcomes import ErrorKind, RequestOutcome, kind_of_code
from loadtests.sender.protocol import CONTROL_STREAM, HeaderFlag, Opcode, ResultKind
from loadtests.sender.responses import ANSWERED, classify
from loadtests.sender.state import LinkField, LinkStatus, Total
from tests.support.engine_state import FRAME_SIZE, Bench, error, new_bench, response

ROWS = struct.pack(">i", ResultKind.ROWS)


def sent_bench(count: int, *, attempts: int = 1, in_bytes: int = 400) -> tuple[Bench, list[tuple[int, int, int]]]:
    """`count` operations in flight, and where they were sent."""
    bench = new_bench([0] * count, attempts=attempts, in_bytes=in_bytes)
    bench.submit(0)
    return bench, bench.sent()


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(st.sampled_from(["void", "rows", "error"]), min_size=1, max_size=8), st.data())
def test_wherever_the_bytes_are_cut_the_answers_are_the_same(kinds: list[str], data: st.DataObject) -> None:
    bench, sent = sent_bench(4 * len(kinds))
    on_first_link = [stream for link, stream, _ in sent if link == 0][: len(kinds)]
    answers = {"void": response, "rows": lambda s: response(s, ROWS + b"\7" * 30), "error": lambda s: error(s, 0x1001)}
    stream_of_bytes = b"".join(answers[kind](stream) for kind, stream in zip(kinds, on_first_link, strict=True))
    cuts = data.draw(st.lists(st.integers(0, len(stream_of_bytes)), max_size=6).map(sorted))
    pieces = [stream_of_bytes[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream_of_bytes)], strict=True)]
    assert sum(bench.answer(0, piece, 5) for piece in pieces) == len(kinds)
    assert bench.total(Total.OK) == len([kind for kind in kinds if kind != "error"])
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.OVERLOADED) == kinds.count("error")
    assert bench.link(0, LinkField.IN_END) == 0


def test_what_stands_before_the_body_is_passed_over() -> None:
    tracing = bytes(16)
    warnings = struct.pack(">HH", 2, 3) + b"abc" + struct.pack(">H", 0)
    payload = struct.pack(">HH", 1, 1) + b"k" + struct.pack(">i", 2) + b"vv"
    flags = HeaderFlag.TRACING | HeaderFlag.WARNING | HeaderFlag.CUSTOM_PAYLOAD
    void = struct.pack(">i", ResultKind.VOID)
    frame = response(1, tracing + warnings + payload + void, flags=flags)
    assert classify(np.frombuffer(frame, dtype=np.uint8), len(frame)) == ANSWERED
    null_payload = struct.pack(">HH", 1, 1) + b"k" + struct.pack(">i", -1)
    frame = response(1, null_payload + void, flags=HeaderFlag.CUSTOM_PAYLOAD)
    assert classify(np.frombuffer(frame, dtype=np.uint8), len(frame)) == ANSWERED


texts = st.binary(max_size=300)


@settings(deadline=None)
@given(
    st.booleans(), st.none() | st.lists(texts, max_size=4), st.none() | st.lists(st.tuples(texts, st.none() | texts))
)
def test_whatever_stands_before_the_body_is_passed_over(
    has_tracing: bool, warnings: list[bytes] | None, payload: list[tuple[bytes, bytes | None]] | None
) -> None:
    flags, before = 0, b""
    if has_tracing:
        flags, before = HeaderFlag.TRACING, b"\xff" * 16
    if warnings is not None:  # [string list]
        flags |= HeaderFlag.WARNING
        before += struct.pack(">H", len(warnings)) + b"".join(struct.pack(">H", len(one)) + one for one in warnings)
    if payload is not None:  # [bytes map]
        flags |= HeaderFlag.CUSTOM_PAYLOAD
        before += struct.pack(">H", len(payload))
        for key, value in payload:
            before += struct.pack(">H", len(key)) + key
            before += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    for code, kind in ((0x1001, ErrorKind.OVERLOADED), (0x1100, ErrorKind.WRITE_TIMEOUT)):
        frame = response(1, before + struct.pack(">iH", code, 0), opcode=Opcode.ERROR, flags=flags)
        assert classify(np.frombuffer(frame, dtype=np.uint8), len(frame)) == kind


@pytest.mark.parametrize(
    ("code", "kind", "outcome"),
    [
        (0x0000, ErrorKind.SERVER_ERROR, RequestOutcome.INDETERMINATE),
        (0x000A, ErrorKind.PROTOCOL_ERROR, RequestOutcome.FAILED),
        (0x0100, ErrorKind.BAD_CREDENTIALS, RequestOutcome.FAILED),
        (0x1000, ErrorKind.UNAVAILABLE, RequestOutcome.FAILED),
        (0x1001, ErrorKind.OVERLOADED, RequestOutcome.FAILED),
        (0x1002, ErrorKind.IS_BOOTSTRAPPING, RequestOutcome.FAILED),
        (0x1003, ErrorKind.TRUNCATE_ERROR, RequestOutcome.FAILED),
        (0x1100, ErrorKind.WRITE_TIMEOUT, RequestOutcome.INDETERMINATE),
        (0x1200, ErrorKind.READ_TIMEOUT, RequestOutcome.INDETERMINATE),
        (0x1300, ErrorKind.READ_FAILURE, RequestOutcome.INDETERMINATE),
        (0x1400, ErrorKind.FUNCTION_FAILURE, RequestOutcome.FAILED),
        (0x1500, ErrorKind.WRITE_FAILURE, RequestOutcome.INDETERMINATE),
        (0x1600, ErrorKind.CDC_WRITE_FAILURE, RequestOutcome.INDETERMINATE),
        (0x1700, ErrorKind.CAS_WRITE_UNKNOWN, RequestOutcome.INDETERMINATE),
        (0x2000, ErrorKind.SYNTAX_ERROR, RequestOutcome.FAILED),
        (0x2100, ErrorKind.UNAUTHORIZED, RequestOutcome.FAILED),
        (0x2200, ErrorKind.INVALID, RequestOutcome.FAILED),
        (0x2300, ErrorKind.CONFIG_ERROR, RequestOutcome.FAILED),
        (0x2400, ErrorKind.ALREADY_EXISTS, RequestOutcome.FAILED),
        (0x2500, ErrorKind.UNPREPARED, RequestOutcome.FAILED),
        (0x7777, ErrorKind.UNKNOWN_CODE, RequestOutcome.INDETERMINATE),
        (-1, ErrorKind.UNKNOWN_CODE, RequestOutcome.INDETERMINATE),
    ],
)
def test_error_codes(code: int, kind: ErrorKind, outcome: RequestOutcome) -> None:
    bench, [(link, stream, _), *_] = sent_bench(1)
    bench.answer(link, error(stream, code), 5)
    assert kind_of_code(code) == kind and bench.errors(outcome, kind) == 1
    assert bench.total(Total.OK) == 0


@pytest.mark.parametrize("code", [0x000A, 0x1400, 0x2000, 0x2100, 0x2200, 0x2300, 0x2400])
def test_what_would_be_answered_the_same_each_time_is_sent_once(code: int) -> None:
    bench, [(link, stream, _), *_] = sent_bench(1, attempts=3)
    bench.answer(link, error(stream, code), 5)
    assert bench.total(Total.FAILED) == 1 and bench.total(Total.WAITING) == 0


@pytest.mark.parametrize(
    "code", [0x0000, 0x1000, 0x1001, 0x1002, 0x1003, 0x1100, 0x1200, 0x1300, 0x1500, 0x1600, 0x1700]
)
def test_what_another_attempt_can_mend_is_sent_again(code: int) -> None:
    bench, [(link, stream, _), *_] = sent_bench(1, attempts=3)
    bench.answer(link, error(stream, code), 5)
    assert bench.total(Total.FAILED) == bench.total(Total.INDETERMINATE) == 0 and bench.total(Total.WAITING) == 1


def test_the_first_message_of_each_kind_is_kept() -> None:
    bench, [(link, stream, _), *_] = sent_bench(1)
    bench.answer(link, error(stream, 0x1000), 5)
    size = bench.state.error_sample_sizes[ErrorKind.UNAVAILABLE]
    assert bench.state.error_samples[ErrorKind.UNAVAILABLE, :size].tobytes().endswith(b"by plan")


def test_a_result_that_is_neither_void_nor_rows_is_no_acknowledgement() -> None:
    bench, [(link, stream, _), *_] = sent_bench(1)
    bench.answer(link, response(stream, struct.pack(">i", ResultKind.SCHEMA_CHANGE)), 5)
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.UNEXPECTED_ANSWER) == 1
    assert bench.ledger.slots(0, 0, 1)[0, 0] == 1
    assert bench.link(link, LinkField.STATUS) == LinkStatus.LOST


@pytest.mark.parametrize("at", [0, 1, 39, 200, 370])
def test_wherever_in_the_buffer_it_stands_a_result_of_four_bytes_is_void_or_none(at: int) -> None:
    """Void answers come by the hundred in one read; what stands among them is judged by its own bytes."""
    bench = new_bench([0] * 1_600, in_flight=1_600, streams=500, out_bytes=500 * FRAME_SIZE, in_bytes=16_000)
    bench.submit(0)
    streams = [stream for link, stream, _ in bench.sent() if link == 0]
    assert len(streams) == 400
    answers = [response(stream) for stream in streams]
    answers[at] = response(streams[at], struct.pack(">i", ResultKind.SCHEMA_CHANGE))
    bench.answer(0, b"".join(answers), 5)
    assert bench.total(Total.OK) == at
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def receive_in_pieces(bench: Bench, data: bytes, in_bytes: int) -> None:
    """Bytes on link 0 whose buffer holds `in_bytes`: a socket's bytes beyond it stay in the socket."""
    while data:
        room = in_bytes - bench.link(0, LinkField.IN_END)
        assert room > 0, "the scan left no room for what comes"
        bench.answer(0, data[: min(room, 60)], 5)
        data = data[min(room, 60) :]


def test_an_answer_larger_than_the_buffer_counts_once_its_last_byte_has_come() -> None:
    bench, sent = sent_bench(8, in_bytes=100)
    streams = [stream for link, stream, _ in sent if link == 0]
    large = response(streams[0], ROWS + b"\xff" * 1_000)
    receive_in_pieces(bench, large[:-1], 100)
    assert bench.total(Total.OK) == 0 and bench.link(0, LinkField.IN_FLIGHT) == 2
    receive_in_pieces(bench, large[-1:] + response(streams[1]), 100)
    assert bench.total(Total.OK) == 2 and bench.link(0, LinkField.STATUS) == LinkStatus.OPEN


def test_an_error_larger_than_the_buffer_keeps_its_kind_and_message() -> None:
    bench, sent = sent_bench(4, in_bytes=100)
    message = b"x" * 300
    body = struct.pack(">iH", 0x1001, len(message)) + message
    receive_in_pieces(bench, response(sent[0][1], body, opcode=Opcode.ERROR), 100)
    assert bench.errors(RequestOutcome.FAILED, ErrorKind.OVERLOADED) == 1
    assert bench.state.error_samples[ErrorKind.OVERLOADED, :10].tobytes() == body[:10]


@pytest.mark.parametrize("stream", [99, 50, 200])
def test_an_answer_to_nothing_gives_the_link_up(stream: int) -> None:
    """Were it a second answer to one request, the next could be taken for that of another operation."""
    bench, [(link, *_), *_] = sent_bench(1)
    bench.answer(link, response(stream), 5)
    assert bench.total(Total.STRAY_ANSWERS) == 1 and bench.total(Total.OK) == 0
    assert bench.link(link, LinkField.STATUS) == LinkStatus.LOST


def test_a_second_answer_to_one_request_gives_the_link_up() -> None:
    bench, [(link, stream, _), *_] = sent_bench(1)
    bench.answer(link, response(stream) * 2, 5)
    assert bench.total(Total.OK) == 1 and bench.link(link, LinkField.STATUS) == LinkStatus.LOST


def test_an_event_is_counted_and_changes_nothing() -> None:
    bench, _ = sent_bench(1)
    bench.answer(5, response(-1, b"\0\1x", opcode=Opcode.EVENT), 5)
    assert bench.total(Total.STRAY_ANSWERS) == 1 and bench.total(Total.IN_FLIGHT) == 1
    assert bench.link(5, LinkField.STATUS) == LinkStatus.OPEN


def test_answers_to_control_frames_are_ignored() -> None:
    bench, _ = sent_bench(1)
    bench.answer(0, response(CONTROL_STREAM, struct.pack(">i", ResultKind.PREPARED)), 5)
    assert bench.total(Total.STRAY_ANSWERS) == 0


def test_bytes_that_are_no_response_give_the_link_up() -> None:
    bench, _ = sent_bench(1)
    bench.answer(0, b"HTTP/1.1 400 Bad Request\r\n", 5)
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def test_an_unprepared_statement_asks_for_a_prepare_and_is_retried() -> None:
    bench, [(link, stream, _), *_] = sent_bench(1, attempts=2)
    bench.answer(link, error(stream, 0x2500), 5)
    assert bench.link(link, LinkField.NEEDS_PREPARE) == 1 and bench.total(Total.WAITING) == 1


def test_an_opcode_that_is_no_answer() -> None:
    bench, [(link, stream, _), *_] = sent_bench(1)
    bench.answer(link, response(stream, b"", opcode=Opcode.READY), 5)
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.UNEXPECTED_ANSWER) == 1
