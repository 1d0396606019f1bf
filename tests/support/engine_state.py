"""A small engine state without sockets: what the kernel tests send into and answer from."""

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.ledger import Ledger
from loadtests.sender.block import OPERATION
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.protocol import HEADER_SIZE, VERSION_RESPONSE, Opcode, ResultKind, build_frame
from loadtests.sender.responses import scan_responses
from loadtests.sender.ring import RingTable, ring_of_nodes
from loadtests.sender.state import (
    LIVE_SIZE,
    BlockProgress,
    CountColumn,
    EngineLimit,
    LinkField,
    LinkStatus,
    Sizes,
    Total,
    WireState,
    new_state,
)
from loadtests.sender.submit import submit_due

VOID = struct.pack(">i", ResultKind.VOID)
TIMEOUT_US = 1_000_000
FRAME_SIZE = 20

# Nodes 0 and 1 in `north`, each with every token; node 2 in `south`.
THREE_NODES = ring_of_nodes([(("a", 1), "north"), (("b", 1), "north"), (("c", 1), "south")])


@dataclass
class Bench:
    """A state, the rows that are sent into it, and what stands in its out buffers."""

    state: WireState
    ledger: Ledger
    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, dtype=OPERATION))
    frames: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    progress: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(BlockProgress), dtype=np.int64))

    def submit(self, now_us: int) -> int:
        return submit_due(self.state, self.rows, self.frames, self.progress, now_us)

    def answer(self, link: int, data: bytes, now_us: int) -> int:
        """Receive bytes on a link."""
        end = int(self.state.links[link, LinkField.IN_END])
        self.state.in_bytes[link, end : end + len(data)] = np.frombuffer(data, dtype=np.uint8)
        self.state.links[link, LinkField.IN_END] = end + len(data)
        return scan_responses(self.state, now_us)

    def sent(self) -> list[tuple[int, int, int]]:
        """(link, stream, label) of every frame in the out buffers, which are emptied as a socket would."""
        found = []
        for link in range(len(self.state.links)):
            start, end = self.state.links[link, [LinkField.OUT_START, LinkField.OUT_END]]
            for at in range(start, end, FRAME_SIZE):
                frame = self.state.out_bytes[link, at : at + FRAME_SIZE]
                assert (frame[4:] == frame[4]).all() and frame[0] == frame[4], "a frame is not in one piece"
                found.append((link, int(frame[2]) << 8 | int(frame[3]), int(frame[4])))
            self.state.links[link, [LinkField.OUT_START, LinkField.OUT_END]] = 0
        return found

    def total(self, total: Total) -> int:
        return int(self.state.totals[total])

    def second(self, second: int, column: CountColumn) -> int:
        return int(self.state.second_counts[second, :, column].sum())

    def errors(self, outcome: RequestOutcome, kind: ErrorKind) -> int:
        return int(self.state.final_errors[:, outcome, kind].sum())

    def link(self, link: int, column: LinkField) -> int:
        return int(self.state.links[link, column])


def new_bench(
    due_us: list[int],
    *,
    ring: RingTable = THREE_NODES,
    in_flight: int = 100,
    attempts: int = 3,
    streams: int = 100,
    out_bytes: int = 100 * FRAME_SIZE,
    in_bytes: int = 400,
    dcs: list[int] | None = None,
    operations: int = 1,
) -> Bench:
    """Operations due at `due_us`, number i of meter i with slots i, i + 1, and a frame whose bytes are all i + 1.

    Two links a node, all open; of `operations` kinds the first has a ledger plane, and is what all rows are; retries wait for
    1 to 2 ms.
    """
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=len(due_us), slot_count=len(due_us) + 4)
    sizes = Sizes(
        operations=operations,
        nodes=len(ring.addresses),
        links_per_node=2,
        streams=streams,
        places=max(in_flight, 1),
        out_bytes=out_bytes,
        in_bytes=in_bytes,
    )
    state = new_state(
        sizes, ring.ends, ring.replicas, ring.node_dcs, ledger.states, np.zeros(LIVE_SIZE, dtype=np.int64)
    )
    state.links[:, LinkField.STATUS] = LinkStatus.OPEN
    state.limits[EngineLimit.IN_FLIGHT] = in_flight
    state.limits[EngineLimit.TIMEOUT_US] = TIMEOUT_US
    state.limits[EngineLimit.SILENCE_US] = 3 * TIMEOUT_US
    state.limits[EngineLimit.ATTEMPTS] = attempts
    state.limits[EngineLimit.BACKOFF_US] = 2_000
    state.limits[EngineLimit.BACKOFF_US_MAX] = 2_000
    state.planes[0] = 0, 0
    rows = np.zeros(len(due_us), dtype=OPERATION)
    index = np.arange(len(due_us))
    rows["due_us"], rows["meter"], rows["first_slot"], rows["slot_count"] = due_us, index, index, 2
    rows["frame_size"], rows["frame_offset"] = FRAME_SIZE, index * FRAME_SIZE
    rows["dc"] = dcs or [0] * len(due_us)
    return Bench(state, ledger, rows, np.repeat(index + 1, FRAME_SIZE).astype(np.uint8))


def response(stream: int, body: bytes = VOID, *, opcode: int = Opcode.RESULT, flags: int = 0) -> bytes:
    frame = bytearray(build_frame(opcode, body, stream=stream, version=VERSION_RESPONSE))
    frame[1] = flags
    assert len(frame) == HEADER_SIZE + len(body)
    return bytes(frame)


def error(stream: int, code: int) -> bytes:
    message = b"by plan"
    return response(stream, struct.pack(">iH", code, len(message)) + message, opcode=Opcode.ERROR)
