"""Which bit of which table is flipped, what its node says of it, and what is taken out: on nodes that only note what befalls
them, with files of the form that Cassandra writes."""

import itertools
import struct
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cassandra import ReadFailure

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.faults import damaged_tables
from loadtests.faults.acts import Breakable, TellsMore, acts_of
from loadtests.faults.damaged_tables import TableDamaged, chunk_starts, flip_payload_bit, largest_data_file, take_out
from loadtests.faults.own_parts import OwnParts
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Dc
from tests.unit.faults.test_injection import carried_out_on

KIND = FaultKind.SSTABLE_BIT_FLIP
STARTS = (0, 1_004, 3_008, 3_512)
SIZE = 4_016
FLIPPED = 3_258  # in the middle of what the third chunk holds before its checksum: (3,008 + 3,512 - 4) / 2
PARTS = ("CompressionInfo.db", "Data.db", "Statistics.db", "TOC.txt")
ENDPOINT = Endpoint(contact_points=("127.0.0.1",), local_dc="north")


def sstable(folder: Path, table: str, *, number: int = 1, starts: Sequence[int] = STARTS, size: int = SIZE) -> Path:
    """An SSTable's files, as far as they are looked at; the data file."""
    home = folder / f"{table}-7451e3b0ed0111f196cca7c09d8adeb9"
    home.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        (home / f"da-{number}-bti-{part}").write_bytes(b"")
    data = home / f"da-{number}-bti-Data.db"
    data.write_bytes(bytes([7]) * size)
    data.with_name(f"da-{number}-bti-CompressionInfo.db").write_bytes(chunks(starts))
    return data


def chunks(starts: Sequence[int], options: Sequence[str] = ("level", "9")) -> bytes:
    """A CompressionInfo.db, after `CompressionMetadata.Writer` of Cassandra 5.0."""
    texts = [struct.pack(f">H{len(text)}s", len(text), text.encode()) for text in ("LZ4Compressor", *options)]
    head = texts[0] + struct.pack(">i", len(options) // 2) + b"".join(texts[1:])
    lengths = struct.pack(">iiq", 16_384, 2**31 - 1, 16_384 * len(starts))
    return head + lengths + struct.pack(f">i{len(starts)}q", len(starts), *starts)


def test_where_chunks_begin_is_read_with_and_without_options(tmp_path: Path) -> None:
    for options in ((), ("level", "9"), ("a", "b", "c", "d")):
        (tmp_path / "info").write_bytes(chunks(STARTS, options))
        assert chunk_starts(tmp_path / "info") == STARTS


@pytest.mark.parametrize(
    "content", [b"", chunks(STARTS)[:-1], chunks(STARTS) + b"\0", chunks([]), b"\xff" * 40, chunks(STARTS)[:20]]
)
def test_a_file_of_another_form_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "info").write_bytes(content)
    with pytest.raises(HarnessError, match=r"info is not of the form that Cassandra 5\.0 writes"):
        chunk_starts(tmp_path / "info")


def test_one_bit_of_a_chunk_is_another_and_no_checksum(tmp_path: Path) -> None:
    data = sstable(tmp_path, "events_by_home")
    bit = flip_payload_bit(data)
    found = data.read_bytes()
    assert [(at, value) for at, value in enumerate(found) if value != 7] == [(FLIPPED, 6)] and len(found) == SIZE
    assert str(bit) == "the lowest bit of byte 3,258 of 4,016 of events_by_home's da-1-bti-Data.db was flipped"


@pytest.mark.parametrize(("starts", "size"), [((0,), 6), ((0, 5), 10)])
def test_of_the_smallest_chunks_there_are_it_is_still_no_checksum(
    starts: Sequence[int], size: int, tmp_path: Path
) -> None:
    bit = flip_payload_bit(sstable(tmp_path, "events_by_home", starts=starts, size=size))
    bounds = [*starts, size]
    assert any(start <= bit.at < end - 4 for start, end in itertools.pairwise(bounds))


