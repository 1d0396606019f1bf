"""How far the clocks of nodes are from the run's own, asked of each node itself. One that does not answer has no clock here."""

import time
from collections.abc import Callable

from cassandra.cluster import Session

from loadtests.cluster.node_clock import CLOCK, MILLISECOND_S, told_s
from store.cassandra.session import FAILURES

ANSWER_S_MAX = 1.0


def clocks_ahead_s(session: Session, dc: str, now_s: Callable[[], float] = time.time) -> dict[str, float]:
    """Address of each node of a data centre that answers -> how far its clock is ahead at least [s]; negative: behind.

    session: whose coordinators are that data centre's. now_s: the run's own clock, Unix time.
    """
    found = {}
    for host in session.cluster.metadata.all_hosts():
        if host.datacenter != dc or host.is_up is False:
            continue
        sent_s = now_s()
        try:
            row = session.execute(CLOCK, host=host, timeout=ANSWER_S_MAX).one()
        except FAILURES:
            continue
        found[str(host.address)] = ahead_s(told_s(row), sent_s, now_s())
    return found


def ahead_s(clock_s: float, sent_s: float, received_s: float) -> float:
    """What a clock is off at least, that told an instant in answer to a question: 0 for one within the time that it took.

    So a node that is slow, or far away, has no wrong clock for it. All are Unix times [s].
    """
    return min(clock_s + MILLISECOND_S - sent_s, 0.0) + max(clock_s - received_s, 0.0)
