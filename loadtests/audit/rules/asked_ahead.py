"""Answers that are fetched together before they are asked for one by one: rules ask home by home, and each question has a wait.

What is asked is the same, at the same level and through the same session; only the waits lie side by side.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from loadtests.backend.back_office import utc_months_of
from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, Operation
from sim.estate.lookup import FUEL_CODES
from sim.estate.model import EstateModel
from store.customers.port import OnceRunner
from store.operations import AnyOperation
from store.ports import Runner, Values
from store.rows import home_columns, values_of
from store.tables import Schema
from store.tariffs import EXPORT

_Key = tuple[AnyOperation, tuple[Any, ...]]


class AskedAhead:
    """Implements `store.ports.Runner` over another one.

    An answer that was fetched is given once: who asks again asks the store.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._answers: dict[_Key, list[Any]] = {}

    @property
    def schema(self) -> Schema:
        return self._runner.schema

    def ahead(self, operation: AnyOperation, rows: Iterable[Values]) -> None:
        """Fetch the answers to some questions. Raises StoreError. Memory holds them until they are asked for."""
        asked = {self._key(operation, values): values for values in rows}
        answers = self._runner.run_many(operation, list(asked.values()))
        self._answers |= dict(zip(asked, answers, strict=True))

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        fetched = self._answers.pop(self._key(operation, values), None)
        return self._runner.run(operation, values) if fetched is None else fetched

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        fetched = [self._answers.pop(self._key(operation, values), None) for values in rows]
        missing = [values for values, answer in zip(rows, fetched, strict=True) if answer is None]
        rest = iter(self._runner.run_many(operation, missing) if missing else ())
        return [next(rest) if answer is None else answer for answer in fetched]

    def _key(self, operation: AnyOperation, values: Values) -> _Key:
        """By what the statement binds, whatever else is told with it."""
        return operation, tuple(values[bind.name] for bind in self.schema.statement(operation).binds)


class OnceAskedAhead(AskedAhead):
    """The same over a runner that can also write a row where there is none; nothing is known ahead of that."""

    def __init__(self, runner: OnceRunner) -> None:
        super().__init__(runner)
        self._once = runner

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        return self._once.run_if(operation, values)


def ask_of_homes(
    estate: EstateModel,
    of_store: AskedAhead,
    of_customers: OnceAskedAhead,
    homes: Sequence[int],
    looks_us: Sequence[int],
    *,
    are_billed: bool,
) -> None:
    """Fetch what `loadtests.audit.rules.customers_read` asks of each of a DC's homes, whatever it has. Raises StoreError.

    looks_us: when displays are looked at [us since the Unix epoch].
    """
    fuels = [*(FUEL_CODES[fuel] for fuel in estate.fuels), EXPORT]
    of_homes: list[Values] = [{"premises": home} for home in homes]
    of_months: list[Values] = [{"premises": home, "month": month} for home in homes for month in utc_months_of(estate)]
    of_store.ahead(Operation.READ_EVENTS, of_months)
    of_customers.ahead(Operation.READ_PREFERENCES, of_homes)
    days_us = sorted({day_us for at_us in looks_us for day_us in utc_days_of(estate.calendar, at_us)})
    of_days = home_columns(
        np.repeat(np.array(homes, np.int64), len(days_us)),
        np.zeros(len(homes) * len(days_us), np.int8),
        np.tile(np.array(days_us, np.int64), len(homes)),
    )
    of_store.ahead(Operation.REFRESH_IHD, (values_of(of_days, at) for at in range(len(of_days["premises"]))))
    if are_billed:
        of_customers.ahead(Operation.READ_BILLS, of_homes)
        of_store.ahead(Operation.READ_USAGE_MONTH, ({**one, "fuel": fuel} for one in of_months for fuel in fuels))


def utc_days_of(calendar: Calendar, at_us: int) -> range:
    """The starts of the UTC days that the local day of an instant has a part of [us since the Unix epoch]."""
    day = calendar.day_of(at_us)
    return range(calendar.day_start_us(day) // DAY_US * DAY_US, calendar.day_start_us(day + 1), DAY_US)
