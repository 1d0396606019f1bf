"""Prepayment: a credit that use runs down, a debt recovered from it, and when supply stops by itself. Pure, integers only.

Half-hour by half-hour, or by quarter-hours where the calendar has those, in this order. At local midnight the standing charge
is taken; then the debt's instalment, each day or on Mondays: no more than is owed, and no more than there is above zero, so
that a debt takes no emergency credit. Top-ups count from the half-hour on in which they come. Supply stops as the credit and
the emergency credit are used up, but not within friendly hours: it goes on then, below that, and stops as they end. It comes
back as a top-up brings the credit above zero; friendly hours alone don't bring it back. While it is off nothing is used, and
the standing charge goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import SLOTS_PER_DAY
from scenarios.tariffs import DAY_NAMES, HOLIDAY, STANDING_UPENCE_MAX
from store.rejections import Refused
from store.tariffs import ELECTRICITY, GAS

_EPOCH = date(1970, 1, 1)
_MONDAY = 0
PREPAID_FUELS = (ELECTRICITY, GAS)
TOP_UP_UPENCE_MAX = 1_000_000_000_000  # ten thousand pounds: what is beyond was written in another unit


class RecoveryPeriod(StrEnum):
    """How often an instalment of a debt is due."""

    DAY = "day"
    WEEK = "week"  # on Mondays


@dataclass(frozen=True, slots=True, kw_only=True)
class FriendlyHours:
    """Half-hours of the clock on the wall in which supply does not stop: up to `end_slot`, past midnight where that is smaller.

    What lies after midnight is of the kind of its own day.
    """

    first_slot: int  # 0 .. 47
    end_slot: int  # 1 .. 48
    days: tuple[int, ...] = tuple(range(len(DAY_NAMES)))  # kinds of days, indices into DAY_NAMES

    def __post_init__(self) -> None:
        """Raises Refused for hours that no day has."""
        is_slots = 0 <= self.first_slot < SLOTS_PER_DAY and 1 <= self.end_slot <= SLOTS_PER_DAY
        if not is_slots or self.first_slot == self.end_slot or not self.days:
            raise Refused(f"friendly hours from half-hour {self.first_slot} up to {self.end_slot}: 0 up to 48 is a day")
        if not set(self.days) <= set(range(len(DAY_NAMES))):
            raise Refused(f"friendly hours on days {self.days}: kinds of days are 0 .. {len(DAY_NAMES) - 1}")

    def has(self, kind: int, slot: int) -> bool:
        """Is a half-hour of a kind of day one of them?"""
        if self.first_slot < self.end_slot:
            is_within = self.first_slot <= slot < self.end_slot
        else:
            is_within = slot >= self.first_slot or slot < self.end_slot
        return is_within and kind in self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaymentTerms:
    """On what terms a home pays before it uses."""

    emergency_upence: int = 0  # what may be used beyond the credit
    recovery_upence: int = 0  # an instalment of the debt
    recovered_each: RecoveryPeriod = RecoveryPeriod.WEEK
    friendly: tuple[FriendlyHours, ...] = ()
    holidays: tuple[int, ...] = ()  # days since 1970, of no other kind

    def __post_init__(self) -> None:
        """Raises Refused for sums that can't be."""
        for name, upence in (("emergency credit", self.emergency_upence), ("instalment", self.recovery_upence)):
            if not 0 <= upence <= STANDING_UPENCE_MAX:
                raise Refused(f"{name} of {upence} upence: 0 .. {STANDING_UPENCE_MAX} are possible")

    def is_friendly(self, day: int, slot: int) -> bool:
        """May supply not stop in a half-hour? day: local, since 1970; slot: as the clock on the wall shows it."""
        kind = HOLIDAY if day in self.holidays else (_EPOCH + timedelta(days=day)).weekday()
        return any(hours.has(kind, slot) for hours in self.friendly)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """What was paid in."""

    at_us: int  # from when on it counts [us since the Unix epoch]
    upence: int
    reference: int = 0  # the number of the payment


