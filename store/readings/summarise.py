"""The projections that look at all homes at once: cohorts from the usage view, completeness from the log. Run them by the day.

Memory holds a number for each home and day of the month (cohorts), or a few for each region and day (completeness).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scenarios.calendar import days_of_month
from scenarios.domain import DAY_US, Operation
from store.columns import Integers, concat, integers, merge_by_token, row_count, take
from store.operations import AnyOperation, StoreOperation
from store.ports import Runner, Values
from store.readings.fold import DAY_COLUMNS, fold_days
from store.readings.store import HomeReadings
from store.readings.summaries import USAGE_COLUMNS, Insight, added_up, count_known, insights, local_use
from store.roles import TableRole
from store.rows import month_of_us, month_start_us

ROWS_AT_ONCE = 1_000


def project_cohorts(store: HomeReadings, month: int, cohort_of: Callable[[Integers], Integers], as_of_us: int) -> int:
    """Write the insights of a month (yyyymm) of the customers' calendar for every cohort; how many rows: none in a schema that
    lacks a table for them or for the usage of days. Raises StoreError.

    cohort_of: premises int64[n] -> int64[n]; as_of_us: when it is projected: a later projection wins over it [us].
    """
    schema = store.runner.schema
    table = schema.find(TableRole.DAILY_USAGE)
    if table is None or schema.find(TableRole.COHORT_INSIGHTS) is None:
        return 0
    days = days_of_month(month)
    from_us, before_us = store.calendar.day_start_us(days[0]), store.calendar.day_start_us(days[-1] + 1)
    utc_months = sorted({month_of_us(from_us), month_of_us(before_us - 1)})
    parts = [
        local_use(take(page, np.isin(integers(page, "month"), utc_months)), store.calendar, days)
        for piece in store.bulk.pieces()
        for page in store.bulk.scan(table, USAGE_COLUMNS, piece)
    ]
    if not any(row_count(part) for part in parts):
        return 0
    use = added_up(concat(parts))
    home, day, fuel, used_wh = (integers(use, name) for name in ("premises", "day", "fuel", "usage_wh"))
    rows: list[Values] = [
        {
            "cohort": cohort,
            "month": month,
            "day": one.day,
            "fuel": one.fuel,
            "home_count": one.home_count,
            "mean_wh": one.mean_wh,
            "percentiles_wh": list(one.percentiles_wh),
            "write_us": as_of_us,
        }
        for cohort, told in insights(cohort_of(home), day, fuel, home, used_wh).items()
        for one in told
    ]
    _write(store.runner, StoreOperation.WRITE_COHORT, rows)
    return len(rows)


def comparison(runner: Runner, cohort: int, month: int) -> list[Insight]:
    """What the homes of a cohort used, by day (0: the month) and fuel. Raises StoreError."""
    rows = runner.run(Operation.READ_COMPARISON, {"cohort": cohort, "month": month})
    days = Counter(row.fuel for row in rows if row.day)  # of the month: each of its days that can be told has a row
    return [
        Insight(
            day=row.day,
            fuel=row.fuel,
            day_count=1 if row.day else days[row.fuel],
            home_count=row.home_count,
            mean_wh=row.mean_wh,
            percentiles_wh=tuple(row.percentiles_wh),
        )
        for row in rows
    ]


def project_completeness(
    store: HomeReadings,
    month: int,
    region_of: Callable[[Integers], Integers],
    expected: Mapping[tuple[int, int], int],
    as_of_us: int,
    since_us: int = 0,
) -> int:
    """Write how complete each UTC day of a month is that has begun, also of whom nothing came; how many rows: none in a schema
    that lacks a table for them. Raises StoreError.

    region_of: premises int64[n] -> int64[n]; expected: (region, fuel) -> meters that should send half-hours, from
    `since_us` on; as_of_us: when it is projected: a later projection wins over it [us].
    """
    if store.runner.schema.find(TableRole.COMPLETENESS) is None:
        return 0
    table = store.runner.schema.table(TableRole.EVENT_LOG)
    counts: dict[tuple[int, int, int], Integers] = {}
    for piece in store.bulk.pieces():
        for log, _ in merge_by_token(store.bulk.scan(table, DAY_COLUMNS, piece), iter(())):  # whole partitions
            if not log or not row_count(log):
                continue
            days = fold_days(take(log, integers(log, "month") == month), store.calendar)
            if len(days.premises):
                for key, known in count_known(days, region_of(days.premises)).items():
                    counts[key] = counts[key] + known if key in counts else known
    assert all(month_of_us(day_us) == month for day_us, _, _ in counts), "a day in another month's partition"
    for day_us in range(max(month_start_us(month), since_us // DAY_US * DAY_US), as_of_us, DAY_US):
        if month_of_us(day_us) != month:
            break
        for region, fuel in expected:
            counts.setdefault((day_us, region, fuel), np.zeros(store.calendar.slots_per_day, np.int64))
    rows: list[Values] = [
        {
            "epoch_day": day_us // DAY_US,
            "region": region,
            "fuel": fuel,
            "expected": expected.get((region, fuel), 0),
            "known_counts": known.tolist(),
            "write_us": as_of_us,
        }
        for (day_us, region, fuel), known in sorted(counts.items())
    ]
    _write(store.runner, StoreOperation.WRITE_COMPLETENESS, rows)
    return len(rows)


def completeness(runner: Runner, day_start_us: int) -> dict[tuple[int, int], tuple[int, Sequence[int]]]:
    """(region, fuel) -> how many readings each slot of a UTC day should have, and how many it has. Raises StoreError."""
    rows = runner.run(Operation.READ_COMPLETENESS, {"epoch_day": day_start_us // DAY_US})
    return {(row.region, row.fuel): (row.expected, tuple(row.known_counts)) for row in rows}


def _write(runner: Runner, operation: AnyOperation, rows: list[Values]) -> None:
    for at in range(0, len(rows), ROWS_AT_ONCE):
        runner.run_many(operation, rows[at : at + ROWS_AT_ONCE])
