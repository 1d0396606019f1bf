"""What one premises sends in a window of time, and when it arrives: the one place that lists the messages of the estate.

Trace, digest, counts and export all take their messages from `messages_sent`; `tests/oracles/naive_estate.py` and the SimPy
twin list them again by other means. A message is sent once and belongs to the window that holds that instant; it is due
when it arrives at the head-end, which the WAN may make much later.
"""

from typing import NamedTuple

from scenarios.domain import DAY_US, MeterType, ReadSchedule
from sim.draws.lanes import LANES
from sim.draws.philox import Words, philox_lanes
from sim.draws.streams import (
    HALVES_PER_BLOCK,
    WORDS_PER_BLOCK,
    WORDS_PER_DRAWING,
    Drawn,
    Purpose,
    below,
    word_of,
    words,
    words_at,
)
from sim.estate.arrivals import (
    HOUR_US,
    TEN_SECOND_DELAY_US_MAX,
    alert_at_us,
    alert_words,
    correction_due_us,
    draw_alerts,
    draw_push_jitter,
    drawn_alert_count,
    drawn_alert_words,
    drawn_push_due_us,
    drawn_upload_due_us,
    estimate_due_us,
    is_gap,
    is_revised,
    query_count,
    query_due_us,
    query_words,
    ten_second_due_us,
    ten_second_words,
    upload_words,
)
from sim.estate.commands import is_target, run_command
from sim.estate.devices import read_schedule, schedule_on
from sim.estate.homes import (
    NEVER_US,
    NOT_SMART,
    SMART,
    joined_us,
    meter_type_index,
    metering_words,
    mode_of_words,
    reading_day,
    smart_schedule,
)
from sim.estate.parameters import KernelParameters
from sim.estate.slots import TEN_SECOND_US, slot_us, slots_per_day, ten_seconds_per_slot
from sim.estate.wan import delay_us, leaves_hub_us, swap_us
from sim.kernels import leaf_kernel
from sim.trace.messages import (
    ATTEMPT_BITS,
    DRAW_INDEX_BITS,
    DUPLICATE,
    FIRST_SLOT_BITS,
    FIRST_SLOT_SHIFT,
    KIND_BITS,
    QUERY_KINDS,
    MessageKind,
    packed,
)
from sim.units import IntArray

_WAN = int(Purpose.WAN)
_ALERT_STORM = int(Purpose.ALERT_STORM)
_BURST = int(Purpose.BURST)
_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
_REGISTER, _TEN_SECOND_PUSH = int(MessageKind.READ_REGISTER), int(MessageKind.PUSH_TEN_SECOND)
_ESTIMATE, _CORRECT = int(MessageKind.ESTIMATE), int(MessageKind.CORRECT)
_ALERT, _CHANGE = int(MessageKind.ALERT), int(MessageKind.CHANGE_PREFERENCE)
_SEND, _ANSWER = int(MessageKind.SEND_COMMAND), int(MessageKind.ANSWER_COMMAND)
_ASK_USAGE = int(MessageKind.ASK_USAGE_MONTH)
_HALF_HOURLY, _MONTHLY = int(ReadSchedule.HALF_HOURLY), int(ReadSchedule.MONTHLY)
_TEN_SECOND = int(ReadSchedule.TEN_SECOND)
_REGISTER_ONLY = int(MeterType.REGISTER_ONLY)
_KIND_OF_QUERY = tuple(int(kind) for kind in QUERY_KINDS)
_QUERIES_PER_BLOCK = 3
STORM_DRAW = 1 << 11  # an alert storm's draw index, above those of a hub's own alerts
BURST_DRAW = 1 << 11  # likewise of a burst's query


class Outbox(NamedTuple):
    """Where messages are written, as columns of one length; and room for one command."""

    due_us: IntArray  # int64[n]: arrival at the head-end [us]
    sent_us: IntArray  # int64[n]: ready to be sent [us]
    message: IntArray  # int64[n]: packed as in `sim.trace.messages`
    attempts_us: IntArray  # int64[31]
    answers_us: IntArray  # int64[31, 2]
    drawn: Drawn


@leaf_kernel
def put(out: Outbox, count: int, due_us: int, sent_us: int, message: int) -> int:
    """Write a message at index `count` when there is room; returns the next index either way."""
    if count < len(out.due_us):
        out.due_us[count] = due_us
        out.sent_us[count] = sent_us
        out.message[count] = message
    return count + 1


