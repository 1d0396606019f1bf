"""The tables made from a demand profile, worked by hand, and the BDEW profile against `demandlib`'s own."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from demandlib import vdi
from demandlib.bdew import H25, P25, S25, HeatBuilding

from scenarios.calendar import Calendar
from sim.profiles import gas
from sim.profiles.bdew import bdew_household, season
from sim.profiles.choose import BUILT_IN, profile_named
from sim.profiles.demand import YEAR_ONE, DemandProfile, tables_of
from sim.profiles.vdi4655 import vdi4655

# demandlib uses arguments that pandas will drop; only these tests import it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

START = date(2026, 1, 15)


def profile_of(*days):
    return DemandProfile(name="by hand", start=START, share=np.array(days, np.int64))


def day_of(*used):
    """A day whose demand is all in its first half-hours."""
    return list(used) + [0] * (48 - len(used))


def test_tables_of_two_days_worked_by_hand():
    tables = tables_of(profile_of(day_of(10, 30), day_of(0, 20, 60), day_of(100)))
    assert tables.day_share.tolist() == [0, 40, 120]
    assert tables.day_spread.tolist() == [0, 40, 80]  # the smaller of the days on either side; none at the start
    one = 2**32
    assert tables.slot_share[0, :4].tolist() == [0, one // 4, one, one]
    assert tables.slot_spread[0, :4].tolist() == [0, one // 4, 0, 0]
    assert tables.slot_share[1, :5].tolist() == [0, 0, one // 4, one, one]
    assert tables.slot_spread[1, :5].tolist() == [0, 0, one // 4, 0, 0]


def test_a_day_without_use_has_no_energy_and_shares_that_run_from_none_to_all():
    tables = tables_of(profile_of(day_of(40), day_of(), day_of(100)))
    assert tables.day_share.tolist() == [0, 40, 40]
    assert tables.day_spread.tolist() == [0, 0, 0]
    assert tables.slot_share[1, [0, 24, 48]].tolist() == [0, 2**31, 2**32]


def test_every_day_starts_with_none_of_its_energy_and_ends_with_all():
    tables = tables_of(bdew_household(START, 3))
    assert tables.slot_share.shape == (3, 49)
    assert (tables.slot_share[:, 0] == 0).all()
    assert (tables.slot_share[:, 48] == 2**32).all()
    assert (np.diff(tables.slot_share, axis=1) > 0).all()


@pytest.mark.parametrize(
    "share", [np.ones((1, 48)), np.ones((2, 47)), np.full((2, 48), -1), np.full((2, 48), YEAR_ONE)]
)
def test_a_profile_that_is_none_is_refused(share):
    with pytest.raises(AssertionError):
        DemandProfile(name="wrong", start=START, share=share.astype(np.int64))


def test_season_is_the_published_polynomial():
    assert season(date(2026, 1, 1)) == 1_240_000_000_000 + 2_100_000_000 - 70_200_000 + 320_000 - 392
    for day in (date(2026, 1, 15), date(2026, 7, 1), date(2024, 12, 31)):
        t = day.timetuple().tm_yday
        exact = -3.92e-10 * t**4 + 3.2e-7 * t**3 - 7.02e-5 * t**2 + 2.1e-3 * t + 1.24
        assert season(day) / 1e12 == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("start", [date(2026, 1, 15), date(2026, 2, 26), date(2024, 12, 28)])
def test_bdew_is_demandlib_to_the_last_figure_in_winter(start):
    """In winter local time is UTC, so the half-hours are the library's own."""
    theirs = H25(pd.date_range(start, periods=4 * 96, freq="15min")).to_numpy()
    ours = bdew_household(start, 3).share
    kwh = theirs.reshape(4, 48, 2).sum(axis=2) / 4
    assert ours / YEAR_ONE * 1e6 == pytest.approx(kwh, rel=1e-6)


@pytest.mark.parametrize(("name", "library"), [("bdew_household_solar", P25), ("bdew_household_battery", S25)])
def test_bdew_of_homes_with_panels_is_demandlib_in_winter(name, library):
    start = date(2026, 2, 26)
    theirs = library(pd.date_range(start, periods=4 * 96, freq="15min")).to_numpy()
    ours = bdew_household(start, 3, name).share
    assert ours / YEAR_ONE * 1e6 == pytest.approx(theirs.reshape(4, 48, 2).sum(axis=2) / 4, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("name", "house"), [("vdi4655_house", "EFH"), ("vdi4655_flats", "MFH")])
