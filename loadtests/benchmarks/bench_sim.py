"""How fast the estate is simulated: a nation's day, the full model, 10-second reads, growth, shards; and beside SimPy.

Run: uv run pytest loadtests/benchmarks/bench_sim.py --benchmark-only --benchmark-json=sim.json

Against the build of before:
METERSTORM_BEFORE=/path/to/a/worktree uv run pytest loadtests/benchmarks/bench_sim.py -k before --benchmark-only

`METERSTORM_BEFORE` is a worktree of the commit 93f91de with an environment of its own (`uv sync`). Both sides walk the same
estate, whole processes in turns: before, now, now, before ... (`METERSTORM_BENCH_PAIRS`, 5), and must find the same digest.
`nation_day` and `nation_10s_hour` are the median ratios of the walk's wall time, with kernels kept.
`METERSTORM_BENCH_PREMISES` takes a part of the nation's homes, where a machine has less time.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest
import simpy

from loadtests.cluster.machine import fingerprint
from scenarios.domain import SLOTS_PER_DAY
from scenarios.file import resolve_scenario
from scenarios.spec import Scenario
from sim.estate.arrivals import HOUR_US
from sim.estate.model import build_estate
from sim.estate.slots import TEN_SECOND_US
from sim.virtual_time.checkpoint import Checkpoint
from sim.virtual_time.tallies import walk

NATION_PREMISES = 26_500_000  # 53 million meters
SAMPLE_PREMISES = 1_000_000
SIMPY_METERS = 10_000
SIMPY_READ_EVERY_S = 1_800
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "5"))
HERE = Path(__file__).parents[2]
PREMISES = int(os.environ.get("METERSTORM_BENCH_PREMISES", NATION_PREMISES))  # of the comparison with before
YEAR_PREMISES, YEAR_DAYS = 100_000, 365  # a part of the nation, all days
WALK_S_MAX = 1_800.0
# In either worktree: seconds of wall and processor that a walk takes, and its digest; the kernels are compiled or loaded before.
WALK = """
import json, sys, time
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from sim.trace.digest import merkle_root
from sim.virtual_time.tallies import walk
table, until_us = json.load(sys.stdin)
scenario = Scenario.model_validate(table)
few = scenario.model_copy(update={"estate": scenario.estate.model_copy(update={"premises": 100})})
walk(build_estate(few), until_us=3_600_000_000)
estate = build_estate(scenario)
wall_s, cpu_s = time.perf_counter(), time.process_time()
tallies = walk(estate, until_us=until_us)
print(json.dumps([time.perf_counter() - wall_s, time.process_time() - cpu_s, merkle_root(tallies.tiles)]))
"""
FULL_COMMANDS = 10_000_000


def scenario_of(premises: int, *, days: int = 1, silent: bool = True, **parts: Any) -> Scenario:
    """As `table_of`."""
    return Scenario.model_validate(table_of(premises, days=days, silent=silent, **parts))


def table_of(premises: int, *, days: int = 1, silent: bool = True, **parts: Any) -> dict[str, Any]:
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
    return table | parts


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


TEN_SECONDS = {"read_schedules": {"daily": 0.0, "ten_second": 1.0}}


def ten_second_scenario(premises: int) -> Scenario:
    return scenario_of(premises, estate=TEN_SECONDS)


class WalkDone(NamedTuple):
    """What `WALK` says."""

    wall_s: float
    cpu_s: float
    digest: str


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


@pytest.mark.parametrize("name", ["nation_day", "nation_10s_hour"])
def test_a_walk_against_the_build_of_before(benchmark: Any, name: str) -> None:
    if "METERSTORM_BEFORE" not in os.environ:
        pytest.skip("METERSTORM_BEFORE names no worktree")
    trees = {"before": Path(os.environ["METERSTORM_BEFORE"]), "now": HERE}
    of_hour = name == "nation_10s_hour"
    what = json.dumps([table_of(PREMISES, estate=TEN_SECONDS if of_hour else {}), HOUR_US if of_hour else None])
    found: dict[str, list[WalkDone]] = {side: [] for side in trees}

    def side(of: str) -> None:
        tree = trees[of]
        command: list[str | Path] = [tree / ".venv" / "bin" / "python", "-c", WALK]
        said = subprocess.run(
            command, cwd=tree, input=what, capture_output=True, text=True, timeout=WALK_S_MAX, check=True
        )
        found[of].append(WalkDone(*json.loads(said.stdout)))

    def pair(number: int) -> None:
        for of in list(trees)[:: 1 if number % 2 == 0 else -1]:
            side(of)

    pair(0)  # kernels are compiled and kept
    for walks in found.values():
        walks.clear()
    numbers = iter(range(PAIRS))
    benchmark.pedantic(lambda: pair(next(numbers)), rounds=PAIRS, iterations=1)
    pairs = list(zip(found["before"], found["now"], strict=True))
    assert len({one.digest for pair in pairs for one in pair}) == 1, "before and now are not the same trace"
    wall = [now.wall_s / before.wall_s for before, now in pairs]
    cpu = [now.cpu_s / before.cpu_s for before, now in pairs]
    benchmark.extra_info.update(
        {
            name: round(median(wall), 3),
            f"{name}_all": [round(one, 3) for one in wall],
            f"{name}_cpu": round(median(cpu), 3),
            f"{name}_cpu_all": [round(one, 3) for one in cpu],
            "wall_s": {of: [round(one.wall_s, 2) for one in walks] for of, walks in found.items()},
            "cpu_s": {of: [round(one.cpu_s, 2) for one in walks] for of, walks in found.items()},
        }
    )
    benchmark.extra_info.update(premises=PREMISES, **fingerprint())


def test_a_share_of_a_nations_year(benchmark: Any) -> None:
    """Half-hourly meters, 365 days, kept in a checkpoint: some homes, as time grows with homes and memory does not."""
    scenario = scenario_of(YEAR_PREMISES, days=YEAR_DAYS)
    warm(scenario)
    estate = build_estate(scenario)
    peak_gib: list[float] = []

    def tell(share: float) -> None:
        peak_gib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint.of(Path(folder) / "walk", estate, scenario.title)
        took_s = benchmark.pedantic(
            lambda: seconds_of(lambda: walk(estate, progress=tell, checkpoint=checkpoint)), rounds=1, iterations=1
        )
        tallies = walk(estate, checkpoint=checkpoint)  # whole already: it is read
        keeping_s = seconds_of(lambda: checkpoint.write(0, tallies))
        size_mib = checkpoint.path.stat().st_size / 2**20
    reads = int(tallies.offered.sum()) * SLOTS_PER_DAY
    assert reads == estate.meter_count * YEAR_DAYS * SLOTS_PER_DAY
    benchmark.extra_info.update(
        share_s=round(took_s, 2),
        share_of_reads=reads,
        nation_year_s_by_share=round((took_s - keeping_s) * NATION_PREMISES / YEAR_PREMISES),
        year_peak_gib={"after a quarter": round(peak_gib[len(peak_gib) // 4], 2), "at the end": round(peak_gib[-1], 2)},
        checkpoint={"mib": round(size_mib), "write_s": round(keeping_s, 2)},
        **fingerprint(),
    )


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
