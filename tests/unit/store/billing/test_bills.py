"""Bills by hand, adjustments after corrections, preferences over time, displays."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.calendar import GREAT_BRITAIN, UTC_CALENDAR, Calendar, days_of_month
from scenarios.domain import DAY_US, SLOT_US, ReadSchedule, TariffKind
from scenarios.tariffs import Register
from store.billing.bills import (
    ADJUST_MONTHS_MAX,
    check_request,
    days_billed,
    display,
    make_bill,
    months_to_adjust,
)
from store.billing.charges import Charges, DayEnergy
from store.billing.records import ALL_RATES, Bill, LineKind
from store.customers.packing import packed, unpacked
from store.customers.port import Consent, Preference, PreferenceChange
from store.customers.preferences import choose, in_force, schedule_in_force, tariff_in_force
from store.rejections import Refused
from store.tariffs import ELECTRICITY, EXPORT, FIRST_PRICES, GAS, PriceList, day_totals
from tests.support.days import day_start_us

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


def used(
    day: int,
    *,
    month: int = JANUARY,
    fuel: int = ELECTRICITY,
    wh: int = 1_000,
    version: int = 1,
    upence: int | None = None,
    tariff: TariffKind = TariffKind.FLAT,
) -> DayEnergy:
    """A day of `wh` at the standard rate of the flat tariff."""
    price = PRICES[version - 1].upence_per_wh[TariffKind.FLAT][fuel][Register.STANDARD]
    return DayEnergy(
        day=days_of_month(month)[day - 1],
        fuel=fuel,
        tariff=tariff,
        tariff_version=version,
        low_wh=0,
        standard_wh=wh,
        peak_wh=0,
        cost_upence=wh * price if upence is None else upence,
    )


ALL = {ELECTRICITY: range(1, 29), GAS: range(1, 29), EXPORT: range(1, 29)}


def bill_of(
    energy: Mapping[int, Sequence[DayEnergy]],
    earlier: Sequence[Bill] = (),
    month: int = JANUARY,
    supplied: Mapping[int, range] | None = None,
    tariff_on=on_flat,
    ended_us: Mapping[int, int] | None = None,
    lines_max: int = 100,
    calendar: Calendar = UTC_CALENDAR,
) -> Bill:
    charges = Charges(
        energy=energy,
        prices=PRICES,
        tariff_on=tariff_on,
        supplied=ALL if supplied is None else supplied,
        ended_us=ended_us or {},
        calendar=calendar,
    )
    return make_bill(charges, earlier, premises=HOME, month=month, issued_us=FIRST_US, lines_max=lines_max)


def energy_lines(bill: Bill) -> list[tuple[LineKind, int, int, int, int]]:
    return [one for one in told(bill) if one[0] is not LineKind.STANDING]


def told(bill: Bill) -> list[tuple[LineKind, int, int, int, int]]:
    """kind, month, fuel, Wh, cost of each line."""
    return [
        (line.kind, line.month, line.fuel, line.low_wh + line.standard_wh + line.peak_wh, line.cost_upence)
        for line in bill.lines
    ]


def test_a_month_by_hand() -> None:
    """Ten days at the first prices, ten at twice them; gas on one day; export is paid for."""
    days = [used(day) for day in range(1, 11)] + [used(day, version=2) for day in range(11, 21)]
    days += [used(3, fuel=GAS, wh=5_000), used(4, fuel=EXPORT, wh=2_000)]
    supplied = {ELECTRICITY: range(1, 32), GAS: range(1, 11), EXPORT: range(4, 5)}
    bill = bill_of({JANUARY: days}, supplied=supplied)
    assert told(bill) == [
        (LineKind.ENERGY, JANUARY, ELECTRICITY, 10_000, 245_000_000),
        (LineKind.ENERGY, JANUARY, ELECTRICITY, 10_000, 490_000_000),
        (LineKind.ENERGY, JANUARY, GAS, 5_000, 30_000_000),
        (LineKind.ENERGY, JANUARY, EXPORT, 2_000, -30_000_000),
        (LineKind.STANDING, JANUARY, ELECTRICITY, 0, 10 * 54_000_000),
        (LineKind.STANDING, JANUARY, ELECTRICITY, 0, 21 * 60_000_000),
        (LineKind.STANDING, JANUARY, GAS, 0, 10 * 32_000_000),
        (LineKind.STANDING, JANUARY, EXPORT, 0, 0),
    ]
    standing = [line for line in bill.lines if line.kind is LineKind.STANDING]
    assert [(line.first_day, line.days) for line in standing] == [(1, 10), (11, 21), (1, 10), (4, 1)]
    assert [line.tariff_version for line in bill.lines[:2]] == [1, 2]
    assert bill.total_upence == 735_000_000 + 540_000_000 + 1_260_000_000 + 320_000_000
    assert (bill.premises, bill.number, bill.month) == (HOME, 1, JANUARY)


def test_another_tariff_is_another_line() -> None:
    def tariff_on(day_us: int) -> TariffKind:
        return TariffKind.FLAT if day_us < day_start_us(JANUARY, 5) else TariffKind.TIME_OF_USE

    days = [used(4), used(5, upence=9, tariff=TariffKind.TIME_OF_USE)]
    bill = bill_of({JANUARY: days}, tariff_on=tariff_on, supplied={ELECTRICITY: range(4, 6)})
    assert [(line.kind, line.tariff, line.first_day, line.cost_upence) for line in bill.lines] == [
        (LineKind.ENERGY, TariffKind.FLAT, 0, 24_500_000),
        (LineKind.ENERGY, TariffKind.TIME_OF_USE, 0, 9),
        (LineKind.STANDING, TariffKind.FLAT, 4, 54_000_000),
        (LineKind.STANDING, TariffKind.TIME_OF_USE, 5, 54_000_000),
    ]


def test_energy_is_of_the_days_and_fuels_of_supply() -> None:
    """Who left on the 10th pays for ten days; who came on the 11th for the rest; gas is another supplier's."""
    january = {JANUARY: [used(day) for day in range(1, 32)] + [used(1, fuel=GAS)]}
    left = bill_of(january, supplied={ELECTRICITY: range(1, 11)})
    came = bill_of(january, [left], supplied={ELECTRICITY: range(11, 32)})
    assert sum(one[3] for one in told(left)) == 10_000
    assert sum(one[3] for one in told(came)) == 21_000
    assert {line.fuel for bill in (left, came) for line in bill.lines} == {ELECTRICITY}


