"""The facts of the warehouse: each half-hour of each meter once, as its latest revision has it, in its settlement period. Pure.

Of quarter-hours, where the keyspace's calendar says that meters hold those, the same holds.
"""

import numpy as np

from scenarios.calendar import Calendar
from store.columns import Integers, Page
from store.readings.fold import DAY_COLUMNS, fold_days
from store.readings.settlement import market_calendar, periods_of
from store.tariffs import MISSING_WH

LOG_COLUMNS = DAY_COLUMNS


def half_hours_of(log: Page, calendar: Calendar) -> tuple[Integers, dict[str, Integers]]:
    """Whole partitions of the log (with LOG_COLUMNS) -> settlement date of each fact (days since 1970), and its columns.

    All int64[facts], in the order of the log: `start_ms` since the Unix epoch, `settlement_period` from 1, `local_minute`
    of the day as the market's clock shows it at the start, `wh`, `quality` (a
    scenarios.domain.Quality). What no delivery has a value for is no fact.
    """
    days = fold_days(log, calendar)
    row, slot = np.nonzero(days.values_wh != MISSING_WH)
    start_us = days.start_us[row] + slot * calendar.slot_us
    settlement_date, period = periods_of(start_us, calendar)
    _, wall_slot = market_calendar(calendar).wall_slots(start_us)
    return settlement_date, {
        "premises": days.premises[row],
        "mpxn": days.mpxn[row],
        "fuel": days.fuel[row],
        "settlement_period": period,
        "local_minute": wall_slot * (60 // calendar.slots_per_hour),
        "start_ms": start_us // 1_000,
        "wh": days.values_wh[row, slot].astype(np.int64),
        "quality": days.quality[row, slot].astype(np.int64),
    }
