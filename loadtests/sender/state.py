"""All that the kernels read and write, as arrays with names. Pure memory: no socket, no clock, no thread.

Words: a *link* is one connection to one node. A *place* holds one operation from the moment that it is first sent until
its outcome is final, its frame included, so that a retry sends the very same bytes. A *stream* is a link's number for
one unanswered request. An attempt of a read may have two, to two replicas: the second is its *twin*. There are as many
places as operations may be in flight: that is the window.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.sender.outcomes import KIND_COUNT
from loadtests.sender.protocol import HEADER_SIZE

MESSAGE_SIZE = 18  # int64s of a `msghdr`, its one `iovec` and its control data
SECOND_ROWS = 64  # seconds that counts may run ahead of the last interval that was handed over
ERROR_SAMPLE_SIZE = 512  # bytes kept of the first error body of each kind

STREAM_FREE = -1
STREAM_ABANDONED = -2  # its operation timed out; the answer may still come, so the number can't be used again

_CACHE_LINE = 64  # [bytes]

# A tick is half a millisecond at most, and a sleep without anything in flight 2 ms: what is so much longer is no tick of ours.
STALL_US = 10_000

RETRIES_UNBOUNDED = -1
NEVER_US = 2**62
NOT_TOLD = -1
NO_TWIN = -1

PLACE_FREE = 0
PLACE_IN_FLIGHT = 1
PLACE_WAITING = 2  # for its retry

PLACE = np.dtype(
    [
        ("due_us", "i8"),
        ("sent_us", "i8"),  # of the latest attempt; while waiting: when the next attempt may leave
        ("token", "i8"),
        ("meter", "i8"),
        ("first_slot", "i4"),
        ("slot_count", "i4"),
        ("frame_size", "i4"),
        ("link", "i2"),
        ("stream", "i2"),
        ("operation", "u1"),
        ("dc", "u1"),
        ("status", "u1"),  # PLACE_...
        ("attempt_count", "u1"),
        ("delay_us", "i8"),  # of the generator's own doing so far, at most
        ("may_be_applied", "u1"),  # 1 once an attempt was indeterminate
        ("last_kind", "i8"),  # ErrorKind of the attempt before, while waiting
        ("twin_sent_us", "i8"),  # of the attempt's second request; 0: there was none
        ("twin_link", "i2"),
        ("twin_stream", "i2"),  # NO_TWIN: none is out
    ],
    align=True,
)


class LinkStatus(IntEnum):
    CLOSED = 0
    OPEN = 1
    LOST = 2  # broken or given up, for the Python side to close and open again


class LinkField(IntEnum):
    """Columns of `WireState.links`."""

    STATUS = 0
    NODE = 1
    IN_FLIGHT = 2
    ABANDONED = 3  # streams whose answer is overdue
    FREE_COUNT = 4  # free streams on the stack
    OUT_START = 5  # unsent bytes of the out buffer
    OUT_END = 6
    IN_END = 7  # received bytes in the buffer
    IN_SCANNED = 8  # of these, what the latest scan left: a frame that is not whole yet
    SKIP = 9  # bytes still to come of a frame that was larger than the buffer
    SKIP_STREAM = 10  # of that frame
    SKIP_KIND = 11  # what it says, as `responses.classify` has it
    HEARD_US = 12  # when bytes last came, or the first request after a lull left
    NEEDS_PREPARE = 13  # the node has forgotten a statement
    HAS_BROKEN = 14  # 1: it is LOST because what it sent breaks the protocol
    FD = 15  # of its socket, while it is open
    EMPTY_US = 16  # when its socket was last seen to hold nothing
    CAME_US = 17  # by when what is not scanned yet had come; NOT_TOLD: by the scan
    NOT_BEFORE_US = 18  # and after when it came
    LAST_NOT_BEFORE_US = 19  # the same of its last bytes, whose time the kernel may have stamped
    LOW_BYTES = 20  # that its socket must hold for it to wake a closed loop; 0: any, nothing was asked for


class EngineLimit(IntEnum):
    """Entries of `WireState.limits`, fixed for a run except where said."""

    IN_FLIGHT = 0  # operations that may hold a place
    TIMEOUT_US = 1  # of one attempt
    ATTEMPTS = 2  # of one operation
    BACKOFF_US = 3  # before the first retry; doubles
    BACKOFF_US_MAX = 4
    IS_CLOSED_LOOP = 5  # 1: operations are due when there is room for them
    IS_STOPPING = 6  # changes to 1 when nothing may be sent any more
    LINKS_PER_NODE = 7
    SILENCE_US = 8  # of a link that owes answers, before it is given up
    TICK_US = 9
    STOP_ASKED = 10  # changes to 1 from any thread
    RETRY_PER_MILLE = 11  # repeated attempts that 1,000 acknowledged operations allow; RETRIES_UNBOUNDED
    RETRY_CREDIT = 12  # what may be saved of that, in thousandths of an attempt
    SPECULATE_US = 13  # after which a read that is not answered is asked of a second replica; 0: never
    REST_US = 14  # between the beginnings of two ticks of an open loop, where operations are fast


class Total(IntEnum):
    """Entries of `WireState.totals`; all count from the start of the run."""

    OFFERED = 0  # operations that fell due
    ATTEMPTED = 1  # operations that were taken up: given a place, or refused when the run ended
    OK = 2
    FAILED = 3
    INDETERMINATE = 4
    RETRIES = 5
    IN_FLIGHT = 6  # operations that hold a place now, waiting retries among them
    WAITING = 7  # of these, waiting for their retry
    BLOCKED = 8  # operations that were not sent when first handled, for want of room
    FREE_PLACES = 9
    PLACE_HIGH_WATER = 10  # places from here on were never used
    LATE_ANSWERS = 11  # answers that came after the client's time-out
    STRAY_ANSWERS = 12  # answers to nothing that was asked
    FIRST_SECOND = 13  # the earliest second whose counts are not handed over yet
    BLOCKED_AT_US = 14  # the latest tick at which an operation that was due had no room
    CLOSED_TICK_US = 15  # length of a closed loop's tick, as it is adapted
    HOUSEKEEPING_AT_US = 16  # when time-outs are looked for next
    REOPENED = 17  # links that were lost and opened again
    TICK_ENDED_US = 18  # when the latest tick ended; -1 before the first
    STALLS = 19  # ticks that came more than STALL_US after the one before
    STALLED_US = 20  # their lengths together
    STALL_US_MAX = 21
    RETRY_CREDIT = 22  # repeated attempts that are allowed now, in thousandths
    SPECULATE_AT_US = 23  # when reads that are not answered are looked for next
    SPECULATED = 24  # second requests of an attempt
    SPECULATION_WON = 25  # of these, answered as they should be before the first one was
    SENT_COUNT = 26  # of `sent_places`: operations that were sent in this tick
    OVERSHOOT = 27  # by which four sleeps of five are longer than asked for [64 ns]
    REST_US = 28  # between the beginnings of two ticks of an open loop, as it is adapted; 0: not yet
    RECEIVED_BYTES = 29  # in this tick
    ANSWER_BYTES = 30  # about the size of the smaller answers, by ticks


class BlockProgress(IntEnum):
    """Entries of a block's progress: int64[Progress], counts of its rows."""

    TAKEN_UP = 0  # hold or held a place
    NOTICED = 1  # have fallen due; those that are not taken up yet are queued


