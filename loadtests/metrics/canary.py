"""A canary row a second through each data centre: can it be written and read now, and how late do the others see it.

The senders count by operation and not by data centre; this asks each of them what a client would, also when no load does; and
each node for its clock. Rules that hold here: a request that fails is counted and never raised; what is asked goes at the levels
of the scenario's own readings and questions, of the other data centres at LOCAL_ONE; a canary is in nobody's way: a few requests
a second through each data centre, and up to twenty questions a second for each pair of them while one lacks the other's row.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cassandra import ConsistencyLevel as DriverLevel
from cassandra.cluster import Session
from cassandra.query import PreparedStatement

from loadtests.errors import HarnessError
from loadtests.metrics.clocks import clocks_ahead_s
from loadtests.metrics.instruments import ProbeProgress
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Topology
from store.cassandra.session import FAILURES

log = logging.getLogger(__name__)

EVERY_S = 1.0
CLOCKS_EVERY_S = 2.0
ANSWER_S_MAX = 2.0  # of one request
LOOK_S_MAX = 0.5  # of a second, in which the others are asked for a row again and again; and of one such question
PAUSE_S = 0.025  # between two such questions: a lag is told to within that
TABLE = "canary"
_CREATE = "CREATE TABLE IF NOT EXISTS {keyspace}.canary (id bigint PRIMARY KEY) WITH default_time_to_live = 600"
_INSERT = "INSERT INTO {keyspace}.canary (id) VALUES (?)"
_SELECT = "SELECT id FROM {keyspace}.canary WHERE id = ?"

Sessions = Mapping[str, Callable[[], AbstractContextManager[Session]]]
"""DC -> how to open a session whose coordinators are that DC's."""


def create_canary_table(session: Session, topology: Topology) -> None:
    """Make the table of the canary's rows, which are gone after ten minutes. Raises what the driver raises."""
    session.execute(_CREATE.format(keyspace=topology.keyspace))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """A data centre's session, with the statements on it."""

    session: Session
    insert: PreparedStatement
    select: PreparedStatement
    look: PreparedStatement  # `select` at LOCAL_ONE

    def is_there(self, row: int) -> bool:
        return self.session.execute(self.look, (row,), timeout=LOOK_S_MAX).one() is not None


class Canary:
    """Sends a row a second through each DC from entering the block to leaving it, each DC's in a thread of its own.

    sessions: of every DC of the topology; one that can't be reached at the start is left out. name_of: a node, by its address.
    """

    def __init__(
        self,
        topology: Topology,
        sessions: Sessions,
        told: ProbeProgress,
        name_of: Callable[[str], str] = lambda address: address,
    ) -> None:
        self._topology, self._sessions, self._told, self._name_of = topology, sessions, told, name_of
        self._branches: dict[str, _Branch] = {}
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._opened = ExitStack()
        self._first = secrets.randbits(60)  # rows of an earlier run in the same keyspace are other rows

    def __enter__(self) -> Self:
        for dc, opened in self._sessions.items():
            try:
                self._branches[dc] = self._branch(self._opened.enter_context(opened()))
            except (HarnessError, *FAILURES) as error:
                log.warning("no canary through %s: %s", dc, error)
        for dc in self._branches:
            for action in ("write", "read"):
                for outcome in ("ok", "failed"):
                    self._told.outcomes[dc, action, outcome] += 0  # so that a rate sees the first one
        for number, dc in enumerate(self._branches):
            thread = threading.Thread(target=self._run, args=(dc, number), name=f"canary-{dc}", daemon=True)
            self._threads.append(thread)
        self._threads.append(threading.Thread(target=self._watch_clocks, name="canary-clocks", daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._told.clocks_ahead_s.clear()  # nobody asks any more
        self._opened.close()

    def _branch(self, session: Session) -> _Branch:
        levels = self._topology.consistency

        def prepared(cql: str, level: ConsistencyLevel) -> PreparedStatement:
            statement = session.prepare(cql.format(keyspace=self._topology.keyspace))
            statement.consistency_level = DriverLevel.name_to_value[level]
            return statement

        return _Branch(
            session=session,
            insert=prepared(_INSERT, levels.of(Operation.INGEST_READING)),
            select=prepared(_SELECT, levels.of(Operation.READ_STATE)),
            look=prepared(_SELECT, ConsistencyLevel.LOCAL_ONE),
        )

    def _run(self, dc: str, number: int) -> None:
        row, awaited = (
            self._first + number,
            dict[str, tuple[int, int]](),
        )  # DC -> the row that it lacks, since when [ns]
        while not self._over.wait(EVERY_S - time.monotonic() % EVERY_S):
            row += len(self._branches)
            sent_ns = time.monotonic_ns()
            if self._ask(dc, "write", row):
                for other in self._branches.keys() - {dc}:
                    awaited.setdefault(other, (row, sent_ns))
            self._ask(dc, "read", row)
            self._look(dc, awaited)

    def _watch_clocks(self) -> None:
        while not self._over.wait(CLOCKS_EVERY_S):
            for dc, branch in self._branches.items():
                found = clocks_ahead_s(branch.session, dc)
                self._told.clocks_ahead_s[dc] = {self._name_of(address): one for address, one in found.items()}

    def _ask(self, dc: str, action: str, row: int) -> bool:
        branch = self._branches[dc]
        try:
            statement = branch.insert if action == "write" else branch.select
            branch.session.execute(statement, (row,), timeout=ANSWER_S_MAX)
        except FAILURES:
            self._told.outcomes[dc, action, "failed"] += 1
            return False
        self._told.outcomes[dc, action, "ok"] += 1
        return True

    def _look(self, dc: str, awaited: dict[str, tuple[int, int]]) -> None:
        """Ask the other data centres for what they lack until they have it, or the time is up."""
        until_s = time.monotonic() + LOOK_S_MAX
        while awaited and not self._over.is_set():
            for other, (row, sent_ns) in list(awaited.items()):
                if self._is_there(other, row):
                    self._told.lag_s[dc, other] = (time.monotonic_ns() - sent_ns) / 1e9
                    del awaited[other]
            if time.monotonic() > until_s:
                break
            self._over.wait(PAUSE_S)
        self._told.unseen_since_ns |= {(dc, other): since for other, (_, since) in awaited.items()}
        for other in self._branches.keys() - awaited.keys():
            self._told.unseen_since_ns.pop((dc, other), None)

    def _is_there(self, dc: str, row: int) -> bool:
        try:
            return self._branches[dc].is_there(row)
        except FAILURES:
            return False
