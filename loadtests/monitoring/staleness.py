"""How long another data centre lags behind: a row is written in one DC and asked for in the other until it is there.

The write goes at the cell's own level, the question at LOCAL_ONE, over two connections of their own; both are sent without a
pause, so the resolution is one round trip of a question, which is measured and told. When the row became readable is known
between two instants: the sending of the last question that missed it, and the answer that had it.
"""

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from loadtests.errors import HarnessError
from loadtests.sender.connection import Access, open_connection
from loadtests.sender.protocol import HEADER_SIZE, Opcode, QueryFlag, ResultKind, build_frame, parse_header
from loadtests.sender.scheduling import favour_thread
from scenarios.domain import ConsistencyLevel

TABLE = "CREATE TABLE IF NOT EXISTS {keyspace}.staleness_probe (id bigint PRIMARY KEY)"
_INSERT = "INSERT INTO {keyspace}.staleness_probe (id) VALUES (?)"
_SELECT = "SELECT id FROM {keyspace}.staleness_probe WHERE id = ?"
PROBE_S_MAX = 10.0  # a row that is not there by then is counted as not seen
_RECEIVE_BYTES = 4_096
Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One row; times since its write was sent [us]. None: not within PROBE_S_MAX, or refused."""

    acknowledged_us: int | None
    readable_us: int | None  # the answer that had it
    missed_us: int | None  # the sending of the last question that found nothing; None when the first one found it
    asked: int  # how many questions it took
    asking_us: int  # for how long it was asked


@dataclass(slots=True)
class _Peer:
    """One connection: frames out, whole frames in."""

    socket: socket.socket
    held: bytearray = field(default_factory=bytearray)

    def take(self) -> tuple[int, bytes] | None:
        """Read what has come: the opcode and body of a frame once it is whole."""
        part = self.socket.recv(_RECEIVE_BYTES)
        if not part:
            raise ConnectionError("the node closed the connection")
        self.held += part
        if len(self.held) < HEADER_SIZE:
            return None
        header = parse_header(bytes(self.held[:HEADER_SIZE]))
        end = HEADER_SIZE + header.body_size
        if len(self.held) < end:
            return None
        body = bytes(self.held[HEADER_SIZE:end])
        del self.held[:end]
        return header.opcode, body


class Prober:
    """Writes by one node and reads by another; `close` it after use.

    Raises HarnessError when a node can't be reached.
    """

    def __init__(self, keyspace: str, level: ConsistencyLevel, writer: Address, reader: Address) -> None:
        self._level = level
        statements = [cql.format(keyspace=keyspace) for cql in (_INSERT, _SELECT)]
        written, ids = open_connection(writer, Access(), statements)
        try:
            read, _ = open_connection(reader, Access(), statements)
        except HarnessError:
            written.close()
            raise
        self._insert_id, self._select_id = ids
        self._writer, self._reader = _Peer(written), _Peer(read)
        for peer in (self._writer, self._reader):
            peer.socket.setblocking(True)

    def probe(self, number: int) -> Probe:
        """One row of the id `number`, which no probe of this keyspace may have had. Raises OSError when a connection breaks."""
        acknowledged_us = readable_us = missed_us = None
        is_answered, asked = False, 0
        question = _execute(self._select_id, ConsistencyLevel.LOCAL_ONE, number)
        started_ns = time.perf_counter_ns()

        def now_us() -> int:
            return (time.perf_counter_ns() - started_ns) // 1_000

        self._writer.socket.sendall(_execute(self._insert_id, self._level, number))
        asking_us = -now_us()
        question_us = now_us()
        self._reader.socket.sendall(question)
        is_asking = True
        while is_asking or not is_answered:
            waiting = [peer for peer, waits in ((self._writer, not is_answered), (self._reader, is_asking)) if waits]
            ready, _, _ = select.select([peer.socket for peer in waiting], [], [], PROBE_S_MAX)
            if not ready:
                raise TimeoutError(f"a node did not answer a staleness probe within {PROBE_S_MAX:g} s")
            for peer in waiting:
                frame = peer.take() if peer.socket in ready else None
                if frame is None:
                    continue
                if peer is self._writer:
                    is_answered = True
                    acknowledged_us = now_us() if frame[0] == Opcode.RESULT else None
                    continue
                asked += 1
                if _row_count(*frame):
                    readable_us, is_asking = now_us(), False
                else:
                    missed_us, question_us = question_us, now_us()
                    is_asking = question_us <= PROBE_S_MAX * 1e6
                    if is_asking:
                        self._reader.socket.sendall(question)
                if not is_asking:
                    asking_us += now_us()
        return Probe(
            acknowledged_us=acknowledged_us,
            readable_us=readable_us,
            missed_us=missed_us,
            asked=asked,
            asking_us=asking_us,
        )

    def close(self) -> None:
        self._writer.socket.close()
        self._reader.socket.close()


class Probing:
    """A thread that probes every `every_s`, from `start` to `stop`."""

    def __init__(self, prober: Prober, first_number: int, every_s: float) -> None:
        self._prober, self._number, self._every_s = prober, first_number, every_s
        self._probes: list[Probe] = []
        self._over = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="staleness", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> tuple[Probe, ...]:
        """End, and give what was found. Raises HarnessError when a connection broke or a node fell silent."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise HarnessError(f"the staleness of the other DC could not be measured: {self._error}")
        return tuple(self._probes)

    def _run(self) -> None:
        favour_thread()
        try:
            while not self._over.wait(self._every_s):
                self._probes.append(self._prober.probe(self._number))
                self._number += 1
        except OSError as error:
            self._error = error


def _execute(prepared_id: bytes, level: ConsistencyLevel, number: int) -> bytes:
    """EXECUTE with one bigint. Source: native_protocol_v4.spec, 4.1.6."""
    flags = QueryFlag.VALUES | QueryFlag.SKIP_METADATA
    head = struct.pack(">H", len(prepared_id)) + prepared_id
    return build_frame(Opcode.EXECUTE, head + struct.pack(">HBHiq", level.wire_code, flags, 1, 8, number))


def _row_count(opcode: int, body: bytes) -> int:
    """Rows of an answer without metadata; a read that failed found none. Source: native_protocol_v4.spec, 4.2.5.2."""
    if opcode == Opcode.ERROR:
        return 0
    kind, _flags, _columns, rows = struct.unpack_from(">iiii", body)
    assert kind == ResultKind.ROWS, f"a RESULT of kind {kind} is no answer to a SELECT"
    return int(rows)