@pytest.mark.parametrize(
    "runs",
    [
        [range(1, 32)],
        [range(1, 11), range(11, 32)],
        [range(1, 11), range(1, 32)],  # the second run has the whole month again
        [range(5, 20), range(1, 32), range(3, 9)],
        [range(20, 32), range(0), range(1, 20)],
    ],
)
def test_every_supplied_day_is_billed_once_whatever_days_the_runs_fall_on(runs: list[range]) -> None:
    january = {
        JANUARY: [used(day, wh=day) for day in range(1, 11)] + [used(day, wh=day, version=2) for day in range(11, 32)]
    }
    bills: list[Bill] = []
    for days in runs:
        bills.append(bill_of(january, bills, supplied={ELECTRICITY: days}))
    lines = [line for bill in bills for line in bill.lines]
    assert sum(line.days for line in lines) == 31
    assert sum(line.standard_wh for line in lines) == sum(range(1, 32))
    assert (
        sum(line.cost_upence for line in lines if line.kind is LineKind.STANDING) == 10 * 54_000_000 + 21 * 60_000_000
    )
    assert days_billed(bills) == {(ELECTRICITY, day) for day in days_of_month(JANUARY)}


def test_what_was_billed_after_supply_had_ended_is_given_back() -> None:
    energy = {JANUARY: [used(day, version=1 + (day > 10)) for day in range(1, 32)], FEBRUARY: []}
    first = bill_of(energy, supplied={ELECTRICITY: range(1, 32)})
    ended = {ELECTRICITY: day_start_us(JANUARY, 9)}
    second = bill_of(energy, [first], FEBRUARY, supplied={ELECTRICITY: range(1, 29)}, ended_us=ended)
    assert [
        (line.first_day, line.days, line.cost_upence) for line in second.lines if line.kind is LineKind.STANDING
    ] == [
        (9, -2, -2 * 54_000_000),
        (11, -21, -21 * 60_000_000),
    ]
    assert energy_lines(second) == [
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, -2_000, -49_000_000),
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, -21_000, -21 * 49_000_000),
    ]
    assert first.total_upence + second.total_upence == 8 * (24_500_000 + 54_000_000)
    third = bill_of(energy, [first, second], FEBRUARY, supplied={ELECTRICITY: range(1, 29)}, ended_us=ended)
    assert third.lines == ()
    again = bill_of(
        energy, [first, second], JANUARY, supplied={ELECTRICITY: range(1, 32)}
    )  # it had not ended after all
    assert first.total_upence + second.total_upence + again.total_upence == first.total_upence


