"""The queue of `tests.oracles.fifo_queue` again, as SimPy processes: a second opinion that shares no line with the kernel.

It is the oracle of the tests and some hundred times slower. Time is an integer, so both give the same instants, not
nearly the same.
"""

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from sim.units import IntArray


def simulate_fifo(arrival_us: IntArray, service_us: IntArray, free_at_us: IntArray) -> tuple[IntArray, IntArray]:
    """When each customer is taken up and when it leaves, by discrete events.

    Arguments and results are those of `tests.oracles.fifo_queue.fifo_departures`, but that instants are 0 or more and
    `free_at_us` is read only: a server that is not free at 0 is held until then by somebody who came before everybody.
    """
    env = simpy.Environment()
    servers = simpy.Resource(env, capacity=len(free_at_us))
    start_us, departure_us = np.empty_like(arrival_us), np.empty_like(arrival_us)
    for held_us in free_at_us.tolist():
        env.process(_hold(env, servers, held_us))
    env.process(_arrivals(env, servers, arrival_us, service_us, start_us, departure_us))
    env.run()
    return start_us, departure_us


def _hold(env: simpy.Environment, servers: simpy.Resource, held_us: int) -> Generator[Any, Any, None]:
    with servers.request() as turn:
        yield turn
        yield env.timeout(held_us)


def _arrivals(
    env: simpy.Environment,
    servers: simpy.Resource,
    arrival_us: IntArray,
    service_us: IntArray,
    start_us: IntArray,
    departure_us: IntArray,
) -> Generator[Any, Any, None]:
    """Let the customers come in the order of their index, each as a process of its own."""
    for customer, (due_us, needed_us) in enumerate(zip(arrival_us.tolist(), service_us.tolist(), strict=True)):
        yield env.timeout(due_us - env.now)
        env.process(_visit(env, servers, customer, needed_us, start_us, departure_us))


def _visit(
    env: simpy.Environment,
    servers: simpy.Resource,
    customer: int,
    needed_us: int,
    start_us: IntArray,
    departure_us: IntArray,
) -> Generator[Any, Any, None]:
    with servers.request() as turn:
        yield turn
        start_us[customer] = env.now
        yield env.timeout(needed_us)
        departure_us[customer] = env.now
