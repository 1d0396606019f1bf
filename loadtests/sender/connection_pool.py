"""The engine's connections while the storm runs: bytes in, bytes out, and opening what broke again.

The sender thread owns every socket here and never blocks on one. A broken link is opened again by a thread of its own,
which hands the new connection over through a queue.
"""

import logging
import queue
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from loadtests.errors import HarnessError
from loadtests.sender.completion import lose_link
from loadtests.sender.connection import Access, NodeUnreachable, open_connection
from loadtests.sender.protocol import CONTROL_STREAM, build_prepare
from loadtests.sender.state import LinkField, LinkStatus, Total, WireState

_LOG = logging.getLogger(__name__)
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_BACKOFF_S = 0.1
_BACKOFF_S_MAX = 5.0
_OPENERS_MAX = 16
_POLL_EVENTS = select.POLLIN | select.POLLERR | select.POLLHUP

HAS_SYSCALLS = sys.platform == "linux" and sys.maxsize > 2**32  # what `syscalls` needs

_LOST = int(LinkStatus.LOST)
_STATUS = int(LinkField.STATUS)
_IN_END = int(LinkField.IN_END)
_OUT_START = int(LinkField.OUT_START)
_OUT_END = int(LinkField.OUT_END)
_NEEDS_PREPARE = int(LinkField.NEEDS_PREPARE)


