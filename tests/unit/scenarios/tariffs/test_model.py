"""Tariffs as data: which rate each half-hour has by either clock, what is refused and in which words, and the file's form."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtests.audit.rules.tariff_clock import rate_of
from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US
from scenarios.file import load_scenario
from scenarios.spec import ScenarioError
from scenarios.tariffs import (
    HOLIDAY,
    Band,
    Block,
    Rate,
    Register,
    Tariff,
    TariffClock,
    TariffError,
    npence_of,
    pence_text,
    permille_of,
    rates_of_day,
    slot_of,
    with_series,
)
from scenarios.tariffs.demand import DemandCharge
from scenarios.tariffs.file import TariffSpec, require_tariffs
from scenarios.tariffs.text import tariffs_of, tariffs_text

LONDON = Calendar("Europe/London")
NIGHT = Rate(name="night", register=Register.LOW, npence_per_wh=(12_000_000, 6_000_000, 0))
DAY = Rate(name="day", register=Register.STANDARD, npence_per_wh=(26_415_900, 6_000_000, -15_000_000))
WEEKEND = (5, 6)


def utc_us(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


def day_of(text: str) -> int:
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


def tariff(*bands: Band, **more: Any) -> Tariff:
    return Tariff(**{"name": "saver", "rates": (NIGHT, DAY), "bands": bands, "otherwise": 1, **more})


def block(above_wh: int, npence: int = 1_000_000) -> Block:
    return Block(fuel=0, above_wh=above_wh, npence_per_wh=(1_000_000, npence))


def at_night(held: Tariff, day: str, calendar: Calendar = LONDON) -> list[int]:
    """The half-hours of a UTC day that have the rate of the night."""
    return np.flatnonzero(rates_of_day(held, calendar, utc_us(day)) == 0).tolist()


# -- clocks --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "local", "utc"),
    [
        ("2026-01-15", range(1, 15), range(1, 15)),
        ("2026-07-15", [*range(13), 47], range(1, 15)),  # 00:30 in summer is 23:30 UTC of the day before
        (
            "2026-03-29",
            [1, *range(2, 13), 47],
            range(1, 15),
        ),  # 01:00 to 02:00 is left out: the night is an hour shorter
        ("2026-10-25", range(15), range(1, 15)),  # ... or an hour longer: from 23:30 UTC of the day before
    ],
)
def test_a_band_is_by_the_clock_on_the_wall_or_by_utc(day: str, local: Any, utc: Any) -> None:
    band = Band(rate=0, first_slot=1, end_slot=15)
    assert at_night(tariff(band), day) == list(local)
    assert at_night(tariff(band, clock=TariffClock.UTC), day) == list(utc)


def test_a_band_past_midnight_is_of_the_kind_of_each_day() -> None:
    """23:30 to 05:30 of weekdays: Friday's night ends at midnight, and Monday has its own from midnight on."""
    held = tariff(Band(rate=0, first_slot=47, end_slot=11, days=(0, 1, 2, 3, 4)), clock=TariffClock.UTC)
    assert at_night(held, "2026-01-16") == [*range(11), 47]  # a Friday
    assert at_night(held, "2026-01-17") == []
    assert at_night(held, "2026-01-19") == [*range(11), 47]


def test_a_holiday_is_no_weekday() -> None:
    friday = day_of("2026-12-25")
    held = tariff(Band(rate=0, first_slot=0, end_slot=48, days=(4,)), clock=TariffClock.UTC)
    assert len(at_night(held, "2026-12-25")) == 48
    assert at_night(tariff(*held.bands, clock=TariffClock.UTC, holidays=(friday,)), "2026-12-25") == []


def test_a_season_begins_with_its_local_month() -> None:
    held = tariff(Band(rate=0, first_slot=0, end_slot=48, months=(7,)))
    assert at_night(held, "2026-06-30") == [46, 47]
    assert at_night(held, "2026-07-31") == list(range(46))


