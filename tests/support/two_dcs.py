"""Data centres on dictionaries, of which each hears what was written in another one only when it is told to: hints that wait."""

from collections.abc import Callable
from typing import Any, Self

from store.columns import Page
from store.memory.customers import MemoryOnce
from store.operations import AnyOperation
from store.ports import Values
from store.tables import Schema, Table


class MemoryDc(MemoryOnce):
    """One of several DCs: what is written here is seen here at once, and in the others when they `hear`."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self._others: tuple[MemoryDc, ...] = ()
        self._unheard: list[Callable[[], object]] = []

    @classmethod
    def pair(cls, schema: Schema) -> tuple[Self, Self]:
        one, other = cls(schema), cls(schema)
        one._others, other._others = (other,), (one,)
        return one, other

    def hear(self) -> int:
        """Take all that the others have written by now; how many writes."""
        count = len(self._unheard)
        for write in self._unheard:
            write()
        self._unheard.clear()
        return count

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        answer = super().run(operation, values)
        if operation in self._writes:
            self._tell(lambda one: super().run(operation, values))
        return answer

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        answer = super().run_if(operation, values)
        self._tell(lambda one: super().run_if(operation, values))
        return answer

    def insert(self, table: Table, rows: Page) -> None:
        super().insert(table, rows)
        self._tell(lambda one: super().insert(table, rows))

    def delete(self, table: Table, rows: Page) -> None:
        super().delete(table, rows)
        self._tell(lambda one: super().delete(table, rows))

    def _tell(self, write: Callable[["MemoryDc"], object]) -> None:
        for one in self._others:
            one._unheard.append(lambda one=one: write(one))  # type: ignore[misc]
