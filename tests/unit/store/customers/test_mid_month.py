"""What changes within a month gives two bills that add up: tariff, supplier, tenant, meter, and an estimate that became actual.

What is due is computed here from half-hours by zoneinfo and decimal, one after the other by the clock on the wall.
"""

import datetime as dt
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, Quality, ReadSchedule, mpan_of
from scenarios.tariffs.file import TariffSpec
from store.billing.records import Bill, LineKind
from store.customers.desk import Desk
from store.customers.port import Preference, RegisterChange, RegisterChangeKind
from store.customers.preferences import choose, new_tenancy, tariff_in_force
from store.customers.registers import exchanges_us
from store.ingest import Delivery, Ingested, Known, NumberedHomes, ingest
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rejections import Reason, Refused
from store.rows import ESTIMATE_REVISION
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, GAS, Book, PriceList
from tests.support.delivered_year import delivered_days

HOME = 5
ZONES = ("Europe/London", "Europe/Helsinki")
MARCH, APRIL = 202603, 202604  # the clocks go forward on 29 March
FIRST = dt.datetime(2026, 2, 27, tzinfo=dt.UTC)
DAYS = 66  # UTC days: March and April in any zone
FIRST_US = int(FIRST.timestamp()) * 1_000_000
ISSUED_US = FIRST_US + 90 * DAY_US
VALUES = np.random.default_rng(20).integers(1, 900, (DAYS, 48)).astype(np.int32)
GAS_VALUES = np.random.default_rng(21).integers(1, 900, (DAYS, 48)).astype(np.int32)
UPENCE = Decimal("0.000001")
NIGHT = {
    "rates": {"night": {"electricity": "9.8765", "gas": "6.0401"}, "day": {"electricity": "26.4159", "gas": "6.0401"}}
}
TARIFFS = tuple(
    TariffSpec.model_validate({"name": name, "share": 0.5, **text}).tariff()
    for name, text in (
        (
            "by the clock",
            {
                **NIGHT,
                "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
                "otherwise": "day",
                "standing": {"electricity": "54.321", "gas": "29.11"},
            },
        ),
        (
            "blocks",
            {
                "rates": {"all": {"electricity": "24.6789", "gas": "5.5555"}},
                "blocks": [{"fuel": "electricity", "above_kwh": "6.5", "rates": {"all": "31.5053"}}],
                "standing": {"electricity": "61.5", "gas": "30"},
            },
        ),
    )
)
LISTS = (PriceList(version=1, effective_us=0, tariffs=TARIFFS),)
STANDING = {(0, ELECTRICITY): "54.321", (0, GAS): "29.11", (1, ELECTRICITY): "61.5", (1, GAS): "30"}
CLOCK, BLOCKS = 0, 1
Values = Mapping[int, np.ndarray]  # fuel code -> int32[DAYS, 48]
TariffOf = Callable[[dt.date], int]


def pieces(tariff: int, fuel: int, wall: dt.datetime, before_wh: int, wh: int) -> Iterable[tuple[int, Decimal]]:
    """(Wh, pence a kWh) of a half-hour."""
    if fuel == GAS:
        yield wh, Decimal("6.0401") if tariff == CLOCK else Decimal("5.5555")
    elif tariff == CLOCK:
        is_night = wall.time() >= dt.time(23, 30) or wall.time() < dt.time(5, 30)
        yield wh, Decimal("9.8765") if is_night else Decimal("26.4159")
    else:
        within = min(max(6_500 - before_wh, 0), wh)
        yield within, Decimal("24.6789")
        yield wh - within, Decimal("31.5053")


@cache
def walls(zone: str) -> list[dt.datetime]:
    """What the clock shows as each half-hour begins."""
    return [(FIRST + at * dt.timedelta(minutes=30)).astimezone(ZoneInfo(zone)) for at in range(DAYS * 48)]


