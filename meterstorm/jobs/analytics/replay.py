"""Views of homes folded anew from the whole event log and held against what is stored, row by row; nothing is written."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from meterstorm.jobs.analytics.arguments import views_asked
from store.readings.store import HomeReadings
from store.readings.verify import Difference

if TYPE_CHECKING:
    import pyarrow as pa

DIFFERENCES_MAX = 100_000  # of a view: of more the view is to be rebuilt, whichever they are


def replay(
    store: HomeReadings, views: Sequence[str] = (), progress: Callable[[str], None] = lambda _: None
) -> "pa.Table":
    """Where views differ from the fold of the log: `view`, `key`, `expected` and `found`, the last three as JSON.

    views: by name; none: all that are folds of the log. expected is null for a row that the log knows nothing of, found for one
    that the view lacks. At most DIFFERENCES_MAX of each view are told. Raises ScenarioError for an unknown view; StoreError.
    """
    import pyarrow as pa

    rows: list[dict[str, str | None]] = []
    for view in views_asked(store.runner.schema, views):
        progress(f"folding {view} anew")
        rows += map(_row, islice(store.verify(view), DIFFERENCES_MAX))
    schema = pa.schema([("view", pa.string()), ("key", pa.string()), ("expected", pa.string()), ("found", pa.string())])
    return pa.Table.from_pylist(rows, schema=schema)


def cut_views(rows: "pa.Table") -> list[str]:
    """The views of which `replay` tells no more than it has told, whatever else differs."""
    told = Counter(rows.column("view").to_pylist())
    return [view for view, count in told.items() if count >= DIFFERENCES_MAX]


def _row(one: Difference) -> dict[str, str | None]:
    return {"view": one.view, "key": json.dumps(one.key), "expected": _told(one.expected), "found": _told(one.found)}


def _told(values: dict[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values)
