"""The ledger counted while it is being marked: whole planes by state, and settlement periods by how complete they are.

Both read a mapping that senders write to, without a lock: a count is of no single instant, but each mark in it was made. They
are made when somebody asks, and no oftener than that they take a hundredth of one core.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.ledger import ONE_BIT_A_SLOT, SLOTS_PER_BYTE, Ledger, SlotState
from scenarios.calendar import day_text
from scenarios.domain import Fuel, Operation
from sim.estate.lookup import sends_half_hours, start_us_of
from sim.estate.model import EstateModel
from store.readings.settlement import market_calendar
from store.rows import ESTIMATE_REVISION

COST_SHARE_MAX = 0.01  # of one core, by counting
WAIT_S_MAX = 0.05  # that a scrape waits for a count
PERIODS_MAX = 96  # settlement periods that are told at once, the latest: two days of half-hours
METERS_MAX = 20_000  # of which completeness is counted: a share is right to half a per cent then, 99 times in 100
_PIECE_BYTES = 1 << 20  # that are looked at in one go: what is made of them stays in a processor's cache

Found = TypeVar("Found")


class Seldom(Generic[Found]):
    """An answer that is worked out anew when it is asked for, but for no more than COST_SHARE_MAX of the time.

    Who asks waits for it for WAIT_S_MAX: what takes longer is worked out in a thread of its own, and is told from then on; until
    then it is the answer before, and None before the first. What it raises is raised when it is asked for next.
    """

    def __init__(self, work_out: Callable[[], Found], clock: Callable[[], float] = time.monotonic) -> None:
        self._work_out, self._clock = work_out, clock
        self._held: Found | None = None
        self._error: Exception | None = None
        self._next_s = -math.inf
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Found | None:
        with self._lock:
            if self._thread is None and self._clock() >= self._next_s:
                self._thread = threading.Thread(target=self._run, name="metrics-count", daemon=True)
                self._thread.start()
            if self._thread is not None:
                self._thread.join(WAIT_S_MAX)
                if not self._thread.is_alive():
                    self._thread = None
            error, self._error = self._error, None
        if error is not None:
            raise error
        return self._held

    def _run(self) -> None:
        started_s = self._clock()
        try:
            self._held = self._work_out()
        except Exception as error:
            self._error = error
        ended_s = self._clock()
        self._next_s = ended_s + (ended_s - started_s) / COST_SHARE_MAX


def slots_by_state(ledger: Ledger) -> dict[str, dict[SlotState, int]]:
    """How many slots of each plane are FAILED, in doubt (INTENT) and ACKNOWLEDGED."""
    counts = {}
    for plane, name in enumerate(ledger.planes):
        packed = ledger.states[plane].reshape(-1)
        acknowledged = failed = in_doubt = 0
        for start in range(0, len(packed), _PIECE_BYTES):
            piece = packed[start : start + _PIECE_BYTES]
            low, high = piece & ONE_BIT_A_SLOT, (piece >> 1) & ONE_BIT_A_SLOT
            acknowledged += _bits(low & high)
            failed += _bits(high & ~low)
            in_doubt += _bits(low & ~high)
        counts[name] = {
            SlotState.ACKNOWLEDGED: acknowledged,
            SlotState.FAILED: failed,
            SlotState.INTENT: in_doubt,
        }
    return counts


def _bits(marks: NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(marks).sum(dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCoverage:
    """A settlement period: of how many meters that send half-hours something is acknowledged, measured or estimated.

    due_us: when the half-hour was over, since the scenario's start [us]. known: measured or estimated; a meter is counted once.
    """

    settlement_date: str
    period: int  # from 1
    due_us: int
    expected: int
    known: int
    estimated: int  # of the known ones: by an estimate alone


class SettlementCoverage:
    """How complete settlement periods are, by the ledger: what is acknowledged, before any view of it is asked.

    It looks at meters of electricity, which alone is settled by the half-hour, and of many at METERS_MAX spread over the estate.
    """

    def __init__(self, estate: EstateModel, ledger: Ledger) -> None:
        self._estate, self._ledger = estate, ledger
        self._meters = _settled_meters(estate)
        self._expected: dict[int, NDArray[np.bool_]] = {}  # by day: which of them send half-hours

    def until(self, now_us: int) -> list[PeriodCoverage]:
        """The latest PERIODS_MAX periods that are over at an instant since the scenario's start [us], oldest first."""
        end = min(max(now_us, 0) // self._estate.slot_us, self._estate.slot_count)
        first = max(end - PERIODS_MAX, 0)
        if not len(self._meters) or first == end:
            return []
        measured = self._acknowledged(Operation.INGEST_READING, first, end)
        estimated = self._acknowledged(f"{Operation.INGEST_REVISION}_{ESTIMATE_REVISION}", first, end)
        return [self._period(slot, measured[:, at], estimated[:, at]) for at, slot in enumerate(range(first, end))]

    def _period(self, slot: int, measured: NDArray[np.bool_], estimated: NDArray[np.bool_]) -> PeriodCoverage:
        expected = self._expected_of(slot // self._estate.slots_per_day)
        settlement_date, period = period_of(self._estate, slot)
        return PeriodCoverage(
            settlement_date=settlement_date,
            period=period,
            due_us=(slot + 1) * self._estate.slot_us,
            expected=int(expected.sum()),
            known=int((expected & (measured | estimated)).sum()),
            estimated=int((expected & estimated & ~measured).sum()),
        )

    def _expected_of(self, day: int) -> NDArray[np.bool_]:
        if day not in self._expected:
            slot = np.full(len(self._meters), day * self._estate.slots_per_day, np.int32)
            self._expected[day] = sends_half_hours(self._estate, self._meters, slot)
        return self._expected[day]

    def _acknowledged(self, plane: str, first: int, end: int) -> NDArray[np.bool_]:
        """bool[meters, end - first]; False all over of a plane that the scenario lacks."""
        if plane not in self._ledger.planes:
            return np.zeros((len(self._meters), end - first), np.bool_)
        from_byte, to_byte = first // SLOTS_PER_BYTE, -(-end // SLOTS_PER_BYTE)
        packed = self._ledger.states[self._ledger.plane_of(plane)][self._meters, from_byte:to_byte]
        shifts = 2 * np.arange(SLOTS_PER_BYTE, dtype=np.uint8)
        pairs = (packed[:, :, np.newaxis] >> shifts) & 3
        states = pairs.reshape(len(packed), -1)[:, first - from_byte * SLOTS_PER_BYTE :][:, : end - first]
        acknowledged: NDArray[np.bool_] = states == SlotState.ACKNOWLEDGED
        return acknowledged


def _settled_meters(estate: EstateModel) -> NDArray[np.int64]:
    """The meters that are looked at: int64[n], n <= METERS_MAX; none of an estate without electricity."""
    if Fuel.ELECTRICITY not in estate.fuels:
        return np.zeros(0, np.int64)
    homes = np.unique(
        np.linspace(0, estate.premises_count - 1, min(estate.premises_count, METERS_MAX)).astype(np.int64)
    )
    return homes * len(estate.fuels) + estate.fuels.index(Fuel.ELECTRICITY)


def period_of(estate: EstateModel, slot: int) -> tuple[str, int]:
    """The settlement date (YYYY-MM-DD) and period, from 1, of a slot of the estate, by the clock of its market."""
    calendar = market_calendar(estate.calendar)
    instant_us = start_us_of(estate) + slot * estate.slot_us
    day = calendar.day_of(instant_us)
    return day_text(day), (instant_us - calendar.day_start_us(day)) // estate.slot_us + 1


def estimated_share(periods: Sequence[PeriodCoverage]) -> float | None:
    """Of what is known of some periods, the share that is estimated alone; None where nothing is."""
    known = sum(one.known for one in periods)
    return sum(one.estimated for one in periods) / known if known else None
