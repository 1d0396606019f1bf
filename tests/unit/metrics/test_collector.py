"""What a scraper reads: the whole text of a run that has seen a little of everything; nothing where nobody knows it."""

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from loadtests.faults.injection import FaultCourse
from loadtests.metrics.catalogue import CATALOGUE, MetricKind
from loadtests.metrics.collector import RunCollector
from loadtests.metrics.instruments import Instruments, ShownPrice
from loadtests.recording.histograms import counts_of
from loadtests.recording.history import DcOutcomes, ErrorCount, NodeSample, SecondCounts
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.recording.seconds import Second, sparse_of
from loadtests.workload.operations import planes_of
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Scenario
from sim.estate.model import build_estate

CONTENT: dict[str, object] = {
    "title": 'A "small" day',
    "estate": {"premises": 20, "fuels": ("electricity",)},
    "reads": {"gap_share": 0.1},
    "traffic": {"state_per_premises_day": 1.0},
    "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}]},
    "run": {"start": "2026-01-15", "days": 1, "wall_s": 50, "seed": 7, "warm_up_s": 1.0},
    "slo": [{"operation": "read_state", "response_ms_max": 75.0}],
}
SCENARIO = Scenario.model_validate(CONTENT)
S = 1_000_000_000
HOUR_US = 3_600_000_000
NOW_NS = 1_000 * S
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Clock:
    now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


def run_of(clock: Clock | None = None, scenario: Scenario = SCENARIO) -> tuple[Instruments, RunCollector]:
    instruments = Instruments(scenario, clock or Clock())
    phases = ("cluster", "storm", "audit")
    return instruments, RunCollector(instruments, build_estate(scenario), version="1.2", phases=phases)


def without_disks(text: str) -> str:
    """Without what this machine's file system says."""
    return re.sub(r"^(meterstorm_node_disk_(?:free|size)_bytes{.*}) .*$", r"\1 -", text, flags=re.MULTILINE)


def text_of(collector: RunCollector) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry).decode()


def values_of(text: str) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return values_of(text)[name, tuple(sorted(labels.items()))]


def names_in(text: str) -> set[str]:
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def a_busy_run() -> RunCollector:
    """25 s into a storm in which a little of everything has happened."""
    instruments, collector = run_of()
    instruments.phase = "storm"
    instruments.zero_ns = NOW_NS - 25 * S
    times = sparse_of(counts_of([2_000, 60_000, 80_000]))
    instruments.senders.add_second(
        Second(
            second=0,
            counts={"read_state": SecondCounts(4, 3, 2, 1, 0, 1), "ingest_reading": SecondCounts(9, 9, 8, 0, 1, 0)},
            response={"read_state": times},
            service={},
            lateness=sparse_of(counts_of([300])),
            by_dc={"read_state": {"north": DcOutcomes(2, 0, 0), "south": DcOutcomes(0, 1, 0)}},
        )
    )
    instruments.senders.add_errors([ErrorCount(operation="read_state", outcome="failed", kind="unavailable", count=1)])
    instruments.closed_loop().add_request("find_due", "ok", 4_000)
    instruments.closed_loop().add_request("find_due", "indeterminate", 9_000, "Timeout")
    instruments.in_flight, instruments.queued = 5, 2
    ledger = Ledger.create(None, planes_of(SCENARIO), 20, 48)
    mark_run(ledger.states, ledger.plane_of("ingest_reading"), 0, 0, 48, int(SlotState.ACKNOWLEDGED))
    mark_run(ledger.states, ledger.plane_of("ingest_reading"), 1, 0, 48, int(SlotState.INTENT))
    instruments.ledger = ledger
    kill = Fault(kind=FaultKind.KILL, target="north", at_s=5.0, for_s=10.0)
    instruments.courses = [
        FaultCourse(kill, ("north-1",), begun_s=5.0, is_over=True),
        FaultCourse(Fault(kind=FaultKind.PAUSE, target="south", at_s=20.0, for_s=10.0), ("south-1",), begun_s=20.0),
        FaultCourse(Fault(kind=FaultKind.KILL, target="north", at_s=40.0, for_s=5.0), ("north-1",)),
        FaultCourse(Fault(kind=FaultKind.PAUSE, target="south", at_s=45.0, for_s=2.0), ("south-1",)),
    ]
    instruments.nodes = [
        NodeSample(
            second=24,
            node="north-1",
            dc="north",
            cpu_share=0.5,
            rss_bytes=10**9,
            disk_bytes=5,
            gc_pause_ms=0.0,
            gc_count=0,
            sstable_count=None,
        )
    ]
    instruments.data_folders = {("north-1", "north"): Path(__file__).parent, ("south-1", "south"): Path("/none/such")}
    gateway = instruments.gateway("north")
    gateway.created, gateway.attempts, gateway.ended = 10, 12, Counter(applied=3, given_up=1)
    gateway.handle(24.0)
    office = instruments.back_office()
    office.bills, office.served, office.delivered = 3, 4, 6
    office.rejected.update(["negative", "negative", "in_future"])
    office.show(ShownPrice.IN_FORCE, None)
    office.end_round()
    probes = instruments.probes
    probes.outcomes["south", "write", "failed"] += 2
    probes.lag_s["north", "south"] = 0.012
    probes.clocks_ahead_s["north"] = {"north-1": -0.25}
    instruments.audit.judge({"lost": 1, "verified": 4}, {"south": {"lost": 1}})
    instruments.audit.check("bills add up", 2)
    return collector