@given(
    data=st.data(),
    zone=st.sampled_from(["Europe/London", "Europe/Helsinki", "Atlantic/Reykjavik", "Australia/Lord_Howe"]),
    day=st.integers(day_of("2026-01-01"), day_of("2026-12-31"))
    | st.sampled_from([day_of("2026-03-29"), day_of("2026-10-25")]),
    clock=st.sampled_from(TariffClock),
)
def test_the_audit_counts_each_half_hour_alike(data: st.DataObject, zone: str, day: int, clock: TariffClock) -> None:
    """Random bands, held against the audit's own reading of them."""
    bands: list[Band] = []
    for _ in range(data.draw(st.integers(0, 4))):
        band = Band(
            rate=data.draw(st.integers(0, 1)),
            first_slot=data.draw(st.integers(0, 47)),
            end_slot=data.draw(st.integers(1, 48)),
            days=tuple(sorted(data.draw(st.sets(st.integers(0, HOLIDAY), min_size=1)))),
            months=tuple(sorted(data.draw(st.sets(st.integers(1, 12), min_size=1)))),
        )
        try:
            tariff(*bands, band)
        except TariffError:
            continue
        bands.append(band)
    holidays = tuple(data.draw(st.sets(st.integers(day - 1, day + 1), max_size=2)))
    held = tariff(*bands, clock=clock, holidays=holidays)
    told = rates_of_day(held, Calendar(zone), day * DAY_US).tolist()
    assert told == [rate_of(held, day * DAY_US + slot * SLOT_US, ZoneInfo(zone)) for slot in range(48)]


