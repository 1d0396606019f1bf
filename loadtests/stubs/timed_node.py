"""A stub of a Cassandra node whose response times are known by theory, and that writes down its own truth.

`python -m loadtests.stubs.timed_node --help`. It serves the CQL of one prepared statement on a set number of connections, in a
process of its own, until they are closed; then it saves what it did of each request (`TruthColumn`, int64[columns, n]).

What a load generator reports of it is off by the stub's own trouble and by the generator's. The two are told apart by the truth:
how long each request stayed here, from the kernel's stamp of its arrival to the call that sends its answer. All stamps are of the
clock of `time.perf_counter_ns`, which all processes of a machine share.

Services are the exact quantiles of their distribution, in random order: chance does not blur what theory says. Times are
nominal, as in `queueing_node`: a late answer holds up no other one.
"""

import argparse
import contextlib
import math
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from loadtests.errors import HarnessError
from loadtests.kernels import borrowing_kernel
from loadtests.sender.connection import stamp_arrivals
from loadtests.sender.protocol import HEADER_SIZE, VERSION_RESPONSE, Opcode, ResultKind, build_frame, parse_header
from loadtests.sender.state import MESSAGE_SIZE
from loadtests.sender.syscalls import (
    clock_ns,
    realtime_offset_ns,
    receive_stamped,
    send_bytes,
    sleep_ns,
)
from loadtests.stats.queues import share_slower
from loadtests.stubs.scripted_node import prepared_id_of
from sim.kernels import leaf_kernel

NUMBER_AT = 36  # of the first bind's bytes in an EXECUTE of a 16-byte id: it numbers the requests
_BATCH = 20_000  # services that have the distribution exactly
_RECEIVE_BYTES = 1 << 20
_IN_FLIGHT_MAX = 1 << 16
_REST_NS = 10_000  # others get the core at least this long
_LOOK_NS = 60_000  # between two looks at what has come: stamps tell when it did
_OVERSHOOT_NS = 20_000  # by which a sleep is longer than asked for
_PRIORITY = 5
_ENDED_S_MAX = 120.0  # an engine may compile its kernels before it connects
_EXECUTE, _RESULT, _VOID = int(Opcode.EXECUTE), int(Opcode.RESULT), int(ResultKind.VOID)


class TruthColumn(IntEnum):
    """Rows of the int64[columns, n] array that a stub saves; instants on the clock of `time.perf_counter_ns` [ns]."""

    NUMBER = 0  # the request's own
    ARRIVED_FIRST = 1  # not before: when the stub last saw the connection empty
    ARRIVED = 2  # not after: the kernel's stamp of the latest bytes that were read with it
    DUE = 3  # of its answer, by theory
    ANSWERED = 4  # just before the call that sent the answer
    SENT = 5  # just after it


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTimes:
    """What the stub does. Without `servers` each request is served at once, for a log-normal time of this median and p99; with
    them it waits for one of `servers` that serve exponential times of mean `mean_ms`."""

    median_ms: float = 0.0
    p99_ms: float = 0.0
    servers: int = 0
    mean_ms: float = 0.0

    def quantile_ms(self, percentile: float, rate_per_s: float) -> float:
        """What `percentile` of response times do not exceed [ms], of Poisson arrivals at the rate.

        Source: of the queue `queueing_node.share_slower`; else the log-normal distribution's own quantile.
        """
        if not self.servers:
            return float(self._served_ms(percentile / 100))
        share = 1 - percentile / 100

        def beyond(limit_ms: float) -> float:
            return share_slower(self.servers, self.mean_ms / 1e3, rate_per_s, limit_ms / 1e3) - share

        return float(brentq(beyond, 1e-6, 1e3 * self.mean_ms))

    def services_ns(self, random: np.random.Generator) -> NDArray[np.int64]:
        """int64[_BATCH], the middle quantiles of as many equal shares, in random order."""
        shares = (np.arange(_BATCH) + 0.5) / _BATCH
        return random.permutation(np.rint(self._served_ms(shares) * 1e6).astype(np.int64))

    def _served_ms(self, share: Any) -> Any:
        """A service time's quantile [ms] of `share` in 0 ... 1, a float or float64[n]."""
        if self.servers:
            return -self.mean_ms * np.log1p(-np.asarray(share))
        sigma = math.log(self.p99_ms / self.median_ms) / ndtri(0.99)
        return self.median_ms * np.exp(sigma * ndtri(share))


class _Node(NamedTuple):
    """fds: int64[links], -1 once closed. received: uint8[links, n], of which `filled`: int64[links] bytes are.

    drained_ns: int64[links], when the connection was last seen empty. answer: uint8[n], the frame of each but its stream.
    service_ns: int64[_BATCH].
    free_ns: int64[servers], when each is free. truth: int64[TruthColumn, n]. places: int64[n, 2], link and stream of a request.
    heap: int64[_IN_FLIGHT_MAX], requests by when they are due. counts: int64[2], requests, and those on the heap.
    message, timespec: for the system calls.
    """

    fds: NDArray[np.int64]
    received: NDArray[np.uint8]
    filled: NDArray[np.int64]
    drained_ns: NDArray[np.int64]
    answer: NDArray[np.uint8]
    service_ns: NDArray[np.int64]
    free_ns: NDArray[np.int64]
    truth: NDArray[np.int64]
    places: NDArray[np.int64]
    heap: NDArray[np.int64]
    counts: NDArray[np.int64]
    message: NDArray[np.int64]
    timespec: NDArray[np.int64]


