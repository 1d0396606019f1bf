"""Walks all premises once in virtual time and adds what they do to tallies: counts over time, backlog, commands, the digest.

Nothing is stored and nothing is sorted: a premises sends a week's messages into an outbox, and each is added where it belongs.
Tallies are integers that are only added to, so the result is the same for any shards, threads and order.
"""

from threading import local
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, PARTITION_COUNT, CommandState, MeterMode, ReadSchedule
from sim.draws.streams import Drawn, Purpose, below, word_of
from sim.energy.registers import used_before_part_wh, used_from_day_wh
from sim.estate.arrivals import TEN_SECOND_DELAY_US_MAX, delay_of_part_us, draw_for_parts, fill_parts_due
from sim.estate.commands import displayed_us, is_target, run_command
from sim.estate.devices import schedule_on
from sim.estate.homes import (
    ABSENT,
    NEVER_US,
    SMART,
    TRADITIONAL,
    joined_us,
    meter_mode,
    metering_words,
    mode_of_words,
    premises_words,
    region_of_words,
)
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import TEN_SECOND_US, slot_us, slots_per_day, ten_seconds_per_slot
from sim.estate.wan import swap_us
from sim.kernels import leaf_kernel
from sim.trace.digest import (
    Scratch,
    add_keyed,
    hash_keys,
    hash_of_key,
    held_energy_wh,
    hold_parts,
    merkle_root,
    mixed,
    new_scratch,
    second_word,
)
from sim.trace.emission import Outbox, messages_sent
from sim.trace.messages import HUB_KINDS, KIND_BITS, KIND_SHIFT, MessageKind, packed
from sim.trace.part_hashes import hash_of_parts
from sim.trace.scan import Scope, new_outbox
from sim.units import IntArray
from sim.virtual_time.checkpoint import Checkpoint
from sim.virtual_time.parallel import CHUNK_SIZE, Progress, sweep
from sim.virtual_time.uploads import (
    UploadColumns,
    add_energies,
    fill_meters,
    fill_uploads,
    new_meters,
    sends_nothing_else,
    sends_uploads_alone,
)

MINUTE_US = 60_000_000
FINE_BIN_US, COARSE_BIN_US = 1_000_000, MINUTE_US
FINE_DAYS_MAX = 4  # a longer span is counted by the minute

SECONDS_PER_TEN, TENS_PER_MINUTE = TEN_SECOND_US // FINE_BIN_US, MINUTE_US // TEN_SECOND_US

STEP_US = 8 * DAY_US  # of the span that a premises sends into its outbox at once: a week and what arrives after it
KIND_COUNT = len(MessageKind)
STATE_COUNT = len(CommandState)
_TEN_SECOND_SCHEDULE = int(ReadSchedule.TEN_SECOND)
_TEN_SECOND_NOISE, _TEN_SECOND_DELAY = int(Purpose.TEN_SECOND), int(Purpose.TEN_SECOND_DELAY)
_IN_SECOND_HALF = np.uint16(
    15
)  # the highest bit of a 16-bit draw: does a reading take more than half of the longest delay?
_UPLOAD_DAY = int(MessageKind.UPLOAD_DAY)
_PUSH_TEN_SECOND = int(MessageKind.PUSH_TEN_SECOND)
_IN_FLIGHT = int(CommandState.IN_FLIGHT)
_OVER_WAN = np.isin(np.arange(KIND_COUNT), HUB_KINDS)
_OUTBOX_ROOM = 32_768  # messages of a premises in a step, 10-second readings apart
_MANY = 8  # messages whose keys are worth to be hashed in vector instructions
COMMAND_COLUMNS = ("targets", "attempts", "late", "repeats", "displays_due", "displays_correct")
_TARGETS, _ATTEMPTS, _LATE, _REPEATS, _DISPLAYS_DUE, _DISPLAYS_CORRECT = range(len(COMMAND_COLUMNS))


