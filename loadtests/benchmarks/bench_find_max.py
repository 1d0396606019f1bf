"""Does the search find the capacity of a queue that is known, how surely, and how soon?

`uv run pytest loadtests/benchmarks/bench_find_max.py --benchmark-only --benchmark-json=FILE`; some fifteen minutes.
`find_max_error` is how far the rate found lies from the true highest rate of an M/M/16 queue
(`loadtests.stats.queues.rate_max_per_s`), as a share of it; `find_max_wall` how long a search takes [s].

Of the stub, whose time is real, two searches are made; of the same queue in virtual time (`loadtests.stubs.virtual_queue`) two
hundred, by which error and coverage are told. Sockets, the sender and the host's hiccups are what the two times differ by.
"""

import time
from typing import Any

import numpy as np
import pytest

from loadtests.capacity.search import SearchPlan
from loadtests.capacity.search_loop import Search, search_rate
from loadtests.capacity.step import ALPHA, StepRules
from loadtests.cluster.machine import fingerprint
from loadtests.stats.estimates import wilson
from loadtests.stats.queues import rate_max_per_s
from loadtests.stubs import queueing_node as stub_queue
from loadtests.stubs.target import stub_target
from loadtests.stubs.virtual_queue import VirtualQueue
from scenarios.domain import Operation
from scenarios.spec import Objective, Validity

SERVERS = 16
SERVICE_S = 0.008  # 2,000/s at saturation, at which the stub takes a sixth of a core
LIMIT_MS = 50.0  # of which a hiccup of a millisecond is little
PERCENTILE = 99.0
STEP_S = 120
PRECISION = 0.03
LOW_PER_S = 500.0
SEARCHES = 2
VIRTUAL_SEARCHES = 200


def rules() -> StepRules:
    objective = Objective(operation=Operation.INGEST_READING, percentile=PERCENTILE, response_ms_max=LIMIT_MS)
    return StepRules(objectives=(objective,), validity=Validity(), length_s=STEP_S, alpha=ALPHA)


def plan() -> SearchPlan:
    judged = rules()
    return SearchPlan(low_per_s=LOW_PER_S, precision=PRECISION, step_s=judged.length_s, alpha=judged.alpha)


def search(seed: int) -> Search:
    with stub_queue.running(SERVERS, SERVICE_S) as address:
        target = stub_target(address, seed=seed)
        target.warm(2.0, 64)
        return search_rate(target, rules(), plan(), tell=print)


def virtual_search(seed: int) -> tuple[Search, float]:
    """A search in virtual time, and how long it took in that [s]."""
    queue = VirtualQueue(SERVERS, SERVICE_S, seed=seed)
    return search_rate(queue, rules(), plan(), sleep=queue.sleep), queue.now_s


def bounds_of(search: Search) -> tuple[float, float]:
    assert search.found is not None
    return search.found.low_per_s or 0.0, search.found.high_per_s or float("inf")


@pytest.mark.timeout(3_600)
def test_find_max_error(benchmark: Any) -> None:
    """Two searches of the same stub, with other arrivals each."""
    true_per_s = rate_max_per_s(SERVERS, SERVICE_S, PERCENTILE, LIMIT_MS / 1e3)
    searches: list[Search] = []
    started_s = time.monotonic()
    benchmark.pedantic(lambda: searches.append(search(len(searches) + 1)), rounds=SEARCHES)
    bounds = [bounds_of(each) for each in searches]
    errors = [abs(low / true_per_s - 1) for low, _ in bounds]
    benchmark.extra_info.update(
        find_max_error=round(max(errors), 4),
        find_max_error_all=[round(error, 4) for error in errors],
        find_max_wall=round((time.monotonic() - started_s) / SEARCHES),
        true_per_s=round(true_per_s, 1),
        intervals_per_s=bounds,
        intervals_overlap=max(low for low, _ in bounds) <= min(high for _, high in bounds),
        intervals_hold_truth=[low <= true_per_s <= high for low, high in bounds],
        endings=[each.found.ending.value for each in searches if each.found is not None],
        steps=[len(each.steps) for each in searches],
        recovery_s=[each.recovery.after_s if each.recovery else None for each in searches],
        **fingerprint(),
    )


@pytest.mark.timeout(3_600)
def test_find_max_in_virtual_time(benchmark: Any) -> None:
    """Two hundred searches of the same queue: how long, how far off, and how often the interval holds the truth."""
    true_per_s = rate_max_per_s(SERVERS, SERVICE_S, PERCENTILE, LIMIT_MS / 1e3)
    made: list[tuple[Search, float]] = []
    benchmark.pedantic(lambda: made.append(virtual_search(len(made) + 1)), rounds=VIRTUAL_SEARCHES)
    bounds = [bounds_of(each) for each, _ in made]
    errors = np.array([abs(low / true_per_s - 1) for low, _ in bounds])
    walls_s = np.array([wall_s for _, wall_s in made])
    held = wilson(sum(low <= true_per_s <= high for low, high in bounds), len(made))
    benchmark.extra_info.update(
        find_max_virtual_s=round(float(np.median(walls_s))),
        find_max_virtual_s_mean=round(float(walls_s.mean())),
        find_max_virtual_s_p90=round(float(np.percentile(walls_s, 90))),
        error_mean=round(float(errors.mean()), 4),
        error_max=round(float(errors.max()), 4),
        error_above_5_percent=int((errors > 0.05).sum()),
        width_mean=round(float(np.mean([high / low - 1 for low, high in bounds])), 4),
        coverage=[round(each, 4) for each in (held.mean, held.low, held.high)],
        found=sum(each.found is not None and each.found.ending.value == "found" for each, _ in made),
        searches=len(made),
        **fingerprint(),
    )
