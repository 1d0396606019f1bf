"""Cassandra's jars: fetched once by jgo, and none used that differs from the committed lock.

`jars.lock` holds one jar a line: `group:artifact:version[:classifier] sha256 bytes`. The list is complete, so no POM is
read at run time; `python -m loadtests.cluster.update_jars_lock` makes it anew. Only checked files enter the cache: a download
lands in a folder of its own first, so that an interrupted one is never mistaken for a jar.
"""

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.errors import HarnessError
from scenarios.passing_folder import PassingFolder

if TYPE_CHECKING:
    from jgo.maven import MavenContext

CASSANDRA = ("org.apache.cassandra", "cassandra-all")
LOCK_FILE = Path(__file__).with_name("jars.lock")
CONNECTOR_LOCK = Path(__file__).with_name("spark-connector.lock")  # for Spark alone; no node has these
FETCHES_AT_ONCE_MAX = 8
FETCH_ATTEMPTS_MAX = 3
FETCH_TIMEOUT_S = 20
PROGRESS_STEP_BYTES = 10_000_000

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    classifier: str  # "" for the main jar
    sha256: str
    size: int  # [bytes]

    @property
    def coordinate(self) -> str:
        return ":".join(part for part in (self.group, self.artifact, self.version, self.classifier) if part)

    @property
    def file_name(self) -> str:
        return "-".join(part for part in (self.artifact, self.version, self.classifier) if part) + ".jar"

    @property
    def line(self) -> str:
        return f"{self.coordinate} {self.sha256} {self.size}"


def cache_folder() -> Path:
    """Where jars are kept between runs: `$METERSTORM_CACHE`, else the platform's cache folder.

    Raises HarnessError for a user without a home, as in some containers.
    """
    if named := os.environ.get("METERSTORM_CACHE"):
        return Path(named).expanduser().absolute()
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "meterstorm"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meterstorm"
    except RuntimeError:
        raise HarnessError(
            "this user has no home folder to keep Cassandra's jars in; name a folder in METERSTORM_CACHE"
        ) from None


def parse_lock(text: str) -> tuple[Jar, ...]:
    """The jars of a lock, in its order, which is the order of the class path. Raises HarnessError naming a bad line."""
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            coordinate, sha256, size = line.split()
            group, artifact, version, *classifier = coordinate.split(":")
            jar = Jar(
                group=group,
                artifact=artifact,
                version=version,
                classifier="".join(classifier),
                sha256=sha256,
                size=int(size),
            )
        except ValueError:
            raise HarnessError(
                f"the lock of jars, line {number} can't be read: {line!r}; restore the committed file"
            ) from None
        jars.append(jar)
    if len({jar.file_name for jar in jars}) != len(jars):
        raise HarnessError("the lock of jars names two jars of one file name; restore the committed file")
    return tuple(jars)


def lock_file(version: str) -> Path:
    """Where the lock of another version than the default one is."""
    return LOCK_FILE.with_name(f"jars-{version}.lock")


def locked_versions() -> tuple[str, ...]:
    """The versions of Cassandra that there is a lock of, the default one first."""
    others = sorted(path.stem.removeprefix("jars-") for path in LOCK_FILE.parent.glob("jars-*.lock"))
    return (cassandra_version(locked_jars()), *others)


