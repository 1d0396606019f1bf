"""The digest of a trace, computed while there is something to wait for: jars that come over the network, nodes that start."""

import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from sim.estate.model import EstateModel
from sim.virtual_time.tallies import trace_digest


class _Stopped(Exception):
    """Ends the threads of a digest that nobody wants any more."""


class EarlyDigest:
    """Begins at once, in a thread of its own. At the end of the block it is given up, if it is not there by then.

    The process could not end before the digest's threads do.
    """

    def __init__(self, estate: EstateModel) -> None:
        self._estate = estate
        self._digest: Future[str] = Future()
        self._is_given_up = threading.Event()
        threading.Thread(target=self._compute, name="digest", daemon=True).start()

    def _compute(self) -> None:
        try:
            self._digest.set_result(trace_digest(self._estate, progress=self._go_on))
        except BaseException as error:
            self._digest.set_exception(error)

    def _go_on(self, _share: float) -> None:
        if self._is_given_up.is_set():
            raise _Stopped

    def result(self) -> str:
        """Waits for it. Raises what its computing has raised."""
        return self._digest.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_given_up.set()