class LiveField(IntEnum):
    """Entries of the int64[LIVE_SIZE] array that a progress display may watch while an engine runs."""

    ELAPSED_US = 0
    OFFERED = 1
    ATTEMPTED = 2
    OK = 3
    FAILED = 4
    INDETERMINATE = 5
    RETRIES = 6
    IN_FLIGHT = 7
    BLOCKED = 8
    LATE_US_MAX = 9  # of the latest whole second
    LINKS_OPEN = 10
    REOPENED = 11
    IS_DONE = 12


LIVE_SIZE = 16


class CountColumn(IntEnum):
    """Columns of a second's counts, as `loadtests.recording.history.SecondCounts` has them."""

    OFFERED = 0
    ATTEMPTED = 1
    OK = 2
    FAILED = 3
    INDETERMINATE = 4
    RETRIES = 5


class Recording(NamedTuple):
    """What one interval is recorded into; the engine puts an empty one in its place at the end of the interval.

    response, earliest, service: int64[operations, COUNTS_SIZE], HDR counts [us]. lateness: int64[COUNTS_SIZE], likewise.
    earliest: the response times without all that may have been the generator's doing: none can have been shorter.
    """

    response: NDArray[np.int64]
    earliest: NDArray[np.int64]
    service: NDArray[np.int64]
    lateness: NDArray[np.int64]


