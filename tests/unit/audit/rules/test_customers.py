"""Each check of the customers' side passes what is right, finds each planted fault, and has no verdict on nothing."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.audit.rules.customers import (
    EXAMPLES_MAX,
    Displays,
    MeterDays,
    Registers,
    check_bills,
    check_displays,
    check_local_days,
    check_registers,
    check_views,
)
from loadtests.audit.rules.customers_read import clock_change_slots, prices_to_show
from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US, SLOT_US, TariffKind
from scenarios.file import shipped_scenarios
from scenarios.tariffs import Block, Rate, Register, Tariff
from sim.estate.model import build_estate
from store.billing.bills import make_bill
from store.billing.charges import Charges, DayEnergy
from store.billing.records import Bill, Line, LineKind
from store.customers.desk import Desk
from store.customers.port import RegisterChange, RegisterChangeKind
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.readings.verify import Difference
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, EXPORT, FIRST_PRICES, GAS, MISSING_WH, Book, PriceList, price_at
from tests.support.days import day_start_us
from tests.support.delivered_year import delivered_days

JANUARY, FEBRUARY = 202601, 202602
LONDON = ZoneInfo("Europe/London")
START_US = day_start_us(JANUARY, 10)
SECOND = PriceList(
    version=2,
    effective_us=START_US + DAY_US + 46 * SLOT_US,  # within the second of the days
    upence_per_wh=tuple(
        tuple(
            (low + 7, standard + 7, peak + 7) if low > 0 else (low, standard, peak) for low, standard, peak in by_fuel
        )
        for by_fuel in FIRST_PRICES.upence_per_wh
    ),
    standing_upence=(60_000_000, 40_000_000, 0),
)
PRICES = (FIRST_PRICES, SECOND)


# -- registers -----------------------------------------------------------------------------------------------------------------


def registers(*told: tuple[int, int, int, int]) -> Registers:
    """(home, fuel, half-hour, register) of each reading."""
    home, fuel, slot, register = np.array(told, np.int64).reshape(-1, 4).T
    return Registers(premises=home, fuel=fuel, end_us=START_US + slot * SLOT_US, register_wh=register)


def change(slot: float, after_wh: int = 0, fuel: int = 0) -> RegisterChange:
    return RegisterChange(
        fuel=fuel,
        changed_us=int(START_US + slot * SLOT_US),
        kind=RegisterChangeKind.EXCHANGED,
        before_wh=900,
        after_wh=after_wh,
    )


RISING = ((1, 0, 2, 800), (1, 0, 1, 500), (2, 0, 1, 100), (1, 1, 3, 5), (1, 0, 3, 800))
FALLING = (*RISING, (1, 0, 4, 50), (1, 0, 5, 60))


def test_registers_that_rise_are_right() -> None:
    checked = check_registers(registers(*RISING), [], LONDON)
    assert (checked.is_right, checked.counted, checked.faults) == (True, 5, 0)


@pytest.mark.parametrize("slot", [3, 3.5])
def test_a_logged_exchange_explains_a_fall(slot: float) -> None:
    assert check_registers(registers(*FALLING), [(1, change(slot))], LONDON).is_right is True


@pytest.mark.parametrize(
    "logged",
    [
        [],
        [(2, change(3))],  # of another home
        [(1, change(3, fuel=1))],  # of another meter
        [(1, change(4))],  # after the fall
        [(1, change(2))],  # before the reading that is higher
        [(1, change(3, after_wh=51))],  # the new counter began above what it showed then
    ],
)
def test_a_fall_that_nothing_explains_is_found(logged: list[Any]) -> None:
    checked = check_registers(registers(*FALLING), logged, LONDON)
    assert (checked.is_right, checked.faults) == (False, 1)
    assert checked.examples[0].startswith("home 1, fuel 0: 800 Wh at ")


def test_one_exchange_explains_one_fall() -> None:
    checked = check_registers(registers(*FALLING, (1, 0, 6, 55)), [(1, change(3))], LONDON)
    assert checked.faults == 1


def test_without_registers_there_is_no_verdict() -> None:
    assert check_registers(registers(), [], LONDON).is_right is None


# -- displays ------------------------------------------------------------------------------------------------------------------


def displays(prices: tuple[PriceList, ...] = PRICES) -> Displays:
    """Every half-hour of three days, by three tariffs and all fuels in turn, as `price_at` has it."""
    at_us = START_US + np.arange(144) * SLOT_US + 1_000
    fuel, tariff = np.arange(144) % 3, (np.arange(144) // 3 % 3).astype(np.uint8)
    shown = [price_at(prices, TariffKind(int(tariff[at])), int(fuel[at]), int(at_us[at])) for at in range(len(at_us))]
    return Displays(
        premises=np.arange(144),
        fuel=fuel,
        at_us=at_us,
        tariff=tariff,
        version=np.array([one.version for one in shown]),
        npence_per_wh=np.array([one.npence_per_wh for one in shown]),
    )


def changed(column: np.ndarray, at: int, value: int) -> np.ndarray:
    copy = column.copy()
    copy[at] = value
    return copy


def test_displays_that_show_the_price_in_force_are_right() -> None:
    checked = check_displays(displays(), PRICES, UTC)
    assert (checked.is_right, checked.counted) == (True, 144)
    assert set(displays().version) == {1, 2}


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("npence_per_wh", 5, 24_500_001),
        ("version", 93, 2),  # the half-hour before the second prices
        ("version", 94, 1),  # their first half-hour
        ("at_us", 94, START_US + 94 * SLOT_US - 1),
        ("tariff", 33, 0),  # 16:30 by another tariff
        ("fuel", 0, 1),
    ],
)
def test_a_display_of_another_price_is_found(name: str, at: int, value: int) -> None:
    right = displays()
    checked = check_displays(replace(right, **{name: changed(getattr(right, name), at, value)}), PRICES, UTC)
    assert (checked.is_right, checked.faults) == (False, 1)
    assert checked.examples[0].startswith(f"home {at}, fuel ")


@pytest.mark.parametrize(
    ("published", "is_closed", "right"),
    [
        ({1, 2}, True, PRICES),
        ({1}, True, PRICES),  # the office worked to its end, and did not publish what it should have
        ({1}, False, (FIRST_PRICES,)),  # it died before it could: nobody's display is to blame
        ({1, 2}, False, PRICES),  # it died after it had
    ],
)
def test_displays_are_judged_by_what_a_dead_office_had_published(
    published: set[int], is_closed: bool, right: tuple[PriceList, ...]
) -> None:
    judged_by = prices_to_show(PRICES, published, is_closed=is_closed)
    assert check_displays(displays(right), judged_by, UTC).is_right
    other = (FIRST_PRICES,) if right == PRICES else PRICES
    assert not check_displays(displays(other), judged_by, UTC).is_right


def test_a_display_before_any_price_is_found() -> None:
    one = displays()
    early = replace(one, at_us=changed(one.at_us, 0, SECOND.effective_us - 1))
    assert check_displays(early, (SECOND,), UTC).faults > 0


def test_without_displays_there_is_no_verdict() -> None:
    none = np.zeros(0, np.int64)
    assert (
        check_displays(
            Displays(
                premises=none, fuel=none, at_us=none, tariff=none.astype(np.uint8), version=none, npence_per_wh=none
            ),
            PRICES,
            UTC,
        ).is_right
        is None
    )


# -- bills ---------------------------------------------------------------------------------------------------------------------


def days(homes: int = 3) -> MeterDays:
    """Three days of homes, electricity and what they export; the last day up to noon, with a half-hour lost."""
    n = homes * 2 * 3
    at = np.arange(n)
    values = (np.random.default_rng(5).integers(0, 900, (n, 48))).astype(np.int32)
    values[at % 3 == 2, 3] = MISSING_WH
    return MeterDays(
        premises=at // 6,
        fuel=np.where(at // 3 % 2 == 0, ELECTRICITY, EXPORT),
        day_start_us=START_US + at % 3 * DAY_US,
        slot_count=np.where(at % 3 == 2, 24, 48),
        values_wh=values,
        tariff=(at // 6 % 3).astype(np.uint8),
    )


def energy_of(held: MeterDays, home: int) -> list[DayEnergy]:
    """The home's half-hours, one by one."""
    told = []
    for at in np.flatnonzero(held.premises == home).tolist():
        for slot, wh in enumerate(held.values_wh[at, : held.slot_count[at]].tolist()):
            start_us, fuel, tariff = int(held.day_start_us[at]) + slot * SLOT_US, int(held.fuel[at]), held.tariff[at]
            if wh == MISSING_WH:
                continue
            price = price_at(PRICES, TariffKind(int(tariff)), fuel, start_us)
            told.append(
                DayEnergy(
                    day=start_us // DAY_US,
                    fuel=fuel,
                    tariff=TariffKind(int(tariff)),
                    tariff_version=price.version,
                    low_wh=wh if price.rate == Register.LOW else 0,
                    standard_wh=wh if price.rate == Register.STANDARD else 0,
                    peak_wh=wh if price.rate == Register.PEAK else 0,
                    cost_upence=wh * price.upence_per_wh,
                )
            )
    return told