def due(zone: str, fuel: int, values: np.ndarray, days: Container[dt.date], tariff_of: TariffOf) -> tuple[int, Decimal]:
    """Wh and pence of some local days, with their standing charges."""
    used: dict[dt.date, int] = {}
    wh_due, pence = 0, Decimal(0)
    for wall, wh in zip(walls(zone), values.ravel().tolist(), strict=True):
        day = wall.date()
        if day in days:
            for part, price in pieces(tariff_of(day), fuel, wall, used.get(day, 0), wh):
                pence += (part * price / 1_000).quantize(UPENCE, ROUND_HALF_EVEN)
            wh_due += wh
            used[day] = used.get(day, 0) + wh
    standing = sum((Decimal(STANDING[tariff_of(day), fuel]) for day in used), Decimal(0))
    return wh_due, pence + standing


def told(bills: Iterable[Bill], fuel: int) -> tuple[int, Decimal]:
    """Wh and pence that bills have of a fuel."""
    lines = [line for bill in bills for line in bill.lines if line.fuel == fuel]
    wh = sum(line.low_wh + line.standard_wh + line.peak_wh for line in lines)
    return wh, sum((line.cost_upence * UPENCE for line in lines), Decimal(0))


def march(first: int, last: int = 31) -> list[dt.date]:
    return [dt.date(2026, 3, day) for day in range(first, last + 1)]


def midnight_us(zone: str, day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), ZoneInfo(zone)).timestamp()) * 1_000_000


def desk_of(zone: str, first_tariff: int, *, changes_us: Sequence[tuple[int, int]] = ()) -> Desk:
    """A home whose customer has chosen tariffs (code, from when on), before anything was read."""
    calendar, customers = Calendar(zone), MemoryCustomers(SCHEMAS["home_months"])
    customers.publish(LISTS[0], 0)
    for code, effective_us in changes_us:
        change = choose(Preference.TARIFF, code, effective_us - 1, calendar, [one.name for one in TARIFFS])
        assert change.effective_us == effective_us
        customers.change_preference(HOME, change)
    history = customers.preferences(HOME)

    def kind_of(premises: Any, instants: Any) -> Any:
        return np.array([tariff_in_force(history, one, first_tariff) for one in instants.tolist()], np.uint8)

    views = MemoryStore(SCHEMAS["home_months"], Book(prices=LISTS, kind_of=kind_of, calendar=calendar))
    return Desk(customers=customers, views=views, first_tariff=first_tariff, calendar=calendar)


def read_whole(desk: Desk, values: Values) -> Desk:
    views = desk.views
    assert isinstance(views, MemoryStore)
    for fuel, of_fuel in values.items():
        views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=of_fuel, fuel=fuel))
    return desk


def bill(desk: Desk, number: int, month: int, supplied: Mapping[int, range], **fields: Any) -> Bill:
    return desk.issue_bill(premises=HOME, month=month, number=number, supplied=supplied, issued_us=ISSUED_US, **fields)


BOTH = {ELECTRICITY: VALUES, GAS: GAS_VALUES}


@pytest.mark.parametrize("day", [11, 29])
@pytest.mark.parametrize("zone", ZONES)
def test_a_change_of_tariff(zone: str, day: int) -> None:
    """Before and on the day on which the clocks change; billed at once, and in two."""
    change = dt.date(2026, 3, day)

    def tariff_of(one: dt.date) -> int:
        return CLOCK if one < change else BLOCKS

    def fresh() -> Desk:
        return read_whole(desk_of(zone, CLOCK, changes_us=[(BLOCKS, midnight_us(zone, change))]), {ELECTRICITY: VALUES})

    whole = bill(fresh(), 1, MARCH, {ELECTRICITY: range(1, 32)})
    in_two = fresh()
    first = bill(in_two, 1, MARCH, {ELECTRICITY: range(1, day)})
    second = bill(in_two, 2, MARCH, {ELECTRICITY: range(day, 32)})
    assert told([whole], ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(1), tariff_of)
    assert told([first], ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(1, day - 1), tariff_of)
    assert told([second], ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(day), tariff_of)
    assert {line.tariff for line in first.lines} == {CLOCK} and {line.tariff for line in second.lines} == {BLOCKS}


