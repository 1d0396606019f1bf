"""Bytes from a node, damaged anyhow, cut anywhere, with the silence detector on: nothing is acknowledged that was not,
every operation ends once, and no link that owes an answer is waited for beyond its silence.

The oracle reads the same bytes frame by frame, from the protocol's text and not from the kernels.
"""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.sender.completion import end_all, expire, lose_link
from loadtests.sender.state import EngineLimit, LinkField, LinkStatus, Total
from tests.support.engine_state import TIMEOUT_US, VOID, Bench, error, new_bench, response

IN_BYTES = 256
SILENCE_US = 3 * TIMEOUT_US
ROWS = struct.pack(">i", 2)

answers = st.sampled_from(["void", "warned", "rows", "large", "overloaded", "write_timeout"])
damages = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 2_000), st.integers(0, 255)),
    st.tuples(st.just("insert"), st.integers(0, 2_000), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("delete"), st.integers(0, 2_000), st.integers(1, 30)),
    st.tuples(st.just("repeat"), st.integers(0, 2_000), st.integers(1, 60)),
    st.tuples(st.just("end"), st.integers(0, 2_000), st.just(0)),
)


def frame_of(kind: str, stream: int) -> bytes:
    match kind:
        case "void":
            return response(stream)
        case "warned":
            return response(stream, struct.pack(">HH", 1, 4) + b"slow" + VOID, flags=0x08)
        case "rows":
            return response(stream, ROWS + bytes(40))
        case "large":
            return response(stream, ROWS + bytes(2 * IN_BYTES))
        case "overloaded":
            return error(stream, 0x1001)
    return error(stream, 0x1100)


def damaged(data: bytes, how: tuple[str, int, int | bytes]) -> bytes:
    what, at, by = how
    at %= len(data) + 1
    match what, by:
        case "set", int():
            return data[:at] + bytes([by]) + data[at + 1 :]
        case "insert", bytes():
            return data[:at] + by + data[at:]
        case "delete", int():
            return data[:at] + data[at + by :]
        case "repeat", int():
            return data[: at + by] + data[at:]
    return data[:at]


def body_of(frame: bytes) -> bytes | None:
    """What stands behind the tracing id, the warnings and the payload; None when they run beyond the end."""
    flags, at = frame[1], 9
    at += 16 if flags & 0x02 else 0
    if flags & 0x08:
        count = int.from_bytes(frame[at : at + 2])
        at += 2
        for _ in range(count):
            at += 2 + int.from_bytes(frame[at : at + 2])
    if flags & 0x04:
        count = int.from_bytes(frame[at : at + 2])
        at += 2
        for _ in range(count):
            at += 2 + int.from_bytes(frame[at : at + 2])
            at += 4 + max(int.from_bytes(frame[at : at + 4], signed=True) if at + 4 <= len(frame) else -1, 0)
    return frame[at:] if at + 4 <= len(frame) else None


def acknowledged_of(data: bytes, streams: set[int]) -> set[int]:
    """The streams that the bytes acknowledge, up to the first frame that is not whole or breaks the protocol."""
    found: set[int] = set()
    owed = set(streams)
    while len(data) >= 9:
        version, flags, stream, opcode, size = struct.unpack_from(">BBHBi", data)
        if version != 0x84 or flags & 0xF1 or not 0 <= size <= 256 * 1024 * 1024 or len(data) < 9 + size:
            break
        frame, data = data[: 9 + size], data[9 + size :]
        if (stream == 0xFFFF and opcode == 0x0C) or (stream == 0x7FFF and opcode in (0x00, 0x08)):
            continue
        body = body_of(frame)
        if stream not in owed or opcode not in (0x00, 0x08) or body is None:
            break
        owed.discard(stream)
        if opcode == 0x08:
            kind = int.from_bytes(body[:4], signed=True)
            if kind != 2 and (kind, len(body)) != (1, 4):
                break
            found.add(stream)
    return found