def test_a_bill_of_energy_alone() -> None:
    """Nobody has said who is supplied: all energy, no standing charge, which a later bill can have."""
    energy = {JANUARY: [used(1), used(2, fuel=GAS)]}
    first = bill_of(energy, supplied={})
    assert [(line.kind, line.fuel, line.standard_wh) for line in first.lines] == [
        (LineKind.ENERGY, ELECTRICITY, 1_000),
        (LineKind.ENERGY, GAS, 1_000),
    ]
    assert bill_of(energy, [first], supplied={}).lines == ()
    more = {JANUARY: [*energy[JANUARY], used(3, fuel=EXPORT)]}
    second = bill_of(more, [first], supplied={ELECTRICITY: range(1, 32)})
    assert [(line.kind, line.fuel, line.days) for line in second.lines] == [
        (LineKind.STANDING, ELECTRICITY, 10),
        (LineKind.STANDING, ELECTRICITY, 21),
        (LineKind.ADJUSTMENT, EXPORT, 0),
    ]
    assert bill_of(more, [first, second], supplied={ELECTRICITY: range(1, 32)}).lines == ()


def test_a_correction_is_an_adjusting_line_of_the_next_bill() -> None:
    first = bill_of({JANUARY: [used(1), used(2)]})
    corrected = [used(1, wh=900), used(2)]
    second = bill_of({JANUARY: corrected, FEBRUARY: [used(1, month=FEBRUARY, version=2)]}, [first], FEBRUARY)
    assert energy_lines(second) == [
        (LineKind.ENERGY, FEBRUARY, ELECTRICITY, 1_000, 49_000_000),
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, -100, -2_450_000),
    ]
    assert second.number == 2
    held = {JANUARY: corrected, FEBRUARY: [used(1, month=FEBRUARY, version=2)], MARCH: []}
    third = bill_of(held, [first, second], MARCH, supplied={})
    assert told(third) == []
    assert third.total_upence == 0


def test_a_correction_that_moves_energy_between_rates_costs_the_difference() -> None:
    first = bill_of({JANUARY: [used(1)]})
    moved = replace(used(1), low_wh=400, standard_wh=600, cost_upence=5)
    (line,) = bill_of({JANUARY: [moved]}, [first]).lines
    assert (line.low_wh, line.standard_wh, line.peak_wh, line.cost_upence) == (400, -400, 0, 5 - 24_500_000)


def test_a_day_that_was_read_late_is_adjusted_and_its_standing_charge_is_not_due_again() -> None:
    supplied = {ELECTRICITY: range(1, 32)}
    first = bill_of({JANUARY: [used(1)]}, supplied=supplied)
    again = bill_of({JANUARY: [used(1), used(2)]}, [first], supplied=supplied)
    assert told(again) == [(LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, 1_000, 24_500_000)]


def test_old_months_are_closed_at_last() -> None:
    first = bill_of({JANUARY: []})
    assert ADJUST_MONTHS_MAX == 14
    assert months_to_adjust([first], 202703) == [JANUARY]
    assert months_to_adjust([first], 202704) == []


def test_lines_are_packed_and_unpacked() -> None:
    bill = bill_of({JANUARY: [used(1), used(11, version=2)]}, supplied={ELECTRICITY: range(1, 32)})
    numbers = packed(bill.lines)
    assert numbers[:15] == [-14, 0, JANUARY, 0, 0, 1, 0, 0, 0, 1_000, 0, 24_500_000, -1, 0, 0]
    assert numbers[43:57] == [1, JANUARY, 0, 0, 2, 11, 21, 0, 0, 0, 21 * 60_000_000, -1, 0, 0]
    assert unpacked(numbers) == bill.lines
    of_rates = tuple(replace(line, rate=at, block=1) for at, line in enumerate(bill.lines))
    assert unpacked(packed(of_rates)) == of_rates


