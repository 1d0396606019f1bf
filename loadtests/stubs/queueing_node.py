"""A stub of a Cassandra node whose capacity is known: c servers behind one queue, service times of a set mean.

`python -m loadtests.stubs.queueing_node --servers 8 --service-ms 4` serves CQL as `stub_server` does, in a process of its own, so
that it does not share an interpreter with who measures it; it prints its port and ends with its standard input.

The queue is worked out in nominal time: a request is served from its arrival, or from when a server is free, and a late
answer holds up no other. So the host's hiccups add to response times, but not to the queue.
`loadtests.stats.queues.rate_max_per_s` tells the highest rate at which a percentile of response times is within its limit:
what a search must find.
"""

import argparse
import contextlib
import heapq
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests.stubs.scripted_node import Execute, ScriptedAnswer, StubServer

TAIL_SHARE = 0.04
_DRAWS = 65_536
_STREAM = 2**63  # of services: arrivals of the same seed must not be drawn alike
_STARTED_S_MAX = 30.0


class QueueStation:
    """c servers, first come, first served. Called by one thread, with arrivals in their order."""

    def __init__(
        self, servers: int, service_s: float, *, is_exponential: bool, seed: int = 1, tail: float | None = None
    ) -> None:
        """tail: services are `tailed_services_s` with a tail longer by this factor, instead of exponential or constant."""
        assert servers >= 1 and service_s > 0
        self._free_s = [0.0] * servers  # when each server is free: a heap
        self._service_s = service_s
        self._is_exponential, self._tail = is_exponential, tail
        self._random = np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64)))
        self._draws: Iterator[float] = iter(())

    def stay_s(self, at_s: float) -> float:
        """How long a request that arrives at `at_s` stays: its wait and its service [s]."""
        end_s = max(self._free_s[0], at_s) + self._next_service_s()
        heapq.heapreplace(self._free_s, end_s)
        return end_s - at_s

    def stand_still(self, from_s: float, length_s: float) -> None:
        """Nothing is served for a while: each server is free later by it."""
        self._free_s = [max(free_s, from_s) + length_s for free_s in self._free_s]
        heapq.heapify(self._free_s)

    def _next_service_s(self) -> float:
        if self._tail is None and not self._is_exponential:
            return self._service_s
        drawn = next(self._draws, None)
        if drawn is None:
            self._draws = iter(self._next_draws_s().tolist())
            drawn = next(self._draws)
        return drawn

    def _next_draws_s(self) -> NDArray[np.float64]:
        if self._tail is None:
            return self._random.exponential(self._service_s, _DRAWS)
        return tailed_services_s(self._random, self._service_s, _DRAWS, self._tail)


def tailed_services_s(random: np.random.Generator, service_s: float, count: int, factor: float) -> NDArray[np.float64]:
    """Services [s] of which 4 in 100 take some ten times as long as the others, and `factor` times that.

    float64[count]. The 99th percentile of two factors has exactly their ratio, and what lies below the 95th is alike: a change of
    the tail alone, whose size is known.
    """
    plain_s = random.gamma(4.0, service_s / 4, count)
    tail_s = random.gamma(25.0, 10 * service_s / 25, count) * factor
    return np.where(random.random(count) < TAIL_SHARE, tail_s, plain_s)


# --- the process -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(servers: int, service_s: float, *, is_exponential: bool = True) -> Iterator[tuple[str, int]]:
    """Start the stub in a process of its own; its address while the block runs."""
    kind = "exponential" if is_exponential else "constant"
    with _process(servers, service_s, ["--kind", kind]) as (address, _):
        yield address


@contextlib.contextmanager
def running_paced(servers: int, service_s: float) -> Iterator[tuple[tuple[str, int], int]]:
    """The same with constant service times; its address and its process id while the block runs."""
    with _process(servers, service_s, ["--kind", "constant"]) as started:
        yield started


@contextlib.contextmanager
def running_tailed(
    servers: int, service_s: float, *, factor: float, seed: int
) -> Iterator[tuple[tuple[str, int], int]]:
    """The same with `tailed_services_s`, drawn from `seed`; its address and its process id while the block runs."""
    with _process(servers, service_s, ["--tail", str(factor), "--seed", str(seed)]) as started:
        yield started


@contextlib.contextmanager
def _process(servers: int, service_s: float, options: Sequence[str]) -> Iterator[tuple[tuple[str, int], int]]:
    given = ["--servers", str(servers), "--service-ms", str(service_s * 1e3), *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.stubs.queueing_node", *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield ("127.0.0.1", int(process.stdout.readline())), process.pid
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_STARTED_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _keep_time() -> None:
    """Answer on time on a busy machine, where the process may: a stub that waits for a core is another queue than it says."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))


def main() -> None:
    """The process: serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A CQL stub that is an M/M/c or M/D/c queue.")
    parser.add_argument("--servers", type=int, required=True)
    parser.add_argument("--service-ms", type=float, required=True)
    parser.add_argument("--kind", choices=("exponential", "constant"), default="exponential")
    parser.add_argument("--tail", type=float, help="the factor of the slow services; then --kind is not looked at")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    _keep_time()
    station = QueueStation(
        given.servers,
        given.service_ms / 1e3,
        is_exponential=given.kind == "exponential",
        seed=given.seed,
        tail=given.tail,
    )

    def answer(execute: Execute) -> ScriptedAnswer:
        return ScriptedAnswer(after_s=station.stay_s(execute.at_s))

    with StubServer(answer=answer, keeps_executes=False) as server:
        print(server.address[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
