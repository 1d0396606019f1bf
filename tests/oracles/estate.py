"""The estate once more, every meter, hub, customer and campaign a SimPy process: a second opinion on the whole trace.

It takes the same keyed draws as the arrays, and nothing else of them: what follows from the draws is found here by letting
time pass, state by state. It is the oracle of the tests and some thousand times slower. Time is an integer, so both give the
same rows, not nearly the same.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import simpy

from scenarios.domain import DAY_US, MeterMode, MeterType, ReadSchedule
from scenarios.spec import ScenarioError
from sim.control.plane import CommandAnswer, ControlPlane, SimulatedCommand
from sim.draws.streams import Purpose, below
from sim.estate.arrivals import (
    alert_sent_us,
    correction_due_us,
    estimate_due_us,
    push_due_us,
    query_due_us,
    ten_second_due_us,
    ten_second_words,
    upload_due_us,
)
from sim.estate.commands import ANSWER_US_MIN, REPEAT_US_MAX, exponential_us
from sim.estate.homes import (
    is_prepayment,
    joined_us,
    meter_mode,
    meter_type_index,
    reading_day,
    region_index,
    schedule_change,
)
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import TEN_SECOND_US
from sim.trace.emission import BURST_DRAW, STORM_DRAW
from sim.trace.messages import ATTEMPT_BITS, KIND_BITS, QUERY_KINDS, MessageKind
from tests.oracles.hub import HeadEnd, Hub, Message, Row, draws, until
from tests.oracles.meter import CUSTOMER, Change, Meter

PREMISES_MAX = 50_000  # some ten minutes and 8 GB
_HALVES = 8  # 16-bit draws in four words
_KINDS_PER_BLOCK = 3  # of queries
_ALERT = int(MessageKind.ALERT)
_SCHEDULES = (ReadSchedule.HALF_HOURLY, ReadSchedule.MONTHLY, ReadSchedule.TEN_SECOND, ReadSchedule.DAILY)

Process = Generator[Any, Any, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Premises:
    index: int
    region: int
    joined_us: int
    hub: Hub
    meters: tuple[Meter, ...]


class TwinRun(NamedTuple):
    """What the twin saw: every message of the trace in its order, and for each meter the firmware that was installed."""

    rows: list[Row]
    firmware: list[list[Change]]  # by meter, in order of time; of equal instants the last counts


def twin_rows(estate: EstateModel) -> list[Row]:
    """Every message of the trace as (due_us, meter, kind, first_slot, draw_index), in the order of `sim.trace.blocks`.

    Raises what `run_twin` does.
    """
    return run_twin(estate).rows


def run_twin(estate: EstateModel) -> TwinRun:
    """Let the span pass.

    Raises ScenarioError for more premises than SimPy is for.
    """
    if estate.premises_count > PREMISES_MAX:
        raise ScenarioError(f"estate.premises: the SimPy twin takes {PREMISES_MAX:,} at most; use the trace")
    twin = _Twin(estate.packed)
    twin.env.run(until=estate.span_us)
    rows = sorted(twin.head_end.rows + twin.command_rows())
    return TwinRun(rows, [sorted(meter.firmware) for one in twin.premises for meter in one.meters])


class _Twin:
    def __init__(self, p: KernelParameters) -> None:
        self.p = p
        self.env = simpy.Environment()
        self.head_end = HeadEnd(self.env)
        self.plane = ControlPlane(self.env, p.campaigns, self._command_device)
        self.slots = len(p.slot_share[0][0]) - 1  # of a day
        self.slot_us = DAY_US // self.slots
        self.last_slot = p.day_count * self.slots - 1
        self.query_below: list[list[int]] = p.query_below.tolist()
        self.alert_below: list[int] = p.alert_below.tolist()
        self.schedule_below: list[int] = p.schedule_below.tolist()
        self.premises = [self._premises(index) for index in range(p.premises_count)]
        for one in self.premises:
            self.env.process(self._commission(one))
        for campaign in range(p.campaign_count):
            self.env.process(self._campaign(campaign))

    def _words(self, purpose: Purpose, index: int, block: int, draw: int = 0) -> tuple[int, int, int, int]:
        return draws(self.p, purpose, index, block, draw)

    # Premises, meters and the head-end's batches

    def _premises(self, index: int) -> _Premises:
        p = self.p
        region = region_index(p, index)
        hub = Hub(self.head_end, p, index, region)
        return _Premises(
            index=index,
            region=region,
            joined_us=joined_us(p, index),
            hub=hub,
            meters=tuple(self._meter(index * p.fuel_count + fuel, hub) for fuel in range(p.fuel_count)),
        )

    def _meter(self, index: int, hub: Hub) -> Meter:
        p = self.p
        version = below(self._words(Purpose.HOME, index // p.fuel_count, 0)[2], p.firmware_count)
        return Meter(
            index=index,
            hub=hub,
            mode=meter_mode(p, index),
            is_register_only=meter_type_index(p, index) == MeterType.REGISTER_ONLY,
            reading_day=reading_day(p, index),
            schedule=_SCHEDULES[_count_below(self.schedule_below, self._words(Purpose.METER, index, 0)[2])],
            firmware=[Change(0, CUSTOMER, version)],
        )

    def _commission(self, one: _Premises) -> Process:
        """The customer may choose a schedule before the meters are there; all else begins with them."""
        for meter in one.meters:
            self.env.process(self._change_schedule(one, meter))
        yield until(self.env, one.joined_us)
        for meter in one.meters:
            if meter.mode == MeterMode.SMART:
                self.env.process(self._read_meter(meter))
        if one.meters[self.p.electricity].mode == MeterMode.NOT_SMART:
            return
        self.env.process(self._ask(one))
        self.env.process(self._raise_alerts(one))
        for storm in range(self.p.alert_storm_count):
            self.env.process(self._storm(one, storm))
        for burst in range(self.p.burst_count):
            self.env.process(self._burst(one, burst))

    def _change_schedule(self, one: _Premises, meter: Meter) -> Process:
        change_us, to = schedule_change(self.p, meter.index)
        if change_us >= self.p.span_us:
            return
        yield self.env.timeout(change_us)
        meter.set_schedule(Change(self.env.now, CUSTOMER, to))
        if self.env.now >= one.joined_us:
            slot = min(self.env.now // self.slot_us, self.last_slot)
            self.head_end.receive(meter.index, int(MessageKind.CHANGE_PREFERENCE), slot, to)

    def _read_meter(self, meter: Meter) -> Process:
        """At each midnight the schedule that is set by then decides how the day is read."""
        p = self.p
        for day in range(self.env.now // DAY_US, p.day_count):
            yield until(self.env, day * DAY_US)
            slots = range(day * self.slots, (day + 1) * self.slots)
            lost = self._below(Purpose.GAP, meter.index, slots, 0, p.gap_below)
            meter.lost[day] = lost
            sends_half_hours = not meter.is_register_only and meter.schedule != ReadSchedule.MONTHLY
            if meter.schedule == ReadSchedule.TEN_SECOND:
                sends_half_hours = False
                self.env.process(self._send_ten_seconds(meter, slots))
            elif meter.schedule == ReadSchedule.HALF_HOURLY and sends_half_hours:
                self.env.process(self._push(meter, slots, lost))
            elif meter.schedule != ReadSchedule.MONTHLY or p.month_day[day] == meter.reading_day:
                self.env.process(self._upload(meter, day, sends_half_hours))
            if sends_half_hours and lost:
                self.env.process(self._estimate(meter, day, lost))
            for run in range(p.settlement_run_count):
                self.env.process(self._correct(meter, day, slots, run))

    def _below(self, purpose: Purpose, meter: int, slots: range, draw: int, bound: int) -> list[int]:
        """The slots whose 16-bit draw is below a bound; a day is six whole blocks of draws."""
        found: list[int] = []
        for block in range(slots.start // _HALVES, slots.stop // _HALVES) if bound > 0 else ():
            four = self._words(purpose, meter, block, draw)
            halves = [half for word in four for half in (word & 0xFFFF, word >> 16)]
            found += [block * _HALVES + place for place, half in enumerate(halves) if half < bound]
        return found

    def _send_ten_seconds(self, meter: Meter, slots: range) -> Process:
        """Over the home's own broadband: the hub is not in the way."""
        of_slot = self.slot_us // TEN_SECOND_US
        for tick in range(slots.start * of_slot, slots.stop * of_slot):
            yield self.env.timeout(
                ten_second_due_us(ten_second_words(self.p.seed, meter.index, tick), tick) - self.env.now
            )
            slot, number = divmod(tick, of_slot)
            self.head_end.receive(meter.index, int(MessageKind.PUSH_TEN_SECOND), slot, number)

    def _push(self, meter: Meter, slots: range, lost: list[int]) -> Process:
        kind = int(MessageKind.PUSH_HALF_HOUR)
        for slot in slots:
            at_us = push_due_us(self.p, meter.index, slot)
            yield self.env.timeout(at_us - self.env.now)
            if slot not in lost:
                meter.hub.send(Message(meter.index, kind, slot, 0, kind, True))

    def _upload(self, meter: Meter, day: int, has_half_hours: bool) -> Process:
        kind = int(MessageKind.UPLOAD_DAY if has_half_hours else MessageKind.READ_REGISTER)
        at_us = upload_due_us(self.p.seed, self.p.upload_window_us, meter.index, day)
        yield self.env.timeout(at_us - self.env.now)
        meter.hub.send(Message(meter.index, kind, day * self.slots, 0, kind, True))

    def _estimate(self, meter: Meter, day: int, lost: list[int]) -> Process:
        yield self.env.timeout(estimate_due_us(self.p, meter.index, day) - self.env.now)
        for slot in lost:
            self.head_end.receive(meter.index, int(MessageKind.ESTIMATE), slot, 0)

    def _correct(self, meter: Meter, day: int, slots: range, run: int) -> Process:
        yield self.env.timeout(correction_due_us(self.p, meter.index, day, run) - self.env.now)
        bound = int(self.p.settlement_runs[run]["below"])
        revised = set(self._below(Purpose.CORRECTION, meter.index, slots, run, bound))
        for slot in sorted(revised | set(meter.lost[day]) if run == 0 else revised):
            self.head_end.receive(meter.index, int(MessageKind.CORRECT), slot, run + 1)

    # Customers and alerts

    def _electricity(self, one: _Premises) -> int:
        return one.meters[self.p.electricity].index

    def _asked_slot(self) -> int:
        """Of the latest whole day; on the first day there is none yet."""
        today: int = self.env.now // DAY_US
        return min(max(today - 1, 0), self.p.day_count - 1) * self.slots

    def _ask(self, one: _Premises) -> Process:
        p = self.p
        for day in range(self.env.now // DAY_US, p.query_day_count):
            queries = []
            for kind in range(p.query_kinds):
                word = self._words(Purpose.QUERY_COUNT, one.index, day, kind // _KINDS_PER_BLOCK)
                count = _count_below(self.query_below[kind], word[kind % _KINDS_PER_BLOCK])
                for number in range(count):
                    at_us = query_due_us(p.seed, p.query_hour, one.index, day, kind, number)
                    queries.append((at_us, int(QUERY_KINDS[kind]), number))
            for at_us, asked, number in sorted(queries):
                yield self.env.timeout(at_us - self.env.now)
                self.head_end.receive(self._electricity(one), asked, self._asked_slot(), number)

    def _burst(self, one: _Premises, index: int) -> Process:
        burst = self.p.bursts[index]
        whether, when, _, _ = self._words(Purpose.BURST, one.index, index)
        at_us = int(burst["at_us"]) + below(when, int(burst["over_us"]))
        if whether < burst["below"] and at_us >= self.env.now:
            yield self.env.timeout(at_us - self.env.now)
            kind, slot = int(MessageKind.ASK_USAGE_MONTH), self._asked_slot()
            self.head_end.receive(self._electricity(one), kind, slot, BURST_DRAW + index)

    def _raise_alerts(self, one: _Premises) -> Process:
        for day in range(self.env.now // DAY_US, self.p.day_count):
            count = _count_below(self.alert_below, self._words(Purpose.ALERT, one.index, day)[0])
            instants = [(alert_sent_us(self.p.seed, one.index, day, number), number) for number in range(count)]
            for at_us, number in sorted(instants):
                yield self.env.timeout(at_us - self.env.now)
                self._raise(one, number)

    def _storm(self, one: _Premises, index: int) -> Process:
        storm = self.p.alert_storms[index]
        whether, when, _, _ = self._words(Purpose.ALERT_STORM, one.index, index)
        at_us = int(storm["at_us"]) + below(when, int(storm["over_us"]))
        if storm["region"] in (-1, one.region) and whether < storm["below"] and at_us >= self.env.now:
            yield self.env.timeout(at_us - self.env.now)
            self._raise(one, STORM_DRAW + index)

    def _raise(self, one: _Premises, draw: int) -> None:
        slot = min(self.env.now // self.slot_us, self.last_slot)
        wan_draw = (draw << KIND_BITS) | _ALERT
        one.hub.send(Message(self._electricity(one), _ALERT, slot, draw, wan_draw, False))

    # Campaigns and the devices that they command

    def _campaign(self, index: int) -> Process:
        p, campaign = self.p, self.p.campaigns[index]
        yield self.env.timeout(int(campaign["at_us"]))
        for one in self.premises:
            meter = one.meters[int(campaign["fuel"])].index
            if one.meters[int(campaign["fuel"])].mode > MeterMode.TRADITIONAL:
                continue
            chosen, wave, instant, _ = self._words(Purpose.COMMAND, meter, index)
            wave_us = below(wave, int(campaign["waves"])) * int(campaign["wave_every_us"])
            first_us = self.env.now + wave_us + below(instant, int(campaign["over_us"]))
            is_meant = campaign["region"] in (-1, one.region) and chosen < campaign["share_below"]
            if campaign["is_prepayment_only"]:
                is_meant = is_meant and is_prepayment(p, one.index)
            if is_meant and one.joined_us <= first_us:
                identity = index * p.premises_count * p.fuel_count + meter
                self.plane.start(SimulatedCommand(id=identity, campaign=index, meter=meter, first_us=first_us))

    def _command_device(self, command: SimulatedCommand, number: int, sent_us: int) -> None:
        """An attempt on its way: the device answers when its hub has WAN and the attempt is not lost."""
        p, campaign = self.p, self.p.campaigns[command.campaign]
        premises, fuel = divmod(command.meter, p.fuel_count)
        meter = self.premises[premises].meters[fuel]
        arrives, when, twice, later = self._words(Purpose.ATTEMPT, command.meter, command.campaign, number)
        if arrives >= campaign["success_below"] or not meter.hub.has_wan or meter.mode != MeterMode.SMART:
            return
        if self._words(Purpose.COMMAND, command.meter, command.campaign, 1)[0] < campaign["silent_below"]:
            silent_for_us = int(campaign["silent_for_us"])
            if silent_for_us < 0 or sent_us - command.first_us < silent_for_us:
                return
        is_refusal = bool(self._words(Purpose.COMMAND, command.meter, command.campaign)[3] < campaign["refusal_below"])
        if not is_refusal and command.campaign not in meter.obeyed:
            meter.obeyed.add(command.campaign)
            self.env.process(self._obey(meter, command.campaign))
        mean_us = max(int(campaign["ack_mean_us"]) - ANSWER_US_MIN, 0)
        at_us = sent_us + ANSWER_US_MIN + exponential_us(p.exponential, mean_us, when)
        self.plane.expect(command.id, CommandAnswer(number, is_refusal, False, at_us))
        if twice < campaign["duplicate_below"]:
            self.plane.expect(
                command.id, CommandAnswer(number, is_refusal, True, at_us + 1 + below(later, REPEAT_US_MAX))
            )

    def _obey(self, meter: Meter, index: int) -> Process:
        """The device does what it is told, when it has come the shortest way."""
        schedule, firmware = (int(self.p.campaigns[index][name]) for name in ("schedule", "firmware"))
        yield self.env.timeout(ANSWER_US_MIN // 2)
        if schedule >= 0:
            meter.set_schedule(Change(self.env.now, index, schedule))
        if firmware >= 0:
            meter.firmware.append(Change(self.env.now, index, firmware))

    def command_rows(self) -> list[Row]:
        """Attempts and answers so far."""
        rows: list[Row] = []
        send, answer = int(MessageKind.SEND_COMMAND), int(MessageKind.ANSWER_COMMAND)
        for record in self.plane.records.values():
            meter, first_draw = record.command.meter, record.command.campaign << ATTEMPT_BITS
            rows += [(at, meter, send, 0, first_draw | 1 + index) for index, at in enumerate(record.sent_us)]
            rows += [(one.at_us, meter, answer, int(one.is_repeat), first_draw | one.attempt) for one in record.answers]
        return rows


def _count_below(bounds: list[int], word: int) -> int:
    """How many of a Poisson table's bounds a word has passed."""
    return next((count for count, bound in enumerate(bounds) if word < bound), len(bounds))