def test_bills_from_before_there_were_lines_a_rate_are_of_all_rates() -> None:
    (line,) = unpacked([-11, 0, JANUARY, 0, 0, 1, 0, 0, 0, 1_000, 0, 24_500_000])
    assert (line.rate, line.cost_upence) == (ALL_RATES, 24_500_000)
    (line,) = unpacked([-13, 0, JANUARY, 0, 0, 1, 0, 0, 0, 1_000, 0, 24_500_000, 2, 1])
    assert (line.rate, line.block, line.demand_w) == (2, 1, 0)
    assert unpacked([]) == ()


def test_bills_that_were_issued_before_lines_had_a_first_day_are_neither_billed_again_nor_taken_back() -> None:
    """Their energy was of the whole month and of all fuels, whoever was supplied; their standing charges ran on from day 1."""
    old = [0, JANUARY, 0, 0, 1, 0, 0, 1_000, 0, 24_500_000, 0, JANUARY, 1, 0, 1, 0, 0, 1_000, 0, 6_000_000]
    old += [1, JANUARY, 0, 0, 1, 10, 0, 0, 0, 540_000_000, 1, JANUARY, 0, 0, 2, 21, 0, 0, 0, 1_260_000_000]
    lines = unpacked(old)
    assert [(line.kind, line.first_day, line.days) for line in lines] == [
        (LineKind.ENERGY, 1, 31),
        (LineKind.ENERGY, 1, 31),
        (LineKind.STANDING, 1, 10),
        (LineKind.STANDING, 11, 21),
    ]
    first = Bill(premises=HOME, number=1, month=JANUARY, issued_us=FIRST_US, total_upence=0, lines=lines)
    energy = {JANUARY: [used(1), used(2, fuel=GAS)]}
    assert bill_of(energy, [first], supplied={ELECTRICITY: range(1, 32)}).lines == ()


def test_corrections_that_find_no_room_are_on_the_next_bill() -> None:
    first = bill_of({JANUARY: []}, supplied=ALL)
    late = {JANUARY: [used(1), used(11, version=2), used(2, fuel=GAS)], FEBRUARY: [used(1, month=FEBRUARY)], MARCH: []}
    second = bill_of(late, [first], FEBRUARY, supplied={ELECTRICITY: range(1, 2)}, lines_max=3)
    assert [line.kind for line in second.lines] == [LineKind.ENERGY, LineKind.STANDING, LineKind.ADJUSTMENT]
    third = bill_of(late, [first, second], MARCH, supplied={}, lines_max=1)
    fourth = bill_of(late, [first, second, third], MARCH, supplied={}, lines_max=1)
    assert [len(one.lines) for one in (third, fourth)] == [1, 1]
    adjusted = [line for bill in (second, third, fourth) for line in bill.lines if line.kind is LineKind.ADJUSTMENT]
    assert sum(line.cost_upence for line in adjusted) == 24_500_000 + 49_000_000 + 6_000_000
    assert bill_of(late, [first, second, third, fourth], MARCH, supplied={}).lines == ()


def by_rates(day: int, *wh: int) -> list[DayEnergy]:
    return [replace(used(day, wh=one), rate=rate) for rate, one in enumerate(wh) if one]


def test_each_rate_is_a_line_and_corrected_as_one() -> None:
    first = bill_of({JANUARY: [*by_rates(1, 300, 700), *by_rates(2, 10)]}, supplied={ELECTRICITY: range(1, 32)})
    assert [(line.rate, line.standard_wh) for line in first.lines if line.kind is LineKind.ENERGY] == [
        (0, 310),
        (1, 700),
    ]
    known = {JANUARY: [*by_rates(1, 300, 600, 50), *by_rates(2, 10)], FEBRUARY: []}
    second = bill_of(known, [first], FEBRUARY, supplied={})
    assert [(line.kind, line.rate, line.standard_wh) for line in second.lines] == [
        (LineKind.ADJUSTMENT, 1, -100),
        (LineKind.ADJUSTMENT, 2, 50),
    ]
    assert bill_of(known, [first, second], FEBRUARY, supplied={}).lines == ()


