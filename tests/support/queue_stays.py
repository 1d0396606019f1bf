"""Stationary M/M/1 queues by the hundred, for tests of what is said about their response times."""

import numpy as np

from loadtests.stats.bootstrap import keyed_generator

LOAD = 0.5


def stays(seed: int, repetitions: int, customers: int, load: float = LOAD) -> np.ndarray:
    """Wait and service of the customers of stationary M/M/1 queues: float64[repetitions, customers].

    Lindley's recursion by running minima. The first customer finds the stationary backlog: no bias from the start.
    """
    random = keyed_generator(seed, 1)
    service = random.exponential(1.0, (repetitions, customers))
    gap = random.exponential(1 / load, (repetitions, customers))
    backlog = np.where(random.random(repetitions) < load, random.exponential(1 / (1 - load), repetitions), 0.0)
    work = np.cumsum(service[:, :-1] - gap[:, 1:], axis=1)
    walk = np.concatenate([np.zeros((repetitions, 1)), work], axis=1)
    floor = np.minimum(np.minimum.accumulate(walk, axis=1), -backlog[:, None])
    return walk - floor + service
