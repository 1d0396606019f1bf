"""Questions over all homes, each as one SQL text that every engine runs alike: DuckDB, and Spark where one machine is too small.

A job reads the views of a warehouse, its data sets and `homes`, and nothing else. Sums are exact integers; percentiles are values
that occur (percentile_disc), so that two engines give equal rows and not nearly equal ones; both are cast, since an engine's own
sums and percentiles may be decimals and floats. A home that `homes` lacks is of no region and no cohort (NULL), and counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.domain import Quality
from store.analytics.data_sets import BILL_SETS, HALF_HOURS
from store.billing.records import LineKind
from store.tariffs import GAS

PEAK_MINUTES = (16 * 60, 19 * 60 - 1)  # by the clock on the wall: when Great Britain's grid is at its peak
_PERCENTILES = (10, 25, 50, 75, 90)
WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class AnalyticsJob:
    """What it answers, and its SQL over the views `reads` and `homes`. Rows come in a set order.

    is_check: it holds one thing against another, and what is amiss has WRONG as its `verdict`.
    """

    name: str
    answers: str
    sql: str
    reads: tuple[str, ...] = (HALF_HOURS,)
    is_check: bool = False


def _percentiles(values: str) -> str:
    return ", ".join(
        f"CAST(percentile_disc({percent / 100}) WITHIN GROUP (ORDER BY {values}) AS INT) AS p{percent}_wh"
        for percent in _PERCENTILES
    )


SETTLEMENT = AnalyticsJob(
    "settlement",
    "What each region's meters used in each settlement period, and how many of them are known and estimated.",
    f"""
SELECT settlement_date, settlement_period, region, fuel,
       CAST(SUM(wh) AS BIGINT) AS wh, COUNT(*) AS meters,
       COUNT(CASE WHEN quality = {int(Quality.ESTIMATED)} THEN 1 END) AS estimated
FROM half_hours LEFT JOIN homes USING (premises)
WHERE fuel <> {GAS}
GROUP BY settlement_date, settlement_period, region, fuel
ORDER BY settlement_date, settlement_period, region NULLS LAST, fuel
""",
)

PROFILES = AnalyticsJob(
    "profiles",
    "What similar homes use in each half-hour of the day: the mean, and percentiles over homes and days.",
    f"""
SELECT cohort, fuel, settlement_period, COUNT(DISTINCT premises) AS homes, COUNT(*) AS half_hours,
       CAST(SUM(wh) AS BIGINT) AS wh, {_percentiles("wh")}
FROM half_hours LEFT JOIN homes USING (premises)
GROUP BY cohort, fuel, settlement_period
ORDER BY cohort NULLS LAST, fuel, settlement_period
""",
)

LOAD_DURATION = AnalyticsJob(
    "load_duration",
    "The load of all meters of a fuel, from the highest half-hour to the lowest: which load is exceeded for how long.",
    """
SELECT fuel, CAST(ROW_NUMBER() OVER (PARTITION BY fuel ORDER BY wh DESC, start) AS BIGINT) AS rank, start, wh, meters
FROM (SELECT fuel, start, CAST(SUM(wh) AS BIGINT) AS wh, COUNT(*) AS meters FROM half_hours GROUP BY fuel, start) AS loads
ORDER BY fuel, rank
""",
)

PEAKS = AnalyticsJob(
    "peaks",
    "Of each home and fuel: all use, its base load, the highest half-hour, and what falls into the evening's peak and could be "
    "moved by a tariff of times.",
    f"""
SELECT premises, region, cohort, fuel, COUNT(*) AS half_hours,
       CAST(SUM(wh) AS BIGINT) AS wh,
       CAST(percentile_disc(0.05) WITHIN GROUP (ORDER BY wh) AS INT) AS base_wh,
       MAX(wh) AS highest_wh,
       CAST(SUM(CASE WHEN local_minute BETWEEN {PEAK_MINUTES[0]} AND {PEAK_MINUTES[1]} THEN wh ELSE 0 END)
            AS BIGINT) AS peak_wh