def test_a_bill_without_room_for_its_rates_has_one_line_for_all_and_is_corrected_so() -> None:
    supplied = {ELECTRICITY: range(1, 11)}
    first = bill_of({JANUARY: by_rates(1, 300, 700, 5)}, supplied=supplied, lines_max=3)
    (line, _) = first.lines
    assert (line.rate, line.standard_wh, line.cost_upence) == (ALL_RATES, 1_005, 1_005 * 24_500)
    assert bill_of({JANUARY: by_rates(1, 300, 700, 5), FEBRUARY: []}, [first], FEBRUARY, supplied={}).lines == ()
    second = bill_of({JANUARY: by_rates(1, 300, 703), FEBRUARY: []}, [first], FEBRUARY, supplied={})
    assert [(one.rate, one.standard_wh) for one in second.lines] == [(ALL_RATES, -2)]


def test_energy_alone_that_was_given_back_stays_given_back() -> None:
    """Supply of electricity turned out to have ended on the 11th; a later bill is not told so again."""
    energy = {JANUARY: [used(1), used(20, version=2), used(3, fuel=GAS)], FEBRUARY: [], MARCH: []}
    first = bill_of(energy, supplied={})
    ended = {ELECTRICITY: day_start_us(JANUARY, 11)}
    second = bill_of(energy, [first], FEBRUARY, supplied={}, ended_us=ended)
    assert energy_lines(second) == [
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, 0, 0),
        (LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, -1_000, -49_000_000),
    ]
    assert (second.lines[0].first_day, second.lines[0].days) == (11, -21)
    assert unpacked(packed(second.lines)) == second.lines
    for ended_us in (None, ended):
        assert bill_of(energy, [first, second], MARCH, supplied={}, ended_us=ended_us).lines == ()
    corrected = energy | {JANUARY: [used(1, wh=1_100), used(20, version=2, wh=900), used(3, fuel=GAS)]}
    third = bill_of(corrected, [first, second], MARCH, supplied={})
    assert energy_lines(third) == [(LineKind.ADJUSTMENT, JANUARY, ELECTRICITY, 100, 2_450_000)]


def test_energy_alone_of_a_supply_that_had_ended_is_not_billed_later() -> None:
    energy = {JANUARY: [used(1), used(20, version=2)], FEBRUARY: []}
    first = bill_of(energy, supplied={}, ended_us={ELECTRICITY: day_start_us(JANUARY, 11)})
    assert [one for one in energy_lines(first) if one[3]] == [
        (LineKind.ENERGY, JANUARY, ELECTRICITY, 1_000, 24_500_000)
    ]
    assert bill_of(energy, [first], FEBRUARY, supplied={}).lines == ()


def test_a_bill_whose_own_days_have_no_room_is_refused() -> None:
    with pytest.raises(Refused, match="bill 1 of home 7 has 4 lines for its own days: at most 3"):
        bill_of({JANUARY: [used(1), used(11, version=2)]}, supplied={ELECTRICITY: range(1, 32)}, lines_max=3)


@pytest.mark.parametrize(
    ("month", "supplied", "told"),
    [
        (202606, {0: range(1, 32)}, r"days range\(1, 32\) of 202606: .* of 1 .. 30"),
        (202607, {0: range(32)}, "of 1 .. 31"),
        (202602, {0: range(1, 30)}, "of 1 .. 28"),
        (202607, {0: range(1, 32, 2)}, "without a gap"),
        (202607, {0: range(9, 1, -1)}, "without a gap"),
        (202613, {0: range(1, 32)}, "there is no month 202613"),
        (202607, {3: range(1, 32)}, "fuel 3: there are 0, 1, 2"),
        (203607, {0: range(1, 32)}, "a bill of 203607 issued at"),
        (203607, {}, "a bill of 203607 issued at"),
        (202608, {0: range(1, 3)}, "for 2026-08-02, which begins at"),
    ],
)
def test_months_days_and_fuels_that_there_are_not_are_refused(
    month: int, supplied: dict[int, range], told: str
) -> None:
    issued_us = day_start_us(202608, 2) - 1
    with pytest.raises(Refused, match=told):
        check_request(month=month, supplied=supplied, issued_us=issued_us, calendar=UTC_CALENDAR)


def test_what_may_be_billed() -> None:
    for supplied in ({}, {0: range(0)}, {0: range(1, 32), 1: range(31, 32), 2: range(1, 2)}):
        check_request(month=202607, supplied=supplied, issued_us=day_start_us(202607, 31), calendar=UTC_CALENDAR)
    check_request(
        month=202608,
        supplied={0: range(1, 2)},
        issued_us=day_start_us(202608, 1) - DAY_US // 24,
        calendar=GREAT_BRITAIN,
    )


