"""What the emulated WAN costs: the delay that it adds to a packet, alone and beside a stream of 200 MB/s. And what a data
centre costs that is lost at 60 % of the highest rate: to its own homes, and to those of the other one. And whether a run
comes to the same in namespaces as on loopback.

    uv run pytest loadtests/benchmarks/bench_faults.py --benchmark-only --benchmark-json=faults.json

`wan_added_ms`: p99 of half of a round trip over a link without delay, beside the stream. Run inside namespaces of its own, in a
process that this file starts with itself as a module.

`runs_in_namespaces_alike`: of METERSTORM_BENCH_RUNS clean small runs, a seed each, how many have the same verdict, digest of the
trace and findings of the audit in namespaces as on loopback. Each has nodes of its own, as in namespaces there are no others.

`dc_lost_survivor_failed`: operations of the surviving data centre's homes that failed or ended in doubt later than 10 s after the
loss, at LOCAL_QUORUM: none may. Beside it the p99 of the response before, during and after, and what the lost one alone had.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.cluster.machine import fingerprint
from loadtests.recording.history import read_history
from loadtests.recording.run_folder import RunFolder
from loadtests.sites.cost import SEND_BYTES, measure_cost, round_trips_s
from loadtests.sites.enclosure import ENTER, OUTSIDE, obstacle
from loadtests.sites.network import SiteNetwork
from loadtests.workload.operations import OF_GATEWAY
from scenarios.parts.site_wan import FIELD, SiteWan
from scenarios.spec import Scenario, parse_scenario
from sim.estate.model import build_estate
from sim.trace.blocks import trace_blocks

ROUNDS = 5
RUNS = int(os.environ.get("METERSTORM_BENCH_RUNS", "20"))
STREAM_MB_PER_S = 200.0
PINGS = 2_000
# Long and coarse: where commits are synced, responses depend on each other, and a second is worth few of them.
SEARCH_OPTIONS = ("--step-s", "60", "--precision", "0.2", "--steps", "14")
LOAD_OF_MAX = 0.6
LOSS_KNOWN_S = 10  # after which nobody waits for the lost one any more
LOSS = """
title = "A data centre is lost at 60 % of the highest rate"
[estate]
premises = 4_000
fuels = ["electricity"]
upload_window_h = 24.0
[estate.read_schedules]
daily = 1.0
[traffic]
usage_month_per_premises_day = 0.0
intervals_day_per_premises_day = 0.0
state_per_premises_day = 0.0
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
commit_log_sync = "batch"
[run]
replay_from_h = 24  # when the first day's readings come
wall_s = 90
warm_up_s = 5
warm_nodes_s = 10
back_office = false
[run.evidence]
error_share_max = 0.5
[[faults]]
kind = "kill"
target = "south"
at_s = 30.0
for_s = 25.0
"""
SMALL = """
title = "A clean small run"
[estate]
premises = 60  # nodes are cold: more would be an overload, and no clean run
fuels = ["electricity"]
upload_window_h = 24.0
[estate.read_schedules]
daily = 0.5
half_hourly = 0.5
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
[run]
wall_s = 10
warm_up_s = 2
warm_nodes_s = 2
[[slo]]
operation = "ingest_reading"
response_ms_max = 30_000
"""
NO_DISTANCE = """
[topology.wan]
delay_ms = 0.0
"""
OBJECTIVE = """
[[slo]]
operation = "ingest_reading"
response_ms_max = 250
error_share_max = 0.5
"""


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


@pytest.mark.timeout(1_800)
def test_dc_lost_survivor_failed(benchmark: Any, tmp_path: Path) -> None:
    scenario = parse_scenario(LOSS, "loss")
    search = command("find-max", LOSS.partition("[[faults]]")[0] + OBJECTIVE, tmp_path / "search", *SEARCH_OPTIONS)
    assert search["rate"] is not None, search["reasons"]
    rate_per_s = LOAD_OF_MAX * search["rate"]["rate_per_s"]
    premises = round(scenario.estate.premises * rate_per_s / operations_per_s(scenario))
    loaded = LOSS.replace("premises = 4_000", f"premises = {premises}") + OBJECTIVE
    runs: list[dict[str, Any]] = []
    benchmark.pedantic(lambda: runs.append(command("run", loaded, tmp_path / "run")), rounds=1)
    (results,) = runs
    history = read_history(RunFolder(tmp_path / "run").history)
    (fault,) = results["faults"]
    known = range(int(fault["begun_s"]) + LOSS_KNOWN_S, len(history.seconds))
    north = [dcs["north"] for dcs in history.by_dc.values() if "north" in dcs]
    effect = fault["effects"]["ingest_reading"]
    benchmark.extra_info |= {
        "dc_lost_survivor_failed": sum(int((one["failed"] + one["indeterminate"])[known].sum()) for one in north),
        "rate_max_per_s": search["rate"]["rate_per_s"],
        "offered_per_s": operations_per_s(parse_scenario(loaded, "loaded")),
        **{name: effect[name] for name in ("p99_before_ms", "p99_during_ms", "p99_after_ms")},
        "back_after_healing_s": fault["back_s"] - fault["healed_s"],
        "losses": results["replication"]["losses"],
        "verdict": results["verdict"],
        "lost": results["audit"]["lost"],
        **fingerprint(),
    }


@pytest.mark.timeout(3_600)
def test_runs_in_namespaces_alike(benchmark: Any, tmp_path: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def pair() -> None:
        seed = len(pairs) + 1
        sides = {"loopback": SMALL, "namespaces": SMALL + NO_DISTANCE}
        order = list(sides) if seed % 2 else list(reversed(sides))
        told = {side: command("run", sides[side], tmp_path / f"{side}-{seed}", "--seed", str(seed)) for side in order}
        assert told["namespaces"]["topology"]["wan_emulated"] and not told["loopback"]["topology"]["wan_emulated"]
        pairs.append((_outcome(told["loopback"]), _outcome(told["namespaces"])))

    benchmark.pedantic(pair, rounds=RUNS)
    benchmark.extra_info |= {
        "runs_in_namespaces_alike": sum(one == other for one, other in pairs),
        "verdicts": [[side["verdict"] for side in both] for both in pairs],
        "digests": len({one["digest"] for one, _ in pairs}),
        "unlike": [both for both in pairs if both[0] != both[1]],
        **fingerprint(),
    }


def _outcome(results: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same wherever a run is made; how much the back office takes in goes by the clock."""
    counts = ("lost", "wrong", "phantom", "duplicate")
    audit = results["audit"]
    return {
        "verdict": results["verdict"],
        "digest": results["digest"],
        "audit": audit and {name: audit[name] for name in counts},
    }


def command(name: str, scenario: str, out: Path, *options: str) -> dict[str, Any]:
    """What a subcommand answers about a scenario, as `--json` gives it; a verdict that is no pass too."""
    file = out.with_suffix(".toml")
    file.write_text(scenario, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "meterstorm.cli.app", name, str(file), "--out", str(out), "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ran.returncode in (0, 1, 4), f"{name} ended with {ran.returncode}"
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def operations_per_s(scenario: Scenario) -> float:
    """What falls due a second in the mean of the replay."""
    estate = build_estate(scenario)
    sent = sum(int((~np.isin(block.kind, list(OF_GATEWAY))).sum()) for block in trace_blocks(estate))
    return sent / scenario.run.wall_s


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
