"""What a job is: a question, and its SQL text for every engine."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.analytics.data_sets import HALF_HOURS

if TYPE_CHECKING:
    import pyarrow as pa

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

    def wrong_count(self, rows: "pa.Table") -> int:
        """How many of its rows say that something is wrong: of a check; 0 of any other job."""
        return rows.column("verdict").to_pylist().count(WRONG) if self.is_check else 0
