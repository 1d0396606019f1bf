"""What ships, as a table or as JSON, and a new file to begin one's own with: of scenarios and of variants alike."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from meterstorm.display.table import WIDTH_MAX
from meterstorm.display.terminal import PlainConsole
from scenarios.spec import ScenarioError


def print_listing(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], *, as_json: bool) -> None:
    """All of each row as JSON on stdout, or as `print_rows` does."""
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print_rows(rows, columns)


def print_rows(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> None:
    """The fields that `columns` gives a heading to. On a terminal the last may wrap; elsewhere a row is a line, for grep."""
    table = Table(box=None, pad_edge=False)
    *short, last = columns
    for field in short:
        is_number = all(isinstance(row[field], int) for row in rows)
        table.add_column(columns[field], no_wrap=True, justify="right" if is_number else "left")
    table.add_column(columns[last])
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value := row[field], int) else str(value) for field in columns))
    console = PlainConsole()
    if not console.is_terminal:
        console.width = WIDTH_MAX
    console.print(table, soft_wrap=False)


def write_new_file(path: Path, text: str) -> None:
    """Write a file that was not there. Raises ScenarioError where one is, and where its folder is not."""
    with _made_anew(path), path.open("x", encoding="utf-8") as file:
        file.write(text)


def make_new_folder(path: Path) -> None:
    """Make a folder that was not there. Raises ScenarioError where one is, and where it would stand in no folder."""
    with _made_anew(path):
        path.mkdir()


@contextmanager
def _made_anew(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ScenarioError(f"{path}: is there already and is left as it is; name another path") from None
    except FileNotFoundError:
        raise ScenarioError(f"{path}: the folder {path.parent} is not there; make it, or name another") from None
