"""A compare-and-set whose answer is lost is in doubt: a serial read says how it stands, and it is not repeated blindly."""

from collections import namedtuple

import pytest

from scenarios.domain import Operation
from store.cassandra import commands as adapter
from store.cassandra.commands import CassandraCommandTables
from store.commands.machine import End, State
from store.commands.port import CommandId
from store.operations import StoreOperation
from store.ports import StoreError

ID = CommandId(1, 2, 3)
APPLIED, REJECTED = End(State.APPLIED, 50, 1), End(State.REJECTED, 40, 1, "no")
Row = namedtuple("Row", "kind attempt end_state ended_us end_attempt end_reason")


class DoubtfulStatements:
    """One command that was sent once. The first `lost` answers to a compare-and-set are lost, before or after it is done."""

    def __init__(self, *, lost=0, is_done=True, end=None, unreadable=0, attempt=1):
        self.lost, self.is_done, self.end, self.unreadable, self.attempt = lost, is_done, end, unreadable, attempt
        self.asked = []

    def run_many_if(self, operation, rows):
        assert operation is Operation.END_COMMAND
        return [self._compare_and_set(values) for values in rows]

    def _compare_and_set(self, values):
        self.asked.append("set")
        is_lost, self.lost = self.lost > 0, self.lost - 1
        if is_lost and not self.is_done:
            return StoreError("timed out")
        is_applied = self.end is None and self.attempt >= values["end_attempt"]
        if is_applied:
            self.end = End(State(values["end_state"]), values["ended_us"], values["end_attempt"], values["end_reason"])
        return StoreError("timed out") if is_lost else (is_applied, None)

    def run_serial(self, operation, values):
        assert operation is StoreOperation.READ_COMMAND
        self.asked.append("read")
        if self.unreadable:
            self.unreadable -= 1
            raise StoreError("timed out")
        end = self.end or (None, None, None, None)
        return [Row(0, self.attempt, *end)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(adapter, "RESOLVE_WAIT_S", 0.0)


def test_a_plain_one_is_not_read_again():
    statements = DoubtfulStatements()
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [APPLIED]
    assert statements.asked == ["set"]


def test_one_that_was_done_though_its_answer_was_lost_is_not_repeated():
    statements = DoubtfulStatements(lost=1)
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [APPLIED]
    assert statements.asked == ["set", "read"]


def test_one_that_was_not_done_is_decided_anew_after_the_read():
    statements = DoubtfulStatements(lost=1, is_done=False)
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [APPLIED]
    assert statements.asked == ["set", "read", "set"]


def test_one_that_lost_learns_the_end_that_stands():
    statements = DoubtfulStatements(end=REJECTED)
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [REJECTED]
    assert CassandraCommandTables(DoubtfulStatements(lost=1, end=REJECTED)).end([(ID, APPLIED)]) == [REJECTED]


def test_an_answer_to_an_attempt_that_was_not_sent_ends_nothing():
    statements = DoubtfulStatements(attempt=0)
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [None]
    assert statements.end is None


def test_a_serial_read_may_be_repeated():
    statements = DoubtfulStatements(lost=1, unreadable=2)
    assert CassandraCommandTables(statements).end([(ID, APPLIED)]) == [APPLIED]
    assert statements.asked == ["set", "read", "read", "read"]


@pytest.mark.parametrize("doubts", [{"lost": 1, "unreadable": 9}, {"lost": 9, "is_done": False}])
def test_what_stays_in_doubt_is_said(doubts):
    with pytest.raises(StoreError, match="timed out"):
        CassandraCommandTables(DoubtfulStatements(**doubts)).end([(ID, APPLIED)])
