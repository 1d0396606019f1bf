"""A home's prepaid account: its balance, folded from what was paid in and what was measured, by the customer's days.

What is kept is a log: openings, each with the terms and with credit and debt as they stand then, and payments. A balance is
always folded anew from the last opening, so that readings which come late or are corrected change it, and nothing is counted
twice. What was measured is paid for, also where the terms would have stopped supply by then: the meter decided, and its readings
are the facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from store.billing.by_rate import HalfHoursOf, Priced, cost_of_slots, spans_between
from store.billing.prepayment import (
    FriendlyHours,
    Opening,
    PrepaymentLog,
    PrepaymentTerms,
    RecoveryPeriod,
    TopUp,
    prepaid_account,
)
from store.rejections import Refused
from store.tariffs import MISSING_WH, list_in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidDay:
    """What a local day, or the part of it that is over, did to an account. Credit and debt are those at its end."""

    day: int  # since 1970
    paid_upence: int
    used_upence: int
    standing_upence: int
    recovered_upence: int
    credit_upence: int
    debt_upence: int
    off_slots: int  # in which the terms had stopped supply
    unknown_slots: int  # that are over, and of which nothing is known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidBalance:
    """An account at an instant. What has not been read yet is not paid for yet."""

    credit_upence: int  # below zero: emergency credit, friendly hours, or what was read late
    debt_upence: int
    is_supplied: bool  # by the terms
    days: tuple[
        PrepaidDay, ...
    ]  # from the opening's on; of a closed account, later ones in which something was paid in
    closed_us: int | None = None  # when supply ended; None: the account is open

    @property
    def refund_upence(self) -> int:
        """What is left once the debt is paid from the credit; below zero: what the customer still owes."""
        return self.credit_upence - self.debt_upence


def check_opening(opening: Opening, calendar: Calendar) -> None:
    """Raises Refused for an opening within a slot, and for a debt below zero."""
    if opening.at_us < 0 or opening.at_us % calendar.slot_us:
        slot = calendar.slots_are.removesuffix("s")
        raise Refused(f"an account opened at {opening.at_us} us: give the start of a {slot}")
    if opening.debt_upence < 0:
        raise Refused(f"a debt of {opening.debt_upence} upence: what is owed to the home is credit")


def balance(log: PrepaymentLog, fuel: int, half_hours: HalfHoursOf, priced: Priced, now_us: int) -> PrepaidBalance:
    """The account of a fuel code at an instant [us since the Unix epoch], the slot that it lies in included.

    Of payments with one number the first counts. Raises Refused where no account was open by then, and before the first prices.
    """
    calendar = priced.calendar
    begun = [one for one in log.openings if one.at_us <= now_us]
    if not begun:
        raise Refused(f"there is no prepaid account of fuel {fuel} at {now_us} us: open one")
    opening = begun[-1]
    closed_us = log.closing_of(opening)
    if closed_us is not None and closed_us <= now_us:
        before = balance(replace(log, closed_us=()), fuel, half_hours, priced, closed_us - 1)
        return _closed(before, log, closed_us, now_us, calendar)
    n = (now_us - opening.at_us) // calendar.slot_us + 1
    starts_us = opening.at_us + np.arange(n, dtype=np.int64) * calendar.slot_us
    paid = [one for one in counted_once(log.top_ups) if opening.at_us <= one.at_us <= now_us]
    cost, is_known = _costs(fuel, opening.at_us, int(starts_us[-1]) + calendar.slot_us, half_hours, priced)
    day = calendar.wall_slots(starts_us)[0]
    days = np.unique(day).tolist()
    charges = np.array([_standing_upence(fuel, one, priced) for one in days], np.int64)
    held = prepaid_account(
        opening.terms,
        calendar,
        start_us=opening.at_us,
        cost_upence=cost,
        standing_upence=charges[np.searchsorted(days, day)],
        top_ups=paid,
        credit_upence=opening.credit_upence,
        debt_upence=opening.debt_upence,
        is_supplied=opening.is_supplied,
        is_measured=True,
    )
    ends = [*np.searchsorted(day, days).tolist(), n]
    paid_days = calendar.wall_slots(
        np.array([one.at_us // calendar.slot_us * calendar.slot_us for one in paid], np.int64)
    )[0]
    told, debt = [], opening.debt_upence
    is_over = starts_us + calendar.slot_us <= now_us
    for one, charge, (first, end) in zip(days, charges.tolist(), pairwise(ends), strict=True):
        begins = int(starts_us[first]) == calendar.day_start_us(one)
        told.append(
            PrepaidDay(
                day=one,
                paid_upence=sum(
                    top_up.upence for top_up, of in zip(paid, paid_days.tolist(), strict=True) if of == one
                ),
                used_upence=int(cost[first:end].sum()),
                standing_upence=charge if begins else 0,
                recovered_upence=debt - int(held.debt_upence[end - 1]),
                credit_upence=int(held.credit_upence[end - 1]),
                debt_upence=int(held.debt_upence[end - 1]),
                off_slots=int((~held.is_supplied[first:end]).sum()),
                unknown_slots=int((is_over & ~is_known)[first:end].sum()),
            )
        )
        debt = int(held.debt_upence[end - 1])
    return PrepaidBalance(
        credit_upence=int(held.credit_upence[-1]),
        debt_upence=int(held.debt_upence[-1]),
        is_supplied=bool(held.is_supplied[-1]),
        days=tuple(told),
    )


def _closed(
    before: PrepaidBalance, log: PrepaymentLog, closed_us: int, now_us: int, calendar: Calendar
) -> PrepaidBalance:
    """What is left of an account whose supply ended: it takes nothing any more, and what is paid in later is credit."""
    credit, days = before.credit_upence, list(before.days)
    for paid in counted_once(log.top_ups):
        if closed_us <= paid.at_us <= now_us:
            credit += paid.upence
            day = PrepaidDay(
                day=calendar.day_of(paid.at_us),
                paid_upence=paid.upence,
                used_upence=0,
                standing_upence=0,
                recovered_upence=0,
                credit_upence=credit,
                debt_upence=before.debt_upence,
                off_slots=0,
                unknown_slots=0,
            )
            if days[-1].day == day.day:
                day = replace(day, paid_upence=days.pop().paid_upence + paid.upence)
            days.append(day)
    return replace(before, credit_upence=credit, is_supplied=False, days=tuple(days), closed_us=closed_us)


def counted_once(top_ups: Sequence[TopUp]) -> list[TopUp]:
    """Payments by their instant; of those with one number the first."""
    first: dict[int, TopUp] = {}
    for one in sorted(top_ups, key=lambda one: (one.at_us, one.reference)):
        first.setdefault(one.reference, one)
    return list(first.values())


def _standing_upence(fuel: int, day: int, priced: Priced) -> int:
    start_us = priced.calendar.day_start_us(day)
    return list_in_force(priced.prices, start_us).standing_of(priced.tariff_on(start_us), fuel)


def _costs(
    fuel: int, from_us: int, before_us: int, half_hours: HalfHoursOf, priced: Priced
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What each slot of a span costs, and whether it is known: int64[n] [upence], bool[n]."""
    calendar = priced.calendar
    days = range(from_us // DAY_US * DAY_US, before_us, DAY_US)
    spans = spans_between(fuel, from_us, before_us, priced)
    cost = np.concatenate(
        [
            of_day[(span.start_us % DAY_US) // calendar.slot_us :][: (span.end_us - span.start_us) // calendar.slot_us]
            for span, of_day in zip(spans, cost_of_slots(spans, half_hours, priced), strict=True)
        ]
    )
    known = np.concatenate([half_hours(fuel, day_us) != MISSING_WH for day_us in days])
    first = (from_us - days[0]) // calendar.slot_us
    return cost, known[first : first + len(cost)]


# -- as the table has them -----------------------------------------------------------------------------------------------------

_HOURS_FIELDS = 3


def packed_opening(opening: Opening) -> list[int]:
    """An opening but for its instant as one list of integers."""
    terms = opening.terms
    hours = [
        number
        for one in terms.friendly
        for number in (one.first_slot, one.end_slot, sum(1 << kind for kind in set(one.days)))
    ]
    return [
        opening.credit_upence,
        opening.debt_upence,
        int(opening.is_supplied),
        terms.emergency_upence,
        terms.recovery_upence,
        list(RecoveryPeriod).index(terms.recovered_each),
        len(terms.friendly),
        *hours,
        *terms.holidays,
    ]


def unpacked_opening(at_us: int, numbers: Sequence[int]) -> Opening:
    """The inverse of `packed_opening`."""
    credit, debt, is_supplied, emergency, recovery, period, count, *rest = numbers
    end = count * _HOURS_FIELDS
    return Opening(
        at_us=at_us,
        credit_upence=credit,
        debt_upence=debt,
        is_supplied=bool(is_supplied),
        terms=PrepaymentTerms(
            emergency_upence=emergency,
            recovery_upence=recovery,
            recovered_each=list(RecoveryPeriod)[period],
            friendly=tuple(
                FriendlyHours(first_slot=first, end_slot=last, days=_kinds_of(kinds))
                for first, last, kinds in zip(*(rest[at:end:_HOURS_FIELDS] for at in range(_HOURS_FIELDS)), strict=True)
            ),
            holidays=tuple(rest[end:]),
        ),
    )


def _kinds_of(bits: int) -> tuple[int, ...]:
    return tuple(kind for kind in range(bits.bit_length()) if bits >> kind & 1)