@pytest.mark.parametrize("day", [11, 30])
@pytest.mark.parametrize("zone", ZONES)
def test_a_change_of_supplier(zone: str, day: int) -> None:
    """Electricity goes to another supplier and is back on the 31st; gas stays. Told in time, and when the month was billed."""
    left = dt.date(2026, 3, day)
    ended_us = {ELECTRICITY: midnight_us(zone, left)}
    gas_due = due(zone, GAS, GAS_VALUES, march(1), lambda _: BLOCKS)
    expected = due(zone, ELECTRICITY, VALUES, march(1, day - 1), lambda _: BLOCKS)
    in_time, late = (read_whole(desk_of(zone, BLOCKS), BOTH) for _ in range(2))
    known = [bill(in_time, 1, MARCH, {ELECTRICITY: range(1, day), GAS: range(1, 32)})]
    found_out = [bill(late, 1, MARCH, {ELECTRICITY: range(1, 32), GAS: range(1, 32)})]
    assert told(found_out, ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(1), lambda _: BLOCKS)
    found_out.append(bill(late, 2, APRIL, {GAS: range(0)}, ended_us=ended_us))
    for desk, bills in ((in_time, known), (late, found_out)):
        assert told(bills, ELECTRICITY) == expected
        bills.append(bill(desk, len(bills) + 1, MARCH, {ELECTRICITY: range(31, 32)}))
        of_last = due(zone, ELECTRICITY, VALUES, march(31), lambda _: BLOCKS)
        assert told(bills[-1:], ELECTRICITY) == of_last
        assert told(bills, ELECTRICITY) == (expected[0] + of_last[0], expected[1] + of_last[1])
        assert told(bills, GAS) == gas_due


# -- tenants -------------------------------------------------------------------------------------------------------------------


def corrected(desk: Desk, day: dt.date, slot: int, wh: int, revision: int) -> None:
    """A half-hour of a UTC day is known otherwise."""
    start_us = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000 + slot * SLOT_US
    came = deliver(desk, start_us, [wh], register_wh=0, revision=revision, quality=Quality.SUBSTITUTED)
    assert not came.rejected and came.refolded


def deliver(
    desk: Desk, start_us: int, values_wh: Sequence[int | None], *, register_wh: int, revision: int = 0, quality: int = 0
) -> Ingested:
    """One row from outside, of electricity."""
    return deliver_rows(desk, [start_us], [values_wh], [register_wh], revision=revision, quality=quality)


def deliver_rows(
    desk: Desk,
    starts_us: Sequence[int],
    values_wh: Sequence[Sequence[int | None]],
    registers_wh: Sequence[int],
    *,
    revision: int = 0,
    quality: int = 0,
) -> Ingested:
    views, n = desk.views, len(starts_us)
    assert isinstance(views, MemoryStore)
    changes = [(HOME, change) for change in desk.customers.register_changes(HOME)]
    delivery = Delivery(
        slot_count=len(values_wh[0]),
        mpxn=np.repeat(mpan_of(np.array([HOME])), n),
        interval_start_us=starts_us,
        values_wh=values_wh,
        register_wh=registers_wh,
        revision=[revision] * n,
        source=[0] * n,
        quality=[quality] * n,
        received_at_us=np.full(n, ISSUED_US - DAY_US),
    )
    return ingest(
        views,
        delivery,
        Known(meters=NumberedHomes(count=HOME + 1), book=views.book, exchanges_us=exchanges_us(changes)),
    )


def deliver_days(desk: Desk, rows: Iterable[int], values: np.ndarray, register_wh: np.ndarray) -> Ingested:
    """UTC days from the first on, each with its register at its end."""
    days = list(rows)
    starts_us = [FIRST_US + at * DAY_US for at in days]
    return deliver_rows(desk, starts_us, values[days].tolist(), register_wh[days].tolist())


ANNE, BEN = 70, 71  # accounts


