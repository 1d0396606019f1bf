"""Links that Python reads: TLS, and plain ones where compiled code can't."""

import socket

import pytest

from loadtests.sender.connection import Access
from loadtests.sender.connection_pool import Links
from loadtests.sender.engine import EngineSettings
from loadtests.sender.state import LinkField
from tests.support.engine_state import new_bench

IN_BYTES = 400


@pytest.mark.parametrize(("sent", "left"), [(IN_BYTES - 1, 0), (IN_BYTES, 0), (IN_BYTES + 7, 7)])
def test_a_link_that_has_filled_its_buffer_is_not_known_to_be_empty(sent: int, left: int) -> None:
    bench = new_bench([0], in_bytes=IN_BYTES)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        links = Links(bench.state, [None] * len(bench.state.links), Access(), [])
        links._adopt(0, ours, now_us=5)
        theirs.sendall(bytes(sent))
        links.receive()
        links.note_read(looked_us=900)
        assert bench.link(0, LinkField.IN_END) == min(sent, IN_BYTES)
        assert bench.link(0, LinkField.EMPTY_US) == (900 if sent < IN_BYTES else 5)
        bench.state.links[0, LinkField.IN_END] = 0  # as the kernel that looks through it leaves it
        links.receive()
        links.note_read(looked_us=1_000)
        assert bench.link(0, LinkField.IN_END) == left
        assert bench.link(0, LinkField.EMPTY_US) == 1_000


@pytest.mark.parametrize(("rest_us", "tick_us"), [(0, 500), (501, 500)])
def test_the_shortest_tick_is_no_longer_than_the_longest(rest_us: int, tick_us: int) -> None:
    with pytest.raises(AssertionError):
        EngineSettings(rest_us=rest_us, tick_us=tick_us)
