"""What a sample's frames would leave in one table, by the rules of CQL: rows by their key, of each the highest timestamp.

Shares nothing with the encoder: frames are taken apart by the protocol's words, statements by their own.
Source: native_protocol_v4.spec, sections 4.1.4 and 4.1.6.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadtests.sender.block import OperationBlock
from store.tables import CqlType, Statement, Table, primary_key

_INSERT = re.compile(r"INSERT INTO \{keyspace\}\.(\w+) \(([^)]*)\) VALUES \(([?, ]*)\)( USING TIMESTAMP \?)?")
Row = dict[str, Any]


def rows_left(sample: OperationBlock, statements: Mapping[bytes, Statement], table: Table) -> list[Row]:
    """statements: by prepared id. Values are integers, timestamps [ms], lists of integers and bytes."""
    types = {column.name: column.type for column in table.columns}
    key = primary_key(table)
    held: dict[tuple[Any, ...], tuple[int, Row]] = {}
    for row in sample.rows:
        start = int(row["frame_offset"])
        frame = sample.frames[start : start + int(row["frame_size"])].tobytes()
        size = int.from_bytes(frame[9:11], "big")
        statement = statements[frame[11 : 11 + size]]
        if not statement.is_write:
            continue
        for name, columns, cells, written_us in _inserts(statement, _cells(frame[11 + size + 3 :])):
            if name == table.name:
                values = {column: _value(types[column], cell) for column, cell in zip(columns, cells, strict=True)}
                place = tuple(values[column] for column in key)
                if place not in held or held[place][0] <= written_us:
                    held[place] = (written_us, values)
    return [values for _, values in held.values()]


def _cells(body: bytes) -> list[bytes]:
    count, at, found = int.from_bytes(body[:2], "big"), 2, []
    for _ in range(count):
        size = int.from_bytes(body[at : at + 4], "big")
        found.append(body[at + 4 : at + 4 + size])
        at += 4 + size
    assert at == len(body), "a frame holds more than its values"
    return found


def _inserts(statement: Statement, cells: Sequence[bytes]) -> list[tuple[str, list[str], Sequence[bytes], int]]:
    at, of_all, found = 0, None, []
    if statement.cql.startswith("BEGIN UNLOGGED BATCH USING TIMESTAMP ?"):
        of_all, at = cells[0], 1
    for match in _INSERT.finditer(statement.cql):
        columns = [name.strip() for name in match[2].split(",")]
        own = cells[at : at + len(columns)]
        at += len(columns)
        stamp = of_all
        if match[4]:
            stamp, at = cells[at], at + 1
        assert stamp is not None, "a row without a timestamp"
        found.append((match[1], columns, own, int.from_bytes(stamp, "big", signed=True)))
    assert at == len(cells)
    return found


def _value(kind: CqlType, cell: bytes) -> Any:
    if kind is CqlType.BLOB:
        return cell
    if kind is CqlType.INT_LIST:
        return np.frombuffer(cell[4:], ">i4")[1::2].tolist()
    return int.from_bytes(cell, "big", signed=True)
