"""A run's own Prometheus and Alertmanager, beside its nodes until they are stopped. Once it watches it makes no run fail."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.faults.injection import FaultCourse
from loadtests.prometheus.alerts import late_s_of
from loadtests.prometheus.cql_nodes import CqlNodes
from loadtests.prometheus.episodes import AlertEpisode, episodes
from loadtests.prometheus.fault_alerts import ALERTS_OF
from loadtests.prometheus.settings import NodeTarget, targets_of
from loadtests.prometheus.stack import MonitoringStack
from meterstorm.outcomes.monitoring import monitoring_result
from reports.results.run import MonitoringResult, Results
from scenarios.spec import Scenario

log = logging.getLogger(__name__)

RESOLVES_S_MAX = 60.0  # after all that a run does: alerts of faults that were healed last
CUT_SHORT = "Ctrl-C has ended the wait for alerts to resolve."
_POLL_S = 1.0


class RunMonitor:
    """What watches one run; made by `watched`."""

    def __init__(
        self, stack: MonitoringStack, late_s: float, nodes: Callable[[], tuple[NodeTarget, ...]] = lambda: ()
    ) -> None:
        """late_s: from when on in this run what customers are owed is late. nodes: which there are now."""
        self._stack, self._late_s, self._nodes = stack, late_s, nodes
        self._since_s = time.time()

    @property
    def prometheus(self) -> str:
        """HOST:PORT."""
        return self._stack.prometheus

    def follow(self) -> None:
        """Scrape the nodes that there are now: those that have joined, and none that has left."""
        try:
            self._stack.follow(self._nodes())
        except OSError as error:
            log.warning("nodes that have joined or left are not followed: %s", error)

    def stop(self) -> None:
        """Watch no more: nodes that are stopped now are meant to."""
        self._stack.stop()

    def result(self, courses: Sequence[FaultCourse], storm_s: float | None) -> MonitoringResult:
        """What fired until now, while the nodes still run. Waits for alerts of healed faults to resolve, which Ctrl-C cuts short.

        storm_s: how long ago the storm began; None: it never did.
        """
        began_s = self._since_s if storm_s is None else time.time() - storm_s
        expected = {name for one in courses if one.begun_s is not None for name in ALERTS_OF[one.fault.kind].required}
        deadline = time.monotonic() + RESOLVES_S_MAX
        found: tuple[AlertEpisode, ...] = ()
        try:
            while True:
                found = episodes(self._stack, self._since_s)
                firing = {one.name for one in found if one.resolved_s is None}
                if not firing & expected or time.monotonic() > deadline:
                    return monitoring_result(found, began_s, courses, self._late_s)
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            told = monitoring_result(found, began_s, courses, self._late_s)
            return told.model_copy(update={"missing": (*told.missing, CUT_SHORT)})
        except HarnessError as error:
            why = str(error)
        except (OSError, ValueError, KeyError) as error:  # of a file or an answer that is not as it should be
            why = f"what was told of alerts can't be read: {type(error).__name__}: {error}"
        log.warning("nothing is known of alerts: %s", why)
        return MonitoringResult(trouble=f"{why}.")


def with_alerts(
    results: Results, out: Path, monitor: RunMonitor, courses: Sequence[FaultCourse], storm_s: float | None
) -> Results:
    """A run's results with what fired, as `RunMonitor.result` has it; nothing is watched any more.

    They are written into the run's folder as they are at first: who does not wait for the alerts has audit and verdict.
    """
    results.write(out)
    told = monitor.result(courses, storm_s)
    monitor.stop()
    return results.model_copy(update={"monitoring": told})


@contextlib.contextmanager
def watched(
    folder: Path, scenario: Scenario, cluster: LocalCluster | None, endpoint: Endpoint, harness: str
) -> Iterator[RunMonitor]:
    """Watch a run while the block goes on. Raises HarnessError where it can't be started.

    folder: for the stack's files and what is scraped. cluster: its nodes have exporters; None: those at `endpoint` are asked
    through CQL. harness: where the run's own metrics are, a URL.
    """
    with contextlib.ExitStack() as opened:
        if cluster is None:
            nodes = opened.enter_context(CqlNodes(endpoint, scenario.topology.keyspace)).targets
        else:
            local = cluster

            def nodes() -> tuple[NodeTarget, ...]:
                return targets_of(local.members)

        stack = opened.enter_context(MonitoringStack.start(folder, scenario, nodes(), urlsplit(harness).netloc))
        yield RunMonitor(stack, late_s_of(scenario), nodes)
