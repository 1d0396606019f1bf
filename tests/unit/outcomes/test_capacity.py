"""Which rate is told, which step "what binds" is told of, and what it is told from."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from loadtests.capacity.search import Ending, Found, StepPurpose
from loadtests.capacity.search_loop import MadeStep, Search
from loadtests.capacity.step import StepOutcome, StepRules, StepVerdict
from loadtests.capacity.target import StepTarget
from loadtests.monitoring.resources import ResourceSample
from loadtests.recording.history import NodeSample
from loadtests.sender.block import OPERATION
from loadtests.workload.poisson_source import OperationPool
from meterstorm.outcomes.capacity import SearchSetting, assemble_capacity, constraint_of, meters_of
from reports.results.capacity import Resource
from scenarios.spec import Scenario, Validity

HELD, BROKE, LIMITED = StepVerdict.HELD, StepVerdict.BROKE, StepVerdict.CLIENT_LIMITED


def made(rate_per_s: float, verdict: StepVerdict, *, node_cores: float = 0.1) -> MadeStep:
    node = NodeSample(
        second=3,
        node="north-1",
        dc="north",
        cpu_share=node_cores,
        rss_bytes=1,
        disk_bytes=1,
        gc_pause_ms=0.0,
        gc_count=0,
        sstable_count=0,
    )
    outcome = StepOutcome(
        rate_per_s=rate_per_s,
        verdict=verdict,
        reason="because",
        length_s=20,
        warm_up_s=5,
        kept_s=15,
        offered_per_s=rate_per_s,
        completed_per_s=rate_per_s,
        mean_response_ms=1.0,
        growth=None,
        is_steady=True,
        late_p99_ms=0.5,
        cpu_share=0.1,
        objectives=(),
    )
    sample = ResourceSample(second=3, busy_cores=0.4, disk_busy_share=0.1, nodes=(node,))
    return MadeStep(purpose=StepPurpose.BRACKET, outcome=outcome, resources=(sample,))


def setting() -> SearchSetting:
    """Three deliveries and a question of every four operations."""
    rows = np.zeros(4, OPERATION)
    rows["operation"] = [0, 0, 0, 1]
    scenario = Scenario.model_validate(
        {
            "title": "t",
            "estate": {"premises": 10},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 10},
        }
    )
    nowhere: Any = None  # nothing is sent
    target = StepTarget(
        operations=("ingest_reading", "read_state"),
        idempotent=(True, True),
        statements=("", ""),
        ring=nowhere,
        settings=nowhere,
        pool=OperationPool(rows=rows, frames=np.zeros(0, np.uint8)),
        seed=1,
    )
    return SearchSetting(
        scenario=scenario,
        target=target,
        rules=StepRules(objectives=(), validity=Validity(), length_s=60, alpha=0.025),
        started=datetime(2026, 1, 1, tzinfo=UTC),
        versions={},
        where="nowhere",
        machine={"cpu": "c", "cpu_count": 2, "memory_bytes": 1, "system": "s"},
        dc_down=None,
    )


@pytest.mark.parametrize(
    ("steps", "found", "at_per_s"),
    [
        # the lowest that broke, whichever came first
        (
            [made(100, HELD), made(400, BROKE), made(200, BROKE)],
            Found(ending=Ending.FOUND, low_per_s=100, high_per_s=200),
            200,
        ),
        # a lower one that broke once was outvoted by those that held
        (
            [made(100, BROKE), made(100, HELD), made(100, HELD), made(200, BROKE)],
            Found(ending=Ending.FOUND, low_per_s=100, high_per_s=200),
            200,
        ),
        # where the sender could not go on, it is asked of the sender's step
        (
            [made(100, HELD), made(400, BROKE), made(200, LIMITED)],
            Found(ending=Ending.CLIENT_LIMITED, low_per_s=100, high_per_s=None),
            200,
        ),
        # none broke: the highest that held
        ([made(100, HELD), made(200, HELD)], Found(ending=Ending.HIGH_HELD, low_per_s=200, high_per_s=None), 200),
    ],
)
def test_what_binds_is_told_of_the_step_at_the_limit(steps: list[MadeStep], found: Found, at_per_s: float) -> None:
    constraint = constraint_of(steps, found, cores=2)
    assert constraint is not None and constraint.at_per_s == at_per_s


def test_where_no_rate_broke_nothing_binds_though_nodes_are_busy() -> None:
    steps = [made(100, HELD), made(200, HELD, node_cores=1.9)]
    constraint = constraint_of(steps, Found(ending=Ending.HIGH_HELD, low_per_s=200, high_per_s=None), cores=2)
    assert constraint is not None and constraint.binding is None and not constraint.is_limit


def test_a_note_is_told_and_changes_no_verdict() -> None:
    found = Found(ending=Ending.HIGH_HELD, low_per_s=200, high_per_s=None)
    search = Search(steps=[made(200, HELD)], found=found)
    quiet, told = (assemble_capacity(search, replace(setting(), notes=notes)) for notes in ((), ("It was busy.",)))
    assert quiet.verdict is told.verdict and told.reasons == (*quiet.reasons, "It was busy.")


def test_its_evidence_is_of_that_step_alone() -> None:
    steps = [made(100, HELD, node_cores=0.2), made(200, BROKE, node_cores=1.9), made(400, BROKE, node_cores=0.3)]
    found = Found(ending=Ending.FOUND, low_per_s=100, high_per_s=200)
    constraint = constraint_of(steps, found, cores=2)
    assert constraint is not None and constraint.binding is Resource.NODE_CPU and constraint.is_limit
    assert constraint_of([], found, cores=2) is None


def test_the_rate_that_is_told_is_the_one_that_held_and_its_bracket_ends_where_it_broke() -> None:
    """A number that a planner builds on: the cluster was seen to hold it, and the meters are counted from it."""
    found = Found(ending=Ending.FOUND, low_per_s=1_500.0, high_per_s=1_800.0)
    results = assemble_capacity(Search(steps=[made(1_500, HELD), made(1_800, BROKE)], found=found), setting())
    assert results.rate is not None
    assert (results.rate.rate_per_s, results.rate.high_per_s) == (1_500.0, 1_800.0)
    assert results.rate.confidence == pytest.approx(0.95)
    assert results.rate.delivery_share == 0.75
    half_hourly = results.meters["half_hourly"]
    assert (half_hourly.meters, half_hourly.meters_high) == (1_500 * 0.75 * 1_800, 1_800 * 0.75 * 1_800)
    of_quarters = meters_of(results.rate, slots_per_hour=4)[
        "half_hourly"
    ]  # who pushes each slot does so twice as often
    assert (of_quarters.seconds_per_delivery, of_quarters.meters) == (900, 1_500 * 0.75 * 900)


def test_ends_that_nobody_confirmed_are_told_as_less_sure() -> None:
    found = Found(ending=Ending.OUT_OF_STEPS, low_per_s=1_500.0, high_per_s=1_800.0)
    results = assemble_capacity(Search(steps=[made(1_500, HELD), made(1_800, BROKE)], found=found), setting())
    assert results.rate is not None and results.rate.confidence == pytest.approx(0.8)