def next_bill(held: MeterDays, home: int, month: int, earlier: list[Bill]) -> Bill:
    days = range(10, 13) if month == JANUARY else range(0)
    charges = Charges(
        energy={JANUARY: energy_of(held, home), FEBRUARY: []},
        prices=PRICES,
        tariff_on=lambda _: TariffKind(home % 3),
        supplied={ELECTRICITY: days, GAS: days, EXPORT: days},
        ended_us={},
    )
    return make_bill(charges, earlier, premises=home, month=month, issued_us=START_US, lines_max=99)


def billed() -> tuple[list[Bill], MeterDays]:
    """Three homes with a bill each; home 1 was corrected and has an adjusting one."""
    before = days()
    bills = [next_bill(before, home, JANUARY, []) for home in range(3)]
    after = replace(before, values_wh=before.values_wh.copy())
    after.values_wh[6, 10:13] = (0, 1, 899)
    bills.append(next_bill(after, 1, FEBRUARY, bills[1:2]))
    return bills, after


def test_bills_that_add_up_are_right() -> None:
    bills, held = billed()
    checked = check_bills(bills, held, PRICES, UTC)
    assert (checked.examples, checked.is_right, checked.counted) == ((), True, 4)
    assert any(line.kind is LineKind.ADJUSTMENT for line in bills[3].lines)


