"""Tokens and replicas against cassandra-driver's own."""

import numpy as np
from cassandra.metadata import Murmur3Token
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.sender.frames import FrameTemplate
from loadtests.sender.murmur3 import tokens
from loadtests.sender.ring import NO_NODE, RingTable, ring_of_nodes
from scenarios.domain import Operation
from store.tables import Bind, CqlType, Statement


def test_a_known_token() -> None:
    """The token of bigint 1 and of text 'a' as `SELECT token(...)` of Cassandra gives them."""
    assert tokens(np.array([[0, 0, 0, 0, 0, 0, 0, 1]], dtype=np.uint8))[0] == 6292367497774912474
    assert tokens(np.frombuffer(b"a", dtype=np.uint8).reshape(1, 1))[0] == -8839064797231613815


@settings(deadline=None)  # the first example compiles the kernels
@given(st.integers(0, 40).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1)))
def test_tokens_are_those_of_the_driver(keys: list[bytes]) -> None:
    packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
    assert tokens(packed).tolist() == [Murmur3Token.hash_fn(key) for key in keys]


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)), min_size=1))
def test_tokens_of_composite_keys(rows: list[tuple[int, int]]) -> None:
    """Negative numbers have bytes above 127, which Cassandra's variant of Murmur3 extends with their sign."""
    statement = Statement(
        operation=Operation.INGEST_READING,
        cql="? ?",
        binds=(Bind(name="meter", type=CqlType.BIGINT), Bind(name="day", type=CqlType.INT)),
        partition_key=("meter", "day"),
        is_write=True,
    )
    template = FrameTemplate(statement, bytes(16), 1)
    columns = {"meter": np.array([meter for meter, _ in rows]), "day": np.array([day for _, day in rows])}
    expected = [
        Murmur3Token.hash_fn(
            b"\0\x08"
            + meter.to_bytes(8, "big", signed=True)
            + b"\0\0\x04"
            + day.to_bytes(4, "big", signed=True)
            + b"\0"
        )
        for meter, day in rows
    ]
    assert template.tokens(columns).tolist() == expected


def test_a_token_belongs_to_the_first_entry_that_is_not_below_it() -> None:
    ring = RingTable(
        addresses=(("a", 1), ("b", 1), ("c", 1)),
        dcs=("north", "south"),
        node_dcs=np.array([0, 0, 1], dtype=np.int16),
        ends=np.array([-100, 0, 100], dtype=np.int64),
        replicas=np.array([[[0], [2]], [[1], [2]], [[0], [NO_NODE]]], dtype=np.int16),
    )
    assert [ring.replicas_of(token, 0) for token in (-101, -100, -99, 0, 1, 100)] == [[0], [0], [1], [1], [0], [0]]
    assert ring.replicas_of(101, 0) == [0]  # past the last entry it wraps around
    assert ring.replicas_of(101, 1) == [2] and ring.replicas_of(100, 1) == []


def test_stub_nodes_hold_every_token_of_their_dc() -> None:
    ring = ring_of_nodes([(("a", 1), "north"), (("b", 1), "south"), (("c", 1), "north")])
    assert ring.replicas_of(12345, 0) == [0, 2] and ring.replicas_of(-1, 1) == [1]