def test_the_largest_compressed_data_file_is_chosen_or_that_of_a_table(tmp_path: Path) -> None:
    sstable(tmp_path, "usage_by_fuel", size=5_000)
    largest = sstable(tmp_path, "usage_by_fuel", number=11, size=9_000)
    named = sstable(tmp_path, "usage", size=4_100)
    plain = sstable(tmp_path, "plain", size=20_000)
    plain.with_name("da-1-bti-CompressionInfo.db").unlink()
    sstable(tmp_path / largest.parent.name / "snapshots", "usage_by_fuel", size=30_000)
    assert largest_data_file(tmp_path, None) == largest
    assert largest_data_file(tmp_path, "usage") == named
    with pytest.raises(HarnessError, match="holds no compressed data file of plain"):
        largest_data_file(tmp_path, "plain")
    with pytest.raises(HarnessError, match=r"holds no compressed data file$"):
        largest_data_file(tmp_path / "nothing", None)


def test_all_files_of_one_sstable_are_taken_out_and_no_others(tmp_path: Path) -> None:
    data, other = sstable(tmp_path / "data", "events"), sstable(tmp_path / "data", "events", number=11)
    assert take_out(data, tmp_path / "out") == len(PARTS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"da-1-bti-{part}" for part in PARTS]
    assert sorted(path.name for path in other.parent.iterdir()) == [f"da-11-bti-{part}" for part in PARTS]


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    address: str
    folder: Path


class Cluster:
    """Nodes with a table. Those that come upon the bit say so in their logs; as `dies` says they end themselves then."""

    network = None

    def __init__(self, folder: Path, *, dies: bool, at_start: bool = False, is_deaf: bool = False) -> None:
        self.nodes = [Node(name, f"127.0.0.{at}", folder / name) for at, name in enumerate(("north-1", "north-2"), 1)]
        self.done: list[tuple[Any, ...]] = []
        self._down: set[str] = set()
        self._dies, self._at_start = dies, at_start
        self.deaf = {"north-1", "north-2"} if is_deaf else set[str]()  # another replica is read in place of theirs
        self.lost: set[str] = set()  # they don't come back when they are healed
        for node in self.nodes:
            (node.folder / "tmp").mkdir(parents=True)
            sstable(node.folder / "data" / "power", "events_by_home")
            (node.folder / "system.log").write_text(self.complaint(node))  # of an earlier start

    def data(self, name: str) -> Path:
        return next(next(node.folder.glob("data/power/*/da-1-bti-Data.db")) for node in self.nodes if node.name == name)

    @staticmethod
    def complaint(node: Node) -> str:
        path = f"{node.folder}/data/power/events_by_home-7451e3b0ed0111f196cca7c09d8adeb9/da-1-bti-Data.db"
        return (
            f"ERROR [ReadStage-1] Exception in thread: CorruptSSTableException: Corrupted: {path}\n"
            f"Caused by: CorruptBlockException: ({path}): corruption detected, chunk at 3008 of length 500.\n"
            "ERROR [ReadStage-2] Corrupted: /elsewhere/da-1-bti-Data.db\n"
            f"INFO  [Compaction] Compacted {path}\n"
        )

    def is_flipped(self, node: Node) -> bool:
        return any(set(path.read_bytes()) != {7} for path in node.folder.glob("data/power/*/*Data.db"))

    def read(self, address: str) -> None:
        """A node's table is read through. Raises ReadFailure where it comes upon a flipped bit."""
        node = next(one for one in self.nodes if one.address == address)
        if self.is_flipped(node) and node.name not in self.deaf:
            with (node.folder / "system.log").open("a") as log:
                log.write(self.complaint(node))
            if self._dies:
                self._down.add(node.name)
            raise ReadFailure("1 failure")

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("break", kind, *names))
        self._down |= set(names)

    def start_broken(self, names: Collection[str]) -> None:
        self.done.append(("start", *names))
        self._down -= set(names)
        if self._at_start:
            for node in self.nodes:
                if node.name in names:
                    try:
                        self.read(node.address)
                    except ReadFailure as error:
                        raise HarnessError(f"node {node.name} died") from error

    def end_broken(self, names: Collection[str]) -> None:
        self.done.append(("end", *names))

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("heal", kind, *names, *(node.name for node in self.nodes if self.is_flipped(node))))
        self._down = self._down - set(names) | self.lost
        if self.lost:
            raise HarnessError(f"node {min(self.lost)} died")

    def silent(self, names: Collection[str]) -> set[str]:
        return self._down & set(names)

    def endpoint(self) -> Endpoint:
        return ENDPOINT


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    """Makes a cluster that is connected to."""

    def make(**how: bool) -> Cluster:
        cluster = Cluster(tmp_path, **how)

        def connected(_: Endpoint) -> tuple[Any, Any]:
            hosts = [SimpleNamespace(address=node.address) for node in cluster.nodes if not cluster.silent([node.name])]
            if not hosts:
                raise HarnessError("nobody answers")

            def execute(cql: str, *, host: Any, timeout: float) -> None:
                cluster.done.append((cql, host.address))
                cluster.read(host.address)

            driver = SimpleNamespace(metadata=SimpleNamespace(all_hosts=lambda: hosts), shutdown=lambda: None)
            return driver, SimpleNamespace(execute=execute)

        monkeypatch.setattr(damaged_tables, "connect_to_every_node", connected)
        return cluster

    return make


