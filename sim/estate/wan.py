"""The way of a message from the hub to the head-end: outages during which it waits in the hub, then delay and loss.

Each step maps an instant to a later one and keeps order within a hub, so a message's arrival is found from its key alone.
A hub without WAN stores; at its turn it sends its backlog, oldest first, `catch_up_speed` seconds' worth a second, while
what falls due meanwhile queues behind: the fluid limit of a first-in-first-out buffer with a rate limit.
"""

from scenarios.domain import DAY_US
from scenarios.parts.estate import LOSSES_MAX
from sim.draws.philox import Words
from sim.draws.streams import Purpose, below, below_long, word_of, words
from sim.estate.homes import NEVER_US
from sim.estate.parameters import KernelParameters
from sim.kernels import leaf_kernel

_HUB_OUTAGE = int(Purpose.HUB_OUTAGE)
_RETURN_TURN = int(Purpose.RETURN_TURN)
_HUB_SWAP = int(Purpose.HUB_SWAP)
_WORDS_PER_BLOCK = 4
HOLD_DAYS = 2  # an outage of 23 h and its backlog, sent at twice the pace it came in, are over 46 h after they began


@leaf_kernel
def caught_up_us(start_us: int, turn_us: int, speed: int, at_us: int) -> int:
    """When what is sent at `at_us` leaves a hub that had no WAN from `start_us` to its turn [us]."""
    if at_us < start_us or at_us * (speed - 1) >= speed * turn_us - start_us:
        return at_us
    return turn_us + (at_us - start_us) // speed


@leaf_kernel
def hub_outage(p: KernelParameters, premises: int, day: int) -> tuple[int, int]:
    """A hub's own outage that begins on a day: start and end [us]; equal when there is none."""
    four = words(p.seed, _HUB_OUTAGE, premises, day, 0)
    if word_of(four, 0) >= p.hub_outage_below:
        return 0, 0
    start_us = day * DAY_US + below(word_of(four, 1), DAY_US)
    return start_us, start_us + below(word_of(four, 2), p.hub_outage_us_max)


@leaf_kernel
def swap_us(p: KernelParameters, premises: int, region: int) -> int:
    """When a hub is taken out for one on 4G [us]; NEVER_US: it is not."""
    if p.swap_below == 0 or p.regions[region].is_cellular == 0:
        return NEVER_US
    four = words(p.seed, _HUB_SWAP, premises, 0, 0)
    if word_of(four, 0) >= p.swap_below:
        return NEVER_US
    return p.swap_from_us + below_long(word_of(four, 1), p.swap_over_us)


@leaf_kernel
def turn_us(p: KernelParameters, premises: int, outage: int) -> int:
    """When a hub may send again after a regional outage [us]."""
    four = words(p.seed, _RETURN_TURN, premises, outage // _WORDS_PER_BLOCK, 0)
    one = p.outages[outage]
    return int(one.end_us + below(word_of(four, outage % _WORDS_PER_BLOCK), one.return_us))


@leaf_kernel
def leaves_hub_us(p: KernelParameters, premises: int, region: int, swapped_us: int, at_us: int) -> int:
    """When what is due at `at_us` leaves the hub, outages considered [us]: its own in their order, its swap, its region's.

    `swapped_us` is `swap_us` of the hub, which a caller with many messages finds once.
    """
    if p.hub_outage_below > 0:
        began = max(at_us // DAY_US - HOLD_DAYS, 0)
        while began <= at_us // DAY_US:  # what one outage holds back may run into the next
            start, end = hub_outage(p, premises, began)
            if end > start:
                at_us = caught_up_us(start, end, p.catch_up_speed, at_us)
            began += 1
    if swapped_us <= at_us:
        at_us = caught_up_us(swapped_us, swapped_us + p.swap_out_us, p.catch_up_speed, at_us)
    for outage in range(p.outage_count):
        one = p.outages[outage]
        if one.region in (-1, region) and at_us >= one.start_us:
            at_us = caught_up_us(one.start_us, turn_us(p, premises, outage), p.catch_up_speed, at_us)
    return at_us


@leaf_kernel
def first_sent_us(p: KernelParameters, premises: int, region: int, due_us: int) -> int:
    """An instant before which a hub has sent nothing that arrives at `due_us` or later [us]: each step undone in turn."""
    if p.is_ideal and p.duplicate_below == 0:
        return due_us
    at_us = due_us - _transit_us_max(p, region)
    swapped_us = swap_us(p, premises, region)
    if swapped_us < NEVER_US:
        at_us = min(at_us, due_us - _transit_us_max(p, p.region_count))
    if p.duplicate_below > 0:
        at_us -= p.duplicate_us_max
    at_us = max(at_us, 0)
    for number in range(p.outage_count):
        outage = p.outage_count - 1 - number
        one = p.outages[outage]
        if one.region in (-1, region):
            at_us = _undone_us(one.start_us, turn_us(p, premises, outage), p.catch_up_speed, at_us)
    if swapped_us < NEVER_US:
        at_us = _undone_us(swapped_us, swapped_us + p.swap_out_us, p.catch_up_speed, at_us)
    if p.hub_outage_below > 0:
        began = at_us // DAY_US
        while began >= max(at_us // DAY_US - HOLD_DAYS, 0):
            start, end = hub_outage(p, premises, began)
            if end > start:
                at_us = _undone_us(start, end, p.catch_up_speed, at_us)
            began -= 1
    return int(at_us)


@leaf_kernel
def _transit_us_max(p: KernelParameters, link: int) -> int:
    """No message is longer on its way over a link [us]."""
    one = p.regions[link]
    return int(one.delay_us_min + one.delay_us_span + (LOSSES_MAX * one.retry_us if one.loss_below[0] > 0 else 0))


@leaf_kernel
def _undone_us(start_us: int, turn_us: int, speed: int, at_us: int) -> int:
    """An outage's start when what leaves the hub at `at_us` may have been held by it, or else `at_us` [us]."""
    if start_us <= at_us and (at_us - 1) * (speed - 1) < speed * turn_us - start_us:
        return start_us
    return at_us


@leaf_kernel
def has_wan(p: KernelParameters, premises: int, region: int, at_us: int) -> bool:
    """Can the head-end reach the hub at an instant?"""
    if p.hub_outage_below > 0:
        day = at_us // DAY_US
        for began in range(max(day - 1, 0), day + 1):
            start, end = hub_outage(p, premises, began)
            if start <= at_us < end:
                return False
    swapped_us = swap_us(p, premises, region)
    if swapped_us <= at_us < swapped_us + p.swap_out_us:
        return False
    for outage in range(p.outage_count):
        one = p.outages[outage]
        if one.region in (-1, region) and one.start_us <= at_us < turn_us(p, premises, outage):
            return False
    return True


@leaf_kernel
def delay_us(p: KernelParameters, link: int, four: Words) -> int:
    """Transit of one message from hub to head-end, lost attempts included [us]; `four` are its WAN words.

    `link` is an index among `regions`: the hub's region, or `region_count` once it has been swapped.
    """
    one = p.regions[link]
    delay = one.delay_us_min + below(word_of(four, 0), one.delay_us_span)
    lost = 0
    while lost < LOSSES_MAX and word_of(four, 1) < one.loss_below[lost]:
        lost += 1
    return int(delay + lost * one.retry_us)
