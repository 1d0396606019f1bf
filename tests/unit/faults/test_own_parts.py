"""Faults of the bench's own parts: a gateway that is dead asks nothing of the store, and a killed sender is known as such."""

import math
import subprocess
import sys

import pytest

from loadtests.errors import HarnessError
from loadtests.faults.office_acts import GarbageSent, PricesLate
from loadtests.faults.own_parts import BACK_OFFICE, OfficeInput, OwnParts, gateway_of
from scenarios.parts.faults import Fault, FaultKind
from store.ports import StoreError

NORTH = gateway_of("north")


def test_a_gateway_that_is_killed_asks_nothing_until_it_is_revived() -> None:
    parts = OwnParts()
    parts.require(NORTH)
    parts.kill(NORTH)
    assert not parts.has_died(NORTH)  # as long as it wants nothing
    parts.require(gateway_of("south"))
    parts.require(BACK_OFFICE)
    with pytest.raises(StoreError, match="the gateway of north is killed"):
        parts.require(NORTH)
    assert parts.has_died(NORTH)
    parts.revive(NORTH)
    parts.require(NORTH)
    parts.kill(NORTH)
    assert not parts.has_died(NORTH)  # its second death is another one


def late_tariffs(at_s: float) -> Fault:
    return Fault(kind=FaultKind.LATE_TARIFFS, target="back_office", at_s=at_s, for_s=10.0)


def test_price_lists_are_held_from_the_first_fault_on_that_holds_them() -> None:
    office = OfficeInput()
    assert office.prices_held_from_s == math.inf
    late = PricesLate(office, late_tariffs(20.0))  # before it begins: prices are published ahead
    assert office.prices_held_from_s == 20.0
    again = PricesLate(office, late_tariffs(50.0))
    late.begin()
    assert not late.is_effective()
    office.is_price_missed = True  # by a display
    assert late.is_effective()
    late.heal()
    assert office.prices_held_from_s == 50.0
    again.begin()
    assert not again.is_effective()  # what was missed before was another's
    again.heal()
    assert office.prices_held_from_s == math.inf


def test_garbage_is_real_when_some_of_it_was_rejected() -> None:
    office = OfficeInput()
    office.rejected_count = 7  # of a fault before
    garbage = GarbageSent(office, 0.3)
    assert office.garbage_share == 0.0
    garbage.begin()
    assert office.garbage_share == 0.3 and not garbage.is_effective()
    office.rejected_count += 1
    assert garbage.is_effective()
    garbage.heal()
    assert office.garbage_share == 0.0


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
