"""Cases of `tests/regression/test_peers_of_the_fleet.py`, which runs them in a process that Locust has patched from its start."""

import contextlib
import zlib
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import msgpack
import numpy as np
import pytest
from locust.stats import RequestStats

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.locust_fleet.master import EXIT_INCONCLUSIVE, EXIT_TROUBLE, FleetMaster
from loadtests.locust_fleet.messages import (
    LEDGER_PART_BYTES,
    Claim,
    CustomersTrouble,
    Hello,
    LedgerPart,
    MeasuredSecond,
    Message,
    ShardDone,
    ShardReady,
    ShardTrouble,
    packed,
    packed_second,
)
from loadtests.locust_fleet.options import FleetOptions, own_version
from loadtests.locust_fleet.sockets import seal_of
from loadtests.locust_fleet.worker import FleetWorker
from loadtests.recording.history import COUNTS_SIZE, SecondCounts, read_history
from loadtests.recording.ledger import SlotState
from loadtests.recording.seconds import Second
from loadtests.sender.recorder import EngineReport
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate

TEXT = """
title = "t"
[estate]
premises = 20
fuels = ["electricity"]
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 8
"""
SCENARIO = parse_scenario(TEXT, "test")
ESTATE = build_estate(SCENARIO)
NOTHING = (np.zeros(0, np.int32), np.zeros(0, np.int64))
SECOND = Second(
    second=0,
    counts={"ingest_reading": SecondCounts(1, 1, 1, 0, 0, 0)},
    response={},
    service={},
    lateness=NOTHING,
)


class Bench:
    """A master of two shards, in this process, and what it has sent."""

    def __init__(self, folder: Path, *, has_fleet: bool = True) -> None:
        self.out = folder / "run"
        options = FleetOptions(
            scenario=SCENARIO,
            scenario_folder=folder,
            stored_profile=None,
            endpoint=Endpoint(contact_points=("127.0.0.1",), local_dc="north", port=9042),
            out=self.out,
            shard_count=2,
            closed_in_flight=None,
            has_tables=True,
            keeps_own_ledger=True,
        )
        self.sent: list[tuple[str, dict[str, Any]]] = []
        runner = SimpleNamespace(send_message=self._send, target_user_count=2, is_sealed=True, state="running")
        environment = SimpleNamespace(runner=runner, stats=RequestStats())
        self.master = FleetMaster(environment, options, ESTATE, has_fleet=has_fleet, over=lambda: None)
        self.digest = options.digest(ESTATE)
        self.environment, self.options = environment, options

    def _send(self, _kind: str, data: dict[str, Any], worker: str) -> None:
        self.sent.append((worker, data))

    def say(self, worker: str, message: Message) -> None:
        self.master.listen(worker, msgpack.unpackb(msgpack.packb(packed(message)), strict_map_key=False))

    def meet(self, worker: str, digest: str | None = None) -> str:
        self.say(worker, Hello(version=own_version(), digest=digest or self.digest, boot="", asked_ns=0))
        return str(self.sent[-1][1]["kind"])

    def begin(self) -> None:
        for shard, worker in enumerate(("ann", "bob")):
            assert self.meet(worker) == "Welcome"
            self.say(worker, Claim())
            self.say(worker, ShardReady(shard=shard))
        assert self.sent[-1][1]["kind"] == "Begin"

    def files(self) -> set[str]:
        return {str(path.relative_to(self.out.parent)) for path in self.out.parent.rglob("*") if path.is_file()}

    @property
    def lacks(self) -> list[str]:
        return self.master._lacks


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_no_message_names_a_file(bench: Bench, tmp_path: Path) -> None:
    bench.begin()
    before = bench.files()
    for source in (str(tmp_path / "victim"), "../../victim", "shard-0/../../victim"):
        data = packed(MeasuredSecond(shard=0, second=packed_second(SECOND))) | {"source": source}
        bench.master.listen("ann", data)
        bench.master.listen("ann", {name: value for name, value in data.items() if name != "shard"})
    assert bench.files() == before
    bench.say("ann", MeasuredSecond(shard=None, second=packed_second(replace(SECOND, counts={}))))
    assert {Path(name).parent.name for name in bench.files() - before} == {"customers-0"}


