"""A variant of a table design, as a file or a folder of its own: what it is, what it asks, and how the tables are to be made.

A file alters tables of the scenario's design; a folder (`scenarios.design_folder`) brings a table and queries of its own.
"""

import re
from difflib import get_close_matches
from pathlib import Path

from pydantic import Field

from scenarios.design_folder import PAGE, QUERIES_FILE, TABLES_FILE, DesignFolder, load_design
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


class Variant(Part):
    """All of a variant's file. store: as a scenario has it, instead of the scenario's own."""

    title: Line = Field(min_length=1, max_length=200)
    question: Line = Field(default="", max_length=500)
    store: Store

    @property
    def statements(self) -> tuple[str, ...]:
        """What it changes, as CQL."""
        return self.store.alterations


AnyVariant = Variant | DesignFolder


def shipped_variants() -> dict[str, AnyVariant]:
    """The variants that ship, by name: those that alter tables, then those with a table of their own."""
    return {path.stem: _load(path) for path in (*sorted(SHIPPED.glob("*.toml")), *_shipped_folders())}


def variants_named(text: str) -> dict[str, AnyVariant]:
    """'zstd,mine.toml,folder' -> the variants by name, in that order. Raises ScenarioError for none, or one twice."""
    found: dict[str, AnyVariant] = {}
    for part in (each.strip() for each in text.split(",")):
        if not part:
            raise ScenarioError(f"--variants {shortened(text)}: a name is missing between two commas")
        path = Path(part)
        name = path.stem
        if name in found or name == PLAIN:
            told = "is the scenario's own design, which always takes part" if name == PLAIN else "is named twice"
            raise ScenarioError(f"--variants {shortened(text)}: '{shortened(name)}' {told}")
        is_path = bool(path.suffix) or path.name != part or path.exists()
        found[name] = _load(path) if is_path else _shipped(part)
    return found


def new_variant(path: Path) -> dict[Path, str]:
    """The files of a new variant, commented, and valid as they are: one for FILE.toml, those of a folder for any other path.

    Raises ScenarioError for a path that names none.
    """
    templates = Path(__file__).parent / "templates"
    _require_name(path)
    if path.suffix == ".toml":
        return {path: (templates / "variant.toml").read_text(encoding="utf-8").replace("NAME", path.stem)}
    return {
        path / name: (templates / "design" / name).read_text(encoding="utf-8").replace("DESIGN", path.stem)
        for name in (TABLES_FILE, QUERIES_FILE)
    }


def _shipped_folders() -> list[Path]:
    return sorted(path.parent for path in SHIPPED.glob(f"*/{QUERIES_FILE}"))


def _shipped(name: str) -> AnyVariant:
    names = {path.stem: path for path in (*sorted(SHIPPED.glob("*.toml")), *_shipped_folders())}
    if name not in names:
        close = get_close_matches(name[:NAME_READ_MAX], names, n=1)
        told = (
            f"those that ship are {', '.join(names)}; a file ends in .toml, a folder of your own is named by its path"
        )
        raise ScenarioError(
            f"there is no variant '{shortened(name)}'; {f'did you mean {close[0]}?' if close else told}"
        )
    return _load(names[name])


def _load(path: Path) -> AnyVariant:
    _require_name(path)
    if path.suffix != ".toml":
        return load_design(path)
    absent = "`meterstorm schemas list` names those that ship, `meterstorm schemas new FILE` writes one to begin with"
    return load_part(path, Variant, absent=absent, page=PAGE)


def _require_name(path: Path) -> None:
    if path.suffix not in ("", ".toml"):
        raise ScenarioError(f"{shortened(str(path))}: a variant is a file that ends in .toml, or a folder")
    if _NAME.fullmatch(path.stem) is None:
        raise ScenarioError(
            f"{shortened(str(path))}: a variant is named after its file or folder, and '{shortened(path.stem)}' is no name: a "
            f"small letter, then at most {NAME_SIZE_MAX - 1} small letters, digits and _"
        )