class Links:
    """All connections of one engine. `state` holds their buffers and counters; its recording may change later.

    addresses: (host, port) of each link's node, None for a node that takes no operations (its links stay closed).
    statements: CQL that is prepared on every connection.
    """

    def __init__(
        self, state: WireState, addresses: Sequence[tuple[str, int] | None], access: Access, statements: Sequence[str]
    ) -> None:
        self.opening_count = 0  # links that are being opened again
        # Compiled code can read and write a plain socket on Linux by itself; TLS is Python's.
        self.is_native = HAS_SYSCALLS and access.tls is None
        self._addresses = list(addresses)
        self._access = access
        self._statements = tuple(statements)
        self._prepare_frames = b"".join(build_prepare(cql, stream=CONTROL_STREAM) for cql in statements)
        self._sockets: list[socket.socket | None] = [None] * len(addresses)
        self._table = state.links.data  # a memoryview's items are plain ints: far cheaper than NumPy scalars
        self._in_views = [row.data for row in state.in_bytes]
        self._out_views = [row.data for row in state.out_bytes]
        self._by_fd: dict[int, int] = {}
        self._poll = select.poll()
        self._unpolled: set[int] = set()  # links that may hold bytes which poll can't see
        self._opened: queue.SimpleQueue[tuple[int, socket.socket]] = queue.SimpleQueue()
        self._openers: list[threading.Thread] = []
        self._is_closing = threading.Event()

    def open_all(self, unserved: Callable[[Collection[int]], str | None]) -> tuple[str, ...]:
        """Open every link, in parallel; the nodes (host:port) that were down and are tried again from now on.

        unserved: given the links that could not be opened, says in words what can't be served without them, or None.
        Raises NodeUnreachable with these words and the first node that is missed, and HarnessError for a node that
        answers and can't be used all the same.
        """
        wanted = [(link, address) for link, address in enumerate(self._addresses) if address is not None]
        with ThreadPoolExecutor(max_workers=_OPENERS_MAX) as pool:
            futures = [
                (link, pool.submit(open_connection, address, self._access, self._statements))
                for link, address in wanted
            ]
        failures = {link: error for link, future in futures if (error := future.exception()) is not None}
        for link, future in futures:
            if link not in failures:
                self._adopt(link, future.result()[0], now_us=0)
        try:
            self._accept_failures(failures, unserved)
        except BaseException:
            self.close()
            raise
        for link, address in wanted:
            if link in failures:
                self._begin_opening(link, address)
        return tuple(sorted({f"{host}:{port}" for link, (host, port) in wanted if link in failures}))

    @staticmethod
    def _accept_failures(
        failures: Mapping[int, BaseException], unserved: Callable[[Collection[int]], str | None]
    ) -> None:
        for failure in failures.values():
            if not isinstance(failure, NodeUnreachable):
                raise failure
        if failures and (why := unserved(failures.keys())) is not None:
            first = next(iter(failures.values()))
            raise NodeUnreachable(f"{first}; without it {why}")
        for failure in failures.values():
            _LOG.warning("%s; the storm goes on without it", failure)

    def receive(self) -> None:
        """Read what has come on every link into its in buffer."""
        ready = {self._by_fd[fd] for fd, _ in self._poll.poll(0)} | self._unpolled
        self._unpolled.clear()
        for link in ready:
            self._receive_on(link)

    def note_read(self, looked_us: int) -> None:
        """What was read was there when it was looked for at `looked_us`, and nothing else."""
        for link in self._by_fd.values():
            if link not in self._unpolled:
                self._table[link, LinkField.EMPTY_US] = looked_us

    def send(self) -> None:
        """Write every link's unsent bytes, as far as its socket takes them."""
        table = self._table
        for link in self._by_fd.values():
            if table[link, _OUT_END]:
                self._send_on(link)

    def tend(self, state: WireState, now_us: int) -> None:
        """Close links that were lost and start opening them again; adopt those that are open; prepare again where asked."""
        for link in range(len(self._sockets)):
            if self._table[link, _STATUS] == LinkStatus.LOST:
                self._lose(state, link, now_us)
            elif self._table[link, _NEEDS_PREPARE]:
                self._prepare_again(link)
        while not self._opened.empty():
            link, connection = self._opened.get_nowait()
            self._adopt(link, connection, now_us)
            state.totals[Total.REOPENED] += 1
            self.opening_count -= 1

    def need_care(self) -> bool:
        """Is there anything for `tend` to do? Cheap enough for every tick."""
        table = self._table
        for link in range(len(table)):
            if table[link, _STATUS] == _LOST or table[link, _NEEDS_PREPARE]:
                return True
        return not self._opened.empty()

    def close(self) -> None:
        """Close every connection and end the threads that open new ones. Closing twice is harmless."""
        self._is_closing.set()
        for opener in self._openers:
            opener.join(timeout=self._access.timeout_s + 1)
        while not self._opened.empty():
            self._opened.get_nowait()[1].close()
        for link, connection in enumerate(self._sockets):
            if connection is not None:
                self._poll.unregister(connection)
                connection.close()
                self._sockets[link] = None
                self._table[link, _STATUS] = LinkStatus.CLOSED
        self._by_fd.clear()

    def _adopt(self, link: int, connection: socket.socket, now_us: int) -> None:
        self._sockets[link] = connection
        self._by_fd[connection.fileno()] = link
        self._poll.register(connection, _POLL_EVENTS)
        self._table[link, LinkField.HEARD_US] = now_us
        self._table[link, LinkField.EMPTY_US] = now_us
        self._table[link, LinkField.FD] = connection.fileno()
        self._table[link, _STATUS] = LinkStatus.OPEN

    def _receive_on(self, link: int) -> None:
        connection = self._sockets[link]
        table, view = self._table, self._in_views[link]
        is_tls = isinstance(connection, ssl.SSLSocket)
        assert connection is not None
        try:
            while True:
                end = table[link, _IN_END]
                if end == len(view):
                    self._unpolled.add(link)
                    return
                size = connection.recv_into(view[end:])
                if size == 0:
                    table[link, _STATUS] = LinkStatus.LOST
                    return
                table[link, _IN_END] = end + size
                # A TLS record is at most 16 kB, and what is decrypted already is invisible to poll: read on. A plain socket
                # that has filled its buffer may hold more.
                if not is_tls and end + size < len(view):
                    return
        except _WOULD_BLOCK:
            return
        except OSError:
            table[link, _STATUS] = LinkStatus.LOST

    def _send_on(self, link: int) -> None:
        connection = self._sockets[link]
        table, view = self._table, self._out_views[link]
        assert connection is not None
        start, end = table[link, _OUT_START], table[link, _OUT_END]
        try:
            while start < end:
                start += connection.send(view[start:end])
        except _WOULD_BLOCK:
            table[link, _OUT_START] = start
            return
        except OSError:
            table[link, _STATUS] = LinkStatus.LOST
            return
        table[link, _OUT_START] = 0
        table[link, _OUT_END] = 0

    def _lose(self, state: WireState, link: int, now_us: int) -> None:
        connection = self._sockets[link]
        address = self._addresses[link]
        assert connection is not None and address is not None
        why = "sent what breaks the protocol" if self._table[link, LinkField.HAS_BROKEN] else "lost"
        _LOG.warning("link=%d node=%s:%d %s, opening again", link, *address, why)
        self._poll.unregister(connection)
        del self._by_fd[connection.fileno()]
        self._unpolled.discard(link)
        connection.close()
        self._sockets[link] = None
        lose_link(state, link, now_us)
        self._begin_opening(link, address)

    def _begin_opening(self, link: int, address: tuple[str, int]) -> None:
        self.opening_count += 1
        self._openers = [opener for opener in self._openers if opener.is_alive()]
        opener = threading.Thread(target=self._reopen, args=(link, address), name=f"open-link-{link}", daemon=True)
        self._openers.append(opener)
        opener.start()

    def _reopen(self, link: int, address: tuple[str, int]) -> None:
        delay_s = _BACKOFF_S
        while not self._is_closing.is_set():
            try:
                connection, _ = open_connection(address, self._access, self._statements)
            except HarnessError as error:
                _LOG.info("link=%d still closed: %s", link, error)
                self._is_closing.wait(delay_s)
                delay_s = min(delay_s * 2, _BACKOFF_S_MAX)
            else:
                if self._is_closing.is_set():  # `close` may have stopped waiting for this thread
                    connection.close()
                else:
                    self._opened.put((link, connection))
                return

    def _prepare_again(self, link: int) -> None:
        """Append PREPARE of every statement to what the link sends next; retries of what failed come after it."""
        self._table[link, _NEEDS_PREPARE] = 0
        end = self._table[link, _OUT_END]
        frames = self._prepare_frames
        if self._sockets[link] is None or end + len(frames) > len(self._out_views[link]):
            return  # full: the next operation that is answered with UNPREPARED asks again
        self._out_views[link][end : end + len(frames)] = frames
        self._table[link, _OUT_END] = end + len(frames)