def receive(bench: Bench, link: int, data: bytes, sizes: list[int], now_us: int) -> int:
    """Give a link's bytes to the scan in pieces of these sizes, in turns, as far as its buffer has room; the time after."""
    turn = 0
    while data and bench.link(link, LinkField.STATUS) == LinkStatus.OPEN:
        room = IN_BYTES - bench.link(link, LinkField.IN_END)
        assert room > 0, "the scan left no room for what comes"
        size = min(sizes[turn % len(sizes)], room)
        now_us += 10
        bench.answer(link, data[:size], now_us)
        data = data[size:]
        turn += 1
    return now_us


@settings(max_examples=400, deadline=None)  # the first example compiles the kernels
@given(
    st.lists(answers, min_size=1, max_size=8),
    st.lists(damages, min_size=0, max_size=3),
    st.lists(st.integers(1, 80), min_size=1, max_size=5),
)
def test_damaged_answers(kinds: list[str], damage: list[tuple[str, int, int | bytes]], sizes: list[int]) -> None:
    bench = new_bench([0] * (4 * len(kinds)), attempts=1, in_bytes=IN_BYTES)  # as many on each of four links
    bench.state.limits[EngineLimit.SILENCE_US] = SILENCE_US
    bench.submit(0)
    streams = [stream for link, stream, _ in bench.sent() if link == 0]
    data = b"".join(frame_of(kind, stream) for kind, stream in zip(kinds, streams, strict=True))
    for how in damage:
        data = damaged(data, how)
    now_us = receive(bench, 0, data, sizes, 0)
    assert bench.total(Total.OK) == len(acknowledged_of(data, set(streams)))
    heard_us = now_us
    while now_us < heard_us + SILENCE_US + 100_000:  # event-loop ticks without a byte
        now_us += 100_000
        bench.answer(0, b"", now_us)
        expire(bench.state, now_us)
    owes = bench.link(0, LinkField.IN_FLIGHT) + bench.link(0, LinkField.ABANDONED) > 0
    assert bench.link(0, LinkField.IN_FLIGHT) == 0 or bench.link(0, LinkField.STATUS) == LinkStatus.LOST
    assert bench.link(0, LinkField.STATUS) == LinkStatus.LOST or not owes
    for link in range(4):
        lose_link(bench.state, link, now_us)
    end_all(bench.state, now_us)
    ended = [bench.total(total) for total in (Total.OK, Total.FAILED, Total.INDETERMINATE)]
    assert sum(ended) == len(bench.rows) and bench.total(Total.IN_FLIGHT) == 0


# Whole answers, heads of some, and bytes of any kind.
fragments = st.one_of(
    st.sampled_from([response(0), response(1), response(0, ROWS + bytes(30)), error(1, 0x1100), error(0, 0x1001)]),
    st.sampled_from([response(0)[:9], response(1, b"")[:8] + b"\x04", response(0, bytes(400))[:13]]),
    st.binary(max_size=20),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(fragments, max_size=8).map(b"".join), st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_any_fragments_in_any_order(data: bytes, sizes: list[int]) -> None:
    bench = new_bench([0] * 8, attempts=1, in_bytes=IN_BYTES)
    bench.submit(0)
    streams = {stream for link, stream, _ in bench.sent() if link == 0}
    receive(bench, 0, data, sizes, 0)
    assert bench.total(Total.OK) == len(acknowledged_of(data, streams))


bodies = st.builds(
    lambda before, kind, after: before + kind + after,
    st.sampled_from([b"", bytes(16), struct.pack(">HH", 1, 4) + b"slow", struct.pack(">H", 0), b"\0\x02\0\x01"]),
    st.sampled_from([b"", VOID, ROWS, struct.pack(">i", 4), struct.pack(">i", 0x1001)]),
    st.binary(max_size=20),
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 255), st.sampled_from([0, 1, 7, 0x7FFF, 0xFFFF]), st.sampled_from([0, 8, 12]), bodies)
def test_any_body_behind_a_header_that_is_right(flags: int, stream: int, opcode: int, body: bytes) -> None:
    bench = new_bench([0] * 8, attempts=1, in_bytes=IN_BYTES)
    bench.submit(0)
    streams = {stream for link, stream, _ in bench.sent() if link == 0}
    data = struct.pack(">BBHBi", 0x84, flags & 0x0E, stream, opcode, len(body)) + body
    receive(bench, 0, data, [70], 0)
    assert bench.total(Total.OK) == len(acknowledged_of(data, streams))
