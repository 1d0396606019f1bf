"""What a peer of the fleet's master may do: a message named a folder, which the master made and then deleted, whoever sent it."""

import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.locust_fleet.messages import (
    Claim,
    CustomersTrouble,
    Hello,
    LedgerPart,
    MeasuredSecond,
    MessageError,
    ShardDone,
    ShardReady,
    ShardTrouble,
    inflated,
    packed,
    packed_second,
    unpacked,
)
from loadtests.recording.history import SecondCounts
from loadtests.recording.seconds import Second

CASES = Path(__file__).parents[1] / "support" / "fleet_master_cases.py"
RUN = "import locust, sys, pytest; sys.exit(pytest.main(['-q', '-n0', '--noconftest', '-p', 'no:cacheprovider', sys.argv[1]]))"
NOTHING = (np.zeros(0, np.int32), np.zeros(0, np.int64))
SECOND = Second(
    second=0,
    counts={"ingest_reading": SecondCounts(1, 1, 1, 0, 0, 0)},
    response={},
    service={},
    lateness=NOTHING,
)


def test_the_master_hears_only_who_is_welcome_and_only_what_is_within_bounds() -> None:
    """Locust patches sockets and threads, of this process for good: its master is tried in one of its own."""
    done = subprocess.run([sys.executable, "-c", RUN, str(CASES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)
MESSAGES = [
    MeasuredSecond(shard=0, second=packed_second(SECOND)),
    Hello(version="1", digest="2", boot="3", asked_ns=4),
    LedgerPart(shard=0, offset=0, data=b""),
    ShardDone(shard=0, report={"cpu_s": 1.0, "report": {}}),
    ShardTrouble(shard=0, sentence="why"),
    CustomersTrouble(sentence="why"),
    ShardReady(shard=1),
    Claim(),
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MESSAGES).map(packed),
    st.dictionaries(st.sampled_from(["kind", "shard", "second", "x"]), values),
    values,
)
def test_whatever_is_sent_is_a_message_or_a_message_error(
    data: dict[str, Any], change: dict[str, Any], other: object
) -> None:
    for sent in (data | change, other):
        try:
            message = unpacked(sent)
        except MessageError:
            continue
        assert isinstance(sent, dict) and message == unpacked({"kind": sent["kind"]} | asdict(message))


def test_a_sentence_from_elsewhere_is_one_line_of_bounded_length() -> None:
    told = ShardTrouble(shard=0, sentence="red\x1b[31m\nand " + "long " * 10_000).sentence
    assert "\n" not in told and "\x1b" not in told and len(told) <= 1_000


def test_nothing_is_inflated_beyond_its_bounds() -> None:
    bomb = zlib.compress(bytes(1 << 26))
    with pytest.raises(MessageError, match="more than 100 bytes"):
        inflated(bomb, 100)
    with pytest.raises(MessageError, match="cut short"):
        inflated(zlib.compress(b"whole")[:-2], 100)
    assert inflated(zlib.compress(bytes(100)), 100) == bytes(100)
