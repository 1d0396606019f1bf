"""The record that a fleet's master leaves of its storm, and one that somebody else has written."""

import json
from pathlib import Path

import pytest

from loadtests.errors import HarnessError
from loadtests.locust_fleet.record import STORM_NAME, StormRecord
from loadtests.metrics.sums import OperationSums
from loadtests.recording.history import ErrorCount


def test_before_the_start_there_is_none(tmp_path: Path) -> None:
    assert StormRecord.read(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}".encode("utf-16"), "it is text in UTF-16"),
        (b"\x1f\x8b\x08", "it is compressed by gzip"),
        (b"{", "Expecting"),
        (b"[]", "it is no record of a storm"),
        (b"{}", "it is no record of a storm"),
        (b'{"seconds": [], "trouble": [], "lacks": [], "down_at_start": [], "other": 1}', "it is no record of a storm"),
        (
            b'{"seconds": [], "trouble": [], "lacks": [], "down_at_start": [], "totals": {"operations": 1}}',
            "it is no record of a storm",
        ),
        (b'{"seconds": ' + b"9" * 5_000 + b"}", "a whole number of 5,000 digits is too long"),
    ],
)
def test_a_record_that_is_none_is_refused_in_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / STORM_NAME).write_bytes(content)
    with pytest.raises(HarnessError, match=rf"{STORM_NAME} can't be read: .*{why}") as refused:
        StormRecord.read(tmp_path)
    assert "\n" not in str(refused.value)


def test_the_sums_of_all_sources_are_read_back_as_they_were(tmp_path: Path) -> None:
    sums = OperationSums(["read_state"], edges_s=(0.001, 0.1))
    sums.add_request("read_state", "failed", 70_000, "unavailable")
    sums.add_errors([ErrorCount(operation="find_due", outcome="indeterminate", kind="timeout", count=3)])
    StormRecord(totals=sums.seen()).write(tmp_path)
    read = StormRecord.read(tmp_path)
    assert read is not None and read.totals == sums.seen()


def test_a_record_of_before_the_sums_were_kept_has_none(tmp_path: Path) -> None:
    StormRecord().write(tmp_path)
    held = json.loads((tmp_path / STORM_NAME).read_text())
    del held["totals"]
    (tmp_path / STORM_NAME).write_text(json.dumps(held))
    read = StormRecord.read(tmp_path)
    assert read is not None and read.totals is None
