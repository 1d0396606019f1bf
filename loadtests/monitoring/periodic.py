"""A thread that looks at something once a second, beside what is measured."""

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

SAMPLE_EVERY_S = 1.0


class PeriodicSampling(ABC):
    """Samples from entering the block to leaving it, in a thread of its own: a node that answers late must hold up nothing.

    What ended the thread before its time is raised when the block is left, unless that is by another error.
    """

    def __init__(self, thread_name: str) -> None:
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._sample_all, name=thread_name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _sample_all(self) -> None:
        try:
            self._run()
        except Exception as error:
            self._error = error

    @abstractmethod
    def _run(self) -> None:
        """Take samples until `_wait` says that it is over."""

    def _wait(self, since_s: float) -> bool:
        """Wait until a whole number of SAMPLE_EVERY_S has gone by since an instant [monotonic]; False when it is over."""
        elapsed_s = time.monotonic() - since_s
        return not self._over.wait(SAMPLE_EVERY_S - elapsed_s % SAMPLE_EVERY_S)
