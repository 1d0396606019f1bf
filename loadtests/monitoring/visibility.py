"""When each data centre sees what another one has acknowledged, all along a storm: rows written in one and looked for in others.

A row is written through one data centre at the level of the readings, at a steady pace; through another one the newest rows are
asked for at LOCAL_ONE, soon while the youngest of them is young, later when it is old. So a lag is told to within a fifth of
itself, or to within QUESTION_S_MIN, and the rows that were acknowledged and not seen when a data centre was lost are known one
by one. Rules that hold here: a request that fails is no answer, and is never raised; nothing of this is in the storm's history.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cassandra import ConsistencyLevel as DriverLevel
from cassandra.cluster import Session
from cassandra.query import PreparedStatement

from loadtests.errors import HarnessError
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.parts.faults import Fault, lost_dcs
from scenarios.spec import Topology
from store.cassandra.session import FAILURES

log = logging.getLogger(__name__)

WRITE_EVERY_S = 0.1
ROWS_MAX = 20_000  # of a data centre: in a longer storm they are written at a slower pace
QUESTION_S_MIN, QUESTION_S_MAX = 0.002, 0.1  # between two questions
QUESTION_OF_AGE = 0.2
ANSWER_S_MAX = 2.0
ANSWER_ROWS_MAX = 2_000  # newest first: older ones are asked for once these are there
FINISH_S_MAX = 5.0  # after the storm, in which what is still awaited may come
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {keyspace}.visibility_probe (dc text, id bigint, PRIMARY KEY (dc, id)) "
    "WITH CLUSTERING ORDER BY (id DESC)"
)
_INSERT = "INSERT INTO {keyspace}.visibility_probe (dc, id) VALUES (?, ?)"
_SELECT = f"SELECT id FROM {{keyspace}}.visibility_probe WHERE dc = ? AND id >= ? LIMIT {ANSWER_ROWS_MAX}"

Pair = tuple[str, str]  # the data centre that writes, and the one that looks
Sessions = Mapping[str, Callable[[], AbstractContextManager[Session]]]
"""DC -> how to open a session whose coordinators are that DC's."""


@dataclass(slots=True)
class VisibilityProbe:
    """One row. Instants are monotonic [ns]; None: it did not come to that."""

    sent_ns: int
    acknowledged_ns: int | None = None
    seen_ns: int | None = None  # the first answer that had it


@dataclass(slots=True)
class _Awaited:
    """The rows of a pair: all of them, and those that were not seen yet. The lock is of both."""

    probes: list[VisibilityProbe] = field(default_factory=list)  # by id
    unseen: dict[int, VisibilityProbe] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def watched_pairs(faults: Collection[Fault], topology: Topology) -> tuple[Pair, ...]:
    """The pairs of which a fault takes one from the other: both ways, as what is missed is caught up with."""
    lost = [(dc, other) for fault in faults for dc, others in lost_dcs(fault, topology.dcs).items() for other in others]
    return tuple(dict.fromkeys(pair for dc, other in lost for pair in ((dc, other), (other, dc))))


def create_visibility_table(session: Session, topology: Topology) -> None:
    """Make the table of the rows. Raises what the driver raises."""
    session.execute(_CREATE.format(keyspace=topology.keyspace))


