"""Lines of a file of any size, read in blocks: memory is bounded even where a file has no line ends at all."""

from collections.abc import Iterator
from pathlib import Path

from scenarios.spec import ScenarioError

BLOCK_SIZE = 1 << 20
LINE_SIZE_MAX = 4_096  # the rest of a longer line is dropped; its row is then found faulty
_BOM = b"\xef\xbb\xbf"


def blocks_of(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines, without byte-order mark. Raises ScenarioError if the file can't be read."""
    pending = b""
    try:
        with path.open("rb") as file:
            if file.read(len(_BOM)) != _BOM:
                file.seek(0)
            while block := file.read(BLOCK_SIZE):
                block = pending + block
                end = block.rfind(b"\n") + 1
                pending = block[end : end + LINE_SIZE_MAX]
                if end:
                    yield block[:end]
            if pending:
                yield pending
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such profile file; estate.profile names it") from None
    except OSError as error:
        raise ScenarioError(f"{path}: the profile file can't be read: {error.strerror}") from error


def lines_of(path: Path) -> Iterator[bytes]:
    """The file's lines without line ends, for files that are small by their nature."""
    for block in blocks_of(path):
        yield from block.removesuffix(b"\n").split(b"\n")


def header_of(path: Path) -> list[str]:
    """The names in the first line, in lower case and trimmed. Raises ScenarioError if the file can't be read."""
    first = next(blocks_of(path), b"").partition(b"\n")[0]
    return [field.decode("utf-8", "replace").lower() for field in fields_of(first)]


def fields_of(line: bytes) -> list[bytes]:
    """A line's fields with the spaces and quotes around them taken off. A comma always separates."""
    return [field.strip(b' \t\r"') for field in line.split(b",")]
