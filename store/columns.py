"""Rows of a table as columns, whole pages at a time: one array a column, whatever a row's list holds. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

NULL = int(np.iinfo(np.int64).min)
"""Stands in a column for a cell that was never written."""


@dataclass(frozen=True, kw_only=True)  # no slots: `start` is kept
class Lists:
    """n lists of integers, of any lengths."""

    flat: NDArray[np.int32]
    length: Integers  # [n]

    @cached_property
    def start(self) -> Integers:
        """Where each list begins in `flat`: [n]. Worked out once: rows are asked for one by one, too."""
        return np.cumsum(self.length) - self.length

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, rows: NDArray[Any] | slice) -> "Lists":
        length, start = self.length[rows], self.start[rows]
        return Lists(flat=self.flat[ranges_of(start, length)], length=length)

    def one(self, row: int) -> list[int]:
        start = int(self.start[row])
        held: list[int] = self.flat[start : start + int(self.length[row])].tolist()
        return held

    def equals(self, other: "Lists") -> Mask:
        """Row by row: Lists of n -> bool[n]."""
        same: Mask = self.length == other.length
        rows = np.flatnonzero(same)
        left, right = self[rows], other[rows]
        differing = np.repeat(np.arange(len(rows)), left.length)[left.flat != right.flat]
        same[rows[differing]] = False
        return same


Column = Integers | Lists
Page = Mapping[str, Column]
"""Column name -> n values; instants in ms, as the table has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The partitions whose token is above `after` and at most `through`."""

    after: int
    through: int


def ranges_of(start: Integers, length: Integers) -> Integers:
    """start[0], start[0] + 1, ... for length[0] of them, then start[1], ...: int64[n] twice -> int64[sum of lengths]."""
    total = int(length.sum())
    ends = np.cumsum(length)
    found: Integers = np.arange(total) + np.repeat(start - (ends - length), length)
    return found


def row_count(page: Page) -> int:
    return len(next(iter(page.values())))


def take(page: Page, rows: NDArray[Any] | slice) -> Page:
    """Some rows of a page, by index, mask or slice."""
    return {name: column[rows] for name, column in page.items()}


def concat(pages: Sequence[Page]) -> Page:
    """Pages of the same columns, one after the other."""
    if len(pages) == 1:
        return pages[0]
    joined: dict[str, Column] = {}
    for name, first in pages[0].items():
        columns = [page[name] for page in pages]
        if isinstance(first, Lists):
            lists = [column for column in columns if isinstance(column, Lists)]
            joined[name] = Lists(
                flat=np.concatenate([one.flat for one in lists]), length=np.concatenate([one.length for one in lists])
            )
        else:
            joined[name] = np.concatenate([column for column in columns if not isinstance(column, Lists)])
    return joined


def dicts_of(page: Page) -> Iterator[dict[str, Any]]:
    """Row by row, as Python values by name; NULL is None."""
    plain = {
        name: [column.one(row) for row in range(len(column))] if isinstance(column, Lists) else column.tolist()
        for name, column in page.items()
    }
    for row in range(row_count(page)):
        yield {name: None if values[row] == NULL else values[row] for name, values in plain.items()}


def integers(page: Page, name: str) -> Integers:
    column = page[name]
    assert not isinstance(column, Lists), f"{name} is a column of lists"
    return column


def lists(page: Page, name: str) -> Lists:
    column = page[name]
    assert isinstance(column, Lists), f"{name} is a column of integers"
    return column


def starts_of(*columns: Integers) -> Integers:
    """The rows at which a run of equal values begins, in columns that are sorted alike: int64[n] each -> int64[groups]."""
    is_new = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        is_new[1:] &= column[1:] == column[:-1]
    is_new[1:] = ~is_new[1:]
    return np.flatnonzero(is_new)


def codes_of(left: Page, right: Page, key: Iterable[str]) -> tuple[Integers, Integers]:
    """A number for each key, the same in both pages where all columns of the key are equal."""
    n = row_count(left)
    code = np.zeros(n + row_count(right), np.int64)
    for name in key:
        both = np.concatenate([integers(left, name), integers(right, name)])
        values, rank = np.unique(both, return_inverse=True)
        # The combined code is made dense again, so that it can't outgrow 64 bits.
        _, code = np.unique(code * len(values) + rank, return_inverse=True)
    return code[:n], code[n:]


def merge_by_token(*scans: Iterator[Page]) -> Iterator[tuple[Page, ...]]:
    """Scans of tables with one partition key, as pages that hold the same whole partitions, one of each scan.

    Memory holds two pages of each, and the rest of a partition that is longer than a page.
    """
    sides = [_Side(scan) for scan in scans]
    while True:
        for side in sides:
            side.fill()
        whole = [side.last_token for side in sides if not side.is_over]
        if not whole:
            yield tuple(side.pop_below(None) for side in sides)
            return
        cut = min(whole)
        if any(side.holds_below(cut) for side in sides):
            yield tuple(side.pop_below(cut) for side in sides)
            continue
        for side in sides:  # all that is held of it is of one partition: more of it
            if not side.is_over and side.last_token == cut:
                side.fill(more=True)


class _Side:
    def __init__(self, pages: Iterator[Page]) -> None:
        self._pages = pages
        self._held: Page = {}
        self.is_over = False

    def fill(self, *, more: bool = False) -> None:
        """Read on until there is a row, or one page more."""
        while not self.is_over and (more or not self._held or row_count(self._held) == 0):
            page = next(self._pages, None)
            if page is None:
                self.is_over = True
            elif row_count(page) or not self._held:
                self._held = concat([self._held, page]) if self._held else page
                more = False

    @property
    def last_token(self) -> int:
        return int(integers(self._held, "token")[-1])

    def holds_below(self, token: int) -> bool:
        return bool(self._held) and row_count(self._held) > 0 and int(integers(self._held, "token")[0]) < token

    def pop_below(self, token: int | None) -> Page:
        """Take the rows of the partitions below a token: of these it is known that all rows are here; None: all."""
        if not self._held:
            return {}
        tokens = integers(self._held, "token")
        cut = len(tokens) if token is None else int(np.searchsorted(tokens, token))
        taken, self._held = take(self._held, slice(0, cut)), take(self._held, slice(cut, None))
        return taken


def lists_of(rows: Sequence[Sequence[int]]) -> Lists:
    """Python lists as a column."""
    flat = [value for row in rows for value in row]
    return Lists(flat=np.array(flat, np.int32), length=np.array([len(row) for row in rows], np.int64))