def line_changed(bill: Bill, at: int, **fields: Any) -> Bill:
    lines = list(bill.lines)
    lines[at] = replace(lines[at], **fields)
    return bill_with(bill, lines)


def bill_with(bill: Bill, lines: list[Line]) -> Bill:
    return replace(bill, lines=tuple(lines), total_upence=sum(line.cost_upence for line in lines))


def standing_at(bill: Bill) -> int:
    return next(at for at, line in enumerate(bill.lines) if line.kind is LineKind.STANDING)


PLANTED: dict[str, Any] = {
    "a penny's millionth too much": lambda bill: line_changed(bill, 0, cost_upence=bill.lines[0].cost_upence + 1),
    "a Wh at another rate": lambda bill: line_changed(
        bill, 0, low_wh=bill.lines[0].low_wh - 1, standard_wh=bill.lines[0].standard_wh + 1
    ),
    "a line of another month": lambda bill: line_changed(bill, 0, month=FEBRUARY),
    "a line of another version": lambda bill: line_changed(bill, 0, tariff_version=9),
    "a line of another fuel": lambda bill: line_changed(bill, 0, fuel=GAS),
    "a line twice": lambda bill: bill_with(bill, [bill.lines[0], *bill.lines]),
    "a line less": lambda bill: bill_with(bill, list(bill.lines[1:])),
    "a total that is not its lines'": lambda bill: replace(bill, total_upence=bill.total_upence + 1),
    "a number left out": lambda bill: replace(bill, number=2),
    "a standing charge of another price": lambda bill: line_changed(bill, standing_at(bill), cost_upence=5),
    "a standing charge of an unknown version": lambda bill: line_changed(bill, standing_at(bill), tariff_version=9),
    "a standing charge from a day on that the month has not": lambda bill: line_changed(
        bill, standing_at(bill), first_day=32
    ),
    "more days than the month has": lambda bill: line_changed(
        bill, standing_at(bill), days=32, cost_upence=32 * FIRST_PRICES.standing_upence[0], tariff_version=1
    ),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_a_wrong_bill_is_found(plant: Any) -> None:
    bills, held = billed()
    checked = check_bills([*bills[:2], plant(bills[2]), bills[3]], held, PRICES, UTC)
    assert checked.is_right is False
    assert all(example.startswith("home 2") for example in checked.examples)


def test_a_standing_charge_is_due_once() -> None:
    bills, held = billed()
    twice = replace(bills[3], lines=bills[3].lines + bills[1].lines[-1:])
    checked = check_bills([*bills[:3], bill_with(twice, list(twice.lines))], held, PRICES, UTC)
    where = f"home 1, bill 2, standing charge of {JANUARY}, fuel 2: bill 1 had day"
    assert checked.examples == tuple(f"{where} {day} already" for day in (10, 11, 12)[-bills[1].lines[-1].days :])


def test_a_standing_charge_is_given_back_once() -> None:
    bills, held = billed()
    back = replace(bills[1].lines[-1], days=-bills[1].lines[-1].days, cost_upence=-bills[1].lines[-1].cost_upence)
    given = bill_with(bills[3], [*bills[3].lines, back])
    assert check_bills([*bills[:3], given], held, PRICES, UTC).is_right is True
    twice = bill_with(bills[3], [*bills[3].lines, back, back])
    faults = check_bills([*bills[:3], twice], held, PRICES, UTC).examples
    assert faults[0].endswith("is given back, and no bill had it")


def test_a_correction_that_no_bill_has_is_found() -> None:
    bills, held = billed()
    assert check_bills(bills[:3], held, PRICES, UTC).faults == 1


def test_a_day_that_no_bill_has_is_found() -> None:
    bills, held = billed()
    more = {name: np.concatenate([getattr(held, name), getattr(held, name)[:1]]) for name in MeterDays.__slots__}
    more["day_start_us"][-1] += 5 * DAY_US
    assert check_bills(bills, MeterDays(**more), PRICES, UTC).is_right is False
    more["day_start_us"][-1] = day_start_us(FEBRUARY, 3)  # of a month that was not billed to home 0
    assert check_bills(bills, MeterDays(**more), PRICES, UTC).is_right is True


def test_without_bills_there_is_no_verdict() -> None:
    assert check_bills([], days(), PRICES, UTC).is_right is None


# -- views ---------------------------------------------------------------------------------------------------------------------


def difference(expected: Any, found: Any) -> Difference:
    return Difference(view="usage_by_fuel", key={"premises": 7}, expected=expected, found=found)


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (difference({"usage_wh": 5}, None), "not in the view"),
        (difference(None, {"usage_wh": 5}), "not in the log"),
        (difference({"usage_wh": 5}, {"usage_wh": 6}), "differs"),
    ],
)
def test_a_view_that_differs_is_found(one: Difference, told: str) -> None:
    checked = check_views("usage_by_fuel", 12, iter([one]), LONDON)
    assert (checked.is_right, checked.faults) == (False, 1)
    assert told in checked.examples[0] and checked.check == "usage_by_fuel is what its event log comes to"


