"""The thread that keeps blocks ready, so that the sender never waits for one to be encoded."""

import queue
import threading

from loadtests.sender.block import OperationBlock, OperationSource
from loadtests.sender.scheduling import favour_thread

_READY_MAX = 2  # blocks in store: one in use, one ready, one in the making bound the memory


class Producer:
    """Takes blocks from a source in a thread of its own. What the source raises is raised where `take` is called."""

    def __init__(self, source: OperationSource) -> None:
        self._source = source
        self._ready: queue.Queue[OperationBlock | BaseException | None] = queue.Queue(maxsize=_READY_MAX)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire-producer", daemon=True)
        self.is_exhausted = False

    def start(self) -> None:
        self._thread.start()

    def take(self, timeout_s: float = 0.0) -> OperationBlock | None:
        """The next block that has operations; None when none is ready, or (`is_exhausted`) there is none any more."""
        while not self.is_exhausted:
            try:
                found = self._ready.get(block=timeout_s > 0, timeout=timeout_s or None)
            except queue.Empty:
                return None
            if isinstance(found, BaseException):
                self.is_exhausted = True
                raise found
            if found is None:
                self.is_exhausted = True
            elif len(found):
                return found
        return None

    def stop(self) -> None:
        """End the thread once the block in the making is done. Stopping twice is harmless."""
        self._is_stopped.set()
        self.is_exhausted = True
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()  # room for what it wants to put
            except queue.Empty:
                self._thread.join(timeout=0.01)

    def _run(self) -> None:
        favour_thread()
        try:
            while not self._is_stopped.is_set():
                block = self._source.next_block()
                self._ready.put(block)
                if block is None:
                    return
        except BaseException as error:  # whatever it is, it must surface in the engine's thread
            self._ready.put(error)
