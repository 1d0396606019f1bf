"""A scenario as a person names and writes it: a file or the name of a shipped one, and what is wrong in it in plain words."""

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from scenarios import spec
from scenarios.spec import Scenario, ScenarioError, value_text, with_seed
from scenarios.texts.printable import shortened

_FOLDER = Path(spec.__file__).parent
_GROUPS = {"load": _FOLDER, "faults": _FOLDER / "faults"}

Place = tuple[str | int, ...]  # names of fields, and indices of lists

NAME_READ_MAX = 64  # a longer one is near to no field, and to find that out takes long

_NAME_PATTERN = "^[a-z][a-z0-9_]{0,30}$"
_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {  # by pydantic's type of error, from its context
    "missing": lambda _: "is missing and has no default",
    "greater_than_equal": lambda told: f"must be at least {_number(told['ge'])}",
    "greater_than": lambda told: f"must be more than {_number(told['gt'])}",
    "less_than_equal": lambda told: f"must be at most {_number(told['le'])}",
    "less_than": lambda told: f"must be less than {_number(told['lt'])}",
    "finite_number": lambda _: "must be a finite number",
    "int_type": lambda _: "must be a whole number, without quotes or decimal point",
    "float_type": lambda _: "must be a number, without quotes",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "string_type": lambda _: "must be text in quotes",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda told: f"must have at most {told['max_length']:,} characters",
    "string_pattern_mismatch": lambda told: (
        "must begin with a small letter and hold at most 31 small letters, digits and _"
        if told["pattern"] == _NAME_PATTERN
        else f"must match {told['pattern']}"
    ),
    "enum": lambda told: f"must be {_choices(told['expected'])}",
    "literal_error": lambda told: f"must be {_choices(told['expected'])}",
    "date_type": lambda _: "must be a date, 2026-01-15 say",
    "date_from_datetime_parsing": lambda _: "must be a date, 2026-01-15 say",
    "date_from_datetime_inexact": lambda _: "must be a date without a time, 2026-01-15 say",
    "tuple_type": lambda _: "must be a list: [ ... ], or [[headings]]",
    "dict_type": lambda _: "must be a table: { ... }, or under a [heading]",
    "model_type": lambda _: "must be a table: { ... }, or under a [heading]",
    "too_short": lambda told: f"must have at least {told['min_length']:,} in its list",
    "too_long": lambda told: f"may have at most {told['max_length']:,} in its list, not {told['actual_length']:,}",
}
_WITHOUT_VALUE = ("missing", "too_short", "too_long", "tuple_type", "dict_type", "model_type")


def resolve_scenario(path: Path, seed: int | None = None) -> Scenario:
    """The scenario of a file, or of a shipped one by its bare name; `seed` replaces its own. Raises ScenarioError."""
    scenario = load_scenario(scenario_file(path))
    return scenario if seed is None else with_seed(scenario, seed)


def scenario_file(path: Path) -> Path:
    """The file that a person means: that of a shipped one by its bare name, where no file has it. Raises ScenarioError."""
    return path if path.exists() else shipped_file(path)


def load_scenario(path: Path) -> Scenario:
    """As `scenarios.spec.load_scenario`; what is wrong in the file is told in plain words, a line a fault."""
    try:
        return spec.load_scenario(path)
    except ScenarioError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        faults = error.__cause__.errors()
        told = [f"{path}: {fault_told(each)}" for each in faults if not _follows(each, faults)]
        raise ScenarioError(spec.one_a_line(told)) from error


def shipped_scenarios() -> dict[str, Scenario]:
    """The scenarios that ship, by name, in alphabetical order."""
    return {name: load_scenario(path) for name, path in sorted(_shipped_files().items())}


def shipped_names() -> dict[str, list[str]]:
    """The names of the scenarios that ship, by group: those of an unbroken cluster, and those of faults."""
    return {group: sorted(path.stem for path in folder.glob("*.toml")) for group, folder in _GROUPS.items()}


def _shipped_files() -> dict[str, Path]:
    """The files of the scenarios that ship, by name: those of `faults/` are named like any other."""
    return {path.stem: path for folder in _GROUPS.values() for path in folder.glob("*.toml")}