class Tallies(NamedTuple):
    """What a walk has seen. Minutes and bins count from the scenario's start."""

    tiles: NDArray[np.uint64]  # uint64[4096, days, 2]: see `sim.trace.digest`
    offered: IntArray  # int64[kind, bin]: messages that arrive in each bin
    sent: IntArray  # int64[region, minute]: hubs' messages that became ready to be sent
    arrived: IntArray  # int64[region, minute]: hubs' messages that arrived
    sent_to_end_us: IntArray  # int64[region, minute]: sum over those sent of the time left in their minute [us]
    arrived_to_end_us: IntArray  # int64[region, minute]: likewise over those arrived [us]
    waited_us: IntArray  # int64[region]: sum of arrival, or the last minute's end if that is earlier, less sending [us]
    energy_wh: IntArray  # int64[region, fuel]: used by commissioned meters in the span [Wh]
    modes: IntArray  # int64[region, fuel, MeterMode]: metering points, commissioned or not
    swapped_hubs: IntArray  # int64[region]: hubs that are swapped in the span
    states: IntArray  # int64[campaign, CommandState]: commands by how they stand at the span's end
    commands: IntArray  # int64[campaign, COMMAND_COLUMNS]
    ended: IntArray  # int64[campaign, CommandState, minute]: commands that reached a terminal state
    displayed: IntArray  # int64[campaign, minute]: displays that came to show the tariff in force


class WholeSlots(NamedTuple):
    """Meters' slots whose 10-second readings, all or all but the last, arrive on one day of the window: see `_count_whole`."""

    slots: IntArray  # int64[slot]: how many meters'
    last: IntArray  # int64[slot]: of how many of them the last reading too
    late: NDArray[
        np.uint16
    ]  # uint16[slot, 10-second part]: of how many more than a second late; without slots where bins are minutes


def _no_whole_slots(estate: EstateModel, bin_us: int) -> WholeSlots:
    p = estate.parameters
    parts = DAY_US // TEN_SECOND_US // estate.slots_per_day
    slots = p.day_count * estate.slots_per_day
    late = np.zeros((slots if bin_us == FINE_BIN_US else 0, parts), np.uint16)
    return WholeSlots(np.zeros(slots, np.int64), np.zeros(slots, np.int64), late)


def bin_us_of(estate: EstateModel) -> int:
    """The width of the bins in which offered messages are counted [us]."""
    return bin_us_of_span(estate.span_us)


def bin_us_of_span(span_us: int) -> int:
    """The width of the bins for a span [us]."""
    return FINE_BIN_US if span_us <= FINE_DAYS_MAX * DAY_US else COARSE_BIN_US


