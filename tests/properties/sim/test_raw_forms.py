"""Raw forms: conservation to the unit, counters that roll over, gas by hand, export by daylight only."""

import math
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import MeterType
from scenarios.spec import Scenario
from sim.energy import sun
from sim.energy.raw_forms import (
    ABSENT,
    DISPLAY_ONE,
    GAS_DM3,
    GAS_WH,
    display_kernel,
    display_offset,
    export_register_wh,
    gas_energy_wh,
    has_rolled_over,
    panel_w,
    raw_readings,
    ten_seconds_wh,
    used_between,
    volume_dm3,
)
from sim.energy.registers import intervals_wh, register_wh
from sim.energy.sun import light_of, sun_tables
from sim.estate.model import build_estate
from tests.oracles.naive_estate import NaiveEstate

DAYS = 9
TYPES = {"register_only": 0.25, "profile": 0.25, "ten_second": 0.25, "import_export": 0.25}


def estate_of(seed=1, days=DAYS, premises=400, types=TYPES, start="2026-06-01", **fields):
    return build_estate(
        Scenario.model_validate(
            {
                "title": "raw forms",
                "estate": {"premises": premises, "fuels": ("electricity", "gas"), "meter_types": types, **fields},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": days, "wall_s": 60, "seed": seed, "start": start},
            }
        )
    )


def whole(estate, meters):
    """Every slot of some meters, as arrays of [meter, slot]."""
    meter = np.repeat(np.asarray(meters), estate.slot_count)
    slot = np.tile(np.arange(estate.slot_count, dtype=np.int32), len(meters))
    raw = raw_readings(estate, meter, slot)
    return type(raw)(*(column.reshape(len(meters), -1) for column in raw))


def registers(estate, meters):
    """int64[meter, slot_count + 1], by `sim.energy.registers` [Wh]."""
    count = estate.slot_count + 1
    slot = np.tile(np.arange(count, dtype=np.int32), len(meters))
    return register_wh(estate, np.repeat(np.asarray(meters), count), slot).reshape(len(meters), -1)


seeds = st.integers(0, 2**32 - 1)


def test_a_slot_is_the_same_whatever_row_is_before_it():
    estate = estate_of(premises=40, days=3)
    meter = np.repeat(np.arange(estate.meter_count), estate.slot_count)
    slot = np.tile(np.arange(estate.slot_count, dtype=np.int32), estate.meter_count)
    in_order = raw_readings(estate, meter, slot)
    order = np.random.default_rng(1).permutation(len(meter))
    apart = raw_readings(estate, meter[order], slot[order])
    for name, column, other in zip(in_order._fields, in_order, apart, strict=True):
        assert np.array_equal(column[order], other), name


def test_a_cubic_metre_of_gas_by_hand():
    # 1 m3 x 1.02264 x 39.3 / 3.6 = 40.189752 / 3.6 = 11.16382 kWh
    assert Fraction(GAS_WH, GAS_DM3) == Fraction("1.02264") * Fraction("39.3") / Fraction("3.6")
    assert gas_energy_wh(1_000) == 11_163
    assert gas_energy_wh(100_000) == 1_116_382
    assert volume_dm3(11_163) == 999
    assert volume_dm3(11_164) == 1_000
    assert volume_dm3(0) == gas_energy_wh(0) == 0


@given(energy=st.integers(0, 10**9))
def test_a_volume_is_that_of_its_energy_to_one_dm3(energy):
    assert 0 <= energy - gas_energy_wh(volume_dm3(energy)) <= 12
    assert volume_dm3(energy) == math.floor(Fraction(energy * GAS_DM3, GAS_WH))


