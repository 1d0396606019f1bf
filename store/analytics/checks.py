"""Jobs that hold one thing against another: bills against the event log, what is kept of devices against the log of commands."""

from store.analytics.data_sets import BILL_SETS, COMMAND_SETS
from store.analytics.job import WRONG, AnalyticsJob
from store.billing.records import LineKind
from store.commands.machine import TERMINAL, State
from store.commands.port import Aspect, Standing
from store.commands.store import MENDS_MAX, RECONCILER

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
                WHEN NOT ({_equal("billed", "then")}) THEN '{WRONG}'
                WHEN COALESCE(was_open, is_due_open) = 0 THEN 'closed'
                ELSE 'to adjust' END AS verdict,
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

_KEY = "device, aspect"
_OPEN = ", ".join(str(int(state)) for state in State if state not in TERMINAL)
_WITHDRAWN = ", ".join(str(int(state)) for state in (State.CANCELLED, State.EXPIRED, State.SUPERSEDED))
_ASPECT = "CASE aspect " + " ".join(f"WHEN {int(one)} THEN '{one.name.lower()}'" for one in Aspect if one) + " END"
_STATE = "CASE state " + " ".join(f"WHEN {int(one)} THEN '{one.name}'" for one in State) + " END"


def _held(standing: Standing, column: str, name: str) -> str:
    return f"MAX(CASE WHEN standing = {int(standing)} THEN {column} END) AS {name}"


RECONCILE = AnalyticsJob(
    "reconcile",
    "What is desired of each device by the replay of all its commands, against what it reports: right, under way, withdrawn, "
    "drift (to be mended) or given up; and whether what is kept says something else than the log (wrong).",
    f"""
WITH wishes AS (
    SELECT {_KEY}, value AS desired, originator, counter, state FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY {_KEY} ORDER BY created_us DESC, originator DESC, counter DESC) AS latest
        FROM commands WHERE aspect <> {int(Aspect.NONE)}
    ) AS ordered WHERE latest = 1
), logs AS (
    SELECT {_KEY}, COUNT(*) AS commands,
           COUNT(CASE WHEN state IN ({_OPEN}) THEN 1 END) AS underway,
           COUNT(CASE WHEN illegal > 0 OR state <> held_state THEN 1 END) AS unsound
    FROM commands WHERE aspect <> {int(Aspect.NONE)} GROUP BY {_KEY}
), held AS (
    SELECT {_KEY},
           {_held(Standing.DESIRED, "value", "held_desired")}, {_held(Standing.DESIRED, "originator", "held_originator")},
           {_held(Standing.DESIRED, "counter", "held_counter")}, {_held(Standing.REPORTED, "value", "reported")},
           {_held(Standing.DRIFT, "mends", "drift_mends")}
    FROM device_states WHERE aspect <> {int(Aspect.NONE)} GROUP BY {_KEY}
), joined AS (
    SELECT *, CASE WHEN originator = {RECONCILER} THEN COALESCE(drift_mends, CAST(0 AS SMALLINT))
                   ELSE CAST(0 AS SMALLINT) END AS mends
    FROM wishes JOIN logs USING ({_KEY}) FULL OUTER JOIN held USING ({_KEY})
), judged AS (
    SELECT CASE WHEN desired IS NULL AND held_desired IS NULL THEN 'right'
                WHEN desired IS NULL THEN 'forgotten'
                WHEN unsound > 0 OR held_desired IS NULL OR held_desired <> desired
                     OR held_originator <> originator OR held_counter <> counter THEN '{WRONG}'
                WHEN reported = desired THEN 'right'
                WHEN underway > 0 THEN 'under way'
                WHEN state IN ({_WITHDRAWN}) THEN 'withdrawn'
                WHEN mends >= {MENDS_MAX} THEN 'given up'
                ELSE 'drift' END AS verdict,
           device, {_ASPECT} AS aspect, desired, held_desired, reported, {_STATE} AS state, mends,
           COALESCE(commands, CAST(0 AS BIGINT)) AS commands
    FROM joined
)
SELECT * FROM judged
ORDER BY CASE verdict WHEN '{WRONG}' THEN 0 WHEN 'drift' THEN 1 WHEN 'given up' THEN 2 WHEN 'forgotten' THEN 3
                      WHEN 'under way' THEN 4 WHEN 'withdrawn' THEN 5 ELSE 6 END, device, aspect
""",
    reads=COMMAND_SETS,
    is_check=True,
)
