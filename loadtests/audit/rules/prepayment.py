"""Prepaid accounts under audit, counted by itself: half-hour by half-hour, by the zone's own rules. Pure, integers only.

Shares no line with `store.billing.prepayment`, `store.billing.prepaid` and `store.billing.statements`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

from loadtests.audit.rules.customers import UPENCE, Checked, checked
from loadtests.audit.rules.tariff_clock import by_price, rate_of
from scenarios.calendar import local_text
from scenarios.tariffs import HOLIDAY, NPENCE_A_UPENCE, Tariff
from scenarios.tariffs.prepayment import PrepaymentPlan
from store.billing.records import Bill, LineKind
from store.tariffs import PriceList

_BAND_MINUTES = 30
AccountKey = tuple[int, int]  # premises, fuel code
Row = tuple[int, int, int, tuple[int, ...]]
"""A row of the log but for its home and fuel: instant [us since the Unix epoch], kind, number of a payment, amounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an account must be made from. Instants in us since the Unix epoch."""

    premises: int
    fuel: int
    tariff: int  # its code
    plan: PrepaymentPlan
    opened_us: int  # a local midnight
    payments: Sequence[tuple[int, int]]  # (instant, upence), by their instant
    slots_wh: Mapping[int, int]  # start of a slot -> what is known of it


@dataclass(slots=True, kw_only=True)
class CountedAccount:
    """What an account comes to."""

    credit_upence: int
    debt_upence: int
    is_supplied: bool = True
    taken_upence: dict[int, int] = field(default_factory=dict)  # local month (yyyymm) -> use and standing charges
    off_slots: int = 0  # in which the terms had stopped supply


Holidays = Sequence[int]  # days since 1970


def count_account(
    account: Account, prices: Sequence[PriceList], zone: tzinfo, slot_us: int, until_us: int
) -> CountedAccount:
    """The account up to an instant [us since the Unix epoch], the slot that it lies in included.

    slot_us: how long a slot is [us].
    """
    plan = account.plan
    counted = CountedAccount(credit_upence=plan.credit_upence, debt_upence=plan.debt_upence)
    today: date | None = None
    used_wh = 0  # of the local day
    for start_us in range(account.opened_us, until_us + 1, slot_us):
        wall = datetime.fromtimestamp(start_us // 1_000_000, zone)
        held = [one for one in prices if one.effective_us <= start_us][-1]
        tariff = held.plans[account.tariff]
        if wall.date() != today:
            today, used_wh = wall.date(), 0
            _begin_day(counted, plan, wall, held.standing_of(account.tariff, account.fuel))
        counted.credit_upence += sum(
            upence for at_us, upence in account.payments if start_us <= at_us < start_us + slot_us and at_us <= until_us
        )
        is_enough = counted.credit_upence > (-plan.emergency_upence if counted.is_supplied else 0)
        counted.is_supplied = is_enough or (counted.is_supplied and _is_friendly(plan, tariff.holidays, wall))
        counted.off_slots += not counted.is_supplied
        wh = account.slots_wh.get(start_us, 0)
        cost = _cost(tariff, account.fuel, start_us, zone, slot_us, used_wh, wh)
        used_wh += wh
        _take(counted, wall, cost)
    return counted


def _begin_day(counted: CountedAccount, plan: PrepaymentPlan, wall: datetime, standing_upence: int) -> None:
    _take(counted, wall, standing_upence)
    if not plan.is_recovered_weekly or wall.strftime("%A") == "Monday":
        part = max(min(plan.recovery_upence, counted.debt_upence, counted.credit_upence), 0)
        counted.credit_upence -= part
        counted.debt_upence -= part


def _take(counted: CountedAccount, wall: datetime, upence: int) -> None:
    counted.credit_upence -= upence
    month = wall.year * 100 + wall.month
    counted.taken_upence[month] = counted.taken_upence.get(month, 0) + upence


def _is_friendly(plan: PrepaymentPlan, holidays: Holidays, wall: datetime) -> bool:
    is_holiday = (wall.date() - date(1970, 1, 1)).days in holidays
    kind, at = HOLIDAY if is_holiday else wall.weekday(), wall.time()
    for span in plan.friendly:
        begins = _time_of(span.first_slot)
        ends = None if span.end_slot == 48 else _time_of(span.end_slot)  # None: the day's end
        is_after, is_before = begins <= at, ends is None or at < ends
        is_within = is_after and is_before if ends is None or begins < ends else is_after or is_before
        if is_within and kind in span.days:
            return True
    return False


def _time_of(slot: int) -> time:
    return time(slot * _BAND_MINUTES // 60, slot * _BAND_MINUTES % 60)


def _cost(tariff: Tariff, fuel: int, start_us: int, zone: tzinfo, slot_us: int, used_wh: int, wh: int) -> int:
    """Of a slot [upence], each piece in a block of its own rounded half to even."""
    rate = rate_of(tariff, start_us, zone, slot_us)
    pieces = by_price(tariff, rate, fuel, used_wh, wh)
    exact = (Decimal(npence * of_price) / NPENCE_A_UPENCE for npence, of_price in pieces)
    return sum(int(one.quantize(Decimal(1), ROUND_HALF_EVEN)) for one in exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldBalance:
    """What the store says of an account at an instant [us since the Unix epoch]; None of what it has no account of."""

    premises: int
    fuel: int
    at_us: int
    credit_upence: int | None
    debt_upence: int | None
    is_supplied: bool | None
    where: str  # who was asked, for people


def check_log(
    expected: Mapping[AccountKey, Iterable[Row]],
    found: Mapping[AccountKey, Sequence[Row]],
    dc: str,
    zone: tzinfo,
    *,
    is_complete: bool,
) -> Checked:
    """Does a data centre hold each opening and each payment once, with its sum, and none that nobody made?

    is_complete: all top-ups had come to an end; else what is missing says nothing.
    """
    count, faults = 0, []
    for key in sorted(expected.keys() | found.keys()):
        due, held = sorted(expected.get(key, ())), sorted(found.get(key, ()))
        count += len(due)
        where = f"home {key[0]}, fuel {key[1]} in {dc}"
        missing = [one for one in due if one not in held] if is_complete else []
        faults += [f"{where}: {_told(one, zone)} is not in the account" for one in missing]
        faults += [f"{where}: {_told(one, zone)}, and nobody made it" for one in held if one not in due]
    return checked(f"prepaid accounts hold each payment once, in {dc}", count, faults)


def _told(row: Row, zone: tzinfo) -> str:
    at_us, kind, number, amounts = row
    what = f"payment {number} of {amounts[0]} {UPENCE}" if kind else f"an opening of {list(amounts)}"
    return f"{what} at {local_text(at_us, zone)}"


def check_balances(
    told: Iterable[ToldBalance],
    accounts: Mapping[AccountKey, Account],
    prices: Sequence[PriceList],
    zone: tzinfo,
    slot_us: int,
) -> Checked:
    """Is each balance, and each one that a display shows, what was there and paid in less what was used and charged, exactly?"""
    counts: dict[tuple[int, int, int], CountedAccount] = {}
    count, faults = 0, []
    for one in told:
        key = one.premises, one.fuel, one.at_us
        if key not in counts:
            counts[key] = count_account(accounts[key[:2]], prices, zone, slot_us, one.at_us)
        due = counts[key]
        count += 1
        is_right = (one.credit_upence, one.debt_upence, one.is_supplied) == (
            due.credit_upence,
            due.debt_upence,
            due.is_supplied,
        )
        if not is_right:
            faults.append(
                f"home {one.premises}, fuel {one.fuel} at {local_text(one.at_us, zone)}, {one.where}: "
                f"credit {one.credit_upence}, debt {one.debt_upence}, supply {_on(one.is_supplied)} told, and it comes to "
                f"{due.credit_upence}, {due.debt_upence} [{UPENCE}], {_on(due.is_supplied)}"
            )
    return checked("prepaid balances are what was paid and used", count, faults)


def _on(is_supplied: bool | None) -> str:
    return "unknown" if is_supplied is None else "on" if is_supplied else "off"


def check_taken(
    bills: Iterable[Bill],
    accounts: Mapping[AccountKey, Account],
    prices: Sequence[PriceList],
    zone: tzinfo,
    slot_us: int,
    until_us: int,
) -> Checked:
    """Do the bills of a prepaid home say, of each month that they have, what its accounts took, so that nothing of it is due?

    bills: all of each home, with all days of their months. until_us: as far as the bills know [us since the Unix epoch].
    """
    billed: dict[tuple[int, int, int], int] = {}  # premises, fuel, month -> taken [upence]
    months: dict[int, set[int]] = {}
    for bill in bills:
        months.setdefault(bill.premises, set()).add(bill.month)
        for line in bill.lines:
            if line.kind is LineKind.PREPAID:
                key = bill.premises, line.fuel, line.month
                billed[key] = billed.get(key, 0) - line.cost_upence
    due: dict[tuple[int, int, int], int] = {}
    for (home, fuel), account in accounts.items():
        counted = count_account(account, prices, zone, slot_us, until_us)
        due |= {
            (home, fuel, month): upence
            for month, upence in counted.taken_upence.items()
            if month in months.get(home, ())
        }
    faults = [
        f"home {home}, fuel {fuel}, month {month}: bills say that {billed.get((home, fuel, month), 0)} was taken, and the "
        f"account took {due.get((home, fuel, month), 0)} [{UPENCE}]"
        for home, fuel, month in sorted(billed.keys() | due.keys())
        if billed.get((home, fuel, month), 0) != due.get((home, fuel, month), 0)
    ]
    return checked("bills of prepaid homes say what their accounts took", len(due), faults)