def test_a_counter_rolls_over_by_hand():
    before = np.array([99_999_990, 5, 5])
    after = np.array([7, 5, 4])
    assert used_between(before, after).tolist() == [17, 0, 99_999_999]
    assert has_rolled_over(before, after).tolist() == [True, False, True]
    offset = display_offset(1, 8)
    assert 0 <= offset < DISPLAY_ONE
    assert display_kernel(1, 8, int(MeterType.REGISTER_ONLY), DISPLAY_ONE - offset) == 0
    assert display_kernel(1, 8, int(MeterType.REGISTER_ONLY), DISPLAY_ONE - offset - 1) == DISPLAY_ONE - 1
    assert display_kernel(1, 8, int(MeterType.PROFILE), DISPLAY_ONE - 1) == DISPLAY_ONE - 1
    assert display_kernel(1, 8, int(MeterType.PROFILE), DISPLAY_ONE + 3) == 3


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_intervals_add_up_to_the_counter_for_every_form(seed):
    estate = estate_of(seed)
    meters = np.arange(40)
    raw, register = whole(estate, meters), registers(estate, meters)
    is_gas = (meters % 2 == 1)[:, None]
    assert ((raw.meter_type == MeterType.GAS_VOLUME) == is_gas).all()
    unit = np.where(is_gas, register * GAS_DM3 // GAS_WH, register)
    has_intervals = raw.meter_type[:, 0] != MeterType.REGISTER_ONLY
    assert (raw.interval[has_intervals] == np.diff(unit)[has_intervals]).all()
    assert (raw.interval[~has_intervals] == ABSENT).all()
    used = used_between(raw.display[:, 0], raw.display[:, -1])
    assert (used == unit[:, -1] - unit[:, 1]).all()
    sums = raw.interval[:, 1:].sum(axis=1, dtype=np.int64)
    assert (sums[has_intervals] == used[has_intervals]).all()
    steps = used_between(raw.display[:, :-1], raw.display[:, 1:])
    assert (steps == np.diff(unit)[:, 1:]).all()
    assert ((np.diff(raw.display) < 0) == has_rolled_over(raw.display[:, :-1], raw.display[:, 1:])).all()


def test_some_counters_roll_over_in_a_span_and_all_their_use_is_found():
    estate = estate_of(
        days=60, premises=3_000, types={"register_only": 1.0, "profile": 0.0, "ten_second": 0.0, "import_export": 0.0}
    )
    naive = NaiveEstate(estate.parameters)
    meters = np.arange(0, estate.meter_count, 2)
    midnights = np.arange(1, 61, dtype=np.int32) * 48
    at = np.tile(midnights, len(meters))
    display = raw_readings(estate, np.repeat(meters, 60), at - 1).display.reshape(-1, 60)
    register = register_wh(estate, np.repeat(meters, 60), at).reshape(-1, 60)
    offset = np.array([(naive.words(10, int(meter), 0)[3] % 2**24) * DISPLAY_ONE // 2**24 for meter in meters])
    turns = np.diff((register + offset[:, None]) // DISPLAY_ONE)
    rolled = has_rolled_over(display[:, :-1], display[:, 1:])
    assert (rolled == (turns == 1)).all()
    assert 3 <= rolled.sum() <= 40  # about 500 kWh of 100 MWh for each of 3,000
    assert ((np.diff(display) >= 0) | rolled).all()
    assert (used_between(display[:, :-1], display[:, 1:]) == np.diff(register)).all()
    # the offset says nothing about the day of a monthly reading: both are drawn from one word
    reading_day = np.array([naive.words(10, int(meter), 0)[3] * 28 // 2**32 for meter in meters])
    assert abs(np.corrcoef(offset, reading_day)[0, 1]) < 0.06


def test_ten_seconds_add_up_to_their_half_hour():
    estate = estate_of()
    meter = np.arange(200)
    slot = np.full(200, 37, np.int32)
    parts, raw = ten_seconds_wh(estate, meter, slot), raw_readings(estate, meter, slot)
    holds = raw.meter_type == MeterType.TEN_SECOND
    assert parts.shape == (200, 180)
    assert 10 < holds.sum() < 50
    assert (parts[~holds] == ABSENT).all()
    assert (parts[holds] >= 0).all()
    assert (parts[holds].sum(axis=1) == raw.interval[holds]).all()
    assert (raw.interval[holds] == intervals_wh(estate, meter[holds], slot[holds], 1)[:, 0]).all()


def height_of_the_sun(day, slot):
    """Degrees above the horizon at the middle of a UTC half-hour, by the C library's sines."""
    turn = math.radians(360 * (284 + day.timetuple().tm_yday) / 365)
    declination, latitude = math.radians(23.45) * math.sin(turn), math.radians(53)
    angle = math.radians(7.5 * (slot + 0.5) - 180)
    along = math.sin(latitude) * math.sin(declination)
    return math.degrees(math.asin(along + math.cos(latitude) * math.cos(declination) * math.cos(angle)))


@given(angle=st.integers(-100_000, 100_000))
def test_the_sine_of_integers_is_the_sine(angle):
    assert int(sun.sine(np.array([angle]))[0]) / 2**20 == pytest.approx(math.sin(math.radians(angle / 100)), abs=0.0017)
    assert int(sun.cosine(np.array([angle]))[0]) / 2**20 == pytest.approx(
        math.cos(math.radians(angle / 100)), abs=0.0017
    )


def test_the_sine_at_right_angles_is_exact():
    assert sun.sine(np.array([0, 9_000, 18_000, 27_000, 36_000])).tolist() == [0, 2**20, 0, -(2**20), 0]
    assert sun.sine(np.array([3_000])).tolist() == [2**19]  # 4 x 30 x 150 / (40500 - 30 x 150) is a half


@pytest.mark.parametrize("start", ["2026-01-01", "2026-03-20", "2026-06-21", "2026-12-15"])
def test_export_comes_by_daylight_only_and_never_back(start):
    estate = estate_of(
        start=start, types={"register_only": 0.0, "profile": 0.5, "ten_second": 0.0, "import_export": 0.5}
    )
    meters = np.arange(0, 200, 2)
    raw = whole(estate, meters)
    exports = raw.meter_type[:, 0] == MeterType.IMPORT_EXPORT
    assert 30 < exports.sum() < 70
    assert (raw.export_wh[~exports] == ABSENT).all() and (raw.export_display_wh[~exports] == ABSENT).all()
    out = raw.export_wh[exports]
    assert out.min() == 0
    height = np.array(
        [height_of_the_sun(estate.start + timedelta(days=slot // 48), slot % 48) for slot in range(estate.slot_count)]
    )
    assert (out[:, height < -0.3] == 0).all()
    assert (out[:, height > 3].sum(axis=0) > 0).all()
    assert (height < -0.3).any() and (height > 3).any()
    counter = raw.export_display_wh[exports]
    assert (np.diff(counter) == out[:, 1:]).all()
    assert (counter[:, 0] == out[:, 0]).all()
    assert (counter[:, -1] == out.sum(axis=1)).all()


def test_a_years_export_is_half_of_what_the_panels_make():
    estate = estate_of(start="2026-01-01", days=365)
    p, tables = estate.packed, sun_tables(estate.start, 365)
    for meter in range(0, 20, 2):
        size = panel_w(p.seed, meter)
        assert 1_000 <= size < 6_000
        # the sky of the span's last midnight moves the end by at most a day of December
        assert export_register_wh(p, tables, meter, estate.slot_count) == pytest.approx(size * 450, rel=0.001)
        assert export_register_wh(p, tables, meter, 0) == 0
    june, december = (light_of(estate.start.replace(month=month, day=21)).sum() for month in (6, 12))
    assert 6 < june / december < 12


@settings(max_examples=30, deadline=None)
@given(seed=seeds, meter=st.integers(0, 799), slot=st.integers(0, DAYS * 48))
def test_export_is_recomputed_from_its_key_alone(seed, meter, slot):
    estate = estate_of(seed)
    tables = sun_tables(estate.start, DAYS)
    naive = NaiveEstate(estate.parameters)

    def clouds(draw, position):
        word = naive.words(27, meter, position // 8, draw)[position % 8 // 2]
        return (word >> 16 if position % 2 else word & 0xFFFF) - 32768

    def by_day(day):
        share = int(tables.day_share[day]) + int(tables.day_spread[day]) * clouds(1, day) // 2**16
        return (1_000 + naive.words(27, meter, 0)[0] * 5_000 // 2**32) * 450 * share // 2**36

    day, slot_of_day = divmod(slot, 48)
    expected = by_day(day)
    if slot_of_day:
        share = int(tables.slot_share[day, slot_of_day])
        share += int(tables.slot_spread[day, slot_of_day]) * clouds(2, slot) // 2**16
        expected += (by_day(day + 1) - expected) * share // 2**32
    assert export_register_wh(estate.packed, tables, meter, slot) == expected


def test_raw_readings_do_not_depend_on_the_span_or_on_the_number_of_premises():
    long, short = estate_of(), estate_of(days=4, premises=20)
    for left, right in zip(whole(long, np.arange(40)), whole(short, np.arange(40)), strict=True):
        assert (left[:, : short.slot_count] == right).all()


def test_what_a_home_is_follows_its_shares():
    estate = estate_of(
        premises=8_000,
        prepayment=0.3,
        tariffs={"flat": 0.5, "time_of_use": 0.3, "half_hourly": 0.2},
        firmware_versions=4,
    )
    meter = np.arange(estate.meter_count)
    raw = raw_readings(estate, meter, np.zeros(len(meter), np.int32))
    for column in (raw.firmware, raw.is_prepayment, raw.tariff, raw.cohort):
        assert (column[::2] == column[1::2]).all()  # of the home, not of the meter
    home = type(raw)(*(column[::2] for column in raw))
    assert home.is_prepayment.mean() == pytest.approx(0.3, abs=0.02)
    assert np.bincount(home.tariff) / 8_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    assert np.bincount(home.firmware) / 8_000 == pytest.approx([0.25] * 4, abs=0.02)
    assert np.bincount(home.meter_type) / 8_000 == pytest.approx([0.25] * 4, abs=0.02)
    assert np.bincount(home.cohort) / 8_000 == pytest.approx(np.repeat([0.35, 0.35, 0.30], 4) / 4, abs=0.015)
    assert (home.cohort // 4 == estate.region_of(np.arange(8_000))).all()
    annual = [NaiveEstate(estate.parameters).words(2, int(one), 0)[0] for one in meter[:200:2]]
    assert (home.cohort[:100] % 4).tolist() == [word * 4 // 2**32 for word in annual]


def test_a_meter_or_slot_outside_is_refused():
    estate = estate_of()
    for meter, slot in ((800, 0), (-1, 0), (0, DAYS * 48), (0, -1)):
        for question in (raw_readings, ten_seconds_wh):
            with pytest.raises(AssertionError, match="outside"):
                question(estate, np.array([meter]), np.array([slot], np.int32))