def test_a_view_that_is_its_fold_is_right_and_an_empty_one_tells_nothing() -> None:
    assert check_views("usage_by_fuel", 12, [], LONDON).is_right is True
    assert check_views("usage_by_fuel", 0, [], LONDON).is_right is None


def test_examples_have_a_limit() -> None:
    checked = check_views("usage_by_fuel", 12, [difference(None, {})] * 40, LONDON)
    assert (checked.faults, len(checked.examples)) == (40, EXAMPLES_MAX)


def test_days_told_by_another_clock_are_found() -> None:
    """In London the last hour of 30 June, UTC, is July's first: 46 half-hours of 10 Wh, then 2 and 48."""
    starts = np.array([day_start_us(202606, 30), day_start_us(202607, 1)])
    held = MeterDays(
        premises=np.array([3, 3]),
        fuel=np.array([GAS, GAS]),
        day_start_us=starts,
        slot_count=np.array([48, 10]),  # the second day is not over
        values_wh=np.full((2, 48), 10, np.int32),
        tariff=np.zeros(2, np.uint8),
    )
    right = {(3, GAS, 20260630): 460, (3, GAS, 20260701): 120}
    checked = check_local_days(right, held, LONDON)
    assert (checked.counted, checked.is_right) == (2, True)
    of_utc = {(3, GAS, 20260630): 480, (3, GAS, 20260701): 100}
    faults = check_local_days(of_utc, held, LONDON)
    assert faults.faults == 2
    assert faults.examples[0] == f"home 3, fuel {GAS}, 2026-06-30: 480 Wh told, 460 Wh used"
    assert check_local_days(of_utc, held, UTC).is_right is True
    assert check_local_days({**right, (3, GAS, 20260702): 0}, held, LONDON).faults == 1  # of which nothing has come
    assert check_local_days({(3, GAS, 20260630): 460}, held, LONDON).examples[0].endswith("nothing told, 120 Wh used")
    gap = MeterDays(**{**vars_of(held), "values_wh": np.full((2, 48), MISSING_WH, np.int32)})
    assert check_local_days(dict.fromkeys(right, 0), gap, LONDON).is_right is True
    assert (
        check_local_days({}, MeterDays(**{name: one[:0] for name, one in vars_of(held).items()}), UTC).is_right is None
    )


