"""Where the two sides of a gate come from: revisions, files, overrides, recorded runs.

A side is named by one or more words. `FIELD=VALUE` sets a field of the scenario; the one word that is none says where the
scenario is from: a revision of the repository that its file is in, another file, or folders of recorded runs.
"""

import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from loadtests.errors import HarnessError
from loadtests.gate.sides import GateSide, SideName, overridden, require_comparable
from scenarios.file import fault_told, resolve_scenario
from scenarios.spec import FILE_BYTES_MAX, NoBaseline, Scenario, ScenarioError, one_a_line, parse_scenario, with_seed
from scenarios.texts.outside import UnreadableText, text_of, why_refused
from scenarios.texts.printable import printable, shortened

GIT_S_MAX = 30.0
RECORDED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSide:
    """A side that was measured before: folders of runs, or files of pytest-benchmark, in the order of the pairs."""

    name: SideName
    told: str
    paths: tuple[Path, ...]


def side_named(name: SideName, words: Sequence[str], scenario: Path, seed: int | None) -> GateSide | RecordedSide:
    """A side from what was asked for.

    Raises ScenarioError for what the user can mend, NoBaseline for one that was never there.
    """
    assignments = [_assignment(word, f"--{name}") for word in words if _is_assignment(word)]
    sources = [word for word in words if not _is_assignment(word)]
    if len(sources) > 1:
        raise ScenarioError(
            f"--{name}: {shortened(sources[0])} and {shortened(sources[1])} both say where it comes from; give one of them, and "
            "FIELD=VALUE as often as you like (several recorded runs are listed with commas)"
        )
    if sources and (recorded := _recorded(name, sources[0])):
        if assignments:
            raise ScenarioError(f"--{name}: a recorded run is as it was; {assignments[0][0]} can't be set in it")
        return recorded
    if not sources:
        found, told = resolve_scenario(scenario), str(scenario)
    elif Path(sources[0]).is_file():
        found, told = resolve_scenario(Path(sources[0])), sources[0]
    else:
        found, told = _of_revision(name, sources[0], scenario)
    if assignments:
        set_told = ", ".join(f"{field} = {value}" for field, value in assignments)
        found, told = _set(name, found, assignments), f"{told} with {set_told}" if sources else set_told
    return GateSide(
        name=name, told=shortened(printable(told), 200), scenario=found if seed is None else with_seed(found, seed)
    )


def require_same_kind(
    baseline: GateSide | RecordedSide, candidate: GateSide | RecordedSide
) -> tuple[GateSide, GateSide] | tuple[RecordedSide, RecordedSide]:
    """Both sides, when both can be measured and send the same, or both were recorded. Raises ScenarioError else."""
    if isinstance(baseline, GateSide) and isinstance(candidate, GateSide):
        require_comparable(baseline.scenario, candidate.scenario)
        return baseline, candidate
    if isinstance(baseline, RecordedSide) and isinstance(candidate, RecordedSide):
        return baseline, candidate
    raise ScenarioError(
        "one side was recorded and the other is not: give folders of recorded runs on both sides, or on none (`meterstorm run` "
        "records one)"
    )


def _is_assignment(word: str) -> bool:
    return "=" in word and not Path(word).exists()


def _assignment(word: str, option: str) -> tuple[str, object]:
    """'topology.consistency.default=QUORUM' -> name and value; a value that is no TOML is text."""
    name, _, text = word.partition("=")
    name, text = name.strip(), text.strip()
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise ScenarioError(
            f"{option} {shortened(word)}: '{shortened(name)}' is no field: write it as topology.keyspace=mine"
        )
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return name, text


def _set(name: SideName, scenario: Scenario, assignments: Sequence[tuple[str, object]]) -> Scenario:
    data = overridden(scenario.model_dump(mode="json", exclude_none=True), assignments)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(one_a_line([f"--{name}: {fault_told(each)}" for each in error.errors()])) from error


def _recorded(name: SideName, source: str) -> RecordedSide | None:
    """Folders of runs and files of pytest-benchmark, listed with commas; None where the first of them is none."""
    parts = [Path(part.strip()) for part in source.split(",") if part.strip()]
    if not parts or not ("," in source or parts[0].is_dir() or parts[0].suffix == ".json"):
        return None
    if len(parts) > RECORDED_MAX:
        raise ScenarioError(f"--{name}: {len(parts):,} recorded runs; a gate reads {RECORDED_MAX:,} at most")
    for part in parts:
        if not part.exists():
            raise NoBaseline(f"--{name} {shortened(str(part))}: there is no such run or file")
    return RecordedSide(name=name, told=shortened(printable(source), 200), paths=tuple(parts))


def _of_revision(name: SideName, revision: str, scenario: Path) -> tuple[Scenario, str]:
    """The scenario's file as it is in a revision of the repository that it lies in."""
    if not scenario.is_file():
        raise ScenarioError(
            f"--{name} {shortened(revision)}: neither a file nor a folder, and {scenario} is no file of a repository either: a "
            "revision is of your own scenario's; an override is written FIELD=VALUE"
        )
    folder = scenario.absolute().parent
    if revision.startswith("-"):
        raise ScenarioError(f"--{name} {shortened(revision)}: is no revision")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise ScenarioError(
            f"--{name} {shortened(revision)}: neither a file or folder, nor a revision of the repository of {scenario}; "
            "`git log` shows what there is, and a shallow clone has less (fetch-depth: 0)"
        )
    sha = commit.decode("ascii", "replace").strip()
    text = _git(folder, "show", "--end-of-options", f"{sha}:./{scenario.name}")
    if text is None:
        raise NoBaseline(
            f"--{name} {shortened(revision)}: {scenario.name} is not there in {sha[:12]}: nothing to compare with"
        )
    origin = f"{scenario.name} of {shortened(revision)}"
    if len(text) > FILE_BYTES_MAX:
        raise ScenarioError(f"{origin}: is too large for a scenario")
    try:
        return parse_scenario(text_of(text), origin), f"{revision} ({sha[:12]})"
    except UnreadableText as error:
        raise ScenarioError(f"{origin}: can't be read: {why_refused(error)}") from error


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, or None when it says no. Raises HarnessError where there is no git, or it hangs."""
    git = shutil.which("git")
    if git is None:
        raise HarnessError("there is no git on the PATH, which a side that is a revision needs")
    try:
        done = subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, timeout=GIT_S_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise HarnessError(f"git {arguments[0]} did not answer within {GIT_S_MAX:g} s") from None
    return done.stdout if done.returncode == 0 else None
