"""The gate of our own benchmarks: is this working tree slower than a revision of it?

    uv run python -m loadtests.benchmarks.gate --baseline origin/main

runs the benchmarks of `loadtests/benchmarks/parts` on the code of both in turns, gives the files of pytest-benchmark to
`meterstorm gate`, and ends as that does: 0 pass or improvement, 1 regression, 4 it can't be told, 5 nothing to compare with.

Rules that hold here:
- Both sides run the same benchmarks, those of this working tree: a benchmark that was changed is no change of what it measures.
- Each trial is a process of its own, of this interpreter and its packages, that finds the code of its side first. A revision with
  other packages is judged with ours.
- Kernels are compiled anew for both sides, in a first turn that is not counted.
- What is counted and not timed (`count_*.py` beside the benchmarks) is compared exactly before the pairs: growth is a regression.
- It ends as soon as the gate knows, and in `--minutes` at most. All that it makes is in one temporary folder, which goes with it.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from loadtests import interrupts
from loadtests.gate.exact import ExactCounter, counters_of
from loadtests.gate.sides import SideName, pair_order
from loadtests.stats.e_values import PAIRS_MIN
from scenarios.gate_file import load_gate_settings
from scenarios.passing_folder import PassingFolder

ROOT = Path(__file__).parents[2]
PARTS = Path(__file__).with_name("parts")
CONFIG = Path(__file__).with_name("gate.toml")
MINUTES_MAX = 9.0
PAIRS_MAX = 60
PAIRS_A_LOOK = 2
ROUND_S = 0.3  # of each benchmark in a trial
TRIAL_S_MAX = 300.0
LOOK_S_MAX = 120.0
SEED = 1
WORSE, UNTOLD, NO_BASELINE, INTERRUPTED, WRONG = 1, 4, 5, 130, 2  # exit codes, as those of the command
WHERE = "import loadtests, sim, store; print(*(m.__path__[0] for m in (loadtests, sim, store)), sep='\\n')"


class OwnGateError(Exception):
    """It can't be measured; the message is a sentence, `exit_code` what the process ends with."""

    def __init__(self, message: str, exit_code: int = WRONG) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The code of a side, and what its processes are given."""

    name: SideName
    code: Path
    benchmarks: Path
    files: Path  # of pytest-benchmark, one a trial
    environment: Mapping[str, str]

    def trial(self, number: int) -> tuple[Path, frozenset[str]]:
        """Run every benchmark once: the file, and the names of those that were measured. Raises OwnGateError."""
        file = self.files / f"{number:03}.json"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(self.benchmarks)),
            *("-p", "no:cacheprovider", "-p", "pytest_benchmark.plugin", "-o", "python_files=bench_*.py"),
            *("--continue-on-collection-errors", "--benchmark-only", "--benchmark-disable-gc"),
            *("--benchmark-timer=time.process_time", "--benchmark-warmup=off"),
            *(f"--benchmark-max-time={ROUND_S}", "--benchmark-min-rounds=5", f"--benchmark-json={file}"),
            str(self.benchmarks),
        ]
        done = _run(command, self.benchmarks, self.environment, TRIAL_S_MAX)
        try:
            names = frozenset(str(each["fullname"]) for each in json.loads(file.read_bytes())["benchmarks"])
        except (OSError, ValueError, KeyError):
            names = frozenset()
        if done.returncode not in (0, 1):
            raise OwnGateError(f"the benchmarks do not run on the {self.name}: {_last_words(done)}", self._exit_code)
        if not names:
            raise OwnGateError(f"no benchmark runs on the {self.name}: {_last_words(done)}", self._exit_code)
        if done.returncode and self.name is SideName.CANDIDATE:
            raise OwnGateError(f"a benchmark fails on the candidate: {_last_words(done)}")
        return file, names

    def counts(self) -> dict[str, int]:
        """What the programs that count print, by name, each run twice: what differs is told, and left out.

        Of a program that does not run on the baseline nothing. Raises OwnGateError for one that fails on the candidate.
        """
        found: dict[str, int] = {}
        for program in sorted(self.benchmarks.glob("count_*.py")):
            first, second = (self._printed(program) for _ in range(2))
            same = {name: count for name, count in first.items() if second.get(name) == count}
            if odd := first.keys() - same.keys():
                print(f"left out, as another process of the {self.name} counts otherwise: {', '.join(sorted(odd))}")
            found |= same
        return found

    def _printed(self, program: Path) -> dict[str, int]:
        done = _run([sys.executable, program.name], self.benchmarks, self.environment, TRIAL_S_MAX)
        if done.returncode == 0:
            return {str(name): int(count) for name, count in json.loads(done.stdout).items()}
        if self.name is SideName.CANDIDATE:
            raise OwnGateError(f"{program.name} fails on the candidate: {_last_words(done)}")
        print(f"left out, as the {self.name} does not run it: {program.name}", flush=True)
        return {}

    @property
    def _exit_code(self) -> int:
        return NO_BASELINE if self.name is SideName.BASELINE else WRONG

    def require_own_code(self) -> None:
        """Raises OwnGateError unless its processes import the code of this side."""
        done = _run([sys.executable, "-c", WHERE], self.benchmarks, self.environment, TRIAL_S_MAX)
        places = [Path(line).resolve() for line in done.stdout.split("\n") if line]
        if done.returncode or any(self.code.resolve() not in place.parents for place in places):
            raise OwnGateError(f"the {self.name}'s own code is not what runs: {_last_words(done)}", self._exit_code)


def gate_own(baseline: str, folder: Path, minutes: float) -> int:
    """Measure in turns until the gate knows; its exit code. folder: an empty one for all that is made. Raises OwnGateError."""
    ends = time.monotonic() + minutes * 60
    trees = _trees(baseline, folder)
    for tree in trees.values():
        tree.require_own_code()
    print(f"{baseline} against this working tree: the first turn compiles, and is not counted", flush=True)
    known = {name: tree.trial(0)[1] for name, tree in trees.items()}
    if missing := known[SideName.CANDIDATE] - known[SideName.BASELINE]:
        print(f"left out, as {baseline} does not run them: {', '.join(sorted(missing))}", flush=True)
    answered = folder / "answer"
    counters = counters_of(*(_units(trees[name].counts()) for name in (SideName.BASELINE, SideName.CANDIDATE)))
    if grown := _grown(counters, load_gate_settings(CONFIG).limits.counters):
        print(f"regression: the same work costs more, by exact counts: {'; '.join(grown)}", flush=True)
        answered.mkdir()
        _write_counters(counters, answered)
        return WORSE
    files: dict[SideName, list[Path]] = {name: [] for name in trees}
    longest_s, answer = 0.0, UNTOLD
    for pair in itertools.count():
        began = time.monotonic()
        for name in pair_order(pair, SEED):
            file, names = trees[name].trial(pair + 1)
            if lost := known[name] - names:
                raise OwnGateError(f"{', '.join(sorted(lost))} ran on the {name} once, and then did not")
            files[name].append(file)
        count = pair + 1
        is_last = count >= PAIRS_MAX or time.monotonic() + longest_s * PAIRS_A_LOOK > ends
        if is_last or (count >= PAIRS_MIN and count % PAIRS_A_LOOK == 0):
            answer = _look(files, folder / f"look-{count}", folder)
            if answer != UNTOLD or is_last:
                shutil.copytree(folder / f"look-{count}", answered)
                _write_counters(counters, answered)
                return answer
        longest_s = max(longest_s, time.monotonic() - began)
        print(f"pair {count}: {time.monotonic() - began:.0f} s", flush=True)
    raise AssertionError("pairs are counted without end")


def _units(counts: Mapping[str, int]) -> dict[tuple[str, str], int]:
    return {(name, "bytes"): count for name, count in counts.items()}


def _grown(counters: Sequence[ExactCounter], allowed: float) -> list[str]:
    """In words, those that grew by more than is allowed, a share. One that a side lacks is not compared."""
    both = [each for each in counters if each.baseline and each.candidate]
    return [f"{each.name} {each.baseline:,} -> {each.candidate:,}" for each in both if each.increase > allowed]


def _write_counters(counters: Sequence[ExactCounter], folder: Path) -> None:
    held = {each.name: {"baseline": each.baseline, "candidate": each.candidate} for each in counters}
    (folder / "counters.json").write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def _look(files: Mapping[SideName, Sequence[Path]], out: Path, folder: Path) -> int:
    """What `meterstorm gate` says of all pairs so far; its words are told. Raises OwnGateError when it can't say anything."""
    listed = {name: ",".join(map(str, paths)) for name, paths in files.items()}
    command = [
        *(
            sys.executable,
            "-m",
            "meterstorm.cli.app",
            "gate",
            "smoke",
            "--config",
            str(CONFIG),
            "--out",
            str(out),
            "--quiet",
        ),
        *("--baseline", listed[SideName.BASELINE], "--candidate", listed[SideName.CANDIDATE]),
    ]
    done = _run(command, folder, {**os.environ, "PYTHONPATH": str(ROOT)}, LOOK_S_MAX)
    if done.returncode not in (0, 1, UNTOLD):
        raise OwnGateError(_last_words(done), done.returncode if done.returncode > 0 else WRONG)
    print(done.stdout, flush=True)
    return done.returncode


