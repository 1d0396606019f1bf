"""A variant of a table design, as a file of its own: what it is, what it asks, and how the tables are to be made."""

import re
from difflib import get_close_matches
from pathlib import Path

from pydantic import Field

from scenarios.file import NAME_READ_MAX
from scenarios.part_file import load_part
from scenarios.parts.base import Line, Part
from scenarios.spec import ScenarioError, Store
from scenarios.texts.printable import shortened

SHIPPED = Path(__file__).parent / "variants"
PLAIN = "plain"
"""The name of the design as the scenario has it: what every variant is held against."""

NAME_SIZE_MAX = 20
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_SIZE_MAX - 1}}}")
_PAGE = "docs/schemas.md"


class Variant(Part):
    """All of a variant's file. store: as a scenario has it, instead of the scenario's own."""

    title: Line = Field(min_length=1, max_length=200)
    question: Line = Field(default="", max_length=500)
    store: Store


def shipped_variants() -> dict[str, Variant]:
    """The variants that ship, by name, in alphabetical order."""
    return {path.stem: _load(path) for path in sorted(SHIPPED.glob("*.toml"))}


def variants_named(text: str) -> dict[str, Variant]:
    """'zstd,mine.toml' -> the variants by name, in that order. Raises ScenarioError for one that there is not, or twice."""
    found: dict[str, Variant] = {}
    for part in (each.strip() for each in text.split(",")):
        if not part:
            raise ScenarioError(f"--variants {shortened(text)}: a name is missing between two commas")
        path = Path(part)
        name = path.stem
        if name in found or name == PLAIN:
            told = "is the scenario's own design, which always takes part" if name == PLAIN else "is named twice"
            raise ScenarioError(f"--variants {shortened(text)}: '{shortened(name)}' {told}")
        found[name] = _load(path) if path.suffix == ".toml" or path.exists() else _shipped(part)
    return found


def new_variant_text(path: Path) -> str:
    """The text of a new variant's file: commented, and valid as it is. Raises ScenarioError for a path that names none."""
    if path.suffix != ".toml":
        raise ScenarioError(f"{shortened(str(path))}: a variant's file ends in .toml")
    _require_name(path)
    text = (Path(__file__).parent / "templates" / "variant.toml").read_text(encoding="utf-8")
    return text.replace("NAME", path.stem)


def _shipped(name: str) -> Variant:
    path = SHIPPED / f"{name}.toml"
    if _NAME.fullmatch(name) is None or not path.is_file():
        names = sorted(each.stem for each in SHIPPED.glob("*.toml"))
        close = get_close_matches(name[:NAME_READ_MAX], names, n=1)
        told = f"did you mean {close[0]}?" if close else f"those that ship are {', '.join(names)}; a file ends in .toml"
        raise ScenarioError(f"there is no variant '{shortened(name)}'; {told}")
    return _load(path)


def _load(path: Path) -> Variant:
    _require_name(path)
    absent = "`meterstorm schemas list` names those that ship, `meterstorm schemas new FILE` writes one to begin with"
    return load_part(path, Variant, absent=absent, page=_PAGE)


def _require_name(path: Path) -> None:
    if _NAME.fullmatch(path.stem) is None:
        raise ScenarioError(
            f"{shortened(str(path))}: a variant is named after its file, and '{shortened(path.stem)}' is no name: a small "
            f"letter, then at most {NAME_SIZE_MAX - 1} small letters, digits and _"
        )
