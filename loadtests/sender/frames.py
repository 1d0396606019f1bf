"""EXECUTE frames of one prepared statement as rows of one NumPy structured array.

A statement whose binds all have a fixed width always makes frames of one size with every field at one offset. So a
structured dtype describes the whole frame, and a thousand requests are encoded by a handful of column assignments.
Lists have a fixed width once their length is fixed: a statement with a list has one template a list length.

Layout of the body: [short bytes] statement id, [short] consistency, [byte] flags, [short] value count, then each
value as [int] width and bytes, then [int] page size where asked for. Source: native_protocol_v4.spec, 4.1.6 and 4.1.4.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.sender import murmur3
from loadtests.sender.protocol import HEADER_SIZE, VERSION_REQUEST, Opcode, QueryFlag
from store.tables import Bind, CqlType, Statement

_SCALARS = {
    CqlType.BIGINT: ">i8",
    CqlType.TIMESTAMP: ">i8",
    CqlType.INT: ">i4",
    CqlType.SMALLINT: ">i2",
    CqlType.TINYINT: "i1",
}
_LIST_ITEM = np.dtype([("size", ">i4"), ("value", ">i4")])
_OF_LENGTH = (CqlType.INT_LIST, CqlType.BLOB)
"""Types of a fixed width once the length of their list of ints is fixed."""


def has_length(statement: Statement) -> bool:
    """Does a frame of the statement hold a list, so that its size depends on the list's length?"""
    return any(bind.type in _OF_LENGTH for bind in statement.binds)


