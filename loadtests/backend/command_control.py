"""The control plane of a head-end on the store, and the simulated meters and network that it faces.

Its state is in the store. What it holds in memory is of one bucket of the due index, and is found again after a restart.
Commands don't wait for each other, so a stride of simulated time is worked off by command: each goes on until its next
attempt leaves, since the answer to that may come before anything else that happens to it.
"""

import heapq
from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np

from loadtests.backend.command_plan import CommandPlan, Payment
from loadtests.metrics.instruments import GatewayProgress
from sim.control.closed_loop import AnswerBatch, CommandBatch, Responder
from sim.estate.commands import ANSWER_US_MIN
from store.commands.machine import CommandEvent
from store.commands.port import CommandId, DeviceAnswer, Due, DueKind, Effect
from store.commands.store import RECONCILER, CommandStore, Drift, RecordedAttempt, Retries

NO_COMMANDS = CommandBatch(
    command_id=np.empty(0, np.int64),
    meter=np.empty(0, np.int64),
    campaign=np.empty(0, np.int32),
    attempt=np.empty(0, np.int32),
    sent_us=np.empty(0, np.int64),
)
_IS_ANSWER, _IS_DUE = 0, 1  # of one instant: an answer has arrived before what falls due
Work = tuple[int, int, int, DeviceAnswer | Due]
"""Instant [us since the Unix epoch], _IS_ANSWER or _IS_DUE, a number in order of arrival, and what happens."""