def test_a_german_house_is_demandlib_in_winter(name, house):
    """In winter local time is UTC; a Sunday and days of every sky and temperature that January to March have are among them."""
    climate = vdi.Climate().from_try_data(4)
    flat = {"name": "one", "house_type": house, "N_Pers": 3, "N_WE": 6, "Q_Heiz_a": 1, "Q_TWW_a": 1, "W_a": 1_000}
    flat |= {"summer_temperature_limit": 15, "winter_temperature_limit": 5}
    region = vdi.Region(2026, climate, houses=[flat], resample_rule="30min")
    theirs = region.get_load_curve_houses().xs("W_TT", level=-1, axis=1).to_numpy()[: 86 * 48, 0]
    ours = vdi4655(name, date(2026, 1, 1), 85).share.reshape(-1)
    assert len({round(float(day.sum()), 3) for day in theirs.reshape(-1, 48)}) > 4  # kinds of day
    assert ours / YEAR_ONE * 1_000 == pytest.approx(theirs, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_profile_is_found_by_its_name_and_has_a_year_of_use(name):
    profile, report = profile_named(name, date(2026, 1, 1), 365)
    assert (profile.name, report) == (name, None)
    assert profile.share[:-1].sum() / YEAR_ONE == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("start", [date(2026, 1, 15), date(2026, 2, 26)])
def test_bdew_by_the_quarter_hour_is_demandlib_as_it_is(start):
    theirs = H25(pd.date_range(start, periods=4 * 96, freq="15min")).to_numpy().reshape(4, 96) / 4
    ours = bdew_household(start, 3, slots_per_day=96).share
    assert ours / YEAR_ONE * 1e6 == pytest.approx(theirs, rel=1e-6)
    halves = bdew_household(start, 3).share
    assert np.abs(ours.reshape(4, 48, 2).sum(axis=2) - halves).max() <= 1  # each is rounded down


def test_a_german_house_by_the_quarter_hour_is_its_half_hours_and_has_a_shape_within_them():
    start = date(2026, 1, 1)
    ours, halves = (vdi4655("vdi4655_house", start, 7, slots_per_day=slots).share for slots in (96, 48))
    assert ours.reshape(8, 48, 2).sum(axis=2) / YEAR_ONE == pytest.approx(halves / YEAR_ONE, rel=1e-5)
    assert (ours[:, ::2] != ours[:, 1::2]).mean() > 0.9


def test_quarter_hours_follow_the_clock_where_it_changes():
    """On 29 March 2026 the clocks of Vienna go from 02:00 to 03:00, at 01:00 UTC."""
    vienna = Calendar("Europe/Vienna")
    winter = bdew_household(date(2026, 3, 22), 1, calendar=vienna, slots_per_day=96).share[0]
    spring = bdew_household(date(2026, 3, 29), 1, calendar=vienna, slots_per_day=96).share[0]
    dynamics = season(date(2026, 3, 29)) / season(date(2026, 3, 22))
    assert spring[:4] / winter[:4] == pytest.approx(dynamics, rel=1e-4)  # 01:00 to 02:00 local, both Sundays
    assert spring[4:88] / winter[8:92] == pytest.approx(dynamics, rel=1e-4)  # an hour is left out


def test_a_half_hour_is_cut_into_even_quarter_hours_and_nothing_is_lost():
    profile = profile_of(day_of(7, 10), day_of(1))
    cut = profile.with_slots(96)
    assert cut.share[0, :4].tolist() == [3, 4, 5, 5]
    assert cut.share[1, :2].tolist() == [0, 1]
    assert (cut.share.reshape(2, 48, 2).sum(axis=2) == profile.share).all()
    assert profile.with_slots(48) is profile


def test_tables_of_quarter_hours_have_their_noise_within_the_neighbours():
    tables = tables_of(profile_of(day_of(7, 10), day_of(1)).with_slots(96))
    assert tables.slot_share.shape == tables.slot_spread.shape == (1, 97)
    assert tables.slot_share[0, [0, 4, 96]].tolist() == [0, 1 << 32, 1 << 32]


def test_bdew_runs_an_hour_earlier_by_utc_in_summer():
    start = date(2026, 7, 6)
    theirs = H25(pd.date_range(start, periods=96, freq="15min")).to_numpy().reshape(48, 2).sum(axis=1) / 4
    ours = bdew_household(start, 1).share[0] / YEAR_ONE * 1e6
    assert ours[:46] == pytest.approx(theirs[2:], rel=1e-6)


def test_a_year_of_the_bdew_profile_is_about_a_year_of_energy():
    share = bdew_household(date(2026, 1, 1), 365).share[:-1]
    assert share.sum() / YEAR_ONE == pytest.approx(1, abs=0.02)


def test_a_longer_span_changes_no_day_of_a_shorter_one():
    short, long = bdew_household(START, 2).share, bdew_household(START, 30).share
    assert (long[:3] == short).all()
    assert START + timedelta(days=2) == date(2026, 1, 17)


@pytest.mark.parametrize(("celsius", "interval"), [(-16, 0), (-15, 0), (-14.9, 1), (0, 3), (0.1, 4), (15, 6), (26, 9)])
def test_gas_intervals_are_five_degrees_up_to_and_with_their_end(celsius, interval):
    assert gas._interval(round(10 * celsius)) == interval


@pytest.mark.parametrize("celsius", [-5.0, 4.0, 8.0, 15.5, 22.0])
def test_gas_heat_and_hours_are_demandlib(celsius):
    index = pd.date_range("2026-01-01", periods=8_760, freq="h")
    warm = pd.Series([celsius] * 4_380 + [8.0] * 4_380, index=index)
    theirs = HeatBuilding(
        index, temperature=warm, shlp_type="EFH", building_class=11, wind_class=0, annual_heat_demand=1, ww_incl=True
    ).get_normalized_bdew_profile()
    day, mild = theirs.iloc[240:264], theirs.iloc[-24:]
    factors = np.array([hour[gas._interval(round(10 * celsius))] for hour in gas._hour_factors()])
    assert day.to_numpy() / day.sum() == pytest.approx(factors / factors.sum(), rel=1e-9)
    assert day.sum() / mild.sum() == pytest.approx(gas.heat(round(10 * celsius)) / gas.heat(80), rel=1e-3)


def test_gas_is_mostly_used_in_winter_and_a_year_is_a_year():
    days = gas.bdew_gas(date(2026, 1, 1), 365).share[:-1].sum(axis=1) / YEAR_ONE
    assert days.sum() == pytest.approx(1, abs=1e-3)
    assert days[:31].sum() / days[181:212].sum() == pytest.approx(3.9, abs=0.2)  # January against July


def test_mean_temperature_lies_between_the_middles_of_the_months():
    days = [date(2026, 1, 15), date(2026, 4, 15), date(2026, 4, 30), date(2026, 5, 15), date(2026, 12, 31)]
    assert [gas.temperature_tenths(day) for day in days] == [40, 80, 92, 105, 40]
