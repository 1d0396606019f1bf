"""First come, first served queues in arrays: who starts when, who leaves when, and an exact account of it.

A queue has one line and one or more alike servers. Instants and service times are whole microseconds, so every result
is an integer and equal on every machine. A window of arrivals leaves the servers' free instants behind, and the next
window goes on from them: a day in one piece and the same day in a thousand give the same instants.

A queue is unbounded: nobody balks, reneges or is turned away. A limit belongs to whoever feeds the queue.
"""

from typing import NamedTuple

import numpy as np

from sim.kernels import kernel, leaf_kernel
from sim.units import IntArray

_SUM_MAX = 2.0**62  # half of what int64 holds: room for the rounding of the float64 sum that is compared with it


@kernel
def fifo_departures(arrival_us: IntArray, service_us: IntArray, free_at_us: IntArray) -> tuple[IntArray, IntArray]:
    """When each customer is taken up, and when it leaves.

    A customer starts at its arrival or when the first server falls free, whichever is later; among customers of one
    instant the lower index goes first. It costs O(log servers) a customer.

    arrival_us: int64[n] [us], ascending, and not before those of the window before.
    service_us: int64[n] [us], 0 or more.
    free_at_us: int64[servers] [us]: the instant from which each server is free. It is the queue's state and is updated
    in place; servers are alike, so the order of its elements means nothing (it is kept as a heap).
    Returns start_us and departure_us: int64[n] [us]. With several servers departures need not ascend.
    Raises AssertionError when there is no server, arrivals descend or a service time is negative.
    Source: Lindley, "The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48 (1952); for several
    servers Kiefer and Wolfowitz, "On the theory of queues with many servers", Trans. AMS 78 (1955).
    """
    assert len(free_at_us) > 0, "a queue needs a server"
    assert len(arrival_us) == len(service_us), "a service time for each arrival"
    start_us = np.empty(len(arrival_us), np.int64)
    departure_us = np.empty(len(arrival_us), np.int64)
    for place in range(len(free_at_us) // 2 - 1, -1, -1):
        _sift_down(free_at_us, place)
    for customer in range(len(arrival_us)):
        assert service_us[customer] >= 0, "a service takes no negative time"
        assert customer == 0 or arrival_us[customer - 1] <= arrival_us[customer], "arrivals must ascend"
        start = max(arrival_us[customer], free_at_us[0])
        free_at_us[0] = start + service_us[customer]
        start_us[customer] = start
        departure_us[customer] = free_at_us[0]
        _sift_down(free_at_us, 0)
    return start_us, departure_us


@leaf_kernel
def _sift_down(heap: IntArray, place: int) -> None:
    """Put the element at `place` where it belongs, when everything below it is a heap: no parent above its children."""
    value = heap[place]
    child = 2 * place + 1
    while child < len(heap):
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if value <= heap[child]:
            break
        heap[place] = heap[child]
        place, child = child, 2 * child + 1
    heap[place] = value


class QueueAccounts(NamedTuple):
    """What happened in a queue before an instant. *Waiting* customers have arrived and not started; those *in system*
    have arrived and not departed.

    Each integral over time is added up twice: from instant to instant over the number present, and customer by customer
    over the time each has spent so far. They are the same integer: Little's law before any division.
    """

    arrived: int
    started: int
    departed: int
    waiting: int  # counted customer by customer, not as arrived - started
    in_system: int  # likewise
    waiting_customer_us: int  # integral of the number waiting
    wait_us: int  # sum of the customers' waits so far
    in_system_customer_us: int  # integral of the number in system
    sojourn_us: int  # sum of the customers' times in system so far

    @property
    def balanced(self) -> bool:
        """Is everybody accounted for, and does Little's law hold exactly, for the line and for the whole system?"""
        return (
            self.arrived == self.started + self.waiting
            and self.arrived == self.departed + self.in_system
            and self.waiting_customer_us == self.wait_us
            and self.in_system_customer_us == self.sojourn_us
        )


def queue_accounts(arrival_us: IntArray, start_us: IntArray, departure_us: IntArray, until_us: int) -> QueueAccounts:
    """The account of a queue from its first arrival to `until_us`.

    arrival_us, start_us, departure_us: int64[n] [us], every customer since the queue was empty; those that arrive at or
    after `until_us` are left out. until_us: like the end of a window, it belongs to the next: what happens at that very
    instant has not happened yet.
    Raises AssertionError when the customers' times add up to more than int64 holds.
    Source: Little, "A proof for the queuing formula L = lambda W", Operations Research 9 (1961); that it is an identity on
    every finite path: Stidham, "A last word on L = lambda W", Operations Research 22 (1974).
    """
    known = arrival_us < until_us
    arrival, start, departure = arrival_us[known], start_us[known], departure_us[known]
    sojourn = np.minimum(departure, until_us) - arrival
    assert float(sojourn.sum(dtype=np.float64)) < _SUM_MAX, "the account does not fit into int64"
    return QueueAccounts(
        arrived=len(arrival),
        started=int((start < until_us).sum()),
        departed=int((departure < until_us).sum()),
        waiting=int((start >= until_us).sum()),
        in_system=int((departure >= until_us).sum()),
        waiting_customer_us=_present_us(arrival, start, until_us),
        wait_us=int((np.minimum(start, until_us) - arrival).sum()),
        in_system_customer_us=_present_us(arrival, departure, until_us),
        sojourn_us=int(sojourn.sum()),
    )


def _present_us(entry_us: IntArray, exit_us: IntArray, until_us: int) -> int:
    """The integral of the number present up to `until_us`, by a sweep over entries and exits in the order of time."""
    leaving_us = exit_us[exit_us < until_us]
    instant_us = np.concatenate((entry_us, leaving_us))
    change = np.concatenate((np.ones(len(entry_us), np.int64), np.full(len(leaving_us), -1, np.int64)))
    # Entries come first in the array and the sort is stable: nobody leaves before having come.
    order = np.argsort(instant_us, kind="stable")
    present = np.cumsum(change[order])
    assert len(present) == 0 or present.min() >= 0, "somebody left who had not come"
    return int((present * np.diff(instant_us[order], append=until_us)).sum())
