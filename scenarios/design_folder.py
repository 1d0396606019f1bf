"""A table design of a person's own, as a folder: its tables in CQL, and the statements that write and read them in TOML.

A folder is named after itself, as a variant's file is. What its CQL means is asked of `store.designs`; here are its words alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from scenarios.part_file import load_part
from scenarios.parts.alterations import ALTERATION_SIZE_MAX, ALTERATIONS_MAX, require_alterations
from scenarios.parts.base import Line, Part
from scenarios.spec import ScenarioError
from scenarios.texts.outside import UnreadableText, read_text, why_refused
from scenarios.texts.printable import shortened

TABLES_FILE = "tables.cql"
QUERIES_FILE = "queries.toml"
PAGE = "docs/schemas.md"
YEARS = 5
"""For which partitions keep to their bound, unless others are asked for."""

_CQL_SIZE_MAX = 20_000
_Cql = Annotated[str, Field(min_length=1, max_length=_CQL_SIZE_MAX)]
_SECTIONS = ("write_intervals", "read_intervals_day", "read_usage_month")
_FURTHER_WRITE = re.compile(r"write_[a-z][a-z0-9_]{0,29}")
TABLES_MAX = 8
_Binds = Annotated[tuple[Annotated[Line, Field(max_length=60)], ...], Field(max_length=64)]


class WriteQuery(Part):
    """An INSERT. binds: columns of the trace, one a `?`.

    row: what a row is of: a delivery as it came, each half-hour of it, or its UTC day, with what that adds up to so far.
    """

    row: Literal["delivery", "half_hour", "day"]
    cql: _Cql
    binds: _Binds


class ReadQuery(Part):
    """A SELECT. binds: columns of the trace, one a `?`."""

    cql: _Cql
    binds: _Binds


class Queries(Part):
    """All of a design's queries.toml. alterations: as a scenario's `store.alterations`, of the store's other tables too."""

    title: Line = Field(min_length=1, max_length=200)
    question: Line = Field(default="", max_length=500)
    alterations: tuple[Annotated[str, Field(max_length=ALTERATION_SIZE_MAX)], ...] = Field(
        default=(), max_length=ALTERATIONS_MAX
    )
    write_intervals: WriteQuery
    read_intervals_day: ReadQuery
    read_usage_month: ReadQuery | None = None
    further_writes: dict[str, WriteQuery] = Field(default_factory=dict)  # [write_NAME], by section

    @field_validator("alterations")
    @classmethod
    def _are_of_tables(cls, statements: tuple[str, ...]) -> tuple[str, ...]:
        require_alterations(statements)
        return statements

    @model_validator(mode="before")
    @classmethod
    def _known_sections(cls, given: dict[str, object]) -> dict[str, object]:
        sections = [
            name
            for name, held in given.items()
            if name not in _SECTIONS and (isinstance(held, dict) or name == "further_writes")
        ]
        further = {name: given[name] for name in sections if _FURTHER_WRITE.fullmatch(name)}
        unknown = [name for name in sections if name not in further]
        if unknown:
            raise ValueError(
                f"[{shortened(unknown[0])}]: a design writes with [write_intervals] and further [write_NAME], a table each, and "
                "answers [read_intervals_day] and, where it likes, [read_usage_month]; other questions need a schema in Python "
                "(CONTRIBUTING.md)"
            )
        if len(further) >= TABLES_MAX:
            raise ValueError(f"it has {len(further) + 1} writes: a design has at most {TABLES_MAX} tables")
        return {name: held for name, held in given.items() if name not in further} | {"further_writes": further}

    @property
    def writes(self) -> Mapping[str, WriteQuery]:
        """By section."""
        return {"write_intervals": self.write_intervals, **self.further_writes}

    @property
    def reads(self) -> Mapping[str, ReadQuery]:
        """By section, which is the operation's name."""
        reads = {"read_intervals_day": self.read_intervals_day, "read_usage_month": self.read_usage_month}
        return {name: query for name, query in reads.items() if query is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignFolder:
    """A design as it was written. lines: where the CQL of each query begins in queries.toml, from 1."""

    path: Path
    tables: str
    queries: Queries
    lines: Mapping[str, int]

    @property
    def title(self) -> str:
        return self.queries.title

    @property
    def question(self) -> str:
        return self.queries.question

    @property
    def statements(self) -> tuple[str, ...]:
        """What the design says, for people: its tables, what is written, what is asked, what else is altered."""
        writes = (query.cql for query in self.queries.writes.values())
        reads = (query.cql for query in self.queries.reads.values())
        return tuple(text.strip() for text in (self.tables, *writes, *reads, *self.queries.alterations))


def load_design(path: Path) -> DesignFolder:
    """Read a folder. Raises ScenarioError naming file, field and what is allowed."""
    absent = f"a design is a folder with {TABLES_FILE} and {QUERIES_FILE}; `meterstorm schemas new FOLDER` writes one"
    queries = load_part(path / QUERIES_FILE, Queries, absent=absent, page=PAGE)
    try:
        tables, text = read_text(path / TABLES_FILE), read_text(path / QUERIES_FILE)
    except FileNotFoundError:
        raise ScenarioError(f"{path / TABLES_FILE}: there is no such file; {absent}") from None
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path / TABLES_FILE}: can't be read: {why_refused(error)}") from error
    if len(tables) > _CQL_SIZE_MAX:
        raise ScenarioError(f"{path / TABLES_FILE}: at most {_CQL_SIZE_MAX:,} characters, not {len(tables):,}")
    lines = {name: _line_of(text, name) for name in (*queries.writes, *queries.reads)}
    return DesignFolder(path=path, tables=tables, queries=queries, lines=lines)


def _line_of(text: str, section: str) -> int:
    """The line at which a section's CQL begins, from 1; the section's own where it is written in another way."""
    head = re.search(rf"^\s*\[\s*{section}\s*\]", text, re.MULTILINE)
    if head is None:
        return 1
    found = re.compile(r"^\s*cql\s*=\s*(\"\"\"|''')?(\r?\n)?", re.MULTILINE).search(text, head.end())
    # TOML leaves out the line break right behind three quotation marks
    return text.count("\n", 0, head.end() if found is None else found.end()) + 1