# -- bills add up to the half-hours ------------------------------------------------------------------------------------------

DAYS = 3
cells = st.integers(0, 2_000)
homes_days = st.lists(st.lists(cells, min_size=48, max_size=48), min_size=2 * DAYS, max_size=2 * DAYS)
corrections = st.lists(
    st.tuples(st.integers(0, 2 * DAYS - 1), st.integers(0, 47), cells), max_size=4
)  # (day, slot, what it is now)


def energy_of(values_wh: np.ndarray, tariff_on) -> dict[int, list[DayEnergy]]:
    """Three days each of January and February, electricity and export by turns."""
    months: dict[int, list[DayEnergy]] = {}
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
                DayEnergy(
                    day=days_of_month(month)[day - 1],
                    fuel=fuel,
                    tariff=tariff_on(start_us),
                    tariff_version=int(totals.tariff_version[0]),
                    low_wh=int(totals.low_wh[0]),
                    standard_wh=int(totals.standard_wh[0]),
                    peak_wh=int(totals.peak_wh[0]),
                    cost_upence=int(totals.cost_upence[0]),
                )
            )
    return months


@settings(deadline=None, max_examples=60)
@given(values=homes_days, rounds=st.lists(corrections, min_size=1, max_size=4), lines_max=st.integers(12, 40))
def test_all_bills_together_are_the_half_hours_at_the_last_of_them(
    values: list[list[int]], rounds: list[list[tuple[int, int, int]]], lines_max: int
) -> None:
    def tariff_on(day_us: int) -> TariffKind:
        return TariffKind.TIME_OF_USE if day_us >= day_start_us(JANUARY, 12) else TariffKind.FLAT

    supplied = {fuel: range(10, 13) for fuel in (ELECTRICITY, EXPORT)}

    def next_one(month: int, asked: Mapping[int, range]) -> Bill:
        energy = {MARCH: []} | energy_of(held, tariff_on)
        return bill_of(energy, bills, month, asked, tariff_on=tariff_on, lines_max=lines_max)

    held, bills = np.array(values, np.int32), list[Bill]()
    bills.append(next_one(JANUARY, supplied))
    for number, changed in enumerate(rounds):
        for row, slot, wh in changed:
            held[row, slot] = wh
        bills.append(next_one(*((FEBRUARY, supplied) if number == 0 else (MARCH, {}))))
    while bills[-1].lines:  # corrections that found no room
        bills.append(next_one(MARCH, {}))
    lines = [line for bill in bills for line in bill.lines]
    for month, days in energy_of(held, tariff_on).items():
        of_month = [line for line in lines if line.month == month and line.kind is not LineKind.STANDING]
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


@pytest.mark.parametrize("preference", [one for one in Preference if one is not Preference.TENANCY])
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
    today = [replace(used(11, version=2, upence=70), low_wh=10, standard_wh=20, peak_wh=3)]
    today.append(replace(used(11, version=2, upence=7), standard_wh=1))  # another part of the local day
    electricity, gas = display(PRICES, TariffKind.TIME_OF_USE, today, (ELECTRICITY, GAS), now_us)
    assert (electricity.price.version, electricity.price.rate, electricity.price.upence_per_wh) == (
        2,
        Register.PEAK,
        72_000,
    )
    assert (electricity.today_wh, electricity.today_upence, electricity.standing_upence) == (34, 77, 60_000_000)
    assert (gas.fuel, gas.price.upence_per_wh, gas.today_wh, gas.today_upence) == (GAS, 12_000, 0, 0)
    (before,) = display(PRICES, TariffKind.FLAT, [], (ELECTRICITY,), day_start_us(JANUARY, 11) - 1)
    assert (before.price.version, before.price.upence_per_wh, before.standing_upence) == (1, 24_500, 54_000_000)


def test_a_display_shows_price_and_standing_charge_of_one_list() -> None:
    within = replace(SECOND, effective_us=day_start_us(JANUARY, 11) - 2 * SLOT_US)  # local midnight in summer
    (shown,) = display((FIRST_PRICES, within), TariffKind.FLAT, [], (ELECTRICITY,), within.effective_us)
    assert (shown.price.version, shown.standing_upence) == (2, 60_000_000)
