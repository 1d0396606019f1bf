"""What top-ups pay into prepaid accounts: once their meter has acknowledged them, and each once.

A payment has its command's number, so one that is made again is the same row. A gateway that fails between the end of a
command and its payment makes it up when all commands have ended.
"""

import threading
from collections.abc import Sequence

from loadtests.backend.command_plan import CommandPlan, Payment
from store.commands.machine import State
from store.commands.port import CommandId, CommandTables
from store.customers.port import CustomerStore

CHUNK = 500  # commands that are read at once


class PrepaidAccounts:
    """The accounts of a business DC's homes, as its gateway pays into them."""

    def __init__(self, customers: CustomerStore) -> None:
        self._customers = customers
        self._paid: set[tuple[int, int, int]] = set()  # premises, fuel code, number: known to be in the log

    def pay(self, payments: Sequence[Payment]) -> None:
        """Record them. Raises StoreError: what is not recorded then is with `settle`."""
        for premises, fuel, paid in payments:
            self._customers.top_up(premises, fuel, paid)
            self._paid.add((premises, fuel, paid.reference))

    def settle(self, tables: CommandTables, plan: CommandPlan, stop: threading.Event) -> None:
        """Record what commands have paid in that have ended, and were not paid yet. Raises StoreError."""
        ids = [id_ for id_ in plan.ids() if plan.payment(id_, 0) is not None]
        for start in range(0, len(ids), CHUNK):
            if stop.is_set():
                return
            self.pay([one for one in self._due(tables, plan, ids[start : start + CHUNK]) if not self._is_paid(one)])

    def _due(self, tables: CommandTables, plan: CommandPlan, ids: Sequence[CommandId]) -> list[Payment]:
        ends = [(one.id, one.end) for one in tables.read(ids) if one is not None]
        applied = [(id_, end) for id_, end in ends if end is not None and end.state is State.APPLIED]
        return [one for id_, end in applied if (one := plan.payment(id_, end.at_us)) is not None]

    def _is_paid(self, one: Payment) -> bool:
        return (one.premises, one.fuel, one.paid.reference) in self._paid