FROM half_hours LEFT JOIN homes USING (premises)
GROUP BY premises, region, cohort, fuel
ORDER BY premises, fuel
""",
)

_CHARGE = "CASE kind " + " ".join(
    f"WHEN {int(kind)} THEN '{told}'"
    for kind, told in (
        (LineKind.ENERGY, "energy"),
        (LineKind.ADJUSTMENT, "energy"),
        (LineKind.STANDING, "standing"),
        (LineKind.DEMAND, "demand"),
        (LineKind.PREPAID, "prepaid"),
    )
)
_CHARGE += " END AS charge"
_CHARGED = "premises, account, charge, month, fuel, tariff, tariff_version"
_AMOUNTS = ("low_wh", "standard_wh", "peak_wh", "cost_upence")


def _equal(left: str, right: str) -> str:
    return " AND ".join(f"COALESCE({left}_{name}, 0) = COALESCE({right}_{name}, 0)" for name in _AMOUNTS)


def _energy(of: str) -> str:
    return " + ".join(f"COALESCE({of}_{name}, 0)" for name in _AMOUNTS if name.endswith("_wh"))


BILLING_CHECK = AnalyticsJob(
    "billing_check",
    "Every bill against the event log: what each account was charged, what its half-hours, days and tariffs come to, and whether "
    "a difference is wrong, for the next bill to adjust, or too old for that (closed).",
    f"""
WITH billed AS (
    SELECT {_CHARGED}, MIN(is_open) AS was_open,
           {", ".join(f"CAST(SUM({name}) AS BIGINT) AS billed_{name}" for name in _AMOUNTS)}
    FROM (SELECT *, {_CHARGE} FROM bill_lines) AS lines GROUP BY {_CHARGED}
), due AS (
    SELECT {_CHARGED}, MIN(is_open) AS is_due_open,
           {", ".join(f"CAST(SUM(CASE WHEN is_now = 1 THEN {name} ELSE 0 END) AS BIGINT) AS now_{name}" for name in _AMOUNTS)},
           {", ".join(f"CAST(SUM(CASE WHEN is_now = 0 THEN {name} ELSE 0 END) AS BIGINT) AS then_{name}" for name in _AMOUNTS)}
    FROM (SELECT *, {_CHARGE} FROM bill_dues) AS dues GROUP BY {_CHARGED}
), charges AS (
    SELECT CASE WHEN {_equal("billed", "now")} THEN 'right'
                WHEN COALESCE(was_open, is_due_open) = 0 THEN 'closed'
                WHEN {_equal("billed", "then")} THEN 'to adjust'
                ELSE '{WRONG}' END AS verdict,
           {_CHARGED}, CAST(NULL AS INT) AS number,
           {_energy("billed")} AS billed_wh, {_energy("now")} AS due_wh,
           COALESCE(billed_cost_upence, CAST(0 AS BIGINT)) AS billed_upence,
           COALESCE(now_cost_upence, CAST(0 AS BIGINT)) AS due_upence
    FROM billed FULL OUTER JOIN due USING ({_CHARGED})
), totals AS (
    SELECT CASE WHEN total_upence = COALESCE(lines_upence, 0) THEN 'right' ELSE '{WRONG}' END AS verdict,
           premises, account, 'total' AS charge, month, CAST(NULL AS TINYINT) AS fuel, CAST(NULL AS SMALLINT) AS tariff,
           CAST(NULL AS INT) AS tariff_version, number,
           CAST(NULL AS BIGINT) AS billed_wh, CAST(NULL AS BIGINT) AS due_wh,
           total_upence AS billed_upence, COALESCE(lines_upence, CAST(0 AS BIGINT)) AS due_upence
    FROM bills LEFT JOIN (
        SELECT premises, number, CAST(SUM(cost_upence) AS BIGINT) AS lines_upence FROM bill_lines GROUP BY premises, number
    ) AS summed USING (premises, number)
), every AS (
    SELECT * FROM charges UNION ALL SELECT * FROM totals
)
SELECT * FROM every
ORDER BY CASE verdict WHEN '{WRONG}' THEN 0 WHEN 'to adjust' THEN 1 WHEN 'closed' THEN 2 ELSE 3 END,
         premises, account, charge, month, fuel NULLS LAST, tariff NULLS LAST, tariff_version NULLS LAST, number NULLS LAST
""",
    reads=BILL_SETS,
    is_check=True,
)

JOBS: Mapping[str, AnalyticsJob] = {
    job.name: job for job in (SETTLEMENT, PROFILES, LOAD_DURATION, PEAKS, BILLING_CHECK)
}