class WireState(NamedTuple):
    """The arrays of one engine. Indices are int64 even where less would do: kernels are compiled for one type then.

    limits: int64[Limit]. totals: int64[Total]. links: int64[links, LinkField].
    out_bytes: uint8[links, out size]; in_bytes: uint8[links, in size].
    free_streams: int16[links, streams], a stack; stream_places: int64[links, streams], a place or STREAM_...
    places: PLACE[places]; place_frames: uint8[places, frame size max], see `with_frame_size`.
    free_places: int64[places], a stack. sent_places: int64[places], of the operations that were sent in this tick.
    ring_ends: int64[ranges]; replicas: int64[ranges, dcs, rf max]; node_dcs: int64[nodes].
    serving: int64[dcs], the data centre that serves the homes of each: itself, but for a failover.
    is_idempotent, is_read: uint8[operations]. shed_after_us: int64[operations], for how long each may wait for room.
    typical_us: int64[operations], about the median of latest response times of acknowledged ones; 0: none yet.
    planes: int64[operations, 2], ledger plane or -1, and 1 for the last slot alone.
    ledger, unresolved: uint8[planes, meters, bytes], see `loadtests.recording.ledger`.
    second_counts: int64[SECOND_ROWS, operations, CountColumn], ring of seconds.
    dc_counts: int64[SECOND_ROWS, operations, dcs, Outcome], likewise, of what was completed, by the homes' data centre.
    attempt_errors: int64[operations, ErrorKind]; final_errors: int64[operations, Outcome, ErrorKind].
    error_samples: uint8[ErrorKind, ERROR_SAMPLE_SIZE], first error body of a kind; error_sample_sizes: int64[ErrorKind].
    timespec: int64[2], message: int64[MESSAGE_SIZE], polled: int64[links], for system calls.
    live: int64[LIVE_SIZE], for a display in any process.
    """

    limits: NDArray[np.int64]
    totals: NDArray[np.int64]
    links: NDArray[np.int64]
    out_bytes: NDArray[np.uint8]
    in_bytes: NDArray[np.uint8]
    free_streams: NDArray[np.int16]
    stream_places: NDArray[np.int64]
    places: NDArray[np.void]
    place_frames: NDArray[np.uint8]
    free_places: NDArray[np.int64]
    sent_places: NDArray[np.int64]
    ring_ends: NDArray[np.int64]
    replicas: NDArray[np.int64]
    node_dcs: NDArray[np.int64]
    serving: NDArray[np.int64]
    is_idempotent: NDArray[np.uint8]
    is_read: NDArray[np.uint8]
    shed_after_us: NDArray[np.int64]
    typical_us: NDArray[np.int64]
    planes: NDArray[np.int64]
    ledger: NDArray[np.uint8]
    unresolved: NDArray[np.uint8]
    second_counts: NDArray[np.int64]
    dc_counts: NDArray[np.int64]
    recording: Recording
    attempt_errors: NDArray[np.int64]
    final_errors: NDArray[np.int64]
    error_samples: NDArray[np.uint8]
    error_sample_sizes: NDArray[np.int64]
    timespec: NDArray[np.int64]
    message: NDArray[np.int64]
    polled: NDArray[np.int64]
    live: NDArray[np.int64]


def new_recording(operation_count: int) -> Recording:
    return Recording(
        response=np.zeros((operation_count, COUNTS_SIZE), dtype=np.int64),
        earliest=np.zeros((operation_count, COUNTS_SIZE), dtype=np.int64),
        service=np.zeros((operation_count, COUNTS_SIZE), dtype=np.int64),
        lateness=np.zeros(COUNTS_SIZE, dtype=np.int64),
    )


