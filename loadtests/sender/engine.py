"""The wire engine: sends a source's operations to a cluster when they are due, and accounts for every answer.

One engine is one shard's sender thread. Each tick it submits what is due (blocks come encoded) and writes it, reads every socket,
scans all answers, and sleeps; a closed loop, TLS, and one that is short of room write last. Seconds of ticks go by in compiled
code. There is no global state: an engine may be embedded in any process that lets its thread run.

Rules that hold here:
- Open loop: operations leave when they are due, however slow the cluster is. When the window is full they wait in the queue,
  none is skipped, and their response time runs from when they were due. Where the scenario says so (`shed_after_s`) one that has
  waited too long fails.
- A response ends when its last bytes came, as the kernel stamps it; what is read at once, with the last of it. Without stamps
  (TLS) it ends with the tick that sees it. Times are too long by that, never too short, and `earliest` tells by how much at
  most. Operations that end failed or indeterminate have a response time like the others; service time is that of each
  attempt that was answered.
- Every operation that falls due ends exactly once: offered = attempted = ok + failed + indeterminate.
- In the ledger a slot belongs to one operation of a plane: a failure is marked over an older operation's intent.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.ledger import Ledger
from loadtests.sender.block import OperationSource
from loadtests.sender.compiled import Kernels, compile_kernels
from loadtests.sender.connection import Access
from loadtests.sender.connection_pool import Links
from loadtests.sender.engine_run import EngineRun, EngineTimes
from loadtests.sender.failover import HomesServed
from loadtests.sender.producer import Producer
from loadtests.sender.protocol import STREAM_COUNT_MAX
from loadtests.sender.recorder import EngineReport, OnInterval, Recorder, lateness_ms, sample_messages, tally_errors
from loadtests.sender.retries import ATTEMPT_CREDIT
from loadtests.sender.ring import NO_NODE, RingTable, unserved
from loadtests.sender.state import LIVE_SIZE, EngineLimit, Sizes, Total, WireState, new_state
from scenarios.domain import ConsistencyLevel
from scenarios.parts.failover import Failover

_OUT_BYTES = 4 * 1024 * 1024  # of unsent requests a link
_IN_BYTES = 1024 * 1024  # of received answers a link
_RETRY_BURST_MIN = 100  # repeated attempts that a budget allows at once, or a tenth of the window


@dataclass(frozen=True, slots=True, kw_only=True)
class WireOperation:
    """One kind of operation of a run. ledger_plane: where its slots are marked; last_slot_only: of each run of slots."""

    name: str
    ledger_plane: int | None = None
    last_slot_only: bool = False
    is_idempotent: bool = True
    is_read: bool = False  # it may be asked of two replicas at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Limits of one engine. Times in the unit that the name ends in."""

    in_flight_max: int = 8_192
    operation_timeout_s: float = 12.0  # of one attempt; above the server's own time-outs
    silence_s_max: float = 30.0  # a connection that owes answers and says nothing for so long is opened again
    attempts_max: int = 4
    backoff_ms: float = 50.0
    backoff_ms_max: float = 2_000.0
    retry_share_max: float | None = None  # repeated attempts an acknowledged operation, beyond a first burst; None: any
    # By operation: how long it may wait for room; for ever where nothing is said.
    shed_after_s: Mapping[str, float] = field(default_factory=dict)
    speculate_after_ms: float | None = None  # a read without an answer is asked of a second replica then; None: never
    drain_s_max: float = 60.0
    links_per_node: int = 2
    levels: frozenset[ConsistencyLevel] = frozenset()  # that must be met for a storm to begin without some node
    failover: Failover | None = None  # to data centres of the ring; None: operations of a lost one fail
    tick_us: int = 500  # at the longest, while something is in flight
    rest_us: int = 25  # at the shortest, of an open loop
    access: Access = field(default_factory=Access)

    def __post_init__(self) -> None:
        assert 1 <= self.in_flight_max <= 2_000_000
        assert 1 <= self.attempts_max <= 255
        assert self.links_per_node >= 1 and 1 <= self.rest_us <= self.tick_us