def test_the_text_of_a_busy_run() -> None:
    """Read it whole when it changes: it is what dashboards and alerts are built on."""
    golden = Path(__file__).with_name("busy_run.txt")
    assert without_disks(text_of(a_busy_run())) == golden.read_text(encoding="utf-8")


def test_disks_are_told_as_the_file_system_has_them() -> None:
    text, disk = text_of(a_busy_run()), shutil.disk_usage(Path(__file__).parent)
    assert value(text, "meterstorm_node_disk_size_bytes", node="north-1", dc="north") == disk.total
    assert value(text, "meterstorm_node_disk_free_bytes", node="north-1", dc="north") == pytest.approx(
        disk.free, rel=0.1
    )
    assert text.count("meterstorm_node_disk_size_bytes{") == 1  # of a folder that is not there none


def test_both_formats_are_read_back_the_same() -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(a_busy_run())
    plain = values_of(generate_latest(registry).decode())
    free = next(key for key in plain if key[0] == "meterstorm_node_disk_free_bytes")
    openmetrics = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in openmetrics_families(generate_openmetrics(registry).decode())
        for sample in family.samples
    }
    assert plain.pop(free) > 0 < openmetrics.pop(free)  # it changes while we look
    assert plain == openmetrics and len(plain) > 200


def test_every_sample_is_of_a_metric_in_the_catalogue_and_every_one_is_told() -> None:
    families = list(text_string_to_metric_families(text_of(a_busy_run())))
    told = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families
    }
    assert told == {one.name: (str(one.kind), set(one.labels)) for one in CATALOGUE}


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE) > 30
    for one in CATALOGUE:
        assert one.name.startswith("meterstorm_") and one.name == one.name.lower()
        assert one.name.endswith("_total") == (one.kind is MetricKind.COUNTER), one.name
        assert not one.name.endswith(("_ms", "_us", "_percent", "_count", "_sum", "_bucket")), one.name
        if one.unit in ("seconds", "bytes", "ratio", "cores"):
            assert one.name.endswith(f"_{one.unit}"), one.name
        assert one.help.endswith("."), one.name


def test_an_objectives_limit_is_an_edge_and_what_is_beyond_it_is_counted() -> None:
    text = text_of(a_busy_run())

    def at_most(le: str) -> float:
        return value(text, "meterstorm_response_seconds_bucket", operation="read_state", loop="open", le=le)

    assert (at_most("0.0025"), at_most("0.05"), at_most("0.075"), at_most("0.1"), at_most("+Inf")) == (1, 1, 2, 3, 3)
    assert value(text, "meterstorm_response_seconds_count", operation="read_state", loop="open") == 3


