"""What is kept of customers, and what holds it. Instants are us since the Unix epoch, of whole milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from store.customers.prepayment import Opening, PrepaymentLog, TopUp
from store.operations import AnyOperation
from store.ports import Runner, Values
from store.tariffs import Price, PriceList


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


ALL_RATES = -1
"""Stands for the rate of a line with several prices: of a tariff with a price each half-hour, of a bill that has no room for a
line a rate, of bills from before there were lines a rate; and of a standing charge."""


NO_ACCOUNT = 0
"""Stands for the account of a home of which nobody has said who pays: all its bills are one customer's."""


class LineKind(IntEnum):
    """Stored."""

    ENERGY = 0
    STANDING = 1
    ADJUSTMENT = 2  # what a correction changed of energy that an earlier bill had
    DEMAND = 3  # what the month's highest demand costs, less what earlier bills had of it
    PREPAID = 4  # what a prepaid account took of the month, below zero, less what earlier bills had of it


OF_ENERGY = (LineKind.ENERGY, LineKind.ADJUSTMENT)
"""The kinds of lines whose costs are those of half-hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a bill: one fuel, tariff and version of the prices in one month, and one price, but of ALL_RATES.

    Numbers of an adjustment may be negative.
    """

    kind: LineKind
    month: int  # yyyymm that it charges for
    fuel: int
    tariff: int  # its code
    tariff_version: int
    first_day: int  # of the month, from 1, that a standing charge is for
    # of a standing charge: one after the other from `first_day` on, negative where they are given back; of the energy of a bill
    # of energy alone: the month's; of an adjustment: negative where such energy is given back; of demand: of the month, which
    # are charged for by now; else 0, as `first_day`
    days: int
    low_wh: int
    standard_wh: int
    peak_wh: int
    cost_upence: int
    rate: int = ALL_RATES  # of the tariff; of rates that cost the same the first
    block: int = 0  # of a rate with blocks
    demand_w: int = 0  # of demand: what is charged for by now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A home's bill. It never changes: what is found later is a line of a later one."""

    premises: int
    number: int  # counts the home's bills from 1
    month: int  # yyyymm that it was issued for
    issued_us: int
    total_upence: int  # of its lines
    lines: tuple[Line, ...]
    account: int = NO_ACCOUNT  # who pays: of a home whose tenants have bills of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelDisplay:
    """What an in-home display shows of one fuel."""

    fuel: int
    price: Price
    today_wh: int  # since local midnight, as far as it is read
    today_upence: int  # of which the standing charge is no part
    standing_upence: int  # a day
    credit_upence: int | None = None  # of a prepaid account; None: the fuel has none
    debt_upence: int | None = None
    is_supplied: bool | None = None  # by the account's terms


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
