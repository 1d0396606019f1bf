"""Nodes for cassandra-driver on loopback addresses: each tells of itself and its peer, and of its tables what a test wants.

Real sockets, frames and driver; a node that dies, or refuses, does so at the very request at which a test wants it.
"""

import os
import socketserver
import struct
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Self

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import Node
from loadtests.wire.protocol import HEADER_SIZE, VERSION_RESPONSE, Opcode, ResultKind, build_frame, parse_header

OVERLOADED, IS_BOOTSTRAPPING, SERVER_ERROR = 0x1001, 0x1002, 0x0000
REGISTER = 0x0B
NODES = {"north": "127.0.0.1", "south": "127.0.0.2"}  # by DC, which has this one
IDLE = "import sys; sys.stdin.read()"  # until it is killed, or we are gone

Value = str | int | uuid.UUID | IPv4Address
Frame = tuple[int, bytes]  # opcode and body
Told = Callable[[str, str], Frame | None]
"""(node's DC, CQL) -> the answer; None shuts the connection instead."""


def rows(*told: Mapping[str, Value]) -> Frame:
    """A RESULT of rows that all have the first one's columns; without any, of a column that nobody asks for."""
    columns = list((told[0] if told else {"none": 0}).items())
    body = struct.pack(">iii", ResultKind.ROWS, 1, len(columns)) + _short("k") + _short("t")
    body += b"".join(_short(name) + struct.pack(">H", _encoded(value)[0]) for name, value in columns)
    body += struct.pack(">i", len(told))
    for row in told:
        for data in (_encoded(value)[1] for value in row.values()):
            body += struct.pack(">i", len(data)) + data
    return Opcode.RESULT, body


def refusal(code: int) -> Frame:
    """An ERROR."""
    return Opcode.ERROR, struct.pack(">i", code) + _short("by plan")


class TwoNodes:
    """One node in `north` and one in `south`, as far as connecting to a `LocalCluster` and looking at it goes.

    told: what they say of all tables that are not of the ring or the schema. Each has a process, which does nothing.
    """

    def __init__(self, told: Told, folder: Path) -> None:
        north = _Server((NODES["north"], 0), "north", told)
        self._servers = [north, _Server((NODES["south"], north.server_address[1]), "south", told)]
        self._processes = {dc: subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE) for dc in NODES}
        self._folder = folder

    def __enter__(self) -> Self:
        for server in self._servers:
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.communicate()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def endpoint(self) -> Endpoint:
        return Endpoint(contact_points=(NODES["north"],), local_dc="north", port=self._servers[0].server_address[1])

    @property
    def nodes(self) -> list[Node]:
        return [
            Node(name=f"{dc}-1", dc=dc, address=address, pid=self._processes[dc].pid, folder=self._folder / dc)
            for dc, address in NODES.items()
        ]

    def kill(self, dc: str) -> None:
        """End a node's process, and leave it to others to ask for its exit code."""
        self._processes[dc].kill()
        os.waitid(os.P_PID, self._processes[dc].pid, os.WEXITED | os.WNOWAIT)

    def collect(self, dc: str) -> None:
        """Ask for the exit code of a node that was killed."""
        self._processes[dc].wait()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], dc: str, told: Told) -> None:
        super().__init__(address, _Connection)
        self.dc, self.told = dc, told

    def answer(self, opcode: int, body: bytes) -> Frame | None:
        if opcode == Opcode.OPTIONS:
            compression = _short("COMPRESSION") + struct.pack(">H", 0)
            return Opcode.SUPPORTED, struct.pack(">H", 2) + _short("CQL_VERSION") + b"\0\1" + _short(
                "3.4.7"
            ) + compression
        if opcode in (Opcode.STARTUP, REGISTER):
            return Opcode.READY, b""
        assert opcode == Opcode.QUERY, f"opcode 0x{opcode:02x} is not served"
        (size,) = struct.unpack_from(">i", body)
        cql = body[4 : 4 + size].decode()
        if "system.local" in cql:
            return rows(self._row(self.dc))
        if "system.peers" in cql:
            return rows(*(self._row(dc) for dc in NODES if dc != self.dc))
        return rows() if "schema" in cql else self.told(self.dc, cql)

    def _row(self, dc: str) -> Mapping[str, Value]:
        address, port = IPv4Address(NODES[dc]), self.server_address[1]
        its: dict[str, Value] = {"peer": address, "peer_port": 7000, "native_address": address, "native_port": port}
        return {
            "host_id": uuid.uuid5(uuid.NAMESPACE_DNS, dc),
            "cluster_name": "told",
            "data_center": dc,
            "rack": "rack1",
            "release_version": "5.0.0",
            "schema_version": uuid.NAMESPACE_DNS,
            **({} if dc == self.dc else its),
        }


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        while len(header := self.rfile.read(HEADER_SIZE)) == HEADER_SIZE:
            parsed = parse_header(header)
            answer = self.server.answer(parsed.opcode, self.rfile.read(parsed.body_size))
            if answer is None:
                return
            self.wfile.write(build_frame(answer[0], answer[1], stream=parsed.stream, version=VERSION_RESPONSE))


def _encoded(value: Value) -> tuple[int, bytes]:
    """The type's code and the value. Source: native_protocol_v4.spec, 4.2.5.2 and 6."""
    if isinstance(value, int):
        return 0x0009, struct.pack(">i", value)
    if isinstance(value, uuid.UUID):
        return 0x000C, value.bytes
    if isinstance(value, IPv4Address):
        return 0x0010, value.packed
    return 0x000D, value.encode()


def _short(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()
