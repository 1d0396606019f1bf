"""What the emulated WAN costs: the delay that it adds to a packet, alone and beside a stream of 200 MB/s.

    uv run pytest loadtests/benchmarks/bench_faults.py --benchmark-only --benchmark-json=faults.json

`wan_added_ms`: p99 of half of a round trip over a link without delay, beside the stream. Run inside namespaces of its own, in a
process that this file starts with itself as a module.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from loadtests.cluster.machine import fingerprint
from loadtests.sites.cost import SEND_BYTES, measure_cost, round_trips_s
from loadtests.sites.enclosure import ENTER, OUTSIDE, obstacle
from loadtests.sites.network import SiteNetwork
from scenarios.parts.site_wan import FIELD, SiteWan

ROUNDS = 5
STREAM_MB_PER_S = 200.0
PINGS = 2_000


def test_wan_added_ms(benchmark: Any) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    rounds: list[dict[str, float]] = []

    def measure() -> None:
        ran = subprocess.run(
            [sys.executable, "-I", "-S", str(ENTER), sys.executable, "-m", "loadtests.benchmarks.bench_faults"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, OUTSIDE: f"{os.getpid()} 0.0"},
        )
        rounds.append(json.loads(ran.stdout))

    benchmark.pedantic(measure, rounds=ROUNDS)
    told = {name: sorted(one[name] for one in rounds) for name in rounds[0]}
    benchmark.extra_info |= {
        "wan_added_ms": told["stream_p99_ms"][ROUNDS // 2],
        **{f"{name}_{what}": values[at] for name, values in told.items() for what, at in (("least", 0), ("most", -1))},
        **fingerprint(),
    }


def main() -> None:
    """One round, inside: prints JSON."""
    with SiteNetwork({"north": 1}, SiteWan()) as network:
        cost = measure_cost(network)
        alone = _half_ms(network)
        with _Stream(network) as stream:
            beside = _half_ms(network)
        print(
            json.dumps(
                {
                    "alone_p50_ms": alone[0],
                    "alone_p99_ms": alone[1],
                    "stream_p50_ms": beside[0],
                    "stream_p99_ms": beside[1],
                    "stream_mb_per_s": stream.mb_per_s,
                    "carried_mb_per_s": cost.carried_mb_per_s,
                }
            )
        )


def _half_ms(network: SiteNetwork) -> list[float]:
    return [float(one) for one in np.quantile(round_trips_s(network, "north", PINGS), (0.5, 0.99)) / 2 * 1e3]


class _Stream:
    """A connection from the field that carries STREAM_MB_PER_S, evenly, as a context manager."""

    def __init__(self, network: SiteNetwork) -> None:
        self.mb_per_s = 0.0
        self._is_over = threading.Event()
        listener = network.socket_at("north", socket.SOCK_STREAM)
        self._sender = network.socket_at(FIELD, socket.SOCK_STREAM)
        listener.listen(1)
        self._sender.connect(listener.getsockname())
        self._receiver, _ = listener.accept()
        listener.close()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive)]

    def __enter__(self) -> "_Stream":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._sender.close()
        self._receiver.close()

    def _send(self) -> None:
        block, begun, sent = bytes(SEND_BYTES), time.perf_counter(), 0
        while not self._is_over.is_set():
            self._sender.sendall(block)
            sent += len(block)
            ahead_s = sent / (STREAM_MB_PER_S * 1e6) - (time.perf_counter() - begun)
            if ahead_s > 0:
                time.sleep(ahead_s)
        self.mb_per_s = sent / 1e6 / (time.perf_counter() - begun)
        self._sender.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        buffer = bytearray(SEND_BYTES)
        while self._receiver.recv_into(buffer):
            pass


if __name__ == "__main__":
    main()
