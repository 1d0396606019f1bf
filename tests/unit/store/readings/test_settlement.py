"""A settlement date is the market's own day: each half-hour is in the period that the zone's clock puts it in."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, SettlementRunCode
from store.memory import MemoryStore
from store.readings.across import Projection
from store.readings.projector import Projector, read_settlement
from store.readings.settlement import dates_of, days_of
from store.roles import TableRole
from store.schemas import SCHEMAS
from store.tariffs import Book
from tests.support.delivered_year import delivered_days

SCHEMA = SCHEMAS["home_months"]
FIRST_DAYS = (dt.date(2026, 3, 28), dt.date(2026, 7, 1), dt.date(2026, 10, 24))
DAYS = 3  # UTC days
# a keyspace of UTC was made before it had a zone: it is settled by Great Britain's clock, as it always was
MARKET = {"UTC": "Europe/London"}
ZONES = ("UTC", "Europe/London", "Europe/Madrid", "Europe/Helsinki", "America/Phoenix", "Atlantic/Reykjavik")


def start_us_of(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * DAY_US


def by_clock(first_day: dt.date, zone: str, values: list[int]) -> dict[dt.date, list[int]]:
    """The values of half-hours by the day that the zone's clock shows at their start."""
    days: dict[dt.date, list[int]] = {}
    for at, wh in enumerate(values):
        began_s = (start_us_of(first_day) + at * SLOT_US) // 1_000_000
        days.setdefault(dt.datetime.fromtimestamp(began_s, ZoneInfo(zone)).date(), []).append(wh)
    return days


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("first_day", FIRST_DAYS)
def test_half_hours_are_settled_by_the_markets_clock(zone: str, first_day: dt.date) -> None:
    store = MemoryStore(SCHEMA, Book(calendar=Calendar(zone)))
    start_us = start_us_of(first_day)
    values = np.arange(1, DAYS * 48 + 1, dtype=np.int32).reshape(DAYS, 48)
    projector = Projector(
        store, Projection(region_of=lambda homes: np.zeros(len(homes), np.int64)), writer=0, started_us=start_us
    )
    projector.heal()
    readings = delivered_days(store.book, home=5, first_day_us=start_us, values_wh=values)
    projector.deliver([readings])
    shard = SCHEMA.table(TableRole.SETTLEMENT).shard_of(int(readings.mpxn[0]))
    expected = by_clock(first_day, MARKET.get(zone, zone), values.ravel().tolist())
    for settlement_date, of_day in expected.items():
        (settled,) = read_settlement(store.runner, settlement_date, SettlementRunCode.LATEST, shard)
        assert [wh for wh in settled.values_wh if wh >= 0] == of_day
    whole = sorted(expected)[1]  # the first and the last may lie outside of the three UTC days in part
    (settled,) = read_settlement(store.runner, whole, SettlementRunCode.LATEST, shard)
    assert list(settled.values_wh) == expected[whole]


@pytest.mark.parametrize("zone", ZONES)
def test_the_dates_of_utc_days_are_those_whose_days_they_are(zone: str) -> None:
    calendar, clock = Calendar(zone), ZoneInfo(MARKET.get(zone, zone))
    for number in range(365):
        day_us = start_us_of(dt.date(2026, 1, 1)) + number * DAY_US
        shown = {dt.datetime.fromtimestamp(at_us // 1_000_000, clock).date() for at_us in (day_us, day_us + DAY_US - 1)}
        assert dates_of(day_us, calendar) == tuple(sorted(shown))
        assert all(day_us in days_of(one, calendar) for one in shown)