class FrameTemplate:
    """Encodes the EXECUTE frames of one statement at one consistency level, and the bytes of its partition key.

    statement: its binds must all be of fixed width. prepared_id: what the server answered to PREPARE.
    consistency_code: the [consistency] short. list_length: of the list binds, None for a statement without any.
    page_size: rows a page of a read; None leaves it to the server (all rows), which writes want.
    """

    def __init__(
        self,
        statement: Statement,
        prepared_id: bytes,
        consistency_code: int,
        *,
        list_length: int | None = None,
        page_size: int | None = None,
    ) -> None:
        is_listed = has_length(statement)
        assert is_listed == (list_length is not None), f"{statement.operation}: a list length goes with a list bind"
        self.statement = statement
        self.bind_names = frozenset(bind.name for bind in statement.binds)
        self.list_length = list_length
        self._dtype = _frame_dtype(statement.binds, len(prepared_id), list_length, page_size is not None)
        self._blank = _blank_frame(self._dtype, statement, prepared_id, consistency_code, list_length, page_size)
        self._key_dtype = _key_dtype(statement)

    @property
    def size(self) -> int:
        """Bytes of one frame, header included."""
        return int(self._dtype.itemsize)

    def encode(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """Frames of the rows of `columns`: uint8[n, size], with stream id 0.

        columns: bind name -> integers [n], or [n, list_length] for a list or a blob; other names are ignored.
        Raises KeyError for a bind without a column, OverflowError for a value that its CQL type can't hold.
        """
        first = columns[self.statement.binds[0].name]
        frames = np.repeat(self._blank, len(first))
        for at, bind in enumerate(self.statement.binds):
            values = columns[bind.name]
            _check_range(bind, values)
            if bind.type is CqlType.INT_LIST:
                frames[f"items.{at}"]["value"] = values
            else:
                frames[f"value.{at}"] = values
        return frames.view(np.uint8).reshape(len(first), self.size)

    def key_bytes(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """The serialized partition keys: uint8[n, k], k the same for all rows.

        One column is its bytes; several are each [short] width, bytes, NUL. Source: Cassandra's CompositeType.
        """
        key = self.statement.partition_key
        rows = np.zeros(len(columns[key[0]]), dtype=self._key_dtype)
        widths = {
            bind.name: np.dtype(_SCALARS[bind.type]).itemsize for bind in self.statement.binds if bind.name in key
        }
        for name in key:
            if len(key) > 1:
                rows[f"size.{name}"] = widths[name]
            rows[f"value.{name}"] = columns[name]
        return rows.view(np.uint8).reshape(len(rows), self._key_dtype.itemsize)

    def tokens(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """The ring token of each row's partition: int64[n]."""
        tokens: NDArray[np.int64] = murmur3.tokens(self.key_bytes(columns))
        return tokens


def _frame_dtype(binds: tuple[Bind, ...], id_size: int, list_length: int | None, is_paged: bool) -> np.dtype[np.void]:
    fields: list[tuple[Any, ...]] = [
        ("version", "u1"),
        ("flags", "u1"),
        ("stream", ">i2"),
        ("opcode", "u1"),
        ("body_size", ">u4"),
        ("id_size", ">u2"),
        ("id", "u1", (id_size,)),
        ("consistency", ">u2"),
        ("query_flags", "u1"),
        ("value_count", ">u2"),
    ]
    for at, bind in enumerate(binds):  # by place: a batch binds the same name in each of its statements
        fields.append((f"size.{at}", ">i4"))
        if bind.type is CqlType.INT_LIST:
            fields += [(f"length.{at}", ">i4"), (f"items.{at}", _LIST_ITEM, (list_length or 0,))]
        elif bind.type is CqlType.BLOB:
            fields.append((f"value.{at}", f">i{bind.item_bytes}", (list_length or 0,)))
        else:
            fields.append((f"value.{at}", _SCALARS[bind.type]))
    if is_paged:
        fields.append(("page_size", ">i4"))
    return np.dtype(fields)


def _blank_frame(
    dtype: np.dtype[np.void],
    statement: Statement,
    prepared_id: bytes,
    consistency_code: int,
    list_length: int | None,
    page_size: int | None,
) -> NDArray[np.void]:
    """A frame with everything that does not change from one request to the next: void[1]."""
    frame = np.zeros(1, dtype=dtype)
    frame["version"] = VERSION_REQUEST
    frame["opcode"] = Opcode.EXECUTE
    frame["body_size"] = dtype.itemsize - HEADER_SIZE
    frame["id_size"] = len(prepared_id)
    frame["id"] = np.frombuffer(prepared_id, dtype=np.uint8)
    frame["consistency"] = consistency_code
    # Without SKIP_METADATA the answer to a read would repeat the names and types of the columns each time.
    paging = QueryFlag.PAGE_SIZE if page_size is not None else 0
    frame["query_flags"] = QueryFlag.VALUES | QueryFlag.SKIP_METADATA | paging
    frame["value_count"] = len(statement.binds)
    for at, bind in enumerate(statement.binds):
        if bind.type is CqlType.INT_LIST:
            assert list_length is not None
            frame[f"size.{at}"] = 4 + list_length * _LIST_ITEM.itemsize
            frame[f"length.{at}"] = list_length
            frame[f"items.{at}"]["size"] = 4
        elif bind.type is CqlType.BLOB:
            frame[f"size.{at}"] = (list_length or 0) * bind.item_bytes
        else:
            frame[f"size.{at}"] = np.dtype(_SCALARS[bind.type]).itemsize
    if page_size is not None:
        frame["page_size"] = page_size
    return frame


def _key_dtype(statement: Statement) -> np.dtype[np.void]:
    types = {bind.name: bind.type for bind in statement.binds}
    fields: list[tuple[str, str]] = []
    for name in statement.partition_key:
        if len(statement.partition_key) == 1:
            fields.append((f"value.{name}", _SCALARS[types[name]]))
        else:
            fields += [(f"size.{name}", ">u2"), (f"value.{name}", _SCALARS[types[name]]), (f"end.{name}", "u1")]
    return np.dtype(fields)


def _check_range(bind: Bind, values: NDArray[Any]) -> None:
    """Assignment into a narrower integer would wrap silently: a wrong value on the wire is worse than an error."""
    width = bind.item_bytes if bind.type in _OF_LENGTH else np.dtype(_SCALARS[bind.type]).itemsize
    if (values.dtype.itemsize <= width and values.dtype.kind == "i") or values.size == 0:
        return
    limit = np.iinfo(f"i{width}")
    if values.min() < limit.min or values.max() > limit.max:
        raise OverflowError(f"bind '{bind.name}' ({bind.type}) can't hold {values.min()} ... {values.max()}")