@leaf_kernel
def serve(node: _Node) -> None:
    """Until every connection is closed."""
    while True:
        open_count = 0
        offset_ns = realtime_offset_ns(node.timespec)
        for link in range(node.fds.size):
            if node.fds[link] >= 0:
                open_count += 1
                _take(node, link, offset_ns)
        if open_count == 0:
            return
        _answer(node)
        wait_ns = _LOOK_NS
        if node.counts[1] > 0:
            next_ns = node.truth[TruthColumn.DUE, node.heap[0]]
            wait_ns = min(wait_ns, next_ns - clock_ns(node.timespec) - _OVERSHOOT_NS)
        sleep_ns(node.timespec, max(wait_ns, _REST_NS))


@borrowing_kernel
def _take(node: _Node, link: int, offset_ns: int) -> None:
    """Read what has come on a connection, and decide when each request is answered."""
    filled = node.filled[link]
    data = node.received[link]
    before_ns = clock_ns(node.timespec)
    size, stamp_ns = receive_stamped(node.fds[link], data.ctypes.data + filled, data.size - filled, node.message)
    if size == 0:
        node.fds[link] = -1
    if size <= 0:
        node.drained_ns[link] = before_ns
        return
    first_ns = node.drained_ns[link]
    arrived_ns = clock_ns(node.timespec)
    if stamp_ns > 0:
        # Not later than the call that sent it, however busy the machine is; the kernel hands it over when it comes to it.
        arrived_ns = min(stamp_ns - offset_ns, arrived_ns)
        first_ns = min(first_ns, arrived_ns)
    end, position = filled + size, 0
    while end - position >= HEADER_SIZE:
        body: Any = np.int64(0)
        for at in range(position + 5, position + HEADER_SIZE):
            body = (body << 8) | np.int64(data[at])
        if end - position < HEADER_SIZE + body:
            break
        assert data[position + 4] == _EXECUTE and node.counts[0] < node.truth.shape[1]
        number: Any = np.int64(0)
        for at in range(position + NUMBER_AT, position + NUMBER_AT + 8):
            number = (number << 8) | np.int64(data[at])
        request = node.counts[0]
        node.counts[0] += 1
        node.truth[TruthColumn.NUMBER, request] = number
        node.truth[TruthColumn.ARRIVED_FIRST, request] = first_ns
        node.truth[TruthColumn.ARRIVED, request] = arrived_ns
        node.truth[TruthColumn.DUE, request] = _due_ns(node, request, arrived_ns)
        node.places[request, 0] = link
        node.places[request, 1] = np.int64(data[position + 2]) << 8 | np.int64(data[position + 3])
        _push(node, request)
        position += HEADER_SIZE + body
    for at in range(end - position):
        data[at] = data[position + at]
    node.filled[link] = end - position
    node.drained_ns[link] = before_ns


@borrowing_kernel
def _due_ns(node: _Node, request: int, arrived_ns: int) -> int:
    """When a request's answer is due: after its service, for which it waits where there are servers."""
    service_ns = node.service_ns[request % node.service_ns.size]
    if node.free_ns.size == 0:
        return int(arrived_ns + service_ns)
    first = np.argmin(node.free_ns)
    node.free_ns[first] = max(node.free_ns[first], arrived_ns) + service_ns
    return int(node.free_ns[first])


@borrowing_kernel
def _answer(node: _Node) -> None:
    """Send the answers that are due, each in a call of its own: it is known when each left."""
    due_ns = node.truth[TruthColumn.DUE]
    now_ns = clock_ns(node.timespec)
    while node.counts[1] > 0 and due_ns[node.heap[0]] <= now_ns:
        request = _pop(node)
        link, stream = node.places[request, 0], node.places[request, 1]
        answer = node.answer
        answer[2] = stream >> 8
        answer[3] = stream & 0xFF
        now_ns = clock_ns(node.timespec)
        node.truth[TruthColumn.ANSWERED, request] = now_ns
        if node.fds[link] >= 0:
            assert send_bytes(node.fds[link], answer.ctypes.data, answer.size) == answer.size
        now_ns = clock_ns(node.timespec)
        node.truth[TruthColumn.SENT, request] = now_ns