def _trees(baseline: str, folder: Path) -> dict[SideName, Tree]:
    """Both sides, the baseline's code taken out of git. Raises OwnGateError for a revision that is none."""
    verify = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{baseline}^{{commit}}"]
    found = _run(verify, ROOT, os.environ, TRIAL_S_MAX)
    if found.returncode:
        raise OwnGateError(f"--baseline {baseline}: is no revision of {ROOT}")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", found.stdout.strip()], cwd=ROOT, capture_output=True, timeout=TRIAL_S_MAX
    )
    if archive.returncode:
        raise OwnGateError(f"--baseline {baseline}: {archive.stderr.decode(errors='replace').strip()}")
    code = {SideName.BASELINE: folder / "code", SideName.CANDIDATE: ROOT}
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(code[SideName.BASELINE], filter="data")
    benchmarks = folder / "benchmarks"
    benchmarks.mkdir()
    for part in (*PARTS.glob("bench_*.py"), *PARTS.glob("count_*.py")):
        shutil.copy(part, benchmarks)
    trees = {}
    for name in SideName:
        (folder / name).mkdir()
        environment = {**os.environ, "PYTHONPATH": str(code[name]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        # Both begin without compiled code, and find it from the first turn on.
        environment |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "METERSTORM_CACHE": str(folder / "kernels")}
        environment.pop("PYTEST_ADDOPTS", None)
        trees[name] = Tree(
            name=name, code=code[name], benchmarks=benchmarks, files=folder / name, environment=environment
        )
    return trees


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise OwnGateError(f"{' '.join(command[:4])} ... was not done in {timeout_s:.0f} s", UNTOLD) from None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stderr.strip() or done.stdout.strip()).split())[-400:]


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.benchmarks.gate", description="Gate our own benchmarks.")
    parser.add_argument("--baseline", required=True, help="the revision that this working tree is held against")
    parser.add_argument("--minutes", type=float, default=MINUTES_MAX, help="at most, default %(default)s")
    parser.add_argument("--out", type=Path, help="a new folder for the report of the last look")
    given = parser.parse_args()
    if given.out is not None and given.out.exists():
        parser.error(f"{given.out} is there already")
    interrupts.listen()
    folder = PassingFolder("own-gate")
    try:
        code = gate_own(given.baseline, folder.path, given.minutes)
        if given.out is not None:
            shutil.copytree(folder.path / "answer", given.out)
        return code
    except OwnGateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        folder.remove()


if __name__ == "__main__":
    sys.exit(main())
