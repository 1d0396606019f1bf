"""Where a view differs from the fold of the log, and its mending: both tables read side by side, partition by partition.

A row that is mended is written one step above both the timestamp that it would have been written with and the one that it
has: it wins over what is there, and any later correction still wins over it (`store.rows.REVISION_STEP_US`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from store.columns import (
    Column,
    Integers,
    Lists,
    Mask,
    Page,
    codes_of,
    dicts_of,
    integers,
    merge_by_token,
    row_count,
    take,
)
from store.ports import Bulk
from store.readings.fold import FOLDS, Book
from store.tables import Schema, Table, primary_key

LOG = "events_by_home"

Choice = Callable[[Integers], Mask]
"""Which homes: int64[n] of premises -> bool[n]."""


def every_home(premises: Integers) -> Mask:
    return np.ones(len(premises), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row of a view that is not as the log has it; instants as in the table [ms]."""

    view: str
    key: dict[str, Any]
    expected: dict[str, Any] | None  # None: the log knows of no such row
    found: dict[str, Any] | None  # None: the view has no such row


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild has read and mended."""

    half_hours: int = 0  # in the log
    rows: int = 0  # of the fold
    written: int = 0
    removed: int = 0

    def add(self, other: "Rebuilt") -> None:
        """Add what was done of other homes."""
        self.half_hours += other.half_hours
        self.rows += other.rows
        self.written += other.written
        self.removed += other.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A few partitions: the fold, what the view holds of them, and which rows of either don't match."""

    fold: Page
    held: Page
    is_lacking: Mask  # of the fold's rows: not in the view
    is_phantom: Mask  # of the view's rows: not in the fold
    differing: Integers  # rows of the fold
    differing_held: Integers  # the rows of the view that have their keys
    half_hours: int


def verify(bulk: Bulk, schema: Schema, view: str, book: Book) -> Iterator[Difference]:
    """The differences of a view, in the order of the ring. Raises StoreError, or KeyError for a view that has no fold."""
    table = _table(schema, view)
    key = primary_key(table)
    for compared in _compare(bulk, schema, table, book):
        for is_in, page in ((compared.is_lacking, compared.fold), (compared.is_phantom, compared.held)):
            for row in dicts_of(_of_table(take(page, is_in), table)):
                values = {name: value for name, value in row.items() if name not in key}
                is_expected = page is compared.fold
                yield Difference(
                    view=view,
                    key={name: row[name] for name in key},
                    expected=values if is_expected else None,
                    found=None if is_expected else values,
                )
        expected = dicts_of(_of_table(take(compared.fold, compared.differing), table))
        found = dicts_of(_of_table(take(compared.held, compared.differing_held), table))
        for one, other in zip(expected, found, strict=True):
            yield Difference(
                view=view,
                key={name: one[name] for name in key},
                expected={name: value for name, value in one.items() if name not in key},
                found={name: value for name, value in other.items() if name not in key},
            )


def rebuild(bulk: Bulk, schema: Schema, view: str, book: Book, *, is_chosen: Choice = every_home) -> Rebuilt:
    """Mend all differences of a view, of the homes that are chosen. Raises StoreError; then it may be begun again.

    In a data centre that is not a home's own the log may still lack what was acknowledged in that one: a view that is mended
    there follows it no further. Where homes have a DC, each is mended in its own (`is_chosen`).
    """
    table = _table(schema, view)
    done = Rebuilt()
    for compared in _compare(bulk, schema, table, book):
        done.half_hours += compared.half_hours
        is_ours = is_chosen(integers(compared.fold, "premises"))
        done.rows += int(is_ours.sum())
        phantom = take(compared.held, compared.is_phantom & is_chosen(integers(compared.held, "premises")))
        if row_count(phantom):
            bulk.delete(table, {**phantom, "write_us": integers(phantom, "held_us")})
            done.removed += row_count(phantom)
        held_us = np.zeros(row_count(compared.fold), np.int64)
        held_us[compared.differing] = integers(compared.held, "held_us")[compared.differing_held]
        is_mended = compared.is_lacking.copy()
        is_mended[compared.differing] = True
        is_mended &= is_ours
        if is_mended.any():
            # Above a tombstone too, which may stand where the log has a row by now.
            write_us = np.maximum(integers(compared.fold, "write_us"), held_us) + 1
            mended = take({**compared.fold, "write_us": write_us}, is_mended)
            bulk.insert(table, {name: mended[name] for name in (*(c.name for c in table.columns), "write_us")})
            done.written += row_count(mended)
    return done


def _compare(bulk: Bulk, schema: Schema, table: Table, book: Book) -> Iterator[_Compared]:
    log_columns, fold = FOLDS[table.name]
    key = primary_key(table)
    columns = [column.name for column in table.columns]
    for piece in bulk.pieces():
        pages = merge_by_token(bulk.scan(_table(schema, LOG), log_columns, piece), bulk.scan(table, columns, piece))
        for log, held in pages:
            folded = fold(_or_empty(log, log_columns), book)
            held = _or_empty(held, [*columns, "held_us"])
            fold_code, held_code = codes_of(folded, held, key)
            _, in_fold, in_held = np.intersect1d(fold_code, held_code, assume_unique=True, return_indices=True)
            is_lacking = np.ones(len(fold_code), np.bool_)
            is_lacking[in_fold] = False
            is_phantom = np.ones(len(held_code), np.bool_)
            is_phantom[in_held] = False
            left, right = take(folded, in_fold), take(held, in_held)
            differs = ~np.logical_and.reduce([_equal(left[name], right[name]) for name in columns])
            yield _Compared(
                fold=folded,
                held=held,
                is_lacking=is_lacking,
                is_phantom=is_phantom,
                differing=in_fold[differs],
                differing_held=in_held[differs],
                half_hours=int(integers(log, "slot_count").sum()) if log else 0,
            )


def _table(schema: Schema, name: str) -> Table:
    for table in schema.tables:
        if table.name == name:
            return table
    raise KeyError(f"no table {name}: views with a fold are {', '.join(FOLDS)}")


def _of_table(page: Page, table: Table) -> Page:
    return {column.name: page[column.name] for column in table.columns}


def _equal(left: Column, right: Column) -> Mask:
    if isinstance(left, Lists):
        assert isinstance(right, Lists)
        return left.equals(right)
    assert not isinstance(right, Lists)
    equal: Mask = left == right
    return equal


def _or_empty(page: Page, columns: Any) -> Page:
    """A page that was never read has no columns: those that it would have, without rows."""
    if page:
        return page
    none = np.zeros(0, np.int64)
    return {name: Lists(flat=np.zeros(0, np.int32), length=none) if name == "values_wh" else none for name in columns}
