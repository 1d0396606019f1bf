"""The CQL of a design: CREATE TABLE, INSERT and SELECT in the shapes that one partition a query needs. Pure.

It reads a subset on purpose: what it can't read it refuses with the line, so that no statement is sent which was not understood.
What it reads, a node still judges: options of tables are passed on as they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.parts.keyspaces import RESERVED_WORDS
from scenarios.texts.printable import shortened

_TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*|//[^\n]*|/\*.*?\*/)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<mark><=|>=|!=|[?(),;.<>={}:\[\]*+])",
    re.DOTALL,
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


class CqlError(ValueError):
    """What a text says that can't be used. line: of the text, from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """text: words in small letters. start, end: where it stands."""

    text: str
    kind: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableText:
    """A CREATE TABLE. columns: name -> CQL type, without blanks; lines: theirs. options: what stands behind it, from WITH on."""

    name: str
    columns: dict[str, str]
    lines: dict[str, int]
    partition_key: tuple[str, ...]
    clustering: tuple[str, ...]
    options: str
    line: int

    @property
    def key(self) -> tuple[str, ...]:
        return (*self.partition_key, *self.clustering)

    @property
    def create(self) -> str:
        """The statement, with {keyspace} to be filled in."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        rest = "".join(f", {name}" for name in self.clustering)
        options = self.options.replace("{", "{{").replace("}", "}}")
        key = f"PRIMARY KEY (({', '.join(self.partition_key)}){rest})"
        return f"CREATE TABLE IF NOT EXISTS {{keyspace}}.{self.name} ({columns}, {key}) {options}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertText:
    """An INSERT whose values are all `?`."""

    table: str
    columns: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`column operator ?` of a WHERE."""

    column: str
    operator: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectText:
    """A SELECT of columns of one table; none: all of them. rest: what stands behind the conditions."""

    table: str
    columns: tuple[str, ...]
    conditions: tuple[Condition, ...]
    rest: str
    line: int


def read_tables(text: str) -> tuple[TableText, ...]:
    """All tables of a text of CREATE TABLE statements. Raises CqlError."""
    reader = _Reader(text)
    found: list[TableText] = []
    while not reader.is_done:
        if reader.skip(";"):
            continue
        found.append(_table(reader))
        if not reader.is_done:
            reader.take(";")
    if not found:
        raise CqlError(1, "it has no CREATE TABLE")
    return tuple(found)


def read_insert(text: str) -> InsertText:
    """One INSERT. Raises CqlError."""
    reader = _Reader(text)
    line = reader.line
    reader.take("insert", "into")
    table = reader.name()
    columns = reader.names()
    if len(set(columns)) < len(columns):
        raise CqlError(line, "it names a column twice")
    reader.take("values", "(")
    values = 0
    while True:
        if reader.peek() != "?":
            raise CqlError(reader.line, f"every value is a ?, bound to a column of the trace, not {reader.shown()}")
        reader.take("?")
        values += 1
        if not reader.skip(","):
            break
    reader.take(")")
    if values != len(columns):
        raise CqlError(line, f"it names {len(columns)} columns and gives {values} values")
    if reader.peek() == "using":
        raise CqlError(
            reader.line, "leave USING out: each row is written with the timestamp that its data has, and no TTL"
        )
    if reader.peek() == "if":
        raise CqlError(reader.line, "IF makes it a compare-and-set: what is sent twice would not be the same twice")
    reader.end()
    return InsertText(table=table, columns=columns, line=line)


def read_select(text: str) -> SelectText:
    """One SELECT. Raises CqlError, also for a full scan, ALLOW FILTERING and IN."""
    reader = _Reader(text)
    line = reader.line
    reader.take("select")
    columns: list[str] = []
    if not reader.skip("*"):
        columns.append(reader.name())
        while reader.skip(","):
            columns.append(reader.name())
        if reader.peek() == "(":
            raise CqlError(reader.line, "functions of columns are not read here: ask for the columns themselves")
    reader.take("from")
    table = reader.name()
    if reader.peek() != "where":
        raise CqlError(line, f"it is a full scan of {table}: a query asks one partition, WHERE all of its key = ?")
    reader.take("where")
    conditions = [_condition(reader)]
    while reader.skip("and"):
        conditions.append(_condition(reader))
    rest = reader.rest(
        refused={
            "allow": "ALLOW FILTERING reads rows only to leave them out: give the table the key that is asked for",
            "group": "GROUP BY is not read here: ask for the rows themselves",
        }
    )
    reader.end()
    return SelectText(table=table, columns=tuple(columns), conditions=tuple(conditions), rest=rest, line=line)


def _condition(reader: "_Reader") -> Condition:
    line = reader.line
    if reader.peek() == "token":
        raise CqlError(line, "token() asks for a range of partitions: a query asks one partition")
    column = reader.name()
    operator = reader.peek()
    if operator == "in":
        reader.take("in")
        told = "IN ? has no bound on how much it asks" if reader.peek() == "?" else "IN asks several keys at once"
        raise CqlError(line, f"{told}: a query asks for one home or meter, WHERE {column} = ?")
    if operator not in ("=", "<", "<=", ">", ">="):
        raise CqlError(line, f"{column} must be compared with =, <, <=, > or >=, not {reader.shown()}")
    reader.take(operator)
    if reader.peek() != "?":
        raise CqlError(line, f"{column} is compared with {reader.shown()}: make it a ?, bound to a column of the trace")
    reader.take("?")
    return Condition(column=column, operator=operator, line=line)


