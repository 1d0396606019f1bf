"""What a shard says of a second: lanes of one operation are added up, their histograms too."""

import numpy as np

from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.recording.history import SecondCounts
from loadtests.sender.recorder import IntervalSnapshot
from loadtests.storm.shard import second_of


def test_lanes_of_one_operation_are_one_with_all_their_responses() -> None:
    """Estimates and two settlement runs are lanes of revisions: a percentile of the last lane alone would hide the others."""
    response = np.zeros((4, COUNTS_SIZE), np.int64)
    response[0, 10], response[1, 20], response[2, 20], response[3, 30] = 1, 2, 3, 4
    service = np.zeros((4, COUNTS_SIZE), np.int64)
    service[1, 5], service[2, 6] = 2, 3
    counts = tuple(SecondCounts(n, n, n - 1, 1, 0, 10 * n) for n in (1, 2, 3, 4))
    snapshot = IntervalSnapshot(
        second=7, counts=counts, response=response, service=service, lateness=np.zeros(COUNTS_SIZE, np.int64)
    )
    told = second_of(snapshot, ["ingest_reading", "ingest_revision", "ingest_revision", "ingest_revision"])
    assert told.second == 7
    assert told.counts == {
        "ingest_reading": SecondCounts(1, 1, 0, 1, 0, 10),
        "ingest_revision": SecondCounts(9, 9, 6, 3, 0, 90),
    }
    at, many = told.response["ingest_revision"]
    assert dict(zip(at.tolist(), many.tolist(), strict=True)) == {20: 5, 30: 4}
    at, many = told.service["ingest_revision"]
    assert dict(zip(at.tolist(), many.tolist(), strict=True)) == {5: 2, 6: 3}