class Engine:
    """Sends operations to the nodes of a ring. Use: `open`, then `run` once, then `close`; or as a context manager.

    operations: what the blocks' `operation` indexes. statements: CQL of all that the blocks execute, keyspace-qualified;
    prepared on each connection. ledger: None when no operation has a plane. live: int64[LIVE_SIZE], shared memory say,
    updated every 100 ms. on_interval: called each second, in a thread of its own.
    """

    def __init__(
        self,
        *,
        operations: Sequence[WireOperation],
        statements: Sequence[str],
        ring: RingTable,
        settings: EngineSettings,
        ledger: Ledger | None = None,
        live: NDArray[np.int64] | None = None,
        on_interval: OnInterval | None = None,
    ) -> None:
        self.operations = tuple(operations)
        self.settings = settings
        states = np.zeros((0, 0, 0), dtype=np.uint8) if ledger is None else ledger.states
        self._state = _new_state(
            self.operations, ring, settings, states, np.zeros(LIVE_SIZE, np.int64) if live is None else live
        )
        takes_operations = [dc != NO_NODE for dc in ring.node_dcs for _ in range(settings.links_per_node)]
        addresses = [address for address in ring.addresses for _ in range(settings.links_per_node)]
        self._links = Links(
            self._state,
            [address if takes else None for address, takes in zip(addresses, takes_operations, strict=True)],
            settings.access,
            statements,
        )
        # Through Python a tick takes longer, and the kernel's stamps are not told.
        self._state.limits[EngineLimit.REST_US] = settings.rest_us if self._links.is_native else settings.tick_us
        self._homes = (
            None
            if settings.failover is None
            else HomesServed(self._state, ring, settings.failover, settings.links_per_node)
        )
        self._recorder = Recorder(self._state, on_interval)
        self._ring = ring
        self._down_at_start: tuple[str, ...] = ()
        self._is_stopped = False
        self._storm: EngineRun | None = None
        self._kernels: Kernels | None = None

    def __enter__(self) -> "Engine":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Compile the kernels and open every connection.

        A node that does not answer is gone without, and tried again during the run, as long as the others can serve
        every level. Raises HarnessError when they can't, and for a node that answers and can't be used.
        """
        self._kernels = compile_kernels(self._state, is_native=self._links.is_native)
        self._down_at_start = self._links.open_all(self._unserved)

    def _unserved(self, links: Collection[int]) -> str | None:
        """What can't be served without the nodes of these links."""
        return unserved(self._ring, {link // self.settings.links_per_node for link in links}, self.settings.levels)

    def close(self) -> None:
        """Close every connection. Closing twice is harmless."""
        self._links.close()

    def stop(self) -> None:
        """Ask a running engine to end, from any thread or a signal handler: it sends no more and drains for 2 s."""
        self._is_stopped = True
        if self._storm is not None:
            self._storm.stop()

    def run(
        self,
        source: OperationSource,
        *,
        start_ns: int | None = None,
        end_us: int | None = None,
        closed_in_flight: int | None = None,
    ) -> EngineReport:
        """Send all that the source has, wait for the answers, and report.

        start_ns: the run's time 0 on the clock of `time.perf_counter_ns`, None for now; shards share one.
        end_us: when the last operation falls due [us]; the run ends `drain_s_max` later whatever the cluster does.
        None: that time runs from when the source's last operation was taken up.
        closed_in_flight: closed loop for saturation: always that many in flight, and due is when there is room.
        Raises what the source raises, and HarnessError for trouble of the history's writer.
        """
        assert self._kernels is not None, "the engine is not open"
        limits = self._state.limits
        limits[EngineLimit.IS_CLOSED_LOOP] = int(closed_in_flight is not None)
        if closed_in_flight is not None:
            assert closed_in_flight <= self.settings.in_flight_max, "more in flight than there are places"
            limits[EngineLimit.IN_FLIGHT] = closed_in_flight
        self._storm = storm = EngineRun(
            state=self._state,
            kernels=self._kernels,
            links=self._links,
            recorder=self._recorder,
            homes=self._homes,
            producer=Producer(source),
            pace=self._pace(end_us),
        )
        if self._is_stopped:
            storm.stop()
        cpu_start_ns = time.thread_time_ns()
        storm.run(start_ns)
        return self._report(storm, (time.thread_time_ns() - cpu_start_ns) / 1e9)

    def _pace(self, end_us: int | None) -> EngineTimes:
        return EngineTimes(drain_us_max=int(self.settings.drain_s_max * 1e6), end_us=end_us)

    def _report(self, storm: EngineRun, cpu_s: float) -> EngineReport:
        totals = self._state.totals
        late_p50_ms, late_p99_ms, late_max_ms = lateness_ms(self._recorder.lateness)
        return EngineReport(
            offered=int(totals[Total.OFFERED]),
            attempted=int(totals[Total.ATTEMPTED]),
            ok=int(totals[Total.OK]),
            failed=int(totals[Total.FAILED]),
            indeterminate=int(totals[Total.INDETERMINATE]),
            retries=int(totals[Total.RETRIES]),
            blocked=int(totals[Total.BLOCKED]),
            speculated=int(totals[Total.SPECULATED]),
            speculation_won=int(totals[Total.SPECULATION_WON]),
            late_answers=int(totals[Total.LATE_ANSWERS]),
            stray_answers=int(totals[Total.STRAY_ANSWERS]),
            reopened=int(totals[Total.REOPENED]),
            down_at_start=self._down_at_start,
            homes_moved=() if self._homes is None else tuple(self._homes.moves),
            was_stopped=self._is_stopped,
            wall_s=storm.wall_s,
            cpu_s=cpu_s,
            stalls=int(totals[Total.STALLS]),
            stalled_s=float(totals[Total.STALLED_US]) / 1e6,
            stall_ms_max=float(totals[Total.STALL_US_MAX]) / 1e3,
            producer_starved=storm.starved_count,
            late_p50_ms=late_p50_ms,
            late_p99_ms=late_p99_ms,
            late_max_ms=late_max_ms,
            scheduling=storm.scheduling,
            errors=tally_errors(self._state, tuple(operation.name for operation in self.operations)),
            error_messages=sample_messages(self._state),
        )


def _new_state(
    operations: tuple[WireOperation, ...],
    ring: RingTable,
    settings: EngineSettings,
    ledger: NDArray[np.uint8],
    live: NDArray[np.int64],
) -> WireState:
    sizes = Sizes(
        operations=len(operations),
        nodes=len(ring.addresses),
        links_per_node=settings.links_per_node,
        # Any link may have to carry the whole window: the window, not the stream ids, is what limits a run.
        streams=min(STREAM_COUNT_MAX, max(settings.in_flight_max, 4) * 2),
        places=settings.in_flight_max,
        out_bytes=_OUT_BYTES,
        in_bytes=_IN_BYTES,
    )
    state = new_state(sizes, ring.ends, ring.replicas, ring.node_dcs, ledger, live)
    state.limits[EngineLimit.IN_FLIGHT] = settings.in_flight_max
    state.limits[EngineLimit.TIMEOUT_US] = int(settings.operation_timeout_s * 1e6)
    state.limits[EngineLimit.TICK_US] = settings.tick_us
    state.limits[EngineLimit.SILENCE_US] = int(settings.silence_s_max * 1e6)
    state.limits[EngineLimit.ATTEMPTS] = settings.attempts_max
    state.limits[EngineLimit.BACKOFF_US] = int(settings.backoff_ms * 1e3)
    state.limits[EngineLimit.BACKOFF_US_MAX] = int(settings.backoff_ms_max * 1e3)
    if settings.retry_share_max is not None:
        burst = max(settings.in_flight_max // 10, _RETRY_BURST_MIN)
        state.limits[EngineLimit.RETRY_PER_MILLE] = round(settings.retry_share_max * ATTEMPT_CREDIT)
        state.limits[EngineLimit.RETRY_CREDIT] = state.totals[Total.RETRY_CREDIT] = burst * ATTEMPT_CREDIT
    if settings.speculate_after_ms is not None:
        state.limits[EngineLimit.SPECULATE_US] = max(int(settings.speculate_after_ms * 1e3), 1)
    for index, operation in enumerate(operations):
        if operation.name in settings.shed_after_s:
            state.shed_after_us[index] = int(settings.shed_after_s[operation.name] * 1e6)
        state.is_idempotent[index] = operation.is_idempotent
        state.is_read[index] = operation.is_read
        if operation.ledger_plane is not None:
            assert operation.ledger_plane < ledger.shape[0], f"{operation.name}: the ledger has no such plane"
            state.planes[index] = operation.ledger_plane, operation.last_slot_only
    return state
