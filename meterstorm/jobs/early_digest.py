"""The digest of a trace, computed while there is something to wait for: jars that come over the network, nodes that start."""

import threading
from concurrent.futures import Future

from sim.estate.model import EstateModel
from sim.virtual_time.tallies import trace_digest


class EarlyDigest:
    """Begins at once, in a thread of its own, which nobody waits for where the process is to end."""

    def __init__(self, estate: EstateModel) -> None:
        self._estate = estate
        self._digest: Future[str] = Future()
        threading.Thread(target=self._compute, name="digest", daemon=True).start()

    def _compute(self) -> None:
        try:
            self._digest.set_result(trace_digest(self._estate))
        except BaseException as error:
            self._digest.set_exception(error)

    def result(self) -> str:
        """Waits for it. Raises what its computing has raised."""
        return self._digest.result()
