"""The industry's view: what each meter used in the periods of a settlement date, as known at an instant. Pure.

A settlement date is a day of 46, 48 or 50 periods by the clock of the market, which is that of the calendar; of quarter-hours
92, 96 or 100. So it may reach into two UTC days. A keyspace of half-hours whose calendar is UTC was made before it had a zone,
or by a caller who named none: it is settled by Great Britain's clock (`scenarios.calendar.settlement`), as it always was. A
settlement run counts what had been received at its instant and nothing later: folded again at any time, it gives the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import GREAT_BRITAIN, UTC_CALENDAR, Calendar
from scenarios.calendar.settlement import half_hour_of, period_count, settlement_of
from scenarios.domain import DAY_US, SLOTS_PER_DAY, Quality, SettlementRunCode
from store.columns import Page, integers, row_count, take
from store.ports import Values
from store.readings.fold import Days, fold_days
from store.rows import REVISION_STEP_US
from store.tables import Table
from store.tariffs import GAS, MISSING_WH

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledMeter:
    """The periods of one meter on one settlement date."""

    mpxn: int
    fuel: int
    premises: int
    known_at_us: int
    estimated_count: int  # periods that the head-end has estimated
    values_wh: tuple[int, ...]  # by period, MISSING_WH where nothing is known


def is_settled(fuel: int) -> bool:
    """Gas is settled by the day, elsewhere; electricity by the half-hour, what is taken and what is given."""
    return fuel != GAS


def dates_of(day_start_us: int, calendar: Calendar) -> tuple[date, ...]:
    """The settlement dates that a UTC day has slots of: one or two."""
    if _is_british(calendar):
        day = _EPOCH + timedelta(days=day_start_us // DAY_US)
        return tuple(sorted({settlement_of(day, slot)[0] for slot in (0, SLOTS_PER_DAY - 1)}))
    days = {calendar.day_of(day_start_us), calendar.day_of(day_start_us + DAY_US - 1)}
    return tuple(_EPOCH + timedelta(days=day) for day in sorted(days))


def days_of(settlement_date: date, calendar: Calendar) -> tuple[int, ...]:
    """The UTC days [us] that a settlement date has slots of."""
    start_us, periods = _periods_of(settlement_date, calendar)
    return tuple(range(start_us // DAY_US * DAY_US, start_us + periods * calendar.slot_us, DAY_US))


def _periods_of(settlement_date: date, calendar: Calendar) -> tuple[int, int]:
    """When a settlement date begins [us since the Unix epoch], and how many periods it has."""
    day = epoch_days_of(settlement_date)
    if _is_british(calendar):
        first_day, first_slot = half_hour_of(settlement_date, 1)
        return epoch_days_of(first_day) * DAY_US + first_slot * calendar.slot_us, period_count(settlement_date)
    start_us = calendar.day_start_us(day)
    return start_us, (calendar.day_start_us(day + 1) - start_us) // calendar.slot_us


def market_calendar(calendar: Calendar) -> Calendar:
    """By whose midnights settlement dates begin."""
    return GREAT_BRITAIN if _is_british(calendar) else calendar


def periods_of(start_us: NDArray[np.integer], calendar: Calendar) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Settlement date (days since 1970) and period (from 1) of slots: integers[n] [us since the Unix epoch] -> int64[n] twice."""
    clock = market_calendar(calendar)
    day = clock.days_of(start_us)
    return day, (np.asarray(start_us, np.int64) - clock.day_starts_us(day)) // clock.slot_us + 1


def _is_british(calendar: Calendar) -> bool:
    """Is it Great Britain's clock that half-hours are settled by? Its arithmetic needs no zone data, and has no last year."""
    return calendar.slots_per_hour == 2 and calendar.zone in (GREAT_BRITAIN.zone, UTC_CALENDAR.zone)


def epoch_days_of(settlement_date: date) -> int:
    """As the table has it."""
    return (settlement_date - _EPOCH).days


def settle(
    settlement_date: date, log: Page, fuel: int, known_at_us: int | None, calendar: Calendar
) -> tuple[SettledMeter, int] | None:
    """One meter on a settlement date, with its write timestamp, from the log of its home alone; see `settle_meters`."""
    if not row_count(log):
        return None
    premises = int(integers(log, "premises")[0])
    (found,) = settle_meters([MeterDate(settlement_date, premises, fuel)], log, known_at_us, calendar)
    return found


