"""A TOML file of a person that is one part with fields: read, checked, and what is wrong in it told in plain words."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from scenarios.file import fault_told, field_path
from scenarios.parts.base import Part
from scenarios.spec import ScenarioError, one_a_line
from scenarios.texts.outside import UnreadableText, read_text, why_refused

AnyPart = TypeVar("AnyPart", bound=Part)


def load_part(path: Path, model: type[AnyPart], *, absent: str, page: str) -> AnyPart:
    """Read a file. absent: what to do when there is none; page: of the docs, where its fields are explained.

    Raises ScenarioError naming file, field, value and what is allowed.
    """
    try:
        data = tomllib.loads(read_text(path))
    except RecursionError:
        raise ScenarioError(f"{path}: its lists and tables are nested too deeply") from None
    except FileNotFoundError:
        raise ScenarioError(f"{path}: there is no such file; {absent}") from None
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read: {why_refused(error)}") from error
    except ValueError as error:
        raise ScenarioError(f"{path}: not valid TOML: {why_refused(error)}") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(one_a_line([_told(path, page, each, model) for each in error.errors()])) from error


def _told(path: Path, page: str, fault: object, model: type[Part]) -> str:
    assert isinstance(fault, dict)
    place = field_path(fault["loc"]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        name = fault["loc"][-1]
        if len(fault["loc"]) > 1 and name in model.model_fields:  # all that stands below a heading is that heading's
            return f"{path}: {place}: {name} belongs above the first [heading] of the file"
        return f"{path}: {place}: there is no such field; see {page}"
    if fault["type"] == "missing":
        return f"{path}: {place}: is missing; see {page}"
    if fault["type"] == "value_error":  # our own words, which name what they are about
        return ": ".join([str(path), *([place] if place else []), str(fault["msg"]).removeprefix("Value error, ")])
    return f"{path}: {fault_told(fault)}"