@leaf_kernel
def messages_sent(
    p: KernelParameters,
    premises: int,
    region: int,
    from_us: int,
    to_us: int,
    leaves_out_ten_seconds: bool,
    leaves_out_readings: bool,
    out: Outbox,
) -> int:
    """Write all messages of a premises with from_us <= sent < to_us, and return how many there are.

    When there are more than `out` has room for, the rest is counted and not written. Their order is no promise.
    `leaves_out_ten_seconds`, `leaves_out_readings`: for a caller that goes through the 10-second readings, or all readings, by
    itself, as they are that many.
    """
    count = 0
    joined = joined_us(p, premises)
    from_us = max(from_us, joined)
    if to_us <= from_us:
        return 0
    swapped_us = swap_us(p, premises, region)
    metering = metering_words(p, premises)
    electricity = premises * p.fuel_count + p.electricity
    if mode_of_words(p, metering, electricity, True) == NOT_SMART:  # no hub, and nothing that a customer could look at
        return 0
    for fuel in range(p.fuel_count):
        meter = premises * p.fuel_count + fuel
        if not leaves_out_readings and mode_of_words(p, metering, meter, fuel == p.electricity) == SMART:
            count = _readings(
                p,
                premises,
                region,
                swapped_us,
                meter,
                from_us,
                to_us,
                joined // slot_us(p),
                leaves_out_ten_seconds,
                out,
                count,
            )
        for campaign in range(p.campaign_count):
            if p.campaigns[campaign].at_us < to_us and from_us < p.campaigns[campaign].last_us:
                count = _command(p, campaign, premises, region, meter, from_us, to_us, out, count)
    count = _queries(p, premises, electricity, from_us, to_us, out, count)
    first_alert = count
    count = _alerts(p, premises, region, electricity, from_us, to_us, out, count)
    if not p.is_ideal:
        _send_alerts(p, premises, region, swapped_us, electricity, first_alert, min(count, len(out.due_us)), out)
    return count


@leaf_kernel
def arrival_us(p: KernelParameters, premises: int, region: int, meter: int, kind: int, slot: int, sent_us: int) -> int:
    """When the first copy of a hub's message is at the head-end [us]; `slot` is that in its message."""
    return _arrival_us(p, premises, region, swap_us(p, premises, region), meter, kind, slot, sent_us)


@leaf_kernel
def _arrival_us(
    p: KernelParameters, premises: int, region: int, swapped_us: int, meter: int, kind: int, slot: int, sent_us: int
) -> int:
    if p.is_ideal:
        return sent_us
    return _after_wan_us(p, premises, region, swapped_us, sent_us, words(p.seed, _WAN, meter, slot, kind))


@leaf_kernel
def _after_wan_us(p: KernelParameters, premises: int, region: int, swapped_us: int, sent_us: int, four: Words) -> int:
    """When what a hub has ready at `sent_us` is at the head-end [us]."""
    leaves = leaves_hub_us(p, premises, region, swapped_us, sent_us)
    return leaves + delay_us(p, p.region_count if leaves >= swapped_us else region, four)


@leaf_kernel
def _deliver(
    p: KernelParameters,
    premises: int,
    region: int,
    swapped_us: int,
    meter: int,
    kind: int,
    slot: int,
    sent_us: int,
    out: Outbox,
    count: int,
) -> int:
    """A message of the hub on its way over the WAN, perhaps twice."""
    if p.is_ideal and p.duplicate_below == 0:
        return put(out, count, sent_us, sent_us, packed(meter, kind, slot, 0))
    four = words(p.seed, _WAN, meter, slot, kind)
    due = sent_us
    if not p.is_ideal:
        due = _after_wan_us(p, premises, region, swapped_us, sent_us, four)
    count = put(out, count, due, sent_us, packed(meter, kind, slot, 0))
    again = _repeated_us(p, four, due)
    if again > 0:
        count = put(out, count, again, sent_us, packed(meter, kind, slot, DUPLICATE))
    return count


@leaf_kernel
def repeated_us(p: KernelParameters, meter: int, kind: int, slot: int, due_us: int) -> int:
    """When a delivery that arrives at `due_us` comes a second time [us]; 0: it does not."""
    return _repeated_us(p, words(p.seed, _WAN, meter, slot, kind), due_us)


