"""A communications hub as SimPy processes: its store-and-forward buffers, and the way over the WAN to the head-end.

A hub has a buffer for each outage that it meets, its own ones before those of its region, and a message goes through them in
turn. No buffer knows when a message will leave: it stores while there is no WAN, then sends `speed` microseconds of backlog
in each, oldest first, while new messages queue behind, until what it sends is what has just come.
"""

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, cast

import simpy

from scenarios.domain import DAY_US
from sim.draws.streams import Purpose, below, below_long, words
from sim.estate.parameters import KernelParameters
from sim.trace.messages import DUPLICATE

Row = tuple[int, int, int, int, int]
"""A message of the trace: due [us], meter, MessageKind, first slot, draw index."""


class Message(NamedTuple):
    """What a hub sends. `wan_draw` is the draw number of its WAN words; alerts come once, readings perhaps twice."""

    meter: int
    kind: int
    first_slot: int
    draw_index: int
    wan_draw: int
    may_repeat: bool


class HeadEnd:
    """Writes down what arrives."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.rows: list[Row] = []

    def receive(self, meter: int, kind: int, first_slot: int, draw_index: int) -> None:
        self.rows.append((self.env.now, meter, kind, first_slot, draw_index))


def draws(p: KernelParameters, purpose: Purpose, index: int, block: int, draw: int = 0) -> tuple[int, int, int, int]:
    """The four words of a counter, as Python's integers."""
    return cast(tuple[int, int, int, int], words(p.seed, int(purpose), index, block, draw))


def until(env: simpy.Environment, at_us: int) -> simpy.Event:
    """An instant, before the messages that fall to it: a change of state that holds from the instant on."""
    event = env.event()
    event._ok, event._value = True, None  # as simpy.Timeout, which has no priority of its own
    env.schedule(event, simpy.events.URGENT, at_us - env.now)
    return event


class Buffer:
    """What a hub stores in one outage, and sends afterwards."""

    def __init__(self, env: simpy.Environment, speed: int, onward: Callable[[Message], None]) -> None:
        self._env = env
        self._speed = speed
        self._onward = onward
        self._waiting: deque[tuple[int, Message]] = deque()
        self._news: simpy.Event | None = None
        self.is_storing = False

    def put(self, message: Message) -> None:
        assert self.is_storing, "a buffer that is not in use"
        self._waiting.append((self._env.now, message))
        if self._news is not None:
            self._news.succeed()
            self._news = None

    def open(self) -> None:
        self.is_storing = True

    def catch_up(self, since_us: int) -> Generator[Any, Any, None]:
        """From the hub's turn on: send the backlog since an instant until there is none.

        The head of the backlog is an instant, which moves on by `speed` microseconds in each: what is sent in a microsecond
        is what came in those. `spare` is what was left of the last one when its message had gone.
        """
        head_us, spare, clock_us = since_us, 0, self._env.now
        while self.is_storing:
            if not self._waiting:
                self._news = self._env.event()
                yield self._news
            came_us, message = self._waiting.popleft()
            took_us, spare = divmod(came_us - head_us + spare, self._speed)
            head_us, clock_us = came_us, clock_us + took_us
            if clock_us > self._env.now:
                yield self._env.timeout(clock_us - self._env.now)
            self._onward(message)
            if clock_us <= came_us:  # it has just come: nothing is behind
                while self._waiting:
                    self._onward(self._waiting.popleft()[1])
                self.is_storing = False


class Hub:
    """The hub of one premises."""

    def __init__(self, head_end: HeadEnd, p: KernelParameters, premises: int, region: int) -> None:
        self._env, self._head_end, self._p, self._premises = head_end.env, head_end, p, premises
        self._buffers: list[Buffer] = []
        self._outages_now = 0
        self._take_link(region)
        for day in range(-(-p.span_us // DAY_US) if p.hub_outage_below > 0 else 0):
            is_out, start, length, _ = draws(p, Purpose.HUB_OUTAGE, premises, day)
            start_us, length_us = day * DAY_US + below(start, DAY_US), below(length, p.hub_outage_us_max)
            if is_out < p.hub_outage_below and length_us > 0:
                self._env.process(self._outage(start_us, start_us + length_us))
        if p.swap_below > 0 and p.regions[region]["is_cellular"]:
            is_swapped, when, _, _ = draws(p, Purpose.HUB_SWAP, premises, 0)
            if is_swapped < p.swap_below:
                swap_us = int(p.swap_from_us) + below_long(when, int(p.swap_over_us))
                self._env.process(self._outage(swap_us, swap_us + int(p.swap_out_us)))
                self._env.process(self._swap(swap_us))
        for index, outage in enumerate(p.outages[: p.outage_count].tolist()):
            whose, start_us, end_us, return_us = outage
            if whose in (-1, region):
                turn = draws(p, Purpose.RETURN_TURN, premises, index // 4)[index % 4]
                self._env.process(self._outage(start_us, end_us + below(turn, return_us)))

    def _take_link(self, index: int) -> None:
        link = self._p.regions[index]
        self._delay_us_min, self._delay_us_span = int(link["delay_us_min"]), int(link["delay_us_span"])
        self._retry_us, self._loss_below = int(link["retry_us"]), link["loss_below"].tolist()

    def _swap(self, at_us: int) -> Generator[Any, Any, None]:
        """The hub that is put in has a link of its own."""
        yield until(self._env, at_us)
        self._take_link(int(self._p.region_count))

    @property
    def has_wan(self) -> bool:
        return self._outages_now == 0

    def send(self, message: Message) -> None:
        """A message is ready: it leaves now, or waits."""
        self._pass_on(message, 0)

    def _pass_on(self, message: Message, first: int) -> None:
        for index in range(first, len(self._buffers)):
            if self._buffers[index].is_storing:
                self._buffers[index].put(message)
                return
        self._transmit(message)

    def _outage(self, start_us: int, turn_us: int) -> Generator[Any, Any, None]:
        """One outage, from its announcement to the end of its backlog. The order of creation is that of the buffers."""
        after = len(self._buffers) + 1
        buffer = Buffer(self._env, self._p.catch_up_speed, lambda message: self._pass_on(message, after))
        self._buffers.append(buffer)
        yield until(self._env, start_us)
        self._outages_now += 1
        buffer.open()
        yield until(self._env, turn_us)
        self._outages_now -= 1
        yield from buffer.catch_up(start_us)

    def _transmit(self, message: Message) -> None:
        """Over the WAN: lost attempts, each found out after `retry_us`, then the delay; and perhaps once more."""
        p = self._p
        if p.is_ideal and p.duplicate_below == 0:
            self._head_end.receive(*message[:4])
            return
        delay, loss, twice, later = draws(p, Purpose.WAN, message.meter, message.first_slot, message.wan_draw)
        takes_us = 0
        if not p.is_ideal:
            lost = 0
            while lost < len(self._loss_below) and loss < self._loss_below[lost]:
                lost += 1
            takes_us = lost * self._retry_us + self._delay_us_min + below(delay, self._delay_us_span)
        self._arrive_after(takes_us, message, message.draw_index)
        if message.may_repeat and twice < p.duplicate_below:
            self._arrive_after(takes_us + 1 + below(later, p.duplicate_us_max), message, DUPLICATE)

    def _arrive_after(self, takes_us: int, message: Message, draw_index: int) -> None:
        meter, kind, first_slot = message[:3]
        arrival = self._env.timeout(takes_us)
        arrival.callbacks.append(lambda _: self._head_end.receive(meter, kind, first_slot, draw_index))
