"""Does the search find the capacity of a queue that is known, and twice the same?

`uv run pytest loadtests/benchmarks/bench_find_max.py --benchmark-only --benchmark-json=FILE`; some twenty minutes.
`find_max_error` is how far the rate found lies from the true highest rate of an M/M/16 queue
(`loadtests.stats.queues.rate_max_per_s`), as a share of it.
"""

import time
from typing import Any

import pytest

from loadtests.capacity.search import SearchPlan
from loadtests.capacity.search_loop import Search, search_rate
from loadtests.capacity.step import StepRules
from loadtests.cluster.machine import fingerprint
from loadtests.stats.queues import rate_max_per_s
from loadtests.stubs import queueing_node as stub_queue
from loadtests.stubs.target import stub_target
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


def rules() -> StepRules:
    objective = Objective(operation=Operation.INGEST_READING, percentile=PERCENTILE, response_ms_max=LIMIT_MS)
    return StepRules(objectives=(objective,), validity=Validity(), length_s=STEP_S, alpha=0.025)


def search(seed: int) -> Search:
    with stub_queue.running(SERVERS, SERVICE_S) as address:
        target = stub_target(address, seed=seed)
        target.warm(2.0, 64)
        return search_rate(target, rules(), SearchPlan(low_per_s=LOW_PER_S, precision=PRECISION), tell=print)


@pytest.mark.timeout(3_600)
def test_find_max_error(benchmark: Any) -> None:
    """Two searches of the same stub, with other arrivals each."""
    true_per_s = rate_max_per_s(SERVERS, SERVICE_S, PERCENTILE, LIMIT_MS / 1e3)
    searches: list[Search] = []
    started_s = time.monotonic()
    benchmark.pedantic(lambda: searches.append(search(len(searches) + 1)), rounds=SEARCHES)
    found = [each.found for each in searches]
    bounds = [(each.low_per_s or 0.0, each.high_per_s or float("inf")) for each in found if each is not None]
    errors = [abs(low / true_per_s - 1) for low, _ in bounds]
    benchmark.extra_info.update(
        find_max_error=round(max(errors), 4),
        find_max_error_all=[round(error, 4) for error in errors],
        true_per_s=round(true_per_s, 1),
        intervals_per_s=bounds,
        intervals_overlap=max(low for low, _ in bounds) <= min(high for _, high in bounds),
        intervals_hold_truth=[low <= true_per_s <= high for low, high in bounds],
        endings=[each.ending.value for each in found if each is not None],
        steps=[len(each.steps) for each in searches],
        recovery_s=[each.recovery.after_s if each.recovery else None for each in searches],
        search_s=round((time.monotonic() - started_s) / SEARCHES),
        **fingerprint(),
    )