class MeterDate(NamedTuple):
    """A meter on a settlement date."""

    settlement_date: date
    premises: int
    fuel: int


def settle_meters(
    wanted: Sequence[MeterDate], log: Page, known_at_us: int | None, calendar: Calendar
) -> list[tuple[SettledMeter, int] | None]:
    """Each meter on its settlement date, with its write timestamp; None where nothing is known of it.

    log: rows of the homes in the months that the dates touch, home by home, with DAY_COLUMNS and `received_at`; known_at_us:
    None for all.
    """
    periods_of_date = {one: _periods_of(one, calendar) for one in {each.settlement_date for each in wanted}}
    days_of_date = {one: days_of(one, calendar) for one in periods_of_date}
    day_us = integers(log, "interval_start") * 1_000 // DAY_US * DAY_US
    is_of = np.isin(day_us, sorted({day for days in days_of_date.values() for day in days}))
    is_of &= np.isin(integers(log, "fuel"), sorted({each.fuel for each in wanted}))
    if known_at_us is not None:
        is_of &= integers(log, "received_at") * 1_000 <= known_at_us
    days = fold_days(take(log, is_of), calendar)
    row_of = {
        key: row
        for row, key in enumerate(zip(days.premises.tolist(), days.fuel.tolist(), days.start_us.tolist(), strict=True))
    }
    found: list[tuple[SettledMeter, int] | None] = []
    for settlement_date, premises, fuel in wanted:
        keys = [(premises, fuel, day) for day in days_of_date[settlement_date]]
        rows = [row_of[key] for key in keys if key in row_of]
        start_us, periods = periods_of_date[settlement_date]
        found.append(_settled(days, rows, start_us, periods, known_at_us, calendar))
    return found


def _settled(
    days: Days, rows: Sequence[int], start_us: int, periods: int, known_at_us: int | None, calendar: Calendar
) -> tuple[SettledMeter, int] | None:
    """A meter from the rows of its UTC days, on the date that begins at `start_us`."""
    values = np.full(periods, MISSING_WH, np.int32)
    quality = np.full(periods, Quality.MISSING, np.int8)
    for row in rows:
        offset = (int(days.start_us[row]) - start_us) // calendar.slot_us
        first, end = max(offset, 0), min(offset + calendar.slots_per_day, periods)
        values[first:end] = days.values_wh[row, first - offset : end - offset]
        quality[first:end] = days.quality[row, first - offset : end - offset]
    if (values == MISSING_WH).all():
        return None
    through_us, knowledge = int(days.through_us[rows].max()), int(days.knowledge[rows].sum())
    settled = SettledMeter(
        mpxn=int(days.mpxn[rows[0]]),
        fuel=int(days.fuel[rows[0]]),
        premises=int(days.premises[rows[0]]),
        known_at_us=through_us if known_at_us is None else known_at_us,
        estimated_count=int((quality == Quality.ESTIMATED).sum()),
        values_wh=tuple(values.tolist()),
    )
    # Of one run more may be known later only by deliveries that were on their way: the fold that knows them wins.
    return settled, settled.known_at_us + knowledge * REVISION_STEP_US


def settlement_values(
    table: Table, settlement_date: date, run: SettlementRunCode, meter: SettledMeter, write_us: int
) -> Values:
    """The bind values of WRITE_SETTLEMENT, for the table of settlement."""
    return {
        "settlement_date": epoch_days_of(settlement_date),
        "run": int(run),
        "shard": table.shard_of(meter.mpxn),
        "mpxn": meter.mpxn,
        "fuel": meter.fuel,
        "premises": meter.premises,
        "known_at": meter.known_at_us // 1_000,
        "estimated_count": meter.estimated_count,
        "values_wh": list(meter.values_wh),
        "write_us": write_us,
    }


def period_totals(
    meters: Sequence[SettledMeter], settlement_date: date, calendar: Calendar
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By period, what meters used and how many of them are known: int64[periods] [Wh], int64[periods]."""
    values = np.array([meter.values_wh for meter in meters], np.int64).reshape(
        -1, _periods_of(settlement_date, calendar)[1]
    )
    is_known = values != MISSING_WH
    return np.where(is_known, values, 0).sum(axis=0), is_known.sum(axis=0)
