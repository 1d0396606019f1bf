"""What `sstablepartitions` prints, lines of its log in between; how it ends, with a shell script in Java's place."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from loadtests.cluster import partition_sizes
from loadtests.cluster.partition_sizes import StoredPartition, read_listing, stored_partitions
from loadtests.errors import HarnessError

HEAD = (
    "key,keyBinary,live,offset,size,rowCount,cellCount,tombstoneCount,rowTombstoneCount,rangeTombstoneCount,"
    "complexTombstoneCount,cellTombstoneCount,rowTtlExpired,cellTtlExpired,directory,keyspace,table,index,snapshot,backup,"
    "generation,format,version"
)
# as Cassandra 5.0.9 printed it
PRINTED = f"""18:05:58.040 [main] INFO org.apache.cassandra.config.DatabaseDescriptor -- Supported: [Data.db, Index.db, TOC.txt]
{HEAD}
18:05:58.272 [main] INFO org.apache.cassandra.io.sstable.format -- Opening /d/k/t-7e/da-1-bti (26.360KiB)
"2:202601",0008000000020004000317,true,0,8237,400,400,3,0,0,0,3,0,0,/d/k/t-7e/da-1-bti-Data.db,k,t,,,,1,bti,da
"3:202601",0008000000030004000317,true,10257,31270,1488,1488,0,0,0,0,0,0,0,/d/k/t-7e/da-1-bti-Data.db,k,t,,,,1,bti,da

"""


def test_partitions_are_read_from_between_the_lines_of_a_log() -> None:
    assert read_listing(PRINTED) == (
        StoredPartition(keyspace="k", table="t", key="2:202601", size_bytes=8_237, rows=400, tombstones=3),
        StoredPartition(keyspace="k", table="t", key="3:202601", size_bytes=31_270, rows=1_488, tombstones=0),
    )
    assert read_listing("nothing to read\n") == ()


CLUSTER: Any = SimpleNamespace(record=SimpleNamespace(cassandra="5"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a cluster of one node, with a file of the keyspace k; Java is the script `java` in it, and needs no jars."""
    (tmp_path / "data" / "k").mkdir(parents=True)
    monkeypatch.setattr(CLUSTER, "folder", tmp_path, raising=False)
    monkeypatch.setattr(CLUSTER, "nodes", [SimpleNamespace(folder=tmp_path)], raising=False)
    monkeypatch.setattr(partition_sizes, "locked_jars", lambda _: ())
    monkeypatch.setattr(partition_sizes, "ready_jars", lambda *_: ())
    monkeypatch.setattr(partition_sizes, "find_java", lambda: SimpleNamespace(path=tmp_path / "java"))
    return tmp_path


def java_does(folder: Path, what: str) -> None:
    (folder / "java").write_text(f"#!/bin/sh\n{what}\n")
    (folder / "java").chmod(0o700)


def test_the_tool_is_started_tied_to_us(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "printed").write_text(PRINTED)
    java_does(folder, f"cat {folder}/printed")
    started: list[list[str]] = []
    run = subprocess.run

    def noting(command: list[str], **rest: Any) -> Any:
        started.append(command)
        return run(command, **rest)

    monkeypatch.setattr(subprocess, "run", noting)
    assert [each.rows for each in stored_partitions(CLUSTER, ["k"])] == [400, 1_488]
    ((python, *_, tether, pid, java), *_) = [command[:6] for command in started]
    assert (python, Path(tether).name, int(pid)) == (sys.executable, "die_with_parent.py", psutil.Process().pid)
    assert java == str(folder / "java")


def test_a_tool_that_takes_too_long_is_told_without_its_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_sizes, "TOOL_S_MAX", 0.3)
    java_does(folder, "exec sleep 60")
    with pytest.raises(HarnessError) as told:
        stored_partitions(CLUSTER, ["k"])
    assert str(told.value) == (
        "the sizes of partitions can't be read: sstablepartitions had not ended after 0.3 s; is the machine busy?"
    )


def test_what_the_tool_died_of_is_told_and_not_what_java_warned_of(folder: Path) -> None:
    java_does(folder, "echo 'WARNING: a flag is old' >&2; echo 'No such keyspace' >&2; exit 3")
    with pytest.raises(HarnessError, match=r"sstablepartitions exit code 3: No such keyspace$"):
        stored_partitions(CLUSTER, ["k"])