def locked_jars(version: str | None = None) -> tuple[Jar, ...]:
    """A committed lock: the default one, or that of a version. Raises HarnessError for a version without."""
    default = parse_lock(LOCK_FILE.read_text(encoding="utf-8"))
    if version in (None, cassandra_version(default)):
        return default
    try:
        return parse_lock(lock_file(str(version)).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarnessError(
            f"there is no lock of Cassandra {version}'s jars; there are {', '.join(locked_versions())} "
            "([topology] cassandra_version)"
        ) from None


def cassandra_version(jars: Iterable[Jar]) -> str:
    """The version of Cassandra itself among `jars`."""
    return next(jar.version for jar in jars if (jar.group, jar.artifact) == CASSANDRA)


def ready_jars(jars: Sequence[Jar], progress: Progress, cache: Path | None = None) -> tuple[Path, ...]:
    """Paths of `jars` in their order, each present and with the locked content; the missing ones are fetched first.

    All are hashed every time: 66 MB take about 0.1 s, which no stamp file is worth.
    Raises HarnessError for a jar that differs, that can't be fetched, or that finds no room.
    """
    folder = (cache or cache_folder()) / "jars"
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _fetch(missing, folder, progress)
    paths = tuple(folder / jar.file_name for jar in jars)
    with ThreadPoolExecutor(max_workers=4) as pool:  # hashlib lets go of the GIL
        for jar, path, found in zip(jars, paths, pool.map(sha256_of, paths), strict=True):
            if found != jar.sha256:
                raise HarnessError(
                    f"jar {path} has changed: SHA-256 is {found}, the lock says {jar.sha256}; "
                    "delete the file, and the next run fetches it again"
                )
    return paths


def missing_jars(jars: Iterable[Jar], cache: Path | None = None) -> tuple[Jar, ...]:
    """Those of `jars` that a run would have to fetch."""
    folder = (cache or cache_folder()) / "jars"
    return tuple(jar for jar in jars if not (folder / jar.file_name).exists())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def maven_context(repository: Path) -> "MavenContext":
    """jgo, keeping what it fetches in `repository`; a mirror named in jgo's own settings is used as well."""
    # 5 MiB, and a tenth of a second of the processor, for jars that are mostly there
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=repository, remote_repos=remotes, timeout=FETCH_TIMEOUT_S)


def _fetch(missing: Sequence[Jar], folder: Path, progress: Progress) -> None:
    """Fetch in parallel into a folder beside the cache; move in what has the locked content."""
    size = sum(jar.size for jar in missing)
    progress(f"fetching {len(missing)} jars, {size / 1e6:.0f} MB, into {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = PassingFolder("fetching", within=folder)  # of one that was killed nothing stays
        room = shutil.disk_usage(folder).free
    except OSError as error:
        raise HarnessError(f"jar cache {folder} can't be written: {error}; name another in METERSTORM_CACHE") from error
    if room < size * 2:
        staging.remove()
        raise HarnessError(
            f"jar cache {folder} has {room / 1e6:.0f} MB free and needs {size * 2 / 1e6:.0f} MB; "
            "make room, or name another folder in METERSTORM_CACHE"
        )
    given_up = threading.Event()
    pool = ThreadPoolExecutor(max_workers=FETCHES_AT_ONCE_MAX)
    try:
        done = told = 0
        fetches = {pool.submit(_fetch_one, jar, staging.path, folder, given_up): jar for jar in missing}
        for fetch in as_completed(fetches):
            fetch.result()
            done += fetches[fetch].size
            if done - told >= PROGRESS_STEP_BYTES or done == size:
                told = done
                progress(f"fetched {done / 1e6:.0f} of {size / 1e6:.0f} MB of jars")
    finally:
        given_up.set()
        pool.shutdown(wait=True, cancel_futures=True)
        staging.remove()


def _fetch_one(jar: Jar, staging: Path, folder: Path, given_up: threading.Event) -> None:
    """Put one jar into `folder`. A fetch that broke off is tried again; a whole jar of other content is refused at once."""
    trouble = "given up"
    for attempt in range(1, FETCH_ATTEMPTS_MAX + 1):
        if given_up.is_set():
            return
        # A folder for each attempt: jgo would take what is left of a broken download for the jar.
        context = maven_context(staging / f"{jar.file_name}.{attempt}")
        try:
            path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier).resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises bare RuntimeErrors
            trouble = str(error)
            continue
        found, size = sha256_of(path), path.stat().st_size
        if found == jar.sha256:
            path.replace(folder / jar.file_name)
            return
        if size == jar.size:
            raise HarnessError(
                f"jar {jar.coordinate} as fetched is not the locked one: SHA-256 is {found}, the lock says {jar.sha256}; "
                "it is not used: check which mirror or proxy this network sends it through"
            )
        trouble = f"got {size} of {jar.size} bytes"
    raise HarnessError(
        f"jar {jar.coordinate} can't be fetched from Maven Central: {trouble}; check the network or proxy and run again: "
        "what has been fetched is kept"
    )