def vars_of(days: MeterDays) -> dict[str, Any]:
    return {field.name: getattr(days, field.name) for field in fields(MeterDays)}


# -- tariffs as data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("upence_per_wh", "cost"), [("12344.5", 12_344), ("12345.5", 12_346), ("12345.51", 12_346)])
def test_a_half_hour_costs_whole_upence_half_to_even(upence_per_wh: str, cost: int) -> None:
    npence = int(Decimal(upence_per_wh) * 1_000)
    rate = Rate(name="all", register=Register.PEAK, npence_per_wh=(npence, 0, 0))
    prices = (PriceList(version=1, effective_us=0, tariffs=(Tariff(name="one", rates=(rate,), otherwise=0),)),)
    days = MeterDays(
        premises=np.array([7]),
        fuel=np.array([0]),
        day_start_us=np.array([START_US]),
        slot_count=np.array([48]),
        values_wh=np.ones((1, 48), np.int32),
        tariff=np.zeros(1, np.uint8),
    )

    def billed(total: int) -> Bill:
        line = Line(
            kind=LineKind.ENERGY,
            month=JANUARY,
            fuel=0,
            tariff=0,
            tariff_version=1,
            first_day=0,
            days=0,
            low_wh=0,
            standard_wh=0,
            peak_wh=48,
            cost_upence=total,
        )
        return Bill(premises=7, number=1, month=JANUARY, issued_us=START_US, total_upence=total, lines=(line,))

    assert check_bills([billed(48 * cost)], days, prices, UTC).is_right
    assert not check_bills([billed(48 * cost + 48)], days, prices, UTC).is_right


