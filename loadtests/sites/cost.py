"""What the emulated WAN itself costs, measured over the sites before a run: the delay that it adds, and how much it carries."""

import socket
import threading
import time
from dataclasses import dataclass

import numpy as np

from loadtests.errors import HarnessError
from loadtests.sites.network import SiteNetwork
from scenarios.parts.site_wan import FIELD, LinkQuality

PINGS = 400
PING_BYTES = 200
CARRIED_BYTES = 48 << 20
SEND_BYTES = 1 << 17
WAIT_S_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCost:
    """added_ms: one way, by a link without any delay, its median and p99. carried_mb_per_s: by one connection."""

    added_ms_p50: float
    added_ms_p99: float
    carried_mb_per_s: float

    def __str__(self) -> str:
        added = f"{self.added_ms_p50:.2f} ms added one way (p99 {self.added_ms_p99:.2f} ms)"
        return f"{added}, {self.carried_mb_per_s:.0f} MB/s carried"


def measure_cost(network: SiteNetwork) -> NetworkCost:
    """Measure between the field and the first data centre, whose link has no delay meanwhile; takes half a second.

    Raises HarnessError when nothing comes through.
    """
    site = network.sites[1]
    network.set_quality(FIELD, site, LinkQuality())
    try:
        p50, p99 = np.quantile(round_trips_s(network, site, PINGS), (0.5, 0.99)) / 2 * 1e3
        return NetworkCost(added_ms_p50=p50, added_ms_p99=p99, carried_mb_per_s=_carried_per_s(network, site) / 1e6)
    except OSError as error:
        raise HarnessError(f"the network between the field and {site} carries nothing: {error}") from error
    finally:
        network.restore(FIELD, site)


def round_trips_s(network: SiteNetwork, site: str, count: int) -> list[float]:
    """Round trips of so many packets between the field and a site, one after another [s]."""
    with network.socket_at(FIELD, socket.SOCK_DGRAM) as near, network.socket_at(site, socket.SOCK_DGRAM) as far:
        for end in (near, far):
            end.settimeout(WAIT_S_MAX)
        found = []
        for _ in range(count):
            begun = time.perf_counter()
            near.sendto(bytes(PING_BYTES), far.getsockname())
            far.sendto(far.recv(PING_BYTES), near.getsockname())
            near.recv(PING_BYTES)
            found.append(time.perf_counter() - begun)
        return found


def _carried_per_s(network: SiteNetwork, site: str) -> float:
    """Bytes a second of one connection, from its first byte to the last that is received."""
    with (
        network.socket_at(site, socket.SOCK_STREAM) as listener,
        network.socket_at(FIELD, socket.SOCK_STREAM) as sender,
    ):
        listener.settimeout(WAIT_S_MAX)
        sender.settimeout(WAIT_S_MAX)
        listener.listen(1)
        sender.connect(listener.getsockname())
        receiver, _ = listener.accept()
        with receiver:
            receiver.settimeout(WAIT_S_MAX)
            thread = threading.Thread(target=_send, args=(sender,), name="wan-cost")
            begun = time.perf_counter()
            thread.start()
            buffer, left = bytearray(SEND_BYTES), CARRIED_BYTES
            try:
                while left > 0 and (size := receiver.recv_into(buffer)):
                    left -= size
            finally:
                receiver.shutdown(socket.SHUT_RDWR)
                thread.join()
            return (CARRIED_BYTES - left) / (time.perf_counter() - begun)


def _send(sender: socket.socket) -> None:
    block = bytes(SEND_BYTES)
    try:
        for _ in range(CARRIED_BYTES // SEND_BYTES):
            sender.sendall(block)
    except OSError:
        return  # the receiver tells how much has come