def with_frame_size(state: WireState, size: int) -> WireState:
    """A state whose places can hold frames of `size` bytes; what they hold is kept.

    No larger than it must be: places that are spread over many pages made sending a third slower.
    """
    old = state.place_frames
    if size <= old.shape[1]:
        return state
    place_frames = np.empty((old.shape[0], -(-size // _CACHE_LINE) * _CACHE_LINE), dtype=np.uint8)
    in_use = int(state.totals[Total.PLACE_HIGH_WATER])
    place_frames[:in_use, : old.shape[1]] = old[:in_use]
    return state._replace(place_frames=place_frames)


class Sizes(NamedTuple):
    """How large the arrays of an engine are."""

    operations: int
    nodes: int
    links_per_node: int
    streams: int  # a link
    places: int
    out_bytes: int  # a link
    in_bytes: int  # a link


def new_state(
    sizes: Sizes,
    ring_ends: NDArray[np.int64],
    replicas: NDArray[np.int16],
    node_dcs: NDArray[np.int16],
    ledger: NDArray[np.uint8],
    live: NDArray[np.int64],
) -> WireState:
    """Arrays with every place and stream free and every link closed. Pages are only touched once they are used."""
    link_count = sizes.nodes * sizes.links_per_node
    links = np.zeros((link_count, len(LinkField)), dtype=np.int64)
    links[:, LinkField.NODE] = np.arange(link_count) // sizes.links_per_node
    links[:, LinkField.FREE_COUNT] = sizes.streams
    links[:, LinkField.CAME_US] = NOT_TOLD
    limits = np.zeros(len(EngineLimit), dtype=np.int64)
    limits[EngineLimit.LINKS_PER_NODE] = sizes.links_per_node
    limits[EngineLimit.RETRY_PER_MILLE] = RETRIES_UNBOUNDED
    totals = np.zeros(len(Total), dtype=np.int64)
    totals[Total.FREE_PLACES] = sizes.places
    totals[Total.BLOCKED_AT_US] = -1
    totals[Total.TICK_ENDED_US] = -1
    totals[Total.CLOSED_TICK_US] = 1_000
    totals[Total.ANSWER_BYTES] = HEADER_SIZE + 4  # a RESULT void
    # Stacks are filled so that the lowest numbers are taken first: a small load touches little memory.
    streams_downward = np.arange(sizes.streams - 1, -1, -1, dtype=np.int16)
    return WireState(
        limits=limits,
        totals=totals,
        links=links,
        out_bytes=np.empty((link_count, sizes.out_bytes), dtype=np.uint8),
        in_bytes=np.empty((link_count, sizes.in_bytes), dtype=np.uint8),
        free_streams=np.tile(streams_downward, (link_count, 1)),
        stream_places=np.full((link_count, sizes.streams), STREAM_FREE, dtype=np.int64),
        places=np.zeros(sizes.places, dtype=PLACE),
        place_frames=np.empty((sizes.places, _CACHE_LINE), dtype=np.uint8),
        free_places=np.arange(sizes.places - 1, -1, -1, dtype=np.int64),
        sent_places=np.zeros(sizes.places, dtype=np.int64),
        ring_ends=np.ascontiguousarray(ring_ends),
        replicas=replicas.astype(np.int64),
        node_dcs=node_dcs.astype(np.int64),
        serving=np.arange(replicas.shape[1], dtype=np.int64),
        is_idempotent=np.ones(sizes.operations, dtype=np.uint8),
        is_read=np.zeros(sizes.operations, dtype=np.uint8),
        shed_after_us=np.full(sizes.operations, NEVER_US, dtype=np.int64),
        typical_us=np.zeros(sizes.operations, dtype=np.int64),
        planes=np.full((sizes.operations, 2), -1, dtype=np.int64),
        ledger=ledger,
        unresolved=np.zeros(ledger.shape, dtype=np.uint8),
        second_counts=np.zeros((SECOND_ROWS, sizes.operations, len(CountColumn)), dtype=np.int64),
        dc_counts=np.zeros((SECOND_ROWS, sizes.operations, replicas.shape[1], 3), dtype=np.int64),
        recording=new_recording(sizes.operations),
        attempt_errors=np.zeros((sizes.operations, KIND_COUNT), dtype=np.int64),
        final_errors=np.zeros((sizes.operations, 3, KIND_COUNT), dtype=np.int64),
        error_samples=np.zeros((KIND_COUNT, ERROR_SAMPLE_SIZE), dtype=np.uint8),
        error_sample_sizes=np.zeros(KIND_COUNT, dtype=np.int64),
        timespec=np.zeros(2, dtype=np.int64),
        message=np.zeros(MESSAGE_SIZE, dtype=np.int64),
        polled=np.zeros(link_count, dtype=np.int64),
        live=live,
    )
