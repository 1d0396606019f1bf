"""Desired against reported by the replay of all commands: the drifts of the store's own reconciliation, and what is amiss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scenarios.domain import DAY_US, CommandKind, Fuel
from store.analytics.commands import CommandReader, devices_of
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import RECONCILE
from store.commands.machine import CommandEvent, State, Step
from store.commands.port import (
    Aspect,
    Command,
    CommandId,
    CommandTables,
    Device,
    DeviceAnswer,
    DeviceState,
    Due,
    DueIndex,
    Request,
    Standing,
)
from store.commands.store import MENDS_MAX, CommandStore, Retries
from store.memory.commands import MemoryCommandTables
from store.readings.store import HomeReadings
from store.roles import TableRole
from tests.unit.store.analytics.test_warehouse import AS_OF_US, SCHEMA, UPLOADS, homes_of, store_with

SECOND_US = 1_000_000
START_US = 1_768_435_200_000_000
SUPPLIER = 0x00_1D_B7_00_00_00_00_01
RETRIES = Retries(attempts_max=2, timeout_us=60 * SECOND_US, backoff_us=60 * SECOND_US)
DEVICES = range(100, 110)


class Head:
    """A head-end on tables of commands; time goes on with each call."""

    def __init__(self, tables: CommandTables | None = None) -> None:
        self.model = MemoryCommandTables()
        self.tables: CommandTables = tables or self.model
        self.store = CommandStore(
            self.tables,
            find_device=lambda device: Device(fuel=Fuel.GAS if device == 109 else Fuel.ELECTRICITY),
            index=DueIndex(shard_count=2),
            since_us=START_US,
        )
        self.now_us = START_US
        self.counter = 0

    def ask(self, device: int, value: int, kind: CommandKind = CommandKind.UPDATE_PRICE) -> Command:
        self.now_us += SECOND_US
        self.counter += 1
        request = Request(
            id=CommandId(SUPPLIER, device, self.counter),
            kind=kind,
            value=value,
            created_us=self.now_us,
            send_us=self.now_us,
            attempts_max=2,
            timeout_us=60 * SECOND_US,
            backoff_us=60 * SECOND_US,
        )
        return self.store.create([request])[0]

    def send(self) -> None:
        self.now_us += SECOND_US
        self.store.pursue(self.store.find_due(self.now_us, from_us=START_US))

    def answer(self, command: Command, event: CommandEvent, *, value: int | None = None) -> None:
        """By the device, which reports `value` of itself where it has applied it; None: what was asked."""
        self.now_us += SECOND_US
        self.store.record_answers([DeviceAnswer(command.id, Step(self.now_us, event, 1))])
        if event is CommandEvent.APPLY:
            self.report(command, command.request.value if value is None else value)

    def report(self, command: Command, value: int) -> None:
        self.store.report_states(
            [
                DeviceState(
                    device=command.id.target,
                    aspect=Aspect.PRICE,
                    standing=Standing.REPORTED,
                    value=value,
                    at_us=self.now_us,
                    cause=command.id,
                )
            ]
        )

    def give_up(self) -> None:
        """Whatever is open has its last attempt and no answer."""
        met: set[Due] = set()
        while dues := [one for one in self.store.find_due(self.now_us + DAY_US, from_us=START_US) if one not in met]:
            met.add(dues[0])
            self.now_us = max(self.now_us, dues[0].due_us) + 1
            self.store.pursue(dues[:1])

    def reconcile(self) -> list[Any]:
        self.now_us += SECOND_US
        return self.store.reconcile(list(DEVICES), self.now_us, RETRIES)

    def checked(self, folder: Path) -> dict[int, dict[str, Any]]:
        store: HomeReadings = store_with(UPLOADS[:1])
        first = store.bulk.pieces()[0]
        reader = CommandReader(self.tables, lambda piece: iter(DEVICES if piece == first else ()))
        export(store, folder, keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of(), beside=[reader])
        return {row["device"]: row for row in run_job(folder, RECONCILE).to_pylist()}


@pytest.fixture
def head() -> Head:
    return commanded(Head())


def commanded(head: Head) -> Head:
    """A device of each verdict that is no fault: 100 right .. 106 nothing to compare, 109 illegal."""
    applied, open_, cancelled, lost, refused, changed = (head.ask(device, 5) for device in range(100, 106))
    head.store.cancel(cancelled.id, head.now_us, "by hand")
    head.ask(109, 1, CommandKind.DISABLE_SUPPLY)  # illegal for gas: it desires nothing
    head.send()
    head.answer(applied, CommandEvent.APPLY)
    head.answer(refused, CommandEvent.REFUSE)
    head.answer(changed, CommandEvent.APPLY, value=4)
    head.answer(lost, CommandEvent.REFUSE)
    head.report(lost, 3)
    assert open_.end is None
    head.ask(106, 9, CommandKind.READ_ON_DEMAND)
    return head


def test_verdicts_are_those_of_the_stores_own_reconciliation(head: Head, tmp_path: Path) -> None:
    rows = head.checked(tmp_path)
    assert {device: row["verdict"] for device, row in rows.items()} == {
        100: "right",
        101: "under way",
        102: "withdrawn",
        103: "drift",
        104: "drift",
        105: "drift",
    }
    assert [(rows[d]["desired"], rows[d]["reported"], rows[d]["state"]) for d in (103, 104, 105)] == [
        (5, 3, "REJECTED"),
        (5, None, "REJECTED"),
        (5, 4, "APPLIED"),
    ]
    drifts = head.reconcile()
    assert {one.desired.device for one in drifts} == {d for d, row in rows.items() if row["verdict"] == "drift"}
    assert {head.checked(tmp_path)[d]["verdict"] for d in (103, 104, 105)} == {"under way"}
    head.give_up()
    assert {head.checked(tmp_path)[d]["mends"] for d in (103, 104, 105)} == {1}
    for _ in range(MENDS_MAX - 1):
        head.reconcile()
        head.give_up()
    rows = head.checked(tmp_path)
    given_up = {d for d, row in rows.items() if row["verdict"] == "given up"}
    assert given_up == {103, 104, 105} and rows[101]["verdict"] == "drift"  # it was still open at the first
    assert {one.desired.device for one in head.reconcile() if one.mending is None} == given_up


def test_what_is_kept_and_says_something_else_than_the_log_is_wrong(head: Head, tmp_path: Path) -> None:
    [wish] = [one for one in head.tables.states([100])[0] if one.standing is Standing.DESIRED]
    head.tables.write_states([replace(wish, value=6, at_us=wish.at_us + 1)])
    assert head.checked(tmp_path)[100]["verdict"] == "wrong"


def test_a_row_that_is_not_what_its_steps_come_to_is_wrong(head: Head, tmp_path: Path) -> None:
    [open_] = head.tables.poll([101])[0]
    assert open_.state is State.SENT
    head.model._steps[open_.id].pop()  # a step is lost
    head.model._steps[open_.id] = {one for one in head.model._steps[open_.id] if one.event is CommandEvent.CREATE}
    assert head.checked(tmp_path)[101]["verdict"] == "wrong"


def test_a_wish_whose_command_has_expired_is_forgotten(head: Head, tmp_path: Path) -> None:
    del head.model._requests[100]
    assert head.checked(tmp_path)[100]["verdict"] == "forgotten"


def test_devices_are_found_by_what_is_kept_of_them() -> None:
    store = store_with([])
    commands, states = SCHEMA.table(TableRole.COMMANDS), SCHEMA.table(TableRole.DEVICE_STATE)
    key = {"originator": 1, "counter": 1}
    for device in (7, 7, 8):
        store.statements.put(commands, {"device": device, **key, "value": 1}, 1)
    store.statements.put(states, {"device": 9, "aspect": 1, "standing": 1, "value": 1}, 1)
    found = [device for piece in store.bulk.pieces() for device in devices_of(store.bulk, SCHEMA, piece)]
    assert sorted(found) == [7, 8, 9]
