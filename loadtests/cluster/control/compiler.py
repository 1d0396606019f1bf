"""The class that heeds a node's orders, compiled once by the compiler that is among Cassandra's own jars: no JDK is needed."""

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from loadtests.errors import HarnessError
from scenarios.passing_folder import PassingFolder

CLASS_NAME = "NodeControl"
CLASS_FILE = f"{CLASS_NAME}.class"
SOURCE = Path(__file__).with_name(f"{CLASS_NAME}.java")
COMPILE_S_MAX = 120.0  # one second on an idle machine

Run = Callable[[Sequence[str], float], "subprocess.CompletedProcess[str]"]
"""Runs a command for so many seconds at most; raises OSError or subprocess.TimeoutExpired."""


def control_classes(java: Path, jars: Sequence[Path], cache: Path, run: Run) -> Path:
    """The folder that holds the compiled class, for nodes' class path; kept in a cache, by its source and Cassandra's release.

    Raises HarnessError when it can't be compiled, or the cache can't be written.
    """
    cassandra = _of(jars, "cassandra-all-")
    key = hashlib.sha256(SOURCE.read_bytes() + cassandra.name.encode()).hexdigest()[:16]
    kept = cache / key
    if (kept / CLASS_FILE).exists():
        return kept
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with PassingFolder("compiling", within=cache) as draft:
            _compile(java, _of(jars, "ecj-"), cassandra, draft.path, run)
            (draft.path / CLASS_FILE).replace(kept / CLASS_FILE)
    except OSError as error:
        raise HarnessError(f"{kept} can't be written: {error}; name another folder in METERSTORM_CACHE") from error
    return kept


def _of(jars: Sequence[Path], name: str) -> Path:
    return next(jar for jar in jars if jar.name.startswith(name))


def _compile(java: Path, compiler: Path, cassandra: Path, into: Path, run: Run) -> None:
    command = [str(java), "-cp", str(compiler), "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none"]
    command += ["-nowarn", "-cp", str(cassandra), "-d", str(into), str(SOURCE)]
    try:
        done = run(command, COMPILE_S_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{SOURCE.name} can't be compiled: {error}") from error
    if done.returncode != 0:
        raise HarnessError(f"{SOURCE.name} can't be compiled: {(done.stdout + done.stderr).strip()[-400:]}")