@pytest.mark.parametrize("who", ["carl", "bob"])  # who is not welcome; who is, and owns another shard
def test_only_its_owner_is_heard_of_a_shard(bench: Bench, who: str) -> None:
    bench.begin()
    before = bench.files()
    part = LedgerPart(shard=0, offset=0, data=zlib.compress(b"\x55"))
    report = {"cpu_s": 1.0, "report": {}}
    for message in (
        MeasuredSecond(shard=0, second=packed_second(SECOND)),
        part,
        ShardDone(shard=0, report=report),
        ShardTrouble(shard=0, sentence="I want it to end"),
    ):
        bench.say(who, message)
    assert bench.files() == before
    assert not bench.master._trouble and not bench.master._done and not bench.master._is_finishing
    assert bench.master._record.ledger.counts(0)[SlotState.INTENT] == 0


def test_who_is_refused_counts_for_nothing(bench: Bench) -> None:
    assert bench.meet("carl", digest="another") == "WorkerRefused"
    bench.say("carl", Claim())
    bench.say("carl", MeasuredSecond(shard=None, second=packed_second(SECOND)))
    assert len(bench.sent) == 1 and not bench.lacks
    assert bench.master._storm_record().worker_count == 0


def test_a_worker_that_can_serve_no_customer_makes_the_storm_thinner_and_none_that_can_ends_it(tmp_path: Path) -> None:
    beside = Bench(tmp_path / "beside")
    beside.begin()
    beside.say("ann", CustomersTrouble(sentence="no node answers"))
    assert beside.lacks == ["Worker ann could serve no customer: no node answers"]
    assert beside.master.exit_code == EXIT_INCONCLUSIVE and not beside.master._trouble
    alone = Bench(tmp_path / "alone", has_fleet=False)
    for worker in ("ann", "bob"):
        assert alone.meet(worker) == "Welcome"
    alone.say("ann", CustomersTrouble(sentence="no node answers"))
    assert not alone.master._trouble
    alone.say("bob", CustomersTrouble(sentence="nor here"))
    assert alone.master._trouble == ["no customer could be served: nor here"]
    assert alone.master.exit_code == EXIT_TROUBLE


def test_a_worker_tells_once_why_it_can_serve_no_customer(tmp_path: Path) -> None:
    bench, tries = Bench(tmp_path), []
    sent: list[dict[str, Any]] = []
    runner = SimpleNamespace(send_message=lambda _kind, data: sent.append(data))
    worker = FleetWorker(SimpleNamespace(runner=runner), bench.options, ESTATE, refused=lambda _: None)
    worker.is_welcome.set()

    def fail() -> None:
        tries.append(1)
        raise HarnessError("no node answers")

    worker.customers.open = fail  # type: ignore[method-assign]
    assert [worker.open_customers() for _ in range(3)] == [False] * 3
    assert sent == [{"kind": "CustomersTrouble", "sentence": "no node answers"}] and len(tries) == 1
    worker.abandon()


@pytest.mark.parametrize(
    ("part", "error", "why"),
    [
        ("_storm_record", OSError("no room"), "the storm's record could not be written: no room"),
        ("_judge", KeyError("x"), "the storm's end went wrong: KeyError: 'x'"),
    ],
)
def test_whoever_waits_for_the_end_hears_of_it_whatever_goes_wrong(
    bench: Bench, part: str, error: Exception, why: str
) -> None:
    bench.begin()
    bench.master._started_s = 0.0
    bench.master._halt = lambda: None  # type: ignore[method-assign]

    def fails(**_: object) -> None:
        raise error

    setattr(bench.master, part, fails)
    with contextlib.suppress(KeyError):
        bench.master.finish()
    assert bench.master._trouble == [why] and bench.master.is_finished.is_set()
    with gevent.Timeout(5):
        assert bench.master.finish() == EXIT_TROUBLE


def test_a_record_that_can_not_be_written_ends_the_watch(bench: Bench) -> None:
    over: list[int] = []
    bench.begin()
    bench.master._over = lambda: over.append(1) or setattr(bench.master, "_is_finishing", True)  # type: ignore[func-returns-value]

    def fails(**_: object) -> None:
        raise OSError("no room")

    bench.master._storm_record = fails  # type: ignore[method-assign, assignment]
    with gevent.Timeout(10):
        bench.master.watch()
    assert over == [1] and bench.master._trouble == ["the storm's record could not be written: no room"]