def new_scenario_text(name: str, shipped: str | None = None) -> str:
    """The text of a new scenario file: commented, and valid as it is; or that of a shipped one. Raises ScenarioError."""
    if shipped is not None:
        return shipped_file(Path(shipped)).read_text(encoding="utf-8")
    text = (_FOLDER / "templates" / "new.toml").read_text(encoding="utf-8")
    shown = "".join(letter for letter in name if letter.isprintable() and letter not in '"\\')[:NAME_READ_MAX]
    return text.replace("NAME", shown or "mine")


def shipped_file(name: Path) -> Path:
    """The file of a shipped scenario. Raises ScenarioError, with all their names, when there is none."""
    files = _shipped_files()
    if name.parent == Path() and name.name in files:
        return files[name.name]
    names = sorted(files)
    close = get_close_matches(name.name.removesuffix(".toml")[:NAME_READ_MAX], names, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    there = f"`ls {name.parent}` shows what is there; " if name.parent != Path() and name.parent.is_dir() else ""
    which = f"{there}those that ship are" if there else "those are"
    ships = "" if there else ", and none that ships"
    raise ScenarioError(f"{name}: no such scenario file{ships}; {meant}{which} {', '.join(names)}")


def _follows(fault: Any, faults: Sequence[Any]) -> bool:
    """A list whose only member is wrong also counts as too short."""
    place = fault["loc"]
    return fault["type"] == "too_short" and any(each["loc"][: len(place)] == place != each["loc"] for each in faults)


def fault_told(fault: Any) -> str:
    """A fault of pydantic in plain words: 'campaigns[0].at_h = -1: must be at least 0'."""
    place, kind, value = fault["loc"], fault["type"], fault["input"]
    if place[-1:] == ("[key]",):  # a wrong name in a table of names
        place = place[:-2]
    if kind == "extra_forbidden":
        return f"{field_path(place)}: there is no such field; {_instead(place)}"
    if kind == "value_error":
        return f"{field_path(place)}: {str(fault['msg']).removeprefix('Value error, ')}"
    words = _WORDS[kind](fault.get("ctx", {})) if kind in _WORDS else str(fault["msg"])
    if kind in _WITHOUT_VALUE or isinstance(value, dict | list):
        return f"{field_path(place)}: {words}"
    if kind in ("enum", "literal_error") and isinstance(value, str):
        close = get_close_matches(value[:NAME_READ_MAX], re.findall(r"'([^']*)'", words), n=1)
        words = f"did you mean {close[0]}? It {words}" if close else words
    return f"{field_path(place)} = {value_text(value)}: {words}"


def field_path(place: Place) -> str:
    """('campaigns', 0, 'at_h') -> 'campaigns[0].at_h'."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return shortened(path.removeprefix(".")) or "the scenario"


def _instead(place: Place) -> str:
    """What the unknown field may have been meant to be, or else all that there are in its place."""
    model: Any = Scenario
    is_key = False  # of a table whose keys are names
    for part in place[:-1]:
        if is_key:
            is_key = False
        elif isinstance(part, str):
            annotation = _field_named(model, part).annotation
            model, is_key = _model_in(annotation), typing.get_origin(annotation) is dict
    fields = [field.alias or name for name, field in model.model_fields.items()]
    close = get_close_matches(str(place[-1])[:NAME_READ_MAX], fields, n=1)
    return f"did you mean {close[0]}?" if close else f"the fields here are {', '.join(fields)} (docs/scenarios.md)"


def _field_named(model: Any, name: str) -> Any:
    """The field of a model by its name in the file."""
    return next(field for own, field in model.model_fields.items() if (field.alias or own) == name)


def _model_in(annotation: Any) -> Any:
    """The model of a field: itself, or the one within tuple[...], or beside None."""
    parts = (annotation, *typing.get_args(annotation))
    return next(part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))


def _choices(expected: str) -> str:
    """Pydantic's list of allowed values, an enumeration's members by their values."""
    return re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", expected)


def _number(bound: Any) -> str:
    return f"{bound:,}".removesuffix(".0") if isinstance(bound, int | float) else str(bound)
