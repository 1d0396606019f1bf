"""The sites of a local cluster: a network namespace each, TUN devices, addresses, and the WAN between them.

Rules that hold here: it is made inside namespaces of the run's own (`enter_namespaces.py`), so that nothing of it can be left
behind; every packet between sites goes through the WAN, and every count of it is kept.

Site 0 is the field, where this process and all clients are; the data centres follow in the topology's order. Addresses:
10.77.SITE.HOST, hosts numbered from 1.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping
from itertools import combinations
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.sites.enclosure import require_inside
from loadtests.sites.packets import HOSTS, LATENESS_BUCKET_NS, MTU, RuleField, carry_packets, make_wan
from scenarios.parts.site_wan import FIELD, LinkQuality, SiteWan

NEW_NETWORK = 0x40000000  # linux/sched.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_PR_SET_TIMERSLACK = 29
_DEVICE = "wan0"
PRIORITY = 12  # of real time, above that of the senders
_QUEUE_PACKETS = 10_000  # the kernel's, towards us
_CHANCE = 1 << 32
BUCKET_MS = LATENESS_BUCKET_NS / 1e6

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
        self._namespaces: dict[str, int] = {}  # file descriptors
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

    def namespace_of(self, site: str) -> int:
        """A file descriptor of the network namespace of a site, for processes that are started there."""
        return self._namespaces[site]

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
        """Let nothing pass from these addresses to those any more; or, with is_cut=False, all again."""
        with self._lock:
            for sender in senders:
                for receiver in receivers:
                    self._wan.is_cut[self._number[sender], self._number[receiver]] = is_cut

    def socket_at(self, site: str, kind: int) -> socket.socket:
        """A socket of a kind in a site's network, bound to a free port of its first address."""

        def make() -> socket.socket:
            if site != FIELD:
                _require(_libc.setns(self._namespaces[site], NEW_NETWORK), "a socket at a site")
            made = socket.socket(socket.AF_INET, kind)
            made.bind((self._addresses[site][0], 0))
            return made

        return self._in_thread(make)

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
        if site == FIELD:
            self._devices.append(self._in_thread(lambda: _make_device(self._addresses[site])))
            return

        def make() -> tuple[int, int]:
            _require(_libc.unshare(NEW_NETWORK), "a network namespace")
            namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            return namespace, _make_device(self._addresses[site])

        self._namespaces[site], device = self._in_thread(make)
        self._devices.append(device)

    def _in_thread(self, work: Callable[[], T]) -> T:
        """The result of work in a thread of its own: to enter a network namespace is a thread's."""
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
            raise HarnessError(
                f"the network of the sites can't be made: {failure[0]}; `meterstorm doctor` says what this machine lacks"
            ) from failure[0]
        return result[0]

    def _close_files(self) -> None:
        for file in (*self._namespaces.values(), *self._devices):
            os.close(file)
        self._namespaces, self._devices = {}, []


def _make_device(addresses: tuple[str, ...]) -> int:
    """A TUN device with these addresses in the thread's network namespace, which gets its loopback too; its descriptor."""
    from pyroute2 import IPRoute

    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
        with IPRoute() as route:
            route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
            index = route.link_lookup(ifname=_DEVICE)[0]
            for address in addresses:
                route.addr("add", index=index, address=address, prefixlen=24)
            route.link("set", index=index, mtu=MTU, txqlen=_QUEUE_PACKETS, state="up")
            route.route("add", dst="10.77.0.0/16", oif=index, prefsrc=addresses[0])
    except BaseException:
        os.close(device)
        raise
    return device


def _require(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


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
