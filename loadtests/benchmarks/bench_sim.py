"""How fast the estate is simulated: a nation's day, the full model, 10-second reads, growth, shards; and beside SimPy.

Run: uv run pytest loadtests/benchmarks/bench_sim.py --benchmark-only --benchmark-json=sim.json
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import simpy

from loadtests.cluster.machine import fingerprint
from scenarios.domain import SLOTS_PER_DAY
from scenarios.file import resolve_scenario
from scenarios.spec import Scenario
from sim.estate.arrivals import HOUR_US
from sim.estate.model import build_estate
from sim.estate.slots import TEN_SECOND_US
from sim.virtual_time.tallies import walk

NATION_PREMISES = 26_500_000  # 53 million meters
SAMPLE_PREMISES = 1_000_000
SIMPY_METERS = 10_000
SIMPY_READ_EVERY_S = 1_800
PAIRS = 5
FULL_COMMANDS = 10_000_000


def scenario_of(premises: int, *, days: int = 1, silent: bool = True, **parts: Any) -> Scenario:
    """Two fuels, daily uploads; `silent`: no customers. `parts` are tables of the scenario, as in a file."""
    quiet = ("usage_month_per_premises_day", "intervals_day_per_premises_day", "state_per_premises_day")
    estate = {"premises": premises, "fuels": ["electricity", "gas"]} | parts.pop("estate", {})
    table = {
        "title": f"{premises:,} premises",
        "estate": estate,
        "traffic": dict.fromkeys(quiet, 0.0) if silent else parts.pop("traffic", {}),
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"wall_s": 60, "days": days},
    }
    return Scenario.model_validate(table | parts)


def full_scenario() -> Scenario:
    """A day with all that goes wrong and all that people ask: outage and catch-up, loss, commands with retries, displays."""
    return scenario_of(
        NATION_PREMISES,
        silent=False,
        traffic={
            "comparison_per_premises_day": 0.05,
            "bill_per_premises_day": 0.02,
            "ihd_refresh_per_premises_day": 0.1,
            "bursts": [{"at_h": 18.0, "share": 0.1}],
        },
        wan={
            "cellular": {"delay_ms_min": 200.0, "delay_ms_max": 3000.0, "loss": 0.02},
            "long_range_radio": {"delay_ms_min": 500.0, "delay_ms_max": 9000.0, "loss": 0.04},
            "outages": [{"region": "north", "at_h": 24.0, "for_h": 2.0}],
        },
        alerts={"per_hub_day": 0.05},
        campaigns=[
            {
                "name": "price",
                "kind": "update_price",
                "share": FULL_COMMANDS / NATION_PREMISES,
                "at_h": 20.0,
                "over_h": 4.0,
                "effective_h": 24.0,
            }
        ],
    )


def ten_second_scenario(premises: int) -> Scenario:
    return scenario_of(premises, estate={"read_schedules": {"daily": 0.0, "ten_second": 1.0}})


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def warm(scenario: Scenario) -> None:
    """Compile the kernels, or take them from the cache."""
    estate = scenario.estate.model_copy(update={"premises": 100})
    walk(build_estate(scenario.model_copy(update={"estate": estate})), until_us=HOUR_US)


def simpy_events_per_s(meter_count: int) -> float:
    """A process a meter that waits for each of its 48 half-hours and counts: events a second, of SimPy and Python alone."""
    env = simpy.Environment()
    arrivals = [0] * (SLOTS_PER_DAY + 2)

    def meter(number: int) -> Any:
        yield env.timeout(number % SIMPY_READ_EVERY_S)
        for _ in range(SLOTS_PER_DAY):
            yield env.timeout(SIMPY_READ_EVERY_S)
            arrivals[env.now // SIMPY_READ_EVERY_S] += 1

    for number in range(meter_count):
        env.process(meter(number))
    seconds = seconds_of(env.run)
    assert sum(arrivals) == meter_count * SLOTS_PER_DAY
    return meter_count * (SLOTS_PER_DAY + 2) / seconds


def nation_in_a_process(scenario: Scenario) -> tuple[float, float]:
    """Wall time [s] and peak memory [GiB] of a walk in a process of its own: the interpreter and the kernels included."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_walk_alone, (scenario,))