class PrepaymentKind(IntEnum):
    """What a row of the log is. Stored."""

    OPENED = 0
    PAID = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """From an instant on a fuel is paid for before it is used: on these terms, with this credit and debt."""

    at_us: int  # the start of a slot [us since the Unix epoch]
    terms: PrepaymentTerms = field(default_factory=PrepaymentTerms)
    credit_upence: int = 0
    debt_upence: int = 0
    is_supplied: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaymentLog:
    """All that is kept of a fuel's account."""

    openings: tuple[Opening, ...] = ()  # by their instant
    top_ups: tuple[TopUp, ...] = ()  # by their instant
    closed_us: tuple[int, ...] = ()  # when supply ended [us since the Unix epoch], ascending

    def closing_of(self, opening: Opening) -> int | None:
        """When the supply of an opening's account ended, as far as it is told; of several ends the first."""
        later = [one.at_us for one in self.openings if one.at_us > opening.at_us]
        ends = [one for one in self.closed_us if one > opening.at_us and (not later or one <= min(later))]
        return min(ends, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidAccount:
    """What n half-hours left of credit and debt, each at its end, and in which of them there was supply."""

    credit_upence: NDArray[np.int64]  # [n] below zero: emergency credit, or friendly hours
    debt_upence: NDArray[np.int64]  # [n]
    is_supplied: NDArray[np.bool_]  # [n]


def prepaid_account(
    terms: PrepaymentTerms,
    calendar: Calendar,
    *,
    start_us: int,
    cost_upence: NDArray[np.int64],
    standing_upence: int | NDArray[np.int64],
    top_ups: Sequence[TopUp],
    credit_upence: int,
    debt_upence: int,
    is_supplied: bool = True,
    is_measured: bool = False,
) -> PrepaidAccount:
    """What becomes of a credit and a debt over half-hours.

    start_us: of the first [us since the Unix epoch]; cost_upence: int64[n], what each would cost with supply; below zero, as at
    prices below zero, it is paid in. standing_upence: a day, or int64[n], of the day that each half-hour is in; credit_upence,
    debt_upence, is_supplied: before the first. is_measured: the costs are of what was measured, which is paid for also where
    these terms would have stopped supply.
    Raises Refused for a start within a half-hour, for top-ups that are not in their order, not within, or of nothing, and for a
    debt below zero; CalendarError for a day that the calendar can't tell.
    """
    n = len(cost_upence)
    slot_us = calendar.slot_us
    _require_account(start_us, n, top_ups, debt_upence, calendar)
    paid_in = np.zeros(n, np.int64)
    np.add.at(paid_in, [(one.at_us - start_us) // slot_us for one in top_ups], [one.upence for one in top_ups])
    instants = start_us + np.arange(n, dtype=np.int64) * slot_us
    days, slots = calendar.wall_slots(instants)
    slots = slots // calendar.slots_per_half_hour  # friendly hours are of half-hours
    standing = np.broadcast_to(standing_upence, n).tolist()
    begins_day = (calendar.day_starts_us(days) == instants).tolist()
    credits, debts = np.empty(n, np.int64), np.empty(n, np.int64)
    supplied = np.empty(n, np.bool_)
    for at, (cost, day, slot) in enumerate(zip(cost_upence.tolist(), days.tolist(), slots.tolist(), strict=True)):
        if begins_day[at]:
            credit_upence -= standing[at]
            if terms.recovered_each is RecoveryPeriod.DAY or (_EPOCH + timedelta(days=day)).weekday() == _MONDAY:
                recovered = min(terms.recovery_upence, debt_upence, max(credit_upence, 0))
                credit_upence, debt_upence = credit_upence - recovered, debt_upence - recovered
        credit_upence += int(paid_in[at])
        if is_supplied:
            is_supplied = credit_upence > -terms.emergency_upence or terms.is_friendly(day, slot)
        else:
            is_supplied = credit_upence > 0
        if is_supplied or is_measured:
            credit_upence -= cost
        credits[at], debts[at], supplied[at] = credit_upence, debt_upence, is_supplied
    return PrepaidAccount(credit_upence=credits, debt_upence=debts, is_supplied=supplied)


def _require_account(start_us: int, n: int, top_ups: Sequence[TopUp], debt_upence: int, calendar: Calendar) -> None:
    slots = calendar.slots_are
    if start_us % calendar.slot_us:
        raise Refused(f"an account from {start_us} us on: give the start of a {slots.removesuffix('s')}")
    if debt_upence < 0:
        raise Refused(f"a debt of {debt_upence} upence: what is owed to the home is credit")
    before_us = start_us
    for one in top_ups:
        if not before_us <= one.at_us < start_us + n * calendar.slot_us:
            raise Refused(f"a top-up at {one.at_us} us: give them in their order, within the {slots}")
        if one.upence <= 0:
            raise Refused(f"a top-up of {one.upence} upence at {one.at_us} us: that is none")
        before_us = one.at_us