def test_what_a_welcome_worker_sends_is_bounded_and_its_hole_is_told(bench: Bench) -> None:
    bench.begin()
    before = bench.files()
    cells = np.array([COUNTS_SIZE], "<i4").tobytes() + np.ones(1, "<i8").tobytes()
    for change in (
        {"second": 10**9},  # years ahead: adding up would go through each
        {"second": 2**80},
        {"counts": {"../evil": [1, 1, 1, 0, 0, 0]}},
        {"counts": {"no_such_operation": [1, 1, 1, 0, 0, 0]}},
        {"counts": {"ingest_reading": [2**62, 0, 0, 0, 0, 0]}},
        {"lateness": zlib.compress(bytes(1 << 24))},
        {"lateness": zlib.compress(cells)},  # beyond the histogram's end
        {"lateness": b"no zlib"},
    ):
        data = packed(MeasuredSecond(shard=0, second=packed_second(SECOND)))
        bench.master.listen("ann", data | {"second": data["second"] | change})
    for offset, raw in ((10**9, b"\x55"), (0, bytes(LEDGER_PART_BYTES + 1)), (0, b"\x55" * 200)):
        bench.say("ann", LedgerPart(shard=0, offset=offset, data=zlib.compress(raw)))
    assert bench.files() == before
    assert bench.master._record.totals.sum() == 0 == bench.master._record.ledger.states.sum()
    assert len(bench.lacks) == 1 and "worker ann sent was not taken" in bench.lacks[0]


def test_marks_of_another_shards_meters_are_refused(bench: Bench) -> None:
    bench.begin()
    states = bench.master._record.ledger.states
    of_shard = ESTATE.partition_of(np.arange(ESTATE.meter_count)) % 2
    for meter in range(ESTATE.meter_count):
        part = LedgerPart(shard=0, offset=meter * states.shape[2], data=zlib.compress(b"\x55"))
        bench.say("ann", part)
        assert bool(states[0, meter, 0]) == (of_shard[meter] == 0)


def test_a_second_that_goes_back_ends_nothing(bench: Bench) -> None:
    bench.begin()
    for second in (3, 2, 3):
        bench.say("ann", MeasuredSecond(shard=0, second=packed_second(replace(SECOND, second=second))))
    bench.master._record.close()
    history = read_history(bench.out / "history")
    assert history.counts["ingest_reading"]["ok"].tolist() == [0, 0, 0, 2]
    assert len(bench.lacks) == 1


def test_a_seal_is_the_secrets_own_and_is_never_printed() -> None:
    one, other = seal_of("long enough to be one"), seal_of("long enough to be another")
    assert one == seal_of("long enough to be one") != other
    assert one.private.decode() not in repr(one)


def done_of(**change: Any) -> dict[str, Any]:
    """A report of a shard that sent what fell due."""
    text = {"scheduling", "errors", "error_messages", "down_at_start", "homes_moved", "was_stopped"}
    names = [each.name for each in fields(EngineReport)]
    plain = {name: 0 for name in names if name not in text}
    rest = {"scheduling": "nice", "errors": [], "error_messages": {}, "down_at_start": [], "was_stopped": False}
    rest |= {"homes_moved": []}
    return {"cpu_s": 1.0, "report": plain | rest | change}


def test_a_ledger_part_that_was_not_taken_leaves_what_its_worker_wrote_in_doubt(bench: Bench) -> None:
    """Unmarked, the audit would call every row of it a phantom, and fail a cluster that lost nothing."""
    bench.begin()
    bench.master._halt = lambda: None  # type: ignore[method-assign]
    bench.say("ann", LedgerPart(shard=0, offset=0, data=b"no zlib"))
    for shard, worker in enumerate(("ann", "bob")):
        bench.say(worker, ShardDone(shard=shard, report=done_of()))
    assert bench.master._done.keys() == {0, 1} and len(bench.lacks) == 1
    bench.master._judge()
    assert bench.master._record.ledger.counts(0)[SlotState.NONE] == 0


@pytest.mark.parametrize("count", [-5, 2**63])
def test_counts_of_errors_are_bounded_like_all_others(bench: Bench, count: int) -> None:
    bench.begin()
    tally = {"operation": "ingest_reading", "outcome": "failed", "kind": "timeout", "count": count}
    bench.say("ann", ShardDone(shard=0, report=done_of(errors=[tally])))
    assert not bench.master._done and len(bench.lacks) == 1
