"""When each message falls due: leaves for one meter or premises, shared by the trace, the digest and the counts.

Instants are integers in microseconds since the scenario's start; each is found from its key alone. The leaves take what
they need rather than all `KernelParameters`, because they run for each meter and window.
"""

from scenarios.domain import DAY_US, PARTITION_COUNT, SLOT_US
from sim.kernels import leaf_kernel
from sim.parameters import HOURS_PER_DAY, IntArray
from sim.philox import Words
from sim.streams import Purpose, below, word_of, words

HOUR_US = 3_600_000_000

_PREMISES = int(Purpose.PREMISES)
_METER = int(Purpose.METER)
_PUSH_JITTER = int(Purpose.PUSH_JITTER)
_UPLOAD_INSTANT = int(Purpose.UPLOAD_INSTANT)
_QUERY_COUNT = int(Purpose.QUERY_COUNT)
_QUERY_INSTANT = int(Purpose.QUERY_INSTANT)
_WORDS_PER_BLOCK = 4
_QUERY_KIND_SHIFT = 16  # a query's draw number is its kind, then its place in the day


@leaf_kernel
def region_index(seed: int, region_below: IntArray, premises: int) -> int:
    """The region of a premises; `region_below` int64[region]: upper bound of each region's words [of 2^32]."""
    word = word_of(words(seed, _PREMISES, premises, 0, 0), 0)
    region = 0
    while word >= region_below[region]:
        region += 1
    return region


@leaf_kernel
def home_dc_index(seed: int, dc_count: int, premises: int) -> int:
    """The business data centre whose gateway a premises talks to."""
    return below(word_of(words(seed, _PREMISES, premises, 0, 0), 1), dc_count)


@leaf_kernel
def partition_index(seed: int, premises: int) -> int:
    """The logical partition of a premises, 0 .. 4095: its meters share a hub, so they are never on two shards."""
    return below(word_of(words(seed, _PREMISES, premises, 0, 0), 2), PARTITION_COUNT)


@leaf_kernel
def is_half_hourly(seed: int, half_hourly_below: int, meter: int) -> bool:
    """Does the meter push each half-hour (or else upload once a day)?"""
    return word_of(words(seed, _METER, meter, 0, 0), 2) < half_hourly_below


@leaf_kernel
def push_due_us(seed: int, push_jitter_us: int, meter: int, slot: int) -> int:
    """When a half-hourly meter pushes `slot`: at the slot's end or within the jitter after it [us]."""
    four = words(seed, _PUSH_JITTER, meter, slot // _WORDS_PER_BLOCK, 0)
    return (slot + 1) * SLOT_US + below(word_of(four, slot % _WORDS_PER_BLOCK), push_jitter_us)


@leaf_kernel
def upload_due_us(seed: int, upload_window_us: int, meter: int, day: int) -> int:
    """When a daily meter uploads `day`: at its end or within the upload window after it [us]."""
    four = words(seed, _UPLOAD_INSTANT, meter, day // _WORDS_PER_BLOCK, 0)
    return (day + 1) * DAY_US + below(word_of(four, day % _WORDS_PER_BLOCK), upload_window_us)


@leaf_kernel
def query_words(seed: int, premises: int, day: int) -> Words:
    """The words that decide how many queries of each kind (word 0..2) a premises' customer asks on a UTC day."""
    return words(seed, _QUERY_COUNT, premises, day, 0)


@leaf_kernel
def query_count(query_below: IntArray, query_kind: int, word: int) -> int:
    """How many queries a word means: the inverse of the kind's Poisson distribution, int64[3, count_max] [of 2^32]."""
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
