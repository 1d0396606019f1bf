"""Whatever is asked of the store, in whatever order: legal logs, one end, never more attempts than allowed, repeats harmless."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.audit.rules.commands import Read, check_legal, check_limit, check_one_end
from scenarios.domain import CommandKind, Fuel
from store.commands.machine import ANSWERS, TERMINAL, CommandEvent, Step
from store.commands.port import CommandId, CommandRefused, Device, DeviceAnswer, DueIndex, Effect, Request
from store.commands.store import CommandStore
from store.memory.commands import MemoryCommandTables

START_US = 1_768_435_200_000_000
SECOND_US = 1_000_000
IDS = [CommandId(1, target, counter) for target in (100, 101) for counter in (1, 2)]
KNOWN = {100: Device(fuel=Fuel.ELECTRICITY), 101: Device(fuel=Fuel.GAS)}


class Twice(MemoryCommandTables):
    """Every write is done twice, as when an acknowledgement was lost."""

    def __getattribute__(self, name):
        call = super().__getattribute__(name)
        if name not in ("schedule", "clear", "create", "send", "advance", "answer", "end", "write_states"):
            return call

        def twice(*arguments):
            call(*arguments)
            return call(*arguments)

        return twice


class Forgets(MemoryCommandTables):
    """A planted fault: an end does not last."""

    def end(self, ends):
        self._ends.clear()
        return super().end(ends)


def request_of(id_, at_us):
    return Request(
        id=id_,
        kind=CommandKind.ENABLE_SUPPLY if id_.counter == 2 else CommandKind.ARM_SUPPLY,
        value=id_.counter,
        created_us=at_us,
        send_us=START_US + 30 * SECOND_US if at_us < START_US + 30 * SECOND_US else at_us,
        expires_us=START_US + 400 * SECOND_US,
        attempts_max=3,
        timeout_us=20 * SECOND_US,
        backoff_us=10 * SECOND_US,
    )


ids = st.sampled_from(IDS)
actions = st.one_of(
    st.tuples(st.just("create"), ids),
    st.tuples(st.just("pass"), st.integers(1, 60)),
    st.tuples(st.just("answer"), ids, st.sampled_from(sorted(ANSWERS)), st.integers(1, 3)),
    st.tuples(st.just("cancel"), ids),
    st.tuples(st.just("expire"), ids),
    st.tuples(st.just("supersede"), ids, ids),
)


class Desk:
    """Carries actions out at instants that never go back."""

    def __init__(self, tables):
        self.tables = tables
        self.store = CommandStore(
            tables, find_device=KNOWN.get, index=DueIndex(shard_count=4, bucket_us=60 * SECOND_US), since_us=START_US
        )
        self.now_us = START_US
        self.requests: dict[CommandId, Request] = {}
        self.log: list[object] = []
        self.ends = {}

    def do(self, action, *arguments):
        self.now_us += 1
        try:
            outcome = getattr(self, f"_{action}")(*arguments)
        except CommandRefused as error:
            outcome = str(error)
        self.log.append(outcome)
        for id_ in self.requests:
            [command] = self.tables.read([id_])
            assert self.ends.setdefault(id_, command.end) in (None, command.end), "an end has changed"
            if command.end is not None:
                self.ends[id_] = command.end
            else:
                self.ends.pop(id_)

    def _create(self, id_):
        request = self.requests.setdefault(id_, request_of(id_, self.now_us))
        return self.store.create([replace(request, created_us=min(self.now_us, request.send_us))])[0].state

    def _pass(self, seconds):
        """Time passes; what falls due is done in its order."""
        until_us, done, count = self.now_us + seconds * SECOND_US, set(), 0
        while waiting := [due for due in self.store.find_due(until_us) if due not in done]:
            done.add(waiting[0])
            count += len(self.store.pursue(waiting[:1]).attempts)
        self.store.clear_due(until_us)
        self.now_us = until_us
        return count

    def _answer(self, id_, event, attempt):
        [effect] = self.store.record_answers([DeviceAnswer(id_, Step(self.now_us, event, attempt))])
        return effect

    def _cancel(self, id_):
        return self.store.cancel(id_, self.now_us, "a customer").state

    def _expire(self, id_):
        return self.store.expire(id_, self.now_us).state

    def _supersede(self, id_, by):
        return self.store.supersede(id_, self.now_us, by).state

    def findings(self, *, is_complete):
        ids_ = list(self.requests)
        reads = [Read(c, s) for c, s in zip(self.tables.read(ids_), self.tables.steps(ids_), strict=True)]
        return [
            finding
            for read in reads
            for finding in (*check_one_end(read, is_complete=is_complete), *check_legal(read), *check_limit(read))
        ]


@settings(max_examples=300, deadline=None)
@given(script=st.lists(actions, max_size=40))
def test_commands_stay_sound_and_all_end(script):
    desk = Desk(MemoryCommandTables())
    for action in script:
        desk.do(*action)
    assert desk.findings(is_complete=False) == []
    desk.do("pass", 1_000)
    assert desk.findings(is_complete=True) == []
    assert all(end.state in TERMINAL for end in desk.ends.values())
    assert len(desk.ends) == len(desk.requests)


@settings(max_examples=200, deadline=None)
@given(script=st.lists(actions, max_size=40))
def test_every_write_may_be_done_twice(script):
    once, twice = Desk(MemoryCommandTables()), Desk(Twice())
    for action in script:
        once.do(*action)
        twice.do(*action)
    assert once.log == twice.log
    assert vars(once.tables) == vars(twice.tables)


@settings(max_examples=100, deadline=None)
@given(script=st.lists(actions, max_size=25), again=st.lists(st.integers(0, 24), min_size=1, max_size=5))
def test_an_answer_that_comes_again_says_the_same(script, again):
    """The same delivery, later: no end changes, and what ended the command still says so."""
    desk, answers = Desk(MemoryCommandTables()), []
    for action, *arguments in script:
        if action == "answer":
            id_, event, attempt = arguments
            answers.append((DeviceAnswer(id_, Step(desk.now_us + 1, event, attempt)), len(desk.log)))
        desk.do(action, *arguments)
    taken = [(answer, row) for answer, row in answers if desk.log[row] is not Effect.REFUSED]
    for at in again:
        for answer, row in taken[at : at + 1]:
            [effect] = desk.store.record_answers([answer])
            if desk.log[row] in (Effect.ENDED, Effect.NO_EFFECT):
                assert effect is desk.log[row]
    assert desk.findings(is_complete=False) == []


def test_an_end_that_does_not_last_is_seen():
    desk = Desk(Forgets())
    with pytest.raises(AssertionError, match="an end has changed"):
        for action in (
            ("create", IDS[0]),
            ("create", IDS[2]),
            ("pass", 40),
            ("answer", IDS[0], CommandEvent.APPLY, 1),
            ("answer", IDS[2], CommandEvent.APPLY, 1),
        ):
            desk.do(*action)