def empty_tallies(estate: EstateModel) -> Tallies:
    """All zero."""
    p = estate.parameters
    regions, campaigns = p.region_count, p.campaign_count
    minutes = -(-estate.span_us // MINUTE_US)

    def zeros(*shape: int) -> IntArray:
        return np.zeros(shape, np.int64)

    return Tallies(
        tiles=np.zeros((PARTITION_COUNT, -(-estate.span_us // DAY_US), 2), np.uint64),
        offered=zeros(KIND_COUNT, -(-estate.span_us // bin_us_of(estate))),
        sent=zeros(regions, minutes),
        arrived=zeros(regions, minutes),
        sent_to_end_us=zeros(regions, minutes),
        arrived_to_end_us=zeros(regions, minutes),
        waited_us=zeros(regions),
        energy_wh=zeros(regions, p.fuel_count),
        modes=zeros(regions, p.fuel_count, len(MeterMode)),
        swapped_hubs=zeros(regions),
        states=zeros(campaigns, STATE_COUNT),
        commands=zeros(campaigns, len(COMMAND_COLUMNS)),
        ended=zeros(campaigns, STATE_COUNT, minutes),
        displayed=zeros(campaigns, minutes),
    )


def walk(
    estate: EstateModel,
    shard: int = 0,
    shard_count: int = 1,
    *,
    from_us: int = 0,
    until_us: int | None = None,
    thread_count: int | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Tallies:
    """The tallies of one shard's premises: those whose partition p has p % shard_count == shard.

    from_us, until_us: only messages sent in from_us .. until_us - 1; the whole span by default [us].
    checkpoint: of the whole walk, as `sweep` has it.
    """
    assert 0 <= shard < shard_count, "a shard that is not there"
    bin_us, step_us = bin_us_of(estate), STEP_US
    assert checkpoint is None or (shard_count == 1 and from_us == 0 and until_us is None), (
        "a part of a walk is not kept"
    )
    to_us = estate.span_us if until_us is None else min(until_us, estate.span_us)

    rooms = local()

    def work(first: int, end: int, tallies: Tallies) -> None:
        if not hasattr(rooms, "meters"):  # the system gives no memory in less time than a short day's meters take
            rooms.meters = new_meters(estate.parameters.fuel_count, estate.slots_per_day, CHUNK_SIZE)
        out, scratch = new_outbox(_OUTBOX_ROOM), new_scratch(estate.packed, _OUTBOX_ROOM)
        scope = Scope(first, end, shard, shard_count)
        assert (end - first) * estate.parameters.fuel_count < 1 << 16, "more meters than 16 bits count"
        whole = _no_whole_slots(estate, bin_us)
        _walk(estate.packed, scope, from_us, to_us, bin_us, step_us, out, scratch, whole, rooms.meters, tallies)

    return sweep(
        estate.premises_count,
        work,
        lambda: empty_tallies(estate),
        thread_count=thread_count,
        progress=progress,
        checkpoint=checkpoint,
    )


def trace_digest(
    estate: EstateModel, shard_count: int = 1, *, thread_count: int | None = None, progress: Progress | None = None
) -> str:
    """The digest of an estate's trace, 64 hexadecimal digits. It is computed shard by shard; their number does not show."""
    tiles = empty_tallies(estate).tiles
    for shard in range(shard_count):
        tiles += walk(estate, shard, shard_count, thread_count=thread_count, progress=progress).tiles
    return merkle_root(tiles)


@leaf_kernel
def may_send_ten_seconds(p: KernelParameters) -> bool:
    """Is there a meter that sends every 10 s, now or after its customer's change or a command?"""
    found = int(p.schedule_below[2] > p.schedule_below[1])
    for change in range(p.change_count):
        found += int(p.changes[change].to == _TEN_SECOND_SCHEDULE)
    for campaign in range(p.campaign_count):
        found += int(p.campaigns[campaign].schedule == _TEN_SECOND_SCHEDULE)
    return found > 0


@leaf_kernel
def _bin_of(due_us: int, bin_us: int) -> int:
    """due_us // bin_us, by constants: the processor's own division takes as long as all the rest."""
    return due_us // FINE_BIN_US if bin_us == FINE_BIN_US else due_us // COARSE_BIN_US


@leaf_kernel
def _add_ten_seconds(
    p: KernelParameters,
    premises: int,
    meter: int,
    from_us: int,
    to_us: int,
    bin_us: int,
    scratch: Scratch,
    whole: WholeSlots,
    tallies: Tallies,
    partition: int,
) -> None:
    """A meter's 10-second readings, as `messages_sent` would list them, without a list: a nation sends 5 million a second."""
    from_us = max(from_us, joined_us(p, premises))
    first_day = max((from_us - TEN_SECOND_DELAY_US_MAX) // DAY_US - 1, joined_us(p, premises) // DAY_US)
    for day in range(first_day, min((to_us - 1) // DAY_US + 1, p.day_count)):
        if schedule_on(p, meter, day) == _TEN_SECOND_SCHEDULE:
            first_slot = max((from_us - TEN_SECOND_DELAY_US_MAX) // slot_us(p) - 1, day * slots_per_day(p))
            for slot in range(first_slot, min(to_us // slot_us(p) + 1, (day + 1) * slots_per_day(p))):
                _add_parts(p, meter, slot, from_us, min(to_us, p.span_us), bin_us, scratch, whole, tallies, partition)


@leaf_kernel
def _add_parts(
    p: KernelParameters,
    meter: int,
    slot: int,
    from_us: int,
    to_us: int,
    bin_us: int,
    scratch: Scratch,
    whole: WholeSlots,
    tallies: Tallies,
    partition: int,
) -> None:
    """The 10-second readings of a slot: eight at once where all, or all but the last, arrive on one day of the window."""
    earliest_us = slot * slot_us(p) + TEN_SECOND_US
    latest_us = (slot + 1) * slot_us(p) + TEN_SECOND_DELAY_US_MAX
    if latest_us <= from_us or to_us <= earliest_us:
        return
    day = earliest_us // DAY_US
    before_last_us = latest_us - TEN_SECOND_US
    if from_us <= earliest_us and before_last_us < to_us and before_last_us // DAY_US == day:
        is_whole = latest_us < to_us and latest_us // DAY_US == day
        energy_wh = held_energy_wh(p, meter, slot, scratch)
        skipped = draw_for_parts(p, _TEN_SECOND_NOISE, meter, slot, scratch.drawn)
        draw_for_parts(p, _TEN_SECOND_DELAY, meter, slot, scratch.delays)
        delays, noises = scratch.delays.halves, scratch.drawn.halves
        message = packed(meter, _PUSH_TEN_SECOND, slot, 0)
        low, high = hash_of_parts(p, delays, noises, skipped, earliest_us, energy_wh, message)
        last = ten_seconds_per_slot(p) - 1
        if not is_whole:  # a sum, so what is too much can be taken out of it
            due_us = earliest_us + last * TEN_SECOND_US + delay_of_part_us(delays[skipped + last])
            wh = energy_wh - used_before_part_wh(p, energy_wh, last, noises[skipped + last])
            state = _hash_of_reading(due_us, message | last, wh)
            low -= state
            high -= second_word(state)
            _add_reading(due_us, state, to_us, bin_us, tallies, partition)
        tallies.tiles[partition, day, 0] += low
        tallies.tiles[partition, day, 1] += high
        whole.slots[slot] += 1
        whole.last[slot] += int(is_whole)
        if bin_us == FINE_BIN_US:
            late = whole.late[slot]
            for part in range(last + int(is_whole)):
                late[part] += delays[skipped + part] >> _IN_SECOND_HALF
        return
    hold_parts(p, meter, slot, scratch)
    parts, parts_due_us = scratch.parts, scratch.parts_due_us
    fill_parts_due(p, meter, slot, scratch.drawn, parts_due_us)
    for part in range(ten_seconds_per_slot(p)):
        if from_us <= parts_due_us[part]:
            message = packed(meter, _PUSH_TEN_SECOND, slot, part)
            state = _hash_of_reading(parts_due_us[part], message, parts[part + 1] - parts[part])
            _add_reading(parts_due_us[part], state, to_us, bin_us, tallies, partition)


@leaf_kernel
def _add_reading(due_us: int, state: np.uint64, to_us: int, bin_us: int, tallies: Tallies, partition: int) -> None:
    """One 10-second reading, if it arrives in the window; `state` is the first word of its hash."""
    if due_us < to_us:
        day = due_us // DAY_US
        tallies.tiles[partition, day, 0] += state
        tallies.tiles[partition, day, 1] += second_word(state)
        tallies.offered[_PUSH_TEN_SECOND, _bin_of(due_us, bin_us)] += 1


@leaf_kernel
def _count_whole(p: KernelParameters, bin_us: int, whole: WholeSlots, offered: IntArray) -> None:
    """Count the arrivals of whole slots into `offered` int64[bin].

    A reading arrives within two seconds of its 10 s, so in the first or the second of two seconds, and in the minute in
    which its 10 s end.
    """
    last = ten_seconds_per_slot(p) - 1
    for slot in range(len(whole.slots)):
        meters, of_last = whole.slots[slot], whole.last[slot]
        if meters == 0:
            continue
        if bin_us == FINE_BIN_US:
            for part in range(last + int(of_last > 0)):
                second = slot * (slot_us(p) // FINE_BIN_US) + (part + 1) * SECONDS_PER_TEN
                late = int(np.int64(whole.late[slot, part]))
                offered[second] += (meters if part < last else of_last) - late
                offered[second + 1] += late
            continue
        minutes = slot_us(p) // MINUTE_US
        minute = slot * minutes
        offered[minute] += meters * (TENS_PER_MINUTE - 1)
        for later in range(1, minutes):
            offered[minute + later] += meters * TENS_PER_MINUTE
        if of_last > 0:
            offered[minute + minutes] += of_last  # the slot's last 10 s end with it


@leaf_kernel
def _hash_of_reading(due_us: int, message: int, wh: int) -> np.uint64:
    return mixed(hash_of_key(due_us, message) ^ np.uint64(wh))


@leaf_kernel
def _add_to_backlog(region: int, sent_us: int, due_us: int, tallies: Tallies) -> None:
    """What a hub has ready at one instant and what is at the head-end at another one."""
    last_minute = tallies.sent.shape[1] - 1
    minute = sent_us // MINUTE_US
    tallies.sent[region, minute] += 1
    tallies.sent_to_end_us[region, minute] += (minute + 1) * MINUTE_US - sent_us
    tallies.waited_us[region] += min(due_us, (last_minute + 1) * MINUTE_US) - sent_us
    minute = due_us // MINUTE_US
    if minute <= last_minute:
        tallies.arrived[region, minute] += 1
        tallies.arrived_to_end_us[region, minute] += (minute + 1) * MINUTE_US - due_us


@leaf_kernel
def _add_uploads(
    p: KernelParameters,
    scope: Scope,
    from_us: int,
    to_us: int,
    bin_us: int,
    scratch: Scratch,
    meters: UploadColumns,
    tallies: Tallies,
) -> None:
    """The uploads of the range, and its meters, where `sends_uploads_alone`: what is sent is there at once."""
    count = fill_meters(p, scope, meters)
    for at in range(count):
        tallies.modes[meters.region[at], at % p.fuel_count, SMART] += 1
    add_energies(p, count, scratch, meters, tallies.energy_wh)
    first_day = max((from_us - p.upload_window_us) // DAY_US - 1, 0)
    for day in range(first_day, min((to_us - 1) // DAY_US + 1, p.day_count)):
        fill_uploads(p, day, day == first_day, count, scratch, meters)
        for at in range(count):
            sent_us = meters.sent_us[at]
            if day >= meters.joined_day[at] and from_us <= sent_us < to_us:
                _add_to_backlog(meters.region[at], sent_us, sent_us, tallies)
                if sent_us < p.span_us:
                    tallies.offered[_UPLOAD_DAY, _bin_of(sent_us, bin_us)] += 1
                    tallies.tiles[meters.partition[at], sent_us // DAY_US, 0] += meters.first[at]
                    tallies.tiles[meters.partition[at], sent_us // DAY_US, 1] += meters.second[at]


@leaf_kernel
def _walk(
    p: KernelParameters,
    scope: Scope,
    from_us: int,
    to_us: int,
    bin_us: int,
    step_us: int,
    out: Outbox,
    scratch: Scratch,
    whole: WholeSlots,
    meters: UploadColumns,
    tallies: Tallies,
) -> None:
    is_of_uploads = sends_uploads_alone(p)
    if is_of_uploads:
        _add_uploads(p, scope, from_us, to_us, bin_us, scratch, meters, tallies)
        if sends_nothing_else(p):
            return
    has_ten_seconds = may_send_ten_seconds(p)
    for premises in range(scope.first_premises, scope.end_premises):
        four = premises_words(p.seed, premises)
        partition = below(word_of(four, 2), PARTITION_COUNT)
        if scope.shard_count > 1 and partition % scope.shard_count != scope.shard:
            continue
        region = region_of_words(p, four)
        for step_from_us in range(from_us, to_us, step_us):
            step_to_us = min(step_from_us + step_us, to_us)
            count = messages_sent(p, premises, region, step_from_us, step_to_us, True, is_of_uploads, out)
            assert count <= len(out.due_us), "a premises sends more in a step than an outbox holds"
            first_without_values = count
            if count >= _MANY:
                first_without_values = hash_keys(out.due_us, out.message, count, scratch)
            for at in range(count):
                due, sent, message = out.due_us[at], out.sent_us[at], out.message[at]
                kind = (message >> KIND_SHIFT) & ((1 << KIND_BITS) - 1)
                if _OVER_WAN[kind]:
                    _add_to_backlog(region, sent, due, tallies)
                if due < p.span_us:
                    tallies.offered[kind, _bin_of(due, bin_us)] += 1
                    if at < first_without_values:
                        key = scratch.keys[at] if count >= _MANY else hash_of_key(due, message)
                        add_keyed(p, due, message, key, scratch, tallies.tiles, partition)
                    else:
                        tallies.tiles[partition, due // DAY_US, 0] += scratch.keys[at]
                        tallies.tiles[partition, due // DAY_US, 1] += scratch.seconds[at]
        if has_ten_seconds:
            for fuel in range(p.fuel_count):
                meter = premises * p.fuel_count + fuel
                if meter_mode(p, meter) == SMART:
                    _add_ten_seconds(p, premises, meter, from_us, to_us, bin_us, scratch, whole, tallies, partition)
        if not is_of_uploads:
            _add_meters(p, premises, region, scratch.drawn, tallies)
        for campaign in range(p.campaign_count):
            meter = premises * p.fuel_count + p.campaigns[campaign].fuel
            if is_target(p, campaign, premises, region, meter):
                _add_command(p, campaign, premises, region, meter, out, tallies)
    _count_whole(p, bin_us, whole, tallies.offered[_PUSH_TEN_SECOND])


@leaf_kernel
def _add_meters(p: KernelParameters, premises: int, region: int, drawn: Drawn, tallies: Tallies) -> None:
    """The premises' meters by their mode, what they used from when they were commissioned, and whether its hub is swapped."""
    metering = metering_words(p, premises)
    first_day = min(joined_us(p, premises) // DAY_US, p.day_count)
    for fuel in range(p.fuel_count):
        meter = premises * p.fuel_count + fuel
        mode = mode_of_words(p, metering, meter, fuel == p.electricity)
        tallies.modes[region, fuel, mode] += 1
        if fuel == p.electricity and mode <= TRADITIONAL:
            tallies.swapped_hubs[region] += int(swap_us(p, premises, region) < p.day_count * DAY_US)
        if mode != ABSENT:
            tallies.energy_wh[region, fuel] += used_from_day_wh(p, meter, first_day, drawn)


@leaf_kernel
def _add_command(
    p: KernelParameters, campaign: int, premises: int, region: int, meter: int, out: Outbox, tallies: Tallies
) -> None:
    outcome = run_command(p, campaign, premises, region, meter, out.attempts_us, out.answers_us)
    row = tallies.commands[campaign]
    row[_TARGETS] += 1
    for number in range(outcome.attempts):
        row[_ATTEMPTS] += int(out.attempts_us[number] < p.span_us)
    if outcome.ended_us < p.span_us:
        tallies.states[campaign, outcome.state] += 1
        tallies.ended[campaign, outcome.state, outcome.ended_us // MINUTE_US] += 1
        row[_LATE] += int(outcome.is_late)
        row[_REPEATS] += outcome.repeats
    else:
        tallies.states[campaign, _IN_FLIGHT] += 1
    effective_us = p.campaigns[campaign].effective_us
    if effective_us >= 0:
        shown_us = displayed_us(p, campaign, meter, outcome.applied_us)
        row[_DISPLAYS_DUE] += 1
        row[_DISPLAYS_CORRECT] += int(shown_us <= effective_us)
        if shown_us < min(p.span_us, NEVER_US):
            tallies.displayed[campaign, shown_us // MINUTE_US] += 1
