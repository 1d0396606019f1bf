"""How long work beside the storm goes on against a store that does not let it finish: each piece is begun again, after a wait.

Only what may be done twice is put into it: rounds and strides that go on from what the store holds. What is sent again goes at
the scenario's own consistency level.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from store.ports import StoreError

SETBACKS_MAX = 20  # in a row, each after a time-out or a refusal: then the store can't go on
WAIT_S_MIN, WAIT_S_MAX = 0.25, 4.0  # before the next attempt; doubled after each


class SetbackCount(Protocol):
    """What keeps the count of setbacks."""

    setbacks: int


class FailureBudget:
    """Around each piece of work: takes StoreErrors, and raises the one that is one too many in a row.

    is_excused: those of now don't count.
    """

    def __init__(self, done: SetbackCount, is_excused: Callable[[], bool] = lambda: False) -> None:
        self._done = done
        self._is_excused = is_excused
        self._in_a_row = self._unexcused = 0

    @property
    def wait_s(self) -> float:
        """How long nothing more is to be asked of the store, by how often it has just failed [s]."""
        if self._in_a_row == 0:
            return 0.0
        return min(WAIT_S_MIN * 2.0 ** (self._in_a_row - 1), WAIT_S_MAX)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, StoreError):
            self._in_a_row = self._unexcused = 0
            return False
        self._done.setbacks += 1
        self._in_a_row += 1
        self._unexcused = 0 if self._is_excused() else self._unexcused + 1
        return self._unexcused < SETBACKS_MAX
