"""Faults of what comes to the back office: it works on, and what customers are shown or billed by is late or wrong."""

from loadtests.faults.own_parts import OfficeInput


class PricesLate:
    """Price lists that come into force while it lasts are published when it is healed.

    They are held from the run's beginning on: without the fault they would be published then, as they are announced ahead.
    """

    no_effect = "no display that was asked lacked a price"
    is_lasting = True

    def __init__(self, office: OfficeInput, at_s: float) -> None:
        """at_s: when it begins, in wall time of the storm."""
        self._office, self._at_s = office, at_s
        office.hold_prices(at_s)

    def begin(self) -> None:
        self._office.is_price_missed = False

    def is_effective(self) -> bool:
        return self._office.is_price_missed

    def heal(self) -> None:
        self._office.release_prices(self._at_s)


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
