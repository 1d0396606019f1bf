"""Where views differ from the fold of the log, and their mending: all tables read side by side, partition by partition.

A row that is mended is written one step above both the timestamp that it would have been written with and the greatest that
its cells have: it wins over what is there. Over a row that has the data's own time any later correction still wins
(`store.rows.REVISION_STEP_US`). What can't be seen is a deletion: of a row that was removed here, or by hand. So all that was
mended is compared once more, and what a deletion still hides is written above the present, of which a deletion by hand is no
later. What comes later for a row that was altered or removed at the clock's time is in the log at once, and in the view after
the next rebuild: `verify` tells it.

A row that the book can't price is compared by its energy and by how far it goes, and is not mended: that is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """The log and the views that are compared with it, of the homes that are chosen."""

    bulk: Bulk
    log: Table
    views: tuple[Table, ...]
    book: Book
    is_chosen: Choice

    def of_view(self, view: Table) -> "_Tables":
        return replace(self, views=(view,))

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool) -> Iterator[Page]:
        """The rows of a table of the chosen homes."""
        for page in self.bulk.scan(table, columns, piece, with_times=with_times):
            if self.is_chosen is every_home or not row_count(page):
                yield page
            else:
                yield take(page, self.is_chosen(integers(page, "premises")))


def verify(bulk: Bulk, schema: Schema, view: str, book: Book) -> Iterator[Difference]:
    """The differences of a view, in the order of the ring. Raises StoreError, or KeyError for a view that has no fold."""
    table = _view_of(schema, view)
    key = primary_key(table)
    tables = _Tables(bulk=bulk, log=schema.table(TableRole.EVENT_LOG), views=(table,), book=book, is_chosen=every_home)
    for (compared,) in _compare(tables):
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
    bulk: Bulk,
    schema: Schema,
    views: Sequence[str],
    book: Book,
    now_us: int,
    *,
    is_chosen: Choice = every_home,
) -> dict[str, Rebuilt]:
    """Mend all differences of views, of the homes that are chosen; the log is read once. Raises StoreError; then it may be
    begun again.

    Raises Refused for a row of billing that is to be written and that the book can't price, before it mends its neighbours.
    now_us: the present [us since the Unix epoch], below which everything is that hides a row without being seen.
    In a data centre that is not a home's own the log may still lack what was acknowledged in that one: a view that is mended
    there follows it no further. Where homes have a DC, each is mended in its own (`is_chosen`).
    """
    tables = _Tables(
        bulk=bulk,
        log=schema.table(TableRole.EVENT_LOG),
        views=tuple(_view_of(schema, view) for view in views),
        book=book,
        is_chosen=is_chosen,
    )
    done = {view: Rebuilt() for view in views}
    for all_of in _compare(tables):
        for table, compared in zip(tables.views, all_of, strict=True):
            done[table.name].add(_mended(tables.of_view(table), table, compared, now_us))
    return done


def _mended(tables: _Tables, table: Table, compared: _Compared, now_us: int) -> Rebuilt:
    """Mend what of a few partitions differs."""
    done = Rebuilt(half_hours=compared.half_hours, rows=row_count(compared.fold))
    faults = _faults_of(compared)
    if faults.count == 0:
        return done
    if "cost_upence" in faults.to_write:
        check_priced(faults.to_write)
    _mend(tables.bulk, table, faults, now_us, is_seen=True)
    left = _left(tables, table, compared, faults)
    if left.count:
        _mend(tables.bulk, table, left, now_us, is_seen=False)
        left = _left(tables, table, compared, faults)
    done.written = row_count(faults.to_write) - row_count(left.to_write)
    done.removed = row_count(faults.to_remove) - row_count(left.to_remove)
    done.left = left.count
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


def _faults_of(compared: _Compared) -> _Faults:
    n = row_count(compared.fold)
    held_us, is_whole = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    differing = take(compared.held, compared.differing_held)
    held_us[compared.differing] = np.maximum(integers(differing, "held_us"), 0)
    is_whole[compared.differing] = ~_has_null(differing)
    is_faulty = compared.is_lacking.copy()
    is_faulty[compared.differing] = True
    return _Faults(
        to_write=take({**compared.fold, "held_us": held_us}, is_faulty),
        is_whole=is_whole[is_faulty],
        to_remove=take(
            {name: column for name, column in compared.held.items() if name != "token"}, compared.is_phantom
        ),
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


def _left(tables: _Tables, table: Table, compared: _Compared, mended: _Faults) -> _Faults:
    """Which of the rows that were mended still differ, after the view is read again.

    Where one does, the log is read again too: it may have come to say something else meanwhile.
    """
    columns = [column.name for column in table.columns]
    pages = list(tables.scan(table, columns, compared.piece, with_times=True))
    held = _or_empty(concat(pages) if pages else {}, [*columns, "held_us"])
    left = _of_mended([_compared(table, compared.fold, held, compared.half_hours, compared.piece)], table, mended)
    if left.count == 0:
        return left
    return _of_mended([one for (one,) in _compare_piece(tables, compared.piece)], table, mended)


def _of_mended(all_of: Sequence[_Compared], table: Table, mended: _Faults) -> _Faults:
    """The faults that are still there, of the rows that were mended alone."""
    key = primary_key(table)
    parts: list[_Faults] = []
    for compared in all_of:
        found = _faults_of(compared)
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


def _compare(tables: _Tables) -> Iterator[list[_Compared]]:
    """Each view, in their order, a few partitions at a time."""
    for piece in tables.bulk.pieces():
        yield from _compare_piece(tables, piece)


def _compare_piece(tables: _Tables, piece: Piece) -> Iterator[list[_Compared]]:
    log_columns = tuple(dict.fromkeys(name for view in tables.views for name in _log_columns(view)))
    columns_of = [[column.name for column in view.columns] for view in tables.views]
    pages = merge_by_token(
        tables.scan(tables.log, log_columns, piece, with_times=False),
        *(
            tables.scan(view, columns, piece, with_times=True)
            for view, columns in zip(tables.views, columns_of, strict=True)
        ),
    )
    for log, *held_of in pages:
        tokens = [integers(page, "token") for page in (log, *held_of) if page and row_count(page)]
        part = (
            Piece(after=min(one[0] for one in tokens) - 1, through=max(one[-1] for one in tokens)) if tokens else piece
        )
        half_hours = int(integers(log, "slot_count").sum()) if log else 0
        log = _or_empty(log, log_columns)
        yield [
            _compared(view, _folded(view, log, tables.book), _or_empty(held, [*columns, "held_us"]), half_hours, part)
            for view, columns, held in zip(tables.views, columns_of, held_of, strict=True)
        ]


def _compared(table: Table, folded: Page, held: Page, half_hours: int, piece: Piece) -> _Compared:
    key = primary_key(table)
    fold_code, held_code = codes_of(folded, held, key)
    _, in_fold, in_held = np.intersect1d(fold_code, held_code, assume_unique=True, return_indices=True)
    is_lacking = np.ones(len(fold_code), np.bool_)
    is_lacking[in_fold] = False
    is_phantom = np.ones(len(held_code), np.bool_)
    is_phantom[in_held] = False
    differs = ~_matches(take(folded, in_fold), take(held, in_held), [column.name for column in table.columns])
    return _Compared(
        fold=folded,
        held=held,
        is_lacking=is_lacking,
        is_phantom=is_phantom,
        differing=in_fold[differs],
        differing_held=in_held[differs],
        half_hours=half_hours,
        piece=piece,
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
