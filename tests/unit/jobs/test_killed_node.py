"""A node that dies in mid-storm: the run's reasons say what that may have cost, where no other replica of its DC had it."""

from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.metrics.instruments import Instruments
from meterstorm.jobs.run import _Watch
from scenarios.domain import CommitLogSync
from scenarios.spec import Dc, Scenario, Topology


class OneDead:
    """A cluster whose node in `north` was killed."""

    def __init__(self, topology: Topology) -> None:
        self.record = SimpleNamespace(topology=topology)
        self.nodes = ()
        self.dead_dcs = {"north"}

    def require_alive(self) -> None:
        raise HarnessError("node north-1 died (signal SIGKILL)")


@pytest.mark.parametrize(
    ("rf", "sync", "is_explained"),
    [(1, CommitLogSync.PERIODIC, True), (3, CommitLogSync.PERIODIC, False), (1, CommitLogSync.BATCH, False)],
)
def test_the_loss_of_a_lone_replica_is_explained(rf: int, sync: CommitLogSync, is_explained: bool) -> None:
    topology = Topology(dcs=(Dc(name="north", nodes=3, rf=rf),), commit_log_sync=sync)
    scenario = Scenario.model_validate(
        {
            "title": "a node dies",
            "estate": {"premises": 1},
            "topology": topology.model_dump(mode="json"),
            "run": {"wall_s": 30.0},
        }
    )
    watch = _Watch(cast(LocalCluster, OneDead(topology)), Instruments(scenario))
    assert list(watch.sample(7)) == [] and list(watch.sample(8)) == []
    (told,) = watch.trouble
    assert told.startswith("In second 7 of the storm: node north-1 died (signal SIGKILL).")
    assert ("keeps one replica of each row" in told) is is_explained
