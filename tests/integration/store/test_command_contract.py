"""One suite, both tables: commands on dictionaries, and on the real Cassandra."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scenarios.domain import DAY_US, CommandKind, Fuel
from scenarios.spec import Dc, Topology
from store.cassandra import create_schema
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements
from store.commands.machine import CommandEvent, End, State, Step
from store.commands.port import (
    Aspect,
    CommandId,
    CommandRefused,
    CommandTables,
    Device,
    DeviceAnswer,
    DeviceState,
    Due,
    DueIndex,
    DueKind,
    Effect,
    Request,
    Standing,
)
from store.commands.store import MENDS_MAX, RECONCILER, CommandStore, Retries, first_due
from store.memory.commands import MemoryCommandTables
from tests.support.schema_under_test import SCHEMA

START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
SUPPLIER = 0x00_1D_B7_00_00_00_00_01
ELECTRICITY, GAS, REMOVED, UNKNOWN = 100, 101, 102, 999
DEVICES = {
    ELECTRICITY: Device(fuel=Fuel.ELECTRICITY),
    GAS: Device(fuel=Fuel.GAS),
    REMOVED: Device(fuel=Fuel.ELECTRICITY, removed_us=START_US),
}
RETRIES = Retries(attempts_max=2, timeout_us=MINUTE_US, backoff_us=MINUTE_US)


@pytest.fixture(scope="module")
def keyspace(request: pytest.FixtureRequest) -> Iterator[Statements]:
    session = request.getfixturevalue("session")
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    topology = Topology(dcs=dcs, keyspace=f"commands_{uuid.uuid4().hex[:12]}")
    create_schema(session, SCHEMA, topology)
    yield Statements(session, SCHEMA, topology)
    session.execute(f"DROP KEYSPACE {topology.keyspace}", timeout=60)


@pytest.fixture(params=["memory", "cassandra"])
def tables(request: pytest.FixtureRequest) -> CommandTables:
    if request.param == "memory":
        return MemoryCommandTables()
    statements: Statements = request.getfixturevalue("keyspace")
    for table in SCHEMA.tables:
        if table.name.startswith(("command", "due", "meter_state")):
            statements.session.execute(f"TRUNCATE {statements.topology.keyspace}.{table.name}", timeout=60)
    return CassandraCommandTables(statements)


@pytest.fixture
def store(tables: CommandTables) -> CommandStore:
    return store_on(tables)


def store_on(tables: CommandTables) -> CommandStore:
    return CommandStore(tables, find_device=DEVICES.get, index=DueIndex(shard_count=2), since_us=START_US)


def request_of(counter: int = 1, *, target: int = ELECTRICITY, **changes: object) -> Request:
    request = Request(
        id=CommandId(SUPPLIER, target, counter),
        kind=CommandKind.UPDATE_PRICE,
        value=7,
        created_us=START_US,
        send_us=START_US + SECOND_US,
        attempts_max=3,
        timeout_us=MINUTE_US,
        backoff_us=MINUTE_US,
    )
    return replace(request, **changes)


def answer_of(
    request: Request, after_us: int, *, attempt: int = 1, event: CommandEvent = CommandEvent.APPLY
) -> DeviceAnswer:
    return DeviceAnswer(request.id, Step(request.send_us + after_us, event, attempt))


def pursue_until(store: CommandStore, until_us: int) -> list[tuple[int, int]]:
    """Do what is due, entry by entry; the attempts that were to be transmitted, as (number, instant)."""
    sent, done = [], set()
    while True:
        waiting = [due for due in store.find_due(until_us) if due not in done]
        if not waiting:
            return sent
        done.add(waiting[0])
        sent += [(one.attempt, one.sent_us) for one in store.pursue(waiting[:1]).attempts]


def state_of(store: CommandStore, request: Request) -> State:
    [command] = store.tables.read([request.id])
    assert command is not None
    return command.state


def test_a_command_is_recorded_before_it_is_sent_and_ends_when_it_is_applied(store):
    request = request_of(text="Prices change at midnight")
    [created] = store.create([request])
    assert created.state is State.CREATED
    assert store.tables.read([request.id]) == [created]
    assert store.poll_inbox([ELECTRICITY, GAS]) == [[created], []]
    dues = store.find_due(START_US + MINUTE_US)
    assert dues == [first_due(request)]
    pursuit = store.pursue(dues)
    assert [(one.attempt, one.sent_us) for one in pursuit.attempts] == [(1, request.send_us)]
    assert pursuit.scheduled == [Due(request.send_us + MINUTE_US, request.id, 1, DueKind.DEADLINE)]
    assert state_of(store, request) is State.SENT
    assert store.record_answers([answer_of(request, 5 * SECOND_US)]) == [Effect.ENDED]
    [command] = store.tables.read([request.id])
    assert command.request == request
    assert command.end == End(State.APPLIED, request.send_us + 5 * SECOND_US, 1)
    assert store.poll_inbox([ELECTRICITY]) == [[]]
    [course] = store.courses([request.id])
    assert (course.state, course.attempts, course.repeats, course.illegal) == (State.APPLIED, 1, 0, ())


def test_creation_may_be_repeated_and_an_id_names_one_command(store):
    request = request_of()
    store.create([request])
    store.pursue([first_due(request)])
    [again] = store.create([replace(request, created_us=START_US + 1)])
    assert (again.state, again.attempt) == (State.SENT, 1)
    with pytest.raises(CommandRefused, match="another command already"):
        store.create([replace(request, value=8)])
    assert len(store.tables.steps([request.id])[0]) == 2


def test_silence_is_replayed_with_backoff_to_the_limit(store):
    request = request_of()
    store.create([request])
    first = request.send_us
    second = first + MINUTE_US + MINUTE_US  # time-out and backoff
    third = second + MINUTE_US + 2 * MINUTE_US  # the backoff doubles
    assert pursue_until(store, START_US + 60 * MINUTE_US) == [(1, first), (2, second), (3, third)]
    [command] = store.tables.read([request.id])
    assert command.end == End(State.EXHAUSTED, third + MINUTE_US, 3, "no answer to 3 attempts")
    [course] = store.courses([request.id])
    assert (course.state, course.attempts, course.illegal) == (State.EXHAUSTED, 3, ())


def test_an_answer_between_time_out_and_replay_ends_the_command(store):
    request = request_of()
    store.create([request])
    pursue_until(store, request.send_us + 90 * SECOND_US)
    assert state_of(store, request) is State.RETRY_WAIT
    assert store.record_answers([answer_of(request, 90 * SECOND_US)]) == [Effect.ENDED]
    # the entry is met again, as after a restart: what is recorded as sent is transmitted, and no more
    assert pursue_until(store, START_US + 60 * MINUTE_US) == [(1, request.send_us)]
    [course] = store.courses([request.id])
    assert (course.state, course.attempts, course.is_late) == (State.APPLIED, 1, True)


def test_late_and_repeated_answers_change_nothing(store):
    request = request_of()
    store.create([request])
    store.pursue([first_due(request)])
    answers = [
        answer_of(request, 5 * SECOND_US),
        answer_of(request, 6 * SECOND_US),
        answer_of(request, 7 * SECOND_US, event=CommandEvent.REFUSE),
    ]
    assert store.record_answers(answers) == [Effect.ENDED, Effect.NO_EFFECT, Effect.NO_EFFECT]
    assert store.record_answers(answers) == [Effect.ENDED, Effect.NO_EFFECT, Effect.NO_EFFECT]
    [course] = store.courses([request.id])
    assert (course.state, course.ended_us, course.repeats) == (State.APPLIED, request.send_us + 5 * SECOND_US, 2)
    assert len(store.tables.steps([request.id])[0]) == 4  # created, sent, and what changed nothing


def test_an_answer_to_an_exhausted_command_changes_nothing(store):
    request = request_of(attempts_max=1)
    store.create([request])
    pursue_until(store, START_US + 60 * MINUTE_US)
    assert store.record_answers([answer_of(request, 2 * MINUTE_US)]) == [Effect.NO_EFFECT]
    [course] = store.courses([request.id])
    assert (course.state, course.repeats, course.illegal) == (State.EXHAUSTED, 1, ())


def test_an_answer_to_what_was_never_sent_is_refused_and_the_others_are_kept(store):
    request, other = request_of(1), request_of(2)
    store.create([request, other])
    store.pursue([first_due(request)])
    effects = store.record_answers(
        [
            answer_of(request_of(77), SECOND_US),
            answer_of(other, SECOND_US),
            answer_of(request, SECOND_US, attempt=2),
            answer_of(request, SECOND_US),
        ]
    )
    assert effects == [Effect.REFUSED, Effect.REFUSED, Effect.REFUSED, Effect.ENDED]
    assert store.tables.steps([request_of(77).id]) == [[]]
    store.cancel(other.id, START_US + 9, "customer moved")
    assert store.record_answers([answer_of(other, SECOND_US)]) == [Effect.REFUSED]
    assert len(store.tables.steps([other.id])[0]) == 1
    assert state_of(store, other) is State.CANCELLED


def test_the_hub_and_the_device_may_say_in_between_how_far_it_is(store):
    request = request_of()
    store.create([request])
    store.pursue([first_due(request)])
    at_hub = answer_of(request, SECOND_US, event=CommandEvent.REACH_HUB)
    acknowledged = answer_of(request, 2 * SECOND_US, event=CommandEvent.ACKNOWLEDGE)
    assert store.record_answers([at_hub, acknowledged]) == [Effect.ADVANCED, Effect.ADVANCED]
    assert state_of(store, request) is State.ACKNOWLEDGED
    assert store.record_answers([at_hub]) == [Effect.NO_EFFECT]
    assert state_of(store, request) is State.ACKNOWLEDGED
    assert store.record_answers([answer_of(request, 3 * SECOND_US, event=CommandEvent.REFUSE)]) == [Effect.ENDED]
    assert state_of(store, request) is State.REJECTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": UNKNOWN}, "unknown device"),
        ({"target": REMOVED}, "was removed"),
        ({"target": GAS, "kind": CommandKind.ENABLE_SUPPLY}, "illegal for gas"),
        ({"target": GAS, "kind": CommandKind.DISABLE_SUPPLY}, "illegal for gas"),
        ({"text": "x" * 117}, "text of 117 characters"),
        ({"send_us": START_US + 40 * DAY_US}, "waits for 40.0 days; at most 34"),  # its due entry expires before that
        ({"timeout_us": 35 * DAY_US}, "waits for 35.0 days"),
    ],
)
def test_what_is_illegal_is_recorded_as_rejected_and_what_is_legal_beside_it_is_not_lost(store, changes, reason):
    illegal, legal = request_of(1, **changes), request_of(2)
    rejected, created = store.create([illegal, legal])
    assert rejected.state is State.REJECTED
    assert reason in rejected.end.reason
    assert created.state is State.CREATED
    assert store.create([illegal, legal]) == [rejected, created]
    assert store.tables.read([illegal.id, legal.id]) == [rejected, created]
    assert pursue_until(store, START_US + MINUTE_US) == [(1, legal.send_us)]
    [course] = store.courses([illegal.id])
    assert (course.state, course.attempts, course.illegal) == (State.REJECTED, 0, ())
    desired = [one.cause for one in store.tables.states([illegal.id.target])[0] if one.aspect is not Aspect.NONE]
    assert illegal.id not in desired


def test_gas_can_be_armed(store):
    [command] = store.create([request_of(target=GAS, kind=CommandKind.ARM_SUPPLY)])
    assert command.state is State.CREATED


@pytest.mark.parametrize("changes", [{"attempts_max": 0}, {"attempts_max": 32}, {"timeout_us": 1}, {"backoff_us": -1}])
def test_a_request_that_cant_be_meant_is_refused(changes):
    with pytest.raises(CommandRefused):
        request_of(**changes)


def test_time_runs_out_before_an_attempt(store):
    request = request_of(expires_us=START_US + 2 * MINUTE_US)
    store.create([request])
    assert pursue_until(store, START_US + 60 * MINUTE_US) == [(1, request.send_us)]
    [command] = store.tables.read([request.id])
    assert command.end == End(State.EXPIRED, request.send_us + 2 * MINUTE_US, 1, "its time ran out")


def test_cancel_while_nothing_is_on_its_way(store):
    request, sent = request_of(1), request_of(2)
    store.create([request, sent])
    store.pursue([first_due(sent)])
    assert store.cancel(request.id, START_US + 5, "customer moved").state is State.CANCELLED
    with pytest.raises(CommandRefused, match="CANCEL of a command that is SENT"):
        store.cancel(sent.id, START_US + 5, "customer moved")
    with pytest.raises(CommandRefused, match="CANCELLED"):
        store.cancel(request.id, START_US + 6, "again")
    with pytest.raises(CommandRefused, match="there is no command"):
        store.cancel(request_of(77).id, START_US, "")
    assert store.pursue([first_due(request)]).stale == 1
    assert store.expire(request_of_created(store, 3), START_US + 9).state is State.EXPIRED


def request_of_created(store: CommandStore, counter: int) -> CommandId:
    store.create([request_of(counter)])
    return request_of(counter).id


def test_supersede_ends_even_what_is_on_its_way(store):
    old, new = request_of(1), request_of(2, value=8)
    store.create([old, new])
    store.pursue([first_due(old)])
    ended = store.supersede(old.id, START_US + 2 * SECOND_US, new.id)
    assert ended.end == End(State.SUPERSEDED, START_US + 2 * SECOND_US, 1, f"superseded by {new.id}")
    assert store.record_answers([answer_of(old, 5 * SECOND_US)]) == [Effect.NO_EFFECT]
    [course] = store.courses([old.id])
    assert (course.state, course.repeats, course.illegal) == (State.SUPERSEDED, 1, ())


def test_a_command_has_one_end(tables):
    store = store_on(tables)
    request = request_of()
    store.create([request])
    first, second = End(State.CANCELLED, START_US + 5, 0), End(State.REJECTED, START_US + 4, 0, "no")
    assert tables.end([(request.id, End(State.APPLIED, START_US + 3, 1))]) == [None]  # it was not sent
    assert tables.end([(request_of(77).id, first)]) == [None]
    assert tables.read([request_of(77).id]) == [None]
    assert tables.end([(request.id, first)]) == [first]
    assert tables.end([(request.id, End(State.APPLIED, START_US + 3, 1))]) == [None]  # ended, and still not sent
    assert tables.end([(request.id, second)]) == [first]
    assert tables.end([(request.id, first)]) == [first]


def test_due_entries_are_found_by_their_instant_over_buckets_and_shards(store):
    requests = [request_of(n, target=n, send_us=START_US + n * 7 * SECOND_US) for n in range(100, 140)]
    assert store.find_due(START_US + 60 * MINUTE_US) == []
    store._schedule([first_due(one) for one in requests])
    until_us = START_US + 110 * 7 * SECOND_US
    assert [due.id.counter for due in store.find_due(until_us)] == list(range(100, 110))
    from_us = START_US + 105 * 7 * SECOND_US
    assert [due.id.counter for due in store.find_due(until_us, from_us=from_us)] == list(range(105, 110))
    store.clear_due(until_us)
    assert store.find_due(until_us) == []
    assert len(store.find_due(START_US + 60 * MINUTE_US)) == 30
    assert store_on(store.tables).cleared_us() == until_us
    assert len({store.index.place(first_due(one)).shard for one in requests}) == 2


def test_an_earlier_clearing_does_not_undo_a_later_one(store):
    store.clear_due(START_US + 2)
    store.clear_due(START_US + 1)
    assert store.cleared_us() == START_US + 2


def reported(value: int, at_us: int, cause: CommandId) -> DeviceState:
    return DeviceState(
        device=cause.target, aspect=Aspect.PRICE, standing=Standing.REPORTED, value=value, at_us=at_us, cause=cause
    )


def test_reconciliation_finds_nothing_where_the_device_does_as_desired(store):
    request = request_of()
    store.create([request])
    assert store.reconcile([ELECTRICITY, GAS], START_US + 5, RETRIES) == []  # an open command may still mend it
    store.pursue([first_due(request)])
    store.record_answers([answer_of(request, 5 * SECOND_US)])
    store.report_states([reported(7, START_US + 9, request.id), reported(6, START_US + 8, request.id)])
    assert store.reconcile([ELECTRICITY, GAS], START_US + 10, RETRIES) == []


def test_drift_is_recorded_and_mended_a_few_times(store):
    request = request_of(attempts_max=1)
    store.create([request])
    pursue_until(store, START_US + 60 * MINUTE_US)
    store.report_states([reported(6, START_US, request.id)])
    mended = []
    for round_ in range(MENDS_MAX + 1):
        now_us = START_US + (1 + round_) * 100 * MINUTE_US
        drifts = store.reconcile([ELECTRICITY], now_us, RETRIES)
        assert store.reconcile([ELECTRICITY], now_us + 1, RETRIES) == [] or round_ == MENDS_MAX
        assert [(one.desired.value, one.reported.value) for one in drifts] == [(7, 6)]
        mended += [one.mending for one in drifts if one.mending]
        pursue_until(store, now_us + 60 * MINUTE_US)
    assert len(mended) == MENDS_MAX
    assert {one.id.originator for one in mended} == {RECONCILER}
    assert mended[0].cause == "drift: desired 7, reported 6"
    rows = {one.standing: one for one in store.tables.states([ELECTRICITY])[0] if one.aspect is Aspect.PRICE}
    assert (rows[Standing.DRIFT].value, rows[Standing.DRIFT].mends) == (6, MENDS_MAX)
    assert rows[Standing.DESIRED].cause == mended[-1].id
    assert [course.state for course in store.courses([one.id for one in mended])] == [State.EXHAUSTED] * MENDS_MAX


def test_what_was_cancelled_is_not_desired_any_more(store):
    request = request_of()
    store.create([request])
    store.cancel(request.id, START_US + 5, "customer moved")
    assert store.reconcile([ELECTRICITY], START_US + 10, RETRIES) == []
