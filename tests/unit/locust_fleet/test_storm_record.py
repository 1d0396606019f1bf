"""The record that a fleet's master leaves of its storm, and one that somebody else has written."""

from pathlib import Path

import pytest

from loadtests.errors import HarnessError
from loadtests.locust_fleet.record import STORM_NAME, StormRecord


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
        (b'{"seconds": ' + b"9" * 5_000 + b"}", "a whole number of 5,000 digits is too long"),
    ],
)
def test_a_record_that_is_none_is_refused_in_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / STORM_NAME).write_bytes(content)
    with pytest.raises(HarnessError, match=rf"{STORM_NAME} can't be read: .*{why}") as refused:
        StormRecord.read(tmp_path)
    assert "\n" not in str(refused.value)
