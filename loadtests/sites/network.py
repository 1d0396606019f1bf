"""The sites of a local cluster: a network namespace each, TUN devices, addresses, and the WAN between them.

Rules that hold here: it is made inside namespaces of the run's own (`enter_namespaces.py`), so that nothing of it can be left
behind; every packet between sites goes through the WAN, and every count of it is kept.

Site 0 is the field, where this process and all clients are; the data centres follow in the topology's order. Addresses:
10.77.SITE.HOST, hosts numbered from 1.

The nodes of a data centre of several have a namespace each, joined by a router: Cassandra binds no address before it connects, so
that in one namespace all of them would speak with the first one's, and who is parted goes by addresses. Traffic between them goes
through the kernel alone.
"""

import contextlib
import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import combinations
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.sites.enclosure import require_inside
from loadtests.sites.namespaces import enter, join_nodes, join_router, make_device, new_namespace, throw_away
from loadtests.sites.packets import HOSTS, LATENESS_BUCKET_NS, RuleField, carry_packets, make_wan
from scenarios.parts.site_wan import FIELD, LinkQuality, SiteWan

_PR_SET_TIMERSLACK = 29
_ROUTER_HOST = 254  # of a data centre of several nodes; nobody's, as far as the WAN knows
_PROBE_S_MAX = 0.05  # in which a datagram within a data centre comes, or does not
PRIORITY = 12  # of real time, above that of the senders
_CHANCE = 1 << 32
BUCKET_MS = LATENESS_BUCKET_NS / 1e6
_NOT_MADE = "the network of the sites can't be made (`meterstorm doctor` says what this machine lacks)"

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class SiteNetwork:
    """A running network of sites, as a context manager. Its rules may be changed while packets are under way."""

    block = 0  # the addresses are the network's own: there is nothing to choose

    def __init__(self, node_counts: Mapping[str, int], wan: SiteWan) -> None:
        """node_counts: by data centre. Raises HarnessError where the machine does not let us."""
        require_inside()
        self.sites = (FIELD, *node_counts)
        self._quality = wan
        hosts = {FIELD: 1, **node_counts}
        self._addresses = {
            site: tuple(f"10.77.{number}.{host}" for host in range(1, hosts[site] + 1))
            for number, site in enumerate(self.sites)
        }
        self._number: dict[str, int] = {}  # of each endpoint, by its address
        endpoint_of = np.full((len(self.sites), HOSTS), -1, np.int16)
        for number, site in enumerate(self.sites):
            for host, address in enumerate(self._addresses[site], start=1):
                endpoint_of[number, host] = self._number[address] = len(self._number)
        self._namespaces: dict[str, int] = {}  # file descriptors, by the address of a node
        self._routers: list[int] = []
        self._devices: list[int] = []
        try:
            for site in self.sites:
                self._make_site(site)
        except BaseException:
            self._close_files()
            raise
        self._wan = make_wan(self._devices, endpoint_of, wan.seed)
        self._lock = threading.Lock()
        for one, other in combinations(self.sites, 2):
            self.restore(one, other)
        self._wan.stop[0] = True
        carry_packets(self._wan)  # compiles it, if it is not yet
        self._wan.stop[0] = False
        self._thread = threading.Thread(target=self._carry, name="wan", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """End it; a second call does nothing."""
        self._wan.stop[0] = True
        self._thread.join()
        self._close_files()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of all nodes, data centre by data centre."""
        return tuple(address for site in self.sites[1:] for address in self._addresses[site])

    def addresses_of(self, site: str) -> tuple[str, ...]:
        """The addresses of a site's hosts."""
        return self._addresses[site]

    def namespace_of(self, address: str) -> int:
        """A file descriptor of the network namespace of a node's address, for the process that is started there."""
        return self._namespaces[address]

    def set_quality(self, one: str, other: str, quality: LinkQuality) -> None:
        """Change the link of two sites, for packets that are sent from now on."""
        with self._lock:
            first, second = self.sites.index(one), self.sites.index(other)
            for pair in ((first, second), (second, first)):
                self._wan.rules[pair] = _rule_of(quality)

    def restore(self, one: str, other: str) -> None:
        """Give the link of two sites the quality that the scenario says."""
        self.set_quality(one, other, self._quality.between(one, other))

    def set_distance(self, delay_ms: float) -> None:
        """Give every two data centres this delay one way, with all else as the scenario says; the field stays where it is."""
        for one, other in combinations(self.sites[1:], 2):
            self.set_quality(one, other, self._quality.between(one, other).model_copy(update={"delay_ms": delay_ms}))

    def cut(self, senders: Collection[str], receivers: Collection[str], *, is_cut: bool = True) -> None:
        """Let nothing pass from these addresses to those any more; or, with is_cut=False, all again.

        Raises HarnessError where the kernel refuses it of two nodes of one data centre, when all others are as was asked.
        """
        with self._lock, contextlib.ExitStack() as near:
            for sender in senders:
                for receiver in receivers:
                    if self.is_near(sender, receiver):
                        near.callback(self._cut_near, sender, receiver, is_cut=is_cut)
                    else:
                        self._wan.is_cut[self._number[sender], self._number[receiver]] = is_cut

    def is_near(self, one: str, other: str) -> bool:
        """Are two addresses of one site, so that nothing between them goes through the WAN?"""
        return one.rpartition(".")[0] == other.rpartition(".")[0]

    def passes(self, sender: str, receiver: str) -> bool:
        """Does a datagram from one node come to another one of its data centre?"""
        with self._socket_of(receiver, socket.SOCK_DGRAM) as far, self._socket_of(sender, socket.SOCK_DGRAM) as near:
            far.settimeout(_PROBE_S_MAX)
            try:
                near.sendto(b"?", far.getsockname())
                return bool(far.recv(1))
            except OSError:
                return False

    def _cut_near(self, sender: str, receiver: str, *, is_cut: bool) -> None:
        """Have the sender's own namespace throw away what goes to the receiver, or not any more."""

        def change() -> None:
            enter(self._namespaces[sender], "the network of a node")
            throw_away(receiver, is_cut=is_cut)

        what = "thrown away" if is_cut else "let pass again"
        self._in_thread(change, f"what goes from {sender} to {receiver} can't be {what}")

    def socket_at(self, site: str, kind: int) -> socket.socket:
        """A socket of a kind in a site's network, bound to a free port of its first address."""
        return self._socket_of(self._addresses[site][0], kind)

    def _socket_of(self, address: str, kind: int) -> socket.socket:
        def make() -> socket.socket:
            if address in self._namespaces:  # the field's is ours
                enter(self._namespaces[address], "a socket at a site")
            made = socket.socket(socket.AF_INET, kind)
            made.bind((address, 0))
            return made

        return self._in_thread(make, f"a socket at {address} can't be made")

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[S, S, PacketCount] so far, of the sites from and to."""
        return self._wan.counts.copy()

    @property
    def lateness_counts(self) -> NDArray[np.int64]:
        """int64[LATENESS_BUCKETS] packets so far, by how much later than due they were written."""
        return self._wan.lateness.copy()

    @property
    def late_ms_p99(self) -> float:
        """How much later than due 99 of 100 packets were written at the most, so far [ms]; at most the last bucket's."""
        return float(np.searchsorted(np.cumsum(counts := self.lateness_counts), 0.99 * counts.sum()) * BUCKET_MS)

    def cpu_s(self) -> float:
        """Processor time of the thread that carries packets so far [s]; it must run still."""
        assert self._thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def _carry(self) -> None:
        _libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # else the kernel may wake us 50 us late
        with contextlib.suppress(OSError):  # where we may, packets go before what nodes and senders compute
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        carry_packets(self._wan)

    def _make_site(self, site: str) -> None:
        addresses = self._addresses[site]
        if site == FIELD:
            self._devices.append(self._in_thread(lambda: make_device(addresses[0])))
            return
        for address in addresses:
            self._namespaces[address] = self._in_thread(new_namespace)
        if len(addresses) == 1:
            alone = self._namespaces[addresses[0]]
            self._devices.append(self._in_thread(lambda: self._device_in(alone, addresses[0])))
            return
        gateway = f"{addresses[0].rpartition('.')[0]}.{_ROUTER_HOST}"
        router = self._in_thread(new_namespace)
        self._routers.append(router)
        self._devices.append(self._in_thread(lambda: self._device_in(router, gateway)))
        self._in_thread(lambda: self._join(router, addresses))
        for address in addresses:
            self._in_thread(partial(join_router, self._namespaces[address], address, gateway))

    def _device_in(self, namespace: int, address: str) -> int:
        enter(namespace, "the network of a site")
        return make_device(address)

    def _join(self, router: int, addresses: Sequence[str]) -> None:
        enter(router, "the network of a site")
        join_nodes({address: self._namespaces[address] for address in addresses})

    def _in_thread(self, work: Callable[[], T], failed: str = _NOT_MADE) -> T:
        """The result of work in a thread of its own: to enter a network namespace is a thread's.

        Raises HarnessError, which begins with what has failed.
        """
        result: list[T] = []
        failure: list[BaseException] = []

        def carry_out() -> None:
            try:
                result.append(work())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=carry_out, name="site")
        thread.start()
        thread.join()
        if failure:
            raise HarnessError(f"{failed}: {failure[0]}") from failure[0]
        return result[0]

    def _close_files(self) -> None:
        for file in (*self._namespaces.values(), *self._routers, *self._devices):
            os.close(file)
        self._namespaces, self._routers, self._devices = {}, [], []


def _rule_of(quality: LinkQuality) -> list[int]:
    rule = [0] * len(RuleField)
    rule[RuleField.DELAY_NS] = round(quality.delay_ms * 1e6)
    rule[RuleField.JITTER_NS] = round(quality.jitter_ms * 1e6)
    rule[RuleField.LOSS] = round(quality.loss * _CHANCE)
    rule[RuleField.DUPLICATE] = round(quality.duplicate * _CHANCE)
    rule[RuleField.REORDER] = round(quality.reorder * _CHANCE)
    rule[RuleField.PS_PER_BYTE] = 0 if quality.rate_mbit is None else round(8e6 / quality.rate_mbit)
    rule[RuleField.QUEUE_NS] = round(quality.queue_ms * 1e6)
    return rule
