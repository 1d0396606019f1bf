"""Rows of CQL as bytes, and columns of integers: NumPy takes whole pages apart and puts whole columns together. Pure.

A cell is [int] its size, -1 for null, and its bytes; a list<int> is [int] a count, then each element as a cell.
Source: native_protocol_v4.spec, sections 4.2.5.2 and 6.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from store.columns import NULL, Column, Lists, Page, integers
from store.tables import CqlType, Table, primary_key

WIDTH = {
    CqlType.BIGINT: 8,
    CqlType.INT: 4,
    CqlType.SMALLINT: 2,
    CqlType.TINYINT: 1,
    CqlType.TIMESTAMP: 8,
}


class Layout:
    """How the cells of a scanned row lie: all of one width, but for the list, which is the last."""

    def __init__(self, table: Table, columns: Sequence[str], *, with_times: bool = False) -> None:
        types = {column.name: column.type for column in table.columns}
        key = primary_key(table)
        # a cell can be altered alone: only all of a row's write times say what a mending has to win over
        self.timed = tuple(one.name for one in table.columns if one.name not in key) if with_times else ()
        self.with_times = with_times
        fixed = [name for name in columns if types[name] is not CqlType.INT_LIST]
        listed = [name for name in columns if types[name] is CqlType.INT_LIST]
        assert len(listed) <= 1, "two lists in a scan"
        self.list_name = listed[0] if listed else None
        times = [f"{name}_written_us" for name in self.timed]
        self.selected = [f"writetime({name})" for name in self.timed] + fixed + listed
        self.names = ["token", *times, *fixed, *listed]
        widths = [8, *(8 for _ in times), *(WIDTH[types[name]] for name in fixed)]
        self.fixed_names = self.names[: len(widths)]
        fields = [
            field
            for name, width in zip(self.fixed_names, widths, strict=True)
            for field in ((f"{name}_size", ">i4"), (name, f">i{width}"))
        ]
        self.widths = widths
        self.row = np.dtype(fields)

    def decode(self, count: int, body: bytes) -> Page:
        """The columns of a page; a page with a cell that is null is taken apart cell by cell.

        With times `held_us` is the greatest write time of a row's cells [us], NULL where it has none but its key.
        """
        columns = dict(self._decode(count, body))
        if self.with_times:
            held_us = np.full(count, NULL, np.int64)
            for name in self.timed:
                held_us = np.maximum(held_us, integers(columns, f"{name}_written_us"))
                del columns[f"{name}_written_us"]
            columns["held_us"] = held_us
        return columns

    def _decode(self, count: int, body: bytes) -> Page:
        try:
            starts, sizes = self._starts(count, body)
        except IndexError:
            return self._decode_slowly(count, body)
        held = np.frombuffer(body, np.uint8)
        fixed = np.ascontiguousarray(held[starts[:, np.newaxis] + np.arange(self.row.itemsize)]).view(self.row).ravel()
        columns: dict[str, Column] = {}
        for name, width in zip(self.fixed_names, self.widths, strict=True):
            if not (fixed[f"{name}_size"] == width).all():
                return self._decode_slowly(count, body)
            columns[name] = fixed[name].astype(np.int64)
        if self.list_name is not None:
            if (sizes < 4).any():
                return self._decode_slowly(count, body)
            columns[self.list_name] = _lists(held, starts + self.row.itemsize + 4, sizes)
        return columns

    def _starts(self, count: int, body: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each row starts, and the size of its list cell, if no cell is null."""
        width = self.row.itemsize
        if self.list_name is None:
            if len(body) != count * width:
                raise IndexError
            return np.arange(count, dtype=np.int64) * width, np.zeros(count, np.int64)
        if count and len(body) % count == 0 and width + 4 <= len(body) // count:  # as pushes are: lists of one length
            step = len(body) // count
            held = np.frombuffer(body, np.uint8).reshape(count, step)[:, width : width + 4]
            if (np.ascontiguousarray(held).view(">i4") == step - width - 4).all():
                return np.arange(count, dtype=np.int64) * step, np.full(count, step - width - 4, np.int64)
        starts, sizes, at = [0] * count, [0] * count, 0
        for i in range(count):
            starts[i] = at
            end = at + width + 4
            size = int.from_bytes(body[end - 4 : end], "big")
            sizes[i] = size
            at = end + size
        if at != len(body):
            raise IndexError
        return np.array(starts, np.int64), np.array(sizes, np.int64)

    def _decode_slowly(self, count: int, body: bytes) -> Page:
        cells: list[list[int | list[int]]] = [[] for _ in self.names]
        at = 0
        for _ in range(count):
            for index, name in enumerate(self.names):
                size = int.from_bytes(body[at : at + 4], "big", signed=True)
                cell = body[at + 4 : at + 4 + max(size, 0)]
                at += 4 + max(size, 0)
                if name == self.list_name:
                    cells[index].append(np.frombuffer(cell[4:], ">i4")[1::2].tolist())
                else:
                    cells[index].append(NULL if size < 0 else int.from_bytes(cell, "big", signed=True))
        columns: dict[str, Column] = {}
        for name, values in zip(self.names, cells, strict=True):
            if name == self.list_name:
                rows = [value for value in values if isinstance(value, list)]
                flat = np.array(list(itertools.chain.from_iterable(rows)), np.int32)
                columns[name] = Lists(flat=flat, length=np.array([len(row) for row in rows], np.int64))
            else:
                columns[name] = np.array(values, np.int64)
        return columns


def _lists(held: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Lists:
    """list<int> cells: a count, then each element with its size before it."""
    length = (sizes - 4) // 8
    values = np.empty(int(length.sum()), np.int32)
    at = np.cumsum(length) - length
    for one in np.unique(length):
        if one == 0:
            continue
        rows = np.flatnonzero(length == one)
        bytes_of = held[(starts[rows] + 4)[:, np.newaxis] + np.arange(8 * one)]
        elements = np.ascontiguousarray(bytes_of).view(">i4").reshape(len(rows), -1)[:, 1::2]
        values[(at[rows][:, np.newaxis] + np.arange(one))] = elements
    return Lists(flat=values, length=length)


def encode(kind: CqlType, column: Column) -> list[bytes | None]:
    """The cells of a column as bytes, without their lengths."""
    if isinstance(column, Lists):
        pairs = np.empty((len(column.flat), 2), ">i4")
        pairs[:, 0], pairs[:, 1] = 4, column.flat
        body = pairs.tobytes()
        ends = np.cumsum(column.length).tolist()
        return [
            length.to_bytes(4, "big") + body[(end - length) * 8 : end * 8]
            for end, length in zip(ends, column.length.tolist(), strict=True)
        ]
    width = WIDTH[kind]
    cells: list[bytes | None] = column.astype(f">i{width}").view(f"V{width}").tolist()
    for row in np.flatnonzero(column == NULL):
        cells[row] = None
    return cells