def damaged(cluster: Cluster, *names: str) -> TableDamaged:
    act = TableDamaged(cluster, names, "power", None)
    assert isinstance(act, TellsMore) and act.told is None
    act.begin()
    return act


COUNTED = "SELECT count(*) FROM power.events_by_home"
BIT = "the lowest bit of byte 3,258 of 4,016 of events_by_home's da-1-bti-Data.db was flipped"
OUT = "4 files of that SSTable were taken out into tmp/taken_out"
SAID = "told of it in 2 lines of its log (corruption detected, chunk at 3008 of length 500)"


@pytest.mark.parametrize(("dies", "went_on"), [(True, "served no more"), (False, "went on serving")])
def test_the_table_is_read_through_the_broken_node_and_what_it_says_is_told(
    dies: bool, went_on: str, made: Callable[..., Cluster]
) -> None:
    cluster = made(dies=dies)
    act = damaged(cluster, "north-2")
    assert act.is_effective() and act.is_effective()
    act.heal()
    assert cluster.done == [
        ("break", KIND, "north-2"),
        ("start", "north-2"),
        (COUNTED, "127.0.0.2"),  # once: then it has told
        ("end", "north-2"),
        ("heal", KIND, "north-2"),  # and none of the nodes has a flipped bit any more
    ]
    assert act.told == f"north-2: {BIT}, it came back with it, {SAID}, and {went_on}; {OUT}; it came back without them."
    assert set(cluster.data("north-1").read_bytes()) == {7}


def test_a_node_that_comes_upon_it_in_its_start_need_not_be_asked(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=True, at_start=True)
    act = damaged(cluster, "north-2")
    assert act.is_effective() and all(one[0] != COUNTED for one in cluster.done)


def test_a_node_that_dies_in_its_start_of_something_else_is_told(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=True)

    def start(names: Collection[str]) -> None:
        raise HarnessError("node north-2 died")

    cluster.start_broken = start  # type: ignore[method-assign]
    with pytest.raises(HarnessError, match="node north-2 died"):
        damaged(cluster, "north-2")


def test_without_a_word_of_it_there_is_no_effect(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=False, is_deaf=True)
    act = damaged(cluster, "north-2")
    assert not act.is_effective()
    act.heal()
    assert act.told is not None and "it came back with it, told of no corruption, and went on serving" in act.told


def test_what_is_told_in_a_log_that_is_another_one_is_not_known(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=False)
    act = damaged(cluster, "north-2")
    (cluster.nodes[1].folder / "system.log").unlink()
    assert not act.is_effective()  # though the table can't be read through
    (cluster.nodes[1].folder / "system.log").unlink()
    act.heal()
    assert act.told is not None and "what it told of it is not known, since its system.log was rolled over" in act.told


def test_of_two_nodes_each_must_tell_and_one_that_is_not_mended_is_told(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=False)
    act = damaged(cluster, "north-1", "north-2")
    cluster.lost, cluster.deaf = {"north-1"}, {"north-2"}
    assert not act.is_effective()
    cluster.deaf.clear()
    assert act.is_effective()
    asked = [address for cql, address in (one for one in cluster.done if one[0] == COUNTED)]
    assert asked == ["127.0.0.1", "127.0.0.2", "127.0.0.2"]
    with pytest.raises(HarnessError, match="node north-1 died"):
        act.heal()
    first, _, second = (act.told or "").partition("; north-2: ")
    assert first.endswith(f"{OUT}; it did not come back without them") and second.endswith("it came back without them.")


