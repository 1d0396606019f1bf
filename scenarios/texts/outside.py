"""Files and texts that people hand us: what a file is that is no text of ours, and numbers of more digits than anybody means.

What is wrong is told by its name (text in UTF-16, a gzip), since a codec's or Python's own words tell nobody what to do.
"""

import codecs
import re
from pathlib import Path

from scenarios.texts.printable import shortened

NO_TEXT = {  # what other files begin with
    b"\x1f\x8b": "compressed by gzip: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as text",
    b"BZh": "compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first",
    b"PAR1": "a Parquet file: export it as text",
    codecs.BOM_UTF32_LE: "text in UTF-32: save it as UTF-8",
    codecs.BOM_UTF32_BE: "text in UTF-32: save it as UTF-8",
}
WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NUL_BYTES = "no text, or UTF-16 without its first mark: it holds NUL bytes"
DIGITS_MAX = 18  # of a whole number that fits 64 bits whatever its digits are

_TOO_LONG = re.compile(r"Exceeds the limit .* value has ([0-9]+) digits")  # Python's, with advice to whoever programs


class UnreadableText(ValueError):
    """Bytes that are no UTF-8; the message completes the sentence "it is ..."."""


def no_text(head: bytes) -> str | None:
    """What a file is that begins so and is no text of any kind, with the mend; None when it may be text."""
    return next((what for start, what in NO_TEXT.items() if head.startswith(start)), None)


def text_of(content: bytes) -> str:
    """A whole file of UTF-8, without its byte-order mark. Raises UnreadableText."""
    if what := no_text(content):
        raise UnreadableText(what)
    if content[:2] in WIDE:
        raise UnreadableText("text in UTF-16: save it as UTF-8")
    if b"\0" in content:
        raise UnreadableText(NUL_BYTES)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableText(f"not in UTF-8, at line {line:,}: save it as UTF-8") from None


def read_text(path: Path) -> str:
    """The text of a file. Raises OSError, or UnreadableText."""
    return text_of(path.read_bytes())


def why_refused(error: Exception) -> str:
    """What an error says of a text from outside, in one line and without Python's advice to programmers."""
    if isinstance(error, UnreadableText):
        return f"it is {error}"
    if isinstance(error, OSError):
        return error.strerror or shortened(str(error), 200)
    if found := _TOO_LONG.search(str(error)):
        return f"a whole number of {int(found[1]):,} digits is too long"
    return shortened(str(error), 200)


def whole_number(text: str) -> int | None:
    """Digits alone as a number; None for anything else, and for more than `DIGITS_MAX` of them."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
