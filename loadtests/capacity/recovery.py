"""After an overload: how long until the rate that held before holds again? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.capacity.step import StepSecond, lateness_p99_ms, seconds_slower
from scenarios.spec import Objective
from scenarios.texts.wording import milliseconds

WINDOW_S = 5  # so long in a row the objective must hold, for recovery to be said


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """An overload of `overload_per_s` for `overload_s`, then `rate_per_s` for `watched_s`.

    after_s: from the end of the overload until the objective held again, None if it did not while it was watched.
    client_trouble: why that may be the load generator's doing, None if nothing points to it.
    """

    rate_per_s: float
    overload_per_s: float
    overload_s: int
    watched_s: int
    after_s: int | None
    client_trouble: str | None = None


def recovery_of(
    seconds: Sequence[StepSecond],
    objectives: Sequence[Objective],
    *,
    rate_per_s: float,
    overload_per_s: float,
    overload_s: int,
    late_p99_ms_max: float,
) -> Recovery:
    """Find the first second after the overload from which every objective held for WINDOW_S seconds, taken together.

    seconds: from the start of the overload on, without a gap; late_p99_ms_max: how late the generator may be. Responses count in
    the second in which they came: what the overload has left behind is in the way of recovery, and is meant to be.
    """
    watched_s = len(seconds) - overload_s
    held = np.ones(max(watched_s - WINDOW_S + 1, 0), dtype=bool)
    for objective in objectives:
        slower, counted = seconds_slower(seconds[overload_s:], objective)
        window = np.ones(WINDOW_S, dtype=np.int64)
        if len(held):
            over, of = np.convolve(slower, window, "valid"), np.convolve(counted, window, "valid")
            held &= (over <= (1 - objective.percentile / 100) * of) & (of > 0)
            name = str(objective.operation)
            bad, done = (
                np.convolve([counts.get(name, 0) for counts in column], window, "valid")
                for column in (
                    [second.bad for second in seconds[overload_s:]],
                    [second.completed for second in seconds[overload_s:]],
                )
            )
            held &= bad <= objective.error_share_max * done
    first = np.flatnonzero(held)
    late_p99_ms = lateness_p99_ms(seconds[overload_s:])
    is_late = late_p99_ms is not None and late_p99_ms > late_p99_ms_max
    return Recovery(
        rate_per_s=rate_per_s,
        overload_per_s=overload_per_s,
        overload_s=overload_s,
        watched_s=watched_s,
        after_s=int(first[0]) if first.size else None,
        client_trouble=f"the load generator was late: p99 of its lateness {milliseconds(late_p99_ms)}"
        if is_late and late_p99_ms is not None
        else None,
    )
