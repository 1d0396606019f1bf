"""The bench's own parts, as far as faults befall them: senders, the commands' gateways, the back office and what comes to it."""

import threading
from collections.abc import Sequence
from typing import Protocol

from loadtests.errors import HarnessError
from scenarios.parts.faults import Fault, prices_held_from_s
from store.ports import StoreError

BACK_OFFICE = "back office"


def gateway_of(dc: str) -> str:
    """A data centre's gateway, as a part that may be killed."""
    return f"gateway of {dc}"


class SenderProcess(Protocol):
    """What is asked of a sender's process: `subprocess.Popen`."""

    def kill(self) -> None: ...
    def poll(self) -> int | None: ...


class OwnParts:
    """Which of them are dead. The storm says which senders there are; each other part asks before a request whether it lives."""

    def __init__(self) -> None:
        self.office_input = OfficeInput()
        self._senders: Sequence[SenderProcess] = ()
        self._killed: set[int] = set()
        self._dead: set[str] = set()
        self._met: set[str] = set()
        self._lock = threading.Lock()

    def have_senders(self, senders: Sequence[SenderProcess]) -> None:
        """The storm's, in the order of their shards."""
        self._senders = senders

    def kill_sender(self, shard: int) -> None:
        """Raises HarnessError where there is none, or it has ended."""
        if shard >= len(self._senders) or self._senders[shard].poll() is not None:
            raise HarnessError(f"sender {shard + 1} is not there to be killed")
        self._killed.add(shard)
        self._senders[shard].kill()

    def is_sender_gone(self, shard: int) -> bool:
        return self._senders[shard].poll() is not None

    def was_killed(self, shard: int) -> bool:
        """Was a shard's sender killed by a fault?"""
        return shard in self._killed

    def kill(self, part: str) -> None:
        """part: of `gateway_of`, or BACK_OFFICE."""
        with self._lock:
            self._dead.add(part)
            self._met.discard(part)

    def revive(self, part: str) -> None:
        with self._lock:
            self._dead.discard(part)

    def has_died(self, part: str) -> bool:
        """Has a part met its death since it was killed? One that asks nothing of the store does not know it."""
        return part in self._met

    def require(self, part: str) -> None:
        """Raises StoreError for a part that is dead: what it was about to ask of the store is not asked."""
        with self._lock:
            if part in self._dead:
                self._met.add(part)
                raise StoreError(f"the {part} is killed")


class OfficeInput:
    """What comes to the back office as it should not: price lists too late, readings that are garbage.

    Faults set it, from any thread; the office asks, and says what it has met.
    """

    def __init__(self) -> None:
        self._late: list[Fault] = []
        self.garbage_share = 0.0  # of all readings that come
        self.is_price_missed = False  # a display was asked that lacks a price which is held
        self.rejected_count = 0  # rows of garbage that were told apart and rejected

    def hold_prices(self, fault: Fault) -> None:
        """Price lists that a fault makes late are announced, and not published yet."""
        self._late = [*self._late, fault]

    def release_prices(self, fault: Fault) -> None:
        """Those that only this fault has held may be published."""
        self._late = [each for each in self._late if each is not fault]

    @property
    def prices_held_from_s(self) -> float:
        """Which price lists are held: see `scenarios.parts.faults.prices_held_from_s`."""
        return prices_held_from_s(self._late)
