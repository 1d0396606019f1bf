"""A node that is down when a storm begins is gone without, if the others serve every level; it joins when it comes up.

The engine raised the first connection that failed: a cluster of six with one node down, whose LOCAL_QUORUM was met all
the time, could not be stormed at all.
"""

import contextlib
import socket
import struct
import threading

import numpy as np
import pytest

from loadtests.errors import HarnessError
from loadtests.sender.connection import Access, Credentials, NodeUnreachable, open_connection
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.protocol import HeaderFlag, Opcode, ResultKind
from loadtests.sender.ring import NO_NODE, RingTable, ring_of_nodes, unserved
from loadtests.stubs.scripted_node import Execute, ScriptedAnswer, StubServer, unprepared_answer
from scenarios.domain import ConsistencyLevel
from tests.support.steady_inserts import CQL, SteadySource

LOCAL_ONE, LOCAL_QUORUM = ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM


def free_address() -> tuple[str, int]:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
        return host, port


def engine_on(*addresses: tuple[str, int], level: ConsistencyLevel = LOCAL_ONE, access: Access | None = None) -> Engine:
    """An engine on nodes of one DC, of which each holds a replica of all."""
    return Engine(
        operations=[WireOperation(name="ingest_reading")],
        statements=[CQL],
        ring=ring_of_nodes([(address, "north") for address in addresses]),
        settings=EngineSettings(levels=frozenset({level}), backoff_ms=5.0, access=access or Access()),
    )


def test_a_storm_goes_on_without_it_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    down = free_address()
    with StubServer() as server, engine_on(down, server.address) as engine:
        report = engine.run(SteadySource(500, 1_000))
    assert report.ok == report.offered == 500
    assert report.down_at_start == (f"127.0.0.1:{down[1]}",)
    assert f"127.0.0.1:{down[1]}" in caplog.text and "the storm goes on without it" in caplog.text


def test_it_is_refused_in_words_when_the_others_do_not_serve_the_level() -> None:
    with (
        StubServer() as server,
        pytest.raises(NodeUnreachable, match=r"no connection.*without it LOCAL_QUORUM can't be met in 'north'"),
    ):
        engine_on(free_address(), server.address, level=LOCAL_QUORUM).open()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("open-link")]


def test_a_node_that_answers_and_refuses_us_is_not_gone_without() -> None:
    access = Access(credentials=Credentials(username="storm", password="wrong"))
    with (
        StubServer() as server,
        StubServer(credentials=("storm", "s3cret")) as strict,
        pytest.raises(HarnessError, match="refused the login"),
    ):
        engine_on(server.address, strict.address, access=access).open()


def test_it_joins_when_it_comes_up() -> None:
    down = free_address()
    late: list[StubServer] = []

    def come_up() -> None:
        late.append(StubServer(port=down[1]).__enter__())

    timer = threading.Timer(0.3, come_up)
    with StubServer() as server, engine_on(down, server.address) as engine:
        timer.start()
        report = engine.run(SteadySource(3_000, 1_000))
    timer.join()
    late[0].close()
    assert report.ok == report.offered == 3_000
    assert report.reopened == 2 and late[0].execute_count > 0


def test_a_node_that_is_restarted_in_mid_storm_is_taught_its_statements_again() -> None:
    """The new process knows no prepared statement, and says so to whoever executes one."""
    restarted: list[StubServer] = []

    def forgetful(execute: Execute) -> ScriptedAnswer:
        known = restarted[0].prepared if restarted else {}
        return ScriptedAnswer() if execute.prepared_id in known else unprepared_answer(execute.prepared_id)

    first = StubServer().__enter__()

    def restart() -> None:
        first.close()
        restarted.append(StubServer(port=first.address[1], answer=forgetful))
        restarted[0].__enter__()

    timer = threading.Timer(0.5, restart)
    with StubServer() as other, engine_on(first.address, other.address) as engine:
        timer.start()
        report = engine.run(SteadySource(3_000, 1_000))
    timer.join()
    restarted[0].close()
    assert report.ok == report.offered == 3_000 and report.down_at_start == ()
    assert report.reopened == 2 and restarted[0].execute_count > 0 and restarted[0].prepare_count >= 2


# --- what the others serve ---

