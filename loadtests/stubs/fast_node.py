"""A stub of a Cassandra node that is never the limit: a process of its own that answers every EXECUTE at once, in bulk.

Unlike `loadtests.stubs.scripted_node` it can't misbehave, and unlike that one cassandra-driver can connect to it: it knows the
handshake and the two system tables that the driver needs, of a cluster of this one node. It stores nothing, so every
read is answered like a write, by an empty result.

Run as `python -m loadtests.stubs.fast_node ADDRESS DC KEYSPACE`. It prints its port; when its standard input ends, it
prints how many requests it answered, and ends.
"""

import json
import re
import selectors
import socket
import struct
import subprocess
import sys
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.protocol import HEADER_SIZE, VERSION_RESPONSE, Opcode, ResultKind, build_frame
from sim.kernels import kernel

RECEIVE_BYTES = 1 << 20
ANSWER_SIZE = HEADER_SIZE + 4  # RESULT, of kind VOID
REGISTER = 0x0B  # the driver asks to be told of events; there are none

_VARCHAR, _BOOLEAN, _INET, _UUID, _MAP, _SET = 0x0D, 0x04, 0x10, 0x0C, 0x21, 0x22
_EXECUTE, _RESULT, _VOID = int(Opcode.EXECUTE), int(Opcode.RESULT), int(ResultKind.VOID)


class BulkStub:
    """The stub's process, as a context manager. `contact_point` and `port` say where it listens."""

    def __init__(self, *, keyspace: str, dc: str = "north", address: str = "127.0.0.1") -> None:
        self.contact_point = address
        self.answered: int | None = None
        command = [sys.executable, "-m", "loadtests.stubs.fast_node", address, dc, keyspace]
        # Its standard input ends with us, however we end: the stub does not outlive its parent.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it; how many EXECUTEs it answered. Stopping twice is harmless."""
        if self.answered is None:
            out, _ = self.process.communicate(timeout=30)
            self.answered = int(json.loads(out)["answered"])
        return self.answered


@kernel
def answer_executes(received: NDArray[np.uint8], size: int, answers: NDArray[np.uint8]) -> tuple[int, int]:
    """Answer the whole EXECUTE frames at the beginning of uint8[n] `received`, of which `size` bytes are filled.

    Writes RESULT frames of kind VOID into uint8[m] `answers`, changed in place. Returns how many bytes were read and how
    many answers written; stops at a frame that is not whole, of another kind, or does not fit any more.
    """
    read, count = 0, 0
    while size - read >= HEADER_SIZE and (count + 1) * ANSWER_SIZE <= len(answers):
        body_size = 0
        for at in range(5, HEADER_SIZE):
            body_size = (body_size << 8) | int(received[read + at])
        if received[read + 4] != _EXECUTE or read + HEADER_SIZE + body_size > size:
            break
        at = count * ANSWER_SIZE
        answers[at : at + ANSWER_SIZE] = 0
        answers[at] = VERSION_RESPONSE
        answers[at + 2] = received[read + 2]  # the stream id
        answers[at + 3] = received[read + 3]
        answers[at + 4] = _RESULT
        answers[at + 8] = 4
        answers[at + 12] = _VOID
        read += HEADER_SIZE + body_size
        count += 1
    return read, count


