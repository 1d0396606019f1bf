"""Requests that are not answered in time: a stub session, as a real one can't be made to lose just the second answer."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from cassandra import ConsistencyLevel as DriverLevel
from cassandra import OperationTimedOut, Unavailable
from cassandra.cluster import Session
from cassandra.query import BoundStatement

from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Dc, Topology
from store.cassandra.session import ATTEMPTS_MAX, Statements, prepare
from store.operations import StoreOperation
from store.ports import StoreError
from store.schemas import SCHEMAS

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))


class Bound:
    """Stands for a statement with its values."""

    def __init__(self, is_idempotent: bool) -> None:
        self.is_idempotent = is_idempotent


class Answer:
    def __init__(self, said: Any) -> None:
        self._said = said

    def result(self) -> Any:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


class Scripted(Statements):
    """Answers requests in the order of a script."""

    def __init__(self, script: list[Any], *, is_idempotent: bool = True) -> None:
        super().__init__(None, SCHEMAS["home_months"], TOPOLOGY)
        self.script, self.sent, self._is_idempotent = list(script), 0, is_idempotent

    def start(self, operation: Operation, bound: BoundStatement) -> Any:
        self.sent += 1
        return Answer(self.script.pop(0))

    def _bound(self, operation: Operation, values: Any) -> Any:
        return Bound(self._is_idempotent)


def late() -> OperationTimedOut:
    return OperationTimedOut(errors={"127.0.0.1": "late"})


def test_an_idempotent_request_is_sent_again_until_it_is_answered() -> None:
    statements = Scripted([late(), late(), ["row"]])
    assert statements.run(Operation.READ_STATE, {}) == ["row"]
    assert statements.sent == 3


def test_there_is_a_limit_and_the_error_names_the_table() -> None:
    statements = Scripted([late() for _ in range(ATTEMPTS_MAX)])
    with pytest.raises(StoreError, match="read_state on latest_by_home at LOCAL_QUORUM"):
        statements.run(Operation.READ_STATE, {})
    assert statements.sent == ATTEMPTS_MAX and not statements.script


def test_what_is_not_idempotent_is_never_sent_again() -> None:
    statements = Scripted([late(), ["row"]], is_idempotent=False)
    with pytest.raises(StoreError, match="count_receipt"):
        statements.run(StoreOperation.COUNT_RECEIPT, {})
    assert statements.sent == 1


def test_a_compare_and_set_is_never_sent_again() -> None:
    statements = Scripted([late(), ["row"]])
    with pytest.raises(StoreError, match="end_command"):
        statements.run_if(Operation.END_COMMAND, {})
    assert statements.sent == 1


def test_what_a_server_refused_is_not_asked_again() -> None:
    refused = Unavailable("no replica", consistency=6, required_replicas=1, alive_replicas=0)
    statements = Scripted([refused, ["row"]])
    with pytest.raises(StoreError):
        statements.run(Operation.READ_STATE, {})
    assert statements.sent == 1


def test_many_requests_are_each_sent_again_and_keep_their_order() -> None:
    statements = Scripted([["a"], late(), ["c"], ["b"]])
    assert statements.run_many(Operation.READ_STATE, [{}, {}, {}], in_flight_max=3) == [["a"], ["b"], ["c"]]


def test_a_part_of_a_schema_has_what_its_operations_need_and_no_more() -> None:
    part = SCHEMAS["home_months"].only([Operation.INGEST_REVISION, Operation.READ_STATE])
    assert {table.name for table in part.tables} == {"events_by_home", "intervals_by_home", "latest_by_home"}
    assert part.statement(Operation.INGEST_REVISION) == SCHEMAS["home_months"].statement(Operation.INGEST_REVISION)
    assert part.tables_of(Operation.INGEST_READING) == ()


class Preparing:
    """A session that prepares: what it was told stays in the statement."""

    def prepare(self, cql: str) -> Any:
        return SimpleNamespace(query_string=cql)


@pytest.mark.parametrize(
    ("operation", "serial"),
    [
        (Operation.ISSUE_BILL, DriverLevel.LOCAL_SERIAL),  # through its home's DC alone
        (Operation.END_COMMAND, DriverLevel.LOCAL_SERIAL),
        (
            Operation.WRITE_TARIFF,
            DriverLevel.SERIAL,
        ),  # a price list has no home: LOCAL_SERIAL let two DCs publish one each
    ],
)
def test_what_has_no_home_is_agreed_on_by_all_dcs(operation: Operation, serial: int) -> None:
    statement = SCHEMAS["home_months"].statement(operation)
    prepared = prepare(cast(Session, Preparing()), statement, "k", ConsistencyLevel.LOCAL_QUORUM)
    assert prepared.serial_consistency_level == serial