@pytest.mark.parametrize("day", [11, 30])
@pytest.mark.parametrize("zone", ZONES)
def test_a_change_of_tenant(zone: str, day: int) -> None:
    """What is found out of the one's days after both were billed is on a bill of the one, and on none of the other's."""
    came_on = dt.date(2026, 3, day)
    desk = read_whole(desk_of(zone, CLOCK, changes_us=[(BLOCKS, midnight_us(zone, came_on))]), {ELECTRICITY: VALUES})
    known = VALUES.copy()

    def found_out(day_of_march: int, slot: int, wh: int) -> None:
        corrected(desk, dt.date(2026, 3, day_of_march), slot, wh, revision=1)
        known[(dt.date(2026, 3, day_of_march) - FIRST.date()).days, slot] = wh

    def tariff_of(one: dt.date) -> int:
        return CLOCK if one < came_on else BLOCKS

    of_anne = [bill(desk, 1, MARCH, {ELECTRICITY: range(1, day)}, account=ANNE)]
    of_ben = [bill(desk, 2, MARCH, {ELECTRICITY: range(day, 32)}, account=BEN)]
    found_out(5, 3, 4_321)
    found_out(31, 20, 1)
    of_ben.append(bill(desk, 3, APRIL, {ELECTRICITY: range(1, 31)}, account=BEN))
    assert {line.month for line in of_ben[1].lines if line.kind is LineKind.ADJUSTMENT} == {MARCH}
    of_anne.append(bill(desk, 4, MARCH, {ELECTRICITY: range(0)}, account=ANNE))
    april = {dt.date(2026, 4, one) for one in range(1, 31)}
    assert told(of_anne, ELECTRICITY) == due(zone, ELECTRICITY, known, march(1, day - 1), tariff_of)
    assert told(of_ben, ELECTRICITY) == due(zone, ELECTRICITY, known, {*march(day), *april}, tariff_of)
    for number, account in ((5, ANNE), (6, BEN)):
        assert bill(desk, number, MARCH, {ELECTRICITY: range(1, 32)}, account=account).lines == ()
    assert [one.account for one in desk.customers.bills(HOME)] == [ANNE, BEN, BEN, ANNE, ANNE, BEN]
    with pytest.raises(Refused, match=f"bill 2 of home {HOME} is of account {BEN}, not {ANNE}: take the next number"):
        bill(desk, 2, MARCH, {ELECTRICITY: range(day, 32)}, account=ANNE)


@pytest.mark.parametrize("zone", ZONES)
def test_a_tenant_who_turns_out_to_have_left_before(zone: str) -> None:
    """The days after that are given back to the one and billed to the other: those alone, whatever was billed of them."""
    desk = read_whole(desk_of(zone, BLOCKS), BOTH)
    of_anne = [bill(desk, 1, MARCH, {ELECTRICITY: range(1, 21), GAS: range(1, 21)}, account=ANNE)]
    of_ben = [bill(desk, 2, MARCH, {ELECTRICITY: range(21, 32), GAS: range(21, 32)}, account=BEN)]
    left_us = midnight_us(zone, dt.date(2026, 3, 15))
    ended_us = {ELECTRICITY: left_us, GAS: left_us}
    of_anne.append(bill(desk, 3, MARCH, {ELECTRICITY: range(0)}, account=ANNE, ended_us=ended_us))
    of_ben.append(bill(desk, 4, MARCH, {ELECTRICITY: range(1, 32), GAS: range(1, 32)}, account=BEN))
    for fuel, values in BOTH.items():
        assert told(of_anne, fuel) == due(zone, fuel, values, march(1, 14), lambda _: BLOCKS)
        assert told(of_ben, fuel) == due(zone, fuel, values, march(15), lambda _: BLOCKS)


