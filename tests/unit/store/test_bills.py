"""Bills by hand, adjustments after corrections, preferences over time, displays."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, ReadSchedule, TariffKind
from store.customers.bills import (
    ADJUST_MONTHS_MAX,
    Charges,
    check_lines,
    day_start_us,
    display,
    make_bill,
    months_to_adjust,
    packed,
    unpacked,
)
from store.customers.port import Bill, Consent, LineKind, Preference, PreferenceChange
from store.customers.preferences import choose, in_force, schedule_in_force, tariff_in_force
from store.ports import DayBill
from store.rejections import Refused
from store.tariffs import ELECTRICITY, EXPORT, FIRST_PRICES, GAS, PriceList, Rate, day_totals

JANUARY, FEBRUARY, MARCH = 202601, 202602, 202603
FIRST_US = day_start_us(JANUARY, 1)
HOME = 7
SECOND = PriceList(
    version=2,
    effective_us=day_start_us(JANUARY, 11),
    upence_per_wh=tuple(
        tuple((low * 2, standard * 2, peak * 2) for low, standard, peak in by_fuel)
        for by_fuel in FIRST_PRICES.upence_per_wh
    ),
    standing_upence=(60_000_000, 40_000_000, 0),
)
PRICES = (FIRST_PRICES, SECOND)


def on_flat(_: int) -> TariffKind:
    return TariffKind.FLAT


def day_bill(
    day: int,
    *,
    month: int = JANUARY,
    fuel: int = ELECTRICITY,
    wh: int = 1_000,
    version: int = 1,
    upence: int | None = None,
) -> DayBill:
    """A day of `wh` at the standard rate of the flat tariff."""
    price = PRICES[version - 1].upence_per_wh[TariffKind.FLAT][fuel][Rate.STANDARD]
    return DayBill(
        day=day,
        fuel=fuel,
        tariff_version=version,
        low_wh=0,
        standard_wh=wh,
        peak_wh=0,
        cost_upence=wh * price if upence is None else upence,
        through_us=day_start_us(month, day + 1),
    )


def bill_of(
    months: Mapping[int, Sequence[DayBill]],
    earlier: Sequence[Bill] = (),
    month: int = JANUARY,
    supplied: Mapping[int, range] | None = None,
    tariff_on=on_flat,
) -> Bill:
    charges = Charges(months=months, prices=PRICES, tariff_on=tariff_on, supplied=supplied or {})
    return make_bill(charges, earlier, premises=HOME, month=month, issued_us=FIRST_US)


def told(bill: Bill) -> list[tuple[LineKind, int, int, int, int]]:
    """kind, month, fuel, Wh, cost of each line."""
    return [
        (line.kind, line.month, line.fuel, line.low_wh + line.standard_wh + line.peak_wh, line.cost_upence)
        for line in bill.lines
    ]


def test_a_month_by_hand() -> None:
    """Ten days at the first prices, ten at twice them; gas on one day; export is paid for."""
    days = [day_bill(day) for day in range(1, 11)] + [day_bill(day, version=2) for day in range(11, 21)]
    days += [day_bill(3, fuel=GAS, wh=5_000), day_bill(4, fuel=EXPORT, wh=2_000)]
    bill = bill_of({JANUARY: days}, supplied={ELECTRICITY: range(1, 32), GAS: range(1, 11)})
    assert told(bill) == [
        (LineKind.ENERGY, JANUARY, ELECTRICITY, 10_000, 245_000_000),
        (LineKind.ENERGY, JANUARY, ELECTRICITY, 10_000, 490_000_000),
        (LineKind.ENERGY, JANUARY, GAS, 5_000, 30_000_000),
        (LineKind.ENERGY, JANUARY, EXPORT, 2_000, -30_000_000),
        (LineKind.STANDING, JANUARY, ELECTRICITY, 0, 10 * 54_000_000),
        (LineKind.STANDING, JANUARY, ELECTRICITY, 0, 21 * 60_000_000),
        (LineKind.STANDING, JANUARY, GAS, 0, 10 * 32_000_000),
    ]
    assert [line.days for line in bill.lines if line.kind is LineKind.STANDING] == [10, 21, 10]
    assert [line.tariff_version for line in bill.lines[:2]] == [1, 2]
    assert bill.total_upence == 735_000_000 + 540_000_000 + 1_260_000_000 + 320_000_000
    assert (bill.premises, bill.number, bill.month) == (HOME, 1, JANUARY)


def test_another_tariff_is_another_line() -> None:
    def tariff_on(day_us: int) -> TariffKind:
        return TariffKind.FLAT if day_us < day_start_us(JANUARY, 5) else TariffKind.TIME_OF_USE

    bill = bill_of({JANUARY: [day_bill(4), day_bill(5, upence=9)]}, tariff_on=tariff_on)
    assert [(line.tariff, line.cost_upence) for line in bill.lines] == [
        (TariffKind.FLAT, 24_500_000),
        (TariffKind.TIME_OF_USE, 9),
    ]


def test_a_correction_is_an_adjusting_line_of_the_next_bill() -> None:
    first = bill_of({JANUARY: [day_bill(1), day_bill(2)]})
    corrected = [day_bill(1, wh=900), day_bill(2)]
    second = bill_of({JANUARY: corrected, FEBRUARY: [day_bill(1, month=FEBRUARY, version=2)]}, [first], FEBRUARY)
    assert told(second) == [
        (LineKind.ENERGY, FEBRUARY, ELECTRICITY, 1_000, 49_000_000),
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, -100, -2_450_000),
    ]
    assert second.number == 2
    third = bill_of(
        {JANUARY: corrected, FEBRUARY: [day_bill(1, month=FEBRUARY, version=2)], MARCH: []}, [first, second], MARCH
    )
    assert told(third) == []
    assert third.total_upence == 0


def test_a_correction_that_moves_energy_between_rates_costs_the_difference() -> None:
    first = bill_of({JANUARY: [day_bill(1)]})
    moved = DayBill(
        day=1, fuel=0, tariff_version=1, low_wh=400, standard_wh=600, peak_wh=0, cost_upence=5, through_us=FIRST_US
    )
    (line,) = bill_of({JANUARY: [moved]}, [first]).lines
    assert (line.low_wh, line.standard_wh, line.peak_wh, line.cost_upence) == (400, -400, 0, 5 - 24_500_000)


def test_a_day_that_was_read_late_is_adjusted_and_its_standing_charge_is_not_due_again() -> None:
    supplied = {ELECTRICITY: range(1, 32)}
    first = bill_of({JANUARY: [day_bill(1)]}, supplied=supplied)
    again = bill_of({JANUARY: [day_bill(1), day_bill(2)]}, [first], supplied=supplied)
    assert told(again) == [(LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, 1_000, 24_500_000)]


def test_old_months_are_closed_at_last() -> None:
    first = bill_of({JANUARY: []})
    assert ADJUST_MONTHS_MAX == 14
    assert months_to_adjust([first], 202703) == [JANUARY]
    assert months_to_adjust([first], 202704) == []


def test_lines_are_packed_and_unpacked() -> None:
    bill = bill_of({JANUARY: [day_bill(1), day_bill(11, version=2)]}, supplied={ELECTRICITY: range(1, 32)})
    numbers = packed(bill.lines)
    assert numbers[:10] == [0, JANUARY, 0, 0, 1, 0, 0, 1_000, 0, 24_500_000]
    assert unpacked(numbers) == bill.lines
    assert unpacked([]) == ()


def test_a_bill_has_a_limit_of_lines() -> None:
    bill = bill_of({JANUARY: [day_bill(1), day_bill(11, version=2)]})
    check_lines(bill, 2)
    with pytest.raises(Refused, match="bill 1 of home 7 has 2 lines: at most 1"):
        check_lines(bill, 1)


# -- bills add up to the half-hours ------------------------------------------------------------------------------------------

DAYS = 3
cells = st.integers(0, 2_000)
homes_days = st.lists(st.lists(cells, min_size=48, max_size=48), min_size=2 * DAYS, max_size=2 * DAYS)
corrections = st.lists(
    st.tuples(st.integers(0, 2 * DAYS - 1), st.integers(0, 47), cells), max_size=4
)  # (day, slot, what it is now)


def view_of(values_wh: np.ndarray, tariff_on) -> dict[int, list[DayBill]]:
    """The billing view of three days each of January and February, electricity and export by turns."""
    months: dict[int, list[DayBill]] = {}
    for month, rows in ((JANUARY, range(DAYS)), (FEBRUARY, range(DAYS, 2 * DAYS))):
        months[month] = []
        for row in rows:
            day = 10 + row % DAYS
            fuel = EXPORT if row % 2 else ELECTRICITY
            start_us = day_start_us(month, day)
            totals = day_totals(
                PRICES,
                day_start_us=np.array([start_us]),
                values_wh=values_wh[row : row + 1],
                slot_count=np.array([48]),
                kind=np.array([tariff_on(start_us)], np.uint8),
                fuel=np.array([fuel], np.int8),
            )
            months[month].append(
                DayBill(
                    day=day,
                    fuel=fuel,
                    tariff_version=int(totals.tariff_version[0]),
                    low_wh=int(totals.low_wh[0]),
                    standard_wh=int(totals.standard_wh[0]),
                    peak_wh=int(totals.peak_wh[0]),
                    cost_upence=int(totals.cost_upence[0]),
                    through_us=start_us + DAY_US,
                )
            )
    return months


@settings(deadline=None, max_examples=60)
@given(values=homes_days, rounds=st.lists(corrections, min_size=1, max_size=4))
def test_all_bills_together_are_the_half_hours_at_the_last_of_them(
    values: list[list[int]], rounds: list[list[tuple[int, int, int]]]
) -> None:
    def tariff_on(day_us: int) -> TariffKind:
        return TariffKind.TIME_OF_USE if day_us >= day_start_us(JANUARY, 12) else TariffKind.FLAT

    held = np.array(values, np.int32)
    bills = [bill_of(view_of(held, tariff_on), tariff_on=tariff_on)]
    for number, changed in enumerate(rounds):
        for row, slot, wh in changed:
            held[row, slot] = wh
        month = FEBRUARY if number == 0 else MARCH
        view = {MARCH: []} | view_of(held, tariff_on)
        bills.append(bill_of(view, bills, month, tariff_on=tariff_on))
    lines = [line for bill in bills for line in bill.lines]
    for month, days in view_of(held, tariff_on).items():
        of_month = [line for line in lines if line.month == month]
        for name in ("low_wh", "standard_wh", "peak_wh", "cost_upence"):
            assert sum(getattr(line, name) for line in of_month) == sum(getattr(day, name) for day in days)
    assert sum(bill.total_upence for bill in bills) == sum(line.cost_upence for line in lines)
    assert [bill.number for bill in bills] == list(range(1, len(bills) + 1))


# -- preferences ---------------------------------------------------------------------------------------------------------------

NOON = FIRST_US + DAY_US // 2


@pytest.mark.parametrize(
    ("changed_us", "effective_us"),
    [
        (FIRST_US - 1, FIRST_US),
        (FIRST_US, FIRST_US + DAY_US),
        (NOON, FIRST_US + DAY_US),
        (FIRST_US + DAY_US - 1, FIRST_US + DAY_US),
    ],
)
def test_a_choice_takes_effect_at_the_next_midnight(changed_us: int, effective_us: int) -> None:
    assert choose(Preference.CONSENT, Consent.DAILY, changed_us).effective_us == effective_us


@pytest.mark.parametrize("preference", Preference)
def test_a_choice_that_there_is_not_is_refused(preference: Preference) -> None:
    with pytest.raises(Refused, match=f"{preference.name.lower()} 9: there are 0 "):
        choose(preference, 9, NOON)


def test_what_is_in_force() -> None:
    history = [
        choose(Preference.TARIFF, TariffKind.TIME_OF_USE, NOON),
        choose(Preference.TARIFF, TariffKind.HALF_HOURLY, NOON + 60_000_000),  # thought better of it
        choose(Preference.TARIFF, TariffKind.FLAT, NOON + 3 * DAY_US),
    ]
    for order in (history, history[::-1]):
        assert in_force(order, Preference.TARIFF, FIRST_US + DAY_US - 1) is None
        assert tariff_in_force(order, NOON, TariffKind.FLAT) is TariffKind.FLAT
        assert tariff_in_force(order, FIRST_US + DAY_US, TariffKind.FLAT) is TariffKind.HALF_HOURLY
        assert tariff_in_force(order, FIRST_US + 4 * DAY_US - 1, TariffKind.FLAT) is TariffKind.HALF_HOURLY
        assert tariff_in_force(order, FIRST_US + 4 * DAY_US, TariffKind.TIME_OF_USE) is TariffKind.FLAT
    assert in_force(history, Preference.CONSENT, FIRST_US + 9 * DAY_US) is None


@pytest.mark.parametrize(
    ("chosen", "consent", "schedule"),
    [
        (None, None, ReadSchedule.HALF_HOURLY),
        (ReadSchedule.DAILY, None, ReadSchedule.DAILY),
        (ReadSchedule.TEN_SECOND, Consent.HALF_HOURLY, ReadSchedule.HALF_HOURLY),
        (ReadSchedule.TEN_SECOND, Consent.TEN_SECOND, ReadSchedule.TEN_SECOND),
        (None, Consent.MONTHLY, ReadSchedule.MONTHLY),
        (ReadSchedule.DAILY, Consent.TEN_SECOND, ReadSchedule.DAILY),
        (ReadSchedule.MONTHLY, Consent.DAILY, ReadSchedule.MONTHLY),
    ],
)
def test_no_meter_is_read_more_finely_than_its_customer_consents_to(
    chosen: ReadSchedule | None, consent: Consent | None, schedule: ReadSchedule
) -> None:
    history: list[PreferenceChange] = []
    if chosen is not None:
        history.append(choose(Preference.READ_SCHEDULE, chosen, NOON))
    if consent is not None:
        history.append(choose(Preference.CONSENT, consent, NOON))
    midnight = FIRST_US + DAY_US
    assert schedule_in_force(history, midnight, ReadSchedule.HALF_HOURLY) is schedule
    assert schedule_in_force(history, midnight - 1, ReadSchedule.HALF_HOURLY) is ReadSchedule.HALF_HOURLY


# -- displays ------------------------------------------------------------------------------------------------------------------


def test_a_display_by_hand() -> None:
    now_us = day_start_us(JANUARY, 11) + 33 * SLOT_US + 5  # 16:30, at the second prices
    today = [
        DayBill(
            day=11, fuel=0, tariff_version=2, low_wh=10, standard_wh=20, peak_wh=3, cost_upence=77, through_us=now_us
        )
    ]
    electricity, gas = display(PRICES, TariffKind.TIME_OF_USE, today, (ELECTRICITY, GAS), now_us)
    assert (electricity.price.version, electricity.price.rate, electricity.price.upence_per_wh) == (
        2,
        Rate.PEAK,
        72_000,
    )
    assert (electricity.today_wh, electricity.today_upence, electricity.standing_upence) == (33, 77, 60_000_000)
    assert (gas.fuel, gas.price.upence_per_wh, gas.today_wh, gas.today_upence) == (GAS, 12_000, 0, 0)
    (before,) = display(PRICES, TariffKind.FLAT, [], (ELECTRICITY,), day_start_us(JANUARY, 11) - 1)
    assert (before.price.version, before.price.upence_per_wh, before.standing_upence) == (1, 24_500, 54_000_000)
