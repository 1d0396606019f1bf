"""docs/code.md and the tree are held to each other: a folder without a row, a row without a folder, a file that has moved."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
PACKAGES = ("scenarios", "sim", "store", "loadtests", "reports", "meterstorm")


def test_every_folder_of_code_has_one_row() -> None:
    rows = re.findall(r"^\| `([\w/]+)` \|", PAGE, re.MULTILINE)
    folders = {str(path.parent.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    assert sorted(rows) == sorted(folders)


def test_every_file_that_the_page_names_is_there() -> None:
    named = [path for path in re.findall(r"`([\w/]+(?:\.py)?)`", PAGE) if "/" in path]
    assert named and [path for path in named if not (ROOT / path).exists()] == []


def test_a_folder_holds_few_loose_files_at_the_top() -> None:
    loose = {name: len(list((ROOT / name).glob("*.py"))) for name in ("sim", "loadtests", "reports", "meterstorm")}
    assert all(count <= 5 for count in loose.values()), loose
