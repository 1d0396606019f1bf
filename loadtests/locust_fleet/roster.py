"""Who owns which shard of the fleet: pure bookkeeping, without Locust and without a clock.

Rules that hold here:
- A shard is owned by one worker at most, and a shard that was given out before the start and lost its worker is given out
  again. The storm begins only when every shard is ready, so that it never begins thinner than it was meant to be.
- From the start on a shard stays with its worker. One that loses it is LOST: its share of the meters is not sent any more, and
  the run is inconclusive. It isn't given to another worker: what the lost one sent last is known to nobody but the
  cluster, so its operations could neither be counted nor sent again without being counted twice.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

WAITING_MAX = 1_000  # claims that are kept in mind; each is a user of Locust's, and users may be moved


class WorkerPhase(Enum):
    FREE = "free"
    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    LOST = "lost"


@dataclass(slots=True)
class _Shard:
    owner: str | None = None
    phase: WorkerPhase = WorkerPhase.FREE


@dataclass(slots=True)
class Roster:
    """The shards of one run, 0 ... shard_count - 1. Workers are known by Locust's client ids."""

    shard_count: int
    has_begun: bool = False
    _shards: list[_Shard] = field(init=False)
    _waiting: deque[str] = field(default_factory=deque)

    def __post_init__(self) -> None:
        assert self.shard_count >= 1
        self._shards = [_Shard() for _ in range(self.shard_count)]

    def claim(self, worker: str) -> int | None:
        """Give the worker the first free shard, or None: then it is kept in mind until the start."""
        for number, shard in enumerate(self._shards):
            if shard.phase is WorkerPhase.FREE:
                shard.owner, shard.phase = worker, WorkerPhase.STARTING
                return number
        if not self.has_begun and len(self._waiting) < WAITING_MAX:
            self._waiting.append(worker)
        return None

    def owns(self, worker: str, number: int) -> bool:
        """Whether the shard is the worker's, and not over: only then does its word about it count."""
        if not 0 <= number < self.shard_count:
            return False
        shard = self._shards[number]
        return shard.owner == worker and shard.phase not in (WorkerPhase.DONE, WorkerPhase.LOST)

    def ready(self, number: int, worker: str) -> bool:
        """Note that a shard's process is ready; whether all are. A worker that lost the shard meanwhile is not heard."""
        if self.owns(worker, number) and self._shards[number].phase is WorkerPhase.STARTING:
            self._shards[number].phase = WorkerPhase.READY
        return all(each.phase is WorkerPhase.READY for each in self._shards)

    def begin(self) -> None:
        """Every shard runs from now on."""
        assert all(each.phase is WorkerPhase.READY for each in self._shards), "a shard is not ready"
        self.has_begun = True
        self._waiting.clear()
        for shard in self._shards:
            shard.phase = WorkerPhase.RUNNING

    def done(self, number: int) -> bool:
        """Note that a shard has ended; whether none is left that runs."""
        if self._shards[number].phase is WorkerPhase.RUNNING:
            self._shards[number].phase = WorkerPhase.DONE
        return self.is_over

    def lose(self, worker: str) -> tuple[list[int], list[tuple[int, str]]]:
        """A worker is gone: the shards that nobody sends any more, and those that another worker gets instead."""
        self._waiting = deque(each for each in self._waiting if each != worker)
        lost: list[int] = []
        given: list[tuple[int, str]] = []
        for number, shard in enumerate(self._shards):
            if shard.owner != worker:
                continue
            if shard.phase is WorkerPhase.RUNNING:
                shard.phase = WorkerPhase.LOST
                lost.append(number)
            elif shard.phase in (WorkerPhase.STARTING, WorkerPhase.READY):
                shard.owner, shard.phase = None, WorkerPhase.FREE
        while self._waiting and any(shard.phase is WorkerPhase.FREE for shard in self._shards):
            heir = self._waiting.popleft()
            number_given = self.claim(heir)
            assert number_given is not None
            given.append((number_given, heir))
        return lost, given

    @property
    def owners(self) -> set[str]:
        """The workers on which something depends: they own a shard that is not over."""
        over = (WorkerPhase.DONE, WorkerPhase.LOST)
        return {shard.owner for shard in self._shards if shard.owner is not None and shard.phase not in over}

    @property
    def is_over(self) -> bool:
        """Nothing runs any more, and something did."""
        return self.has_begun and all(shard.phase in (WorkerPhase.DONE, WorkerPhase.LOST) for shard in self._shards)

    def phases(self) -> list[WorkerPhase]:
        return [shard.phase for shard in self._shards]