def _walk_alone(scenario: Scenario) -> tuple[float, float]:
    warm(scenario)
    estate = build_estate(scenario)
    seconds = seconds_of(lambda: walk(estate))
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def test_beside_simpy(benchmark: Any) -> None:
    """Reads/s of the kernels, with histogram, region totals and digest, against events/s of SimPy; interleaved."""
    estate = build_estate(scenario_of(SAMPLE_PREMISES))
    warm(scenario_of(SAMPLE_PREMISES))
    ratios, reads_per_s, events_per_s = [], [], []

    def pair() -> None:
        reads_per_s.append(estate.meter_count * SLOTS_PER_DAY / seconds_of(lambda: walk(estate)))
        events_per_s.append(simpy_events_per_s(SIMPY_METERS))
        ratios.append(reads_per_s[-1] / events_per_s[-1])

    benchmark.pedantic(pair, rounds=PAIRS, iterations=1)
    benchmark.extra_info.update(
        sim_vs_simpy=round(sorted(ratios)[PAIRS // 2]),
        sim_vs_simpy_all=[round(ratio) for ratio in ratios],
        reads_per_s=[round(rate) for rate in reads_per_s],
        simpy_events_per_s=[round(rate) for rate in events_per_s],
        **fingerprint(),
    )


def test_a_nations_day(benchmark: Any) -> None:
    """53 million meters, 48 half-hours each; and how time grows with meters and with days."""
    measured = benchmark.pedantic(lambda: nation_in_a_process(scenario_of(NATION_PREMISES)), rounds=1, iterations=1)
    by_premises = {}
    for premises in (SAMPLE_PREMISES, 3 * SAMPLE_PREMISES, 9 * SAMPLE_PREMISES, NATION_PREMISES):
        estate = build_estate(scenario_of(premises))
        by_premises[2 * premises] = round(seconds_of(lambda estate=estate: walk(estate)), 2)  # type: ignore[misc]
    by_days = {}
    for days in (1, 2, 4, 8):
        estate = build_estate(scenario_of(SAMPLE_PREMISES, days=days))
        by_days[days] = round(seconds_of(lambda estate=estate: walk(estate)), 2)  # type: ignore[misc]
    benchmark.extra_info.update(
        nation_day_s=round(measured[0], 1),
        nation_peak_gib=round(measured[1], 2),
        seconds_by_meters=by_premises,
        seconds_by_days_of_two_million_meters=by_days,
        **fingerprint(),
    )


def test_a_nations_full_day(benchmark: Any) -> None:
    """Outage and catch-up, ten million commands with retries, displays, customers, alerts; 53 million meters."""
    measured = benchmark.pedantic(lambda: nation_in_a_process(full_scenario()), rounds=1, iterations=1)
    benchmark.extra_info.update(
        nation_full_day_s=round(measured[0], 1), nation_full_day_peak_gib=round(measured[1], 2), **fingerprint()
    )


def test_a_nations_week(benchmark: Any) -> None:
    """The preset of Great Britain: 30 million homes, 832 million messages, most of them alerts and uploads."""
    scenario = resolve_scenario(Path("gb_2026"))
    measured = benchmark.pedantic(lambda: nation_in_a_process(scenario), rounds=1, iterations=1)
    benchmark.extra_info.update(
        nation_week_s=round(measured[0], 1), nation_week_peak_gib=round(measured[1], 2), **fingerprint()
    )


def test_an_hour_of_ten_second_reads(benchmark: Any) -> None:
    """All 53 million meters, every 10 s: 19 billion reads."""
    scenario = ten_second_scenario(NATION_PREMISES)
    warm(scenario)
    estate = build_estate(scenario)
    tallies = []
    seconds = benchmark.pedantic(
        lambda: seconds_of(lambda: tallies.append(walk(estate, until_us=HOUR_US))), rounds=1, iterations=1
    )
    reads = int(tallies[0].offered.sum())
    assert 0.99 < reads / (estate.meter_count * HOUR_US // TEN_SECOND_US) <= 1  # the last ones arrive after the hour
    benchmark.extra_info.update(nation_10s_hour_s=round(seconds, 1), reads=reads, **fingerprint())


def test_two_processes_beside_one(benchmark: Any) -> None:
    """The same estate in one and in two processes of one thread each, in turns; starting the processes is left out."""
    scenario = scenario_of(4 * SAMPLE_PREMISES)
    warm(scenario)
    ratios = []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_walk_shard, [(scenario_of(100), shard, 2) for shard in (0, 1, 0, 1)], chunksize=1)  # warm both

        def pair() -> None:
            one = seconds_of(lambda: pool.map(_walk_shard, [(scenario, 0, 1)]))
            two = seconds_of(lambda: pool.map(_walk_shard, [(scenario, 0, 2), (scenario, 1, 2)], chunksize=1))
            ratios.append(one / two)

        benchmark.pedantic(pair, rounds=PAIRS, iterations=1)
    benchmark.extra_info.update(
        shards_2_vs_1=round(sorted(ratios)[PAIRS // 2], 2),
        shards_2_vs_1_all=[round(ratio, 2) for ratio in ratios],
        **fingerprint(),
    )


def _walk_shard(which: tuple[Scenario, int, int]) -> None:
    scenario, shard, shard_count = which
    walk(build_estate(scenario), shard, shard_count, thread_count=1)
