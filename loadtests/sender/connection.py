"""Opening one connection to one node: TCP, TLS, STARTUP, login, PREPARE. Blocking; runs before the storm or beside it."""

import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.errors import HarnessError
from loadtests.sender.protocol import (
    CONTROL_STREAM,
    HEADER_SIZE,
    FrameError,
    Header,
    Opcode,
    body_proper,
    build_plain_login,
    build_prepare,
    build_startup,
    check_response,
    parse_error,
    parse_header,
    parse_prepared_id,
    parse_string,
)

_SO_TIMESTAMPNS = 35  # the socket module has no name for it
_BAD_CREDENTIALS = 0x0100
# A large send buffer lets one tick's frames leave in one call; the receive buffer keeps a busy node from stalling.
_SOCKET_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of PasswordAuthenticator. The password is not shown when this is printed."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, password=...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How nodes are spoken to. tls: a context that checks what it should check; None for plain TCP."""

    credentials: Credentials | None = None
    tls: ssl.SSLContext | None = None
    timeout_s: float = 10.0  # of each step of opening a connection


class NodeUnreachable(HarnessError):
    """A node does not answer: it may be down, and others may do without it."""


def open_connection(
    address: tuple[str, int], access: Access, statements: Sequence[str]
) -> tuple[socket.socket, list[bytes]]:
    """A connection that is ready for EXECUTE, non-blocking, and the ids of `statements` (CQL, keyspace-qualified).

    Statements are prepared on every new connection: a node that was restarted, or joined, may not know them.
    Raises NodeUnreachable for a node that does not answer, HarnessError for a refused login, bad TLS, a statement that
    the node refuses, or answers that are no CQL frames.
    """
    where = f"{address[0]}:{address[1]}"
    opened: socket.socket | None = None
    try:
        opened = socket.create_connection(address, timeout=access.timeout_s)
        connection = _secure(opened, address[0], where, access.tls)
        opened = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        stamp_arrivals(connection)
        _start_session(connection, where, access.credentials)
        prepared_ids = [_prepare(connection, where, cql) for cql in statements]
        connection.setblocking(False)
    except (OSError, FrameError, HarnessError) as error:
        if opened is not None:
            opened.close()
        if isinstance(error, HarnessError):
            raise
        if isinstance(error, FrameError):
            raise HarnessError(f"{where}: no connection: {error}; is this a node's CQL port?") from error
        raise NodeUnreachable(
            f"{where}: no connection: {error or 'timed out'}; is the node up, and this its CQL port?"
        ) from error
    return connection, prepared_ids


def stamp_arrivals(connection: socket.socket) -> None:
    """Have the kernel tell when bytes came (`loadtests.sender.syscalls.receive_stamped`), where it can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def _secure(plain: socket.socket, host: str, where: str, tls: ssl.SSLContext | None) -> socket.socket:
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=host)
    except OSError as error:
        raise HarnessError(
            f"{where}: no TLS connection: {error}; does it speak TLS, and is --ca the certificate that signed it?"
        ) from error


def _start_session(connection: socket.socket, where: str, credentials: Credentials | None) -> None:
    header, body = _ask(connection, build_startup(stream=CONTROL_STREAM))
    if header.opcode == Opcode.AUTHENTICATE:
        if credentials is None:
            raise HarnessError(f"{where}: wants a login ({parse_string(body)}); give --username and --password-file")
        login = build_plain_login(credentials.username, credentials.password, stream=CONTROL_STREAM)
        header, body = _ask(connection, login)
    if header.opcode == Opcode.ERROR:
        code, message = parse_error(body)
        if code == _BAD_CREDENTIALS and credentials is not None:
            raise HarnessError(f"{where}: refused the login of '{credentials.username}': {message}")
        raise HarnessError(f"{where}: refused the session: {message} (code 0x{code:04x})")
    if header.opcode not in (Opcode.READY, Opcode.AUTH_SUCCESS):
        raise HarnessError(f"{where}: answered STARTUP with opcode 0x{header.opcode:02x}; is it a Cassandra node?")


def _prepare(connection: socket.socket, where: str, cql: str) -> bytes:
    header, body = _ask(connection, build_prepare(cql, stream=CONTROL_STREAM))
    if header.opcode == Opcode.ERROR:
        raise HarnessError(f"{where}: refused to prepare a statement: {parse_error(body)[1]}: {cql}")
    return parse_prepared_id(body)


def _ask(connection: socket.socket, frame: bytes) -> tuple[Header, bytes]:
    """One request and its answer, without warnings and the like. The socket's time-out holds for both together."""
    limit_s = connection.gettimeout()
    assert limit_s is not None
    deadline_s = time.monotonic() + limit_s
    try:
        connection.sendall(frame)
        header = parse_header(_receive(connection, HEADER_SIZE, deadline_s))
        check_response(header)
        return header, body_proper(header, _receive(connection, header.body_size, deadline_s))
    finally:
        connection.settimeout(limit_s)


def _receive(connection: socket.socket, size: int, deadline_s: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:  # a peer that sends a byte now and then is none that answers
            raise TimeoutError("timed out")
        connection.settimeout(left_s)
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the other side closed the connection")
        data += part
    return bytes(data)
