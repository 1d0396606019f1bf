"""When each message falls due: leaves for one meter or premises, shared by the trace, the digest and the counts.

Instants are integers in microseconds since the scenario's start; each is found from its key alone. The leaves take what
they need rather than all `KernelParameters`, because they run for each meter and window.
"""

import numpy as np

from scenarios.domain import DAY_US
from sim.draws.lanes import LANES
from sim.draws.philox import Words, philox_lanes
from sim.draws.streams import (
    DRAWINGS,
    HALVES_PER_BLOCK,
    WORDS_PER_DRAWING,
    Drawn,
    Purpose,
    below,
    centred_of,
    draw_blocks,
    word_of,
    words,
    words_at,
)
from sim.estate.parameters import HOURS_PER_DAY, KernelParameters
from sim.estate.slots import TEN_SECOND_US, slot_us, ten_seconds_per_slot
from sim.kernels import inlined_kernel, leaf_kernel
from sim.units import IntArray

HOUR_US = 3_600_000_000

_PUSH_JITTER = int(Purpose.PUSH_JITTER)
_UPLOAD_INSTANT = int(Purpose.UPLOAD_INSTANT)
_QUERY_COUNT = int(Purpose.QUERY_COUNT)
_QUERY_INSTANT = int(Purpose.QUERY_INSTANT)
_GAP = int(Purpose.GAP)
_ESTIMATE_INSTANT = int(Purpose.ESTIMATE_INSTANT)
_CORRECTION = int(Purpose.CORRECTION)
_CORRECTION_INSTANT = int(Purpose.CORRECTION_INSTANT)
_ALERT = int(Purpose.ALERT)
_TEN_SECOND_DELAY = int(Purpose.TEN_SECOND_DELAY)
_WORDS_PER_BLOCK = 4
_HALF_ONE = 0x8000

TEN_SECOND_DELAY_US_MAX = 2_000_000  # over the home's own broadband, not the hub's WAN
_QUERY_KIND_SHIFT = 16  # a query's draw number is its kind, then its place in the day


