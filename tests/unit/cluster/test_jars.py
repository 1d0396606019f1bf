import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.maven import MavenContext

from loadtests.cluster import jars
from loadtests.cluster.jars import (
    Jar,
    cache_folder,
    cassandra_version,
    locked_jars,
    locked_versions,
    missing_jars,
    parse_lock,
    ready_jars,
)
from loadtests.errors import HarnessError

CONTENT = b"not really a jar"


def jar_of(content: bytes = CONTENT, artifact: str = "thing") -> Jar:
    return Jar(
        group="org.example",
        artifact=artifact,
        version="1.0",
        classifier="",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


def cached(cache: Path, jar: Jar, content: bytes) -> Path:
    path = cache / "jars" / jar.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that jgo sees as its only remote repository."""
    root = tmp_path / "remote"
    root.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=root))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    remotes = {"local": f"http://127.0.0.1:{server.server_port}"}
    monkeypatch.setattr(jars, "maven_context", lambda path: MavenContext(repo_cache=path, remote_repos=remotes))
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def published(repository: Path, jar: Jar, content: bytes) -> None:
    path = repository / "org" / "example" / jar.artifact / jar.version / jar.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_a_lock_line_has_coordinate_checksum_and_size() -> None:
    lock = "# comment\n\norg.a:b:1.2 aa 10\norg.c:d:3:linux-x86_64 bb 20\n"

    plain, classified = parse_lock(lock)

    assert (plain.coordinate, plain.file_name, plain.size) == ("org.a:b:1.2", "b-1.2.jar", 10)
    assert (classified.classifier, classified.file_name) == ("linux-x86_64", "d-3-linux-x86_64.jar")
    assert [plain.line, classified.line] == lock.splitlines()[2:]


@pytest.mark.parametrize("line", ["org.a:b aa 10", "org.a:b:1 aa", "org.a:b:1 aa ten"])
def test_a_bad_lock_line_is_named(line: str) -> None:
    with pytest.raises(HarnessError, match="line 2"):
        parse_lock(f"# comment\n{line}\n")


def test_two_jars_of_one_file_name_are_refused() -> None:
    with pytest.raises(HarnessError, match="two jars"):
        parse_lock("org.a:b:1 aa 10\norg.z:b:1 bb 10\n")


def test_the_committed_lock_is_a_cassandra_5_with_all_it_needs() -> None:
    locked = locked_jars()

    assert cassandra_version(locked).startswith("5.0.")
    assert {"jamm", "netty-transport", "snakeyaml", "logback-classic"} <= {jar.artifact for jar in locked}
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))

    assert cache_folder() == tmp_path


def test_cached_jars_are_used_in_the_order_of_the_lock(tmp_path: Path) -> None:
    locked = [jar_of(artifact="second"), jar_of(artifact="first")]
    paths = [cached(tmp_path, jar, CONTENT) for jar in locked]

    assert ready_jars(locked, print, tmp_path) == tuple(paths)
    assert missing_jars([*locked, jar_of(artifact="third")], tmp_path) == (jar_of(artifact="third"),)


def test_a_changed_jar_is_refused_with_both_checksums_and_the_mend(tmp_path: Path) -> None:
    jar = jar_of()
    path = cached(tmp_path, jar, b"not really a jaR")

    with pytest.raises(HarnessError) as refusal:
        ready_jars([jar], print, tmp_path)

    message = str(refusal.value)
    assert str(path) in message
    assert jar.sha256 in message
    assert hashlib.sha256(b"not really a jaR").hexdigest() in message
    assert "delete the file" in message


def test_a_missing_jar_is_fetched_and_the_fetch_leaves_no_litter(tmp_path: Path, repository: Path) -> None:
    jar = jar_of()
    published(repository, jar, CONTENT)
    said: list[str] = []

    (path,) = ready_jars([jar], said.append, tmp_path)

    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == [jar.file_name]
    assert "fetching 1 jars" in said[0]


def test_a_fetched_jar_of_other_content_never_enters_the_cache(tmp_path: Path, repository: Path) -> None:
    jar = jar_of()
    published(repository, jar, b"NOT REALLY A JAR")

    with pytest.raises(HarnessError, match=r"org.example:thing:1.0 as fetched is not the locked one"):
        ready_jars([jar], print, tmp_path)

    assert list((tmp_path / "jars").iterdir()) == []


def test_a_fetch_that_broke_off_is_tried_again_and_then_told(tmp_path: Path, repository: Path) -> None:
    jar = jar_of()
    published(repository, jar, CONTENT[:5])

    with pytest.raises(HarnessError, match="got 5 of 16 bytes; check the network"):
        ready_jars([jar], print, tmp_path)


def test_a_jar_that_is_not_there_is_told_and_the_others_are_kept(tmp_path: Path, repository: Path) -> None:
    here, nowhere = jar_of(artifact="here"), jar_of(artifact="nowhere")
    published(repository, here, CONTENT)

    with pytest.raises(HarnessError, match=r"org.example:nowhere:1.0 can't be fetched"):
        ready_jars([here, nowhere], print, tmp_path)

    assert missing_jars([here, nowhere], tmp_path) == (nowhere,)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(HarnessError, match="METERSTORM_CACHE"):
        ready_jars([jar_of()], print, tmp_path / "file")


def test_another_version_has_a_lock_of_its_own_and_one_without_is_told() -> None:
    default, *others = locked_versions()
    assert cassandra_version(locked_jars()) == cassandra_version(locked_jars(default)) == default
    for version in others:
        assert cassandra_version(locked_jars(version)) == version
    with pytest.raises(HarnessError, match=rf"no lock of Cassandra 5\.0\.0's jars; there are {default}"):
        locked_jars("5.0.0")


def test_who_has_all_jars_loads_nothing_that_fetches_them() -> None:
    ask = "import sys, loadtests.cluster.local; print(sorted({'jgo', 'requests', 'urllib3'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
