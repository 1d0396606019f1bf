"""Apache Otava, asked for the change points of series: a tool of its own in an environment of its own.

It pins an old NumPy and brings clients of clouds and databases with it, so none of it is ever imported here. uv makes its
environment once, in the cache folder, from `otava.lock`, which holds every package by content. Otava gets no setting of the
user's: neither a home with its configuration nor an environment that names servers, so it reads the CSV files that it is given
and no more.

It is the second opinion: E-divisive means with a t test (Fleming et al., "Hunter: using change point detection to hunt for
performance regressions", ICPE 2023), which is quick to see a large step, and states no error over a series.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from loadtests.cluster.jars import cache_folder
from loadtests.errors import HarnessError
from loadtests.stats.estimates import Floats
from scenarios.passing_folder import PassingFolder

LOCK_FILE = Path(__file__).with_name("otava.lock")
VERSION = "0.8.0"
INSTALL_TIMEOUT_S = 600
START_TIMEOUT_S, SERIES_TIMEOUT_S = 120, 5
SERIES_MAX = 1_000
_EPOCH = datetime(
    2000, 1, 1, tzinfo=UTC
)  # of the days that stand for the runs: Otava wants times, the order is all we ask about
_WORDS_MAX = 300


class OtavaMissing(Exception):
    """Otava could not be asked; the message completes the sentence "Otava did not vote: ..."."""


def ask_otava(series: Sequence[Floats], cache: Path | None = None) -> list[list[int]]:
    """Of each series the first runs of its new levels, as Otava sees them.

    series: float64[runs] each, in the order of time. cache: by default `loadtests.cluster.jars.cache_folder()`.
    Raises OtavaMissing when it can't be installed, says nothing in time, or says what can't be read.
    """
    assert len(series) <= SERIES_MAX, "no history has so many series"
    python = ready_otava(cache)
    with PassingFolder("otava") as passing:
        folder = passing.path
        names = [f"series-{index}" for index in range(len(series))]
        for each, values in zip(names, series, strict=True):
            _write_csv(folder / f"{each}.csv", values)
        (folder / "otava.yaml").write_text(_config(names), encoding="utf-8")
        answer = _run(  # at its own p-value, 0.001 for each split: 0.8.0 refuses --p-value (findings/otava_p_value.sh)
            [
                *(str(python), "-I", "-m", "otava.main", "analyze", "all", "--config-file", "otava.yaml"),
                *("--output", "json"),
                *("--since", "1999-12-31T00:00:00Z", "--until", "2199-12-31T00:00:00Z"),
            ],
            folder,
            {"HOME": str(folder), "PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
            START_TIMEOUT_S + SERIES_TIMEOUT_S * len(series),
        )
    return read_answer(answer, [len(values) for values in series])


def read_answer(text: str, runs: Sequence[int]) -> list[list[int]]:
    """Otava's JSON, a line a series, as indices of runs; `runs` is how many each series has. Raises OtavaMissing."""
    told: dict[str, list[int]] = {}
    try:
        for line in filter(None, map(str.strip, text.splitlines())):
            for name, groups in json.loads(line).items():
                told[name] = [int(change["index"]) for group in groups for change in group["changes"]]
        answers = [told[f"series-{index}"] for index in range(len(runs))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OtavaMissing(f"its answer can't be read ({type(error).__name__}: {error})") from error
    if any(not 0 < index < count for indices, count in zip(answers, runs, strict=True) for index in indices):
        raise OtavaMissing("its answer names runs that there are not")
    return [sorted(set(indices)) for indices in answers]


def ready_otava(cache: Path | None = None) -> Path:
    """The Python of Otava's environment, which is made when it isn't there. Raises OtavaMissing."""
    try:
        home = (cache or cache_folder()) / "otava"
    except HarnessError as error:
        raise OtavaMissing(str(error)) from error
    state = sha256(LOCK_FILE.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = home / f"{VERSION}-{state}"
    if not (folder / "bin" / "python").exists():
        _install(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    """Whole or not at all: beside its place first, and of several processes the first one's stays."""
    uv = shutil.which("uv")
    if uv is None:
        raise OtavaMissing("uv, which makes its environment, is not on the PATH: install it (`pip install uv`)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = PassingFolder("making", within=folder.parent)
    except OSError as error:
        raise OtavaMissing(f"{folder.parent} can't be written: {error.strerror}") from error
    try:
        new, settings = making.path / "environment", dict(os.environ)
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(new)], making.path, settings, INSTALL_TIMEOUT_S)
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--no-build", "--python", str(new / "bin" / "python")]
        _run([*sync, str(LOCK_FILE)], making.path, settings, INSTALL_TIMEOUT_S)
        if not folder.exists():
            new.rename(folder)
    except OSError as error:
        if not folder.exists():  # else another process was first
            raise OtavaMissing(f"{folder} can't be made: {error.strerror}") from error
    finally:
        making.remove()


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float) -> str:
    """What a program says on its standard output. Raises OtavaMissing."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise OtavaMissing(f"{Path(command[0]).name} was not done in {timeout_s:,.0f} s") from None
    except OSError as error:
        raise OtavaMissing(f"{command[0]} can't be started: {error.strerror}") from error
    if done.returncode != 0:
        words = " ".join(done.stderr.split())[-_WORDS_MAX:]
        raise OtavaMissing(f"{Path(command[0]).name} ended with exit code {done.returncode}: {words}")
    return done.stdout


def _write_csv(path: Path, values: Floats) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "value"))
        writer.writerows(
            ((_EPOCH + timedelta(days=run)).isoformat(), repr(value)) for run, value in enumerate(values.tolist())
        )


def _config(names: Sequence[str]) -> str:
    """Its YAML; JSON is that too. Each series is a test of its own, as each lacks other runs."""
    tests = {
        name: {"type": "csv", "file": f"{name}.csv", "time_column": "time", "metrics": ["value"]} for name in names
    }
    return json.dumps({"tests": tests, "test_groups": {"all": list(names)}}, indent=1)