# Two DCs of three nodes, three replicas in each; the second range lacks one replica in `south`.
SIX = RingTable(
    addresses=tuple((f"n{i}", 1) for i in range(7)),
    dcs=("north", "south"),
    node_dcs=np.array([0, 0, 0, 1, 1, 1, NO_NODE], dtype=np.int16),
    ends=np.array([0, 100], dtype=np.int64),
    replicas=np.array([[[0, 1, 2], [3, 4, 5]], [[2, 1, 0], [3, 4, NO_NODE]]], dtype=np.int16),
)


@pytest.mark.parametrize(
    ("down", "level", "words"),
    [
        ({0}, "LOCAL_QUORUM", None),
        ({0, 1}, "LOCAL_QUORUM", "LOCAL_QUORUM can't be met in 'north'"),
        ({0, 1}, "LOCAL_ONE", None),
        ({3}, "LOCAL_QUORUM", "LOCAL_QUORUM can't be met in 'south'"),  # of the second range's two replicas
        ({5}, "EACH_QUORUM", None),
        ({4}, "EACH_QUORUM", "EACH_QUORUM can't be met in 'south'"),
        ({3, 4}, "LOCAL_ONE", "LOCAL_ONE can't be met in 'south'"),
        ({0, 1}, "QUORUM", None),  # 3 of 5 in the second range, 4 of 6 in the first
        ({0, 1, 3}, "QUORUM", "QUORUM can't be met"),
        ({0, 1, 4, 5}, "ONE", None),
        ({0, 1, 4, 5}, "THREE", "THREE can't be met"),
        ({5}, "ALL", "ALL can't be met"),
        (set(), "ALL", None),
        ({0, 1, 2}, "ONE", "no node of 'north' is up"),
    ],
)
def test_levels_by_hand(down: set[int], level: str, words: str | None) -> None:
    assert unserved(SIX, down, {ConsistencyLevel(level)}) == words


# --- what a node may say while a connection is opened ---


def opened(frames: list[bytes]) -> None:
    """Open a connection to a node that sends these, one for each request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for frame in frames:
                    connection.recv(1 << 16)
                    connection.sendall(frame)
                with contextlib.suppress(ConnectionResetError):  # it may end the connection with our answer unread
                    connection.recv(1 << 16)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection, _ = open_connection(listener.getsockname(), Access(timeout_s=2), ["SELECT 1"])
        connection.close()
        thread.join()


def frame(body: bytes, *, opcode: int, flags: int = 0, version: int = 0x84) -> bytes:
    return struct.pack(">BBHBI", version, flags, 0x7FFF, opcode, len(body)) + body


READY = frame(b"", opcode=Opcode.READY)
PREPARED = struct.pack(">iH", ResultKind.PREPARED, 2) + b"id"
WARNINGS = struct.pack(">HH", 1, 4) + b"slow"


def test_a_warning_before_a_prepared_id_is_passed_over() -> None:
    opened([READY, frame(WARNINGS + PREPARED, opcode=Opcode.RESULT, flags=HeaderFlag.WARNING)])


@pytest.mark.parametrize(
    "answer",
    [
        frame(PREPARED, opcode=Opcode.RESULT, version=0x85),
        frame(PREPARED, opcode=Opcode.RESULT, flags=0x01),
        frame(struct.pack(">i", ResultKind.VOID), opcode=Opcode.RESULT),
        frame(b"\0\0", opcode=Opcode.ERROR),
        frame(b"\0\x05", opcode=Opcode.RESULT, flags=HeaderFlag.WARNING),
        frame(b"\0\x01\xff\xff", opcode=Opcode.RESULT, flags=HeaderFlag.CUSTOM_PAYLOAD),
    ],
)
def test_an_answer_that_is_no_answer_is_told_in_one_sentence(answer: bytes) -> None:
    with pytest.raises(HarnessError, match=r"^127\.0\.0\.1:\d+: no connection: .*; is this a node's CQL port\?$"):
        opened([READY, answer])


def test_a_node_that_sends_a_byte_now_and_then_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                for byte in READY:
                    if over.wait(0.15):
                        return
                    connection.sendall(bytes([byte]))

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(NodeUnreachable, match="timed out"):
            open_connection(listener.getsockname(), Access(timeout_s=0.4), [])
        over.set()
        thread.join()
