"""A runner that dies before a chosen statement, as a process does that is killed there."""

from typing import Any

from scenarios.domain import Operation
from store.ports import Runner, Values
from store.tables import Schema


class Killed(Exception):
    """The process is gone: nothing after this statement was sent."""


class MortalRunner:
    """Passes statements on, one by one, until `statements_left` are spent; None: it lives for ever."""

    def __init__(self, runner: Runner, statements_left: int | None = None) -> None:
        self._runner = runner
        self.statements_left = statements_left
        self.sent = 0

    @property
    def schema(self) -> Schema:
        return self._runner.schema

    def run(self, operation: Operation, values: Values) -> list[Any]:
        if self.statements_left == 0:
            raise Killed
        if self.statements_left is not None:
            self.statements_left -= 1
        self.sent += 1
        return self._runner.run(operation, values)

    def run_many(self, operation: Operation, rows: list[Values]) -> list[list[Any]]:
        return [self.run(operation, values) for values in rows]
