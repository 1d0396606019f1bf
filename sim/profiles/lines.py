"""Lines of a file of any size, read in blocks: memory is bounded even where a file has no line ends at all.

What comes out is one dialect, whatever went in: UTF-8, fields between commas, a point as decimal sign. Another one is put
into it where the file itself tells it (a byte-order mark, the header's separators), and otherwise refused by its name.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scenarios.spec import ScenarioError
from scenarios.texts.outside import NUL_BYTES, WIDE, no_text

BLOCK_SIZE = 1 << 20
LINE_SIZE_MAX = 4_096  # the rest of a longer line is dropped; its row is then found faulty
HEADER_LINE_MAX = 20  # comments and titles before the header are looked through as far as here
_SHOWN_MAX = 120  # characters of a line in a refusal
_BOM = codecs.BOM_UTF8
_SEPARATORS = {b",": "commas", b";": "semicolons", b"\t": "tabs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileText:
    """A profile file whose header was found, and in which dialect it is."""

    path: Path
    separator: bytes
    header_line: int  # counted from 1
    names: list[str]  # of the columns, in lower case and trimmed
    notes: tuple[str, ...]  # what of its dialect was taken for what, in sentences

    def blocks(self) -> Iterator[bytes]:
        """Blocks of whole lines, from the file's first line on, with commas between fields and points in numbers."""
        for block in blocks_of(self.path):
            yield _with_commas(block, self.separator)

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """Line numbers and lines after the header, blank ones left out, for files that are small by their nature."""
        for number, line in enumerate(lines_of(self.path), start=1):
            if number > self.header_line and line.strip():
                yield number, _with_commas(line.rstrip(b"\r"), self.separator)


def opened(path: Path, is_header: Callable[[list[str]], bool]) -> ProfileText | None:
    """The file with the first line that `is_header` of its column names (lower case, trimmed); None if none of the first
    `HEADER_LINE_MAX` is. Raises ScenarioError for a file that can't be read or is no text."""
    for number, line in enumerate(_first_lines(path), start=1):
        for separator, spoken in _SEPARATORS.items():
            names = _names_of(line, separator)
            if not is_header(names):
                continue
            notes = []
            with path.open("rb") as file:
                if file.read(2) in WIDE:
                    notes.append("the file is text in UTF-16")
            if separator != b",":
                notes.append(
                    f"fields are taken to be separated by {spoken}, and commas within them to be decimal signs"
                )
            if number > 1:
                notes.append(f"the header is line {number}; what stands before it was not read")
            return ProfileText(path=path, separator=separator, header_line=number, names=names, notes=tuple(notes))
    return None


def first_line_shown(path: Path) -> str:
    """The first line that is not blank, as a refusal shows it: in quotes, cut where it is long."""
    line = next((line for line in _first_lines(path) if line.strip()), b"")
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…")


def blocks_of(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines, as UTF-8 without byte-order mark. Raises ScenarioError if it can't be read."""
    pending = b""
    try:
        for raw in _texts_of(path):
            block = pending + raw
            end = block.rfind(b"\n") + 1
            pending = block[end : end + LINE_SIZE_MAX]
            if end:
                yield block[:end]
        if pending:
            yield pending
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such profile file; estate.profile names it") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{path}: begins as text in UTF-16 and does not go on as such; save it as UTF-8") from None
    except OSError as error:
        raise ScenarioError(f"{path}: the profile file can't be read: {error.strerror}") from error


def lines_of(path: Path) -> Iterator[bytes]:
    """The file's lines without line ends, for files that are small by their nature."""
    for block in blocks_of(path):
        yield from block.removesuffix(b"\n").split(b"\n")


def fields_of(line: bytes) -> list[bytes]:
    """A line's fields with the spaces and quotes around them taken off. A comma always separates."""
    return [field.strip(b' \t\r"') for field in line.split(b",")]


def _texts_of(path: Path) -> Iterator[bytes]:
    """The file's bytes as UTF-8 in blocks, cut anywhere."""
    with path.open("rb") as file:
        head = file.read(BLOCK_SIZE)
        _refuse_what_is_no_text(path, head)
        encoding = WIDE.get(head[:2])
        decoder = codecs.getincrementaldecoder(encoding)() if encoding else None
        block = head[2:] if encoding else head.removeprefix(_BOM)
        while block:
            yield decoder.decode(block).encode() if decoder else block
            block = file.read(BLOCK_SIZE)
        if decoder:
            yield decoder.decode(b"", final=True).encode()


def _refuse_what_is_no_text(path: Path, head: bytes) -> None:
    if not head.removeprefix(_BOM).strip():
        raise ScenarioError(f"{path}: the profile file is empty")
    if what := no_text(head):
        raise ScenarioError(f"{path}: the profile file is {what}")
    if head[:2] in WIDE:
        return
    if b"\0" in head:
        raise ScenarioError(f"{path}: the profile file is {NUL_BYTES}")
    if b"\r" in head and b"\n" not in head:
        raise ScenarioError(
            f"{path}: the profile file's lines end in lone carriage returns, as on old Macs; save it with line feeds"
        )


def _first_lines(path: Path) -> list[bytes]:
    """At most `HEADER_LINE_MAX` lines; longer than a block they are not looked for."""
    first = next(blocks_of(path), b"")
    return first.split(b"\n", HEADER_LINE_MAX)[:HEADER_LINE_MAX]


def _names_of(line: bytes, separator: bytes) -> list[str]:
    """The line's fields as names, if it is a header with that separator."""
    return [field.strip(b' \t\r"').decode("utf-8", "replace").lower() for field in line.split(separator)]


def _with_commas(text: bytes, separator: bytes) -> bytes:
    return text if separator == b"," else text.translate(bytes.maketrans(separator + b",", b",."))
