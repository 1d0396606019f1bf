"""A sender's second: lanes of one operation are added up, in counts and in every histogram."""

import numpy as np

from loadtests.recording.histograms import COUNTS_SIZE, counts_of
from loadtests.recording.history import SecondCounts
from loadtests.storm.shard import _second_of
from loadtests.storm.shard_process import dense
from loadtests.wire.recorder import IntervalSnapshot


def test_lanes_of_one_operation_are_added_up() -> None:
    """Revisions have a lane each: the first and the last of three belong to the same operation."""
    taken_us = [[1_000, 2_000], [7_000], [3_000, 3_000, 9_000]]
    snapshot = IntervalSnapshot(
        second=4,
        counts=(SecondCounts(2, 2, 2, 0, 0, 0), SecondCounts(1, 1, 1, 0, 0, 0), SecondCounts(4, 3, 2, 0, 1, 5)),
        response=np.array([counts_of(values) for values in taken_us]),
        service=np.array([counts_of([value // 2 for value in values]) for values in taken_us]),
        lateness=counts_of([10]),
    )
    second = _second_of(snapshot, ["ingest_revision", "read_state", "ingest_revision"])
    assert second.second == 4
    assert second.counts == {
        "ingest_revision": SecondCounts(6, 5, 4, 0, 1, 5),
        "read_state": SecondCounts(1, 1, 1, 0, 0, 0),
    }
    response = {name: dense(*sparse) for name, sparse in second.response.items()}
    assert (response["ingest_revision"] == counts_of([1_000, 2_000, 3_000, 3_000, 9_000])).all()
    assert (response["read_state"] == counts_of([7_000])).all()
    service = {name: dense(*sparse) for name, sparse in second.service.items()}
    assert (service["ingest_revision"] == counts_of([500, 1_000, 1_500, 1_500, 4_500])).all()
    assert dense(*second.lateness).shape == (COUNTS_SIZE,) and dense(*second.lateness).sum() == 1
