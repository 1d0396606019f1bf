"""Answers about many devices out of one scan of the table, where each would be a question of its own.

A table of commands holds little but what a run's own campaigns left there, so that most of its rows are asked for. Where it
holds much more, as of other runs, devices are asked about one by one. The level is the question's, through the same session.
"""

from collections.abc import Collection
from operator import attrgetter
from typing import Any

from cassandra.cluster import Session

from scenarios.domain import Operation
from scenarios.spec import Topology
from store.cassandra.session import Statements
from store.operations import AnyOperation, StoreOperation
from store.ports import Values
from store.tables import Schema

SCANNED: frozenset[AnyOperation] = frozenset(
    {Operation.POLL_INBOX, StoreOperation.READ_ATTEMPTS, StoreOperation.READ_METER_STATE}
)
ROWS_A_DEVICE_MAX, ROWS_MAX_LEAST = 32, 1_000
"""A table with more rows than so many a device that is asked about, and with more than the latter, is not read to its end."""

_Answers = dict[tuple[Any, ...], list[Any]]


class ScannedStatements(Statements):
    """Statements whose questions about devices are answered out of scans, each made when it is first needed.

    Of tables that nobody writes any more. Memory holds the rows of the devices that are asked about.
    """

    def __init__(self, session: Session, schema: Schema, topology: Topology, *, devices: Collection[int]) -> None:
        super().__init__(session, schema, topology)
        self._devices = frozenset(devices)
        self._scanned: dict[AnyOperation, _Answers | None] = {}  # None: the table is too large

    def run_many(self, operation: AnyOperation, rows: list[Values], in_flight_max: int = 64) -> list[list[Any]]:
        if operation not in SCANNED or not rows:
            return super().run_many(operation, rows, in_flight_max)
        if operation not in self._scanned:
            self._scanned[operation] = self._scan_all(operation)
        answers = self._scanned[operation]
        if answers is None:
            return super().run_many(operation, rows, in_flight_max)
        binds = self.schema.statement(operation).binds
        keys = [tuple(values[bind.name] for bind in binds) for values in rows]
        assert self._devices.issuperset(values["device"] for values in rows), "a device that was not told of"
        return [list(answers.get(key, ())) for key in keys]

    def _scan_all(self, operation: AnyOperation) -> _Answers | None:
        names = [bind.name for bind in self.schema.statement(operation).binds]
        key_of = attrgetter(*names)
        rows_max = max(ROWS_A_DEVICE_MAX * len(self._devices), ROWS_MAX_LEAST)
        answers: _Answers = {}
        for count, row in enumerate(self.scan(operation), 1):
            if count > rows_max:
                return None
            if row.device in self._devices:
                key = key_of(row) if len(names) > 1 else (key_of(row),)
                answers.setdefault(key, []).append(row)
        return answers
