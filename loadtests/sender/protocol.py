"""The CQL native protocol, version 4: numbers and the control frames of a session. No I/O.

Source: Apache Cassandra, doc/native_protocol_v4.spec. Frames are big-endian: a header of 9 bytes (version, flags,
stream id, opcode, body length), then the body. Version 4 and not 5: v5 wraps frames into checksummed segments, which
costs a CRC over every byte on both sides and proves nothing more on a loopback or TLS connection.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

VERSION_REQUEST = 0x04
VERSION_RESPONSE = 0x84
HEADER_SIZE = 9
FRAME_BYTES_MAX = 256 * 1024 * 1024  # the server's own limit (native_transport_max_frame_size is at most this)
STREAM_COUNT_MAX = 32_767  # stream ids are int16 and not negative; the last one is kept for control frames
CONTROL_STREAM = 32_767


class Opcode(IntEnum):
    ERROR = 0x00
    STARTUP = 0x01
    READY = 0x02
    AUTHENTICATE = 0x03
    OPTIONS = 0x05
    SUPPORTED = 0x06
    QUERY = 0x07
    RESULT = 0x08
    PREPARE = 0x09
    EXECUTE = 0x0A
    EVENT = 0x0C
    AUTH_CHALLENGE = 0x0E
    AUTH_RESPONSE = 0x0F
    AUTH_SUCCESS = 0x10


class ResultKind(IntEnum):
    """The first [int] of a RESULT body."""

    VOID = 1
    ROWS = 2
    SET_KEYSPACE = 3
    PREPARED = 4
    SCHEMA_CHANGE = 5


class FrameError(ValueError):
    """Bytes that are no frame of the protocol, or one that may not stand where it stands."""


class HeaderFlag(IntEnum):
    """What stands before the body proper of a response, in this order."""

    TRACING = 0x02
    CUSTOM_PAYLOAD = 0x04
    WARNING = 0x08


class QueryFlag(IntEnum):
    """Flags of EXECUTE's query parameters."""

    VALUES = 0x01
    SKIP_METADATA = 0x02
    PAGE_SIZE = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    version: int
    flags: int
    stream: int
    opcode: int
    body_size: int


def parse_header(data: bytes) -> Header:
    """Take the 9 bytes of a frame header apart."""
    version, flags, stream, opcode, body_size = struct.unpack_from(">BBhBI", data)
    return Header(version=version, flags=flags, stream=stream, opcode=opcode, body_size=body_size)


def check_response(header: Header) -> None:
    """Raises FrameError for the header of what is no uncompressed response of version 4 and of a possible size."""
    known = HeaderFlag.TRACING | HeaderFlag.CUSTOM_PAYLOAD | HeaderFlag.WARNING
    if header.version != VERSION_RESPONSE or header.flags & ~known or header.body_size > FRAME_BYTES_MAX:
        raise FrameError("the answer is no CQL frame")


def body_proper(header: Header, body: bytes) -> bytes:
    """A response's body without the tracing id, the warnings and the payload before it. Raises FrameError when it is cut off."""
    at = 16 if header.flags & HeaderFlag.TRACING else 0
    try:
        if header.flags & HeaderFlag.WARNING:
            (count,) = struct.unpack_from(">H", body, at)
            at += 2
            for _ in range(count):
                at += 2 + struct.unpack_from(">H", body, at)[0]
        if header.flags & HeaderFlag.CUSTOM_PAYLOAD:
            (count,) = struct.unpack_from(">H", body, at)
            at += 2
            for _ in range(count):
                at += 2 + struct.unpack_from(">H", body, at)[0]
                at += 4 + max(struct.unpack_from(">i", body, at)[0], 0)
    except struct.error:
        at = len(body) + 1
    if at > len(body):
        raise FrameError("the answer ends within what stands before its body")
    return body[at:]


def build_frame(opcode: int, body: bytes, *, stream: int = 0, version: int = VERSION_REQUEST) -> bytes:
    """One whole frame, uncompressed and without flags."""
    return struct.pack(">BBhBI", version, 0, stream, opcode, len(body)) + body


def build_startup(*, stream: int = 0) -> bytes:
    """STARTUP without compression: the answers to writes are 13 bytes, and the CPU time saved is the client's own."""
    entries = {"CQL_VERSION": "3.0.0", "DRIVER_NAME": "meterstorm"}
    body = struct.pack(">H", len(entries)) + b"".join(_string(key) + _string(text) for key, text in entries.items())
    return build_frame(Opcode.STARTUP, body, stream=stream)


def build_plain_login(username: str, password: str, *, stream: int = 0) -> bytes:
    """AUTH_RESPONSE for PasswordAuthenticator: SASL PLAIN, NUL user NUL password. Source: RFC 4616."""
    token = b"\0" + username.encode() + b"\0" + password.encode()
    return build_frame(Opcode.AUTH_RESPONSE, struct.pack(">i", len(token)) + token, stream=stream)


def build_prepare(cql: str, *, stream: int = 0) -> bytes:
    """PREPARE of one statement, whose tables must be qualified by their keyspace."""
    text = cql.encode()
    return build_frame(Opcode.PREPARE, struct.pack(">I", len(text)) + text, stream=stream)


def parse_error(body: bytes) -> tuple[int, str]:
    """The [int] code and the [string] message of an ERROR body. Raises FrameError for a body that holds neither."""
    if len(body) < 6:
        raise FrameError("an ERROR without code and message")
    code, size = struct.unpack_from(">iH", body)
    return code, body[6 : 6 + size].decode(errors="replace")


def parse_prepared_id(body: bytes) -> bytes:
    """The statement id [short bytes] of a RESULT body of kind PREPARED. Raises FrameError for any other body."""
    if len(body) < 6 or int.from_bytes(body[:4]) != ResultKind.PREPARED:
        raise FrameError("PREPARE was answered with something else")
    _, size = struct.unpack_from(">iH", body)
    return body[6 : 6 + size]


def parse_string(body: bytes) -> str:
    """The [string] that a body begins with (AUTHENTICATE: the authenticator's class). Raises FrameError without any."""
    if len(body) < 2:
        raise FrameError("a [string] without a length")
    (size,) = struct.unpack_from(">H", body)
    return body[2 : 2 + size].decode(errors="replace")


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data
