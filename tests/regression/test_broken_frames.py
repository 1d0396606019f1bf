"""A server that breaks the protocol, or falls silent in the middle of a frame, is given up; what it owes is in doubt.

Met in use against a stub that misbehaves: a length of 2 GB was acknowledged from its first bytes and then skipped, the
version byte and the compression flag were not looked at, and half a frame in the buffer passed for a sign of life, so
that 1,163 of 1,500 operations waited for their time-outs on links that nobody opened again.
"""

import struct

import pytest

from loadtests.sender.completion import expire, lose_link
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.protocol import CONTROL_STREAM, FRAME_BYTES_MAX, HeaderFlag, Opcode, ResultKind
from loadtests.sender.state import LinkField, LinkStatus, Total
from loadtests.stubs.scripted_node import Execute, RawAnswer, StubServer
from tests.support.engine_state import TIMEOUT_US, VOID, new_bench, response
from tests.support.steady_inserts import SteadySource, new_engine

SCHEMA_CHANGE = struct.pack(">i", ResultKind.SCHEMA_CHANGE)


def framed(body: bytes = VOID, **wrong: int) -> bytes:
    """A response to stream 0, wrong in the fields that are given."""
    header = {"version": 0x84, "flags": 0, "stream": 0, "opcode": Opcode.RESULT, "size": len(body)} | wrong
    return struct.pack(">BBHBI", *header.values()) + body


BROKEN_FRAMES = {
    "a request": framed(version=0x04),
    "another version": framed(version=0x85),
    "compressed": framed(flags=0x01),
    "unknown flags": framed(flags=0x40),
    "a negative length": framed(size=0x8000_0000),
    "a length beyond the limit": framed(size=FRAME_BYTES_MAX + 1),
    "an opcode that answers no EXECUTE": framed(b"", opcode=Opcode.READY),
    "an event on a request's stream": framed(b"", opcode=Opcode.EVENT),
    "a result that is neither void nor rows": framed(SCHEMA_CHANGE),
    "a void result with more behind it": framed(VOID + b"\0"),
    "a result without a kind": framed(b"\0\0\0"),
    "an error without a code": framed(b"\0\0\0", opcode=Opcode.ERROR),
    "warnings beyond the end": framed(b"\0\x01\xff\xff" + VOID, flags=HeaderFlag.WARNING),
    "an answer to nothing": framed(stream=77),
    "a negative stream that is no event": framed(stream=0xFFFE),
    "a login on the stream of PREPARE": framed(b"", stream=CONTROL_STREAM, opcode=Opcode.AUTH_CHALLENGE),
}


@pytest.mark.parametrize("frame", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
def test_a_frame_that_breaks_the_protocol_closes_the_link_with_its_operations_in_doubt(frame: bytes) -> None:
    bench = new_bench([0] * 8, attempts=1)  # two on each of the links 0 to 3
    bench.submit(0)
    streams = [stream for link, stream, _ in bench.sent() if link == 0]
    assert streams == [0, 1]
    bench.answer(0, frame + response(streams[1]), 5)
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST and bench.link(0, LinkField.HAS_BROKEN)
    assert bench.total(Total.OK) == 0  # what comes after it is not believed either
    lose_link(bench.state, 0, 6)
    assert bench.total(Total.INDETERMINATE) == 2 and bench.total(Total.FAILED) == 0


def test_what_was_said_before_it_counts() -> None:
    bench = new_bench([0] * 8, attempts=1)
    bench.submit(0)
    bench.sent()
    bench.answer(0, response(1) + framed(version=0), 5)
    assert bench.total(Total.OK) == 1 and bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def test_silence_in_the_middle_of_a_frame_is_silence() -> None:
    bench = new_bench([0] * 4, attempts=1)
    bench.submit(0)
    bench.sent()
    bench.answer(0, response(0)[:7], 10)
    for now_us in range(500, 3 * TIMEOUT_US, 50_000):  # an event-loop tick without a byte
        bench.answer(0, b"", now_us)
        expire(bench.state, now_us)
    assert bench.link(0, LinkField.HEARD_US) == 10 and bench.link(0, LinkField.STATUS) == LinkStatus.OPEN
    expire(bench.state, 10 + 3 * TIMEOUT_US)
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def test_silence_behind_a_frame_larger_than_the_buffer_is_silence() -> None:
    bench = new_bench([0] * 4, attempts=1, in_bytes=100)
    bench.submit(0)
    bench.sent()
    bench.answer(0, response(0, struct.pack(">i", ResultKind.ROWS) + bytes(500))[:100], 10)
    bench.answer(0, b"", TIMEOUT_US)
    assert bench.total(Total.OK) == 0
    expire(bench.state, 10 + 3 * TIMEOUT_US)
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST


def test_a_link_all_of_whose_answers_are_overdue_is_given_up_without_another_request() -> None:
    bench = new_bench([0], attempts=1)
    bench.submit(0)
    [(link, *_)] = bench.sent()
    expire(bench.state, TIMEOUT_US)
    assert bench.errors(RequestOutcome.INDETERMINATE, ErrorKind.CLIENT_TIMEOUT) == 1
    assert bench.link(link, LinkField.STATUS) == LinkStatus.OPEN
    expire(bench.state, 3 * TIMEOUT_US)
    assert bench.link(link, LinkField.STATUS) == LinkStatus.LOST


def test_a_peer_that_falls_silent_in_mid_frame_is_left_and_the_storm_goes_on() -> None:
    """Each connection stops for good in the middle of its 20th answer; new connections do as well as the first."""
    answered: dict[int, int] = {}

    def answer(execute: Execute) -> RawAnswer | None:
        count = answered[execute.connection] = answered.get(execute.connection, 0) + 1
        frame = response(execute.stream)
        if execute.connection < 2 and count >= 20:
            return RawAnswer(frame[:7]) if count == 20 else None
        return RawAnswer(frame)

    with (
        StubServer(answer=answer) as server,
        new_engine(server, operation_timeout_s=0.3, silence_s_max=0.4, attempts_max=8) as engine,
    ):
        report = engine.run(SteadySource(1_500, 1_000))
    assert report.reopened == 2
    assert report.ok == report.offered == 1_500


@pytest.mark.parametrize("frame", [framed(size=0x7FFF_FFFF), framed(version=0x05), framed(flags=0x01)])
def test_a_storm_against_a_server_that_breaks_the_protocol_once(frame: bytes) -> None:
    def answer(execute: Execute) -> RawAnswer:
        return RawAnswer(frame if execute.number == 200 else response(execute.stream))

    with StubServer(answer=answer) as server, new_engine(server) as engine:
        report = engine.run(SteadySource(1_000, 1_000))
    assert report.ok == report.offered == 1_000 and report.reopened == 1
    assert {tally.kind for tally in report.errors} <= {"connection_lost", "unexpected_answer", "no_connection"}
