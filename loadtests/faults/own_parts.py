"""The bench's own parts, as far as faults befall them: its senders and the commands' gateways."""

import threading
from collections.abc import Sequence
from typing import Protocol

from loadtests.errors import HarnessError
from store.ports import StoreError


class SenderProcess(Protocol):
    """What is asked of a sender's process: `subprocess.Popen`."""

    def kill(self) -> None: ...
    def poll(self) -> int | None: ...


class OwnParts:
    """Which of them are dead. The storm says which senders there are; a gateway asks before each request whether it lives."""

    def __init__(self) -> None:
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

    def kill_gateway(self, dc: str) -> None:
        with self._lock:
            self._dead.add(dc)
            self._met.discard(dc)

    def revive_gateway(self, dc: str) -> None:
        with self._lock:
            self._dead.discard(dc)

    def has_gateway_died(self, dc: str) -> bool:
        """Has the gateway met its death since it was killed? One that asks nothing of the store does not know it."""
        return dc in self._met

    def require_gateway(self, dc: str) -> None:
        """Raises StoreError for a gateway that is dead: what it was about to ask of the store is not asked."""
        with self._lock:
            if dc in self._dead:
                self._met.add(dc)
                raise StoreError(f"the gateway of {dc} is killed")
