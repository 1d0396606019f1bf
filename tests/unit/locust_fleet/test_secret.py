"""Where a secret is needed, and where it comes from."""

from pathlib import Path

import pytest

from loadtests.locust_fleet.secret import SECRET_VARIABLE, is_loopback, read_secret, require_secret
from scenarios.spec import ScenarioError

LONG = "long enough to be one"


def test_the_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    assert read_secret(None) is None
    monkeypatch.setenv(SECRET_VARIABLE, f"{LONG} from outside")
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(f"{LONG}\nand more")
    assert read_secret(None) == f"{LONG} from outside"
    assert read_secret(path) == LONG


def test_a_file_that_others_may_read_and_a_short_secret_are_refused_without_telling_them(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o644)
    path.write_text(LONG)
    with pytest.raises(ScenarioError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(ScenarioError, match="from 16 to") as refused:
        read_secret(path)
    assert "short" not in str(refused.value)
    with pytest.raises(ScenarioError, match="can't be read"):
        read_secret(tmp_path / "missing")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.42.1.1", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_secret(host: str) -> None:
    assert is_loopback(host)
    require_secret(None, host, "--listen")


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "10.0.0.5", "node.example", "::", "localhost.example"])
def test_beyond_it_there_is_one(host: str) -> None:
    with pytest.raises(ScenarioError, match=f"secret-file.*{SECRET_VARIABLE}"):
        require_secret(None, host, "--listen")
    require_secret(LONG, host, "--listen")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LONG.encode("utf-16"), "text in UTF-16: save it as UTF-8"),
        (b"\x1f\x8b\x08", "compressed by gzip: unpack it first"),
        (b"\xff no UTF-8 of any kind", "not in UTF-8, at line 1"),
    ],
)
def test_a_file_that_is_no_text_is_called_what_it_is(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=f"can't be read: it is {why}"):
        read_secret(path)


def test_a_byte_order_mark_is_no_part_of_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_bytes(b"\xef\xbb\xbf" + LONG.encode())
    assert read_secret(path) == LONG