@borrowing_kernel
def _push(node: _Node, request: int) -> None:
    """Add a request to the heap: a parent is due no later than its children."""
    heap, due_ns = node.heap, node.truth[TruthColumn.DUE]
    at = node.counts[1]
    assert at < heap.size
    node.counts[1] = at + 1
    while at > 0 and due_ns[heap[(at - 1) // 2]] > due_ns[request]:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = request


@borrowing_kernel
def _pop(node: _Node) -> int:
    """Take the request that is due first off the heap; there must be one."""
    heap, due_ns = node.heap, node.truth[TruthColumn.DUE]
    first = heap[0]
    count = node.counts[1] - 1
    node.counts[1] = count
    moved, at = heap[count], 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and due_ns[heap[child + 1]] < due_ns[heap[child]]:
            child += 1
        if due_ns[heap[child]] >= due_ns[moved]:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved
    return int(first)


def _new_node(services: ServiceTimes, fds: Sequence[int], capacity: int, seed: int) -> _Node:
    answer = build_frame(_RESULT, struct.pack(">i", _VOID), stream=0, version=VERSION_RESPONSE)
    return _Node(
        fds=np.array(fds, np.int64),
        received=np.zeros((len(fds), _RECEIVE_BYTES), np.uint8),
        filled=np.zeros(len(fds), np.int64),
        drained_ns=np.zeros(len(fds), np.int64),
        answer=np.frombuffer(answer, np.uint8).copy(),
        service_ns=services.services_ns(np.random.default_rng(seed)),
        free_ns=np.zeros(services.servers, np.int64),
        truth=np.zeros((len(TruthColumn), capacity), np.int64),
        places=np.zeros((capacity, 2), np.int64),
        heap=np.zeros(_IN_FLIGHT_MAX, np.int64),
        counts=np.zeros(2, np.int64),
        message=np.zeros(MESSAGE_SIZE, np.int64),
        timespec=np.zeros(2, np.int64),
    )


# --- the process -------------------------------------------------------------------------------------------------------


class TimedStub:
    """The stub's process, as a context manager. `truth` waits for its end, which comes once its connections are closed."""

    def __init__(self, services: ServiceTimes, *, links: int, capacity: int, seed: int, folder: Path) -> None:
        self._path = folder / f"truth-{seed}.npy"
        given = {
            "links": links,
            "capacity": capacity,
            "seed": seed,
            "median-ms": services.median_ms,
            "p99-ms": services.p99_ms,
            "servers": services.servers,
            "mean-ms": services.mean_ms,
        }
        options = [f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, "-m", "loadtests.stubs.timed_node", f"--truth={self._path}", *options]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if not (port := self._process.stdout.readline()):
            raise HarnessError(f"the stub ended without a port: exit code {self._process.wait()}")
        self.address = ("127.0.0.1", int(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def truth(self) -> NDArray[np.int64]:
        """int64[TruthColumn, n], in the order of arrival."""
        assert self._process.wait(_ENDED_S_MAX) == 0, "the stub failed"
        saved: NDArray[np.int64] = np.load(self._path)
        return saved


def _handshake(connection: socket.socket) -> None:
    """STARTUP and one PREPARE."""
    received = b""
    is_prepared = False
    while not is_prepared:
        received += connection.recv(1 << 16)
        while len(received) >= HEADER_SIZE:
            header = parse_header(received[:HEADER_SIZE])
            end = HEADER_SIZE + header.body_size
            if len(received) < end:
                break
            opcode, body = int(Opcode.READY), b""
            if header.opcode == Opcode.PREPARE:
                cql = received[HEADER_SIZE + 4 : end].decode()
                is_prepared = True
                metadata = struct.pack(">iii", 0, 0, 0) + struct.pack(">ii", 0, 0)
                opcode, body = _RESULT, struct.pack(">iH", ResultKind.PREPARED, 16) + prepared_id_of(cql) + metadata
            else:
                assert header.opcode == Opcode.STARTUP, f"opcode 0x{header.opcode:02x} is not served"
            connection.sendall(build_frame(opcode, body, stream=header.stream, version=VERSION_RESPONSE))
            received = received[end:]


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description="A CQL stub of known service times that writes down its truth.")
    parser.add_argument("--truth", type=Path, required=True, help="where it is saved (.npy)")
    parser.add_argument("--links", type=int, required=True, help="connections to wait for")
    parser.add_argument("--capacity", type=int, required=True, help="requests at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--median-ms", type=float, default=0.0)
    parser.add_argument("--p99-ms", type=float, default=0.0)
    parser.add_argument(
        "--servers", type=int, default=0, help="exponential services of --mean-ms by so many; 0: log-normal, at once"
    )
    parser.add_argument("--mean-ms", type=float, default=0.0)
    given = parser.parse_args()
    services = ServiceTimes(
        median_ms=given.median_ms, p99_ms=given.p99_ms, servers=given.servers, mean_ms=given.mean_ms
    )
    serve(_new_node(services, [-1], 1, given.seed))  # compiled before anyone waits for it
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_ENDED_S_MAX)
    print(listener.getsockname()[1], flush=True)
    connections = []
    for _ in range(given.links):
        connection, _ = listener.accept()
        connection.settimeout(_ENDED_S_MAX)
        _handshake(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(connection)
        connections.append(connection)
    node = _new_node(services, [connection.fileno() for connection in connections], given.capacity, given.seed)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
    serve(node)
    np.save(given.truth, node.truth[:, : node.counts[0]])


if __name__ == "__main__":
    main()
