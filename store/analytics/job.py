"""What a job is: a question, and its SQL text for every engine."""

from dataclasses import dataclass

from store.analytics.data_sets import HALF_HOURS

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
