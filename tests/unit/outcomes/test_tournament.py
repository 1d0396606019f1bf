"""From rounds to the ranking, and its page: from measurements that were made for it."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console

from loadtests.monitoring.node_counters import ReadWork
from loadtests.sender.block import OPERATION, OperationBlock
from loadtests.sender.ring import ring_of_nodes
from loadtests.tournament.bench import GOAL, LoadedEntrant, TournamentMeasurements
from loadtests.tournament.entrants import entrants_of
from loadtests.tournament.growth import Cadence, PartitionGrowth
from loadtests.tournament.rebuild import Rebuild
from loadtests.tournament.usage_answers import AggregateError
from loadtests.trials.facts import TableDifference
from loadtests.trials.load import SampleLoad
from loadtests.trials.turn import fitted, trial_size
from meterstorm.display.tournament import print_tournament
from meterstorm.outcomes.tournament import (
    doubts_of,
    entrant_results,
    measured_quantities,
    meter_year_of,
    quantity_results,
)
from reports import write_report
from reports.results.file import schema_text
from reports.results.parts import Machine, Verdict
from reports.results.tournament import LateRanking, PriceListResult, TournamentResults, load_tournament
from reports.tournament.figures import front_of
from reports.tournament.words import aggregate_text, counter_sentence, headline, reading_text
from scenarios.domain import Operation
from scenarios.server_prices import ServerPrices
from scenarios.spec import Validity
from scenarios.variant_file import variants_named
from tests.support.gate_pairs import LANES, SCENARIO, trial

LOST = TableDifference(
    table="events_by_home", dc="north", rows=10, missing=1, extra=0, altered=0, examples=("missing: premises 3",)
)


def measured(costs: dict[str, float], rounds: int = 30) -> TournamentMeasurements:
    random = np.random.default_rng(4)
    return TournamentMeasurements(
        sample=100,
        lanes=LANES,
        writes=frozenset({Operation.INGEST_READING}),
        loaded={
            name: LoadedEntrant(writes=10, readings=480, disk_bytes=int(1_000 / cost)) for name, cost in costs.items()
        },
        rounds=[{name: trial(cost, random=random) for name, cost in costs.items()} for _ in range(rounds)],
    )


def results_of(given: TournamentMeasurements, prices: ServerPrices | None = None) -> TournamentResults:
    entrants = entrants_of(SCENARIO, variants_named("zstd,lcs"))
    values = measured_quantities(given, 1)
    ranked, unbeaten = entrant_results(entrants, given, values, 0.01, years=5, prices=prices)
    year = meter_year_of(entrants["plain"], given)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    return TournamentResults(
        scenario=SCENARIO.title,
        seed=1,
        started=now,
        finished=now,
        versions={"meterstorm": "1"},
        machine=Machine(cpu="c", cpu_count=2, memory_bytes=1, system="s"),
        goal=GOAL.name,
        false_alarm=0.01,
        rounds=len(given.rounds),
        seconds=1.5,
        sample=given.sample,
        closed_loop=10,
        rate_per_s=100.0,
        operations_per_meter_year=year.operations,
        writes_per_meter_year=year.writes,
        prices=None if prices is None else PriceListResult.model_validate(prices.model_dump()),
        quantities=quantity_results(values),
        entrants=ranked,
        unbeaten=unbeaten,
        doubts=doubts_of(given, Validity()),
    )


def test_the_cheapest_wins_and_what_is_worse_in_all_is_dominated() -> None:
    results = results_of(measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6}))
    assert [each.name for each in results.entrants] == ["plain", "zstd", "lcs"]
    assert results.winner == "plain" and results.verdict is Verdict.PASS
    assert results.entrant("lcs").dominated_by == ("plain", "zstd")
    (of_cpu,) = [
        one for one in results.entrant("zstd").comparisons if (one.against, one.quantity) == ("plain", GOAL.name)
    ]
    assert of_cpu.resolved and of_cpu.low is not None and of_cpu.high is not None
    assert of_cpu.low < 0.3 < of_cpu.high
    turned = [one for one in results.entrant("plain").comparisons if (one.against, one.quantity) == ("zstd", GOAL.name)]
    assert (1 + turned[0].change) * (1 + of_cpu.change) == pytest.approx(1)


def test_equals_are_not_resolved_and_a_late_generator_leaves_no_winner() -> None:
    equal = results_of(measured({"plain": 1.0, "zstd": 1.0, "lcs": 1.0}))
    assert set(equal.unbeaten) == {"plain", "zstd", "lcs"} and equal.verdict is Verdict.INCONCLUSIVE
    assert headline(equal).startswith("not resolved")
    given = measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6})
    given.rounds[:] = [{**each, "plain": replace(each["plain"], late_p99_ms=500.0)} for each in given.rounds]
    late = results_of(given)
    assert (
        late.winner is None
        and late.verdict is Verdict.INCONCLUSIVE
        and "plain: the load generator was late" in late.doubts[0]
    )


def test_a_design_that_loses_a_row_is_disqualified_and_never_ranked() -> None:
    given = measured({"plain": 1.0, "lcs": 1.6})
    given.loaded["zstd"] = LoadedEntrant(writes=10, readings=480, disk_bytes=1)
    given.facts = {"zstd": (LOST,), "lcs": ()}
    results = results_of(given)
    assert results.verdict is Verdict.FAIL and results.entrants[-1].name == "zstd"
    assert results.entrant("zstd").is_disqualified and results.entrant("zstd").rounds == 0
    assert "zstd" not in results.unbeaten


def test_without_a_round_nothing_is_said() -> None:
    given = measured({"plain": 1.0, "zstd": 1.0, "lcs": 1.0}, rounds=0)
    results = results_of(given)
    assert results.unbeaten == () and results.winner is None and headline(results) == "no round was measured"


def test_the_front_is_whom_none_undercuts() -> None:
    assert front_of([(1.0, 3.0), (2.0, 2.0), (2.0, 3.0), (3.0, 1.0), (3.0, 1.0)]) == [True, True, False, True, True]


def test_the_page_is_drawn_from_what_the_folder_holds(tmp_path: Path) -> None:
    given = measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6})
    given.facts = {"zstd": (LOST,), "lcs": ()}
    given.left_out_after = {"lcs": 12}
    results = results_of(given)
    results.write(tmp_path)
    write_report(tmp_path)
    assert load_tournament(tmp_path) == results
    page = (tmp_path / "report.html").read_text()
    assert "<b>small</b>" not in page and "events_by_home" in page and "after 12 rounds" in page
    assert {path.name for path in (tmp_path / "figures").glob("*.svg")} >= {"front.svg", "quantities.svg"}


def test_partitions_against_the_limits_and_what_reads_looked_at_are_in_the_page(tmp_path: Path) -> None:
    given = measured({"plain": 1.0, "zstd": 1.3})
    daily = PartitionGrowth(
        cadence=Cadence.DAILY,
        share=0.995,
        days=31,
        rows=(7, 15, 31),
        size_bytes=(1_400, 3_000, 6_300),
        whole_rows=31,
        whole_bytes=6_300,
        error=-0.0159,
    )
    pushed = replace(daily, cadence=Cadence.HALF_HOURLY, share=0.005, whole_rows=1_488, whole_bytes=310_000, error=0.01)
    given.growth = {"plain": (daily, pushed), "zstd": (daily,)}
    work = ReadWork(rows_p50=1.0, rows_p99=60.0, tombstones_p50=1.0, tombstones_p99=1.0)
    given.reads = {"plain": {"intervals_by_home": work, "usage_by_fuel": work}}
    results = results_of(given)
    partition = results.entrant("plain").partition
    assert partition is not None and partition.next_bucket is not None
    assert (partition.rows_max, partition.bytes_max, partition.bytes_p99) == (1_488, 310_000, 6_300)
    assert partition.error == -0.0159  # the largest by its size
    # 10,000 B a day: 2 MiB are 210 days, 10 MiB 1,049, and a year holds 3.66 MB
    assert partition.next_bucket.bucket == "year" and partition.next_bucket.size_bytes == 3_660_000
    # of its queries the scenario's trials ask for usage alone
    assert [(each.table, each.operations) for each in results.entrant("plain").reads] == [
        ("usage_by_fuel", ("read_usage_month",))
    ]
    assert results.entrant("lcs").partition is None
    results.write(tmp_path)
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    for told in (
        "0.310 % of 100 MB, 1.49 % of 100,000 rows",
        "year, 3.66 MB (2 MiB from 210 days on, at most 1,049 days)",
        "≤ 60<",
    ):
        assert told in page, told
    assert "31 rows 6.30 kB" in page and "−1.59 %" in page
    assert load_tournament(tmp_path) == results


def test_with_prices_page_markdown_and_results_say_what_a_million_meters_cost(tmp_path: Path) -> None:
    prices = ServerPrices(currency="GBP|<b>", core_hour=3.6, disk_gib_month=1.0, network_gib=0.0)
    given = measured({"plain": 1.0, "zstd": 1.3})
    # SCENARIO has 10 meters; of the sample's 100 operations 10 are writes, of 100 B each with plain
    given.operations_a_day = 10.0
    results = results_of(given, prices)
    assert (results.operations_per_meter_year, results.writes_per_meter_year) == pytest.approx((365.25, 36.525))
    cost, cpu = results.entrant("plain").cost, results.entrant("plain").figures[GOAL.name]
    assert cost is not None and cost.low is not None and cost.high is not None and cpu.low is not None
    assert cost.processor == pytest.approx(1e6 * 365.25 * cpu.mean / 1e9)
    assert cost.disk == pytest.approx(1e6 * 36.525 * 100 / 2**30 * 12)
    assert (
        cost.low == pytest.approx(cost.disk + cost.processor * cpu.low / cpu.mean) and cost.low < cost.total < cost.high
    )
    assert results.entrant("lcs").cost is None  # was not measured
    results.write(tmp_path)
    write_report(tmp_path)
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "tournament.md").read_text()
    assert "What it costs" in page and "GBP|&lt;b&gt;" in page and "<b>/year" not in page
    assert "a year \\[GBP\\|\\<b\\>\\]" in text and text.count("\n| ") == 5
    assert load_tournament(tmp_path) == results


def test_the_published_schema_is_the_model() -> None:
    published = (Path(__file__).parents[3] / "docs" / "tournament.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(TournamentResults), "uv run python -m reports.results.tournament > docs/..."


def test_each_share_of_late_deliveries_has_a_ranking_and_all_decide(tmp_path: Path) -> None:
    in_order, late = (
        results_of(measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6})),
        results_of(measured({"plain": 1.6, "zstd": 1.3, "lcs": 1.0})),
    )
    rankings = tuple(
        LateRanking(
            late_share=share,
            rounds=each.rounds,
            closed_loop=10,
            rate_per_s=100.0,
            entrants=each.entrants,
            unbeaten=each.unbeaten,
        )
        for share, each in ((0.0, in_order), (0.1, late))
    )
    both = in_order.model_copy(update={"late": rankings})
    assert both.winner is None and both.verdict is Verdict.INCONCLUSIVE
    assert headline(both) == "0 % late: plain wins; 10.0 % late: lcs wins"
    assert in_order.model_copy(update={"late": (rankings[0], rankings[0])}).winner == "plain"
    both.write(tmp_path)
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "By share of late deliveries" in page and "10.0 % late: lcs wins" in page
    assert load_tournament(tmp_path) == both and "10.0 % late: lcs wins" in (tmp_path / "tournament.md").read_text()
    console = Console(file=io.StringIO(), width=160)
    print_tournament(console, both, "report.html")
    shown = cast(io.StringIO, console.file).getvalue()
    assert "10.0 % late: lcs wins" in shown and shown.count("best first") == 2


def test_what_is_sent_once_fits_the_rounds() -> None:
    size = trial_size({"plain": 2_000.0, "zstd": 3_000.0}, 1.0, None)
    assert (size.count, size.open_count, size.is_once) == (2_000, 600, False)
    once = fitted(size, 13_000, 10)
    assert once.is_once and once.of_trial * 10 <= 13_000 and once.count == 1_000
    assert fitted(size, 1_000_000, 10).count == 2_000


def test_a_reading_costs_what_its_loop_took_by_the_half_hours_in_it() -> None:
    results = results_of(measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6}))
    plain = results.entrant("plain")
    assert plain.reading is not None and plain.reading.cpu_us is not None and plain.reading.wan_bytes is None
    of_operation = plain.figures[GOAL.name]  # of which each delivers ten half-hours
    assert plain.reading.cpu_us.mean == pytest.approx(of_operation.mean / 10)
    assert plain.reading.cpu_us.low == pytest.approx((of_operation.low or 0) / 10)
    assert plain.reading.disk_bytes == pytest.approx(1_000 / 480)


def test_readings_are_counted_over_and_over_and_stored_once() -> None:
    rows = np.zeros(4, OPERATION)
    rows["operation"] = [0, 1, 0, 0]
    rows["slot_count"] = [48, 48, 1, 1]
    rows["meter"] = [5, 5, 6, 6]
    sample = OperationBlock(rows=rows, frames=np.empty(0, np.uint8))
    load = SampleLoad(
        name="x",
        scenario=SCENARIO,
        sample=sample,
        lanes=LANES,
        writes=frozenset({Operation.INGEST_READING}),
        written=(),
        statements=(),
        ring=ring_of_nodes([(("a", 1), "north")]),
    )
    sent = [48, 0, 1, 1]
    for first in range(6):
        for count in range(10):
            assert load.readings_in(first, count) == sum(sent[(first + at) % 4] for at in range(count))
    assert load.stored_readings == 49


def test_who_leaves_the_view_of_days_alone_has_the_plain_designs_error() -> None:
    given = measured({"plain": 1.0, "zstd": 1.3, "lcs": 1.6})
    given.aggregates = {"plain": AggregateError(days=90, wrong_days=3, off_wh=50, total_wh=100_000)}
    given.rebuilds = {"zstd": Rebuild(readings=3_000, rows=3_000, per_s=(900.0, 1_000.0, 1_100.0))}
    results = results_of(given)
    assert aggregate_text(results.entrant("lcs").aggregates) == "3 of 90, by 0.0500 % of all usage"
    rebuilt = results.entrant("zstd").rebuild
    assert rebuilt is not None and rebuilt.readings_per_s.mean == pytest.approx(1_000)
    assert reading_text(rebuilt.readings_per_s).startswith("1,000 (")
    assert results.entrant("plain").rebuild is None and counter_sentence(results) is None
    counted = results.model_copy(update={"counters": results.entrant("lcs").aggregates})
    assert "would be off on 3 of 90, by 0.0500 % of all usage" in str(counter_sentence(counted))
