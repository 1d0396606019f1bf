"""The page of tariffs: what it shows is read, and says what the real tariffs say."""

import datetime as dt
import re
import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs import rates_of_day
from scenarios.tariffs.file import TariffSpec, require_tariffs

PAGE = (Path(__file__).parents[4] / "docs" / "tariffs.md").read_text(encoding="utf-8")
SPECS = tuple(
    TariffSpec.model_validate(tomllib.loads(block)["tariffs"][0])
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
)


def rate_name(spec: TariffSpec, zone: str, wall: str) -> str:
    """The rate of the half-hour that the clock on the wall of a zone shows."""
    start_us = int(dt.datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
    held = spec.tariff()
    rates = rates_of_day(held, Calendar(zone), start_us // DAY_US * DAY_US)
    return held.rates[rates[start_us % DAY_US // SLOT_US]].name


def test_the_three_tariffs_are_on_sale_together() -> None:
    first_day = (dt.date(2026, 3, 28) - dt.date(1970, 1, 1)).days
    require_tariffs(SPECS[:3], first_day, Calendar("Europe/London"))
    assert len(SPECS) == 4
    series = SPECS[2].series_of_days(first_day, Calendar("Europe/London"))
    assert [len(held.rates) for held in series.values()] == [48, 46]


@pytest.mark.parametrize(
    ("wall", "name"),
    [
        ("2026-01-15T01:00", "night"),
        ("2026-07-15T01:00", "day"),
        ("2026-07-15T08:00", "night"),
        ("2026-01-15T08:00", "day"),
    ],
)
def test_a_meter_that_switches_by_gmt_is_an_hour_late_in_summer(wall: str, name: str) -> None:
    assert rate_name(SPECS[0], "Europe/London", wall) == name


@pytest.mark.parametrize(
    ("wall", "name"),
    [
        ("2026-07-15T11:00", "punta"),  # a Wednesday
        ("2026-07-15T21:30", "punta"),
        ("2026-07-15T22:00", "llano"),
        ("2026-07-15T07:30", "valle"),
        ("2026-07-18T11:00", "valle"),  # a Saturday
        ("2026-10-12T11:00", "valle"),  # a holiday, and a Monday
        ("2026-10-25T02:30", "valle"),
    ],
)
def test_the_periods_of_spain_are_of_local_time(wall: str, name: str) -> None:
    assert rate_name(SPECS[1], "Europe/Madrid", wall) == name


def test_the_prepaid_tariff_has_friendly_hours_and_a_debt() -> None:
    plan = SPECS[3].prepayment_plan()
    assert plan is not None and SPECS[3].tariff().is_prepaid
    assert (plan.debt_upence, plan.recovery_upence, plan.is_recovered_weekly) == (12_000_000_000, 350_000_000, True)
    assert len(plan.friendly) == 2
