"""FOLDER/results.json of each kind of job: told apart, read, written whole; and its JSON Schema.

Every file says its `kind` and `schema_version`. Files of before November 2026 say neither: there the kind is known by a field.
Unknown fields are kept when a file is read and written again: a field that a newer version added survives an older reader. A
file whose schema version is newer is refused, as its known fields may mean something else.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, Field, NonNegativeInt, PositiveInt, ValidationError

from loadtests.recording.run_folder import RESULTS_NAME, RunFolder
from reports.results.parts import Machine, ResultsPart
from scenarios.spec import ScenarioError
from scenarios.texts.outside import UnreadableText, read_text, why_refused

SCHEMA_VERSION = 1


class Kind(StrEnum):
    """What made a results.json."""

    RUN = "run"
    SIMULATION = "simulation"
    CAPACITY = "search"
    MATRIX = "matrix"
    GATE = "gate"
    GATE_HISTORY = "history"
    TOURNAMENT = "tournament"


class ResultsFile(ResultsPart):
    """All of a results.json. Each kind of results narrows `kind` to its own."""

    kind: Kind
    schema_version: PositiveInt = Field(
        default=SCHEMA_VERSION, le=SCHEMA_VERSION, description="grows when a known field changes its meaning or goes"
    )

    def write(self, folder: Path) -> None:
        """Write FOLDER/results.json whole or not at all: a reader never sees half a file."""
        path = RunFolder(folder).results
        partial = path.with_suffix(".json.partial")
        partial.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


class MeasuredResults(ResultsFile):
    """What every kind says of its job that loads a cluster by a scenario: which, when, on what and by what versions."""

    scenario: str = Field(description="the scenario's title")
    seed: NonNegativeInt
    started: AwareDatetime
    finished: AwareDatetime
    versions: dict[str, str]
    machine: Machine


File = TypeVar("File", bound=ResultsFile)

# Of files that don't say their kind: the first that is there, as a search has a verdict too.
_FIELD_OF_KIND = {
    "ending": Kind.CAPACITY,
    "cells": Kind.MATRIX,
    "verdict": Kind.RUN,
    "offered_bin_s": Kind.SIMULATION,
}


def kind_of(folder: Path) -> Kind:
    """Whose results a folder holds. Raises ScenarioError when it holds none, or nobody's."""
    text = _text(folder, "run, a simulation, a search, a matrix, a gate or a tournament")
    kind = _kind(text)
    if kind is None:
        raise ScenarioError(
            f"{RunFolder(folder).results}: holds the results of no job that there is; was it cut short or edited?"
        )
    return kind


def require_no_other(folder: Path, kind: Kind) -> None:
    """Raises ScenarioError where the folder holds the results of another kind; one without any may be of a job that died."""
    if not RunFolder(folder).results.is_file():
        return
    found = _kind(_text(folder, kind))
    if found not in (kind, None):
        raise _of_another(folder, found, kind)


def load(folder: Path, model: type[File], kind: Kind) -> File:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds none, or one that isn't the kind's."""
    path, text = RunFolder(folder).results, _text(folder, kind)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        found = _kind(text)
        if found not in (kind, None):
            raise _of_another(folder, found, kind) from error
        detail = error.errors()[0]
        if detail["loc"] == ("schema_version",) and detail["type"] == "less_than_equal":
            raise ScenarioError(
                f"{path}: has schema version {detail['input']}, and this meterstorm knows {SCHEMA_VERSION} at most: "
                "read it with the newer one that wrote it"
            ) from error
        field = ".".join(str(part) for part in detail["loc"]) or "the file"
        raise ScenarioError(f"{path}: {field}: {detail['msg']}; was it made by a {kind} of this version?") from error


def _of_another(folder: Path, found: Kind | None, kind: Kind) -> ScenarioError:
    return ScenarioError(f"{RunFolder(folder).results}: is a {found}'s; name the folder of a {kind}")


def schema_text(model: type[ResultsFile]) -> str:
    """The JSON Schema of a results.json, as docs/ publishes it."""
    schema = model.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def _kind(text: str) -> Kind | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):  # the latter of what is nested deeply
        return None
    if not isinstance(fields, dict):
        return None
    if "kind" in fields:
        return next((kind for kind in Kind if kind == fields["kind"]), None)
    return next((kind for field, kind in _FIELD_OF_KIND.items() if field in fields), None)


def _text(folder: Path, of: str) -> str:
    path = RunFolder(folder).results
    if not folder.exists():
        raise ScenarioError(f"{folder}: there is no such folder; name that of a {of}")
    try:
        return read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ScenarioError(f"{folder}: holds no {RESULTS_NAME}; name the folder of a {of}") from None
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read: {why_refused(error)}") from error
