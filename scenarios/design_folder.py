"""A table design of a person's own, as a folder: its tables in CQL, and the statements that write and read them in TOML.

A folder is named after itself, as a variant's file is. What its CQL means is asked of `store.designs`; here are its words alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scenarios.part_file import load_part
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
_Binds = Annotated[tuple[Annotated[Line, Field(max_length=60)], ...], Field(max_length=64)]


class WriteQuery(Part):
    """An INSERT. row: what a row is of, a delivery as it came or each half-hour of it. binds: columns of the trace, one a `?`."""

    row: Literal["delivery", "half_hour"]
    cql: _Cql
    binds: _Binds


class ReadQuery(Part):
    """A SELECT. binds: columns of the trace, one a `?`."""

    cql: _Cql
    binds: _Binds


class Queries(Part):
    """All of a design's queries.toml."""

    title: Line = Field(min_length=1, max_length=200)
    question: Line = Field(default="", max_length=500)
    write_intervals: WriteQuery
    read_intervals_day: ReadQuery

    @model_validator(mode="before")
    @classmethod
    def _two_statements(cls, given: dict[str, object]) -> dict[str, object]:
        unknown = [name for name, held in given.items() if isinstance(held, dict) and name not in cls.model_fields]
        if unknown:
            raise ValueError(
                f"[{shortened(unknown[0])}]: a design has two statements, [write_intervals] and [read_intervals_day]; other "
                "views and questions need a schema in Python (CONTRIBUTING.md)"
            )
        return given


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
        """What the design says, for people: its tables, what is written, what is asked."""
        return tuple(
            text.strip()
            for text in (self.tables, self.queries.write_intervals.cql, self.queries.read_intervals_day.cql)
        )


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
    lines = {name: _line_of(text, name) for name in ("write_intervals", "read_intervals_day")}
    return DesignFolder(path=path, tables=tables, queries=queries, lines=lines)


def _line_of(text: str, section: str) -> int:
    """The line at which a section's CQL begins, from 1; the section's own where it is written in another way."""
    head = re.search(rf"^\s*\[\s*{section}\s*\]", text, re.MULTILINE)
    if head is None:
        return 1
    found = re.compile(r"^\s*cql\s*=\s*(\"\"\"|''')?(\r?\n)?", re.MULTILINE).search(text, head.end())
    # TOML leaves out the line break right behind three quotation marks
    return text.count("\n", 0, head.end() if found is None else found.end()) + 1