@leaf_kernel
def _repeated_us(p: KernelParameters, four: Words, due_us: int) -> int:
    if word_of(four, 2) < p.duplicate_below:
        return due_us + 1 + below(word_of(four, 3), p.duplicate_us_max)
    return 0


@leaf_kernel
def _readings(
    p: KernelParameters,
    premises: int,
    region: int,
    swapped_us: int,
    meter: int,
    from_us: int,
    to_us: int,
    joined_slot: int,
    leaves_out_ten_seconds: bool,
    out: Outbox,
    count: int,
) -> int:
    """Readings of one meter in smart mode by its schedule, what stands in for lost ones, and what settlement runs revise."""
    own = smart_schedule(p, meter)
    delay_us_max = max(p.upload_window_us, p.push_jitter_us)
    has_register_only = meter_type_index(p, meter) == _REGISTER_ONLY if p.type_below[0] > 0 else False
    first_day = max((from_us - delay_us_max) // DAY_US - 1, joined_slot // slots_per_day(p))
    uploads, held = upload_words(p.seed, meter, first_day), first_day // WORDS_PER_BLOCK
    for day in range(first_day, min((to_us - 1) // DAY_US + 1, p.day_count)):
        schedule = read_schedule(p, own, premises, region, meter, day)
        midnight = day * slots_per_day(p)
        if schedule == _TEN_SECOND:
            if leaves_out_ten_seconds:
                continue
            count = _ten_seconds(p, meter, max(from_us, day * DAY_US), min(to_us, (day + 2) * DAY_US), day, out, count)
        elif schedule == _HALF_HOURLY and not has_register_only:
            first_slot = max(midnight, (from_us - p.push_jitter_us) // slot_us(p) - 1)
            end_slot = min(midnight + slots_per_day(p), to_us // slot_us(p) + 1)
            for slot in range(first_slot, end_slot):
                if slot == first_slot or slot % WORDS_PER_DRAWING == 0:
                    draw_push_jitter(p.seed, meter, slot, out.drawn)
                sent = drawn_push_due_us(p, slot, out.drawn)
                if from_us <= sent < to_us and not is_gap(p, meter, slot):
                    count = _deliver(p, premises, region, swapped_us, meter, _PUSH, slot, sent, out, count)
        elif schedule != _MONTHLY or p.month_day[day] == reading_day(p, meter):
            if day // WORDS_PER_BLOCK != held:  # a block is four days'
                held = day // WORDS_PER_BLOCK
                uploads = upload_words(p.seed, meter, day)
            sent = drawn_upload_due_us(uploads, p.upload_window_us, day)
            if from_us <= sent < to_us:
                kind = _REGISTER if schedule == _MONTHLY or has_register_only else _UPLOAD
                count = _deliver(p, premises, region, swapped_us, meter, kind, midnight, sent, out, count)
    if p.gap_below > 0:
        count = _estimates(p, meter, from_us, to_us, joined_slot, out, count)
    for run in range(p.settlement_run_count):
        if p.settlement_runs[run].after_days * DAY_US >= to_us:  # it has not come to the first day yet
            continue
        count = _corrections(p, meter, run, from_us, to_us, joined_slot, out, count)
    if from_us <= own.change_us < to_us:
        slot = min(own.change_us // slot_us(p), p.day_count * slots_per_day(p) - 1)
        count = put(out, count, own.change_us, own.change_us, packed(meter, _CHANGE, slot, own.to))
    return count


@leaf_kernel
def _ten_seconds(p: KernelParameters, meter: int, from_us: int, to_us: int, day: int, out: Outbox, count: int) -> int:
    """A day's 10-second readings. They come over the home's own broadband: no WAN of the hub is in their way."""
    of_slot, of_day = ten_seconds_per_slot(p), DAY_US // TEN_SECOND_US
    first = max((from_us - TEN_SECOND_DELAY_US_MAX) // TEN_SECOND_US - 1, day * of_day)
    end = min(to_us // TEN_SECOND_US + 1, (day + 1) * of_day)
    tick = first
    while tick < end:
        drawn = ten_second_words(p.seed, meter, tick)
        block_end = min((tick // HALVES_PER_BLOCK + 1) * HALVES_PER_BLOCK, end)
        while tick < block_end:
            sent = ten_second_due_us(drawn, tick)
            if from_us <= sent < to_us:
                what = packed(meter, _TEN_SECOND_PUSH, tick // of_slot, tick % of_slot)
                count = put(out, count, sent, sent, what)
            tick += 1
    return count


@leaf_kernel
def is_estimated(p: KernelParameters, meter: int, slot: int) -> bool:
    """Does the head-end estimate a slot? Lost ones of meters that send half-hours, on days that they send them."""
    if not is_gap(p, meter, slot):
        return False
    schedule = schedule_on(p, meter, slot // slots_per_day(p))
    return schedule not in (_MONTHLY, _TEN_SECOND) and meter_type_index(p, meter) != _REGISTER_ONLY


@leaf_kernel
def _estimates(
    p: KernelParameters, meter: int, from_us: int, to_us: int, joined_slot: int, out: Outbox, count: int
) -> int:
    first_day = max((from_us - p.estimate_after_us - HOUR_US) // DAY_US - 1, joined_slot // slots_per_day(p))
    for day in range(first_day, min((to_us - p.estimate_after_us) // DAY_US + 1, p.day_count)):
        at = estimate_due_us(p, meter, day)
        if from_us <= at < to_us:
            for slot in range(day * slots_per_day(p), (day + 1) * slots_per_day(p)):
                if is_estimated(p, meter, slot):
                    count = put(out, count, at, at, packed(meter, _ESTIMATE, slot, 0))
    return count


@leaf_kernel
def _corrections(
    p: KernelParameters, meter: int, run: int, from_us: int, to_us: int, joined_slot: int, out: Outbox, count: int
) -> int:
    after = int(p.settlement_runs[run].after_days)
    first_day = max(from_us // DAY_US - after - 1, joined_slot // slots_per_day(p))
    for day in range(first_day, min((to_us - 1) // DAY_US - after + 1, p.day_count)):
        at = correction_due_us(p, meter, day, run)
        if from_us <= at < to_us:
            for slot in range(day * slots_per_day(p), (day + 1) * slots_per_day(p)):
                if is_revised(p, meter, slot, run):
                    count = put(out, count, at, at, packed(meter, _CORRECT, slot, run + 1))
    return count


@leaf_kernel
def _queries(p: KernelParameters, premises: int, meter: int, from_us: int, to_us: int, out: Outbox, count: int) -> int:
    """What the customer asks of a day: of the latest whole one; on the first day there is none yet."""
    for day in range(from_us // DAY_US, min((to_us - 1) // DAY_US, p.query_day_count - 1) + 1):
        first_slot = min(max(day - 1, 0), p.day_count - 1) * slots_per_day(p)
        for kind in range(p.query_kinds):
            four = query_words(p.seed, premises, day, kind // _QUERIES_PER_BLOCK)
            for number in range(query_count(p.query_below, kind, word_of(four, kind % _QUERIES_PER_BLOCK))):
                at = query_due_us(p.seed, p.query_hour, premises, day, kind, number)
                if from_us <= at < to_us:
                    count = put(out, count, at, at, packed(meter, _KIND_OF_QUERY[kind], first_slot, number))
    for burst in range(p.burst_count):
        four = words(p.seed, _BURST, premises, burst, 0)
        if word_of(four, 0) < p.bursts[burst].below:
            at = int(p.bursts[burst].at_us) + below(word_of(four, 1), int(p.bursts[burst].over_us))
            if from_us <= at < to_us:
                first_slot = min(max(at // DAY_US - 1, 0), p.day_count - 1) * slots_per_day(p)
                count = put(out, count, at, at, packed(meter, _ASK_USAGE, first_slot, BURST_DRAW + burst))
    return count


@leaf_kernel
def _alerts(
    p: KernelParameters,
    premises: int,
    region: int,
    meter: int,
    from_us: int,
    to_us: int,
    out: Outbox,
    count: int,
) -> int:
    """Alerts of the hub, of itself and in storms, before they go over the WAN; the slot is that in which one is raised."""
    last_slot = p.day_count * slots_per_day(p) - 1
    if p.alert_below[0] < (1 << 32):
        first_day = from_us // DAY_US
        for day in range(first_day, min((to_us - 1) // DAY_US, p.day_count - 1) + 1):
            at_day = (day - first_day) % LANES
            if at_day == 0:
                draw_alerts(p.seed, premises, day, out.drawn)
            for number in range(drawn_alert_count(p.alert_below, at_day, out.drawn)):
                if number % WORDS_PER_BLOCK == 0:
                    four = (
                        drawn_alert_words(at_day, out.drawn)
                        if number == 0
                        else alert_words(p.seed, premises, day, number)
                    )
                at = alert_at_us(four, day, number)
                if from_us <= at < to_us:
                    slot = min(at // slot_us(p), last_slot)
                    count = put(out, count, at, at, packed(meter, _ALERT, slot, number))
    for storm in range(p.alert_storm_count):
        if p.alert_storms[storm].region in (-1, region):
            at = alert_storm_us(p, premises, storm)
            is_raised = word_of(words(p.seed, _ALERT_STORM, premises, storm, 0), 0) < p.alert_storms[storm].below
            if is_raised and from_us <= at < to_us:
                draw = STORM_DRAW + storm
                slot = min(at // slot_us(p), last_slot)
                count = put(out, count, at, at, packed(meter, _ALERT, slot, draw))
    return count


@leaf_kernel
def _send_alerts(
    p: KernelParameters, premises: int, region: int, swapped_us: int, meter: int, first: int, end: int, out: Outbox
) -> None:
    """When the alerts in `out`, `first` .. `end` - 1, arrive: as `arrival_us` tells of one, eight at once."""
    for start in range(first, end, LANES):
        slot_0, kind_0 = _alert_at(out.message, start, end)
        slot_1, kind_1 = _alert_at(out.message, start + 1, end)
        slot_2, kind_2 = _alert_at(out.message, start + 2, end)
        slot_3, kind_3 = _alert_at(out.message, start + 3, end)
        slot_4, kind_4 = _alert_at(out.message, start + 4, end)
        slot_5, kind_5 = _alert_at(out.message, start + 5, end)
        slot_6, kind_6 = _alert_at(out.message, start + 6, end)
        slot_7, kind_7 = _alert_at(out.message, start + 7, end)
        slots = slot_0, slot_1, slot_2, slot_3, slot_4, slot_5, slot_6, slot_7
        kinds = kind_0, kind_1, kind_2, kind_3, kind_4, kind_5, kind_6, kind_7
        philox_lanes(meter, slots, 0, kinds, p.seed, _WAN, out.drawn.words, 0)
        for at in range(start, min(start + LANES, end)):
            four = words_at(out.drawn, at - start)
            out.due_us[at] = _after_wan_us(p, premises, region, swapped_us, out.sent_us[at], four)


@leaf_kernel
def _alert_at(message: IntArray, at: int, end: int) -> tuple[int, int]:
    """An alert's slot, and its kind for the WAN; past the end those of the last one, which nobody looks at."""
    one = message[min(at, end - 1)]
    slot = (one >> FIRST_SLOT_SHIFT) & ((1 << FIRST_SLOT_BITS) - 1)
    return slot, alert_wan_kind(one & ((1 << DRAW_INDEX_BITS) - 1))


@leaf_kernel
def alert_storm_us(p: KernelParameters, premises: int, storm: int) -> int:
    """When a hub raises its alert of a storm, if it does [us]."""
    word = word_of(words(p.seed, _ALERT_STORM, premises, storm, 0), 1)
    return int(p.alert_storms[storm].at_us) + below(word, int(p.alert_storms[storm].over_us))


@leaf_kernel
def alert_wan_kind(draw: int) -> int:
    """Alerts of one slot have draws of the WAN of their own: by their number."""
    return (draw << KIND_BITS) | _ALERT


@leaf_kernel
def _command(
    p: KernelParameters,
    campaign: int,
    premises: int,
    region: int,
    meter: int,
    from_us: int,
    to_us: int,
    out: Outbox,
    count: int,
) -> int:
    """Attempts and answers of one command. The answer's delay is the whole way there and back: no WAN is added to it."""
    if not is_target(p, campaign, premises, region, meter):
        return count
    outcome = run_command(p, campaign, premises, region, meter, out.attempts_us, out.answers_us)
    for number in range(outcome.attempts):
        draw = (campaign << ATTEMPT_BITS) | (number + 1)
        sent = out.attempts_us[number]
        if from_us <= sent < to_us:
            count = put(out, count, sent, sent, packed(meter, _SEND, 0, draw))
        for again in range(2):
            at = out.answers_us[number, again]
            if at < NEVER_US and from_us <= at < to_us:
                count = put(out, count, at, at, packed(meter, _ANSWER, again, draw))
    return count