def test_no_day_is_billed_to_two_accounts() -> None:
    """Also where the first bill was of energy alone, before anybody had said who pays."""
    desk = read_whole(desk_of("Europe/London", CLOCK), {ELECTRICITY: VALUES})
    whole = bill(desk, 1, MARCH, {})
    of_anne = bill(desk, 2, MARCH, {ELECTRICITY: range(1, 32)}, account=ANNE)
    assert of_anne.lines == ()
    for account in (0, ANNE):
        with pytest.raises(Refused, match=f"bill 3 of home {HOME}: of a home with accounts say which days each has"):
            bill(desk, 3, APRIL, {}, account=account)
    of_anne = bill(desk, 3, APRIL, {ELECTRICITY: range(1, 31)}, account=ANNE)
    wh = told([whole], ELECTRICITY)[0]
    assert wh == due("Europe/London", ELECTRICITY, VALUES, march(1), lambda _: CLOCK)[0]
    april = {dt.date(2026, 4, one) for one in range(1, 31)}
    assert told([of_anne], ELECTRICITY) == due("Europe/London", ELECTRICITY, VALUES, april, lambda _: CLOCK)


# -- meters --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tariff", [CLOCK, BLOCKS])
@pytest.mark.parametrize("zone", ZONES)
def test_an_exchange_of_the_meter(zone: str, tariff: int) -> None:
    """On the 17th at 14:10 UTC. Of that half-hour each meter knows a part: both together are its correction."""
    desk, day = desk_of(zone, tariff), dt.date(2026, 3, 17)
    known, row = VALUES.copy(), (day - FIRST.date()).days
    day_us = FIRST_US + row * DAY_US
    of_old, of_new = 170, 90  # Wh, of the slot from 14:00
    known[row, 28] = of_old + of_new
    of_day = known.sum(axis=1)
    assert not deliver_days(desk, range(row), known, 4_000_000 + np.cumsum(of_day)).rejected
    register = exchanged(desk, day_us, known[row].tolist(), of_old, of_new, 4_000_000 + int(of_day[:row].sum()))
    assert not deliver_days(
        desk, range(row + 1, DAYS), known, register + np.cumsum(of_day) - of_day[: row + 1].sum()
    ).rejected
    first = bill(desk, 1, MARCH, {ELECTRICITY: range(1, 18)})
    second = bill(desk, 2, MARCH, {ELECTRICITY: range(18, 32)})
    assert told([first], ELECTRICITY) == due(zone, ELECTRICITY, known, march(1, 17), lambda _: tariff)
    assert told([second], ELECTRICITY) == due(zone, ELECTRICITY, known, march(18), lambda _: tariff)


def exchanged(desk: Desk, day_us: int, values: list[int], of_old: int, of_new: int, register_wh: int) -> int:
    """The day of an exchange: what the old meter tells, then the new one, whose register is returned."""
    closing_wh = register_wh + sum(values[:28]) + of_old
    at_us = day_us + 28 * SLOT_US + 600_000_000
    change = RegisterChange(
        fuel=ELECTRICITY, changed_us=at_us, kind=RegisterChangeKind.EXCHANGED, before_wh=closing_wh, after_wh=0
    )
    desk.customers.record_register_change(HOME, change)
    old = deliver(desk, day_us, values[:28], register_wh=closing_wh - of_old)
    assert not old.rejected
    new_wh = of_new + sum(values[29:])
    new = deliver(desk, day_us + 28 * SLOT_US, [of_new, *values[29:]], register_wh=new_wh)
    assert not new.rejected
    both = deliver(
        desk, day_us + 28 * SLOT_US, [of_old + of_new], register_wh=of_new, revision=1, quality=Quality.SUBSTITUTED
    )
    assert not both.rejected
    return new_wh


def test_what_both_meters_say_of_the_half_hour_of_an_exchange_is_not_taken_for_one() -> None:
    """Each has a part of it: the second is refused, and what is billed is the first until both are added up."""
    desk = desk_of("Europe/London", CLOCK)
    start_us = FIRST_US + 20 * DAY_US + 28 * SLOT_US
    change = RegisterChange(
        fuel=ELECTRICITY, changed_us=start_us + 1_000, kind=RegisterChangeKind.EXCHANGED, before_wh=9_000, after_wh=0
    )
    desk.customers.record_register_change(HOME, change)
    assert not deliver(desk, start_us, [170], register_wh=9_000).rejected
    (refused,) = deliver(desk, start_us, [90], register_wh=90).rejected
    assert refused.reason is Reason.DUPLICATE_DIFFERS


