"""Frames against bytes worked by hand and against cassandra-driver's own encoder."""

import struct

import numpy as np
import pytest
from cassandra.protocol import ExecuteMessage, ProtocolHandler
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.sender.frames import FrameTemplate
from scenarios.domain import ConsistencyLevel, Operation
from store.tables import Bind, CqlType, Statement

PREPARED_ID = bytes(range(16))


def statement(*binds: tuple[str, CqlType], key: tuple[str, ...], is_write: bool = True) -> Statement:
    return Statement(
        operation=Operation.INGEST_REVISION,
        cql=" ".join("?" for _ in binds),
        binds=tuple(Bind(name=name, type=kind) for name, kind in binds),
        partition_key=key,
        is_write=is_write,
    )


ALL_TYPES = statement(
    ("mpxn", CqlType.BIGINT),
    ("at", CqlType.TIMESTAMP),
    ("wh", CqlType.INT),
    ("month", CqlType.SMALLINT),
    ("quality", CqlType.TINYINT),
    ("values_wh", CqlType.INT_LIST),
    key=("mpxn", "month"),
)


def test_a_small_frame_by_hand() -> None:
    template = FrameTemplate(statement(("meter", CqlType.BIGINT), key=("meter",)), b"\xaa\xbb", 6)
    frames = template.encode({"meter": np.array([1, -2])})
    body = "0002 aabb000603000100000008"
    assert frames[0].tobytes() == bytes.fromhex("04 00 0000 0a 00000015" + body + "0000000000000001")
    assert frames[1].tobytes() == bytes.fromhex("04 00 0000 0a 00000015" + body + "fffffffffffffffe")
    assert template.size == frames.shape[1] == 30


def test_a_batch_binds_a_name_in_each_of_its_statements() -> None:
    batch = statement(("meter", CqlType.BIGINT), ("meter", CqlType.BIGINT), ("wh", CqlType.INT), key=("meter",))
    template = FrameTemplate(batch, PREPARED_ID, 6)
    frame = template.encode({"meter": np.array([7]), "wh": np.array([3])})[0].tobytes()
    assert frame[-32:] == struct.pack(">iqiqii", 8, 7, 8, 7, 4, 3)
    assert template.key_bytes({"meter": np.array([7])}).tobytes() == struct.pack(">q", 7)


def test_a_paged_read_carries_its_page_size() -> None:
    read = statement(("meter", CqlType.INT), key=("meter",), is_write=False)
    frame = FrameTemplate(read, PREPARED_ID, 1, page_size=5_000).encode({"meter": np.array([7])})[0].tobytes()
    assert frame[-4:] == struct.pack(">i", 5_000)
    assert frame[29] == 0x01 | 0x02 | 0x04  # values, skip metadata, page size


rows = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**7), 2**7 - 1),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3),
)


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(ConsistencyLevel))
def test_frames_are_those_of_the_driver(given_rows: list[tuple[int, ...]], level: ConsistencyLevel) -> None:
    names = [bind.name for bind in ALL_TYPES.binds]
    columns = {name: np.array([row[i] for row in given_rows]) for i, name in enumerate(names)}
    template = FrameTemplate(ALL_TYPES, PREPARED_ID, level.wire_code, list_length=3)
    for frame, row in zip(template.encode(columns), given_rows, strict=True):
        packed = [struct.pack(f">{code}", value) for code, value in zip("qqihb", row[:5], strict=True)]
        listed = struct.pack(">i", 3) + b"".join(struct.pack(">ii", 4, value) for value in row[5])
        message = ExecuteMessage(PREPARED_ID, [*packed, listed], level.wire_code)
        frame[29] &= 0xFD  # the driver reads the metadata of each answer, the engine has no use for it
        assert frame.tobytes() == ProtocolHandler.encode_message(message, 0, 4, None, False)


def test_key_bytes_of_one_and_of_several_columns() -> None:
    columns = {"meter": np.array([258]), "day": np.array([-1])}
    one = FrameTemplate(statement(("meter", CqlType.BIGINT), key=("meter",)), PREPARED_ID, 1)
    assert one.key_bytes(columns)[0].tobytes() == bytes.fromhex("0000000000000102")
    binds = (("day", CqlType.INT), ("meter", CqlType.BIGINT))
    both = FrameTemplate(statement(*binds, key=("meter", "day")), PREPARED_ID, 1)
    assert both.key_bytes(columns)[0].tobytes() == bytes.fromhex("0008 0000000000000102 00 0004 ffffffff 00")


@pytest.mark.parametrize(
    ("kind", "value"),
    [(CqlType.INT, 2**31), (CqlType.SMALLINT, -(2**15) - 1), (CqlType.TINYINT, 128), (CqlType.BIGINT, 2**63)],
)
def test_a_value_that_does_not_fit_is_refused(kind: CqlType, value: int) -> None:
    template = FrameTemplate(statement(("x", kind), key=("x",)), PREPARED_ID, 1)
    with pytest.raises(OverflowError, match="'x'"):
        template.encode({"x": np.array([value])})


def test_a_missing_column_and_a_forgotten_list_length_are_refused() -> None:
    with pytest.raises(KeyError, match="wh"):
        FrameTemplate(ALL_TYPES, PREPARED_ID, 1, list_length=1).encode({"mpxn": np.array([1]), "at": np.array([1])})
    with pytest.raises(AssertionError, match="list length"):
        FrameTemplate(ALL_TYPES, PREPARED_ID, 1)


def test_the_ints_of_a_blob_take_as_many_bytes_as_they_are_said_to() -> None:
    short = Statement(
        operation=Operation.INGEST_REVISION,
        cql="? ?",
        binds=(
            Bind(name="meter", type=CqlType.BIGINT),
            Bind(name="deltas_wh", type=CqlType.BLOB, item_bytes=2),
        ),
        partition_key=("meter",),
        is_write=True,
    )
    template = FrameTemplate(short, PREPARED_ID, 6, list_length=3)
    frame = template.encode({"meter": np.array([7]), "deltas_wh": np.array([[500, -2, 30_000]])})[0].tobytes()
    assert frame[-22:] == struct.pack(">iqihhh", 8, 7, 6, 500, -2, 30_000)
    with pytest.raises(OverflowError, match="deltas_wh"):
        template.encode({"meter": np.array([7]), "deltas_wh": np.array([[500, -2, 32_768]])})


def test_no_rows_make_no_frames() -> None:
    template = FrameTemplate(statement(("meter", CqlType.BIGINT), key=("meter",)), PREPARED_ID, 1)
    assert template.encode({"meter": np.zeros(0, dtype=np.int64)}).shape == (0, template.size)