@leaf_kernel
def push_due_us(p: KernelParameters, meter: int, slot: int) -> int:
    """When a half-hourly meter pushes `slot`: at the slot's end or within the jitter after it [us]."""
    four = words(p.seed, _PUSH_JITTER, meter, slot // _WORDS_PER_BLOCK, 0)
    return (slot + 1) * slot_us(p) + below(word_of(four, slot % _WORDS_PER_BLOCK), p.push_jitter_us)


@leaf_kernel
def draw_push_jitter(seed: int, meter: int, slot: int, drawn: Drawn) -> None:
    """Draw the jitter of the 32 slots around `slot` into `drawn`, for `drawn_push_due_us`."""
    draw_blocks(seed, _PUSH_JITTER, meter, slot // WORDS_PER_DRAWING * LANES, drawn, 0)


@leaf_kernel
def drawn_push_due_us(p: KernelParameters, slot: int, drawn: Drawn) -> int:
    """As `push_due_us`."""
    return (slot + 1) * slot_us(p) + below(int(np.int64(drawn.words[slot % WORDS_PER_DRAWING])), p.push_jitter_us)


@leaf_kernel
def upload_due_us(seed: int, upload_window_us: int, meter: int, day: int) -> int:
    """When a daily meter uploads `day`: at its end or within the upload window after it [us]."""
    return drawn_upload_due_us(upload_words(seed, meter, day), upload_window_us, day)


@leaf_kernel
def upload_words(seed: int, meter: int, day: int) -> Words:
    """The words of the four days' uploads among which that of `day` is."""
    return words(seed, _UPLOAD_INSTANT, meter, day // _WORDS_PER_BLOCK, 0)


@leaf_kernel
def drawn_upload_due_us(four: Words, upload_window_us: int, day: int) -> int:
    """As `upload_due_us`, from its words."""
    return (day + 1) * DAY_US + below(word_of(four, day % _WORDS_PER_BLOCK), upload_window_us)


@leaf_kernel
def query_words(seed: int, premises: int, day: int, block: int) -> Words:
    """The words that decide how many queries of each kind a premises' customer asks on a UTC day; kind = 3 * block + lane."""
    return words(seed, _QUERY_COUNT, premises, day, block)


@leaf_kernel
def query_count(query_below: IntArray, query_kind: int, word: int) -> int:
    """How many queries a word means: the inverse of the kind's Poisson distribution, int64[kind, count_max] [of 2^32]."""
    count = 0
    while count < query_below.shape[1] and word >= query_below[query_kind, count]:
        count += 1
    return count


@leaf_kernel
def query_due_us(seed: int, query_hour: IntArray, premises: int, day: int, query_kind: int, number: int) -> int:
    """When query `number` (from 0) of a premises-day is asked [us].

    `query_hour` int64[day, 25] is the share of the day's queries before each hour [of 2^32]; they are even within it.
    """
    draw = (query_kind << _QUERY_KIND_SHIFT) | (number // _WORDS_PER_BLOCK)
    word = word_of(words(seed, _QUERY_INSTANT, premises, day, draw), number % _WORDS_PER_BLOCK)
    hour = 0
    while hour < HOURS_PER_DAY - 1 and word >= query_hour[day, hour + 1]:
        hour += 1
    start, end = int(query_hour[day, hour]), int(query_hour[day, hour + 1])
    return day * DAY_US + hour * HOUR_US + (word - start) * HOUR_US // (end - start)


@leaf_kernel
def ten_second_words(seed: int, meter: int, tick: int) -> Words:
    """The words that decide when the eight 10-second readings around `tick` arrive."""
    return words(seed, _TEN_SECOND_DELAY, meter, tick // HALVES_PER_BLOCK, 0)


@leaf_kernel
def ten_second_due_us(drawn: Words, tick: int) -> int:
    """When the 10 s that begin at `tick` * 10 s arrive: within two seconds after their end [us]."""
    half = centred_of(drawn, tick % HALVES_PER_BLOCK) + _HALF_ONE
    return (tick + 1) * TEN_SECOND_US + ((half * TEN_SECOND_DELAY_US_MAX) >> 16)


@inlined_kernel
def draw_for_parts(p: KernelParameters, purpose: int, meter: int, slot: int, drawn: Drawn) -> int:
    """Draw a 16-bit draw for each 10 s of a slot; the first is drawn.halves[n] of the n that this returns."""
    first = slot * ten_seconds_per_slot(p)
    for drawing in range(DRAWINGS):
        draw_blocks(p.seed, purpose, meter, first // HALVES_PER_BLOCK + drawing * LANES, drawn, drawing)
    return first % HALVES_PER_BLOCK


@leaf_kernel
def fill_parts_due(p: KernelParameters, meter: int, slot: int, drawn: Drawn, due_us: IntArray) -> None:
    """When each 10 s of a slot arrives, into `due_us` int64[parts] [us]: as `ten_second_due_us`, in vector instructions."""
    skipped = draw_for_parts(p, _TEN_SECOND_DELAY, meter, slot, drawn)
    first_end_us = slot * slot_us(p) + TEN_SECOND_US
    for part in range(ten_seconds_per_slot(p)):
        due_us[part] = first_end_us + part * TEN_SECOND_US + delay_of_part_us(drawn.halves[skipped + part])


@leaf_kernel
def delay_of_part_us(half: np.uint16) -> int:
    """How long after its end 10 s arrive, by their 16-bit draw [us]."""
    return (int(np.int64(half)) * TEN_SECOND_DELAY_US_MAX) >> 16


@leaf_kernel
def is_gap(p: KernelParameters, meter: int, slot: int) -> bool:
    """Has the meter lost a slot?"""
    if p.gap_below == 0:
        return False
    four = words(p.seed, _GAP, meter, slot // HALVES_PER_BLOCK, 0)
    return bool(centred_of(four, slot % HALVES_PER_BLOCK) + _HALF_ONE < p.gap_below)


@leaf_kernel
def estimate_due_us(p: KernelParameters, meter: int, day: int) -> int:
    """When the head-end estimates what a meter has lost of a day: its batch takes an hour [us]."""
    word = word_of(words(p.seed, _ESTIMATE_INSTANT, meter, day // _WORDS_PER_BLOCK, 0), day % _WORDS_PER_BLOCK)
    return (day + 1) * DAY_US + p.estimate_after_us + below(word, HOUR_US)


@leaf_kernel
def is_revised(p: KernelParameters, meter: int, slot: int, run: int) -> bool:
    """Does a settlement run revise a half-hour? The first one also substitutes what was only estimated."""
    if run == 0 and is_gap(p, meter, slot):
        return True
    four = words(p.seed, _CORRECTION, meter, slot // HALVES_PER_BLOCK, run)
    return bool(centred_of(four, slot % HALVES_PER_BLOCK) + _HALF_ONE < p.settlement_runs[run].below)


@leaf_kernel
def correction_due_us(p: KernelParameters, meter: int, day: int, run: int) -> int:
    """When a settlement run's revisions of a meter's day come: within the day of the run [us]."""
    word = word_of(words(p.seed, _CORRECTION_INSTANT, meter, day // _WORDS_PER_BLOCK, run), day % _WORDS_PER_BLOCK)
    return (day + int(p.settlement_runs[run].after_days)) * DAY_US + below(word, DAY_US)


@leaf_kernel
def draw_alerts(seed: int, premises: int, first_day: int, drawn: Drawn) -> None:
    """Draw how many alerts a hub raises on each of eight days, and when the first four of each, for the two below."""
    draw_blocks(seed, _ALERT, premises, first_day, drawn, 0)
    d = first_day
    days = (d, d + 1, d + 2, d + 3, d + 4, d + 5, d + 6, d + 7)
    philox_lanes(premises, days, 0, 1, seed, _ALERT, drawn.words, WORDS_PER_DRAWING)


@leaf_kernel
def drawn_alert_count(alert_below: IntArray, at_day: int, drawn: Drawn) -> int:
    """How many alerts a hub raises of itself on a day that was drawn; `alert_below` int64[n] is as in `query_count`."""
    word = word_of(words_at(drawn, at_day), 0)
    count = 0
    while count < len(alert_below) and word >= alert_below[count]:
        count += 1
    return count


@leaf_kernel
def drawn_alert_words(at_day: int, drawn: Drawn) -> Words:
    """As `alert_words`, of the first four alerts of a day that was drawn."""
    return words_at(drawn, LANES + at_day)


@leaf_kernel
def alert_sent_us(seed: int, premises: int, day: int, number: int) -> int:
    """When a hub raises alert `number` (from 0) of a day: any instant of it [us]."""
    return alert_at_us(alert_words(seed, premises, day, number), day, number)


@leaf_kernel
def alert_words(seed: int, premises: int, day: int, number: int) -> Words:
    """The words of the four alerts of a day among which `number` is."""
    return words(seed, _ALERT, premises, day, 1 + number // _WORDS_PER_BLOCK)


@leaf_kernel
def alert_at_us(four: Words, day: int, number: int) -> int:
    """As `alert_sent_us`, from its words."""
    return day * DAY_US + below(word_of(four, number % _WORDS_PER_BLOCK), DAY_US)