def test_blocks_are_counted_by_the_clock_on_the_wall() -> None:
    """London's July: 1 kWh a local day at 20.5 p, the rest at 30.25 p. Half-hours of the odd UTC days are 100 Wh, else 10 Wh.

    So odd local days have 4,620 Wh, and even ones 660 Wh.
    """
    rate = Rate(name="all", register=Register.STANDARD, npence_per_wh=(20_500_000, 0, 0))
    block = Block(fuel=ELECTRICITY, above_wh=1_000, npence_per_wh=(30_250_000,))
    held = Tariff(name="blocks", rates=(rate,), otherwise=0, blocks=(block,))
    prices = (PriceList(version=1, effective_us=0, tariffs=(held,)),)
    calendar, starts = Calendar("Europe/London"), days_of_month(202607)
    days = MeterDays(
        premises=np.full(32, 7),
        fuel=np.zeros(32, np.int64),
        day_start_us=(starts[0] - 1 + np.arange(32)) * DAY_US,
        slot_count=np.full(32, 48),
        values_wh=np.repeat(np.array([[10], [100]] * 16, np.int32), 48, axis=1),
        tariff=np.zeros(32, np.uint8),
    )
    views = MemoryStore(SCHEMAS["home_months"])
    views.book = Book(prices=prices, calendar=calendar)
    views.append(delivered_days(views.book, home=7, first_day_us=(starts[0] - 1) * DAY_US, values_wh=days.values_wh))
    customers = MemoryCustomers(views.runner.schema)
    customers.publish(prices[0], 0)
    desk = Desk(customers=customers, views=views, first_tariff=0, calendar=calendar)
    issued = desk.issue_bill(
        premises=7, month=202607, number=1, supplied={ELECTRICITY: range(1, 32)}, issued_us=(starts[-1] + 2) * DAY_US
    )
    energy = [line for line in issued.lines if line.kind is LineKind.ENERGY]
    assert [(line.block, line.standard_wh, line.cost_upence) for line in energy] == [
        (0, 25_900, 25_900 * 20_500),
        (1, 57_920, 57_920 * 30_250),
    ]
    assert check_bills([issued], days, prices, LONDON).is_right is True
    of_utc = check_bills([issued], days, prices, UTC)
    assert of_utc.faults == 2 and "30.25 p a kWh: [0, 57920, 0, 1752080000] billed" in of_utc.examples[1]
    swapped = tuple(replace(line, block=1 - line.block) if line in energy else line for line in issued.lines)
    assert check_bills([replace(issued, lines=swapped)], days, prices, LONDON).faults == 2

    at_us = np.array([starts[4] * DAY_US + at * SLOT_US for at in (9, 10, 45, 46, 47)])  # from 5 July to the 6th
    shown = [desk.display(7, (ELECTRICITY,), int(one))[0].price.npence_per_wh for one in at_us]
    assert shown == [20_500_000, 30_250_000, 30_250_000, 20_500_000, 20_500_000]
    looks = Displays(
        premises=np.full(5, 7),
        fuel=np.zeros(5, np.int64),
        at_us=at_us,
        tariff=np.zeros(5, np.uint8),
        version=np.ones(5, np.int64),
        npence_per_wh=np.array(shown),
    )
    assert check_displays(looks, prices, LONDON, days).is_right is True
    for at in range(5):
        other = replace(looks, npence_per_wh=changed(looks.npence_per_wh, at, 50_750_000 - shown[at]))
        assert check_displays(other, prices, LONDON, days).faults == 1


def test_what_nobody_knows_before_a_look_reaches_no_block() -> None:
    """From the second Wh of a day on it is dearer; half-hours that are lost, or later than any that came, count as none."""
    rate = Rate(name="all", register=Register.STANDARD, npence_per_wh=(20_000_000, 0, 0))
    block = Block(fuel=ELECTRICITY, above_wh=1, npence_per_wh=(30_000_000,))
    held = Tariff(name="blocks", rates=(rate,), otherwise=0, blocks=(block,))
    prices = (PriceList(version=1, effective_us=0, tariffs=(held,)),)
    values_wh = np.full((1, 48), 7, np.int32)
    values_wh[0, :4] = (0, MISSING_WH, MISSING_WH, 1)

    def days(slot_count: int) -> MeterDays:
        return MeterDays(
            premises=np.array([7]),
            fuel=np.array([ELECTRICITY]),
            day_start_us=np.array([START_US]),
            slot_count=np.array([slot_count]),
            values_wh=values_wh,
            tariff=np.zeros(1, np.uint8),
        )

    def is_dearer(slot: int, known: MeterDays | None) -> bool | None:
        look = Displays(
            premises=np.array([7]),
            fuel=np.array([ELECTRICITY]),
            at_us=np.array([START_US + slot * SLOT_US]),
            tariff=np.zeros(1, np.uint8),
            version=np.ones(1, np.int64),
            npence_per_wh=np.array([30_000_000]),
        )
        return check_displays(look, prices, UTC, known).is_right

    assert not is_dearer(3, days(4))
    assert is_dearer(4, days(4))  # after two half-hours that are lost
    assert not is_dearer(9, days(3))  # none is known that used anything
    assert not is_dearer(9, None)


@pytest.mark.parametrize(
    ("scenario", "count"), [("clock_change_spring", 46), ("clock_change_autumn", 50), ("smoke", 0)]
)
def test_each_half_hour_of_a_day_on_which_clocks_change_is_looked_at(scenario: str, count: int) -> None:
    estate = build_estate(shipped_scenarios()[scenario])
    at_us = clock_change_slots(estate)
    assert len(at_us) == len(set(at_us)) == count
    local = {datetime.fromtimestamp(one // 1_000_000, ZoneInfo("Europe/London")).date() for one in at_us}
    assert len(local) == (count > 0)