def _table(reader: "_Reader") -> TableText:
    line = reader.line
    reader.take("create", "table")
    if reader.skip("if"):
        reader.take("not", "exists")
    name = reader.name()
    reader.take("(")
    columns: dict[str, str] = {}
    lines: dict[str, int] = {}
    key: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    while True:
        if reader.peek() == "primary":
            if key is not None:
                raise CqlError(reader.line, f"{name} has two primary keys")
            key = _primary_key(reader)
        else:
            at = reader.line
            column = reader.name()
            if column in columns:
                raise CqlError(at, f"{name} has the column {column} twice")
            columns[column], lines[column] = reader.type(), at
            if reader.peek() == "static":
                raise CqlError(at, f"{column} is static: it would be of no half-hour")
            if reader.skip("primary"):
                reader.take("key")
                key = ((column,), ())
        if not reader.skip(","):
            break
    reader.take(")")
    if key is None:
        raise CqlError(line, f"{name} has no PRIMARY KEY")
    for column in (*key[0], *key[1]):
        if column not in columns:
            raise CqlError(line, f"the key of {name} has {column}, which is none of its columns")
    options = reader.rest(refused={})
    if options and not options.lower().startswith("with"):
        raise CqlError(line, f"behind the columns of {name} comes WITH or a semicolon, not '{shortened(options, 30)}'")
    return TableText(
        name=name, columns=columns, lines=lines, partition_key=key[0], clustering=key[1], options=options, line=line
    )


def _primary_key(reader: "_Reader") -> tuple[tuple[str, ...], tuple[str, ...]]:
    reader.take("primary", "key", "(")
    partition = reader.names() if reader.peek() == "(" else (reader.name(),)
    clustering: list[str] = []
    while reader.skip(","):
        clustering.append(reader.name())
    reader.take(")")
    return partition, tuple(clustering)


class _Reader:
    """Goes through a text token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at == len(self._tokens)

    @property
    def line(self) -> int:
        """Of the next token, or of the last one."""
        return self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else 1

    def peek(self) -> str:
        """The next token's text; empty at the end."""
        return "" if self.is_done else self._tokens[self._at].text

    def shown(self) -> str:
        """The next token in a sentence."""
        return f"'{shortened(self.peek(), 30)}'" if not self.is_done else "the end of the text"

    def skip(self, text: str) -> bool:
        """Whether the next token was this one, which is then passed."""
        if self.peek() != text:
            return False
        self._at += 1
        return True

    def take(self, *texts: str) -> None:
        for text in texts:
            if not self.skip(text):
                raise CqlError(self.line, f"it does not parse: {text.upper()} is expected where {self.shown()} stands")

    def name(self) -> str:
        token = None if self.is_done else self._tokens[self._at]
        if token is None or token.kind != "word" or token.text in RESERVED_WORDS:
            told = ", and no quoted one" if token is not None and token.text.startswith('"') else ""
            raise CqlError(self.line, f"it does not parse: a name is expected where {self.shown()} stands{told}")
        if _NAME.fullmatch(token.text) is None:
            told = f"{shortened(token.text)} is no name of a table or column here"
            raise CqlError(token.line, f"{told}: a letter, then at most 47 letters, digits and _")
        self._at += 1
        if self.peek() == ".":
            raise CqlError(token.line, f"leave the keyspace {token.text} out: each design has one of its own")
        return token.text

    def names(self) -> tuple[str, ...]:
        self.take("(")
        found = [self.name()]
        while self.skip(","):
            found.append(self.name())
        self.take(")")
        return tuple(found)

    def type(self) -> str:
        found: list[str] = []
        depth = 0
        while not self.is_done:
            text = self.peek()
            if depth == 0 and (text in (",", ")", "static", "primary") or (found and text != "<")):
                break
            depth += (text == "<") - (text == ">")
            found.append(text)
            self._at += 1
        if not found or depth:
            raise CqlError(self.line, f"it does not parse: a type is expected where {self.shown()} stands")
        return "".join(found).replace(",", ", ")

    def rest(self, refused: dict[str, str]) -> str:
        """What stands before the next semicolon, or before the end, as it is written. Raises CqlError for a refused word."""
        first = self._at
        while not self.is_done and self.peek() != ";":
            if self.peek() in refused:
                raise CqlError(self.line, refused[self.peek()])
            if self.peek() == "?":
                raise CqlError(self.line, "a ? stands where no value can be bound")
            self._at += 1
        if self._at == first:
            return ""
        return self._text[self._tokens[first].start : self._tokens[self._at - 1].end]

    def end(self) -> None:
        self.skip(";")
        if not self.is_done:
            raise CqlError(self.line, f"it does not parse: nothing is expected where {self.shown()} stands")


def _tokens(text: str) -> Sequence[Token]:
    found: list[Token] = []
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CqlError(line, f"it does not parse: '{shortened(text[at], 10)}' has no meaning in CQL")
        kind = match.lastgroup or ""
        if kind != "space":
            written = match.group()
            token = written.lower() if kind == "word" else written
            found.append(Token(text=token, kind=kind, line=line, start=at, end=match.end()))
        line += match.group().count("\n")
        at = match.end()
    return found