def test_loops_of_one_operation_are_one_series() -> None:
    text = text_of(a_busy_run())
    assert value(text, "meterstorm_operations_offered_total", operation="find_due", loop="closed") == 2
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len({line.rpartition(" ")[0] for line in samples}) == len(samples)


def test_a_fault_is_active_from_its_beginning_until_it_is_over() -> None:
    text = text_of(a_busy_run())
    assert value(text, "meterstorm_fault_active", kind="pause", target="south") == 1
    assert value(text, "meterstorm_fault_active", kind="kill", target="north") == 0  # one is over, one is to come


def test_what_nobody_knows_yet_has_no_sample() -> None:
    _, collector = run_of()
    names = names_in(text_of(collector))
    absent = {
        "meterstorm_storm_elapsed_seconds",
        "meterstorm_ledger_slots",
        "meterstorm_audit_facts",
        "meterstorm_commands_oldest_due_seconds",
        "meterstorm_view_lag_seconds",
        "meterstorm_bills_issued_total",
        "meterstorm_settlement_completeness_ratio",
        "meterstorm_readings_estimated_ratio",
        "meterstorm_visibility_lag_seconds",
        "meterstorm_clock_ahead_seconds",
    }
    assert not names & absent
    assert {"meterstorm_run_info", "meterstorm_operations_total", "meterstorm_commands_terminal_twice_total"} <= names


def test_ages_grow_while_nothing_is_reported() -> None:
    clock = Clock()
    instruments, collector = run_of(clock)
    instruments.zero_ns = NOW_NS - 10 * S
    gateway, office = instruments.gateway("north"), instruments.back_office()
    gateway.handle(9.5)
    office.end_round()
    office.journal()
    office.show(ShownPrice.STALE, instruments.pace.simulated_us_at(4.0))

    def told() -> tuple[float, ...]:
        text = text_of(collector)
        return (
            value(text, "meterstorm_commands_oldest_due_seconds", dc="north"),
            value(text, "meterstorm_back_office_round_age_seconds"),
            value(text, "meterstorm_view_lag_seconds"),
            value(text, "meterstorm_price_stale_seconds"),
        )

    assert told() == pytest.approx((0.5, 0.0, 0.0, 6.0), abs=1e-3)
    clock.now_ns += 7 * S
    assert told() == pytest.approx((7.5, 7.0, 7.0, 13.0), abs=1e-3)
    office.project()
    office.show(ShownPrice.IN_FORCE, None)
    gateway.handle(None)  # the span is over: nothing is paced
    assert told() == pytest.approx((0.0, 7.0, 0.0, 0.0), abs=1e-3)
    clock.now_ns += 2 * S
    assert told()[0] == pytest.approx(2.0)
    gateway.is_over = office.is_over = True
    text = text_of(collector)
    assert value(text, "meterstorm_commands_oldest_due_seconds", dc="north") == 0
    assert "meterstorm_back_office_round_age_seconds" not in names_in(text)


def test_commands_are_told_by_state_as_the_gateway_reads_them_back() -> None:
    instruments, collector = run_of()
    gateway = instruments.gateway("north")
    gateway.created, gateway.ended = 9, Counter(applied=4, rejected=1)

    def states() -> dict[str, float]:
        return {
            dict(labels)["state"]: count
            for (name, labels), count in values_of(text_of(collector)).items()
            if name == "meterstorm_commands"
        }

    assert states() == {"open": 4, "applied": 4, "rejected": 1, "given_up": 0}
    gateway.states = {"APPLIED": 5, "EXHAUSTED": 4}
    assert states() == {"applied": 5, "exhausted": 4}


@pytest.mark.parametrize(
    ("hour", "is_passed"), [(23.0, False), (32.9, False), (33.1, True)], ids=["on the day", "before nine", "after nine"]
)
def test_a_day_is_to_be_complete_at_nine_the_next_morning(hour: float, is_passed: bool) -> None:
    assert SCENARIO.span_us > 34 * HOUR_US  # estimates are waited for
    assert deadlines(SCENARIO, SCENARIO.pace.wall_s_at(round(hour * HOUR_US))) == {is_passed}