# -- series --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/London", "2026-03-29", 46),
        ("Europe/London", "2026-10-25", 50),
        ("Europe/London", "2026-07-01", 48),
        ("Europe/Helsinki", "2026-10-25", 50),
        ("Atlantic/Reykjavik", "2026-10-25", 48),
    ],
)
def test_each_half_hour_of_a_local_day_has_its_own_price(zone: str, day: str, count: int) -> None:
    calendar, number = Calendar(zone), day_of(day)
    prices = [f"{10 + at}.{at:04d}" for at in range(count)]
    held = with_series(tariff(), number, {"electricity": prices}, calendar)
    starts_us = calendar.day_start_us(number) + np.arange(count) * SLOT_US
    for at, start_us in enumerate(starts_us.tolist()):
        rate = int(rates_of_day(held, calendar, start_us // DAY_US * DAY_US)[start_us % DAY_US // SLOT_US])
        assert pence_text(held.rates[rate].npence_per_wh[0]) == f"{float(prices[at]):g}"
        assert rate == rate_of(held, start_us, ZoneInfo(zone)) == at
    assert len({rate.name for rate in held.rates}) == count


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-07-01", 96)])
def test_each_quarter_hour_of_a_local_day_has_its_own_price(day: str, count: int) -> None:
    """And on days without a series that of the same time by the clock on the wall; what has bands switches on half-hours."""
    calendar, number, zone = Calendar("Europe/Vienna", 4), day_of(day), ZoneInfo("Europe/Vienna")
    held = with_series(tariff(), number, {"electricity": [f"{10 + at}.{at:04d}" for at in range(count)]}, calendar)
    assert len({rate.name for rate in held.rates}) == count
    banded = tariff(Band(rate=0, first_slot=47, end_slot=11))
    for of_day in range(number - 1, number + 2):
        for start_us in range(calendar.day_start_us(of_day), calendar.day_start_us(of_day + 1), calendar.slot_us):
            for plan in (held, banded):
                at = start_us % DAY_US // calendar.slot_us
                rate = int(rates_of_day(plan, calendar, start_us // DAY_US * DAY_US)[at])
                assert rate == rate_of(plan, start_us, zone, calendar.slot_us)
    days_rates = [
        int(rates_of_day(held, calendar, at // DAY_US * DAY_US)[at % DAY_US // calendar.slot_us])
        for at in range(calendar.day_start_us(number), calendar.day_start_us(number + 1), calendar.slot_us)
    ]
    assert days_rates == list(range(count))


@pytest.mark.parametrize("count", [91, 93, 96, 46])
def test_a_series_of_quarter_hours_of_another_length_than_its_day_is_refused(count: int) -> None:
    told = rf"{count} prices of electricity for 2026-03-29, which has 92 quarter-hours in Europe/Vienna"
    with pytest.raises(TariffError, match=told):
        with_series(tariff(), day_of("2026-03-29"), {"electricity": ["1"] * count}, Calendar("Europe/Vienna", 4))


def test_of_a_day_that_was_not_published_the_last_series_holds_by_the_clock() -> None:
    """A Saturday's series on the Sunday on which the clocks go back: 01:30 comes twice, at one price."""
    calendar, saturday = LONDON, day_of("2026-10-24")
    held = with_series(tariff(), saturday, {"electricity": [f"{10 + at}" for at in range(48)]}, calendar)
    sunday = rates_of_day(held, calendar, utc_us("2026-10-25"))
    assert sunday[:6].tolist() == [2, 3, 2, 3, 4, 5]  # 01:00 and 01:30 twice, then 02:00
    assert [rate_of(held, utc_us("2026-10-25") + slot * SLOT_US, ZoneInfo("Europe/London")) for slot in range(48)] == (
        sunday.tolist()
    )


@pytest.mark.parametrize("count", [45, 47, 48, 50])
def test_a_series_of_another_length_than_its_day_is_refused(count: int) -> None:
    told = rf"tariff 'saver': {count} prices of electricity for 2026-03-29, which has 46 half-hours in Europe/London"
    with pytest.raises(TariffError, match=told):
        with_series(tariff(), day_of("2026-03-29"), {"electricity": ["1"] * count}, LONDON)


def test_after_a_day_of_46_half_hours_its_prices_hold_by_the_clock_on_the_wall() -> None:
    """Its third half-hour was that of 02:00; 01:00 and 01:30 were none, and have the price of 00:30."""
    held = with_series(tariff(), day_of("2026-03-29"), {"electricity": [f"{10 + at}" for at in range(46)]}, LONDON)
    for day in ("2026-03-30", "2026-03-31"):
        starts = [LONDON.day_start_us(day_of(day)) + slot * SLOT_US for slot in range(48)]
        rates = [int(rates_of_day(held, LONDON, at // DAY_US * DAY_US)[at % DAY_US // SLOT_US]) for at in starts]
        assert rates == [0, 1, 1, 1, *range(2, 46)]
        assert [rate_of(held, at, ZoneInfo("Europe/London")) for at in starts] == rates


PART = [*(f"{10 + at}" for at in range(20)), "..."]


def test_a_day_published_in_part_has_the_prices_of_before_by_the_clock_on_the_wall() -> None:
    """Of a Sunday of 46 half-hours the first 20, up to 11:00; the Saturday before has 100 p and on; export is another fuel."""
    saturday, sunday = day_of("2026-03-28"), day_of("2026-03-29")
    whole = {"electricity": [f"{100 + at}" for at in range(48)], "export": [f"{1 + at}" for at in range(48)]}
    before = with_series(tariff(), saturday, whole, LONDON)
    held = with_series(tariff(), sunday, {"electricity": PART, "export": ["9"] * 46}, LONDON, before)
    pence = [rate.npence_per_wh[0] // 10**6 for rate in held.rates]
    assert pence == [*range(10, 30), *range(122, 148)]
    assert held.rates[20].name == "11:00"
    assert [held.is_carried_on(0, sunday, at) for at in (0, 19, 20, 45)] == [False, False, True, True]
    assert not held.is_carried_on(2, sunday, 45) and held.is_carried_on(2, sunday + 1, 0)
    assert not tariff().is_carried_on(0, sunday, 0)
    assert tariffs_of(tariffs_text([held])) == (held,)
    # the next day has export alone: electricity goes on as the day before it ended up
    monday = with_series(tariff(), sunday + 1, {"export": ["8"] * 48}, LONDON, held)
    assert [rate.npence_per_wh[0] // 10**6 for rate in monday.rates][:6] == [10, 11, 11, 11, 12, 13]
    assert monday.is_carried_on(0, sunday + 1, 0) and not monday.is_carried_on(2, sunday + 1, 0)
    # without a series before, the tariff's first rate
    first = with_series(tariff(), sunday, {"electricity": PART}, LONDON)
    assert {rate.npence_per_wh[0] for rate in first.rates[20:]} == {12_000_000}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["..."], '0 prices of electricity before "..." for 2026-03-29, which has 46 half-hours in Europe/London'),
        ([*["1"] * 46, "..."], '46 prices of electricity before "..." for 2026-03-29'),
        (["1"] * 20, '20 prices of electricity for .* where only the first were published, end with "..."'),
        (["1", "...", *["1"] * 44], "2026-03-29 00:30: '...' is no number of pence a kWh"),
    ],
)
def test_what_is_no_day_published_in_part_is_refused(told: list[str], message: str) -> None:
    with pytest.raises(TariffError, match=message):
        with_series(tariff(), day_of("2026-03-29"), {"electricity": told}, LONDON)
    with pytest.raises(TariffError, match="only a series is published in part"):
        tariff(published=(1, 1, 1))


def test_a_series_names_the_half_hour_whose_price_is_none() -> None:
    prices = ["20"] * 46
    prices[2] = "20,5"
    with pytest.raises(TariffError, match=r"tariff 'saver', 2026-03-29 02:00: '20,5' is no number of pence a kWh"):
        with_series(tariff(), day_of("2026-03-29"), {"electricity": prices}, LONDON)


# -- what is refused -----------------------------------------------------------------------------------------------------------


def test_bands_that_overlap_are_named_with_day_and_half_hour() -> None:
    told = "tariff 'saver': bands 1 and 2 both have 07:00 of Sat in January"
    with pytest.raises(TariffError, match=told):
        tariff(Band(rate=0, first_slot=47, end_slot=15), Band(rate=1, first_slot=14, end_slot=20, days=WEEKEND))


def test_a_gap_is_named_with_day_and_half_hour() -> None:
    working_days = Band(rate=1, first_slot=0, end_slot=48, days=(0, 1, 2, 3, 4))
    with pytest.raises(TariffError, match=r"no band has 00:00 of Sat in January; name in `otherwise`"):
        tariff(working_days, otherwise=None)
    whole = (working_days, Band(rate=0, first_slot=0, end_slot=48, days=WEEKEND))
    assert tariff(*whole, otherwise=None).name == "saver"
    with pytest.raises(TariffError, match="no band has 00:00 of a holiday in January"):
        tariff(*whole, otherwise=None, holidays=(day_of("2026-12-25"),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": " "}, "a tariff without a name"),
        ({"rates": (NIGHT, NIGHT)}, "two rates have the same name"),
        ({"rates": ()}, "0 rates: 1 .. 50 are possible"),
        ({"otherwise": 2}, "no rate 2: there are 2"),
        ({"vat_permille": 1_001}, "VAT is 0 .. 1,000 thousandths"),
        ({"standing_upence": (-1, 0, 0)}, "standing charges are 0 .. 2000 p a day"),
        ({"bands": (Band(rate=0, first_slot=3, end_slot=3),)}, "band 1 has no half-hour"),
        ({"rates": (NIGHT, Rate(name="x", register=Register.LOW, npence_per_wh=(0, 0, 1)))}, "of export: 0.000001 p"),
        ({"rates": (NIGHT, Rate(name="x", register=Register.LOW, npence_per_wh=(2 * 10**9, 0, 0)))}, "2000 p a kWh"),
        ({"blocks": (block(0),)}, "a block of electricity above 0 kWh a day can't follow one above 0 kWh"),
        ({"blocks": (block(2_500), block(2_500))}, "above 2.5 kWh a day can't follow one above 2.5 kWh: give them in"),
        ({"blocks": (block(1_000_001),)}, "above 1000.001 kWh a day can't follow one above 0 kWh: .* up to 1000 kWh"),
        ({"blocks": (block(1), block(2), block(3), block(4))}, "5 blocks of electricity: at most 4 are possible"),
        ({"blocks": (Block(fuel=0, above_wh=5, npence_per_wh=(1,)),)}, "has a price for each of 2 rates"),
        ({"blocks": (Block(fuel=3, above_wh=5, npence_per_wh=(1, 1)),)}, "a block is of a fuel"),
        ({"blocks": (block(5_000, 2 * 10**9),)}, "rate 'day' of electricity above 5 kWh: 2000 p a kWh can't be"),
        ({"blocks": (replace(block(5), fuel=2),)}, "rate 'night' of export above 0.005 kWh: 1 p a kWh can't be"),
        (
            {"blocks": (block(5),), "series_day": 1, "otherwise": None},
            "a series and blocks: a half-hour of a series has one price",
        ),
    ],
)
def test_what_no_tariff_can_be_is_refused(change: Mapping[str, Any], told: str) -> None:
    with pytest.raises(TariffError, match=told):
        tariff(**change)


@pytest.mark.parametrize(
    ("text", "npence"), [("26.4159", 26_415_900), ("-3", -3_000_000), ("0.000001", 1), ("1e1", 10_000_000)]
)
def test_prices_are_exact(text: str, npence: int) -> None:
    assert npence_of(text, "here") == npence
    assert npence_of(pence_text(npence), "here") == npence


@pytest.mark.parametrize("text", ["26.41590001", "", "NaN", "Infinity", "26,4", "1e99", "£3"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(TariffError, match="here: "):
        npence_of(text, "here")


def test_half_hours_and_percentages_are_read() -> None:
    assert [slot_of(text, "here") for text in ("00:00", "00:30", "23:30", "24:00")] == [0, 1, 47, 48]
    assert (permille_of("5", "here"), permille_of("12.5", "here")) == (50, 125)
    for wrong in ("7:30", "07:15", "24:30", "25:00", "night", "٠٧:٣٠"):
        with pytest.raises(TariffError, match="is no half-hour"):
            slot_of(wrong, "here")
    with pytest.raises(TariffError, match="more than 1 decimals"):
        permille_of("5.25", "here")


# -- the file ------------------------------------------------------------------------------------------------------------------

SPEC: Mapping[str, Any] = {
    "name": "saver",
    "share": 1.0,
    "rates": {"night": {"electricity": "12", "register": "low"}, "day": {"electricity": "26.4159", "export": "15"}},
    "bands": [{"rate": "night", "from": "23:30", "to": "05:30", "days": ["weekday", "holiday"], "months": [12, 1]}],
    "otherwise": "day",
    "holidays": [dt.date(2026, 12, 25)],
    "standing": {"electricity": "54.75"},
    "vat_percent": "5",
}


BLOCKS = (
    {"fuel": "electricity", "above_kwh": "8.5", "rates": {"day": "31.5053"}},
    {"fuel": "electricity", "above_kwh": "20", "rates": {"night": "4"}},
    {"fuel": "export", "above_kwh": "10", "rates": {"day": "7.5"}},
)


def spec(**change: Any) -> TariffSpec:
    return TariffSpec.model_validate({**SPEC, **change})


def test_a_tariff_is_read() -> None:
    assert spec().tariff() == Tariff(
        name="saver",
        rates=(
            Rate(name="night", register=Register.LOW, npence_per_wh=(12_000_000, 0, 0)),
            Rate(name="day", register=Register.STANDARD, npence_per_wh=(26_415_900, 0, -15_000_000)),
        ),
        bands=(Band(rate=0, first_slot=47, end_slot=11, days=(0, 1, 2, 3, 4, 7), months=(1, 12)),),
        otherwise=1,
        holidays=(day_of("2026-12-25"),),
        standing_upence=(54_750_000, 0, 0),
        vat_permille=50,
    )
    assert TariffSpec.model_validate(spec().model_dump(mode="json")) == spec()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"otherwise": "noon"}, "has no rate 'noon': there are night, day"),
        ({"bands": []} | {"otherwise": None}, "2 rates and no bands"),
        ({"bands": [{"rate": "night", "from": "23:15", "to": "05:30"}]}, "band 1: '23:15' is no half-hour"),
        ({"bands": [{"rate": "night", "from": "1:00", "to": "05:30"}]}, "band 1: '1:00' is no half-hour"),
        ({"bands": [{"rate": "night", "from": "01:00", "to": "05:30", "days": ["Monday"]}]}, "no day 'Monday'"),
        ({"bands": [{"rate": "night", "from": "01:00", "to": "05:30", "months": [13]}]}, "less than or equal to 12"),
        ({"rates": {"day": {"electricity": 26.4}}}, "valid string"),
        ({"rates": {"day": {"electricity": "0.264"}}, "bands": [], "otherwise": None}, "give pence, not pounds"),
        ({"series": {"electricity": [["1"] * 48]}}, "bands and a series"),
        ({"series": {"electricity": [["1"] * 48]}, "bands": [], "blocks": BLOCKS}, "blocks and a series"),
        (
            {"capacity": {"contracted_kw": "4.6", "pence_per_kw_day": "0.000001"}},
            "4.6 kW at 0.000001 p must be a sum of pence with at most 6 decimals",
        ),
        ({"capacity": {"contracted_kw": "-4.6", "pence_per_kw_day": "1"}}, "and not below zero"),
        ({"capacity": {"contracted_kw": "400", "pence_per_kw_day": "6"}}, "standing charges are 0 .. 2000 p a day"),
        ({"demand": {"pence_per_kw_day": "0"}}, "a charge for demand is above 0 and up to 2000 p a kW"),
        ({"demand": {"at_least_kw": "-1", "pence_per_kw_day": "6"}}, "and for at least 0 .. 1000 kW"),
        ({"blocks": [{**BLOCKS[0], "rates": {"noon": "3"}}]}, "block 1: there is no rate 'noon': there are night, day"),
        ({"blocks": [{**BLOCKS[0], "above_kwh": "8.0005"}]}, "block 1: 8.0005 kWh has more than 3 decimals"),
        ({"blocks": [{**BLOCKS[0], "rates": {"day": "p"}}]}, "block 1, rate 'day': 'p' is no number of pence"),
    ],
)
def test_a_tariff_that_is_none_is_refused(change: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        spec(**change)


def test_blocks_are_read_and_what_they_leave_out_stays() -> None:
    held = spec(blocks=BLOCKS).tariff()
    assert held.blocks == (
        Block(fuel=0, above_wh=8_500, npence_per_wh=(12_000_000, 31_505_300)),
        Block(fuel=0, above_wh=20_000, npence_per_wh=(4_000_000, 31_505_300)),
        Block(fuel=2, above_wh=10_000, npence_per_wh=(0, -7_500_000)),
    )
    assert [held.prices_of(1, fuel) for fuel in (0, 1, 2)] == [
        (26_415_900, 31_505_300, 31_505_300),
        (0,),
        (-15_000_000, -7_500_000),
    ]
    assert TariffSpec.model_validate(spec(blocks=BLOCKS).model_dump(mode="json")).tariff() == held
    text = tariffs_text([held, spec().tariff()])
    assert tariffs_of(text) == (held, spec().tariff())
    assert '"blocks"' not in tariffs_text([spec().tariff()])  # as it was written before there were any
    assert max(len(rate) for rate in json.loads(text)[0]["rates"]) > 5  # which a program of then refuses to read


def test_a_charge_for_demand_is_read_and_kept_with_each_day_of_a_series() -> None:
    of_month = {"pence_per_kw_day": "13.7123", "at_least_kw": "2.5"}
    held = spec(demand=of_month).tariff()
    assert held.demand == DemandCharge(upence_per_kw_day=13_712_300, least_w=2_500)
    assert held.standing_upence == spec().tariff().standing_upence
    assert TariffSpec.model_validate(spec(demand=of_month).model_dump(mode="json")).tariff() == held
    assert tariffs_of(tariffs_text([held, spec().tariff()])) == (held, spec().tariff())
    assert '"demand"' not in tariffs_text([spec().tariff()])  # as it was written before there was any
    series = with_series(held, 20_500, {"electricity": ["1.5"] * 48}, Calendar("UTC"))
    assert series.demand == held.demand


@pytest.mark.parametrize(("watts", "days", "upence"), [(2_501, 1, 3), (2_499, 1, 2), (3_500, 1, 4), (1_000, 3, 6)])
def test_demand_costs_whole_upence_half_to_even(watts: int, days: int, upence: int) -> None:
    charge = DemandCharge(upence_per_kw_day=1, least_w=2_000)
    assert charge.cost_upence(charge.charged_w([watts]), days) == upence
    assert DemandCharge(upence_per_kw_day=1).cost_upence(2_500, 1) == 2


def test_prices_of_blocks_can_be_too_high_as_well() -> None:
    dear = (spec(blocks=[{**BLOCKS[0], "rates": {"day": "970"}}]),)
    with pytest.raises(TariffError, match="970 p a kWh, 4 % dearer"):
        require_tariffs(dear, 20_000, LONDON, announcements=1)


def test_names_of_days_are_kinds_of_days() -> None:
    held = spec(bands=[{"rate": "night", "from": "00:00", "to": "24:00", "days": ["weekend", "mon"]}]).tariff()
    assert held.bands[0].days == (0, 5, 6)


SMOKE = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{name = "north", nodes = 1, rf = 1}]
[run]
start = 2026-03-28
days = 2
wall_s = 60.0
seed = 1
"""


def many(count: int) -> tuple[TariffSpec, ...]:
    return tuple(spec(name=f"saver {at}", share=1 / count) for at in range(count))


def test_tariffs_that_no_row_of_the_price_lists_holds_are_refused_as_they_are_read() -> None:
    require_tariffs(many(5), 20_000, LONDON)
    with pytest.raises(TariffError, match=r"come to \d+,\d{3} characters, and a row holds 9,000"):
        require_tariffs(many(40), 20_000, LONDON)


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 92), ("2026-07-01", 96), ("2026-10-25", 100)])
def test_a_price_list_has_room_for_the_series_of_every_region(day: str, count: int) -> None:
    """A second tariff with a price each quarter-hour was refused, and so were regions; each is read again as it was."""
    calendar, number = Calendar("Europe/Vienna", 4), day_of(day)
    told = {"electricity": [f"{30 + at % 7}.{at:04d}" for at in range(count)]}
    paid = {"export": [f"{20 + at % 5}.{at:04d}" for at in range(count)]}
    one_way = [with_series(tariff(name=f"spot, region {at}"), number, told, calendar) for at in range(6)]
    both_ways = [with_series(tariff(name=f"spot, region {at}"), number, told | paid, calendar) for at in range(3)]
    for held in (one_way, both_ways):
        assert tariffs_of(tariffs_text(held)) == tuple(held)
    with pytest.raises(TariffError, match="a row holds 9,000"):
        tariffs_text([*both_ways, *both_ways])


@pytest.mark.parametrize("day", ["2026-03-29", "2026-07-01", "2026-10-25"])
def test_a_series_of_half_hours_is_read_again_as_it_was_whatever_its_rates_are_called(day: str) -> None:
    count = {"2026-03-29": 46, "2026-10-25": 50}.get(day, 48)
    held = with_series(tariff(), day_of(day), {"electricity": [f"{10 + at}" for at in range(count)]}, LONDON)
    named = [replace(rate, name=f"price {at}", register=Register(at % 3)) for at, rate in enumerate(held.rates)]
    by_hand = replace(held, rates=tuple(named))
    assert tariffs_of(tariffs_text([held, by_hand])) == (held, by_hand)


def test_prices_that_announcements_would_bring_above_the_highest_are_refused_as_they_are_read() -> None:
    dear = (spec(rates={"day": {"electricity": "950"}}, bands=[], otherwise=None),)
    require_tariffs(dear, 20_000, LONDON, announcements=1)
    with pytest.raises(TariffError, match="950 p a kWh, 4 % dearer with each of 2 price announcements"):
        require_tariffs(dear, 20_000, LONDON, announcements=2)


def test_a_text_that_holds_no_tariffs_is_refused() -> None:
    assert tariffs_of(tariffs_text([spec().tariff()])) == (spec().tariff(),)
    for text in ("{", "[{}]", "[3]", '[{"name": 3}]', "[" * 100_000):
        with pytest.raises(TariffError, match="tariffs can't be read"):
            tariffs_of(text)


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (
            '[[tariffs]]\nname = "a"\nshare = 0.5\nrates.day.electricity = "20"\n',
            "the shares of the tariffs add up to 0.5, not to 1: 'a' 0.5",
        ),
        (
            '[[tariffs]]\nname = "a"\nshare = 1.0\nrates.day.elecricity = "20"\n',
            r"tariffs\[0\].rates.day.elecricity: there is no such field; did you mean electricity\?",
        ),
        (
            '[[tariffs]]\nname = "a"\nshare = 1.0\nrates.day.electricity = 20.5\n',
            r"tariffs\[0\].rates.day.electricity = 20.5: must be text in quotes",
        ),
        (
            '[[tariffs]]\nname = "a"\nshare = 1.0\nrates.day.electricity = "20"\nseries.electricity = [[], ['
            + '"1", ' * 48
            + "]]\n",
            "tariff 'a': 48 prices of electricity for 2026-03-29, which has 46 half-hours in Europe/London",
        ),
    ],
)
def test_a_scenario_with_tariffs_that_can_not_be_is_refused(tmp_path: Any, tail: str, told: str) -> None:
    file = tmp_path / "one.toml"
    file.write_text(SMOKE + tail)
    with pytest.raises(ScenarioError, match=told):
        load_scenario(file)
