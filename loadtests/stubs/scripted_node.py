"""A stub of a Cassandra node for tests: speaks the CQL native protocol v4, answers by plan, and can misbehave.

One thread with a selector; nothing is stored. What it answers to each EXECUTE is decided by `answer`, so that a test
can make it slow, full, forgetful or silent at the moment that it wants.
"""

import contextlib
import hashlib
import heapq
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests.sender.protocol import HEADER_SIZE, VERSION_RESPONSE, Opcode, ResultKind, build_frame, parse_header

VOID = struct.pack(">i", ResultKind.VOID)
_TICK_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """An EXECUTE that the stub received. number: 0, 1, 2, ... in the order of arrival over all connections."""

    number: int
    at_s: float  # time.monotonic()
    connection: int
    stream: int
    body: bytes
    prepared_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """A frame that is sent back. flags: of its header; what they announce must stand at the beginning of `body`."""

    opcode: int = Opcode.RESULT
    body: bytes = VOID
    after_s: float = 0.0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Bytes that are sent as they are: half a frame, or what is none."""

    data: bytes


def error_answer(code: int, message: str = "by plan", extra: bytes = b"") -> ScriptedAnswer:
    """An ERROR with the protocol's code; extra: what the code's own fields are."""
    text = message.encode()
    return ScriptedAnswer(opcode=Opcode.ERROR, body=struct.pack(">iH", code, len(text)) + text + extra)


def unprepared_answer(prepared_id: bytes) -> ScriptedAnswer:
    return error_answer(0x2500, "no such statement", struct.pack(">H", len(prepared_id)) + prepared_id)


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    number: int
    received: bytearray = field(default_factory=bytearray)
    to_send: bytearray = field(default_factory=bytearray)
    is_logged_in: bool = False


class StubServer:
    """A node on a loopback address; a context manager. Attributes may be changed while it runs.

    answer: Execute -> Answer or RawAnswer, or None for no answer at all, ever. service_time_s: added to each answer's `after_s`.
    credentials: (username, password) that it asks for. tls: a server context. address, port: 0 takes a free port.
    `executes` holds what was received (nothing with `keeps_executes` off: for long loads), `prepared` the CQL by
    statement id.
    """

    def __init__(
        self,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        answer: Callable[[Execute], ScriptedAnswer | RawAnswer | None] = lambda _: ScriptedAnswer(),
        service_time_s: float = 0.0,
        credentials: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        keeps_executes: bool = True,
    ) -> None:
        self.answer = answer
        self.service_time_s = service_time_s
        self.credentials = credentials
        self.executes: list[Execute] = []
        self.prepared: dict[bytes, str] = {}
        self.prepare_count = 0
        self.accepted_count = 0
        self.execute_count = 0
        self._keeps_executes = keeps_executes
        self._tls = tls
        self._listener = socket.create_server((address, port))
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._selector = selectors.SelectSelector()  # waits to the microsecond; epoll rounds up to a millisecond
        self._clients: dict[int, _Client] = {}
        self._due: list[tuple[float, int, int, bytes]] = []  # (when, tie-breaker, client number, frame)
        self._due_count = 0
        self._paused_until_s = 0.0
        self._wants_drop = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="stub-server", daemon=True)

    def __enter__(self) -> "StubServer":
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and close everything. Closing twice is harmless."""
        self._is_closing.set()
        self._thread.join()
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()
        self._listener.close()
        self._selector.close()

    def pause(self, for_s: float) -> None:
        """Neither read nor answer anything for a while, as a process that is stopped by a garbage collection."""
        self._paused_until_s = time.monotonic() + for_s

    def drop_connections(self) -> None:
        """Close every connection at once; answers that were due are lost. New ones are accepted."""
        self._wants_drop.set()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            if self._wants_drop.is_set():
                self._wants_drop.clear()
                self._drop()
            if time.monotonic() < self._paused_until_s:
                time.sleep(_TICK_S)
                continue
            for key, _ in self._selector.select(timeout=self._wait_s()):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(self._clients[key.data])
            self._answer_due()

    def _wait_s(self) -> float:
        return min(max(self._due[0][0] - time.monotonic(), 0.0), _TICK_S) if self._due else _TICK_S

    def _drop(self) -> None:
        for number in list(self._clients):
            self._forget(number)

    def _forget(self, number: int) -> None:
        client = self._clients.pop(number)
        self._selector.unregister(client.connection)
        client.connection.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if self._tls is not None:
            connection.settimeout(5.0)
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not trust the certificate, or speaks plain TCP
                connection.close()
                return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = self.accepted_count
        self.accepted_count += 1
        self._clients[number] = _Client(connection, number)
        self._selector.register(connection, selectors.EVENT_READ, number)

    def _read(self, client: _Client) -> None:
        try:
            while True:
                part = client.connection.recv(1 << 18)
                if not part:
                    self._forget(client.number)
                    return
                client.received += part
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self._forget(client.number)
            return
        position = 0
        while len(client.received) - position >= HEADER_SIZE:
            header = parse_header(bytes(client.received[position : position + HEADER_SIZE]))
            end = position + HEADER_SIZE + header.body_size
            if end > len(client.received):
                break
            self._handle(client, header.opcode, header.stream, bytes(client.received[position + HEADER_SIZE : end]))
            position = end
        del client.received[:position]

    def _handle(self, client: _Client, opcode: int, stream: int, body: bytes) -> None:
        if opcode == Opcode.EXECUTE:
            self._execute(client, stream, body)
        elif opcode == Opcode.STARTUP:
            if self.credentials is None:
                client.is_logged_in = True
                self._reply(client, stream, ScriptedAnswer(opcode=Opcode.READY, body=b""))
            else:
                name = b"org.apache.cassandra.auth.PasswordAuthenticator"
                self._reply(
                    client, stream, ScriptedAnswer(opcode=Opcode.AUTHENTICATE, body=struct.pack(">H", len(name)) + name)
                )
        elif opcode == Opcode.AUTH_RESPONSE:
            _, username, password = body[4:].split(b"\0")
            client.is_logged_in = (username.decode(), password.decode()) == self.credentials
            accepted = ScriptedAnswer(opcode=Opcode.AUTH_SUCCESS, body=struct.pack(">i", -1))
            refused = error_answer(0x0100, "Provided username and/or password are incorrect")
            self._reply(client, stream, accepted if client.is_logged_in else refused)
        elif opcode == Opcode.PREPARE:
            cql = body[4:].decode()
            prepared_id = prepared_id_of(cql)
            self.prepared[prepared_id] = cql
            self.prepare_count += 1
            # No bound variables and no result columns are described: the engine does not read them.
            metadata = struct.pack(">iii", 0, 0, 0) + struct.pack(">ii", 0, 0)
            self._reply(
                client,
                stream,
                ScriptedAnswer(body=struct.pack(">iH", ResultKind.PREPARED, 16) + prepared_id + metadata),
            )
        else:
            self._reply(client, stream, error_answer(0x000A, f"opcode 0x{opcode:02x} is not served"))

    def _execute(self, client: _Client, stream: int, body: bytes) -> None:
        (id_size,) = struct.unpack_from(">H", body)
        execute = Execute(
            number=self.execute_count,
            at_s=time.monotonic(),
            connection=client.number,
            stream=stream,
            body=body,
            prepared_id=body[2 : 2 + id_size],
        )
        self.execute_count += 1
        if self._keeps_executes:
            self.executes.append(execute)
        answer = self.answer(execute)
        if isinstance(answer, RawAnswer):
            self._send_after(client, self.service_time_s, answer.data)
        elif answer is not None:
            self._reply(client, stream, answer)

    def _reply(self, client: _Client, stream: int, answer: ScriptedAnswer) -> None:
        frame = bytearray(build_frame(answer.opcode, answer.body, stream=stream, version=VERSION_RESPONSE))
        frame[1] = answer.flags
        after_s = answer.after_s + (self.service_time_s if answer.opcode == Opcode.RESULT else 0.0)
        self._send_after(client, after_s, bytes(frame))

    def _send_after(self, client: _Client, after_s: float, data: bytes) -> None:
        self._due_count += 1
        heapq.heappush(self._due, (time.monotonic() + after_s, self._due_count, client.number, data))

    def _answer_due(self) -> None:
        now_s = time.monotonic()
        while self._due and self._due[0][0] <= now_s:
            _, _, number, frame = heapq.heappop(self._due)
            if number in self._clients:
                self._clients[number].to_send += frame
        for number, client in list(self._clients.items()):
            if not client.to_send:
                continue
            try:
                with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    while client.to_send:
                        del client.to_send[: client.connection.send(client.to_send)]
            except OSError:
                self._forget(number)


def prepared_id_of(cql: str) -> bytes:
    """The id that the stub gives a statement: 16 bytes, as Cassandra's."""
    return hashlib.md5(cql.encode(), usedforsecurity=False).digest()
