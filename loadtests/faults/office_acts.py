"""Faults of what comes to the back office: it works on, and what customers are shown or billed by is late or wrong."""

from loadtests.faults.own_parts import OfficeInput
from scenarios.parts.faults import Fault


class PricesLate:
    """Price lists that come into force while it lasts are published when it is healed, and held from the run's beginning on."""

    no_effect = "no display that was asked lacked a price"
    is_lasting = True

    def __init__(self, office: OfficeInput, fault: Fault) -> None:
        self._office, self._fault = office, fault
        office.hold_prices(fault)

    def begin(self) -> None:
        self._office.is_price_missed = False

    def is_effective(self) -> bool:
        return self._office.is_price_missed

    def heal(self) -> None:
        self._office.release_prices(self._fault)


class GarbageSent:
    """A share of all readings that come is to be rejected: each for a reason that can be told from it alone."""

    no_effect = "nothing of it was rejected"
    is_lasting = True

    def __init__(self, office: OfficeInput, share: float) -> None:
        self._office, self._share = office, share
        self._rejected_before = 0

    def begin(self) -> None:
        self._rejected_before = self._office.rejected_count
        self._office.garbage_share = self._share

    def is_effective(self) -> bool:
        return self._office.rejected_count > self._rejected_before

    def heal(self) -> None:
        self._office.garbage_share = 0.0