class _Client:
    """One connection: what was received and not yet read, and what is not yet sent."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = np.zeros(2 * RECEIVE_BYTES, np.uint8)
        self.size = 0
        self.to_send = bytearray()


class _Node:
    """The node itself: one thread, one selector."""

    def __init__(self, address: str, dc: str, keyspace: str) -> None:
        self.answered = 0
        self._address, self._dc, self._keyspace = address, dc, keyspace
        self._listener = socket.create_server((address, 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._answers = np.zeros(ANSWER_SIZE * (RECEIVE_BYTES // 16), np.uint8)
        answer_executes(np.zeros(1, np.uint8), 0, self._answers)  # compiled before anyone waits for it

    def serve(self) -> None:
        """Until standard input ends."""
        while True:
            for key, events in self._selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                    continue
                try:
                    if events & selectors.EVENT_READ:
                        self._read(key.data)
                    self._send(key.data)
                except OSError:
                    self._selector.unregister(key.fileobj)
                    key.data.connection.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, _Client(connection))

    def _read(self, client: _Client) -> None:
        """Take what is there and answer it. Raises OSError when the client has gone."""
        try:
            got = client.connection.recv_into(client.received[client.size :].data)
        except BlockingIOError:
            return
        if got == 0:
            raise ConnectionResetError
        client.size += got
        while client.size:
            read, count = answer_executes(client.received, client.size, self._answers)
            self.answered += count
            client.to_send += self._answers[: count * ANSWER_SIZE].tobytes()
            if not count and not (read := self._answer_other(client)):
                break
            client.received[: client.size - read] = client.received[read : client.size].copy()
            client.size -= read

    def _send(self, client: _Client) -> None:
        try:
            while client.to_send:
                del client.to_send[: client.connection.send(client.to_send)]
        except BlockingIOError:
            pass
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.to_send else 0)
        self._selector.modify(client.connection, wanted, client)

    def _answer_other(self, client: _Client) -> int:
        """Answer a frame of the handshake; its size, or 0 when it is not whole."""
        if client.size < HEADER_SIZE:
            return 0
        data = client.received[: client.size].tobytes()
        _, _, stream, opcode, body_size = struct.unpack_from(">BBhBI", data)
        end: int = HEADER_SIZE + body_size
        if end > client.size or opcode == Opcode.EXECUTE:
            return 0
        kind, body = self._other(opcode, data[HEADER_SIZE:end])
        client.to_send += build_frame(kind, body, stream=stream, version=VERSION_RESPONSE)
        return end

    def _other(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        if opcode == Opcode.OPTIONS:
            version = _text("CQL_VERSION") + struct.pack(">H", 1) + _text("3.4.5")
            return Opcode.SUPPORTED, struct.pack(">H", 2) + version + _text("COMPRESSION") + struct.pack(">H", 0)
        if opcode in (Opcode.STARTUP, REGISTER):
            return Opcode.READY, b""
        if opcode == Opcode.PREPARE:
            return Opcode.RESULT, _prepared(body[4:].decode())
        assert opcode == Opcode.QUERY, f"opcode 0x{opcode:02x} is not served"
        (size,) = struct.unpack_from(">i", body)
        return Opcode.RESULT, self._query(body[4 : 4 + size].decode())

    def _query(self, cql: str) -> bytes:
        if "system.local" in cql:
            node = uuid.uuid5(uuid.NAMESPACE_DNS, self._address).bytes
            cells = {
                "key": (_VARCHAR, b"local"),
                "cluster_name": (_VARCHAR, b"stub"),
                "data_center": (_VARCHAR, self._dc.encode()),
                "rack": (_VARCHAR, b"rack"),
                "partitioner": (_VARCHAR, b"org.apache.cassandra.dht.Murmur3Partitioner"),
                "release_version": (_VARCHAR, b"4.0.0"),
                "host_id": (_UUID, node),
                "schema_version": (_UUID, node),
                "rpc_address": (_INET, socket.inet_aton(self._address)),
                "tokens": (_SET, _collection(["0"])),
            }
            asked = re.search(r"SELECT (.*) FROM", cql)
            names = asked.group(1).split(", ") if asked and asked.group(1) != "*" else list(cells)
            return _rows("system", "local", {name: cells[name] for name in names})
        if "system_schema.keyspaces" in cql:
            strategy = "org.apache.cassandra.locator.NetworkTopologyStrategy"
            return _rows(
                "system_schema",
                "keyspaces",
                {
                    "keyspace_name": (_VARCHAR, self._keyspace.encode()),
                    "durable_writes": (_BOOLEAN, b"\1"),
                    "replication": (_MAP, _collection(["class", strategy, self._dc, "1"], pairs=True)),
                },
            )
        if "system" in cql:
            return _rows("system", "empty", {"nothing": (_VARCHAR, None)})
        return struct.pack(">i", ResultKind.VOID)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def _collection(values: list[str], *, pairs: bool = False) -> bytes:
    count = len(values) // (2 if pairs else 1)
    return struct.pack(">i", count) + b"".join(struct.pack(">i", len(v.encode())) + v.encode() for v in values)


def _type(code: int) -> bytes:
    inner = {_SET: 1, _MAP: 2}.get(code, 0)
    return struct.pack(">H", code) + struct.pack(">H", _VARCHAR) * inner


def _rows(keyspace: str, table: str, row: Mapping[str, tuple[int, bytes | None]]) -> bytes:
    """A RESULT of one row: column -> (type, value); of none when the values are None."""
    columns = b"".join(_text(name) + _type(code) for name, (code, _) in row.items())
    values = [value for _, value in row.values() if value is not None]
    head = struct.pack(">iii", ResultKind.ROWS, 1, len(row)) + _text(keyspace) + _text(table)
    cells = b"".join(struct.pack(">i", len(value)) + value for value in values)
    return head + columns + struct.pack(">i", 1 if values else 0) + cells


def _prepared(cql: str) -> bytes:
    """The binds are described as blobs, by count alone: the wire engine does not read it, and the driver need not bind."""
    count = len(re.findall(r"\?|:\w+", cql))
    binds = b"".join(_text(f"bind_{at}") + struct.pack(">H", 0x03) for at in range(count))
    head = struct.pack(">iii", 1, count, 0) + _text("stub") + _text("stub")
    identity = uuid.uuid5(uuid.NAMESPACE_OID, cql).bytes
    nothing = struct.pack(">ii", 4, 0)  # no metadata of a result
    return struct.pack(">iH", ResultKind.PREPARED, len(identity)) + identity + head + binds + nothing


def main() -> None:
    """The process."""
    node = _Node(*sys.argv[1:])
    print(node.port, flush=True)
    node.serve()
    print(json.dumps({"answered": node.answered}), flush=True)


if __name__ == "__main__":
    main()
