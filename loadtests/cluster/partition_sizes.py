"""Every partition of a keyspace's files: its bytes and rows, exactly, as Cassandra's own `sstablepartitions` reads them.

The nodes may run meanwhile: files are never changed, only replaced, so the keyspace should have nothing to flush or compact.
Source: Cassandra 5.0, org.apache.cassandra.tools.SSTablePartitions. A node's `max_partition_size` is of whole MiB.
"""

import csv
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.cluster.jars import locked_jars, ready_jars
from loadtests.cluster.java import find_java, without_warnings
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.node_config import ACCESS_OPTIONS
from loadtests.cluster.tether import run_tied
from loadtests.errors import HarnessError, how_it_ended

TOOL = "org.apache.cassandra.tools.SSTablePartitions"
TOOL_S_MAX = 120.0
_HEAD = "key,keyBinary,"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """key: its values in the key's order, with a colon between them. size_bytes: before compression, on one node."""

    keyspace: str
    table: str
    key: str
    size_bytes: int
    rows: int
    tombstones: int


def stored_partitions(cluster: LocalCluster, keyspaces: Iterable[str]) -> tuple[StoredPartition, ...]:
    """All partitions in the files of the keyspaces, of every node; one that lies in several files is told once for each.

    Raises HarnessError when the tool can't read them.
    """
    folders = [
        found
        for keyspace in keyspaces
        for node in cluster.nodes
        for found in sorted((node.folder / "data").glob(f"**/{keyspace}"))
        if found.is_dir()
    ]
    if not folders:
        return ()
    jars = ready_jars(locked_jars(cluster.record.cassandra), lambda _: None)
    return read_listing(_run([str(find_java().path), *_options(cluster.folder, jars), *map(str, folders)]))


def _options(folder: Path, jars: Sequence[Path]) -> list[str]:
    return [
        "-Xmx256m",
        "-XX:TieredStopAtLevel=1",  # it runs for seconds
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={folder}",
        *ACCESS_OPTIONS,
        "-cp",
        ":".join(str(jar) for jar in jars),
        TOOL,
        "--recursive",
        "--csv",
        "--min-size",
        "1B",
    ]


def _run(command: list[str]) -> str:
    try:
        done = run_tied(command, TOOL_S_MAX)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"the sizes of partitions can't be read: sstablepartitions had not ended after {TOOL_S_MAX:g} s; "
            "is the machine busy?"
        ) from error
    except OSError as error:
        raise HarnessError(f"the sizes of partitions can't be read: {error}") from error
    if done.returncode:
        said = (without_warnings(done.stderr.strip().splitlines()) or ["nothing"])[0]
        raise HarnessError(
            f"the sizes of partitions can't be read: sstablepartitions {how_it_ended(done.returncode)}: {said}"
        )
    return done.stdout


def read_listing(text: str) -> tuple[StoredPartition, ...]:
    """What the tool printed: lines of its log between the lines of a CSV with a head. Pure."""
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith(_HEAD)]
    if not heads:
        return ()
    names = heads[0].split(",")
    rows = (dict(zip(names, each, strict=True)) for each in csv.reader(lines) if len(each) == len(names))
    return tuple(
        StoredPartition(
            keyspace=row["keyspace"],
            table=row["table"],
            key=row["key"],
            size_bytes=int(row["size"]),
            rows=int(row["rowCount"]),
            tombstones=int(row["tombstoneCount"]),
        )
        for row in rows
        if row["size"] != "size"
    )
