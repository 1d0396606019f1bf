"""Nodes that begin with their tables made: a copy of what nodes of the same kind held on their disks before any row.

Making the tables of a run takes the nodes longer than anything else before its storm, and is the same work each time. What they
hold of it, system tables and schema alone, is kept in the cache, under what it depends on: release, settings, addresses, tokens
and the statements that made the tables.

A copy is not trusted. Each file must have the content that it was kept with, and the nodes must come up by it and tell the schema
version that was told then, which Cassandra computes from the schema's content. What does not is thrown away, and the nodes start
as if there had been none.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.cluster.jars import cache_folder, sha256_of
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.node_config import cassandra_yaml
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import NodeSize
from scenarios.passing_folder import PassingFolder
from scenarios.texts.outside import UnreadableText, read_text

KEPT_KEYSPACES = ("system", "system_schema")
LEFT_OUT = "prepared_statements-"  # a node would prepare those of a run that is over
UNFINISHED = "_txn_"  # in the names of files by which a node knows which of its SSTables are not whole
COPIES_MAX = 12  # of some 3 MB a node
ATTEMPTS_MAX = 5  # a compaction may come between
MANIFEST = "prepared.json"


class PreparedManifest(BaseModel):
    """schema_version: as the nodes told it. files: SHA-256 by path, beginning with the node's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    schema_version: str
    files: dict[str, str]


def key_of(record: ClusterRecord, specs: Sequence[NodeSpec], statements: Sequence[str]) -> str:
    """What a copy depends on, as the name of its folder. The size of nodes is none of it: any fits the same disk."""
    seeds = [spec.address for spec in specs if spec.is_seed]
    texts = [
        cassandra_yaml(
            spec,
            Path(spec.name),
            seeds=seeds,
            size=NodeSize(heap_mib=0),
            security=record.security,
            sync=record.topology.commit_log_sync,
            options=record.topology.cassandra,
        )
        for spec in specs
    ]
    parts = [record.cassandra, *(f"{spec.name} {spec.dc}" for spec in specs), *texts, *statements]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PreparedData:
    """The copy of one key, which may not be there. Nothing of it raises: a cache that can't be used costs time alone."""

    folder: Path

    @classmethod
    def of(cls, key: str) -> "PreparedData":
        return cls(cache_folder() / "prepared" / key)

    def lay(self, nodes: Mapping[str, Path]) -> str | None:
        """Copy it to the folders of nodes, by name, that have no data. Returns the schema version that they must tell.

        None where there is no copy that is whole: then nothing is laid.
        """
        try:
            manifest = PreparedManifest.model_validate_json(read_text(self.folder / MANIFEST))
            for path, sha256 in manifest.files.items():
                name, *rest = path.split("/")
                if rest[0] not in KEPT_KEYSPACES or ".." in rest:
                    raise OSError(f"{self.folder / MANIFEST} names a file of no such keyspace: {path}")
                target = nodes[name].joinpath("data", *rest)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.folder / path, target)
                if sha256_of(target) != sha256:
                    raise OSError(f"{self.folder / path} has changed")
            os.utime(self.folder)
        except (OSError, UnreadableText, ValidationError, KeyError, IndexError):
            self.discard()
        else:
            return manifest.schema_version
        for node in nodes.values():
            shutil.rmtree(node / "data", ignore_errors=True)
        return None

    def keep(self, nodes: Mapping[str, Path], schema_version: str) -> bool:
        """Take a copy of nodes that run, by name, whose schema is on their disks. Returns whether it is kept."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with PassingFolder("preparing", within=self.folder.parent) as staging:
                draft = staging.path / "copy"
                files: dict[str, str] = {}
                for name, folder in nodes.items():
                    if not _copy_at_rest(folder / "data", draft / name):
                        return False
                    for path in sorted((draft / name).rglob("*")):
                        if path.is_file():
                            files[path.relative_to(draft).as_posix()] = sha256_of(path)
                manifest = PreparedManifest(schema_version=schema_version, files=files)
                (draft / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
                draft.rename(self.folder)  # refused where another run was first
            _remove_oldest(self.folder.parent)
        except OSError:
            return False
        return True

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _copy_at_rest(data: Path, target: Path) -> bool:
    """Copy the kept keyspaces, as they were at one instant: SSTables don't change, they come and go."""
    for _ in range(ATTEMPTS_MAX):
        shutil.rmtree(target, ignore_errors=True)
        with contextlib.suppress(OSError):  # one that was there has gone
            before = _listing(data)
            if any(UNFINISHED in path for path in before):
                continue
            for path in before:
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(data / path, target / path)
            if _listing(data) == before:
                return True
    return False


def _listing(data: Path) -> dict[str, tuple[int, int]]:
    """Path below `data` -> size [bytes] and last change [ns], of the files of the kept keyspaces."""
    found = {}
    for keyspace in KEPT_KEYSPACES:
        for path in sorted((data / keyspace).glob("*/*")):
            if path.is_file() and not path.parent.name.startswith(LEFT_OUT):
                about = path.stat()
                found[path.relative_to(data).as_posix()] = about.st_size, about.st_mtime_ns
    return found


def _remove_oldest(folder: Path) -> None:
    """Those that were not used for longest, beyond COPIES_MAX."""
    copies = [path for path in folder.iterdir() if (path / MANIFEST).exists()]
    copies.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in copies[COPIES_MAX:]:
        shutil.rmtree(path, ignore_errors=True)