@pytest.mark.parametrize(("hour", "is_passed"), [(33.1, False), (34.9, False), (35.1, True)])
def test_or_when_all_was_to_be_collected(hour: float, is_passed: bool) -> None:
    """A day's readings are collected until eleven on the next one."""
    estate = SCENARIO.estate.model_copy(update={"upload_window_h": 11.0})
    scenario = SCENARIO.model_copy(update={"estate": estate})
    assert scenario.span_us > 36 * HOUR_US
    assert deadlines(scenario, scenario.pace.wall_s_at(round(hour * HOUR_US))) == {is_passed}


@pytest.mark.parametrize(("wall_s", "is_passed"), [(49.9, False), (50.1, True)])
def test_or_when_nothing_comes_any_more(wall_s: float, is_passed: bool) -> None:
    scenario = Scenario.model_validate({**CONTENT, "reads": {}})
    assert scenario.span_us < 30 * HOUR_US
    assert deadlines(scenario, wall_s) == {is_passed}


def deadlines(scenario: Scenario, wall_s: float) -> set[bool]:
    """Whether the deadlines of all periods have passed, so long after the storm's start."""
    instruments, collector = run_of(scenario=scenario)
    instruments.zero_ns = NOW_NS - round(wall_s * S)
    instruments.ledger = Ledger.create(None, planes_of(scenario), 20, 48)
    told = [
        bool(count)
        for (name, _), count in values_of(text_of(collector)).items()
        if name == "meterstorm_settlement_deadline_passed"
    ]
    assert len(told) > 40
    return set(told)


@pytest.mark.parametrize(("wall_s", "is_told"), [(0.4, False), (25.0, True), (49.6, False)])
def test_the_speed_of_the_replay_is_told_while_it_lasts(wall_s: float, is_told: bool) -> None:
    instruments, collector = run_of()
    instruments.zero_ns = NOW_NS - round(wall_s * S)
    told = values_of(text_of(collector)).get(("meterstorm_replay_speed_ratio", ()))
    assert told == (pytest.approx(SCENARIO.speed_up, rel=1e-6) if is_told else None)


def test_a_lag_grows_while_a_row_is_not_seen() -> None:
    instruments, collector = run_of()
    instruments.probes.lag_s = {("north", "south"): 0.012, ("south", "north"): 0.013}
    instruments.probes.unseen_since_ns["north", "south"] = NOW_NS - 3 * S
    text = text_of(collector)
    assert value(text, "meterstorm_visibility_lag_seconds", from_dc="north", to_dc="south") == 3
    assert value(text, "meterstorm_visibility_lag_seconds", from_dc="south", to_dc="north") == 0.013


def test_completeness_is_a_share_of_those_who_send() -> None:
    told = [
        count
        for (name, _), count in values_of(text_of(a_busy_run())).items()
        if name == "meterstorm_settlement_completeness_ratio"
    ]
    assert len(told) > 20 and set(told) == {1 / 20}


def test_another_process_sees_each_second_of_many_shards_once() -> None:
    """Four shards, whose seconds come in turns: offered is what they were given, to the last one."""
    instruments, collector = run_of()
    offered = np.random.default_rng(1).integers(1, 50, size=(4, 30))
    for second in range(30):
        for shard in range(4):
            count = int(offered[shard, second])
            instruments.senders.add_second(
                Second(
                    second=second,
                    counts={"ingest_reading": SecondCounts(count, count, count, 0, 0, 0)},
                    response={"ingest_reading": sparse_of(counts_of([1_500] * count))},
                    service={},
                    lateness=sparse_of(counts_of([])),
                )
            )
    text = text_of(collector)
    of_all = {"operation": "ingest_reading", "loop": "open"}
    assert value(text, "meterstorm_operations_offered_total", **of_all) == offered.sum()
    assert value(text, "meterstorm_response_seconds_count", **of_all) == offered.sum()
    assert value(text, "meterstorm_readings_total") == offered.sum()