class StoreControl:
    """The control plane on a store; implements `sim.control.closed_loop.CommandPort`. A new one on the same store goes
    on where it was.

    A call that returns attempts may leave work before `until_us` undone: ask again when their answers have been given,
    until none is returned. In windows of at most `ANSWER_US_MIN` nothing is ever left.
    """

    def __init__(
        self,
        store: CommandStore,
        plan: CommandPlan,
        pay: Callable[[Sequence[Payment]], None] = lambda _: None,
        *,
        told: GatewayProgress | None = None,
    ) -> None:
        """pay: is told what commands have paid in, once they have ended as applied. told: how many there are, how they end."""
        self._told = told or GatewayProgress()
        self._store = store
        self._plan = plan
        self._pay = pay
        self._read_us = self._seen_us = self._done_us = self._cleared_us = store.cleared_us()
        self._next = bisect_left(plan.commands, self._read_us - plan.start_us, key=lambda one: one.first_us)
        self._work: list[Work] = []
        self._arrivals = 0
        self._over: set[CommandId] = set()  # commands that have ended, until their deadline's entry is met
        self._open: set[CommandId] = set()  # created and not ended, as far as this one knows

    @property
    def open_count(self) -> int:
        """Commands that are created and have not ended: since this one was started, or as `find_open` has found them."""
        return len(self._open)

    def find_open(self, devices: Sequence[int]) -> None:
        """Let the store say which commands of devices are open, also those that were created before this one was started."""
        self._open.update(command.id for inbox in self._store.poll_inbox(devices) for command in inbox)

    def take_commands(self, until_us: int) -> CommandBatch:
        until = self._plan.start_us + until_us
        if until > self._seen_us:
            self._done_us, self._seen_us = self._seen_us, until
        if until > self._read_us:
            self._read_index(until)
        if not self._work or self._work[0][0] >= until:
            return NO_COMMANDS
        attempts = self._work_off(until)
        return self._plan.batch(attempts) if attempts else NO_COMMANDS

    def give_answers(self, answers: AnswerBatch) -> None:
        for answer in self._plan.answers(answers):
            self._push(answer.step.at_us, _IS_ANSWER, answer)

    def reconcile(self, devices: Sequence[int], retries: Retries) -> list[Drift]:
        """Compare what is desired of devices with what they report, from the next bucket on; pursue what mends them."""
        drifts = self._store.reconcile(devices, self._read_us, retries)
        self._open.update(one.mending.id for one in drifts if one.mending is not None)
        return drifts

    @property
    def next_us(self) -> int:
        """Nothing is known to happen before this simulated instant [us]."""
        return min([self._read_us, *(work[0] for work in self._work[:1])]) - self._plan.start_us

    def finish(self) -> None:
        """All before the last `until_us` is done: a later start need not look at it again."""
        self._store.clear_due(self._seen_us)

    def _read_index(self, until: int) -> None:
        """Enter the buckets before an instant: create what is to be sent in them, and read what is due. Each is read once."""
        bucket_us = self._store.index.bucket_us
        end = -(-until // bucket_us) * bucket_us
        last = bisect_left(self._plan.commands, end - self._plan.start_us, key=lambda one: one.first_us)
        new = self._plan.commands[self._next : last]
        if new:
            created = self._store.create([self._plan.request(one) for one in new])
            self._open.update(one.id for one in created if one.end is None)
            fresh = created[max(self._told.created - self._next, 0) :]  # the others are created again, after a restart
            self._count("rejected", [one.id for one in fresh if one.end is not None])
            self._told.created = max(self._told.created, last)
        self._next = max(last, self._next)
        if self._done_us > self._cleared_us:  # not before the creation: a restart creates again from here on
            self._store.clear_due(self._done_us)
            self._cleared_us = self._done_us
        for due in self._store.find_due(end, from_us=self._read_us):
            self._push(due.due_us, _IS_DUE, due)
        self._read_us = end

    def _push(self, at_us: int, kind: int, what: DeviceAnswer | Due) -> None:
        self._arrivals += 1
        heapq.heappush(self._work, (at_us, kind, self._arrivals, what))

    def _work_off(self, until: int) -> list[RecordedAttempt]:
        """Do what happens before an instant, by rounds: in each, one thing of every command that has one."""
        queues: dict[CommandId, list[Work]] = {}
        while self._work and self._work[0][0] < until:
            work = heapq.heappop(self._work)
            queues.setdefault(work[3].id, []).append(work)  # in order, so a heap
        horizon: dict[CommandId, int] = {}
        attempts: list[RecordedAttempt] = []
        while queues:
            answers, dues = self._next_round(queues, horizon, until)
            self._take(answers)
            dues = [due for due in dues if not self._is_over(due)]
            if not dues:
                continue
            pursuit = self._store.pursue(dues)
            for one in pursuit.attempts:
                horizon.setdefault(one.command.id, one.sent_us + ANSWER_US_MIN)
            attempts += pursuit.attempts
            self._open.difference_update(pursuit.ended)
            self._count("given_up", pursuit.ended)
            for due in pursuit.scheduled:
                if due.due_us < self._read_us:  # else it is read from the index in its time
                    self._arrivals += 1
                    heapq.heappush(queues.setdefault(due.id, []), (due.due_us, _IS_DUE, self._arrivals, due))
        return attempts

    def _is_over(self, due: Due) -> bool:
        """Is the entry known to be stale? A hint that saves a look at the store, which says the same after a restart."""
        if due.id not in self._over:
            return False
        self._over.discard(due.id)
        return due.kind is DueKind.DEADLINE  # what is recorded as sent is transmitted, ended or not

    def _next_round(
        self, queues: dict[CommandId, list[Work]], horizon: dict[CommandId, int], until: int
    ) -> tuple[list[DeviceAnswer], list[Due]]:
        """Take the next of each command, up to where the answer to its next attempt could arrive; the rest waits."""
        answers: list[DeviceAnswer] = []
        dues: list[Due] = []
        for id_, queue in list(queues.items()):
            if queue[0][0] < min(until, horizon.get(id_, until)):
                what = heapq.heappop(queue)[3]
                if isinstance(what, Due):
                    dues.append(what)
                else:
                    answers.append(what)
            else:
                for work in queue:
                    heapq.heappush(self._work, work)
                queue.clear()
            if not queue:
                del queues[id_]
        return answers, dues

    def _take(self, answers: Sequence[DeviceAnswer]) -> None:
        """Record answers; a device that has applied a command so reports its state."""
        if not answers:
            return
        effects = self._store.record_answers(answers)
        ended = [one for one, effect in zip(answers, effects, strict=True) if effect is Effect.ENDED]
        self._open.difference_update(one.id for one in ended)
        self._over.update(one.id for one in ended)
        applied = [one for one in ended if one.step.event is CommandEvent.APPLY]
        self._count("applied", [one.id for one in applied])
        self._count("rejected", [one.id for one in ended if one.step.event is not CommandEvent.APPLY])
        self._store.report_states([state for one in applied if (state := self._plan.reported(one)) is not None])
        self._pay([paid for one in applied if (paid := self._plan.payment(one.id, one.step.at_us)) is not None])

    def _count(self, state: str, ended: Sequence[CommandId]) -> None:
        self._told.end(state, (one for one in ended if one.originator != RECONCILER))


class SimulatedMeters:
    """The devices and the network: what was transmitted once is answered once, or as often as the draws say.

    `redeliver` is what a network does when the gateway dies: what it has not confirmed comes again.
    """

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._known: set[tuple[int, int]] = set()
        self._on_the_way: list[tuple[int, int, AnswerBatch, int]] = []
        self._given: list[tuple[int, int, AnswerBatch, int]] = []
        self._count = 0

    def transmit(self, commands: CommandBatch) -> None:
        """Take attempts; one that was transmitted before says nothing new."""
        keys = list(zip(commands.command_id.tolist(), commands.attempt.tolist(), strict=True))
        new = np.array([key not in self._known for key in keys], np.bool_)
        self._known.update(keys)
        fresh = CommandBatch(
            command_id=commands.command_id[new],
            meter=commands.meter[new],
            campaign=commands.campaign[new],
            attempt=commands.attempt[new],
            sent_us=commands.sent_us[new],
        )
        answers = self._responder.respond(fresh).answers
        for row, at_us in enumerate(answers.at_us.tolist()):
            self._count += 1
            heapq.heappush(self._on_the_way, (at_us, self._count, answers, row))

    def arrived(self, until_us: int) -> list[AnswerBatch]:
        """The answers that arrive before an instant [us], in order, each in a batch of its own."""
        found = []
        while self._on_the_way and self._on_the_way[0][0] < until_us:
            one = heapq.heappop(self._on_the_way)
            self._given.append(one)
            found.append(one[2].chosen(np.array([one[3]])))
        return found

    def redeliver(self, from_us: int) -> None:
        """Deliver again what has arrived at or after an instant [us]."""
        for one in self._given:
            if one[0] >= from_us:
                heapq.heappush(self._on_the_way, one)
        self._given = [one for one in self._given if one[0] < from_us]


def work_stride(control: StoreControl, meters: SimulatedMeters, until_us: int) -> int:
    """Do all that happens before an instant [us]; returns how many attempts were transmitted."""
    count = 0
    while True:
        arrived = meters.arrived(until_us)
        for answers in arrived:
            control.give_answers(answers)
        commands = control.take_commands(until_us)
        if not len(commands) and not arrived:
            return count
        count += len(commands)
        meters.transmit(commands)
