"""Questions about devices that are answered out of one scan: the same answers, in their order, and of a large table none."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import ConsistencyLevel as DriverLevel

from loadtests.audit.rules.scanned_answers import ROWS_A_DEVICE_MAX, ROWS_MAX_LEAST, SCANNED, ScannedStatements
from scenarios.domain import Operation
from scenarios.spec import Topology
from store.cassandra.session import PAGE_ROWS, Statements, _of_all_partitions
from store.operations import AnyOperation, StoreOperation
from store.ports import Values
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
TOPOLOGY = Topology.model_validate({"dcs": [{"name": "north", "nodes": 1, "rf": 1}]})
Told = list[tuple[str, AnyOperation, int]]


def row(device: int, at_us: int = 0, counter: int = 1) -> Any:
    return SimpleNamespace(device=device, originator=7, counter=counter, at_us=at_us)


def step(device: int, counter: int = 1) -> Values:
    return {"device": device, "originator": 7, "counter": counter}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What the store is asked: scans, and questions one by one, which are answered with their device."""
    asked: Told = []

    def run_many(
        _: Statements, operation: AnyOperation, rows: list[Values], in_flight_max: int = 64
    ) -> list[list[Any]]:
        asked.append(("asked", operation, len(rows)))
        return [[values["device"]] for values in rows]

    monkeypatch.setattr(Statements, "run_many", run_many)
    return asked


def statements_of(
    monkeypatch: pytest.MonkeyPatch, told: Told, rows: Sequence[Any], devices: Sequence[int]
) -> ScannedStatements:
    def scan(_: Statements, operation: AnyOperation) -> Iterator[Any]:
        told.append(("scanned", operation, len(rows)))
        yield from rows

    monkeypatch.setattr(Statements, "scan", scan)
    session: Any = None
    return ScannedStatements(session, SCHEMA, TOPOLOGY, devices=devices)


def test_answers_come_in_the_order_of_the_questions_each_in_its_own(
    monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    rows = [row(4, 1), row(4, 2), row(9, 1), row(2, 5), row(2, 8)]  # 9 is nobody's that is asked about
    statements = statements_of(monkeypatch, told, rows, [2, 3, 4])
    answers = statements.run_many(Operation.POLL_INBOX, [{"device": device} for device in (2, 3, 4)])
    assert answers == [rows[3:], [], rows[:2]]
    assert statements.run_many(Operation.POLL_INBOX, [{"device": 4}]) == [rows[:2]]
    assert told == [("scanned", Operation.POLL_INBOX, 5)]  # once
    assert set(statements._scanned[Operation.POLL_INBOX] or ()) == {(2,), (4,)}  # of others nothing is kept


def test_a_question_is_answered_by_all_that_it_asks_by(monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    rows = [row(4, 1, counter=1), row(4, 3, counter=2), row(4, 4, counter=2)]
    statements = statements_of(monkeypatch, told, rows, [4])
    assert statements.run_many(StoreOperation.READ_ATTEMPTS, [step(4, 2), step(4, 1), step(4, 3)]) == [
        rows[1:],
        rows[:1],
        [],
    ]


@pytest.mark.parametrize("more", [0, 1])
def test_a_table_with_far_more_rows_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, told: Told, more: int
) -> None:
    devices = range(ROWS_MAX_LEAST // ROWS_A_DEVICE_MAX + 9)
    rows = [row(0, at_us) for at_us in range(ROWS_A_DEVICE_MAX * len(devices) + more)]
    statements = statements_of(monkeypatch, told, rows, devices)
    for _ in range(2):
        (answer,) = statements.run_many(Operation.POLL_INBOX, [{"device": 0}])
        assert answer == ([0] if more else rows)
    assert [how for how, _, _ in told] == (["scanned", "asked", "asked"] if more else ["scanned"])


def test_what_is_no_question_about_devices_is_asked_as_ever(monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    statements = statements_of(monkeypatch, told, [], [1])
    assert statements.run_many(StoreOperation.READ_COMMAND, [step(1)]) == [[1]]
    assert statements.run_many(Operation.POLL_INBOX, []) == []
    assert [how for how, _, _ in told] == ["asked", "asked"]
    with pytest.raises(AssertionError, match="a device that was not told of"):
        statements.run_many(Operation.POLL_INBOX, [{"device": 2}])


@pytest.mark.parametrize("operation", sorted(SCANNED, key=str))
def test_a_scan_selects_what_the_question_asks_by_and_has_its_level(operation: AnyOperation) -> None:
    statement = SCHEMA.statement(operation)
    cql = _of_all_partitions(statement)
    selected, table = cql.removeprefix("SELECT ").split(" FROM ")
    columns = selected.split(", ")
    assert len(set(columns)) == len(columns) and {bind.name for bind in statement.binds} <= set(columns)
    assert table in statement.cql and " " not in table
    prepared = SimpleNamespace(bind=lambda values: ("bound", values))
    sent: list[Any] = []

    class Session:
        def prepare(self, cql: str) -> Any:
            sent.append(cql)
            return prepared

        def execute_async(self, bound: Any) -> Any:
            sent.append(bound)
            return SimpleNamespace(result=lambda: iter([1, 2, 3]))

    topology = Topology.model_validate(TOPOLOGY.model_dump() | {"consistency": {"default": "LOCAL_ONE"}})
    session: Any = Session()
    assert list(Statements(session, SCHEMA, topology).scan(operation)) == [1, 2, 3]
    assert sent == [cql.format(keyspace="meterstorm"), ("bound", ())]
    assert (prepared.consistency_level, prepared.is_idempotent) == (DriverLevel.LOCAL_ONE, True)
    assert prepared.fetch_size == PAGE_ROWS


def test_a_question_for_a_part_of_a_partition_can_not_be_scanned() -> None:
    with pytest.raises(AssertionError, match="does not ask by equality alone"):
        _of_all_partitions(SCHEMA.statement(Operation.FIND_DUE))
