"""Alerts of a scenario's objectives: how fast its errors and slow responses use up what the objective leaves for them. Pure.

An objective over a period leaves a budget: the share of operations that may fail, or be slower than its limit. A burn rate is how
many times faster than that the budget goes. Each alert looks at a long window, so that a blip tells nobody, and at a twelfth
of it, so that it ends soon after the trouble. Source: Google, The Site Reliability Workbook, chapter 5, with its burn rates of
14.4 (page) and 6 (warn) over 1/720 and 1/120 of the period. A run's period is its own length: of one that takes minutes
the windows are as short as scrapes allow.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.prometheus.alerts import AlertRule, Audience, Severity, bound
from scenarios.spec import Objective, Scenario

SHORT_SCRAPES_MIN = 4
LONG_SCRAPES_MIN = 12
LONG_TIMES = 12  # a long window is so many short ones, where scrapes allow
BURN_SHARE_MAX = 0.5  # an alert must fire where half of all operations are bad, whatever the budget is


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnAlert:
    """One pair of windows."""

    severity: Severity
    rate: float  # times the budget
    period_share: float  # the long window, of the objective's period
    long_scrapes_min: int


FAST = BurnAlert(severity=Severity.PAGE, rate=14.4, period_share=1 / 720, long_scrapes_min=LONG_SCRAPES_MIN)
SLOW = BurnAlert(severity=Severity.WARN, rate=6.0, period_share=1 / 120, long_scrapes_min=2 * LONG_SCRAPES_MIN)


def windows_s(burn: BurnAlert, period_s: float, scrape_s: float) -> tuple[int, int]:
    """The long and the short window [s] for an objective over `period_s`."""
    long_s = max(period_s * burn.period_share, burn.long_scrapes_min * scrape_s)
    return round(long_s), round(max(long_s / LONG_TIMES, SHORT_SCRAPES_MIN * scrape_s))


def burn_alerts(scenario: Scenario, scrape_s: float) -> tuple[AlertRule, ...]:
    """Two alerts (page, warn) for the errors and two for the response times of each objective."""
    return tuple(
        alert
        for objective in scenario.slo
        for burn in (FAST, SLOW)
        for alert in _alerts(objective, burn, windows_s(burn, scenario.run.wall_s, scrape_s))
    )


def _alerts(objective: Objective, burn: BurnAlert, windows: tuple[int, int]) -> Iterator[AlertRule]:
    for what, budget, share in (
        ("errors", objective.error_share_max, error_share),
        ("responses", 1 - objective.percentile / 100, slow_share),
    ):
        limit = min(burn.rate * budget, BURN_SHARE_MAX)
        both = " and ".join(f"{share(objective, window_s)} > {limit:g}" for window_s in windows)
        meaning = "fail or end in doubt" if what == "errors" else f"take longer than {objective.response_ms_max:g} ms"
        yield AlertRule(
            name="ErrorBudgetBurn" if what == "errors" else "ResponseBudgetBurn",
            severity=burn.severity,
            audience=Audience.OPERATIONAL,
            expression=both,
            summary=f"{{{{ $value | humanizePercentage }}}} of {objective.operation} {meaning}: "
            f"more than {limit:.2%} in {windows[0]} s and in {windows[1]} s.",
            labels={
                "operation": objective.operation.value,
                "objective": f"p{objective.percentile:g} {objective.response_ms_max:g} ms",
            },
        )


def error_share(objective: Objective, window_s: int) -> str:
    """PromQL: failed and indeterminate, of all that ended in a window."""
    which = f'operation="{objective.operation}"'
    return (
        f'sum by (operation) (rate(meterstorm_operations_total{{{which}, outcome!="ok"}}[{window_s}s])) '
        f"/ sum by (operation) (rate(meterstorm_operations_total{{{which}}}[{window_s}s]))"
    )


def slow_share(objective: Objective, window_s: int) -> str:
    """PromQL: slower than the objective's limit, which is a bound of the histogram, of all that were answered in a window."""
    which, limit = f'operation="{objective.operation}"', bound(objective.response_ms_max / 1_000)
    return (
        f'1 - sum by (operation) (rate(meterstorm_response_seconds_bucket{{{which}, le="{limit}"}}[{window_s}s])) '
        f"/ sum by (operation) (rate(meterstorm_response_seconds_count{{{which}}}[{window_s}s]))"
    )
