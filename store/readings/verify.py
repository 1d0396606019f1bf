"""Where a view differs from the fold of the log, and its mending: both tables read side by side, partition by partition.

A row that is mended is written one step above both the timestamp that it would have been written with and the greatest that
its cells have: it wins over what is there. Over a row that has the data's own time any later correction still wins
(`store.rows.REVISION_STEP_US`). What can't be seen is a deletion: of a row that was removed here, or by hand. So all that was
mended is compared once more, and what a deletion still hides is written above the present, of which a deletion by hand is no
later. What comes later for a row that was altered or removed at the clock's time is in the log at once, and in the view after
the next rebuild: `verify` tells it.

A row that the book can't price is compared by its energy and by how far it goes, and is not mended: that is refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from store.columns import (
    NULL,
    Column,
    Integers,
    Lists,
    Mask,
    Page,
    Piece,
    codes_of,
    concat,
    dicts_of,
    integers,
    merge_by_token,
    row_count,
    take,
)
from store.ports import Bulk
from store.readings.fold import FOLDS, PRICED, check_priced
from store.roles import TableRole
from store.tables import Schema, Table, primary_key
from store.tariffs import Book

Choice = Callable[[Integers], Mask]
"""Which homes: int64[n] of premises -> bool[n]."""


def every_home(premises: Integers) -> Mask:
    return np.ones(len(premises), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row of a view that is not as the log has it; instants as in the table [ms]."""

    view: str
    key: dict[str, Any]
    # None: the log knows of no such row; a value that is None: it needs prices, and the book has none for this row
    expected: dict[str, Any] | None
    found: dict[str, Any] | None  # None: the view has no such row


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild has read and mended."""

    half_hours: int = 0  # in the log
    rows: int = 0  # of the fold
    written: int = 0  # and found to be as the log has them
    removed: int = 0  # and found to be gone
    left: int = 0  # still not as the log has them: altered or removed at an instant to come

    def add(self, other: "Rebuilt") -> None:
        """Add what was done of other homes."""
        self.half_hours += other.half_hours
        self.rows += other.rows
        self.written += other.written
        self.removed += other.removed
        self.left += other.left


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
    piece: Piece  # which partitions


def verify(bulk: Bulk, schema: Schema, view: str, book: Book) -> Iterator[Difference]:
    """The differences of a view, in the order of the ring. Raises StoreError, or KeyError for a view that has no fold."""
    table = _view_of(schema, view)
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


def rebuild(
    bulk: Bulk, schema: Schema, view: str, book: Book, now_us: int, *, is_chosen: Choice = every_home
) -> Rebuilt:
    """Mend all differences of a view, of the homes that are chosen. Raises StoreError; then it may be begun again.

    Raises Refused for a row of billing that is to be written and that the book can't price, before it mends its neighbours.
    now_us: the present [us since the Unix epoch], below which everything is that hides a row without being seen.
    In a data centre that is not a home's own the log may still lack what was acknowledged in that one: a view that is mended
    there follows it no further. Where homes have a DC, each is mended in its own (`is_chosen`).
    """
    table = _view_of(schema, view)
    done = Rebuilt()
    for compared in _compare(bulk, schema, table, book):
        done.half_hours += compared.half_hours
        done.rows += int(is_chosen(integers(compared.fold, "premises")).sum())
        faults = _faults_of(compared, is_chosen)
        if faults.count == 0:
            continue
        if "cost_upence" in faults.to_write:
            check_priced(faults.to_write)
        _mend(bulk, table, faults, now_us, is_seen=True)
        left = _left(bulk, schema, table, book, compared.piece, faults)
        if left.count:
            _mend(bulk, table, left, now_us, is_seen=False)
            left = _left(bulk, schema, table, book, compared.piece, faults)
        done.written += row_count(faults.to_write) - row_count(left.to_write)
        done.removed += row_count(faults.to_remove) - row_count(left.to_remove)
        done.left += left.count
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Faults:
    """What of a few partitions is to be mended: rows of the fold, and keys of the view that the log knows nothing of."""

    to_write: Page  # with `write_us` as of the fold, and `held_us` of the row in its place, 0 where there is none
    is_whole: Mask  # of the rows to write: a row is in its place, and has a value in each column
    to_remove: Page

    @property
    def count(self) -> int:
        return row_count(self.to_write) + row_count(self.to_remove)


def _faults_of(compared: _Compared, is_chosen: Choice) -> _Faults:
    n = row_count(compared.fold)
    held_us, is_whole = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    differing = take(compared.held, compared.differing_held)
    held_us[compared.differing] = np.maximum(integers(differing, "held_us"), 0)
    is_whole[compared.differing] = ~_has_null(differing)
    is_faulty = compared.is_lacking.copy()
    is_faulty[compared.differing] = True
    is_faulty &= is_chosen(integers(compared.fold, "premises"))
    is_stray = compared.is_phantom & is_chosen(integers(compared.held, "premises"))
    return _Faults(
        to_write=take({**compared.fold, "held_us": held_us}, is_faulty),
        is_whole=is_whole[is_faulty],
        to_remove=take({name: column for name, column in compared.held.items() if name != "token"}, is_stray),
    )


def _mend(bulk: Bulk, table: Table, faults: _Faults, now_us: int, *, is_seen: bool) -> None:
    """Write and remove. is_seen: all that is in the way has a time that was read; else something else hides the rows."""
    if row_count(faults.to_remove):
        held_us = integers(faults.to_remove, "held_us")
        held_us = np.where(held_us == NULL, now_us, held_us) if is_seen else np.maximum(held_us, now_us)
        bulk.delete(table, {**faults.to_remove, "write_us": held_us})
    if row_count(faults.to_write):
        in_the_way_us = integers(faults.to_write, "held_us")
        if not is_seen:
            in_the_way_us = np.where(faults.is_whole, in_the_way_us, np.maximum(in_the_way_us, now_us))
        write_us = np.maximum(integers(faults.to_write, "write_us"), in_the_way_us) + 1
        mended = {**faults.to_write, "write_us": write_us}
        bulk.insert(table, {name: mended[name] for name in (*(c.name for c in table.columns), "write_us")})


def _left(bulk: Bulk, schema: Schema, table: Table, book: Book, piece: Piece, mended: _Faults) -> _Faults:
    """Which of the rows that were mended still differ, after both tables are read again."""
    key = primary_key(table)
    parts: list[_Faults] = []
    for compared in _compare_piece(bulk, schema, table, book, piece):
        found = _faults_of(compared, every_home)
        is_written = np.isin(*codes_of(found.to_write, mended.to_write, key))
        is_removed = np.isin(*codes_of(found.to_remove, mended.to_remove, key))
        parts.append(
            _Faults(
                to_write=take(found.to_write, is_written),
                is_whole=found.is_whole[is_written],
                to_remove=take(found.to_remove, is_removed),
            )
        )
    return _Faults(
        to_write=concat([one.to_write for one in parts]),
        is_whole=np.concatenate([one.is_whole for one in parts]),
        to_remove=concat([one.to_remove for one in parts]),
    )


def _has_null(rows: Page) -> Mask:
    found = np.zeros(row_count(rows), np.bool_)
    for column in rows.values():
        found |= column.length == 0 if isinstance(column, Lists) else column == NULL
    return found


def _compare(bulk: Bulk, schema: Schema, table: Table, book: Book) -> Iterator[_Compared]:
    for piece in bulk.pieces():
        yield from _compare_piece(bulk, schema, table, book, piece)


def _compare_piece(bulk: Bulk, schema: Schema, table: Table, book: Book, piece: Piece) -> Iterator[_Compared]:
    log_columns = _log_columns(table)
    key = primary_key(table)
    columns = [column.name for column in table.columns]
    pages = merge_by_token(
        bulk.scan(schema.table(TableRole.EVENT_LOG), log_columns, piece),
        bulk.scan(table, columns, piece, with_times=True),
    )
    for log, held in pages:
        tokens = [integers(page, "token") for page in (log, held) if page and row_count(page)]
        folded = _folded(table, _or_empty(log, log_columns), book)
        held = _or_empty(held, [*columns, "held_us"])
        fold_code, held_code = codes_of(folded, held, key)
        _, in_fold, in_held = np.intersect1d(fold_code, held_code, assume_unique=True, return_indices=True)
        is_lacking = np.ones(len(fold_code), np.bool_)
        is_lacking[in_fold] = False
        is_phantom = np.ones(len(held_code), np.bool_)
        is_phantom[in_held] = False
        differs = ~_matches(take(folded, in_fold), take(held, in_held), columns)
        yield _Compared(
            fold=folded,
            held=held,
            is_lacking=is_lacking,
            is_phantom=is_phantom,
            differing=in_fold[differs],
            differing_held=in_held[differs],
            half_hours=int(integers(log, "slot_count").sum()) if log else 0,
            piece=Piece(after=min(one[0] for one in tokens) - 1, through=max(one[-1] for one in tokens))
            if tokens
            else piece,
        )


def _log_columns(table: Table) -> tuple[str, ...]:
    """The columns of the log that the folds of a table need."""
    return tuple(dict.fromkeys(name for role in table.roles if role in FOLDS for name in FOLDS[role][0]))


def _folded(table: Table, log: Page, book: Book) -> Page:
    """What a table must hold. One that serves several roles has a row of each: their folds are columns of the same rows."""
    pages = [FOLDS[role][1](log, book) for role in table.roles if role in FOLDS]
    first = pages[0]
    for page in pages:
        for name in (*primary_key(table), "write_us"):
            assert np.array_equal(integers(page, name), integers(first, name)), f"{table.name}: roles of other rows"
    return {name: column for page in pages for name, column in page.items()}


def folded_views(schema: Schema) -> tuple[str, ...]:
    """The names of the views that are folds of the log."""
    return tuple(table.name for table in schema.tables_with(FOLDS))


def _view_of(schema: Schema, name: str) -> Table:
    for table in schema.tables_with(FOLDS):
        if table.name == name:
            return table
    raise KeyError(f"no view {name}: views with a fold are {', '.join(folded_views(schema))}")


def _of_table(page: Page, table: Table) -> Page:
    return {column.name: page[column.name] for column in table.columns}


def _matches(fold: Page, held: Page, columns: list[str]) -> Mask:
    """Row by row: does the view hold what the fold says? Where the fold can't say a price, energy alone is compared."""
    equal = {name: _equal(fold[name], held[name]) for name in columns}
    if "cost_upence" in columns:
        is_unpriced = integers(fold, "cost_upence") == NULL
        for name in PRICED:
            part = "late_" if name.startswith("late_") else ""
            held_wh = sum(integers(held, f"{part}{rate}_wh") for rate in ("low", "standard", "peak"))
            # the fold's own NULL says only that it can't tell: it equals no NULL of the view, which has lost a cell
            is_plausible = (integers(held, name) != NULL) & (held_wh == integers(fold, f"{part}usage_wh"))
            equal[name] = np.where(is_unpriced, is_plausible, equal[name])
    matches: Mask = np.logical_and.reduce(list(equal.values()))
    return matches


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
