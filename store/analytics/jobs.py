"""Questions over all homes, each as one SQL text that every engine runs alike: DuckDB, and Spark where one machine is too small.

A job reads the views of a warehouse, its data sets and `homes`, and nothing else. Sums are exact integers; percentiles are values
that occur (percentile_disc), so that two engines give equal rows and not nearly equal ones; both are cast, since an engine's own
sums and percentiles may be decimals and floats. A home that `homes` lacks is of no region and no cohort (NULL), and counts.
"""

from collections.abc import Mapping

from scenarios.domain import Quality
from store.analytics.checks import BILLING_CHECK, RECONCILE
from store.analytics.job import AnalyticsJob
from store.tariffs import GAS

PEAK_MINUTES = (16 * 60, 19 * 60 - 1)  # by the clock on the wall: when Great Britain's grid is at its peak
PERCENTILES = (10, 25, 50, 75, 90)


def _percentiles(values: str) -> str:
    return ", ".join(
        f"CAST(percentile_disc({percent / 100}) WITHIN GROUP (ORDER BY {values}) AS INT) AS p{percent}_wh"
        for percent in PERCENTILES
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

_IS_PEAK = f"local_minute BETWEEN {PEAK_MINUTES[0]} AND {PEAK_MINUTES[1]}"

PEAKS = AnalyticsJob(
    "peaks",
    "Of each home and fuel: all use, its base load, the highest half-hour, what falls into the evening's peak, and what of that "
    "is above the base load and could be moved by a tariff of times.",
    f"""
SELECT premises, region, cohort, fuel, half_hours, wh, base_wh, highest_wh, peak_wh,
       GREATEST(peak_wh - base_wh * peak_half_hours, CAST(0 AS BIGINT)) AS shift_wh
FROM (
    SELECT premises, region, cohort, fuel, COUNT(*) AS half_hours,
           CAST(SUM(wh) AS BIGINT) AS wh,
           CAST(percentile_disc(0.05) WITHIN GROUP (ORDER BY wh) AS INT) AS base_wh,
           MAX(wh) AS highest_wh,
           CAST(SUM(CASE WHEN {_IS_PEAK} THEN wh ELSE 0 END) AS BIGINT) AS peak_wh,
           COUNT(CASE WHEN {_IS_PEAK} THEN 1 END) AS peak_half_hours
    FROM half_hours LEFT JOIN homes USING (premises)
    GROUP BY premises, region, cohort, fuel
) AS meters
ORDER BY premises, fuel
""",
)

JOBS: Mapping[str, AnalyticsJob] = {
    job.name: job for job in (SETTLEMENT, PROFILES, LOAD_DURATION, PEAKS, BILLING_CHECK, RECONCILE)
}
