"""Faults of the bench's own parts: a gateway that is dead asks nothing of the store, and a killed sender is known as such."""

import subprocess
import sys

import pytest

from loadtests.errors import HarnessError
from loadtests.faults.own_parts import OwnParts
from store.ports import StoreError


def test_a_gateway_that_is_killed_asks_nothing_until_it_is_revived() -> None:
    parts = OwnParts()
    parts.require_gateway("north")
    parts.kill_gateway("north")
    assert not parts.has_gateway_died("north")  # as long as it wants nothing
    parts.require_gateway("south")
    with pytest.raises(StoreError, match="the gateway of north is killed"):
        parts.require_gateway("north")
    assert parts.has_gateway_died("north")
    parts.revive_gateway("north")
    parts.require_gateway("north")
    parts.kill_gateway("north")
    assert not parts.has_gateway_died("north")  # its second death is another one


def test_a_killed_sender_is_gone_and_known_to_be_killed() -> None:
    parts = OwnParts()
    with pytest.raises(HarnessError, match="sender 1 is not there"):
        parts.kill_sender(0)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        parts.have_senders([process])
        assert not parts.is_sender_gone(0) and not parts.was_killed(0)
        parts.kill_sender(0)
        process.wait(30)
        assert parts.is_sender_gone(0) and parts.was_killed(0)
        with pytest.raises(HarnessError, match="sender 1 is not there"):
            parts.kill_sender(0)
