"""Copies of what nodes hold once their tables are made: laid whole or not at all, and never trusted."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.cluster import prepared
from loadtests.cluster.layout import NodeSpec, lay_out
from loadtests.cluster.prepared import COPIES_MAX, MANIFEST, PreparedData, PreparedManifest, key_of
from loadtests.cluster.record import ClusterRecord
from scenarios.domain import CommitLogSync
from scenarios.spec import Dc, Topology

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
ADDRESSES = ("127.42.0.1", "127.42.0.2")
STATEMENTS = ("CREATE TABLE a", "CREATE TABLE b")
VERSION = "0b8c"


def node_data(folder: Path, content: str) -> Path:
    """The folder of a node that has its tables."""
    for path, text in {
        "system/local-7a/oa-1-bti-Data.db": f"local of {content}",
        "system_schema/tables-5e/oa-2-bti-Data.db": f"tables of {content}",
        "system/prepared_statements-01/oa-1-bti-Data.db": "of a run that is over",
        "meterstorm/alerts-9c/oa-1-bti-Data.db": "a row",
    }.items():
        target = folder / "data" / path
        target.parent.mkdir(parents=True)
        target.write_text(text)
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> PreparedData:
    data = PreparedData(tmp_path / "cache" / "key")
    assert data.keep({name: node_data(tmp_path / name, name) for name in ("north-1", "south-1")}, VERSION)
    return data


def laid(tmp_path: Path, data: PreparedData) -> tuple[str | None, dict[str, str]]:
    """What `lay` says, and the files that it leaves."""
    nodes = {name: tmp_path / "new" / name for name in ("north-1", "south-1")}
    said = data.lay(nodes)
    new = tmp_path / "new"
    return said, {path.relative_to(new).as_posix(): path.read_text() for path in new.rglob("*") if path.is_file()}


def test_new_nodes_get_system_and_schema_each_its_own_and_no_row(tmp_path: Path, kept: PreparedData) -> None:
    said, files = laid(tmp_path, kept)
    assert said == VERSION
    assert files == {
        f"{name}/data/{path}": f"{table} of {name}"
        for name in ("north-1", "south-1")
        for table, path in (
            ("local", "system/local-7a/oa-1-bti-Data.db"),
            ("tables", "system_schema/tables-5e/oa-2-bti-Data.db"),
        )
    }


def with_manifest(folder: Path, old: str, new: str) -> None:
    text = (folder / MANIFEST).read_text()
    assert old in text
    (folder / MANIFEST).write_text(text.replace(old, new))


def flipped(folder: Path) -> None:
    next(folder.glob("south-1/system/*/*")).write_text("local of south-2")


def one_gone(folder: Path) -> None:
    next(folder.glob("south-1/system_schema/*/*")).unlink()


def no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def half_a_manifest(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text[: len(text) // 2])


def of_another_place(folder: Path) -> None:
    with_manifest(folder, "south-1/system/", "south-1/system/../../")
    shutil.copytree(folder / "south-1" / "system", folder, dirs_exist_ok=True)  # what it names is there


def of_another_node(folder: Path) -> None:
    with_manifest(folder, "south-1/", "south-2/")
    (folder / "south-1").rename(folder / "south-2")


def of_no_name(folder: Path) -> None:
    with_manifest(folder, "south-1/system/", "south-1/system/\\u0000")


def of_a_time_to_come(folder: Path) -> None:
    manifest = PreparedManifest.model_validate_json((folder / MANIFEST).read_text())
    later = manifest.model_copy(update={"made_s": time.time() + 60})
    (folder / MANIFEST).write_text(later.model_dump_json())


def of_a_group(folder: Path) -> None:
    folder.chmod(0o770)


SPOILS = [
    flipped,
    one_gone,
    no_manifest,
    half_a_manifest,
    of_another_place,
    of_another_node,
    of_no_name,
    of_a_time_to_come,
    of_a_group,
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_copy_that_is_not_whole_is_thrown_away_and_nothing_of_it_is_laid(
    tmp_path: Path, kept: PreparedData, spoil: Callable[[Path], None]
) -> None:
    spoil(kept.folder)
    assert laid(tmp_path, kept) == (None, {})
    assert not kept.folder.exists()


def test_the_user_is_told_why_a_copy_is_thrown_away(tmp_path: Path, kept: PreparedData) -> None:
    flipped(kept.folder)
    told: list[str] = []
    kept.lay({name: tmp_path / "new" / name for name in ("north-1", "south-1")}, told.append)
    assert told == [
        f"the copy of tables in {kept.folder} is not used and is thrown away: "
        "south-1/system/local-7a/oa-1-bti-Data.db has changed"
    ]


def test_a_copy_of_another_user_is_not_read(
    tmp_path: Path, kept: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert laid(tmp_path, kept) == (None, {})


def test_a_copy_can_only_be_written_by_its_user(tmp_path: Path) -> None:
    usual = os.umask(0)
    try:
        data = PreparedData(tmp_path / "cache" / "key")
        assert data.keep({"north-1": node_data(tmp_path / "north-1", "north-1")}, VERSION)
    finally:
        os.umask(usual)
    assert data.folder.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_can_only_be_read_is_used(
    tmp_path: Path, kept: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert laid(tmp_path, kept)[0] == VERSION


def test_nodes_without_room_get_nothing_and_the_copy_stays(
    tmp_path: Path, kept: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = Path.write_bytes

    def fill(path: Path, content: bytes) -> int:
        if "south-1" in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        return writes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    assert laid(tmp_path, kept) == (None, {})
    monkeypatch.undo()
    assert laid(tmp_path, kept)[0] == VERSION


def test_a_copy_goes_at_once(kept: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: seen.append(kept.folder.exists()))
    kept.discard()
    assert seen and not any(seen)


def test_where_there_is_none_nothing_is_laid_and_none_that_just_comes_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(data: PreparedData) -> None:
        raise AssertionError(f"another run has just kept {data.folder}")

    monkeypatch.setattr(PreparedData, "discard", keep)
    assert laid(tmp_path, PreparedData(tmp_path / "cache" / "none")) == (None, {})


def test_nothing_is_kept_while_a_compaction_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = PreparedData(tmp_path / "cache" / "key")
    folder = node_data(tmp_path / "north-1", "north-1")
    log = folder / "data/system/local-7a/oa_txn_compaction_1.log"
    log.write_text("")
    monkeypatch.setattr(prepared, "ATTEMPT_EVERY_S", 0.0)
    assert not data.keep({"north-1": folder}, VERSION)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_compaction_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = PreparedData(tmp_path / "cache" / "key")
    folder = node_data(tmp_path / "north-1", "north-1")
    log = folder / "data/system/local-7a/oa_txn_compaction_1.log"
    log.write_text("")
    monkeypatch.setattr(time, "sleep", lambda seconds: log.unlink() if seconds else None)
    assert data.keep({"north-1": folder}, VERSION)


def test_what_changes_while_it_is_copied_is_copied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = node_data(tmp_path / "north-1", "north-1")
    seen = prepared._listing
    calls = iter(range(100))

    def listing(data: Path) -> dict[str, tuple[int, int]]:
        if next(calls) == 1:  # a compaction has ended after the first copy
            (data / "system/local-7a/oa-1-bti-Data.db").unlink()
            (data / "system/local-7a/oa-3-bti-Data.db").write_text("local, compacted")
        return seen(data)

    monkeypatch.setattr(prepared, "_listing", listing)
    data = PreparedData(tmp_path / "cache" / "key")
    assert data.keep({"north-1": folder}, VERSION)
    copied = {path.name for path in (data.folder / "north-1" / "system").rglob("*.db")}
    assert copied == {"oa-3-bti-Data.db"}


def test_of_two_runs_the_first_keeps_its_copy_and_the_oldest_goes(tmp_path: Path, kept: PreparedData) -> None:
    nodes = {"north-1": node_data(tmp_path / "other", "other")}
    assert not kept.keep(nodes, "another")
    assert laid(tmp_path, kept)[0] == VERSION
    os.utime(kept.folder, (1, 1))
    for number in range(COPIES_MAX):
        assert PreparedData(kept.folder.with_name(str(number))).keep(nodes, VERSION)
    left = {path.name for path in kept.folder.parent.iterdir()}
    assert left == {str(number) for number in range(COPIES_MAX)}


def key(
    topology: Topology = TOPOLOGY,
    statements: tuple[str, ...] = STATEMENTS,
    cassandra: str = "5.0.9",
    heap_mib: int | None = None,
    addresses: tuple[str, ...] = ADDRESSES,
) -> str:
    specs: tuple[NodeSpec, ...] = lay_out(topology, addresses)
    return key_of(ClusterRecord(cassandra=cassandra, topology=topology, heap_mib=heap_mib), specs, statements)


def test_a_copy_is_of_all_that_shapes_what_nodes_hold() -> None:
    big = {"sstable": {"selected_format": "big"}}
    others = [
        key(statements=(*STATEMENTS, "CREATE TABLE c")),
        key(cassandra="5.0.8"),
        key(addresses=("127.42.1.1", "127.42.1.2")),
        key(TOPOLOGY.model_copy(update={"cassandra": big})),
        key(TOPOLOGY.model_copy(update={"commit_log_sync": CommitLogSync.BATCH})),
        key(Topology(dcs=(TOPOLOGY.dcs[0], Dc(name="west", nodes=1, rf=1)))),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key(heap_mib=512) == key()  # any size reads the same disk