# -- estimates -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [29, 31])
@pytest.mark.parametrize("tariff", [CLOCK, BLOCKS])
@pytest.mark.parametrize("zone", ZONES)
def test_an_estimate_that_becomes_actual(zone: str, tariff: int, day: int) -> None:
    """Its UTC day is of two local days, and on the 31st of two months; some of its half-hours are estimated for good."""
    desk, row = desk_of(zone, tariff), (dt.date(2026, 3, day) - FIRST.date()).days
    estimated, actual = VALUES.copy(), VALUES.copy()
    estimated[row] = 431
    actual[row, 40:43] = 431  # lost by the meter
    register = 4_000_000 + np.cumsum(actual.sum(axis=1))
    others = [at for at in range(DAYS) if at != row]
    assert not deliver_days(desk, others, actual, register).rejected
    of_estimate = {"revision": ESTIMATE_REVISION, "quality": Quality.ESTIMATED}
    start_us = FIRST_US + row * DAY_US
    assert not deliver(desk, start_us, estimated[row].tolist(), register_wh=int(register[row]), **of_estimate).rejected
    months = ((MARCH, march(1)), (APRIL, [dt.date(2026, 4, one) for one in range(1, 31)]))
    bills = [
        bill(desk, at, month, {ELECTRICITY: range(1, len(days) + 1)}) for at, (month, days) in enumerate(months, 1)
    ]
    for one, (_, days) in zip(bills, months, strict=True):
        assert told([one], ELECTRICITY) == due(zone, ELECTRICITY, estimated, days, lambda _: tariff)
    lost = [None if 40 <= slot < 43 else wh for slot, wh in enumerate(actual[row].tolist())]
    assert not deliver(desk, start_us, lost, register_wh=int(register[row])).rejected
    third = bill(desk, 3, APRIL, {ELECTRICITY: range(0)})
    for month, days in months:
        of_month = [line for one in (*bills, third) for line in one.lines if line.month == month]
        wh = sum(line.low_wh + line.standard_wh + line.peak_wh for line in of_month)
        pence = sum((line.cost_upence * UPENCE for line in of_month), Decimal(0))
        assert (wh, pence) == due(zone, ELECTRICITY, actual, days, lambda _: tariff)
    assert bill(desk, 4, APRIL, {ELECTRICITY: range(1, 31)}).lines == ()


@pytest.mark.parametrize("zone", ZONES)
def test_who_moves_in_is_not_billed_by_the_tariff_of_who_lived_there(zone: str) -> None:
    """Anne is on blocks; from the 12th on Ben lives there, who has chosen nothing, and whose supplier deems another one."""
    desk = desk_of(zone, CLOCK, changes_us=[(BLOCKS, midnight_us(zone, dt.date(2026, 2, 28)))])
    begins_us = midnight_us(zone, dt.date(2026, 3, 12))
    desk.customers.change_preference(HOME, new_tenancy(begins_us, begins_us - 1_000, desk.calendar))
    history = desk.customers.preferences(HOME)

    def kind_of(premises: Any, instants: Any) -> Any:
        return np.array([tariff_in_force(history, one, CLOCK) for one in instants.tolist()], np.uint8)

    views = MemoryStore(SCHEMAS["home_months"], Book(prices=LISTS, kind_of=kind_of, calendar=desk.calendar))
    read_whole(replace(desk, views=views), {ELECTRICITY: VALUES})
    desk = replace(desk, views=views, first_tariff=BLOCKS, deemed_tariff=CLOCK)
    of_anne = bill(desk, 1, MARCH, {ELECTRICITY: range(1, 12)}, account=ANNE)
    of_ben = bill(desk, 2, MARCH, {ELECTRICITY: range(12, 32)}, account=BEN)
    assert told([of_anne], ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(1, 11), lambda _: BLOCKS)
    assert told([of_ben], ELECTRICITY) == due(zone, ELECTRICITY, VALUES, march(12), lambda _: CLOCK)
    assert desk.schedule(HOME, begins_us - 1) is ReadSchedule.HALF_HOURLY
    assert desk.schedule(HOME, begins_us) is ReadSchedule.DAILY
