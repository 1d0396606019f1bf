"""Which step "what binds" is told of, and what it is told from."""

import pytest

from loadtests.capacity.search import Ending, Found, Purpose
from loadtests.capacity.search_loop import MadeStep
from loadtests.capacity.step import StepOutcome, StepVerdict
from loadtests.monitoring.resources import ResourceSample
from loadtests.recording.history import NodeSample
from meterstorm.outcomes.capacity import constraint_of
from reports.capacity.constraint import Resource

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
    sample = ResourceSample(second=3, cpu_share=0.2, disk_busy_share=0.1, nodes=(node,))
    return MadeStep(purpose=Purpose.BRACKET, outcome=outcome, resources=(sample,))


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


def test_its_evidence_is_of_that_step_alone() -> None:
    steps = [made(100, HELD, node_cores=0.2), made(200, BROKE, node_cores=1.9), made(400, BROKE, node_cores=0.3)]
    found = Found(ending=Ending.FOUND, low_per_s=100, high_per_s=200)
    constraint = constraint_of(steps, found, cores=2)
    assert constraint is not None and constraint.binding is Resource.NODE_CPU
    assert constraint_of([], found, cores=2) is None
