"""Nodes that begin with their tables made: a copy of what nodes of the same kind held on their disks before any row.

Making the tables of a run takes the nodes longer than anything else before its storm, and is the same work each time. What they
hold of it, system tables and schema alone, is kept in the cache, under what it depends on: release, settings, addresses, tokens
and the statements that made the tables.

A copy is not trusted. Each file must have the content that it was kept with, and the nodes must come up by it and tell the schema
version that was told then, which Cassandra computes from the schema's content. What does not is thrown away, and the nodes start
as if there had been none. All that would not tell a forger: a copy that another user could have written is not read.
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from loadtests.cluster.jars import cache_folder, sha256_of
from loadtests.cluster.layout import NodeSpec
from loadtests.cluster.node_config import cassandra_yaml
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import NodeSize
from scenarios.passing_folder import PassingFolder
from scenarios.texts.outside import read_text, why_refused

KEPT_KEYSPACES = ("system", "system_schema")
LEFT_OUT = "prepared_statements-"  # a node would prepare those of a run that is over
UNFINISHED = "_txn_"  # in the names of files by which a node knows which of its SSTables are not whole
COPIES_MAX = 12  # of 0.7 MB a node
ATTEMPTS_MAX = 5  # a compaction may come between
ATTEMPT_EVERY_S = 0.2
MANIFEST = "prepared.json"


class PreparedManifest(BaseModel):
    """made_s: when [s since 1970]. schema_version: as the nodes told it. files: SHA-256 by path, which a node's name begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    made_s: float
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

    def lay(self, nodes: Mapping[str, Path], progress: Callable[[str], None] = lambda _: None) -> str | None:
        """Copy it to the folders of nodes, by name, that have no data. Returns the schema version that they must tell.

        None where there is no copy, or none that is whole and this user's alone: then nothing is laid.
        """
        if not os.path.lexists(self.folder):
            return None  # and nothing is thrown away: another run may just be keeping one
        try:
            _require_ours_alone(self.folder)
            manifest = PreparedManifest.model_validate_json(read_text(self.folder / MANIFEST))
            contents = self._contents(manifest, nodes)
        except (OSError, ValueError) as error:
            progress(f"the copy of tables in {self.folder} is not used and is thrown away: {why_refused(error)}")
            self.discard()
            return None
        try:
            for target, content in contents.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        except OSError as error:  # no room: the copy is right
            progress(f"the copy of tables in {self.folder} is not used: {error}")
            for node in nodes.values():
                shutil.rmtree(node / "data", ignore_errors=True)
            return None
        with contextlib.suppress(OSError):  # a cache that can only be read
            os.utime(self.folder)
        return manifest.schema_version

    def _contents(self, manifest: PreparedManifest, nodes: Mapping[str, Path]) -> dict[Path, bytes]:
        """What is to be where. Raises OSError, or ValueError, where it is not what was kept."""
        if manifest.made_s > time.time():
            # Cassandra's later write wins: the nodes' own would lose to those of the copy.
            raise OSError("the clock has been set back since it was made")
        contents = {}
        for path, sha256 in manifest.files.items():
            name, *rest = path.split("/")
            if name not in nodes or not rest or rest[0] not in KEPT_KEYSPACES or ".." in rest:
                raise OSError(f"it names a file of no such node or keyspace: {path}")
            content = (self.folder / path).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise OSError(f"{path} has changed")
            contents[nodes[name].joinpath("data", *rest)] = content
        return contents

    def keep(self, nodes: Mapping[str, Path], schema_version: str) -> bool:
        """Take a copy of nodes that run, by name, whose schema is on their disks. Returns whether it is kept."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with PassingFolder("preparing", within=self.folder.parent) as staging:
                draft = staging.path / "copy"
                draft.mkdir(mode=0o700)
                files: dict[str, str] = {}
                for name, folder in nodes.items():
                    if not _copy_at_rest(folder / "data", draft / name):
                        return False
                    for path in sorted((draft / name).rglob("*")):
                        if path.is_file():
                            files[path.relative_to(draft).as_posix()] = sha256_of(path)
                manifest = PreparedManifest(made_s=time.time(), schema_version=schema_version, files=files)
                (draft / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
                draft.rename(self.folder)  # refused where another run was first
            _remove_oldest(self.folder.parent)
        except OSError:
            return False
        return True

    def discard(self) -> None:
        _remove([self.folder])


def _require_ours_alone(folder: Path) -> None:
    """Raises OSError for a copy that another user could have written."""
    about = folder.lstat()
    is_ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    if not is_ours or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError("another user could have written it")


def _copy_at_rest(data: Path, target: Path) -> bool:
    """Copy the kept keyspaces, as they were at one instant: SSTables don't change, they come and go."""
    for attempt in range(ATTEMPTS_MAX):
        time.sleep(ATTEMPT_EVERY_S if attempt else 0.0)
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
    copies = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another run has just removed it, or it is none
            (path / MANIFEST).stat()
            copies.append((path.stat().st_mtime, path))
    _remove(path for _, path in sorted(copies, reverse=True)[COPIES_MAX:])


def _remove(copies: Iterable[Path]) -> None:
    """At once: a run that is killed meanwhile leaves no half of one, and one that begins does not find it."""
    for copy in copies:
        with contextlib.suppress(OSError), PassingFolder("preparing", within=copy.parent) as staging:
            copy.rename(staging.path / "copy")