class VisibilityWatch:
    """Watches pairs of data centres from entering the block to leaving it. Raises HarnessError where one can't be reached."""

    def __init__(self, topology: Topology, sessions: Sessions, pairs: Collection[Pair], wall_s: float) -> None:
        self._topology, self._sessions = topology, sessions
        self._awaited = {pair: _Awaited() for pair in pairs}
        self._every_s = max(WRITE_EVERY_S, wall_s / ROWS_MAX)
        self._opened = ExitStack()
        self._statements: dict[str, tuple[Session, PreparedStatement, PreparedStatement]] = {}
        self._no_writes, self._no_questions = threading.Event(), threading.Event()
        self._writers: list[threading.Thread] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        try:
            for dc in dict.fromkeys(dc for pair in self._awaited for dc in pair):
                self._statements[dc] = self._prepared(self._opened.enter_context(self._sessions[dc]()))
        except FAILURES as error:
            self._opened.close()
            raise HarnessError(f"what data centres see of each other can't be watched: {error}") from error
        except BaseException:
            self._opened.close()
            raise
        for dc in dict.fromkeys(writer for writer, _ in self._awaited):
            self._writers.append(threading.Thread(target=self._write, args=(dc,), name=f"visibility-{dc}", daemon=True))
        for pair in self._awaited:
            name = f"visibility-{'-'.join(pair)}"
            self._readers.append(threading.Thread(target=self._look, args=pair, name=name, daemon=True))
        for thread in (*self._writers, *self._readers):
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._no_writes.set()
        for thread in self._writers:
            thread.join()
        until_s = time.monotonic() + (FINISH_S_MAX if kind is None else 0.0)
        while any(one.unseen for one in self._awaited.values()) and time.monotonic() < until_s:
            time.sleep(QUESTION_S_MAX)
        self._no_questions.set()
        for thread in self._readers:
            thread.join()
        self._opened.close()

    @property
    def probes(self) -> Mapping[Pair, tuple[VisibilityProbe, ...]]:
        """The rows of each pair that were acknowledged, in the order of their sending. Once the block is left."""
        return {
            pair: tuple(probe for probe in awaited.probes if probe.acknowledged_ns is not None)
            for pair, awaited in self._awaited.items()
        }

    def _prepared(self, session: Session) -> tuple[Session, PreparedStatement, PreparedStatement]:
        """A session with what is written and what is asked."""
        insert, select = (session.prepare(cql.format(keyspace=self._topology.keyspace)) for cql in (_INSERT, _SELECT))
        level = self._topology.consistency.of(Operation.INGEST_READING)
        insert.consistency_level = DriverLevel.name_to_value[level]
        select.consistency_level = DriverLevel.name_to_value[ConsistencyLevel.LOCAL_ONE]
        return session, insert, select

    def _write(self, dc: str) -> None:
        session, insert, _ = self._statements[dc]
        watched = [awaited for (writer, _), awaited in self._awaited.items() if writer == dc]
        number = 0
        while not self._no_writes.wait(self._every_s - time.monotonic() % self._every_s):
            probes = [VisibilityProbe(time.monotonic_ns()) for _ in watched]
            for awaited, probe in zip(
                watched, probes, strict=True
            ):  # before it is sent: others may see it sooner than we
                with awaited.lock:
                    awaited.probes.append(probe)
                    awaited.unseen[number] = probe
            try:
                session.execute(insert, (dc, number), timeout=ANSWER_S_MAX)
            except FAILURES:
                for awaited in watched:
                    with awaited.lock:
                        awaited.unseen.pop(number, None)
            else:
                acknowledged_ns = time.monotonic_ns()
                for probe in probes:
                    probe.acknowledged_ns = acknowledged_ns
            number += 1

    def _look(self, writer: str, looker: str) -> None:
        session, _, select = self._statements[looker]
        awaited = self._awaited[writer, looker]
        while not self._no_questions.is_set():
            with awaited.lock:
                oldest = next(iter(awaited.unseen), None)
                youngest_ns = max((probe.sent_ns for probe in awaited.unseen.values()), default=None)
            if oldest is None or youngest_ns is None:
                self._no_questions.wait(QUESTION_S_MIN)
                continue
            try:
                rows = session.execute(select, (writer, oldest), timeout=ANSWER_S_MAX)
                found, answered_ns = [row.id for row in rows], time.monotonic_ns()
            except FAILURES:
                self._no_questions.wait(QUESTION_S_MAX)
                continue
            with awaited.lock:
                for number in found:
                    if (probe := awaited.unseen.pop(number, None)) is not None:
                        probe.seen_ns = answered_ns
            age_s = (answered_ns - youngest_ns) / 1e9
            self._no_questions.wait(min(max(age_s * QUESTION_OF_AGE, QUESTION_S_MIN), QUESTION_S_MAX))
