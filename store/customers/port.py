"""What is kept of customers, and what holds it. Instants are us since the Unix epoch, of whole milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from store.billing.prepayment import Opening, PrepaymentLog, TopUp
from store.billing.records import Bill
from store.operations import AnyOperation
from store.ports import Runner, Values
from store.tariffs import PriceList


class Preference(IntEnum):
    """What a customer chooses. Stored."""

    READ_SCHEDULE = 0  # a scenarios.domain.ReadSchedule
    CONSENT = 1  # a Consent
    TARIFF = 2  # the code of a tariff
    TENANCY = 3  # no choice: another customer lives here from then on, and what was chosen before says nothing of them


class Consent(IntEnum):
    """The finest readings that the customer lets be taken, whatever schedule is chosen. Stored."""

    MONTHLY = 0
    DAILY = 1
    HALF_HOURLY = 2
    TEN_SECOND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceChange:
    """One choice. It is in force from `effective_us` until a later one of its kind is."""

    preference: Preference
    value: int
    effective_us: int  # a midnight of the home's calendar
    changed_us: int


class RegisterChangeKind(IntEnum):
    """Stored."""

    ROLLED_OVER = 0
    EXCHANGED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterChange:
    """A counter that began again. Registers up to `changed_us` are of what was there before."""

    fuel: int
    changed_us: int
    kind: RegisterChangeKind
    before_wh: int  # the last that the old counter showed [Wh; of gas dm3]
    after_wh: int  # the first of the new one


class OnceRunner(Runner, Protocol):
    """A runner that can also write a row only where there is none."""

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        """Whether it was written, and else the row in its way. Raises StoreError: then it is in doubt."""


class CustomerStore(Protocol):
    """All raise StoreError. Refused is raised before anything is written."""

    @property
    def bill_lines_max(self) -> int:
        """How many lines a bill can hold."""

    def change_preference(self, premises: int, change: PreferenceChange) -> None:
        """Record a choice. Repeating it changes nothing. Raises Refused where a home has changed too often."""

    def preferences(self, premises: int) -> list[PreferenceChange]:
        """All choices of a home, by kind, then instant of effect, then instant of change."""

    def publish(self, prices: PriceList, now_us: int) -> None:
        """Add a version to the book of prices. Repeating it changes nothing. Raises Refused, see `tariffs.check_next`."""

    def price_lists(self) -> tuple[PriceList, ...]:
        """All versions, in their order."""

    def issue(self, bill: Bill) -> Bill:
        """Write a bill, unless its number is taken; the bill that holds the number. Raises Refused where a number is left out."""

    def bills(self, premises: int) -> list[Bill]:
        """All bills of a home, by number."""

    def record_register_change(self, premises: int, change: RegisterChange) -> None:
        """Repeating it changes nothing. Raises Refused where a home's counters began again too often."""

    def register_changes(self, premises: int) -> Sequence[RegisterChange]:
        """By fuel, then instant."""

    def open_prepaid(self, premises: int, fuel: int, opening: Opening) -> None:
        """From an instant on a fuel is prepaid, on these terms. Repeating it changes nothing.

        A later opening states credit, debt and terms anew. Raises Refused for a start within a slot, and for another opening of
        one instant.
        """

    def close_prepaid(self, premises: int, fuel: int, at_us: int) -> None:
        """Supply ends with a local midnight [us since the Unix epoch], and with it the account. Repeating it changes nothing.

        Of two ends of one account the earlier counts. Raises Refused within a day, and where no account is open before it.
        """

    def top_up(self, premises: int, fuel: int, paid: TopUp) -> None:
        """Something is paid in. Repeating it changes nothing. Raises Refused where a payment of its number was another one."""

    def prepayments(self, premises: int, fuel: int) -> PrepaymentLog:
        """All openings, ends and payments of a fuel's account, by their instant."""