def test_a_cluster_that_does_not_answer_for_an_instant_is_asked_again(made: Callable[..., Cluster]) -> None:
    cluster = made(dies=True)
    act = damaged(cluster, "north-2")
    cluster.break_nodes(KIND, ["north-1", "north-2"])
    assert not act.is_effective()
    cluster.start_broken(["north-1", "north-2"])
    assert act.is_effective()


def test_where_no_table_is_written_out_nothing_is_flipped_and_the_node_comes_back(
    made: Callable[..., Cluster],
) -> None:
    cluster = made(dies=True)
    fault = Fault(kind=KIND, target="north-2", at_s=0.0, for_s=1.0, repair=True, table="usage_by_fuel")
    (act,) = acts_of(
        fault, (Dc(name="north", nodes=2, rf=2),), cast(Breakable, cluster), OwnParts(), "power", lambda: True
    )
    with pytest.raises(HarnessError, match="holds no compressed data file of usage_by_fuel"):
        act.begin()
    with pytest.raises(HarnessError, match="north-2 was not repaired"):
        act.heal()
    assert cluster.done[-1] == ("heal", KIND, "north-2") and isinstance(act, TellsMore) and act.told is None


def repaired_after(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, hints: Path, kind: FaultKind) -> Sequence[bool]:
    """Heal a fault whose node is then repaired; whether the hints were there still when it was, once for each repair."""
    were_there: list[bool] = []
    monkeypatch.setattr("loadtests.faults.acts.wait_done", lambda *_: were_there.append(hints.exists()))
    monkeypatch.setattr("loadtests.faults.acts.LOOK_EVERY_S", 0.01)
    cluster.order = lambda *_: None  # type: ignore[attr-defined]
    fault = Fault(kind=kind, target="north-2", at_s=0.0, for_s=1.0, repair=True)
    dcs = (Dc(name="north", nodes=2, rf=2),)
    (act,) = acts_of(fault, dcs, cast(Breakable, cluster), OwnParts(), "power", lambda: False)
    hints.parent.mkdir(parents=True)
    hints.write_bytes(bytes(100))
    act.heal()
    return were_there


def test_a_repair_waits_for_hints_from_before_where_rows_were_taken(
    made: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of what stands in them alone the other replicas know nothing yet, so that a repair could not bring it back."""
    hints = tmp_path / "north-2" / "hints" / "1.hints"
    delivery = threading.Timer(0.3, hints.unlink)
    delivery.start()
    assert repaired_after(made(dies=True), monkeypatch, hints, KIND) == [False]
    delivery.join()


def test_a_repair_after_a_fault_that_takes_no_rows_waits_for_no_hints(
    made: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hints = tmp_path / "north-1" / "hints" / "1.hints"
    assert repaired_after(made(dies=True), monkeypatch, hints, FaultKind.KILL) == [True]


def test_hints_that_are_never_delivered_are_told(
    made: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("loadtests.cluster.hints.BEGINS_S_MAX", 0.1)
    said = "north-2 was not repaired, since hints from before were not delivered after 0 s"
    with pytest.raises(HarnessError, match=said):
        repaired_after(made(dies=True), monkeypatch, tmp_path / "north-1" / "hints" / "1.hints", KIND)


def test_a_scan_may_take_longer_than_other_effects(
    made: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.faults.injection.EFFECT_S_MAX", 0.0)
    monkeypatch.setattr("loadtests.faults.acts.wait_done", lambda *_: "")
    cluster = made(dies=True)
    looks: list[float] = []
    read = cluster.read

    def late(address: str) -> None:
        looks.append(1.0)
        if len(looks) > 2:
            read(address)

    cluster.read = late  # type: ignore[method-assign]
    cluster.order = lambda *_: None  # type: ignore[attr-defined]
    dcs = (Dc(name="north", nodes=2, rf=2),)
    fault = Fault(kind=KIND, target="north-2", at_s=0.0, for_s=1.0, repair=True)
    done = carried_out_on(cast(Breakable, cluster), dcs, fault, keyspace="power")
    assert done.trouble == () and done.courses[0].effective_s is not None and len(looks) == 3
    assert "served no more" in (done.courses[0].told or "")
