"""The matrix's load: the same operations for every cell, cyclic, at the set rate, and moved off a DC that is down."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from loadtests.matrix import trial as trials
from loadtests.matrix.cells import Cell
from loadtests.matrix.outage import without
from loadtests.matrix.trial import trial
from loadtests.monitoring.node_counters import NodeCounters, ResourceCounters
from loadtests.sender.block import OPERATION, OperationBlock
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.sender.ring import NO_NODE, ring_of_nodes
from loadtests.trials.load import SampleLoad
from loadtests.trials.sending import Seconds
from loadtests.workload import sample as mix
from loadtests.workload.operations import lanes_of
from loadtests.workload.poisson_source import SteadySource
from loadtests.workload.sample import arrival_order, operations_a_day, ordered_sample_of, require_late_span, sample_of
from scenarios.domain import DAY_US, ConsistencyLevel, Operation
from scenarios.operations import operations_of
from scenarios.spec import Scenario, ScenarioError, parse_scenario
from sim.estate.model import build_estate
from store.schemas import SCHEMAS


def scenario(premises: int = 300) -> Scenario:
    return parse_scenario(
        f"""
title = "t"
[estate]
premises = {premises}
fuels = ["electricity"]
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
wall_s = 10
""",
        "test",
    )


def sample(given: Scenario) -> OperationBlock:
    schema = SCHEMAS["home_months"]
    ids = {schema.statement(operation).cql: operation.encode() for operation in operations_of(given)}
    return sample_of(given, build_estate(given), schema, ids)


def test_operations_of_a_day_are_those_of_the_whole_estate(monkeypatch: pytest.MonkeyPatch) -> None:
    given = scenario()
    days = given.model_copy(update={"run": given.run.model_copy(update={"days": 2})})
    assert operations_a_day(build_estate(days)) == len(sample(days)) / 2
    whole = operations_a_day(build_estate(scenario(3_000)))
    monkeypatch.setattr(mix, "SAMPLE_MAX", 600)  # a part of the homes speaks for all
    assert operations_a_day(build_estate(scenario(3_000))) == pytest.approx(whole, rel=0.2)


def drained(source: SteadySource) -> np.ndarray:  # type: ignore[type-arg]
    rows = []
    while (block := source.next_block()) is not None:
        rows.append(block.rows)
    return np.concatenate(rows)


def test_a_sample_is_the_whole_span_shuffled_with_every_frame_in_place() -> None:
    given = scenario()
    found = sample(given)
    # 300 homes: each an upload or pushes, and some questions; the same whatever is asked again
    assert len(found) > 300
    again = sample(given)
    assert (found.rows == again.rows).all() and (found.frames == again.frames).all()
    lanes = lanes_of(given)
    for row in found.rows[:50]:
        frame = found.frames[row["frame_offset"] : row["frame_offset"] + row["frame_size"]].tobytes()
        assert lanes[row["operation"]].operation.encode() in frame  # the id that stands for its statement
    half = len(found) // 2
    writes = {index for index, lane in enumerate(lanes) if lane.operation is Operation.INGEST_READING}
    shares = [np.isin(part["operation"], list(writes)).mean() for part in (found.rows[:half], found.rows[half:])]
    assert abs(shares[0] - shares[1]) < 0.15  # in the trace's order the uploads would all be in one half


def test_a_large_estate_is_cut_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "SAMPLE_MAX", 200)
    found = sample(scenario(premises=5_000))
    assert 150 <= len(found) <= 200
    assert len(np.unique(found.rows["meter"])) > 50


def small(count: int = 10) -> OperationBlock:
    rows = np.zeros(count, OPERATION)
    rows["meter"] = np.arange(count)
    rows["frame_size"] = 1
    return OperationBlock(rows=rows, frames=np.zeros(count, np.uint8))


def test_a_source_goes_round() -> None:
    rows = drained(SteadySource(small(), first=7, count=25))
    assert rows["meter"].tolist() == [(7 + i) % 10 for i in range(25)]
    assert not rows["due_us"].any()


def test_arrivals_are_poisson_at_the_rate_and_the_same_for_every_cell() -> None:
    due_us = drained(SteadySource(small(), first=0, count=20_000, rate_per_s=500.0, seed=3))["due_us"]
    assert due_us[-1] == pytest.approx(20_000 / 500 * 1e6, rel=0.03)
    gaps = np.diff(due_us)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # as of an exponential distribution
    again = drained(SteadySource(small(), first=0, count=20_000, rate_per_s=500.0, seed=3))["due_us"]
    assert (due_us == again).all()
    other = drained(SteadySource(small(), first=0, count=20_000, rate_per_s=500.0, seed=4))["due_us"]
    assert (due_us != other).any()


def load_on(nodes: list[tuple[tuple[str, int], str]], dcs: int) -> SampleLoad:
    rows = small().rows
    rows["dc"] = np.arange(len(rows)) % dcs
    return SampleLoad(
        name="a load",
        scenario=scenario(),
        sample=OperationBlock(rows=rows, frames=np.zeros(10, np.uint8)),
        lanes=(Operation.INGEST_READING,),
        writes=frozenset(one.operation for one in SCHEMAS["home_months"].statements if one.is_write),
        written=(),
        statements=(),
        ring=ring_of_nodes(nodes),
    )


def test_a_dc_that_lost_a_node_keeps_its_homes_and_one_that_lost_all_gives_them_away() -> None:
    load = load_on([(("a", 1), "north"), (("b", 1), "south"), (("c", 1), "south"), (("d", 1), "east")], dcs=3)
    one = without(load, {"c"})
    assert one.ring.node_dcs.tolist() == [0, 1, NO_NODE, 2]
    assert one.sample.rows["dc"].tolist() == load.sample.rows["dc"].tolist()
    dc = without(load, {"b", "c"})
    assert dc.ring.node_dcs.tolist() == [0, NO_NODE, NO_NODE, 2]
    assert set(dc.sample.rows["dc"].tolist()) == {0, 2}
    assert load.sample.rows["dc"].tolist() == [i % 3 for i in range(10)]  # the cell's own are left alone


def test_throughput_is_of_whole_seconds_in_which_something_was_sent() -> None:
    """Second 0 fills the window; 3 was cut off; 4 and 5 are the drain."""
    seconds = Seconds()
    for second, ok in enumerate([90, 100, 101, 40, 7, 1]):
        seconds.append(cast(IntervalSnapshot, SimpleNamespace(second=second, counts=[SimpleNamespace(ok=ok)])))
    assert seconds.ok_in_whole_seconds(3.5) == [100, 101]
    assert seconds.ok_in_whole_seconds(1.0) == []


CELL = Cell(dcs=1, rf=1, level=ConsistencyLevel.QUORUM)


class SlowToSettle:
    """Counters of nodes that still work off what the trial before has left, and go on with it while they are sent more."""

    def __init__(self) -> None:
        self.backlog_cpu_s, self.spent_cpu_s = 4.0, 0.0

    def settle(self) -> None:
        self.spent_cpu_s += self.backlog_cpu_s
        self.backlog_cpu_s = 0.0

    def read(self) -> ResourceCounters:
        return ResourceCounters(cpu_s=self.spent_cpu_s, wan_bytes=0)


def test_a_trial_pays_for_what_it_sent_and_for_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = SlowToSettle()

    def send(load: SampleLoad, source: SteadySource, **_: object) -> EngineReport:
        nodes.backlog_cpu_s += 1.0  # acknowledged early, done late
        return report(ok=1_000)

    monkeypatch.setattr(trials, "send", send)
    load = cast(SampleLoad, SimpleNamespace(sample=small(), lanes=(), writes=(), scenario=scenario()))
    for repeat in range(2):
        found = trial(
            CELL, load, cast(NodeCounters, nodes), None, number=repeat, repeat=repeat, seconds=1.0, rate_per_s=10.0
        )
        assert found.cpu_us_per_operation == pytest.approx(1_000.0)


def report(ok: int) -> EngineReport:
    return EngineReport(
        offered=ok,
        attempted=ok,
        ok=ok,
        failed=0,
        indeterminate=0,
        retries=0,
        blocked=0,
        late_answers=0,
        stray_answers=0,
        reopened=0,
        was_stopped=False,
        wall_s=1.0,
        cpu_s=0.1,
        stalls=0,
        stalled_s=0.0,
        stall_ms_max=0.0,
        producer_starved=0,
        late_p50_ms=0.1,
        late_p99_ms=0.1,
        late_max_ms=0.1,
        scheduling="",
        errors=(),
        error_messages={},
    )


def test_what_is_late_comes_days_after_it_was_due_and_is_so_with_a_larger_share_too() -> None:
    due_us = np.arange(20_000) * (20 * DAY_US / 20_000)
    may_be_late = np.arange(20_000) % 2 == 0
    in_time = arrival_order(due_us, may_be_late, 0.0, 7)
    assert in_time.tolist() == list(range(20_000))

    def behind(share: float) -> set[int]:
        """Those that come after one that was due later."""
        order = arrival_order(due_us, may_be_late, share, 7)
        return set(order[due_us[order] < np.maximum.accumulate(due_us[order])].tolist())

    few, many = behind(0.02), behind(0.1)
    assert few < many and not {each % 2 for each in many} - {0}
    # of those that were due in the last week some are not to come any more
    assert 0.015 * 10_000 * 0.7 < len(few) < 0.025 * 10_000 and 0.07 * 10_000 < len(many) < 0.11 * 10_000
    order = arrival_order(due_us, may_be_late, 0.1, 7)
    moved_us = np.maximum.accumulate(due_us[order]) - due_us[order]
    assert moved_us[moved_us > 0].min() >= 0.99 * DAY_US and moved_us.max() <= 7 * DAY_US


def test_a_sample_in_order_is_of_all_designs_the_same_and_needs_more_than_a_week() -> None:
    given = scenario(20)
    with pytest.raises(ScenarioError, match="needs more than 7 days"):
        require_late_span(given)
    days = given.model_copy(update={"run": given.run.model_copy(update={"days": 8})})
    schema, estate = SCHEMAS["home_months"], build_estate(days)
    ids = {schema.statement(operation).cql: operation.encode() for operation in operations_of(days)}
    found = [ordered_sample_of(days, estate, schema, ids, share) for share in (0.0, 0.1)]
    writes = lanes_of(days)[0]
    assert writes.operation is Operation.INGEST_READING
    first = [each.rows[each.rows["operation"] == 0]["first_slot"] // 48 for each in found]
    assert (np.diff(first[0].astype(int)) >= -1).all()  # an upload comes on the morning after its day
    assert (np.diff(first[1].astype(int)) < -1).any() and len(found[1]) <= len(found[0])
