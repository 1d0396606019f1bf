"""Price lists: which is in force, what may be published, what is refused; and days by hand."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, TariffKind
from scenarios.tariffs import Register, Tariff
from store.rejections import Refused
from store.tariffs import (
    ELECTRICITY,
    EXPORT,
    FIRST_PRICES,
    FUEL_CODES,
    GAS,
    MISSING_WH,
    PriceList,
    check_next,
    day_totals,
    in_force,
    list_in_force,
    list_of_version,
    price_at,
)

DAY = 20_468 * DAY_US  # 2026-01-15 00:00 UTC


def register_of(kind: TariffKind, slot: int) -> Register:
    """Of the tariffs that ship, by hand."""
    if kind is TariffKind.FLAT or not (1 <= slot < 15 or 32 <= slot < 38):
        return Register.STANDARD
    return Register.LOW if slot < 15 else Register.PEAK


def raised(version: int, effective_us: int, by: int = 1_000, standing: int = 60_000_000) -> PriceList:
    """The first prices, each dearer by so much."""
    prices = tuple(
        tuple(
            (low + by, standard + by, peak + by) if fuel != EXPORT else (low - by, standard - by, peak - by)
            for fuel, (low, standard, peak) in enumerate(by_fuel)
        )
        for by_fuel in FIRST_PRICES.upence_per_wh
    )
    return PriceList(
        version=version, effective_us=effective_us, upence_per_wh=prices, standing_upence=(standing, standing, 0)
    )


SECOND = raised(2, DAY + 46 * SLOT_US)  # 23:00 UTC, midnight in summer
BOTH = (FIRST_PRICES, SECOND)


def test_the_first_prices_are_a_price_list() -> None:
    check_next((), FIRST_PRICES, now_us=DAY)


@pytest.mark.parametrize(
    ("instant_us", "version"), [(0, 1), (SECOND.effective_us - 1, 1), (SECOND.effective_us, 2), (2 * DAY, 2)]
)
def test_a_version_is_in_force_until_the_next_one_is(instant_us: int, version: int) -> None:
    assert list_in_force(BOTH, instant_us).version == version
    assert in_force(BOTH, np.array([instant_us])).tolist() == [version - 1]


def test_before_the_first_version_nothing_is_in_force() -> None:
    with pytest.raises(Refused, match=f"the first is from {SECOND.effective_us} us on"):
        list_in_force((SECOND,), SECOND.effective_us - 1)
    with pytest.raises(Refused, match="none is published"):
        list_in_force((), SECOND.effective_us)


def test_unknown_tariffs_are_refused() -> None:
    assert list_of_version(BOTH, 2) is SECOND
    with pytest.raises(Refused, match="unknown tariff version 3: there are 1, 2"):
        list_of_version(BOTH, 3)
    assert SECOND.plan(1).name == "time of use"
    with pytest.raises(Refused, match="unknown tariff 7: price list 2 has 0 'flat', 1 'time of use', 2 'half hourly'"):
        SECOND.plan(7)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (raised(2, DAY), "can't be next: that is 3"),
        (raised(4, 2 * DAY), "can't be next: that is 3"),
        (raised(3, SECOND.effective_us), "not after 2 does"),
        (raised(3, DAY + 47 * SLOT_US), "would take effect in the past"),
        (raised(3, 2 * DAY + 1), "give a whole millisecond"),
        (raised(3, 2 * DAY, by=1_000_000), "prices are -1000000 .. 1000000 upence a Wh"),
        (raised(3, 2 * DAY, by=-1_100_000), "prices are -1000000 .. 1000000 upence a Wh"),
        (raised(3, 2 * DAY, standing=-1), "standing charges are 0 .. "),
        (raised(3, 2 * DAY, standing=3_000_000_000), "standing charges are 0 .. "),
        (replace(raised(3, 2 * DAY), standing_upence=(1, 2)), "a standing charge for each of 3 fuels"),
        (
            replace(raised(3, 2 * DAY), upence_per_wh=FIRST_PRICES.upence_per_wh[:2]),
            "a price for each of tariff, fuel and rate",
        ),
    ],
)
def test_what_may_not_be_published(new: PriceList, told: str) -> None:
    with pytest.raises(Refused, match=told):
        check_next(BOTH, new, now_us=DAY + DAY_US)


def with_flat_electricity(price: Any) -> PriceList:
    (_, *others), *kinds = FIRST_PRICES.upence_per_wh
    return replace(FIRST_PRICES, upence_per_wh=(((price,) * 3, *others), *kinds))


def test_a_price_may_go_below_zero() -> None:
    paid = replace(with_flat_electricity(-3_000), version=3, effective_us=2 * DAY)
    check_next(BOTH, paid, now_us=DAY)


@pytest.mark.parametrize("price", [26_381.7, 24_500.0, 0.07 * 1_000 * 1.05, True, "24500", None, Decimal(24_500)])
def test_a_price_that_is_no_whole_number_of_its_unit_is_refused(price: Any) -> None:
    """Each reader would make something else of it."""
    with pytest.raises(Refused, match=r"price list 1: .* in upence_per_wh is no whole number of upence"):
        with_flat_electricity(price)
    with pytest.raises(Refused, match="in standing_upence is no whole number"):
        replace(FIRST_PRICES, standing_upence=(price, 32_000_000, 0))


def test_export_is_never_charged() -> None:
    dear = tuple((electricity, gas, (1, 0, 0)) for electricity, gas, _ in FIRST_PRICES.upence_per_wh)
    with pytest.raises(Refused, match=r"FLAT, fuel 2: prices are -1000000 \.\. 0"):
        check_next(BOTH, replace(raised(3, 2 * DAY), upence_per_wh=dear), now_us=DAY)


def test_the_next_one_may_be_published() -> None:
    check_next(BOTH, raised(3, 2 * DAY), now_us=2 * DAY)


@pytest.mark.parametrize(
    ("slot", "rate", "upence", "version"),
    [
        (0, Register.STANDARD, 25_500, 1),
        (1, Register.LOW, 12_000, 1),
        (14, Register.LOW, 12_000, 1),
        (15, Register.STANDARD, 25_500, 1),
        (32, Register.PEAK, 36_000, 1),
        (37, Register.PEAK, 36_000, 1),
        (38, Register.STANDARD, 25_500, 1),
        (46, Register.STANDARD, 26_500, 2),
        (49, Register.LOW, 13_000, 2),
    ],
)
def test_the_price_of_a_half_hour_by_hand(slot: int, rate: Register, upence: int, version: int) -> None:
    for within_us in (0, SLOT_US - 1):
        price = price_at(BOTH, TariffKind.TIME_OF_USE, ELECTRICITY, DAY + slot * SLOT_US + within_us)
        assert (price.rate, price.upence_per_wh, price.version) == (rate, upence, version)


def test_a_half_hour_keeps_the_price_of_its_start() -> None:
    within = (FIRST_PRICES, raised(2, DAY + SLOT_US // 2))
    assert price_at(within, TariffKind.FLAT, GAS, DAY + SLOT_US - 1).version == 1
    assert price_at(within, TariffKind.FLAT, GAS, DAY + SLOT_US).version == 2


def test_a_day_with_two_prices_and_export_by_hand() -> None:
    """100 Wh in each half-hour; of a day two are at the new prices. Export is paid for."""
    totals = day_totals(
        BOTH,
        day_start_us=np.full(2, DAY),
        values_wh=np.full((2, 48), 100, np.int32),
        slot_count=np.array([48, 48]),
        kind=np.array([TariffKind.FLAT, TariffKind.TIME_OF_USE], np.uint8),
        fuel=np.array([ELECTRICITY, EXPORT], np.int8),
    )
    assert totals.usage_wh.tolist() == [4_800, 4_800]
    assert [totals.low_wh[1], totals.standard_wh[1], totals.peak_wh[1]] == [1_400, 2_800, 600]
    flat = 46 * 100 * 24_500 + 2 * 100 * 25_500
    paid = 1_400 * 9_000 + 2_600 * 15_000 + 600 * 22_000 + 200 * 16_000
    assert totals.cost_upence.tolist() == [flat, -paid]
    assert totals.tariff_version.tolist() == [2, 2]


@given(
    values=st.lists(st.just(MISSING_WH) | st.integers(0, 38_000), min_size=48, max_size=48),
    count=st.integers(1, 48),
    kind=st.sampled_from(TariffKind),
    fuel=st.sampled_from(FUEL_CODES),
    changes=st.lists(st.integers(0, 47), unique=True, max_size=4),
)
def test_a_day_costs_what_its_half_hours_cost(
    values: list[int], count: int, kind: TariffKind, fuel: int, changes: list[int]
) -> None:
    prices = (
        FIRST_PRICES,
        *(raised(2 + at, DAY + slot * SLOT_US, by=100 * (at + 1)) for at, slot in enumerate(sorted(changes))),
    )
    totals = day_totals(
        prices,
        day_start_us=np.array([DAY]),
        values_wh=np.array([values], np.int32),
        slot_count=np.array([count]),
        kind=np.array([kind], np.uint8),
        fuel=np.array([fuel], np.int8),
    )
    known = [(slot, value) for slot, value in enumerate(values[:count]) if value != MISSING_WH]
    one_by_one = sum(value * price_at(prices, kind, fuel, DAY + slot * SLOT_US).upence_per_wh for slot, value in known)
    assert totals.cost_upence.tolist() == [one_by_one]
    assert totals.usage_wh.tolist() == [sum(value for _, value in known)]
    by_rate = [sum(value for slot, value in known if register_of(kind, slot) is one) for one in Register]
    assert [totals.low_wh[0], totals.standard_wh[0], totals.peak_wh[0]] == by_rate


def test_days_priced_together_cost_what_each_costs_alone() -> None:
    """Homes of several tariffs and fuels, some that change theirs at midnight, on days of winter and summer, in any order."""
    prices = tuple(raised(2, DAY + 20 * SLOT_US, by=100) if at else FIRST_PRICES for at in range(2))
    random = np.random.default_rng(11)
    n = 400
    columns: dict[str, Any] = {
        "day_start_us": DAY + random.choice([0, 1, 100, 101], n) * DAY_US,
        "values_wh": random.integers(-1, 5_000, (n, 48)).astype(np.int32),
        "slot_count": random.integers(1, 49, n),
        "kind": random.integers(0, 3, n).astype(np.uint8),
        "fuel": random.integers(0, 3, n).astype(np.int8),
        "late_kind": random.integers(0, 3, n).astype(np.uint8),
    }
    fractions = replace(
        FIRST_PRICES, upence_per_wh=(), standing_upence=(), tariffs=tuple(map(with_fractions, FIRST_PRICES.plans))
    )
    for held in (prices, (fractions,)):
        together = day_totals(held, **columns, calendar=Calendar("Europe/London"))
        assert together.late_cost_upence.any() and together.tariff_version.any()
        for row in range(n):
            alone = day_totals(
                held,
                **{name: values[row : row + 1] for name, values in columns.items()},
                calendar=Calendar("Europe/London"),
            )
            for field in fields(alone):
                assert getattr(together, field.name)[row] == getattr(alone, field.name)[0], (row, field.name)


def test_no_days_come_to_nothing() -> None:
    none = np.zeros(0, np.int64)
    totals = day_totals(
        (FIRST_PRICES,),
        day_start_us=none,
        values_wh=np.zeros((0, 48), np.int32),
        slot_count=none,
        kind=none.astype(np.uint8),
        fuel=none.astype(np.int8),
    )
    assert [getattr(totals, field.name).shape for field in fields(totals)] == [(0,)] * len(fields(totals))


def with_fractions(plan: Tariff) -> Tariff:
    """The same with prices of four decimals, which no half-hour costs a whole number of upence by."""
    rates = (
        replace(rate, npence_per_wh=(*(price + 357 for price in rate.npence_per_wh[:2]), rate.npence_per_wh[2]))
        for rate in plan.rates
    )
    return replace(plan, rates=tuple(rates))
